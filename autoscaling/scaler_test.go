package autoscaling

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/cloudwatch"
	"drydock/store/storetest"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// web is a service that always has the tasks that it wants.
type web struct {
	mu      sync.Mutex
	desired int
	refuse  error
	causes  []int64
}

func (w *web) ScaledService(_, name string) (Service, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Service{Desired: w.desired, Running: w.desired}, name == "web"
}

func (w *web) SetDesiredCount(ctx context.Context, _, _ string, desired int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	w.desired = desired
	w.causes = append(w.causes, timeline.CauseFrom(ctx))
	return nil
}

func (w *web) count() int {
	s, _ := w.ScaledService("", "web")
	return s.Desired
}

const resource = "service/default/web"

// world is auto scaling of a service, with CloudWatch.
type world struct {
	*Scaler
	web     *web
	monitor *cloudwatch.Monitor
	store   *storetest.Memory
}

func newWorld(t *testing.T, desired int) *world {
	t.Helper()
	w := &world{web: &web{desired: desired}, store: &storetest.Memory{}}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	if w.monitor, err = cloudwatch.Open(ctx, w.store, cloudwatch.Config{Changed: func() { w.Scaler.Poke() }}); err != nil {
		t.Fatal(err)
	}
	if w.Scaler, err = Open(ctx, w.store, w.web, w.monitor, Config{}); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { w.Run(ctx) })
	done.Go(func() { w.monitor.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return w
}

func (w *world) register(t *testing.T, least, most int) {
	t.Helper()
	if _, err := w.RegisterScalableTarget(t.Context(), RegisterInput{Resource: resource, Min: &least, Max: &most}); err != nil {
		t.Fatal(err)
	}
}

// TestScaling_ByTheClock: scheduled actions set bounds when they are due (AAS-021).
func TestScaling_ByTheClock(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.register(t, 1, 10)
		at := time.Now().Add(time.Hour).UTC()
		for _, a := range []ScheduledAction{
			{Name: "up", Schedule: "at(" + at.Format("2006-01-02T15:04:05") + ")", Min: new(6)},
			{Name: "down", Schedule: "rate(2 hours)", Min: new(1), Max: new(3)},
		} {
			if err := w.PutScheduledAction(t.Context(), resource, a); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Minute)
		if n := w.web.count(); n != 2 {
			t.Errorf("too early: %d", n)
		}
		time.Sleep(2 * time.Minute)
		if n := w.web.count(); n != 6 {
			t.Errorf("at the time: %d", n)
		}
		time.Sleep(time.Hour)
		if n := w.web.count(); n != 3 {
			t.Errorf("an hour later: %d", n)
		}
		target := w.Targets()[0]
		if a := target.Activities[0]; a.Cause != "maximum capacity was set to 3 and scheduled action name down was triggered" || a.Status != Successful {
			t.Errorf("%+v", a)
		}
		if next := target.Action("up").NextAt; !next.IsZero() {
			t.Errorf("what happens once is due again at %v", next)
		}
		if _, err := w.RegisterScalableTarget(t.Context(), RegisterInput{Resource: resource, Max: new(20), Suspended: &Suspended{Scheduled: true}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if got := w.Targets()[0].Max; got != 20 {
			t.Errorf("suspended, but the maximum is %d", got)
		}
	})
}

// TestScaling_ByAnAlarm: an alarm that names a step scaling policy makes it act, again and
// again while it lasts, and the change names the alarm's event as its cause.
func TestScaling_ByAnAlarm(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.register(t, 1, 5)
		p, err := w.PutScalingPolicy(t.Context(), resource, Policy{Name: "more", Step: &Step{Adjustment: ChangeInCapacity, Cooldown: new(time.Duration(0)), Steps: []Interval{{Lower: new(0.0), Adjust: 1}}}})
		if err != nil {
			t.Fatal(err)
		}
		queue := cloudwatch.Is("mine", "depth")
		err = w.monitor.PutMetricAlarm(t.Context(), cloudwatch.AlarmSpec{Name: "deep", Metric: queue, Statistic: "Maximum", Period: 10 * time.Second, EvaluationPeriods: 1,
			Threshold: 100, Comparison: "GreaterThanThreshold", ActionsEnabled: true, AlarmActions: []string{p.ARN}})
		if err != nil {
			t.Fatal(err)
		}
		if all := w.AlarmsOf(p); len(all) != 1 || all[0].Name != "deep" {
			t.Errorf("the policy's alarms: %v", all)
		}
		for range 12 {
			w.monitor.Put([]cloudwatch.Datum{cloudwatch.Once(queue, time.Now(), "", 200)})
			time.Sleep(5 * time.Second)
		}
		if n := w.web.count(); n != 5 {
			t.Errorf("%d tasks are wanted", n)
		}
		for _, e := range w.store.Events {
			if e.Seq == w.web.causes[0] && e.Kind == timeline.Scaling && e.Cause == w.monitor.StateEvent("deep") {
				return
			}
		}
		t.Errorf("the change does not lead back to the alarm: %v", w.store.Events)
	})
}

