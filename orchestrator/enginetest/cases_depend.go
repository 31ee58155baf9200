package enginetest

import (
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// whoWaits: the first container of the definition waits for the second to be healthy, the third for nobody.
func whoWaits(tr *trial) {
	s := tr.spec(Default, Well, Graceful)
	s.Containers[0].DependsOn = []taskdefs.ContainerDependency{{ContainerName: Well, Condition: "HEALTHY"}}
	s.Containers[1].HealthCheck = check(Well)
	tr.run(s)
	waited, free := tr.container(s, Default), tr.container(s, Graceful)
	if waited.Status != orchestrator.ContainerRunning || !free.StartedAt.Before(waited.StartedAt) {
		tr.Errorf("%s started at %s, %s at %s: want it before", Graceful, free.StartedAt, Default, waited.StartedAt)
	}
	tr.stop(s)
	if last, first := tr.container(s, Well), tr.container(s, Default); last.FinishedAt.Before(first.FinishedAt) {
		tr.Errorf("%s ended at %s, before %s at %s, which depends on it", Well, last.FinishedAt, Default, first.FinishedAt)
	}
}

func volumesFrom(tr *trial) {
	s := tr.spec(Stubborn, Graceful)
	s.Volumes = []taskdefs.Volume{{Name: "shared"}}
	s.Containers[0].VolumesFrom = []taskdefs.VolumeFrom{{SourceContainer: Graceful}}
	s.Containers[1].MountPoints = []taskdefs.MountPoint{{SourceVolume: "shared", ContainerPath: "/shared"}}
	tr.run(s)
	tr.stop(s)
	first, last := tr.container(s, Stubborn), tr.container(s, Graceful)
	if first.ExitCode != 137 || last.FinishedAt.Before(first.FinishedAt) {
		tr.Errorf("%+v, then %+v: want the one that mounts to end first", first, last)
	}
}
