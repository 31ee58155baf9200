package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "make what a stack file describes true: create what is missing, change what differs",
		ArgsUsage: "[DIR|FILE]",
		Description: "Reads drydock.yaml, builds its images, then creates or updates the cluster, security\n" +
			"groups, target groups, load balancers, task definitions and services in it, and waits\n" +
			"until the services are steady. The whole file is checked first. Running it again is safe.\n\n" +
			"Example:\n  drydock up examples/shop",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-build", EnvVars: twin("no-build"), Usage: "use the images as they are"},
			&cli.BoolFlag{Name: "no-wait", EnvVars: twin("no-wait"), Usage: "do not wait until the services are steady"},
			&cli.DurationFlag{Name: "timeout", Value: 10 * time.Minute, EnvVars: twin("timeout"), Usage: "how long to wait for steady services"},
			endpointFlag(),
		},
		Action: upAction,
	}
}

func upAction(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("up takes one directory or file, but got %s: bring stacks up one by one", strings.Join(c.Args().Slice(), ", "))
	}
	path, err := findStack(c.Args().First())
	if err != nil {
		return err
	}
	s, err := readStack(path)
	if err != nil {
		return err
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	u := newUp(api, s, newScreen(c.App.ErrWriter))
	if err := u.apply(c.Context, !c.Bool("no-build")); err != nil {
		return u.halfway(err)
	}
	if !c.Bool("no-wait") {
		if err := waitSteady(c.Context, api, u.screen, s.clusterName(), u.serviceNames(), c.Duration("timeout")); err != nil {
			return err
		}
	}
	return u.printURLs(c)
}

// up brings a stack up. What exists already is found by its name.
type up struct {
	api    *client
	stack  *stack
	screen *screen

	instance      string // the daemon's
	vpc, cidr     string
	subnets       []string
	groups        map[string]string // id by name
	targetGroups  map[string]string // ARN by name
	loadBalancers map[string]elbv2.LoadBalancer
	rulesByName   map[string]string // ARN of a listener rule by "balancer:port:priority"
	definitions   map[string]string // ARN by family
	changes       []string          // what was done so far
}

func newUp(api *client, s *stack, out *screen) *up {
	return &up{api: api, stack: s, screen: out, groups: map[string]string{}, targetGroups: map[string]string{},
		loadBalancers: map[string]elbv2.LoadBalancer{}, rulesByName: map[string]string{}, definitions: map[string]string{}}
}

