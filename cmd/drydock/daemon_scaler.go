package main

import (
	"context"

	"drydock/autoscaling"
	"drydock/orchestrator"
)

// openScaler opens Application Auto Scaling, which looks again whenever alarms may have changed.
func (d *daemon) openScaler(ctx context.Context) error {
	pace, err := autoscaling.PaceNamed(d.config.Pace)
	if err != nil {
		return err
	}
	d.scaler, err = autoscaling.Open(ctx, d.store, scaledServices{d.scheduler}, d.monitor, autoscaling.Config{
		Region: d.config.Region, Account: d.config.Account, Pace: pace, Logger: d.log,
	})
	return err
}

// alarmsChanged has those look who do something about alarms.
func (d *daemon) alarmsChanged() {
	d.scheduler.Poke()
	d.scaler.Poke()
}

// scaledServices is the scheduler as auto scaling sees it.
type scaledServices struct{ scheduler *orchestrator.Controller }

var _ autoscaling.Services = scaledServices{}

func (s scaledServices) ScaledService(cluster, name string) (autoscaling.Service, bool) {
	service, err := s.scheduler.Service(cluster, name)
	if err != nil || service.Status != orchestrator.ServiceActive {
		return autoscaling.Service{}, false
	}
	seen := autoscaling.Service{Desired: service.DesiredCount, Deploying: len(service.Deployments) > 1}
	for _, d := range service.Deployments {
		seen.Running += d.RunningCount
		seen.Deploying = seen.Deploying || d.RolloutState == orchestrator.RolloutInProgress
	}
	return seen, true
}

func (s scaledServices) SetDesiredCount(ctx context.Context, cluster, name string, desired int) error {
	_, err := s.scheduler.UpdateService(ctx, orchestrator.ServiceInput{Cluster: cluster, Name: name, DesiredCount: &desired, Automatic: true})
	return err
}
