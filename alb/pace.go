package alb

import (
	"fmt"
	"time"
)

// Pace holds AWS's own internal lags, which no user setting controls.
type Pace struct {
	Registration    time.Duration // RegisterTargets until health checks begin
	Deregistration  time.Duration // DeregisterTargets until no new request is sent
	InitialInterval time.Duration // between health checks until the first answer; 0: the group's interval
	Retry           time.Duration // between attempts to open a port that was taken
}

// The paces. AWS's values are guesses (ALB-202): they stand here so that they can be
// corrected in one place.
var (
	FastPace = Pace{InitialInterval: 50 * time.Millisecond, Retry: 2 * time.Second}
	AWSPace  = Pace{Registration: 2 * time.Second, Deregistration: 5 * time.Second, Retry: 2 * time.Second}
)

// PaceNamed returns the pace called fast or aws.
func PaceNamed(name string) (Pace, error) {
	switch name {
	case "", "fast":
		return FastPace, nil
	case "aws":
		return AWSPace, nil
	}
	return Pace{}, fmt.Errorf("pace %q: want fast or aws", name)
}

// With returns p with one lag set by name: target-registration, target-deregistration,
// initial-health-check-interval or port-retry.
func (p Pace) With(name string, d time.Duration) (Pace, error) {
	if d < 0 {
		return p, fmt.Errorf("lag %s: %v is negative", name, d)
	}
	switch name {
	case "target-registration":
		p.Registration = d
	case "target-deregistration":
		p.Deregistration = d
	case "initial-health-check-interval":
		p.InitialInterval = d
	case "port-retry":
		p.Retry = max(d, 100*time.Millisecond)
	default:
		return p, fmt.Errorf("lag %q: want target-registration, target-deregistration, initial-health-check-interval or port-retry", name)
	}
	return p, nil
}
