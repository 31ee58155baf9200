package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"drydock/awsapi/ec2"
	"drydock/awsapi/ecs"
	"drydock/awsapi/elbv2"
)

// listenerPort is the balancer's port; the daemon adds its offset.
const listenerPort = 80

// anyGroup is a security group that the daemon does not know: it adopts it, and lets
// everything in, so that the bench's own probes and nginx reach the tasks.
const anyGroup = "sg-0be0000000000000c"

// stack is a daemon with a load balancer, and a service of one task definition behind it.
type stack struct {
	*daemon
	vpc     string
	subnets []string
	group   string // target group ARN
	revised string // task definition ARN
	service string // the name of the one that runs, empty if none
	made    int
}

// ensureStack returns the run's stack, made when it is first asked for.
func (b *bench) ensureStack(ctx context.Context) (*stack, error) {
	if b.stack != nil {
		return b.stack, nil
	}
	d, err := newDaemon(b.drydock, filepath.Join(b.dir, "state"))
	if err != nil {
		return nil, err
	}
	s := &stack{daemon: d}
	b.onEnd(func(ctx context.Context) error { return s.down(ctx) })
	if _, err := s.start(ctx); err != nil {
		return nil, err
	}
	if _, err := s.status(ctx); err != nil {
		return nil, err
	}
	if err := s.make(ctx, b.docker.image); err != nil {
		return nil, err
	}
	b.stack = s
	return s, nil
}

// make makes everything but the service.
func (s *stack) make(ctx context.Context, image string) error {
	var subnets ec2.DescribeSubnetsResult
	if err := s.api.Do(ctx, "ec2", "DescribeSubnets", &ec2.DescribeSubnetsRequest{}, &subnets); err != nil {
		return err
	}
	for _, subnet := range subnets.Subnets {
		s.vpc, s.subnets = *subnet.VpcId, append(s.subnets, *subnet.SubnetId)
	}
	var cluster ecs.CreateClusterResponse
	if err := s.api.Do(ctx, "ecs", "CreateCluster", &ecs.CreateClusterRequest{}, &cluster); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.makeTargetGroup, s.makeLoadBalancer} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.register(ctx, image)
}

func (s *stack) makeTargetGroup(ctx context.Context) error {
	var out elbv2.CreateTargetGroupOutput
	err := s.api.Do(ctx, "elbv2", "CreateTargetGroup", &elbv2.CreateTargetGroupInput{
		Name: new("bench"), Protocol: new("HTTP"), Port: new(int64(appPort)), TargetType: new("ip"), VpcId: &s.vpc, HealthCheckPath: new("/"),
		HealthCheckIntervalSeconds: new(int64(30)), HealthCheckTimeoutSeconds: new(int64(5)), HealthyThresholdCount: new(int64(2)),
	}, &out)
	if err != nil {
		return err
	}
	s.group = *out.TargetGroups[0].TargetGroupArn
	return s.delay(ctx, 0)
}

// delay sets how long a target that leaves may finish its requests.
func (s *stack) delay(ctx context.Context, d time.Duration) error {
	return s.api.Do(ctx, "elbv2", "ModifyTargetGroupAttributes", &elbv2.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.group,
		Attributes:     []elbv2.TargetGroupAttribute{{Key: new("deregistration_delay.timeout_seconds"), Value: new(strconv.Itoa(int(d / time.Second)))}},
	}, nil)
}

func (s *stack) makeLoadBalancer(ctx context.Context) error {
	var out elbv2.CreateLoadBalancerOutput
	err := s.api.Do(ctx, "elbv2", "CreateLoadBalancer", &elbv2.CreateLoadBalancerInput{
		Name: new("bench"), Subnets: s.subnets, SecurityGroups: []string{anyGroup},
	}, &out)
	if err != nil {
		return err
	}
	return s.api.Do(ctx, "elbv2", "CreateListener", &elbv2.CreateListenerInput{
		LoadBalancerArn: out.LoadBalancers[0].LoadBalancerArn, Protocol: new("HTTP"), Port: new(int64(listenerPort)),
		DefaultActions: []elbv2.Action{{Type: new("forward"), TargetGroupArn: &s.group}},
	}, nil)
}

