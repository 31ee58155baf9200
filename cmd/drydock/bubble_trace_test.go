package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// The traces of real accounts that the pace aws imitates: what happened, in this order, and how
// long after the one before. The gaps of a trace are those of its file; give is what the
// scheduler's tick of 10 s, and settings that the file does not show, make of them.

// traced is one line of a trace.
type traced struct {
	says  string        // what an event on the timeline begins to say, or says after "(service web) "
	after time.Duration // the step before, in the trace
	give  time.Duration
}

const (
	tick   = 10 * time.Second
	moment = 50 * time.Millisecond
)

// follow fails the test unless the timeline since a moment goes through the steps in order, with gaps like those of the trace.
func (b *bubble) follow(since time.Time, trace []traced) {
	b.t.Helper()
	events := slices.DeleteFunc(b.store.told(), func(e timeline.Event) bool { return e.Time.Before(since) })
	var last time.Time
	for n, s := range trace {
		at := slices.IndexFunc(events, func(e timeline.Event) bool { return says(e, s.says) })
		if at < 0 {
			b.t.Fatalf("step %d, %q, never came after the steps before:\n%s", n+1, s.says, b.story())
		}
		gap := events[at].Time.Sub(last)
		if n > 0 {
			b.t.Logf("%-45s after %6.1f s, in the trace %6.1f s", s.says, gap.Seconds(), s.after.Seconds())
		}
		if n > 0 && (gap-s.after).Abs() > s.give {
			b.t.Errorf("%q came %s after %q, in the trace it was %s ± %s", s.says, gap, trace[n-1].says, s.after, s.give)
		}
		last, events = events[at].Time, events[at+1:]
	}
}

var address = regexp.MustCompile(`\b10\.\d+\.\d+\.\d+:80`)

func says(e timeline.Event, what string) bool {
	message := address.ReplaceAllString(timelinetest.ShortenIDs(e.Message), "A")
	_, rest, ok := strings.Cut(message, ") ")
	return strings.HasPrefix(message, what) || ok && e.Kind == timeline.ServiceEvent && strings.Contains(") "+rest, ") "+what)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// TestTrace_T1_TwoDeployments: one task behind a target group, deregistration delay 30 s. Why the target took
// 40 s to become healthy is not shown; here the application is late.
func TestTrace_T1_TwoDeployments(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 30 * time.Second, interval: 10, threshold: 5, pace: "aws"}, func(t *testing.T, b *bubble) {
		for n, image := range []string{"app:2", "app:3"} {
			gaps := [][]float64{{52.9, 7, 51.5, 9.7, 39.3, 12.9}, {36.9, 3.5, 50.2, 10.1, 39.6, 12.2}}[n]
			begin := time.Now()
			g := b.load(53 * time.Millisecond)
			b.deployScript(image, behaviour{listenAfter: 40 * time.Second}, enginetest.Script{Pull: seconds(gaps[0]) - 14*time.Second, Start: time.Second, StopAfter: 100 * time.Millisecond})
			b.steady(20 * time.Minute)
			b.follow(begin, []traced{
				{"has started 1 tasks: (task T).", 0, 0},
				{"task T: PENDING → RUNNING", seconds(gaps[0]), tick},
				{"registered 1 targets in (target-group G)", seconds(gaps[1]), tick},
				{"has stopped 1 running tasks: (task T).", seconds(gaps[2]), tick},
				{"deregistered 1 targets in (target-group G)", seconds(gaps[3]), time.Second},
				{"has begun draining connections on 1 tasks.", 6 * time.Millisecond, moment},
				{"ECS sends SIGTERM", seconds(gaps[4]), tick},
				{"container app of task T exited with code 0", seconds(0.1), time.Second},
				{"deployment completed.", seconds(gaps[5]), tick},
				{"has reached a steady state.", time.Millisecond, moment},
			})
			b.allGood(g)
			time.Sleep(3 * time.Second)
		}
	})
}

// TestTrace_T1b_StopNotByTheScheduler: a SIGTERM without "has stopped"; the deregistration comes
// after it, then the replacement. The trace does not say who stopped the task, and its gap of 30.8 s
// may be the event's; seconds are what StopTask's users report (ECS-004).
func TestTrace_T1b_StopNotByTheScheduler(t *testing.T) {
	for phase := range 10 { // of the scheduler's tick
		inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 30 * time.Second, pace: "aws"}, func(t *testing.T, b *bubble) {
			time.Sleep(time.Duration(phase) * time.Second)
			begin := time.Now()
			b.must(b.stopTask(b.tasks()[0]))
			time.Sleep(2 * time.Minute)
			b.follow(begin, []traced{
				{"ECS sends SIGTERM", 0, 0},
				{"container app of task T exited with code 0", seconds(0.1), time.Second},
				{"deregistered 1 targets in (target-group G)", seconds(30.8), 27 * time.Second},
				{"has started 1 tasks: (task T).", seconds(0.7), tick},
				{"registered 1 targets in (target-group G)", seconds(28), 2 * tick},
			})
			for _, e := range b.store.told() {
				if e.Time.After(begin) && says(e, "has stopped") {
					t.Errorf("said %s", e.Message)
				}
			}
		})
	}
}