// apply creates and changes, in an order in which everything exists before it is referred to.
func (u *up) apply(ctx context.Context, build bool) error {
	status, err := u.api.status(ctx)
	if err != nil {
		return err
	}
	u.instance = status.Daemon.Instance
	if build {
		if err := u.buildImages(ctx); err != nil {
			return err
		}
	}
	steps := []func(context.Context) error{
		u.findNetwork, u.cluster, u.securityGroups, u.applyTargetGroups, u.applyLoadBalancers, u.taskDefinitions, u.services,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// did tells of something that was created or changed.
func (u *up) did(verb, kind, name, detail string) {
	u.changes = append(u.changes, verb+" "+kind+" "+name)
	u.say(verb, kind, name, detail)
}

// kept tells of something that was as it should be.
func (u *up) kept(kind, name string) { u.say("unchanged", kind, name, "") }

func (u *up) say(verb, kind, name, detail string) {
	color := green
	if verb == "unchanged" {
		color = dim
	}
	u.screen.line("%s", strings.TrimRight(fmt.Sprintf("%s %-16s %s  %s", u.screen.paint(color, fmt.Sprintf("%-10s", verb)), kind, name, u.screen.paint(dim, detail)), " "))
}

// halfway adds to an error what was done before it, and how to go on.
func (u *up) halfway(err error) error {
	if len(u.changes) == 0 {
		return err
	}
	return fmt.Errorf("%w\nuntil then: %s\nput it right and run `drydock up %s` again, which goes on from here, or take the stack down with `drydock down %s`",
		err, strings.Join(u.changes, ", "), u.stack.file, u.stack.file)
}

func (u *up) serviceNames() []string {
	var names []string
	for _, s := range u.stack.services {
		names = append(names, s.name())
	}
	return names
}

// findNetwork learns the default VPC and its subnets.
func (u *up) findNetwork(ctx context.Context) error {
	vpcs, err := call[ec2.DescribeVpcsResult](ctx, u.api, "ec2", "DescribeVpcs", &ec2.DescribeVpcsRequest{Filters: filter("is-default", "true")})
	if err != nil {
		return fmt.Errorf("find the default VPC: %w", err)
	}
	if len(vpcs.Vpcs) == 0 {
		return fmt.Errorf("the daemon has no default VPC: see `drydock status`")
	}
	u.vpc, u.cidr = deref(vpcs.Vpcs[0].VpcId), deref(vpcs.Vpcs[0].CidrBlock)
	subnets, err := call[ec2.DescribeSubnetsResult](ctx, u.api, "ec2", "DescribeSubnets", &ec2.DescribeSubnetsRequest{Filters: filter("vpc-id", u.vpc)})
	if err != nil {
		return fmt.Errorf("find the subnets of %s: %w", u.vpc, err)
	}
	for _, s := range subnets.Subnets {
		if s.DefaultForAz == nil || *s.DefaultForAz {
			u.subnets = append(u.subnets, deref(s.SubnetId))
		}
	}
	return nil
}

func filter(name, value string) []ec2.Filter {
	return []ec2.Filter{{Name: &name, Values: []string{value}}}
}

func (u *up) cluster(ctx context.Context) error {
	name := u.stack.clusterName()
	found, err := call[ecs.DescribeClustersResponse](ctx, u.api, "ecs", "DescribeClusters", &ecs.DescribeClustersRequest{Clusters: []string{name}})
	if err != nil {
		return fmt.Errorf("describe cluster %s: %w", name, err)
	}
	for _, c := range found.Clusters {
		if deref(c.Status) == "ACTIVE" {
			u.kept("cluster", name)
			return nil
		}
	}
	if _, err := call[ecs.CreateClusterResponse](ctx, u.api, "ecs", "CreateCluster", &u.stack.cluster); err != nil {
		return fmt.Errorf("create cluster %s: %w", name, err)
	}
	u.did("created", "cluster", name, "")
	return nil
}

// resolve returns the values of a placeholder.
func (u *up) resolve(r reference) ([]string, error) {
	value := ""
	switch r.kind + "." + r.attribute {
	case "subnets.default":
		return u.subnets, nil
	case "vpc.id":
		value = u.vpc
	case "vpc.cidr":
		value = u.cidr
	case "cluster.name":
		value = u.stack.clusterName()
	case "securityGroup.id":
		value = u.groups[r.name]
	case "listenerRule.arn":
		value = u.rulesByName[r.name]
	case "targetGroup.arn":
		value = u.targetGroups[r.name]
	case "taskDefinition.arn":
		value = u.definitions[r.name]
	case "loadBalancer.arn":
		value = deref(u.loadBalancers[r.name].LoadBalancerArn)
	case "loadBalancer.dnsName":
		value = deref(u.loadBalancers[r.name].DNSName)
	case "loadBalancer.url":
		value = u.balancerURL(r.name)
	}
	if value == "" {
		return nil, fmt.Errorf("%s is not known yet: only what comes later in the order security groups, target groups, load balancers, task definitions, services can refer to it", r.text)
	}
	return []string{value}, nil
}

// balancerURL is how tasks reach a load balancer's first listener.
func (u *up) balancerURL(name string) string {
	dns := deref(u.loadBalancers[name].DNSName)
	for _, b := range u.stack.loadBalancers {
		if b.name() != name || dns == "" || len(b.listeners) == 0 {
			continue
		}
		scheme, port := strings.ToLower(deref(b.listeners[0].input.Protocol)), deref(b.listeners[0].input.Port)
		if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
			return scheme + "://" + dns
		}
		return fmt.Sprintf("%s://%s:%d", scheme, dns, port)
	}
	return ""
}

// printURLs prints where the stack answers.
func (u *up) printURLs(c *cli.Context) error {
	status, err := u.api.status(c.Context)
	if err != nil {
		return err
	}
	v := statusView{screen: newScreen(c.App.Writer), now: time.Now()}
	for _, lb := range status.LoadBalancers {
		for _, l := range lb.Listeners {
			if _, ours := u.loadBalancers[lb.Name]; ours {
				fmt.Fprintf(c.App.Writer, "%s\n", v.screen.paint(bold, lb.Name))
				fmt.Fprint(c.App.Writer, v.listener(l))
			}
		}
	}
	return nil
}
