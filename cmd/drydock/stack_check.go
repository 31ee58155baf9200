package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
	"drydock/taskdefs"
)

// check looks for mistakes that no single field shows. What AWS says stands in AWS's words.
func (r *stackReader) check() {
	r.checkNames()
	r.checkReferences()
	for _, g := range r.stack.targetGroups {
		r.checkTargetGroup(g)
	}
	for _, b := range r.stack.loadBalancers {
		r.checkLoadBalancer(b)
	}
	for _, t := range r.stack.taskDefinitions {
		r.checkTaskDefinition(t)
	}
	for _, s := range r.stack.services {
		r.checkService(s)
	}
}

// at records a mistake at the place of a path, or of the nearest part of it that the
// file has.
func (r *stackReader) at(path, reason, remedy string) {
	r.errs = append(r.errs, &stackError{r.file, r.lineOf(path), path, reason, remedy})
}

func (r *stackReader) lineOf(path string) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

// names returns the names of a kind of thing in the stack.
func (s *stack) names(kind string) []string {
	var all []string
	switch kind {
	case "securityGroup":
		for _, g := range s.securityGroups {
			all = append(all, g.name())
		}
	case "targetGroup":
		for _, g := range s.targetGroups {
			all = append(all, g.name())
		}
	case "loadBalancer":
		for _, b := range s.loadBalancers {
			all = append(all, b.name())
		}
	case "listenerRule":
		for _, b := range s.loadBalancers {
			all = append(all, b.ruleNames()...)
		}
	case "taskDefinition":
		for _, t := range s.taskDefinitions {
			all = append(all, t.family())
		}
	}
	return all
}

func (r *stackReader) checkNames() {
	seen := map[string]bool{}
	unique := func(kind, name, path string) {
		if name != "" && seen[kind+" "+name] {
			r.at(path, fmt.Sprintf("there are two %ss %s", kind, name), "rename or remove one")
		}
		seen[kind+" "+name] = true
	}
	for _, i := range r.stack.images {
		unique("image", i.tag, i.path)
	}
	for _, g := range r.stack.securityGroups {
		unique("security group", g.name(), g.path)
	}
	for _, g := range r.stack.targetGroups {
		unique("target group", g.name(), g.path)
	}
	for _, b := range r.stack.loadBalancers {
		unique("load balancer", b.name(), b.path)
	}
	for _, t := range r.stack.taskDefinitions {
		unique("task definition", t.family(), t.path)
	}
	for _, s := range r.stack.services {
		unique("service", s.name(), s.path)
	}
}

func (r *stackReader) checkReferences() {
	for _, ref := range r.stack.references {
		e := &stackError{File: ref.file, Line: ref.line, Field: ref.path}
		known := r.stack.names(ref.kind)
		switch attributes := placeholderAttributes[ref.kind]; {
		case !slices.Contains(attributes, ref.attribute):
			e.Reason = fmt.Sprintf("%s: a %s has no %q", ref.text, ref.kind, ref.attribute)
			e.Remedy = "it has " + strings.Join(attributes, ", ")
		case unnamedKinds[ref.kind] || slices.Contains(known, ref.name):
			continue
		case len(known) == 0:
			e.Reason, e.Remedy = fmt.Sprintf("there is no %s %q in this stack, nor any other", ref.kind, ref.name), "add it under "+ref.kind+"s"
		default:
			e.Reason, e.Remedy = fmt.Sprintf("there is no %s %q in this stack", ref.kind, ref.name), didYouMean(ref.name, known)
		}
		r.errs = append(r.errs, e)
	}
}

func (r *stackReader) checkTargetGroup(g stackTargetGroup) {
	if deref(g.input.TargetType) == "lambda" {
		return
	}
	if g.input.Port == nil {
		r.at(g.path+".port", "is missing", "give the port that the targets listen on")
	}
	if g.input.Protocol == nil {
		r.at(g.path+".protocol", "is missing", "write `protocol: HTTP`")
	}
}

func (r *stackReader) checkLoadBalancer(b stackLoadBalancer) {
	ports := map[int64]bool{}
	for _, l := range b.listeners {
		port := deref(l.input.Port)
		switch {
		case l.input.Port == nil:
			r.at(l.path+".port", "is missing", "give the port to listen on")
		case ports[port]:
			r.at(l.path+".port", fmt.Sprintf("two listeners of %s have port %d", b.name(), port), "give each its own")
		}
		ports[port] = true
		r.checkListener(l)
	}
}

func (r *stackReader) checkListener(l stackListener) {
	switch deref(l.input.Protocol) {
	case "HTTP", "HTTPS":
	case "":
		r.at(l.path+".protocol", "is missing", "write `protocol: HTTP`")
	default:
		r.at(l.path+".protocol", fmt.Sprintf("%q is not a protocol of an Application Load Balancer", *l.input.Protocol), "choose HTTP or HTTPS")
	}
	r.checkCertificates(l)
	r.checkActions(l.path+".defaultActions", l.input.DefaultActions)
	priorities := map[int64]bool{}
	for _, rule := range l.rules {
		p := deref(rule.input.Priority)
		if p != 0 && priorities[p] {
			r.at(rule.path+".priority", fmt.Sprintf("Priority '%d' is currently in use", p), "give each rule its own")
		}
		priorities[p] = true
		r.checkActions(rule.path+".actions", rule.input.Actions)
	}
}