// TestTrace_T2_HangingTask: of two tasks one hangs. Its replacement is started, and healthy, first.
func TestTrace_T2_HangingTask(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second, pace: "aws"}, func(t *testing.T, b *bubble) {
		begin := time.Now()
		b.image("app:1", behaviour{}, enginetest.Script{Start: 17 * time.Second, StopAfter: 100 * time.Millisecond})
		b.app(b.tasks()[0].ARN).set(func(a *behaviour) { a.answerAfter = time.Minute })
		time.Sleep(time.Minute)
		b.steady(20 * time.Minute)
		time.Sleep(time.Minute)
		b.follow(begin, []traced{
			{"target A: healthy → unhealthy (Target.Timeout: Request timed out)", 0, 0},
			{"has started 1 tasks: (task T). Amazon ECS replaced 1 tasks due to an unhealthy status.", 12 * time.Second, tick + 2*time.Second},
			{"registered 1 targets in (target-group G)", seconds(28.2), tick},
			{"target A: initial → healthy", seconds(2.3), 3 * time.Second},
			{"(task T) (port 80) is unhealthy in (target-group G) due to (reason Request timed out).", 16 * time.Second, tick + 6*time.Second},
			{"has stopped 1 running tasks: (task T).", seconds(0.03), moment},
			{"deregistered 1 targets in (target-group G)", seconds(10.2), time.Second},
			{"has begun draining connections on 1 tasks.", 0, moment},
			{"has reached a steady state.", seconds(9.7), tick},
			{"ECS sends SIGTERM", seconds(20.9), tick},
		})
	})
}

// TestTrace_T3_Overloaded: both tasks break down under the load. What replaces them does, too, as
// soon as it takes traffic; what else happens is the same again, until the load goes.
func TestTrace_T3_Overloaded(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second, pace: "aws", behave: behaviour{collapse: 200}}, func(t *testing.T, b *bubble) {
		begin := time.Now()
		g := b.load(20 * time.Millisecond)
		time.Sleep(5 * time.Minute)
		g.end()
		round := []traced{
			{"has started ", time.Minute, time.Minute}, // "the gaps grow to 64 s and 95 s", for causes unknown
			{"registered ", 28 * time.Second, 2 * tick},
			{"(task T) (port 80) is unhealthy in (target-group G) due to (reason Request timed out).", time.Minute, time.Minute},
			{"has stopped ", 0, moment},
			{"deregistered ", seconds(10.2), 2 * time.Second},
		}
		b.follow(begin, slices.Concat(round, round, round))
		b.steady(10 * time.Minute)
		if n := len(b.web().Deployments); n != 1 || len(b.life.Load().scheduler.Snapshot().Tasks) < 8 {
			t.Errorf("%d deployments, %d tasks", n, len(b.life.Load().scheduler.Snapshot().Tasks))
		}
		if b.web().Primary().FailedTasks != 0 {
			t.Errorf("failedTasks is %d: they were healthy at first", b.web().Primary().FailedTasks)
		}
	})
}

// checked is a container with a health check of its own.
const checked = `{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"healthCheck":{"command":["CMD","/check"],"interval":30,"retries":3}}`

// TestTrace_T4_CircuitBreaker: container health checks fail, the breaker trips and rolls back.
func TestTrace_T4_CircuitBreaker(t *testing.T) {
	healthy := enginetest.Script{Start: 3 * time.Second, StopAfter: 100 * time.Millisecond, HealthyAfter: 30 * time.Second}
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, delay: 30 * time.Second, pace: "aws", breaker: true, containers: checked, script: healthy}, func(t *testing.T, b *bubble) {
		begin, good := time.Now(), b.web().TaskDefinition
		g := b.load(53 * time.Millisecond)
		b.deployScript("app:2", behaviour{}, enginetest.Script{Start: 3 * time.Second, HealthyAfter: time.Hour, UnhealthyAfter: 120 * time.Second})
		b.becomes(orchestrator.ServiceDeploymentRollbackSuccessful, 2*time.Hour)
		b.steady(20 * time.Minute)
		failing := []traced{
			{"has started 1 tasks: (task T). Amazon ECS replaced 1 tasks due to an unhealthy status.", seconds(142.6), 2 * tick},
			{"(task T) failed container health checks.", seconds(0.038), moment},
			{"has stopped 1 running tasks: (task T).", time.Millisecond, moment},
		}
		b.follow(begin, slices.Concat([]traced{{"has started 1 tasks: (task T).", 0, 0}}, failing))
		b.follow(begin, []traced{
			{"deployment failed: tasks failed to start.", 0, 0},
			{"rolling back to deployment D.", time.Millisecond, moment},
			{"has started 1 tasks: (task T).", 18 * time.Second, tick},
			{"deployment completed.", 173 * time.Second, 100 * time.Second},
			{"has reached a steady state.", time.Millisecond, moment},
		})
		b.allGood(g)
		if b.web().TaskDefinition != good {
			t.Errorf("left at %s", b.web().TaskDefinition)
		}
	})
}

// TestTrace_T5_MidDeployment: what DescribeServices shows while new tasks run beside old ones.
func TestTrace_T5_MidDeployment(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, delay: 30 * time.Second, threshold: 4, pace: "aws"}, func(t *testing.T, b *bubble) {
		three := 3
		b.image("app:2", behaviour{listenAfter: 11 * time.Second}, wellBehaved)
		arn := b.register("app:2")
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition, in.DesiredCount = arn, &three }))
		if !b.eventually(2*time.Minute, func() bool { return b.web().Primary().RunningCount == 3 }) {
			t.Fatalf("%+v", b.web().Deployments)
		}
		b.deployments("PRIMARY 3", "ACTIVE 0")
		d := b.web().Deployments
		if d[0].RolloutState != orchestrator.RolloutInProgress || d[1].RolloutState != orchestrator.RolloutCompleted || d[0].RunningCount != 3 || d[1].RunningCount != 2 {
			t.Errorf("%+v", d)
		}
		b.steady(10 * time.Minute)
		b.deployments("PRIMARY 3")
	})
}
