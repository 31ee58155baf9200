package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// pending stands in a required member whose value only `up` knows.
const pending = "pending"

// stackReader reads the sections of a stack file.
type stackReader struct {
	stackDecoder
	stack *stack
}

func newStackReader(path string) *stackReader {
	r := &stackReader{stack: &stack{file: path, dir: filepath.Dir(path)}}
	r.stackDecoder = stackDecoder{file: path, strict: true, lines: map[string]int{}, extra: readExtra, member: readMember, text: r.keepReferences}
	return r
}

func (r *stackReader) keepReferences(file string, line int, path, text string) {
	r.stack.references = append(r.stack.references, findReferences(file, line, path, text)...)
}

// read reads the whole file.
func (r *stackReader) read(root *yaml.Node) {
	sections := map[string]func(*yaml.Node, string){
		"cluster":         r.readCluster,
		"images":          r.readImages,
		"securityGroups":  r.readSecurityGroups,
		"targetGroups":    r.readTargetGroups,
		"loadBalancers":   r.readLoadBalancers,
		"taskDefinitions": r.readTaskDefinitions,
		"services":        r.readServices,
	}
	for _, e := range r.entries(root, "") {
		name := e.key.Value
		read, ok := sections[name]
		switch {
		case ok && !isNull(e.value):
			r.lines[name] = e.key.Line
			read(e.value, name)
		case !ok && !strings.HasPrefix(name, "x-"): // x- is for anchors
			r.fail(e.key, name, "there is no such section in a stack file", didYouMean(name, keys(sections)))
		}
	}
	if r.stack.cluster.ClusterName == nil {
		name := "default"
		r.stack.cluster.ClusterName = &name
	}
}

// each calls read for the elements of a section: a list, or a mapping from name to element.
func (r *stackReader) each(n *yaml.Node, path string, read func(name string, element *yaml.Node, path string)) {
	if resolve(n).Kind == yaml.MappingNode {
		for _, e := range r.entries(n, path) {
			at := join(path, e.key.Value)
			r.lines[at] = e.key.Line
			read(e.key.Value, e.value, at)
		}
		return
	}
	for i, element := range r.items(n, path) {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.lines[at] = element.Line
		read("", element, at)
	}
}

func (r *stackReader) readCluster(n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		r.stack.cluster.ClusterName = &n.Value
		return
	}
	r.shape(n, reflect.ValueOf(&r.stack.cluster).Elem(), path)
}

func (r *stackReader) readSecurityGroups(n *yaml.Node, path string) {
	r.each(n, path, func(name string, n *yaml.Node, path string) {
		unknown := pending
		g := stackGroup{path: path, input: ec2.CreateSecurityGroupRequest{GroupName: optional(name), Description: &unknown}}
		own := map[string]func(*yaml.Node, string){
			"ingress":             func(n *yaml.Node, path string) { r.permissions(n, &g.ingress, path) },
			"ipPermissions":       func(n *yaml.Node, path string) { r.permissions(n, &g.ingress, path) },
			"egress":              func(n *yaml.Node, path string) { g.egressGiven = true; r.permissions(n, &g.egress, path) },
			"ipPermissionsEgress": func(n *yaml.Node, path string) { g.egressGiven = true; r.permissions(n, &g.egress, path) },
		}
		r.withOwn(own, func() { r.shape(n, reflect.ValueOf(&g.input).Elem(), path) })
		if *g.input.Description == pending {
			g.input.Description = g.input.GroupName
		}
		r.stack.securityGroups = append(r.stack.securityGroups, g)
	})
}

func (r *stackReader) permissions(n *yaml.Node, into *[]ec2.IpPermission, path string) {
	r.value(n, reflect.ValueOf(into).Elem(), "", path)
}

func (r *stackReader) readTargetGroups(n *yaml.Node, path string) {
	r.each(n, path, func(name string, n *yaml.Node, path string) {
		g := stackTargetGroup{path: path, input: elbv2.CreateTargetGroupInput{Name: optional(name)}}
		own := map[string]func(*yaml.Node, string){
			"attributes": func(n *yaml.Node, path string) { g.attributes = r.attributes(n, path) },
		}
		r.withOwn(own, func() { r.shape(n, reflect.ValueOf(&g.input).Elem(), path) })
		r.stack.targetGroups = append(r.stack.targetGroups, g)
	})
}

// attributes reads a mapping from key to value, or AWS's list of Key and Value.
func (r *stackReader) attributes(n *yaml.Node, path string) []attribute {
	var all []attribute
	if resolve(n).Kind == yaml.MappingNode {
		for _, e := range r.entries(n, path) {
			if e.value.Kind != yaml.ScalarNode || isNull(e.value) {
				r.fail(e.value, join(path, e.key.Value), "is "+describeNode(e.value)+", not a single value", "")
				continue
			}
			all = append(all, attribute{e.key.Value, e.value.Value})
		}
		return all
	}
	var list []elbv2.TargetGroupAttribute
	r.value(n, reflect.ValueOf(&list).Elem(), "", path)
	for _, a := range list {
		all = append(all, attribute{deref(a.Key), deref(a.Value)})
	}
	return all
}

func (r *stackReader) readLoadBalancers(n *yaml.Node, path string) {
	r.each(n, path, func(name string, n *yaml.Node, path string) {
		b := stackLoadBalancer{path: path, input: elbv2.CreateLoadBalancerInput{Name: optional(name)}}
		own := map[string]func(*yaml.Node, string){
			"attributes": func(n *yaml.Node, path string) { b.attributes = r.attributes(n, path) },
			"listeners":  func(n *yaml.Node, path string) { b.listeners = r.readListeners(n, path) },
		}
		r.withOwn(own, func() { r.shape(n, reflect.ValueOf(&b.input).Elem(), path) })
		if len(b.input.Subnets) == 0 && len(b.input.SubnetMappings) == 0 {
			b.input.Subnets = []string{defaultSubnets}
		}
		r.stack.loadBalancers = append(r.stack.loadBalancers, b)
	})
}

