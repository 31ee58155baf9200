package orchestrator_test

import (
	"testing"
	"time"

	"drydock/orchestrator"
)

// What random sequences have found, each as the smallest sequence that shows it.

// TestShift_BlueOfAnAbortedDeploymentIsKept: a deployment that was aborted leaves the traffic to
// blue. When all of blue crashes and its starts are throttled, blue is replaced nevertheless: it
// is not forgotten for having no tasks at that moment.
func TestShift_BlueOfAnAbortedDeploymentIsKept(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(60))
		blue := w.web().Primary().ID
		w.redeploy()
		w.reach(orchestrator.StageScaleUp)
		if err := w.c.StopServiceDeployment(t.Context(), w.web().Primary().Record, orchestrator.StopAbort); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, task := range w.tasks() {
				if task.Deployment == blue && task.Status == orchestrator.Running {
					w.engine.Crash(task.ARN, "app", 1)
				}
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Minute)
		if got := w.groupsOf(blue); got[groupARN] != 1 || w.web().Deployment(blue) == nil {
			t.Errorf("blue %v, deployments %+v", got, w.web().Deployments)
		}
	})
}
