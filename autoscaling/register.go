package autoscaling

import (
	"context"
	"fmt"
	"maps"

	"drydock/timeline"
)

// RegisterInput holds the members of RegisterScalableTarget; those that are nil are absent.
type RegisterInput struct {
	Resource  string
	Min, Max  *int
	RoleARN   string
	Suspended *Suspended
	Tags      map[string]string // used when the target is made
}

// RegisterScalableTarget makes a service a scalable target, or changes one. If its desired count
// is out of bounds, it is brought into them at once (AAS-001).
func (s *Scaler) RegisterScalableTarget(ctx context.Context, in RegisterInput) (arn string, err error) {
	cluster, name, ok := names(in.Resource)
	if !ok {
		return "", invalid("Unsupported service namespace, resource type or scalable dimension: %s", in.Resource)
	}
	service, found := s.services.ScaledService(cluster, name)
	if !found {
		return "", invalid("ECS service doesn't exist: %s", in.Resource)
	}
	var wanted *correction
	err = s.update(ctx, func(x *tx) error {
		t, err := x.register(in)
		if err != nil {
			return err
		}
		arn = t.ARN
		seq := x.event(t, fmt.Sprintf("%s scales between %d and %d tasks", name, t.Min, t.Max), nil)
		wanted = x.correct(t, service, seq)
		return nil
	})
	if err != nil {
		return "", err
	}
	return arn, s.apply(ctx, wanted)
}

func (x *tx) register(in RegisterInput) (*Target, error) {
	t, err := x.target(in.Resource)
	if err != nil {
		if in.Min == nil || in.Max == nil {
			return nil, invalid("Both MinCapacity and MaxCapacity must be specified when registering a new scalable target.")
		}
		t = &Target{Resource: in.Resource, ARN: x.targetARN(), CreatedAt: x.now, Tags: in.Tags,
			RoleARN: fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService", x.config.Account)}
		x.next[in.Resource] = t
	} else if len(in.Tags) > 0 {
		return nil, invalid("Tags can be specified only when a scalable target is registered for the first time: use TagResource.")
	}
	if in.Min != nil {
		t.Min = *in.Min
	}
	if in.Max != nil {
		t.Max = *in.Max
	}
	if in.Suspended != nil {
		t.Suspended = *in.Suspended
	}
	if t.Min < 0 || t.Max < 0 {
		return nil, invalid("Minimum and maximum capacity must not be negative.")
	}
	if t.Min > t.Max {
		return nil, invalid("Maximum capacity cannot be less than minimum capacity")
	}
	return t, nil
}

// correction is a count that a service is to have because of its target's bounds.
type correction struct {
	resource string
	desired  int
	activity string
	event    int64
}

// correct notes what is to be done about a count that is out of bounds, nil if it is not.
func (x *tx) correct(t *Target, s Service, cause int64) *correction {
	desired := t.clamp(s.Desired)
	if desired == s.Desired {
		return nil
	}
	bound, value := "minimum", t.Min
	if s.Desired > t.Max {
		bound, value = "maximum", t.Max
	}
	x.cause = cause
	why := fmt.Sprintf("%s capacity was set to %d", bound, value)
	return &correction{resource: t.Resource, desired: desired, activity: x.begin(t, desired, why), event: x.events[len(x.events)-1].Seq}
}

// apply asks the scheduler for a count, and notes how that went.
func (s *Scaler) apply(ctx context.Context, c *correction) error {
	if c == nil {
		return nil
	}
	cluster, name, _ := names(c.resource)
	failure := s.services.SetDesiredCount(timeline.WithCause(ctx, c.event), cluster, name, c.desired)
	return s.update(ctx, func(x *tx) error {
		t, err := x.target(c.resource)
		if err != nil {
			return nil // deregistered meanwhile
		}
		x.answered(t, c.activity, failure)
		return nil
	})
}

// DeregisterScalableTarget forgets a target with its policies, their alarms and its scheduled actions.
func (s *Scaler) DeregisterScalableTarget(ctx context.Context, resource string) error {
	err := s.update(ctx, func(x *tx) error { // the policies first: the target's row knows of their alarms
		t, err := x.target(resource)
		if err != nil {
			return err
		}
		for _, p := range t.Policies {
			t.Leftover = append(t.Leftover, p.Alarms...)
		}
		t.Policies = nil
		x.event(t, resource+" is about to be no scalable target any more", nil)
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.settleAlarms(ctx, resource); err != nil {
		return err
	}
	return s.update(ctx, func(x *tx) error {
		t, err := x.target(resource)
		if err != nil {
			return nil // another call was faster
		}
		x.event(t, resource+" is no scalable target any more", nil)
		x.next[resource] = nil
		return nil
	})
}

// Tag adds and removes tags of a target.
func (s *Scaler) Tag(ctx context.Context, arn string, add map[string]string, remove []string) error {
	return s.update(ctx, func(x *tx) error {
		for resource, row := range x.rows {
			if row.ARN != arn {
				continue
			}
			t, err := x.target(resource)
			if err != nil {
				return err
			}
			t.Tags = maps.Clone(t.Tags)
			if t.Tags == nil {
				t.Tags = map[string]string{}
			}
			maps.Copy(t.Tags, add)
			for _, key := range remove {
				delete(t.Tags, key)
			}
			if len(t.Tags) > 50 {
				return refuse("TooManyTagsException", "The maximum number of tags for a resource is 50.")
			}
			x.event(t, fmt.Sprintf("the tags of scalable target %s were changed", resource), nil)
			return nil
		}
		return unknownResource(arn)
	})
}

// Tags returns the tags of a target.
func (s *Scaler) Tags(arn string) (map[string]string, error) {
	for _, t := range s.Targets() {
		if t.ARN == arn {
			return t.Tags, nil
		}
	}
	return nil, unknownResource(arn)
}

func unknownResource(arn string) *Error {
	return refuse("ResourceNotFoundException", "The specified resource doesn't exist: %s", arn)
}