func (s *stack) register(ctx context.Context, image string) error {
	var out ecs.RegisterTaskDefinitionResponse
	err := s.api.Do(ctx, "ecs", "RegisterTaskDefinition", &ecs.RegisterTaskDefinitionRequest{
		Family: new("bench"), NetworkMode: new("awsvpc"), RequiresCompatibilities: []string{"FARGATE"}, Cpu: new("256"), Memory: new("512"),
		ContainerDefinitions: []ecs.ContainerDefinition{{
			Name: new("app"), Image: &image, PortMappings: []ecs.PortMapping{{ContainerPort: new(int64(appPort))}}, StopTimeout: new(int64(2)),
		}},
	}, &out)
	if err == nil {
		s.revised = *out.TaskDefinition.TaskDefinitionArn
	}
	return err
}

// balancer is where the listener answers.
func (s *stack) balancer() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(listenerPort+s.offset))
}

// createService creates a service and waits until so many targets are healthy.
func (s *stack) createService(ctx context.Context, desired int) error {
	s.made++
	s.service = fmt.Sprintf("bench-%d", s.made)
	err := s.api.Do(ctx, "ecs", "CreateService", &ecs.CreateServiceRequest{
		ServiceName: &s.service, TaskDefinition: &s.revised, DesiredCount: new(int64(desired)), LaunchType: new("FARGATE"),
		LoadBalancers: []ecs.LoadBalancer{{TargetGroupArn: &s.group, ContainerName: new("app"), ContainerPort: new(int64(appPort))}},
		NetworkConfiguration: &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsVpcConfiguration{
			Subnets: s.subnets, SecurityGroups: []string{anyGroup},
		}},
	}, nil)
	if err != nil {
		return err
	}
	return s.awaitHealthy(ctx, desired)
}

// awaitHealthy is patient: each task is given longer than a busy machine takes to start one.
func (s *stack) awaitHealthy(ctx context.Context, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute+time.Duration(want)*3*time.Second)
	defer cancel()
	for healthy := 0; ; {
		n, err := s.healthy(ctx)
		if err == nil && n >= want {
			return nil
		}
		if err == nil {
			healthy = n
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("wait for %d healthy targets, have %d: %w: %s", want, healthy, ctx.Err(), s.lastWords())
		}
		if err != nil {
			return err
		}
	}
}

func (s *stack) healthy(ctx context.Context) (int, error) {
	var out elbv2.DescribeTargetHealthOutput
	err := s.api.Do(ctx, "elbv2", "DescribeTargetHealth", &elbv2.DescribeTargetHealthInput{TargetGroupArn: &s.group}, &out)
	n := 0
	for _, t := range out.TargetHealthDescriptions {
		if *t.TargetHealth.State == "healthy" {
			n++
		}
	}
	return n, err
}

// deleteService deletes the service and waits until its containers are gone.
func (s *stack) deleteService(ctx context.Context) error {
	if s.service == "" {
		return nil
	}
	if err := s.api.Do(ctx, "ecs", "DeleteService", &ecs.DeleteServiceRequest{Service: &s.service, Force: new(true)}, nil); err != nil {
		return err
	}
	s.service = ""
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		left, err := s.addresses(ctx)
		if err != nil || len(left) == 0 {
			return err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("wait for %d tasks to stop: %w", len(left), ctx.Err())
		}
	}
}

// addresses returns where the tasks answer that are not STOPPED.
func (s *stack) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	status, err := s.status(ctx)
	var out []netip.AddrPort
	for _, t := range status.Tasks {
		if t.LastStatus == "STOPPED" {
			continue
		}
		address, _ := netip.ParseAddr(t.Address) // absent before the task has one
		out = append(out, netip.AddrPortFrom(address, appPort))
	}
	return out, err
}

// ensureService returns the stack with a service of so many healthy tasks.
func (b *bench) ensureService(ctx context.Context) (*stack, error) {
	s, err := b.ensureStack(ctx)
	if err != nil || s.service != "" {
		return s, err
	}
	return s, s.createService(ctx, b.tasks)
}
