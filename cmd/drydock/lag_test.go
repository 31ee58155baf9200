package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
)

func TestLag_SetsOneLagOfEitherPace(t *testing.T) {
	config := daemonConfig{Pace: "aws", Lags: []string{"target-deregistration=3s", "scheduler-tick=0s"}}
	scheduler, balancer, err := config.paces()
	if err != nil {
		t.Fatal(err)
	}
	wantScheduler, wantBalancer := orchestrator.PaceAWS, alb.AWSPace
	wantScheduler.Tick, wantBalancer.Deregistration = 0, 3*time.Second
	if scheduler != wantScheduler || balancer != wantBalancer {
		t.Errorf("%+v, %+v", scheduler, balancer)
	}
	if orchestrator.PaceAWS.Tick == 0 {
		t.Error("the pace itself has changed")
	}
	for lag, want := range map[string]string{
		"target-deregistration": "looks like", "target-deregistration=-1s": "looks like", "tick=1s": "scheduler-tick",
	} {
		config := daemonConfig{Pace: "fast", Lags: []string{lag}}
		if _, _, err := config.paces(); !errors.As(err, new(*usageError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a usage error with %q", lag, err, want)
		}
	}
}

func TestLag_NamesAreOfOnePaceEach(t *testing.T) {
	for _, name := range (alb.Pace{}).Lags() {
		if _, err := (orchestrator.Pace{}).With(name, 0); err == nil {
			t.Errorf("%s is a lag of both", name)
		}
	}
}
