package ecs

import (
	"context"

	"drydock/awsapi"
	"drydock/orchestrator"
)

func (a api) continueServiceDeployment(ctx context.Context, in *ContinueServiceDeploymentRequest) (*ContinueServiceDeploymentResponse, error) {
	arn := *in.ServiceDeploymentArn
	if err := arnOf(arn, "service-deployment"); err != nil {
		return nil, err
	}
	if err := a.scheduler.ContinueServiceDeployment(ctx, arn, *in.HookId, awsapi.Value(in.Action)); err != nil {
		return nil, err
	}
	return &ContinueServiceDeploymentResponse{ServiceDeploymentArn: &arn}, nil
}

// hookDetails shows the runs of a service deployment's hooks.
func hookDetails(runs []orchestrator.HookRun) []DeploymentLifecycleHookDetail {
	if len(runs) == 0 {
		return nil
	}
	return awsapi.List(runs, func(h orchestrator.HookRun) DeploymentLifecycleHookDetail {
		return DeploymentLifecycleHookDetail{
			HookId: &h.ID, TargetType: &h.Type, TargetArn: awsapi.NonZero(h.Target), Status: &h.Status,
			ExpiresAt: moment(h.ExpiresAt), TimeoutAction: &h.TimeoutAction,
		}
	})
}

// resolved shows which of its target groups a service revision is in; nil if it has no choice.
func resolved(r *orchestrator.ServiceRevision) *ResolvedConfiguration {
	d := orchestrator.Deployment{Revision: r.Revision, Alternate: r.Alternate}
	var shapes []ServiceRevisionLoadBalancer
	for n, target := range d.Targets() {
		if a := r.Revision.LoadBalancers[n].Advanced; a != nil {
			shapes = append(shapes, ServiceRevisionLoadBalancer{TargetGroupArn: &target.TargetGroupARN, ProductionListenerRule: awsapi.NonZero(a.ProductionListenerRule)})
		}
	}
	if shapes == nil {
		return nil
	}
	return &ResolvedConfiguration{LoadBalancers: shapes}
}
