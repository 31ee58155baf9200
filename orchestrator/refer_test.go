package orchestrator_test

import (
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
)

// remove deregisters and deletes a revision, and forgets it if inUse says so.
func (w *world) remove(arn string, inUse func(string) bool) {
	w.t.Helper()
	if _, err := w.defs.Deregister(w.t.Context(), arn, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	if _, failures, err := w.defs.Delete(w.t.Context(), []string{arn}, time.Now()); err != nil || failures != nil {
		w.t.Fatal(failures, err)
	}
	if err := w.defs.Purge(w.t.Context(), inUse, time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

func TestRefersTo_WhatServicesAndTasksNeed(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		first := w.web().TaskDefinition
		w.steady(time.Minute)
		w.redeploy()
		second := w.web().TaskDefinition
		if !w.c.RefersTo(first) || !w.c.RefersTo(second) || w.c.RefersTo(first+"0") {
			t.Error("during a deployment both revisions are needed, and no other")
		}
		w.remove(first, w.c.RefersTo)
		if _, err := w.defs.Lookup(first); err != nil {
			t.Errorf("the old revision is gone while its tasks run: %v", err)
		}
		w.steady(time.Minute)
		w.eventually(time.Minute, func() bool { return !w.c.RefersTo(first) })
		w.remove(second, w.c.RefersTo)
		if _, err := w.defs.Lookup(first); err == nil {
			t.Error("the old revision stays though nothing needs it")
		}
		w.update(func(in *orchestrator.ServiceInput) { n := 2; in.DesiredCount = &n })
		w.steady(time.Minute) // what is in deletion keeps scaling
		if _, err := w.c.DeleteService(t.Context(), "", "web", true); err != nil {
			t.Fatal(err)
		}
		if !w.c.RefersTo(second) {
			t.Error("a service that drains needs its revision")
		}
		if !w.eventually(5*time.Minute, func() bool { return !w.c.RefersTo(second) }) {
			t.Error("a service that is gone needs its revision")
		}
	})
}

func TestRun_ATaskWhoseDefinitionIsGoneFails(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		arn := w.register("web")
		tasks, err := w.runTask(asIs)
		if err != nil {
			t.Fatal(err)
		}
		w.remove(arn, func(string) bool { return false })
		var task *orchestrator.Task
		w.eventually(time.Minute, func() bool {
			task = w.c.Snapshot().Tasks[tasks[0].ARN]
			return task.Status == orchestrator.Stopped
		})
		want := "ResourceInitializationError: task definition " + arn + " is gone: it was deleted"
		if task.StopCode != orchestrator.TaskFailedToStart || !strings.HasPrefix(task.StopReason, want) {
			t.Errorf("stopped: %s, %s", task.StopCode, task.StopReason)
		}
		if len(w.engine.Specs()) > 0 {
			t.Error("it was brought up")
		}
	})
}