func (r *stackReader) readListeners(n *yaml.Node, path string) []stackListener {
	var all []stackListener
	r.each(n, path, func(_ string, n *yaml.Node, path string) {
		unknown := pending
		l := stackListener{path: path, input: elbv2.CreateListenerInput{LoadBalancerArn: &unknown}}
		own := map[string]func(*yaml.Node, string){
			"certificate": func(n *yaml.Node, path string) { l.certificates = r.readCertificates(n, path) },
			"attributes":  func(n *yaml.Node, path string) { l.attributes = r.attributes(n, path) },
			"rules":       func(n *yaml.Node, path string) { l.rules = r.readRules(n, path) },
		}
		r.withOwn(own, func() { r.shape(n, reflect.ValueOf(&l.input).Elem(), path) })
		all = append(all, l)
	})
	return all
}

func (r *stackReader) readRules(n *yaml.Node, path string) []stackRule {
	var all []stackRule
	r.each(n, path, func(_ string, n *yaml.Node, path string) {
		unknown := pending
		rule := stackRule{path: path, input: elbv2.CreateRuleInput{ListenerArn: &unknown}}
		r.withOwn(nil, func() { r.shape(n, reflect.ValueOf(&rule.input).Elem(), path) })
		all = append(all, rule)
	})
	return all
}

func (r *stackReader) readTaskDefinitions(n *yaml.Node, path string) {
	r.each(n, path, func(name string, n *yaml.Node, path string) {
		if file := fileOf(n); file != nil {
			r.taskDefinitionFile(name, file, path)
			return
		}
		t := stackTaskDefinition{path: path, file: r.file, line: n.Line, input: ecs.RegisterTaskDefinitionRequest{Family: optional(name)}}
		r.shape(n, reflect.ValueOf(&t.input).Elem(), path)
		r.stack.taskDefinitions = append(r.stack.taskDefinitions, t)
	})
}

// fileOf returns the value of `file:`, if that is all there is.
func fileOf(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "file" {
		return resolve(n.Content[1])
	}
	return nil
}

func (r *stackReader) taskDefinitionFile(name string, n *yaml.Node, path string) {
	file := n.Value
	if !filepath.IsAbs(file) {
		file = filepath.Join(r.stack.dir, file)
	}
	input, line, errs := readTaskDefinition(file, r.keepReferences)
	for _, e := range errs {
		if e.Line == 0 { // the file itself
			e = &stackError{r.file, n.Line, path + ".file", e.Reason, "paths are relative to " + r.stack.dir}
		}
		r.errs = append(r.errs, e)
	}
	if name != "" && input.Family == nil {
		input.Family = &name
	}
	r.stack.taskDefinitions = append(r.stack.taskDefinitions, stackTaskDefinition{path: path, file: file, line: line, input: input})
}

// readTaskDefinition reads a task definition document of its own: what
// register-task-definition takes, or what describe-task-definition answers. An error
// without a line is about the file as a whole.
func readTaskDefinition(file string, text func(file string, line int, path, value string)) (ecs.RegisterTaskDefinitionRequest, int, stackErrors) {
	var input ecs.RegisterTaskDefinitionRequest
	data, err := os.ReadFile(file)
	if err != nil {
		return input, 0, stackErrors{{File: file, Reason: err.Error()}}
	}
	var document yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
		return input, 0, stackErrors{{File: file, Reason: fmt.Sprintf("%s is neither JSON nor YAML (%v)", file, err)}}
	}
	d := stackDecoder{file: file, strict: true, lines: map[string]int{}, extra: answerOnly, text: text}
	root := resolve(document.Content[0])
	for _, e := range d.entries(root, "") {
		if e.key.Value == "taskDefinition" {
			root = e.value
		}
	}
	d.shape(root, reflect.ValueOf(&input).Elem(), "")
	return input, root.Line, d.errs
}

// answerOnly passes over what describe-task-definition adds to a document.
func answerOnly(_ *stackDecoder, shape reflect.Value, key, _ *yaml.Node, _ string) bool {
	if shape.Type() != reflect.TypeFor[ecs.RegisterTaskDefinitionRequest]() {
		return false
	}
	_, registers := memberOf(shape.Type(), key.Value)
	_, answers := memberOf(reflect.TypeFor[ecs.TaskDefinition](), key.Value)
	return answers && !registers
}

func (r *stackReader) readServices(n *yaml.Node, path string) {
	r.each(n, path, func(name string, n *yaml.Node, path string) {
		s := stackService{path: path, input: ecs.CreateServiceRequest{ServiceName: optional(name)}}
		r.shape(n, reflect.ValueOf(&s.input).Elem(), path)
		r.stack.services = append(r.stack.services, s)
	})
}

// withOwn reads with members of our own beside those of the outermost shape.
func (r *stackReader) withOwn(own map[string]func(*yaml.Node, string), read func()) {
	before, outermost := r.extra, reflect.Type(nil)
	r.extra = func(d *stackDecoder, shape reflect.Value, key, value *yaml.Node, path string) bool {
		if outermost == nil {
			outermost = shape.Type()
		}
		if f, ok := own[key.Value]; ok && shape.Type() == outermost {
			f(value, path)
			return true
		}
		return readExtra(d, shape, key, value, path)
	}
	read()
	r.extra = before
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}
