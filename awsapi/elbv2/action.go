package elbv2

import (
	"drydock/alb"
	"drydock/awsapi"
)

func actionsOf(shapes []Action) ([]alb.Action, error) {
	actions := make([]alb.Action, 0, len(shapes))
	for _, shape := range shapes {
		err := unsupported(
			refused{"AuthenticateOidcConfig", shape.AuthenticateOidcConfig != nil && *shape.Type != "authenticate-oidc"},
			refused{"AuthenticateCognitoConfig", shape.AuthenticateCognitoConfig != nil && *shape.Type != "authenticate-cognito"},
			refused{"JwtValidationConfig", shape.JwtValidationConfig != nil && *shape.Type != "jwt-validation"},
		) // alb refuses the types themselves
		if err != nil {
			return nil, err
		}
		actions = append(actions, actionOf(shape))
	}
	return actions, nil
}

func actionOf(shape Action) alb.Action {
	action := alb.Action{Type: *shape.Type, Order: number(shape.Order), TargetGroupARN: awsapi.Value(shape.TargetGroupArn)}
	if f := shape.ForwardConfig; f != nil {
		action.ForwardConfig = forwardOf(*f)
	}
	if r := shape.RedirectConfig; r != nil {
		action.RedirectConfig = &alb.RedirectConfig{
			StatusCode: *r.StatusCode, Protocol: awsapi.Value(r.Protocol), Host: awsapi.Value(r.Host),
			Port: awsapi.Value(r.Port), Path: awsapi.Value(r.Path), Query: awsapi.Value(r.Query),
		}
	}
	if f := shape.FixedResponseConfig; f != nil {
		action.FixedResponseConfig = &alb.FixedResponseConfig{
			StatusCode: *f.StatusCode, ContentType: awsapi.Value(f.ContentType), MessageBody: awsapi.Value(f.MessageBody),
		}
	}
	return action
}

func forwardOf(shape ForwardActionConfig) *alb.ForwardConfig {
	config := &alb.ForwardConfig{TargetGroups: awsapi.List(shape.TargetGroups, func(t TargetGroupTuple) alb.TargetGroupTuple {
		tuple := alb.TargetGroupTuple{TargetGroupARN: awsapi.Value(t.TargetGroupArn)}
		if t.Weight != nil {
			tuple.Weight = new(number(t.Weight))
		}
		return tuple
	})}
	if s := shape.TargetGroupStickinessConfig; s != nil {
		config.Stickiness = alb.TargetGroupStickiness{Enabled: awsapi.Value(s.Enabled), DurationSeconds: number(s.DurationSeconds)}
	}
	return config
}

func actionShape(action alb.Action) Action {
	shape := Action{Type: &action.Type, Order: awsapi.NonZero(int64(action.Order)), TargetGroupArn: awsapi.NonZero(action.TargetGroupARN)}
	if action.ForwardConfig != nil {
		shape.ForwardConfig = forwardShape(*action.ForwardConfig)
	}
	if r := action.RedirectConfig; r != nil {
		shape.RedirectConfig = &RedirectActionConfig{
			StatusCode: &r.StatusCode, Protocol: awsapi.NonZero(r.Protocol), Host: awsapi.NonZero(r.Host),
			Port: awsapi.NonZero(r.Port), Path: awsapi.NonZero(r.Path), Query: awsapi.NonZero(r.Query),
		}
	}
	if f := action.FixedResponseConfig; f != nil {
		shape.FixedResponseConfig = &FixedResponseActionConfig{
			StatusCode: &f.StatusCode, ContentType: awsapi.NonZero(f.ContentType), MessageBody: awsapi.NonZero(f.MessageBody),
		}
	}
	return shape
}

func forwardShape(config alb.ForwardConfig) *ForwardActionConfig {
	return &ForwardActionConfig{
		TargetGroups: awsapi.List(config.TargetGroups, func(t alb.TargetGroupTuple) TargetGroupTuple {
			shape := TargetGroupTuple{TargetGroupArn: &t.TargetGroupARN}
			if t.Weight != nil {
				shape.Weight = new(int64(*t.Weight))
			}
			return shape
		}),
		TargetGroupStickinessConfig: &TargetGroupStickinessConfig{
			Enabled: &config.Stickiness.Enabled, DurationSeconds: awsapi.NonZero(int64(config.Stickiness.DurationSeconds)),
		},
	}
}