// TestScaling_TellsOfFailures: what the scheduler refuses is a failed activity.
func TestScaling_TellsOfFailures(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.web.refuse = errors.New("not today")
		w.register(t, 4, 5)
		if a := w.Targets()[0].Activities[0]; a.Status != Failed || !strings.Contains(a.Message, "not today") {
			t.Errorf("%+v", a)
		}
	})
}

// TestPolicy_OwnsItsAlarms: target tracking's alarms come and go with the policy.
func TestPolicy_OwnsItsAlarms(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.register(t, 1, 5)
		put := func(noScaleIn bool) Policy {
			p, err := w.PutScalingPolicy(t.Context(), resource, Policy{Name: "cpu", Tracking: &Tracking{Target: 60, Predefined: ServiceCPU, DisableScaleIn: noScaleIn}})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		first := put(false)
		all := w.monitor.Alarms()
		if len(all) != 2 || all[0].Threshold != 60 || all[1].Threshold != 54 || all[1].Comparison != "LessThanThreshold" || all[0].Metric.Dimension("ServiceName") != "web" {
			t.Errorf("alarms: %+v", all)
		}
		if again := put(true); again.ARN != first.ARN || len(w.monitor.Alarms()) != 1 {
			t.Errorf("put again: %+v, %d alarms", again, len(w.monitor.Alarms()))
		}
		if err := w.DeregisterScalableTarget(t.Context(), resource); err != nil || len(w.monitor.Alarms()) != 0 {
			t.Errorf("after the target is gone: %v, %d alarms", err, len(w.monitor.Alarms()))
		}
	})
}

// TestScaling_AsksForWhatWasNoted: a process that ended between its decision and the scheduler's
// answer leaves a row; the next pass asks.
func TestScaling_AsksForWhatWasNoted(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.register(t, 1, 10)
		err := w.update(t.Context(), func(x *tx) error {
			target, err := x.target(resource)
			if err == nil {
				target.Min = 4
				x.correct(target, Service{Desired: 2, Running: 2}, 0)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if a := w.Targets()[0].Activities[0]; w.web.count() != 4 || a.Status != Successful || w.web.causes[0] != a.Event {
			t.Errorf("%d tasks, causes %v, %+v", w.web.count(), w.web.causes, a)
		}
	})
}

// TestPolicy_AlarmsAreMadeGood: a process that ended between a policy's row and its alarms leaves
// both to the next one.
func TestPolicy_AlarmsAreMadeGood(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.register(t, 1, 5)
		if _, err := w.PutScalingPolicy(t.Context(), resource, Policy{Name: "cpu", Tracking: &Tracking{Target: 60, Predefined: ServiceCPU}}); err != nil {
			t.Fatal(err)
		}
		before := w.monitor.Alarms()
		err := w.update(t.Context(), func(x *tx) error { // as PutScalingPolicy does, and then the process ends
			target, err := x.target(resource)
			if err != nil {
				return err
			}
			p := &target.Policies[0]
			target.Leftover, p.Alarms, p.Unmade = p.Alarms, p.alarmNames(resource), true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		target := w.Targets()[0]
		for _, a := range w.monitor.Alarms() {
			if a.Name == before[0].Name || a.Name == before[1].Name || !slices.Contains(target.Policies[0].Alarms, a.Name) {
				t.Errorf("there is an alarm %s", a.Name)
			}
		}
		if n := len(w.monitor.Alarms()); n != 2 || target.Policies[0].Unmade || len(target.Leftover) != 0 {
			t.Errorf("%d alarms, %+v", n, target)
		}
		if err := w.monitor.DeleteAlarms(t.Context(), target.Policies[0].Alarms); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(w.monitor.Alarms()); n != 0 {
			t.Errorf("%d alarms came back that somebody has deleted", n)
		}
	})
}
