package cloudwatch

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The states of an alarm.
const (
	OK               = "OK"
	InAlarm          = "ALARM"
	InsufficientData = "INSUFFICIENT_DATA"
)

// How an alarm treats missing data.
const (
	TreatMissing      = "missing"
	TreatIgnore       = "ignore"
	TreatBreaching    = "breaching"
	TreatNotBreaching = "notBreaching"
)

// AlarmSpec is what PutMetricAlarm says about an alarm.
type AlarmSpec struct {
	Name              string            `json:"name"`
	Description       string            `json:"description,omitempty"`
	ActionsEnabled    bool              `json:"actionsEnabled"`
	OKActions         []string          `json:"okActions,omitempty"`
	AlarmActions      []string          `json:"alarmActions,omitempty"`
	NoDataActions     []string          `json:"noDataActions,omitempty"` // InsufficientDataActions
	Metric            Metric            `json:"metric"`
	Statistic         string            `json:"statistic"`         // Sum, p99
	QueryID           string            `json:"queryId,omitempty"` // of the one query, if the metric was given as one
	Period            time.Duration     `json:"period"`
	Interval          time.Duration     `json:"interval,omitempty"` // EvaluationInterval; 0: Period, a minute at most
	Unit              string            `json:"unit,omitempty"`
	EvaluationPeriods int               `json:"evaluationPeriods"`
	DatapointsToAlarm int               `json:"datapointsToAlarm,omitempty"` // 0: not given
	Threshold         float64           `json:"threshold"`
	Comparison        string            `json:"comparison"`
	MissingData       string            `json:"missingData,omitempty"` // TreatMissingData; empty: not given
	LowSampleCount    string            `json:"lowSampleCount,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"` // used when the alarm is made
}

// Alarm is a metric alarm. Run writes its state, the API all else.
type Alarm struct {
	AlarmSpec
	ARN            string        `json:"arn"`
	State          string        `json:"state"`
	Reason         string        `json:"reason"`
	ReasonData     string        `json:"reasonData,omitempty"`
	ConfiguredAt   time.Time     `json:"configuredAt"`
	StateAt        time.Time     `json:"stateAt"`           // when state or reason were last set
	TransitionedAt time.Time     `json:"transitionedAt"`    // when the state last changed
	Value          *float64      `json:"value,omitempty"`   // the newest datapoint of the last evaluation
	ValueAt        time.Time     `json:"valueAt,omitzero"`  // when its period began
	Event          int64         `json:"event,omitempty"`   // number of the event that tells of the last change of state
	History        []HistoryItem `json:"history,omitempty"` // oldest first
}

// HistoryItem is one thing that happened to an alarm.
type HistoryItem struct {
	At      time.Time `json:"at"`
	Type    string    `json:"type"` // ConfigurationUpdate, StateUpdate, Action
	Summary string    `json:"summary"`
	Data    string    `json:"data"` // JSON
}

// unchecked is the reason of an alarm that was never evaluated.
const unchecked = "Unchecked: Initial alarm creation"

// comparison is one of the operators that compare a datapoint with the threshold.
type comparison struct {
	breaches func(value, threshold float64) bool
	words    string
}

var comparisons = map[string]comparison{
	"GreaterThanOrEqualToThreshold": {func(v, t float64) bool { return v >= t }, "greater than or equal to"},
	"GreaterThanThreshold":          {func(v, t float64) bool { return v > t }, "greater than"},
	"LessThanThreshold":             {func(v, t float64) bool { return v < t }, "less than"},
	"LessThanOrEqualToThreshold":    {func(v, t float64) bool { return v <= t }, "less than or equal to"},
}

// check refuses a spec that AWS refuses (CW-010, CW-011).
func (s *AlarmSpec) check() error {
	if s.Metric.Name == "" || s.Metric.Namespace == "" {
		return invalid("At least one of the parameters [Metrics, MetricName] must be specified.")
	}
	if s.Statistic == "" {
		return invalid("A Statistic or ExtendedStatistic must be specified.")
	}
	if _, err := parseStatistic(s.Statistic); err != nil {
		return err
	}
	if _, known := comparisons[s.Comparison]; !known {
		return badValue("The comparison operator %q needs an anomaly detection model, which drydock does not have.", s.Comparison)
	}
	if err := checkPeriod(s.Period); err != nil {
		return err
	}
	if s.EvaluationPeriods < 1 {
		return invalid("EvaluationPeriods must be specified.")
	}
	if time.Duration(s.EvaluationPeriods) > coarseKept/s.Period { // a product might overflow
		return invalid("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).")
	}
	if s.DatapointsToAlarm > s.EvaluationPeriods {
		return invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
	}
	if !slices.Contains([]string{"", TreatMissing, TreatIgnore, TreatBreaching, TreatNotBreaching}, s.MissingData) {
		return badValue("Unsupported treat missing data value: %s. Only [breaching, notBreaching, ignore, missing] are supported.", s.MissingData)
	}
	if !slices.Contains([]string{"", "evaluate", "ignore"}, s.LowSampleCount) {
		return badValue("Option %s is not supported for parameter EvaluateLowSampleCountPercentile.", s.LowSampleCount)
	}
	return nil
}

// checkPeriod allows 10, 20, 30 seconds and multiples of a minute (CW-010).
func checkPeriod(p time.Duration) error {
	if p > 0 && (p%time.Minute == 0 || p == 10*time.Second || p == 20*time.Second || p == 30*time.Second) {
		return nil
	}
	return invalid("The parameter Period must be either 10, 20, 30, or any multiple of 60")
}

// needed is how many breaching datapoints make an alarm.
func (s *AlarmSpec) needed() int { return cmp.Or(s.DatapointsToAlarm, s.EvaluationPeriods) }

// interval is how often the alarm is evaluated (CW-013).
func (s *AlarmSpec) interval() time.Duration {
	return cmp.Or(s.Interval.Truncate(Resolution), min(s.Period, time.Minute))
}

// due reports whether the alarm is to be evaluated at a multiple of Resolution.
func (a *Alarm) due(at time.Time) bool {
	return a.Reason == unchecked || at.Unix()%int64(a.interval()/time.Second) == 0
}

// remember adds to the history.
func (a *Alarm) remember(item HistoryItem) {
	a.History = append(slices.Clone(a.History), item)
	if len(a.History) > historyLimit {
		a.History = a.History[len(a.History)-historyLimit:]
	}
}

// Actions returns what is to be done in the state that the alarm is in, nothing if its actions
// are disabled.
func (a *Alarm) Actions() []string {
	switch {
	case !a.ActionsEnabled:
		return nil
	case a.State == InAlarm:
		return a.AlarmActions
	case a.State == OK:
		return a.OKActions
	}
	return a.NoDataActions
}

// clone returns a copy whose state can be changed.
func (a *Alarm) clone() *Alarm {
	c := *a
	return &c
}

// String says what the alarm watches: "Sum of HTTPCode_ELB_5XX_Count ≥ 5 for 1 of 1 periods of 10s".
func (s *AlarmSpec) String() string {
	signs := map[string]string{"GreaterThanOrEqualToThreshold": "≥", "GreaterThanThreshold": ">", "LessThanThreshold": "<", "LessThanOrEqualToThreshold": "≤"}
	return fmt.Sprintf("%s of %s %s %v for %d of %d periods of %v", s.Statistic, s.Metric.Name, signs[s.Comparison], s.Threshold, s.needed(), s.EvaluationPeriods, s.Period)
}
