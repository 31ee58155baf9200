package elbv2

import (
	"context"

	"drydock/alb"
	"drydock/awsapi"
)

// secureMembers refuses what only secure listeners have. alb refuses their protocol itself (WIRE-019).
func secureMembers(protocol *string, in ModifyListenerInput) error {
	if p := awsapi.Value(protocol); p != "" && p != "HTTP" {
		return nil
	}
	for _, m := range []refused{
		{"A certificate", len(in.Certificates) > 0},
		{"An SSL policy", in.SslPolicy != nil},
		{"Mutual authentication", in.MutualAuthentication != nil},
		{"An ALPN policy", len(in.AlpnPolicy) > 0},
	} {
		if m.sent {
			return &awsapi.Error{Code: "ValidationError", Message: m.member + " cannot be specified for HTTP listeners"}
		}
	}
	return nil
}

func (a api) createListener(ctx context.Context, in *CreateListenerInput) (*CreateListenerOutput, error) {
	err := secureMembers(in.Protocol, ModifyListenerInput{
		Certificates: in.Certificates, SslPolicy: in.SslPolicy, MutualAuthentication: in.MutualAuthentication, AlpnPolicy: in.AlpnPolicy,
	})
	if err != nil {
		return nil, err
	}
	actions, err := actionsOf(in.DefaultActions)
	if err != nil {
		return nil, err
	}
	l, err := a.balancer.CreateListener(ctx, alb.CreateListenerInput{
		LoadBalancerARN: *in.LoadBalancerArn, Protocol: awsapi.Value(in.Protocol), Port: number(in.Port), DefaultActions: actions, Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateListenerOutput{Listeners: []Listener{listenerShape(l)}}, nil
}

func listenerShape(l alb.Listener) Listener {
	return Listener{
		ListenerArn: &l.ARN, LoadBalancerArn: &l.LoadBalancerARN, Protocol: &l.Protocol, Port: new(int64(l.Port)),
		DefaultActions: awsapi.List(l.DefaultActions, actionShape),
	}
}

func (a api) describeListeners(ctx context.Context, in *DescribeListenersInput) (*DescribeListenersOutput, error) {
	found, err := a.balancer.DescribeListeners(ctx, awsapi.Value(in.LoadBalancerArn), in.ListenerArns)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeListenersOutput{Listeners: awsapi.List(part, listenerShape), NextMarker: next}, nil
}

func (a api) modifyListener(ctx context.Context, in *ModifyListenerInput) (*ModifyListenerOutput, error) {
	if err := secureMembers(in.Protocol, *in); err != nil {
		return nil, err
	}
	change := alb.ModifyListenerInput{ListenerARN: *in.ListenerArn, Protocol: awsapi.Value(in.Protocol), Port: number(in.Port)}
	if in.DefaultActions != nil {
		actions, err := actionsOf(in.DefaultActions)
		if err != nil {
			return nil, err
		}
		change.DefaultActions = actions
	}
	l, err := a.balancer.ModifyListener(ctx, change)
	if err != nil {
		return nil, err
	}
	return &ModifyListenerOutput{Listeners: []Listener{listenerShape(l)}}, nil
}

func (a api) deleteListener(ctx context.Context, in *DeleteListenerInput) (*DeleteListenerOutput, error) {
	return nil, a.balancer.DeleteListener(ctx, *in.ListenerArn)
}
