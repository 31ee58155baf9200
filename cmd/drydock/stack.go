package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// stackFile is the name of a stack file in a directory.
const stackFile = "drydock.yaml"

// stack is what a stack file says, in AWS's own input shapes. What is known only once it
// exists stands in them as placeholders.
type stack struct {
	file            string // as the user named it
	dir             string // what paths in it are relative to
	cluster         ecs.CreateClusterRequest
	images          []stackImage
	securityGroups  []stackGroup
	targetGroups    []stackTargetGroup
	loadBalancers   []stackLoadBalancer
	taskDefinitions []stackTaskDefinition
	services        []stackService

	references []reference
}

// stackImage is an image that is built from source.
type stackImage struct {
	path       string
	tag        string
	context    string // relative to the stack file
	dockerfile string // relative to the context
	args       map[string]string
	run        []string // shell commands run on the host before the build
}

// stackGroup is a security group with the rules that it is to have.
type stackGroup struct {
	path            string
	input           ec2.CreateSecurityGroupRequest
	ingress, egress []ec2.IpPermission
	egressGiven     bool // otherwise egress stays as it is
}

func (g stackGroup) name() string { return deref(g.input.GroupName) }

// attribute is a target group or load balancer attribute.
type attribute struct{ key, value string }

// stackTargetGroup is a target group with the attributes that it is to have.
type stackTargetGroup struct {
	path       string
	input      elbv2.CreateTargetGroupInput
	attributes []attribute
}

func (g stackTargetGroup) name() string { return deref(g.input.Name) }

// stackLoadBalancer is a load balancer with its listeners.
type stackLoadBalancer struct {
	path       string
	input      elbv2.CreateLoadBalancerInput
	attributes []attribute
	listeners  []stackListener
}

func (b stackLoadBalancer) name() string { return deref(b.input.Name) }

// stackListener is a listener with its rules, without the default one.
type stackListener struct {
	path         string
	input        elbv2.CreateListenerInput
	certificates []stackCertificate // instead of input.Certificates
	attributes   []attribute
	rules        []stackRule
}

// stackRule is a listener rule.
type stackRule struct {
	path  string
	input elbv2.CreateRuleInput
}

// stackTaskDefinition is a task definition document.
type stackTaskDefinition struct {
	path  string
	file  string // where the document stands: the stack file or one of its own
	line  int
	input ecs.RegisterTaskDefinitionRequest
}

func (t stackTaskDefinition) family() string { return deref(t.input.Family) }

// stackService is a service.
type stackService struct {
	path  string
	input ecs.CreateServiceRequest
}

func (s stackService) name() string { return deref(s.input.ServiceName) }

// clusterName returns the name of the stack's cluster.
func (s *stack) clusterName() string { return deref(s.cluster.ClusterName) }

// findStack returns the path of the stack file that DIR, FILE or nothing means.
func findStack(argument string) (string, error) {
	path := argument
	if path == "" {
		path = "."
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", usagef("there is no %s: name a directory with a %s, or the file itself", path, stackFile)
	}
	if err != nil {
		return "", usagef("%v: name a directory with a %s, or the file itself", err, stackFile)
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range []string{stackFile, "drydock.yml"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return filepath.Join(path, name), nil
		}
	}
	return "", usagef("there is no %s in %s: name the directory that has one, as in `drydock up examples/shop`", stackFile, path)
}

// readStack reads and checks a stack file. All mistakes are in the error; nothing is
// created before it is free of them.
func readStack(path string) (*stack, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%v: name a stack file that can be read", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, usagef("%s: %v: it is not valid YAML\nnothing was created", path, err)
	}
	if len(document.Content) == 0 {
		return nil, usagef("%s is empty: see examples/shop/drydock.yaml for what a stack looks like", path)
	}
	r := newStackReader(path)
	r.read(document.Content[0])
	r.check()
	return r.stack, r.errs.asUsage()
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (a attribute) String() string { return fmt.Sprintf("%s=%s", a.key, a.value) }
