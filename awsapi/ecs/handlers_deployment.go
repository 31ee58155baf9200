package ecs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// recordsPageSize is how many service deployments are listed at once unless told (ECS-320).
const recordsPageSize = 20

func (a api) listServiceDeployments(_ context.Context, in *ListServiceDeploymentsRequest) (*ListServiceDeploymentsResponse, error) {
	wanted := orchestrator.ListServiceDeploymentsInput{Cluster: awsapi.Value(in.Cluster), Service: *in.Service, Statuses: in.Status}
	if c := in.CreatedAt; c != nil {
		wanted.After, wanted.Before = awsapi.Value(c.After), awsapi.Value(c.Before)
	}
	found, err := a.scheduler.ListServiceDeployments(wanted)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.NextToken, in.MaxResults, recordsPageSize)
	if err != nil {
		return nil, err
	}
	return &ListServiceDeploymentsResponse{NextToken: next, ServiceDeployments: awsapi.List(part, a.serviceDeploymentBrief)}, nil
}

func (a api) serviceDeploymentBrief(r *orchestrator.ServiceDeployment) ServiceDeploymentBrief {
	return ServiceDeploymentBrief{
		ServiceDeploymentArn: &r.ARN, ServiceArn: &r.Service, ClusterArn: new(a.scheduler.ClusterARN(r.Cluster)),
		CreatedAt: &r.CreatedAt, StartedAt: moment(r.StartedAt), FinishedAt: moment(r.FinishedAt),
		TargetServiceRevisionArn: &r.Target.ARN, Status: &r.Status, StatusReason: awsapi.NonZero(r.Reason),
	}
}

func (a api) describeServiceDeployments(_ context.Context, in *DescribeServiceDeploymentsRequest) (*DescribeServiceDeploymentsResponse, error) {
	if err := atMost(20, "service deployments", "Service deployment ARNs", in.ServiceDeploymentArns); err != nil {
		return nil, err
	}
	out := &DescribeServiceDeploymentsResponse{ServiceDeployments: []ServiceDeployment{}, Failures: []Failure{}}
	for _, arn := range in.ServiceDeploymentArns {
		if err := arnOf(arn, "service-deployment"); err != nil {
			return nil, err
		}
		if r := a.scheduler.ServiceDeployment(arn); r != nil {
			out.ServiceDeployments = append(out.ServiceDeployments, a.serviceDeployment(r))
		} else {
			out.Failures = append(out.Failures, missing(arn))
		}
	}
	return out, nil
}

// arnOf refuses what is no ARN of a kind of resource.
func arnOf(arn, kind string) error {
	if !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":"+kind+"/") {
		return invalid("Invalid identifier: %s is not the ARN of a %s.", arn, strings.ReplaceAll(kind, "-", " "))
	}
	return nil
}

func (a api) serviceDeployment(r *orchestrator.ServiceDeployment) ServiceDeployment {
	shape := ServiceDeployment{
		ServiceDeploymentArn: &r.ARN, ServiceArn: &r.Service, ClusterArn: new(a.scheduler.ClusterARN(r.Cluster)),
		CreatedAt: &r.CreatedAt, StartedAt: moment(r.StartedAt), FinishedAt: moment(r.FinishedAt), StoppedAt: moment(r.StoppedAt), UpdatedAt: &r.UpdatedAt,
		SourceServiceRevisions: awsapi.List(r.Sources, revisionSummary), TargetServiceRevision: new(revisionSummary(r.Target)),
		Status: &r.Status, StatusReason: awsapi.NonZero(r.Reason), LifecycleStage: awsapi.NonZero(r.Stage), LifecycleHookDetails: hookDetails(r.Hooks),
		DeploymentConfiguration: &DeploymentConfiguration{},
		Alarms:                  &ServiceDeploymentAlarms{Status: awsapi.NonZero(r.Alarms.Status), AlarmNames: r.Alarms.Names, TriggeredAlarmNames: r.Alarms.Triggered},
	}
	configure(shape.DeploymentConfiguration, r.Config)
	if b := r.Breaker; b.Status != "" {
		shape.DeploymentCircuitBreaker = &ServiceDeploymentCircuitBreaker{Status: &b.Status, FailureCount: count(b.Failures), Threshold: count(b.Threshold)}
	}
	if b := r.Rollback; b != nil {
		shape.Rollback = &Rollback{Reason: &b.Reason, StartedAt: &b.StartedAt, ServiceRevisionArn: &b.Revision}
	}
	return shape
}

