package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/cloudwatch"
)

// Predefined metrics of ECS services.
const (
	ServiceCPU       = "ECSServiceAverageCPUUtilization"
	ServiceMemory    = "ECSServiceAverageMemoryUtilization"
	RequestPerTarget = "ALBRequestCountPerTarget"
)

// Tracking is the configuration of a target tracking policy.
type Tracking struct {
	Target         float64           `json:"target"`
	Predefined     string            `json:"predefined,omitempty"` // empty: customized
	Label          string            `json:"label,omitempty"`      // ResourceLabel
	Metric         cloudwatch.Metric `json:"metric"`
	Statistic      string            `json:"statistic"`
	Unit           string            `json:"unit,omitempty"`
	OutCooldown    *time.Duration    `json:"outCooldown,omitempty"` // nil: not given
	InCooldown     *time.Duration    `json:"inCooldown,omitempty"`
	DisableScaleIn bool              `json:"disableScaleIn,omitempty"`
}

// The parts of the names of target tracking's alarms by which they are told apart.
const (
	highPart = "-AlarmHigh-"
	lowPart  = "-AlarmLow-"
)

// threshold is the target for one datapoint of a pace: what is counted is counted by the minute
// on AWS (AAS-010).
func (k *Tracking) threshold(pace Pace) float64 {
	if k.Statistic == "Sum" || k.Statistic == "SampleCount" {
		return k.Target * pace.Period.Minutes()
	}
	return k.Target
}

// resolve sets the metric of a predefined one, and refuses what cannot be tracked (AAS-019).
func (k *Tracking) resolve(cluster, service string) error {
	if k.Target <= 0 {
		return invalid("TargetValue must be greater than 0.")
	}
	switch k.Predefined {
	case ServiceCPU, ServiceMemory:
		name := map[string]string{ServiceCPU: "CPUUtilization", ServiceMemory: "MemoryUtilization"}[k.Predefined]
		k.Metric, k.Statistic = cloudwatch.Is(cloudwatch.ECS, name, "ClusterName", cluster, "ServiceName", service), "Average"
	case RequestPerTarget:
		balancer, group, ok := strings.Cut(k.Label, "/targetgroup/")
		if !ok || !strings.HasPrefix(balancer, "app/") {
			return invalid("Invalid ResourceLabel: %s. It must be of the form app/<load balancer name>/<id>/targetgroup/<target group name>/<id>.", k.Label)
		}
		k.Metric, k.Statistic = cloudwatch.Is(cloudwatch.ApplicationELB, "RequestCountPerTarget", "LoadBalancer", balancer, "TargetGroup", "targetgroup/"+group), "Sum"
	case "":
		if k.Metric.Name == "" || k.Metric.Namespace == "" || k.Statistic == "" {
			return invalid("A customized metric needs MetricName, Namespace and Statistic.")
		}
	default:
		return invalid("The predefined metric %s is not one of ECS services.", k.Predefined)
	}
	return nil
}

// PutScalingPolicy makes or changes a policy, and for target tracking its alarms.
func (s *Scaler) PutScalingPolicy(ctx context.Context, resource string, p Policy) (Policy, error) {
	cluster, service, ok := names(resource)
	if !ok {
		return p, noTarget(resource)
	}
	if err := p.check(cluster, service); err != nil {
		return p, err
	}
	err := s.update(ctx, func(x *tx) error {
		t, err := x.target(resource)
		if err != nil {
			return err
		}
		p.ARN, p.CreatedAt = s.policyARN(resource, p.Name), x.now
		if old := t.Policy(p.Name); old != nil {
			p.ARN, p.CreatedAt = old.ARN, old.CreatedAt
			t.Leftover = append(t.Leftover, old.Alarms...)
			if (old.Tracking == nil) != (p.Tracking == nil) {
				return invalid("Scaling policy %s exists with another policy type.", p.Name)
			}
		} else if len(t.Policies) >= 50 {
			return refuse("LimitExceededException", "The maximum number of scaling policies for a scalable target is 50.")
		}
		p.Alarms = p.alarmNames(resource)
		p.Unmade = len(p.Alarms) > 0
		t.Policies = slices.DeleteFunc(t.Policies, func(q Policy) bool { return q.Name == p.Name })
		t.Policies = append(t.Policies, p)
		x.event(t, fmt.Sprintf("scaling policy %s of %s: %s", p.Name, service, p.words()), nil)
		return nil
	})
	if err != nil {
		return p, err
	}
	return p, s.settleAlarms(ctx, resource)
}

func (p *Policy) check(cluster, service string) error {
	if p.Tracking != nil {
		return p.Tracking.resolve(cluster, service)
	}
	if p.Step == nil {
		return invalid("A configuration of the policy's type must be specified.")
	}
	return p.Step.check()
}

// words tell about the policy in a few words.
func (p *Policy) words() string {
	if p.Tracking != nil {
		return fmt.Sprintf("keep %s at %v", p.Tracking.Metric.Name, p.Tracking.Target)
	}
	return p.Step.Adjustment + " by steps"
}

