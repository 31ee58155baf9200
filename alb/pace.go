package alb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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

// lags names every lag of a pace.
func (p *Pace) lags() map[string]*time.Duration {
	return map[string]*time.Duration{
		"target-registration": &p.Registration, "target-deregistration": &p.Deregistration,
		"initial-health-check-interval": &p.InitialInterval, "port-retry": &p.Retry,
	}
}

// Lags returns the names of all lags, sorted.
func (Pace) Lags() []string {
	return slices.Sorted(maps.Keys(new(Pace).lags()))
}

// With returns p with one lag set by name, one of [Pace.Lags]. A port is never tried more
// often than every 100 ms.
func (p Pace) With(name string, d time.Duration) (Pace, error) {
	if d < 0 {
		return p, fmt.Errorf("lag %s: %v is negative", name, d)
	}
	lag := p.lags()[name]
	if lag == nil {
		return p, fmt.Errorf("lag %q is not one of %s", name, strings.Join(p.Lags(), ", "))
	}
	*lag = d
	p.Retry = max(p.Retry, 100*time.Millisecond)
	return p, nil
}
