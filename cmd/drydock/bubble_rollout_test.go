package main

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/orchestrator"
)

// record returns the service deployment of the service's newest deployment.
func (b *bubble) record() orchestrator.ServiceDeployment {
	b.t.Helper()
	r := b.life.Load().scheduler.ServiceDeployment(b.web().Primary().Record)
	if r == nil {
		b.t.Fatalf("no service deployment %q", b.web().Primary().Record)
	}
	return *r
}

// becomes waits until the newest service deployment has a status.
func (b *bubble) becomes(status string, most time.Duration) orchestrator.ServiceDeployment {
	b.t.Helper()
	if !b.eventually(most, func() bool { return b.record().Status == status }) {
		b.t.Fatalf("the service deployment is %+v, never %s:\n%s", b.record(), status, b.story())
	}
	return b.record()
}

// allGood fails the test unless all requests of a load were answered with 200.
func (b *bubble) allGood(g *bubbleLoad) {
	b.t.Helper()
	if counts := g.end(); len(counts) != 1 || counts[200] < 100 {
		b.t.Errorf("statuses %v, want 200 only", counts)
	}
}

// TestBreaker_RollsBackUnderLoad: a revision that fails its health checks trips the breaker at
// the third task and is rolled back; the users never notice.
func TestBreaker_RollsBackUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 5 * time.Second, breaker: true}, func(t *testing.T, b *bubble) {
		good, before := b.web().TaskDefinition, len(b.said())
		g := b.load(50 * time.Millisecond)
		b.deploy("app:2", behaviour{ill: true})
		r := b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Hour)
		b.steady(time.Minute)
		b.allGood(g)
		if b.web().TaskDefinition != good || r.Breaker.Status != orchestrator.MonitorTriggered || r.Breaker.Failures != 3 {
			t.Errorf("left at %s, %+v", b.web().TaskDefinition, r.Breaker)
		}
		said := strings.Join(b.said()[before:], "\n")
		if n := strings.Count(said, ") is unhealthy in (target-group "); n < 3 {
			t.Errorf("%d tasks were found unhealthy:\n%s", n, said)
		}
		if n := strings.Count(said, "Amazon ECS replaced 1 tasks due to an unhealthy status."); n < 2 {
			t.Errorf("%d replacements were named:\n%s", n, said)
		}
	})
}

// TestStopServiceDeployment_UnderLoad: going back in the middle of a deployment fails no request.
func TestStopServiceDeployment_UnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 4, min: 50, max: 150, delay: 10 * time.Second}, func(t *testing.T, b *bubble) {
		good := b.web().TaskDefinition
		g := b.load(20 * time.Millisecond)
		b.deploy("app:2", behaviour{listenAfter: 2 * time.Second})
		if !b.eventually(time.Minute, func() bool { return b.web().Primary().HealthyCount > 0 }) {
			t.Fatal("nothing new is healthy")
		}
		b.must(b.life.Load().scheduler.StopServiceDeployment(t.Context(), b.record().ARN, ""))
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, 10*time.Minute)
		b.steady(time.Minute)
		b.allGood(g)
		for _, task := range b.tasks() {
			if task.TaskDefinition != good {
				t.Errorf("a task of %s is left", task.TaskDefinition)
			}
		}
	})
}

// TestProtection_ScaleInUnderLoad: of three tasks the protected one stays, and no request fails.
func TestProtection_ScaleInUnderLoad(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 3, min: 100, max: 200, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		kept := b.tasks()[1].ARN
		_, failed, err := b.life.Load().scheduler.UpdateTaskProtection(t.Context(), orchestrator.ProtectionInput{Tasks: []string{kept}, Enabled: true})
		if err != nil || len(failed) > 0 {
			t.Fatal(failed, err)
		}
		g := b.load(20 * time.Millisecond)
		one := 1
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &one }))
		b.eventually(time.Minute, func() bool { return len(b.tasks()) == 1 })
		b.steady(time.Minute)
		b.allGood(g)
		if left := b.tasks(); len(left) != 1 || left[0].ARN != kept {
			t.Errorf("%d tasks are left, the protected one is %s", len(left), b.task(kept).Status)
		}
	})
}

// bell is an alarm that a test rings.
type bell struct{ ringing atomic.Bool }

func (a *bell) States([]string) map[string]string {
	if a.ringing.Load() {
		return map[string]string{"5xx": orchestrator.AlarmState}
	}
	return map[string]string{"5xx": "OK"}
}

// TestAlarms_RollBackUnderLoad: an alarm that rings in the middle takes the service back.
func TestAlarms_RollBackUnderLoad(t *testing.T) {
	alarm := &bell{}
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, alarms: alarm, pace: "aws"}, func(t *testing.T, b *bubble) {
		good := b.web().TaskDefinition
		b.must(b.update(func(in *orchestrator.ServiceInput) {
			in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"5xx"}, Enable: true, Rollback: true}
		}))
		g := b.load(50 * time.Millisecond)
		b.deploy("app:2", behaviour{})
		if !b.eventually(10*time.Minute, func() bool { return len(b.web().Deployments) == 1 }) {
			t.Fatalf("the old tasks stay:\n%s", b.story())
		}
		if b.web().Primary().RolloutState != orchestrator.RolloutInProgress {
			t.Error("completed before it baked")
		}
		alarm.ringing.Store(true)
		r := b.becomes(orchestrator.ServiceDeploymentRollbackInProgress, time.Minute)
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, 20*time.Minute)
		b.steady(time.Minute)
		b.allGood(g)
		if !slices.Equal(r.Alarms.Triggered, []string{"5xx"}) || b.web().TaskDefinition != good {
			t.Errorf("%+v, left at %s", r.Alarms, b.web().TaskDefinition)
		}
	})
}