func (p *Policy) alarmNames(resource string) []string {
	if p.Tracking == nil {
		return nil
	}
	all := []string{"TargetTracking-" + resource + highPart + newID()}
	if !p.Tracking.DisableScaleIn {
		all = append(all, "TargetTracking-"+resource+lowPart+newID())
	}
	return all
}

// settleAlarms puts the alarms of a target's policies that are still to be put and deletes those of
// before (AAS-010). The rows say so until it is done, and every pass looks: a process that ends in
// between leaves no policy without alarms, and no alarm without a policy.
func (s *Scaler) settleAlarms(ctx context.Context, resource string) error {
	s.settling.Lock()
	defer s.settling.Unlock()
	t := s.unsettled(resource)
	if t == nil {
		return nil
	}
	for i := range t.Policies {
		if err := s.putAlarms(ctx, &t.Policies[i]); err != nil {
			return err
		}
	}
	if err := s.deleteAlarms(ctx, t.Leftover); err != nil {
		return err
	}
	return s.update(ctx, func(x *tx) error {
		now, err := x.target(resource)
		if err != nil {
			return nil // deregistered meanwhile
		}
		now.Leftover = slices.DeleteFunc(now.Leftover, func(name string) bool { return slices.Contains(t.Leftover, name) })
		for i := range now.Policies {
			if p := t.Policy(now.Policies[i].Name); p != nil && slices.Equal(p.Alarms, now.Policies[i].Alarms) {
				now.Policies[i].Unmade = false
			}
		}
		return nil
	})
}

// unsettled returns a target whose alarms are not yet what its policies want, else nil.
func (s *Scaler) unsettled(resource string) *Target {
	for _, t := range s.Targets() {
		if t.Resource == resource && (len(t.Leftover) > 0 || slices.ContainsFunc(t.Policies, func(p Policy) bool { return p.Unmade })) {
			return t
		}
	}
	return nil
}

func (s *Scaler) putAlarms(ctx context.Context, p *Policy) error {
	if !p.Unmade {
		return nil
	}
	for i, name := range p.Alarms {
		if err := s.alarms.PutMetricAlarm(ctx, s.trackingAlarm(p, name, i > 0)); err != nil {
			return fmt.Errorf("put the alarms of policy %s: %w", p.Name, err)
		}
	}
	return nil
}

func (s *Scaler) trackingAlarm(p *Policy, name string, low bool) cloudwatch.AlarmSpec {
	k, pace := p.Tracking, s.config.Pace
	spec := cloudwatch.AlarmSpec{
		Name: name, Description: "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + p.ARN + ".", ActionsEnabled: true, AlarmActions: []string{p.ARN},
		Metric: k.Metric, Statistic: k.Statistic, Unit: k.Unit, Period: pace.Period,
		EvaluationPeriods: pace.OutPeriods, Threshold: k.threshold(pace), Comparison: "GreaterThanThreshold",
	}
	if low {
		spec.EvaluationPeriods, spec.Threshold, spec.Comparison = pace.InPeriods, k.threshold(pace)*pace.InFraction, "LessThanThreshold"
	}
	return spec
}

// deleteAlarms deletes alarms; somebody else may have deleted some.
func (s *Scaler) deleteAlarms(ctx context.Context, names []string) error {
	for _, a := range s.alarms.Alarms() {
		if slices.Contains(names, a.Name) {
			if err := s.alarms.DeleteAlarms(ctx, []string{a.Name}); err != nil {
				return fmt.Errorf("delete alarm %s: %w", a.Name, err)
			}
		}
	}
	return nil
}

// DeleteScalingPolicy deletes a policy and its alarms.
func (s *Scaler) DeleteScalingPolicy(ctx context.Context, resource, name string) error {
	err := s.update(ctx, func(x *tx) error {
		t, err := x.target(resource)
		if err != nil {
			return noPolicy(resource, name)
		}
		p := t.Policy(name)
		if p == nil {
			return noPolicy(resource, name)
		}
		t.Leftover = append(t.Leftover, p.Alarms...)
		t.Policies = slices.DeleteFunc(t.Policies, func(q Policy) bool { return q.Name == name })
		x.event(t, "scaling policy "+name+" deleted", nil)
		return nil
	})
	if err != nil {
		return err
	}
	return s.settleAlarms(ctx, resource)
}

// AlarmsOf returns the alarms that act for a policy: its own, and those of users that name it.
func (s *Scaler) AlarmsOf(p Policy) []*cloudwatch.Alarm {
	var all []*cloudwatch.Alarm
	for _, a := range s.alarms.Alarms() {
		if slices.Contains(p.Alarms, a.Name) || slices.Contains(a.AlarmActions, p.ARN) || slices.Contains(a.OKActions, p.ARN) || slices.Contains(a.NoDataActions, p.ARN) {
			all = append(all, a)
		}
	}
	return all
}
