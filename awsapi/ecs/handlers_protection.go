package ecs

import (
	"context"

	"drydock/awsapi"
	"drydock/orchestrator"
)

func (a api) updateTaskProtection(ctx context.Context, in *UpdateTaskProtectionRequest) (*UpdateTaskProtectionResponse, error) {
	cluster := awsapi.Value(in.Cluster)
	if err := sameClusters(cluster, in.Tasks); err != nil {
		return nil, err
	}
	done, failed, err := a.scheduler.UpdateTaskProtection(ctx, orchestrator.ProtectionInput{
		Cluster: cluster, Tasks: in.Tasks, Enabled: *in.ProtectionEnabled, Minutes: intOf(in.ExpiresInMinutes),
	})
	if err != nil {
		return nil, err
	}
	return &UpdateTaskProtectionResponse{ProtectedTasks: awsapi.List(done, protectedTask), Failures: awsapi.List(failed, failure)}, nil
}

func (a api) getTaskProtection(_ context.Context, in *GetTaskProtectionRequest) (*GetTaskProtectionResponse, error) {
	cluster := awsapi.Value(in.Cluster)
	if err := sameClusters(cluster, in.Tasks); err != nil {
		return nil, err
	}
	found, failed, err := a.scheduler.GetTaskProtection(cluster, in.Tasks)
	if err != nil {
		return nil, err
	}
	return &GetTaskProtectionResponse{ProtectedTasks: awsapi.List(found, protectedTask), Failures: awsapi.List(failed, failure)}, nil
}

// sameClusters is [sameCluster] for several tasks.
func sameClusters(cluster string, tasks []string) error {
	for _, ref := range tasks {
		if err := sameCluster(cluster, ref); err != nil {
			return err
		}
	}
	return nil
}

func protectedTask(p orchestrator.Protection) ProtectedTask {
	return ProtectedTask{TaskArn: &p.Task, ProtectionEnabled: &p.Enabled, ExpirationDate: moment(p.Until)}
}

func failure(f orchestrator.Failure) Failure {
	return Failure{Arn: &f.ARN, Reason: &f.Reason, Detail: awsapi.NonZero(f.Detail)}
}
