package main

import (
	"strings"
	"testing"
	"time"

	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
)

// ended waits until a task is STOPPED and returns it.
func (b *bubble) ended(arn string) *orchestrator.Task {
	b.t.Helper()
	if !b.eventually(time.Hour, func() bool { return b.task(arn).Status == orchestrator.Stopped }) {
		b.t.Fatalf("task %s stays %s:\n%s", arn, b.task(arn).Status, b.story())
	}
	return b.task(arn)
}

// stoppedAs fails the test unless a task ended so: code, reason and exit code of its first container.
func (b *bubble) stoppedAs(arn, code, reason string, exit int) {
	b.t.Helper()
	t := b.ended(arn)
	if t.StopCode != code || t.StopReason != reason || t.Containers[0].ExitCode == nil || *t.Containers[0].ExitCode != exit {
		b.t.Errorf("task ended with %s %q, %+v; want %s %q, exit %d", t.StopCode, t.StopReason, t.Containers[0], code, reason, exit)
	}
}

// says fails the test unless the service has said all that since so many events.
func (b *bubble) says(after int, wanted ...string) {
	b.t.Helper()
	said := strings.Join(b.said()[after:], "\n")
	for _, want := range wanted {
		if !strings.Contains(said, want) {
			b.t.Errorf("never said %q:\n%s", want, said)
		}
	}
}

// stable is what `aws ecs wait services-stable` waits for.
func (b *bubble) stable() bool {
	s := b.web()
	return len(s.Deployments) == 1 && s.Deployments[0].RunningCount == s.DesiredCount
}

func rollingOut(b *bubble) string {
	return "Scaling activity initiated by (deployment " + b.web().Primary().ID + ")"
}

// drainedUntilSignal fails the test if a task was signalled while its target was registered.
func (b *bubble) drainedUntilSignal(tasks ...*orchestrator.Task) {
	b.t.Helper()
	for _, t := range tasks {
		if s := b.signalOf(t.ARN); s.target != "" {
			b.t.Errorf("SIGTERM came while the target was %s", s.target)
		}
	}
}

func TestScenario_1_GracefulDeployment(t *testing.T) {
	for _, pace := range []string{"fast", "aws"} {
		t.Run(pace, func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, pace: pace}, func(t *testing.T, b *bubble) {
				old, before := b.tasks(), len(b.said())
				g := b.load(often)
				time.Sleep(time.Second)
				b.deploy("app:2", behaviour{listenAfter: time.Second})
				b.steady(10 * time.Minute)
				b.allGood(g)
				b.drainedUntilSignal(old...)
				for _, o := range old {
					b.stoppedAs(o.ARN, orchestrator.ServiceSchedulerInitiated, rollingOut(b), 0)
				}
				b.saidInOrder(before, "has started 2 tasks", "registered", "has stopped", "deregistered", "has begun draining connections", "deployment completed.", "has reached a steady state.")
			})
		})
	}
}

func TestScenario_3_IgnoresSIGTERM(t *testing.T) {
	deaf := enginetest.Script{Start: 200 * time.Millisecond, IgnoreSIGTERM: true}
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 5 * time.Second, script: deaf}, func(t *testing.T, b *bubble) {
		old := b.tasks()
		g := b.load(often)
		b.deploy("app:2", behaviour{})
		b.steady(10 * time.Minute)
		b.allGood(g)
		completed := b.record().FinishedAt
		for _, o := range old {
			b.stoppedAs(o.ARN, orchestrator.ServiceSchedulerInitiated, rollingOut(b), 137)
			signalled := b.signalOf(o.ARN).at
			if took := b.task(o.ARN).ExecutionStoppedAt.Sub(signalled); took < 10*time.Second || took > 11*time.Second {
				t.Errorf("killed %s after the signal, stopTimeout is 10 s", took)
			}
			if completed.Sub(signalled) < 10*time.Second {
				t.Errorf("the deployment was done %s after the signal", completed.Sub(signalled))
			}
		}
	})
}

// TestScenario_4_KeepAliveTooShort: the application closes idle connections after a second; a
// request that comes at just that moment fails, others do not.
func TestScenario_4_KeepAliveTooShort(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, behave: behaviour{keepAlive: time.Second}}, func(t *testing.T, b *bubble) {
		g := b.load(time.Hour)
		failed := 0
		for n := range 40 {
			if g.exchange("/first") != 200 {
				t.Errorf("request %d failed on a new connection", n)
			}
			pause := time.Duration(980+n) * time.Millisecond
			time.Sleep(pause)
			if status := g.exchange("/second"); status == 502 {
				failed++
			} else if status != 200 {
				t.Errorf("status %d after a pause of %s", status, pause)
			}
			time.Sleep(5 * time.Second)
		}
		if failed == 0 || failed > 5 {
			t.Errorf("%d of 40 requests hit the closing connection", failed)
		}
		if n := b.causes(); len(n) != 1 || n[timeline.KeepaliveRace] != failed {
			t.Errorf("causes %v", n)
		}
		b.explained(timeline.KeepAliveTooShort)
	})
}