// checkActions looks whether every action has what its type needs.
func (r *stackReader) checkActions(path string, actions []elbv2.Action) {
	for i, a := range actions {
		needs, has := "", true
		switch deref(a.Type) {
		case "forward":
			needs, has = "targetGroup", a.TargetGroupArn != nil || a.ForwardConfig != nil
		case "redirect":
			needs, has = "redirectConfig", a.RedirectConfig != nil
		case "fixed-response":
			needs, has = "fixedResponseConfig", a.FixedResponseConfig != nil
		}
		if !has {
			r.at(fmt.Sprintf("%s[%d]", path, i), "a "+*a.Type+" action has no "+needs, "give it one")
		}
	}
}

func (r *stackReader) checkTaskDefinition(t stackTaskDefinition) {
	data, err := json.Marshal(documentOf(t.input))
	if err == nil {
		_, err = taskdefs.Parse(data)
	}
	var refused *taskdefs.Error
	if errors.As(err, &refused) && !r.hasErrorIn(t) {
		r.errs = append(r.errs, &stackError{t.file, t.line, t.path, refused.Message, ""})
	}
}

// hasErrorIn reports whether a mistake in the document is known already, which most
// likely is the same.
func (r *stackReader) hasErrorIn(t stackTaskDefinition) bool {
	return slices.ContainsFunc(r.errs, func(e *stackError) bool {
		return e.File == t.file && (t.file != r.file || strings.HasPrefix(e.Field, t.path+"."))
	})
}

func (r *stackReader) checkService(s stackService) {
	if s.input.TaskDefinition == nil && !r.gives(s.path+".taskDefinition") {
		r.at(s.path+".taskDefinition", "is missing", "name a task definition family of this stack")
	}
	if s.input.DesiredCount == nil && deref(s.input.SchedulingStrategy) != "DAEMON" && !r.gives(s.path+".desiredCount") {
		r.at(s.path+".desiredCount", "is missing", "say how many tasks to run: `desiredCount: 2`")
	}
	definition := r.definitionOf(s)
	if definition == nil {
		return
	}
	awsvpc := deref(definition.input.NetworkMode) == "awsvpc"
	if awsvpc && s.input.NetworkConfiguration == nil {
		r.at(s.path+".networkConfiguration", "Network Configuration must be provided when networkMode 'awsvpc' is specified.", "add `networkConfiguration: {awsvpcConfiguration: {subnets: default}}`")
	}
	for i, lb := range s.input.LoadBalancers {
		path := fmt.Sprintf("%s.loadBalancers[%d]", s.path, i)
		r.checkContainer(path, lb, definition)
		r.checkTarget(path, lb, awsvpc)
	}
}

// gives reports whether the file has a member at a path.
func (r *stackReader) gives(path string) bool { _, ok := r.lines[path]; return ok }

// definitionOf returns the task definition of a service, if it is in the stack.
func (r *stackReader) definitionOf(s stackService) *stackTaskDefinition {
	for _, t := range r.stack.taskDefinitions {
		if deref(s.input.TaskDefinition) == placeholder("taskDefinition", t.family(), "arn") {
			return &t
		}
	}
	return nil
}

func (r *stackReader) checkContainer(path string, lb ecs.LoadBalancer, t *stackTaskDefinition) {
	name, port := deref(lb.ContainerName), deref(lb.ContainerPort)
	var names []string
	for _, c := range t.input.ContainerDefinitions {
		names = append(names, deref(c.Name))
		if deref(c.Name) != name {
			continue
		}
		for _, m := range c.PortMappings {
			if deref(m.ContainerPort) == port {
				return
			}
		}
		r.at(path+".containerPort", fmt.Sprintf("The container %s did not have a container port %d defined.", name, port), "add it to the container's portMappings")
		return
	}
	r.at(path+".containerName", fmt.Sprintf("The container %s does not exist in the task definition.", name), didYouMean(name, names))
}

// checkTarget looks whether a service can use a target group of the stack.
func (r *stackReader) checkTarget(path string, lb ecs.LoadBalancer, awsvpc bool) {
	for _, g := range r.stack.targetGroups {
		arn := placeholder("targetGroup", g.name(), "arn")
		if deref(lb.TargetGroupArn) != arn {
			continue
		}
		if kind := deref(g.input.TargetType); awsvpc && kind != "ip" {
			if kind == "" {
				kind = "instance"
			}
			r.at(path, fmt.Sprintf("The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.", g.name(), kind), "write `targetType: ip` in the target group")
		}
		if !r.stack.forwardsTo(arn) {
			r.at(path, fmt.Sprintf("The target group with targetGroupArn %s does not have an associated load balancer.", g.name()), "forward to it from a listener or a rule")
		}
	}
}

// forwardsTo reports whether a listener or rule names a target group.
func (s *stack) forwardsTo(arn string) bool {
	forwards := func(actions []elbv2.Action) bool {
		return slices.ContainsFunc(actions, func(a elbv2.Action) bool {
			return deref(a.TargetGroupArn) == arn || a.ForwardConfig != nil && slices.ContainsFunc(a.ForwardConfig.TargetGroups, func(t elbv2.TargetGroupTuple) bool { return deref(t.TargetGroupArn) == arn })
		})
	}
	for _, b := range s.loadBalancers {
		for _, l := range b.listeners {
			if forwards(l.input.DefaultActions) || slices.ContainsFunc(l.rules, func(rule stackRule) bool { return forwards(rule.input.Actions) }) {
				return true
			}
		}
	}
	return false
}
