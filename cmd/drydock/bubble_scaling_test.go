package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drydock/alb/metrics"
	"drydock/alb/node"
	"drydock/autoscaling"
	"drydock/cloudwatch"
)

// bubbleScaling is CloudWatch and Application Auto Scaling in a bubble, on what the balancer
// really counts.
type bubbleScaling struct {
	l       *life
	counted *metrics.Metrics
	monitor *cloudwatch.Monitor
	scaler  *autoscaling.Scaler
}

func newBubbleScaling(l *life) *bubbleScaling {
	return &bubbleScaling{l: l, counted: metrics.New(metrics.Sources{Targets: l.node.Targets})}
}

// Apply is the node's, but for telling the metrics what there is.
func (s *bubbleScaling) Apply(snapshot node.Snapshot) map[string]error {
	s.counted.Configure(snapshot)
	return s.l.node.Apply(snapshot)
}

func (s *bubbleScaling) open(ctx context.Context, pace string) (err error) {
	counters := &cloudwatch.Counters{}
	s.monitor, err = cloudwatch.Open(ctx, s.l.store, cloudwatch.Config{
		Changed: func() { s.scaler.Poke() },
		Sources: []cloudwatch.Source{func(_ context.Context, now time.Time, _ []cloudwatch.Metric) []cloudwatch.Datum {
			answer := httptest.NewRecorder()
			s.counted.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
			families, err := readFamilies(answer.Body)
			if err != nil {
				return nil
			}
			return counters.Data(now, families)
		}},
	})
	if err != nil {
		return err
	}
	scaling, err := autoscaling.PaceNamed(pace)
	if err != nil {
		return err
	}
	s.scaler, err = autoscaling.Open(ctx, s.l.store, scaledServices{s.l.scheduler}, s.monitor, autoscaling.Config{Pace: scaling})
	return err
}

const scaledWeb = "service/default/web"

// scaled makes the service of a bubble a scalable target that tracks requests per target.
func (b *bubble) scaled(most int, perMinute float64) *autoscaling.Scaler {
	b.t.Helper()
	l, ctx := b.life.Load(), b.t.Context()
	lbs, err := l.balancer.DescribeLoadBalancers(ctx, nil, nil)
	b.must(err)
	_, id, _ := strings.Cut(lbs[0].ARN, ":loadbalancer/")
	_, err = l.scaling.scaler.RegisterScalableTarget(ctx, autoscaling.RegisterInput{Resource: scaledWeb, Min: new(1), Max: &most})
	b.must(err)
	_, err = l.scaling.scaler.PutScalingPolicy(ctx, scaledWeb, autoscaling.Policy{Name: "requests", Tracking: &autoscaling.Tracking{
		Target: perMinute, Predefined: autoscaling.RequestPerTarget, Label: id + "/" + b.group[strings.Index(b.group, "targetgroup/"):]}})
	b.must(err)
	return l.scaling.scaler
}

// TestScaling_FollowsTraffic: target tracking on what the balancer counts scales out under load,
// in when it is gone, and loses no request (AAS-010, AAS-011, AAS-018).
func TestScaling_FollowsTraffic(t *testing.T) {
	for _, pace := range []string{"fast", "aws"} {
		t.Run(pace, func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, pace: pace, delay: 5 * time.Second, scaling: true}, func(t *testing.T, b *bubble) {
				scaler := b.scaled(5, 300)
				g := b.load(53 * time.Millisecond) // 1132 a minute: 4 tasks, away from the edge of 1200
				if !b.eventually(20*time.Minute, func() bool { return len(b.running()) == 4 }) {
					t.Fatalf("%d tasks run:\n%s", len(b.running()), b.activities(scaler))
				}
				time.Sleep(20 * time.Minute)
				if n := len(b.running()); n != 4 {
					t.Errorf("with steady traffic it goes on to %d tasks:\n%s", n, b.activities(scaler))
				}
				g.stop()
				if !b.eventually(time.Hour, func() bool { return len(b.running()) == 1 }) {
					t.Errorf("without traffic %d tasks run:\n%s", len(b.running()), b.activities(scaler))
				}
				b.checkStatuses(g)
				story := b.activities(scaler)
				for _, want := range []string{"Setting desired count to 4.", "Setting desired count to 1.", "-AlarmHigh-", "-AlarmLow-", "in state ALARM triggered policy requests", "Successful"} {
					if !strings.Contains(story, want) {
						t.Errorf("no %q in\n%s", want, story)
					}
				}
			})
		})
	}
}

func (b *bubble) activities(scaler *autoscaling.Scaler) string {
	var lines []string
	for _, target := range scaler.Targets() {
		for _, a := range target.Activities {
			lines = append(lines, a.Begun.Format("15:04:05")+" "+a.Text+" "+a.Status+" "+a.Cause)
		}
	}
	return strings.Join(lines, "\n")
}

// TestScaling_InWaitsForTheDeployment: scale-in is suspended while a deployment is in progress,
// scale-out is not (AAS-016).
func TestScaling_InWaitsForTheDeployment(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 4, min: 100, max: 200, delay: 5 * time.Second, scaling: true}, func(t *testing.T, b *bubble) {
		scaler := b.scaled(8, 300)
		b.deploy("app:2", behaviour{ill: true}) // never healthy: it lasts
		time.Sleep(10 * time.Minute)
		if got := b.web().DesiredCount; got != 4 {
			t.Errorf("scaled in to %d during a deployment:\n%s", got, b.activities(scaler))
		}
		b.load(20 * time.Millisecond) // 3000 a minute
		if !b.eventually(10*time.Minute, func() bool { return b.web().DesiredCount == 8 }) {
			t.Errorf("not scaled out during a deployment: %d\n%s", b.web().DesiredCount, b.activities(scaler))
		}
	})
}

// TestScaling_SurvivesTheDaemon: targets, policies, cooldowns and alarms are rows.
func TestScaling_SurvivesTheDaemon(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, scaling: true}, func(t *testing.T, b *bubble) {
		b.scaled(5, 300)
		b.kill()
		b.must(b.start())
		b.load(53 * time.Millisecond)
		if !b.eventually(10*time.Minute, func() bool { return len(b.running()) == 4 }) {
			t.Errorf("%d tasks run:\n%s", len(b.running()), b.activities(b.life.Load().scaling.scaler))
		}
	})
}
