package enginetest

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/timeline/timelinetest"
)

func TestFake_Conformance(t *testing.T) {
	Conformance(t, func(t *testing.T, test func(t *testing.T, s System)) {
		timelinetest.Bubble(t, func(t *testing.T) { test(t, fakeSystem()) })
	})
}

func fakeSystem() System {
	f := NewFake(Hooks{})
	for name, s := range map[string]Script{
		Default:   {StopCode: 143},
		Stubborn:  {IgnoreSIGTERM: true},
		Failing:   {ExitAfter: 100 * time.Millisecond, ExitCode: 3},
		Finishing: {ExitAfter: 100 * time.Millisecond},
		Hungry:    {OOMAfter: 100 * time.Millisecond},
		Broken:    {Fail: &orchestrator.StartError{Name: "CannotStartContainerError", Err: errors.New("no such file")}},
		Well:      {HealthyAfter: time.Second},
		Ill:       {UnhealthyAfter: time.Second, HealthyAfter: time.Hour},
		"missing": {Fail: &orchestrator.StartError{Name: "CannotPullContainerError", Err: errors.New("not found")}},
	} {
		f.Script(name, s)
	}
	cidr := netip.MustParsePrefix("172.31.0.0/16")
	return System{
		Engine:       f,
		Again:        func() orchestrator.Engine { return f.Again(f.Instance()) },
		Other:        func() orchestrator.Engine { return f.Again("ffffffff") },
		VPC:          orchestrator.VPC{ID: "vpc-1", CIDR: cidr, Gateway: netip.MustParseAddr("172.31.0.1")},
		Image:        "app",
		MissingImage: "missing",
		Outside:      f,
		Tag:          func(*testing.T) (string, func()) { return "tagged", func() { f.Retag("tagged") } },
	}
}