func TestScenario_6_Stuck(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 100, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		before, old := len(b.said()), b.tasks()
		g := b.load(101 * time.Millisecond)
		b.deploy("app:2", behaviour{})
		time.Sleep(30 * time.Minute)
		if b.stable() || b.web().Primary().RolloutState != orchestrator.RolloutInProgress {
			t.Error("the deployment is not stuck")
		}
		if now := b.tasks(); len(now) != 1 || now[0].ARN != old[0].ARN {
			t.Errorf("%d tasks", len(now))
		}
		if said := b.said()[before:]; len(said) != 1 {
			t.Errorf("said %q", said)
		}
		b.says(before, "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
		twice := 200
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.Maximum = &twice }))
		b.steady(time.Minute)
		b.allGood(g)
	})
}

// TestScenario_7_SecurityGroupInTheWay: the tasks' security group lets nothing in. Health checks
// time out, requests end with 504, tasks are replaced until the breaker trips.
func TestScenario_7_SecurityGroupInTheWay(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 0, max: 100, delay: 20 * time.Second}, func(t *testing.T, b *bubble) {
		l := b.life.Load()
		shut, err := l.network.CreateSecurityGroup(t.Context(), network.CreateSecurityGroupInput{GroupName: "shut", Description: "lets nothing in", VPCID: l.network.DefaultVPC().ID})
		b.must(err)
		before := len(b.said())
		g := b.load(101 * time.Millisecond)
		b.must(b.update(func(in *orchestrator.ServiceInput) {
			in.Network = &orchestrator.NetworkConfiguration{Subnets: b.subnets(), SecurityGroups: []string{shut.ID}}
			in.Breaker = &orchestrator.Breaker{Enable: true, Rollback: true}
		}))
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, time.Hour)
		b.steady(10 * time.Minute)
		time.Sleep(time.Minute)
		counts := g.end()
		if counts[504] == 0 {
			t.Errorf("statuses %v, want 504", counts)
		}
		if n := b.causes(); n[timeline.ConnectTimeout]+n[timeline.ConnectTimeoutDraining] != counts[504] {
			t.Errorf("causes %v, statuses %v", n, counts)
		}
		b.says(before, "due to (reason Request timed out).", "deployment failed: tasks failed to start.", "rolling back to deployment")
		failed := 0
		for _, task := range l.scheduler.Snapshot().Tasks {
			if task.StopReason == "Task failed ELB health checks in (target-group "+b.group+")" {
				failed++
			}
		}
		if failed != 3 {
			t.Errorf("%d tasks failed their health checks, the breaker trips at 3:\n%s", failed, b.story())
		}
		for _, c := range b.explained(timeline.SecurityGroup, timeline.StoppedFirst, timeline.NoTaskSurvived) {
			if c.Code == timeline.SecurityGroup && !strings.Contains(c.Sentence, "no inbound rule of the task's security group "+shut.ID+" (shut) lets tcp/80 in") {
				t.Errorf("why says %s", c.Sentence)
			}
		}
	})
}

// TestScenario_8_SlowBoot: a boot of 60 s without a grace period is a loop; with 120 s it is not.
func TestScenario_8_SlowBoot(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 5 * time.Second}, func(t *testing.T, b *bubble) {
		old, before := b.tasks()[0], len(b.said())
		g := b.load(101 * time.Millisecond)
		b.deploy("app:2", behaviour{listenAfter: time.Minute})
		time.Sleep(5 * time.Minute)
		killed := 0
		for _, task := range b.life.Load().scheduler.Snapshot().Tasks {
			if task.StopCode == orchestrator.ServiceSchedulerInitiated && task.StopReason == "Task failed ELB health checks in (target-group "+b.group+")" {
				killed++
			}
		}
		if killed < 3 || b.stable() || b.task(old.ARN).Status != orchestrator.Running {
			t.Errorf("%d tasks were killed, the old one is %s", killed, b.task(old.ARN).Status)
		}
		b.says(before, "is unhealthy in (target-group G) due to (reason Health checks failed).", "Amazon ECS replaced 1 tasks due to an unhealthy status.")
		grace := 120
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.GracePeriod, in.ForceNewDeployment = &grace, true }))
		since := len(b.said())
		b.steady(5 * time.Minute)
		for _, message := range b.said()[since:] {
			if strings.Contains(message, "unhealthy") && strings.Contains(message, "replaced") {
				t.Errorf("with a grace period: %s", message)
			}
		}
		b.stoppedAs(old.ARN, orchestrator.ServiceSchedulerInitiated, rollingOut(b), 0)
		b.allGood(g)
	})
}