func revisionSummary(c orchestrator.RevisionCounts) ServiceRevisionSummary {
	return ServiceRevisionSummary{
		Arn: &c.ARN, RequestedTaskCount: count(c.Requested), RunningTaskCount: count(c.Running), PendingTaskCount: count(c.Pending),
		RequestedTestTrafficWeight: c.TestWeight, RequestedProductionTrafficWeight: c.ProductionWeight,
	}
}

func (a api) describeServiceRevisions(_ context.Context, in *DescribeServiceRevisionsRequest) (*DescribeServiceRevisionsResponse, error) {
	if err := atMost(20, "service revisions", "Service revision ARNs", in.ServiceRevisionArns); err != nil {
		return nil, err
	}
	out := &DescribeServiceRevisionsResponse{ServiceRevisions: []ServiceRevision{}, Failures: []Failure{}}
	for _, arn := range in.ServiceRevisionArns {
		if err := arnOf(arn, "service-revision"); err != nil {
			return nil, err
		}
		if r := a.scheduler.ServiceRevision(arn); r != nil {
			out.ServiceRevisions = append(out.ServiceRevisions, a.serviceRevision(r))
		} else {
			out.Failures = append(out.Failures, missing(arn))
		}
	}
	return out, nil
}

func (a api) serviceRevision(r *orchestrator.ServiceRevision) ServiceRevision {
	v := r.Revision
	shape := ServiceRevision{
		ServiceRevisionArn: &r.ARN, ServiceArn: &r.Service, ClusterArn: new(a.scheduler.ClusterARN(r.Cluster)), CreatedAt: &r.CreatedAt,
		TaskDefinition: &v.TaskDefinition, LaunchType: awsapi.NonZero(v.LaunchType), NetworkConfiguration: networkShape(v.Network),
		LoadBalancers: awsapi.List(v.LoadBalancers, func(lb orchestrator.LoadBalancer) LoadBalancer {
			return LoadBalancer{
				TargetGroupArn: &lb.TargetGroupARN, ContainerName: &lb.ContainerName, ContainerPort: count(lb.ContainerPort),
				AdvancedConfiguration: advancedShape(lb.Advanced),
			}
		}),
		ContainerImages: a.containerImages(v), GuardDutyEnabled: new(false), ResolvedConfiguration: resolved(r),
	}
	if fargate(v.LaunchType) {
		shape.PlatformVersion, shape.PlatformFamily = new(platform(v.PlatformVersion)), new(platformFamily)
	}
	return shape
}

// containerImages names the images of a revision, with their digests once a task has shown them.
func (a api) containerImages(v orchestrator.Revision) []ContainerImage {
	images := map[string]ContainerImage{}
	if r, err := a.definitions.Lookup(v.TaskDefinition); err == nil {
		for _, c := range r.Definition.ContainerDefinitions {
			images[c.Name] = ContainerImage{ContainerName: &c.Name, Image: &c.Image, ImageDigest: awsapi.NonZero(cmp.Or(v.Digests[c.Name], v.Images[c.Name]))}
		}
	}
	return awsapi.List(slices.Sorted(maps.Keys(images)), func(name string) ContainerImage { return images[name] })
}

func (a api) stopServiceDeployment(ctx context.Context, in *StopServiceDeploymentRequest) (*StopServiceDeploymentResponse, error) {
	arn := *in.ServiceDeploymentArn
	if err := arnOf(arn, "service-deployment"); err != nil {
		return nil, err
	}
	if err := a.scheduler.StopServiceDeployment(ctx, arn, awsapi.Value(in.StopType)); err != nil {
		return nil, err
	}
	return &StopServiceDeploymentResponse{ServiceDeploymentArn: &arn}, nil
}

// currentRevisions shows the service revisions that have a deployment.
func currentRevisions(s *orchestrator.Service) []ServiceCurrentRevisionSummary {
	var shapes []ServiceCurrentRevisionSummary
	for _, c := range s.CurrentRevisions() {
		shapes = append(shapes, ServiceCurrentRevisionSummary{Arn: &c.ARN, RequestedTaskCount: count(c.Requested), RunningTaskCount: count(c.Running), PendingTaskCount: count(c.Pending)})
	}
	return shapes
}
