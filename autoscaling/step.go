package autoscaling

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// How a step changes the count.
const (
	ChangeInCapacity        = "ChangeInCapacity"
	PercentChangeInCapacity = "PercentChangeInCapacity"
	ExactCapacity           = "ExactCapacity"
)

// Step is the configuration of a step scaling policy.
type Step struct {
	Adjustment   string         `json:"adjustment"`
	Steps        []Interval     `json:"steps"`
	MinMagnitude int            `json:"minMagnitude,omitempty"`
	Cooldown     *time.Duration `json:"cooldown,omitempty"` // nil: not given
	Aggregation  string         `json:"aggregation,omitempty"`
}

// Interval is one step: what to do while the metric is so far from the alarm's threshold.
type Interval struct {
	Lower  *float64 `json:"lower,omitempty"` // nil: no bound
	Upper  *float64 `json:"upper,omitempty"`
	Adjust int      `json:"adjust"`
}

// check refuses steps that AWS refuses: with gaps, overlapping, unbounded twice (AAS-013).
func (s *Step) check() error {
	if !slices.Contains([]string{ChangeInCapacity, PercentChangeInCapacity, ExactCapacity}, s.Adjustment) {
		return invalid("AdjustmentType must be specified for step scaling policies.")
	}
	if len(s.Steps) == 0 {
		return invalid("At least one step adjustment must be specified.")
	}
	if len(s.Steps) > 20 {
		return refuse("LimitExceededException", "Step adjustments limit exceeded: at most 20 are allowed.")
	}
	if s.MinMagnitude > 0 && s.Adjustment != PercentChangeInCapacity {
		return invalid("MinAdjustmentMagnitude can only be specified for policies with an adjustment type of PercentChangeInCapacity.")
	}
	sorted := slices.SortedFunc(slices.Values(s.Steps), func(a, b Interval) int { return cmp.Compare(low(a), low(b)) })
	for i, step := range sorted {
		if s.Adjustment == ExactCapacity && step.Adjust < 0 {
			return invalid("Scaling adjustment must be at least 0 for policies with an adjustment type of ExactCapacity.")
		}
		if low(step) >= high(step) {
			return invalid("Step adjustment lower bound must be less than its upper bound.")
		}
		if i > 0 && low(step) < high(sorted[i-1]) {
			return invalid("Step adjustment intervals can't overlap.")
		}
		if i > 0 && low(step) > high(sorted[i-1]) {
			return invalid("There can't be a gap between step adjustment intervals.")
		}
	}
	if low(sorted[0]) < 0 && high(sorted[0]) <= 0 && sorted[0].Lower != nil {
		return invalid("If there is a step adjustment with a negative lower bound, there must be one without a lower bound.")
	}
	if last := sorted[len(sorted)-1]; last.Upper != nil && *last.Upper > 0 {
		return invalid("If there is a step adjustment with a positive upper bound, there must be one without an upper bound.")
	}
	return nil
}

func low(i Interval) float64 {
	if i.Lower == nil {
		return math.Inf(-1)
	}
	return *i.Lower
}

func high(i Interval) float64 {
	if i.Upper == nil {
		return math.Inf(1)
	}
	return *i.Upper
}

// find returns the step for a metric so far from the threshold. Above it, the lower bound is in
// the interval and the upper is not; below it, the other way round (AAS-014).
func (s *Step) find(distance float64, below bool) *Interval {
	for i := range s.Steps {
		l, h := low(s.Steps[i]), high(s.Steps[i])
		if !below && distance >= l && distance < h || below && distance > l && distance <= h {
			return &s.Steps[i]
		}
	}
	return nil
}

// apply returns the count that a step makes of another.
func (s *Step) apply(i *Interval, base int) int {
	switch s.Adjustment {
	case ExactCapacity:
		return i.Adjust
	case PercentChangeInCapacity:
		return base + s.percent(i.Adjust, base)
	}
	return base + i.Adjust
}

// percent rounds towards zero, but never to zero, and never to less than the minimum magnitude (AAS-014).
func (s *Step) percent(percent, base int) int {
	exact := float64(base) * float64(percent) / 100
	n := int(math.Trunc(exact))
	switch {
	case n == 0 && exact > 0:
		n = 1
	case n == 0 && exact < 0:
		n = -1
	}
	if percent > 0 {
		return max(n, s.MinMagnitude)
	}
	if percent < 0 {
		return min(n, -s.MinMagnitude)
	}
	return n
}
