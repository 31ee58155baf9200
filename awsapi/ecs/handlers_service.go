package ecs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
)

func (a api) createService(ctx context.Context, in *CreateServiceRequest) (*CreateServiceResponse, error) {
	if err := oneCapacity(in.LaunchType, in.CapacityProviderStrategy); err != nil {
		return nil, err
	}
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := serviceInput(in.members(), given, nil)
	if err != nil {
		return nil, err
	}
	if wanted.Request, err = request(given); err != nil {
		return nil, err
	}
	if wanted.Tags, err = tagsOf(in.Tags); err != nil {
		return nil, err
	}
	wanted.LaunchType = new(a.launchType(in.LaunchType, in.CapacityProviderStrategy, wanted.TaskDefinition))
	wanted.Scheduling, wanted.Role = awsapi.Value(in.SchedulingStrategy), role(ctx, awsapi.Value(in.Role))
	wanted.ClientToken, wanted.CreatedBy = awsapi.Value(in.ClientToken), caller(ctx)
	s, err := a.scheduler.CreateService(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return &CreateServiceResponse{Service: a.service(s, []string{"TAGS"})}, nil
}

// oneCapacity refuses a launch type together with capacity providers (ECS-307).
func oneCapacity(launchType *string, strategy []CapacityProviderStrategyItem) error {
	if launchType != nil && len(strategy) > 0 {
		return invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	return nil
}

// launchType returns a service's or task's launch type: none with capacity providers; if
// nothing is said, what the definition requires, else EC2 (ECS-308).
func (a api) launchType(given *string, strategy []CapacityProviderStrategyItem, definition string) string {
	if given != nil || len(strategy) > 0 {
		return awsapi.Value(given)
	}
	if r, err := a.definitions.Lookup(definition); err == nil && r.Definition.Requires("FARGATE") {
		return "FARGATE"
	}
	return "EC2"
}

// role returns the ARN of a role given by name or ARN.
func role(ctx context.Context, ref string) string {
	if ref == "" || strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return "arn:aws:iam::" + awsapi.CallFrom(ctx).Account + ":role/" + ref
}

func (a api) updateService(ctx context.Context, in *UpdateServiceRequest) (*UpdateServiceResponse, error) {
	given, err := members(ctx)
	if err != nil {
		return nil, err
	}
	old, err := a.scheduler.Service(awsapi.Value(in.Cluster), *in.Service)
	if err != nil {
		return nil, err
	}
	wanted, err := serviceInput(in, given, old)
	if err != nil {
		return nil, err
	}
	wanted.ForceNewDeployment = wanted.ForceNewDeployment || deploys(old, wanted.Echo)
	s, err := a.scheduler.UpdateService(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return &UpdateServiceResponse{Service: a.service(s, []string{"TAGS"})}, nil
}

func (a api) deleteService(ctx context.Context, in *DeleteServiceRequest) (*DeleteServiceResponse, error) {
	s, err := a.scheduler.DeleteService(ctx, awsapi.Value(in.Cluster), *in.Service, awsapi.Value(in.Force))
	if err != nil {
		return nil, err
	}
	return &DeleteServiceResponse{Service: a.service(s, []string{"TAGS"})}, nil
}

func (a api) describeServices(_ context.Context, in *DescribeServicesRequest) (*DescribeServicesResponse, error) {
	if err := atMost(10, "service names", "Services", in.Services); err != nil {
		return nil, err
	}
	out := &DescribeServicesResponse{Services: []Service{}, Failures: []Failure{}}
	for _, ref := range in.Services {
		s, err := a.scheduler.Service(awsapi.Value(in.Cluster), ref)
		switch {
		case isCode(err, "ServiceNotFoundException"):
			out.Failures = append(out.Failures, missing(a.serviceARN(awsapi.Value(in.Cluster), ref)))
		case err != nil:
			return nil, err
		default:
			out.Services = append(out.Services, *a.service(s, in.Include))
		}
	}
	return out, nil
}

// serviceARN returns the ARN of a service that may not exist.
func (a api) serviceARN(cluster, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return a.scheduler.ServiceARN(orchestrator.ClusterName(cluster), ref)
}

func isCode(err error, code string) bool {
	var e *orchestrator.Error
	return errors.As(err, &e) && e.Code == code
}

func (a api) listServices(_ context.Context, in *ListServicesRequest) (*ListServicesResponse, error) {
	cluster, err := a.scheduler.Cluster(awsapi.Value(in.Cluster))
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, s := range a.scheduler.Snapshot().Services {
		if s.Cluster == cluster.Name && s.Status == orchestrator.ServiceActive && listed(s, in) {
			arns = append(arns, s.ARN)
		}
	}
	slices.Sort(arns)
	part, next, err := page(arns, in.NextToken, in.MaxResults, servicesPageSize)
	if err != nil {
		return nil, err
	}
	return &ListServicesResponse{ServiceArns: part, NextToken: next}, nil
}

// listed reports whether the filters of a list let a service pass. All are REPLICA
// services that the user manages.
func listed(s *orchestrator.Service, in *ListServicesRequest) bool {
	return (in.LaunchType == nil || s.LaunchType == *in.LaunchType) &&
		awsapi.Value(in.SchedulingStrategy) != "DAEMON" && awsapi.Value(in.ResourceManagementType) != "ECS"
}
