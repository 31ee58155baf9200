package elbv2

import (
	"context"

	"drydock/alb"
	"drydock/awsapi"
)

// securityOf returns what only HTTPS listeners have. alb says who may have it (WIRE-019).
func securityOf(in ModifyListenerInput) (alb.Security, error) {
	certificates, err := certificateARNs(in.Certificates)
	if err != nil {
		return alb.Security{}, err
	}
	security := alb.Security{Certificates: certificates, SSLPolicy: awsapi.Value(in.SslPolicy), ALPNPolicy: in.AlpnPolicy}
	m := in.MutualAuthentication
	if m == nil {
		return security, nil
	}
	security.MutualAuthentication = &alb.MutualAuthentication{Mode: awsapi.Value(m.Mode), TrustStoreARN: awsapi.Value(m.TrustStoreArn)}
	return security, unsupported(
		refused{"IgnoreClientCertificateExpiry", awsapi.Value(m.IgnoreClientCertificateExpiry)},
		refused{"AdvertiseTrustStoreCaNames", awsapi.Value(m.AdvertiseTrustStoreCaNames) == "on"},
	)
}

func (a api) createListener(ctx context.Context, in *CreateListenerInput) (*CreateListenerOutput, error) {
	security, err := securityOf(ModifyListenerInput{
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
		LoadBalancerARN: *in.LoadBalancerArn, Protocol: awsapi.Value(in.Protocol), Port: number(in.Port), DefaultActions: actions,
		Security: security, Tags: tags(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateListenerOutput{Listeners: []Listener{listenerShape(l)}}, nil
}

func listenerShape(l alb.Listener) Listener {
	shape := Listener{
		ListenerArn: &l.ARN, LoadBalancerArn: &l.LoadBalancerARN, Protocol: &l.Protocol, Port: new(int64(l.Port)),
		DefaultActions: awsapi.List(l.DefaultActions, actionShape),
	}
	if l.Protocol == "HTTPS" {
		shape.Certificates = []Certificate{{CertificateArn: &l.DefaultCertificate}}
		shape.SslPolicy = &l.SSLPolicy
		shape.MutualAuthentication = &MutualAuthenticationAttributes{Mode: new("off")}
	}
	return shape
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
	security, err := securityOf(*in)
	if err != nil {
		return nil, err
	}
	change := alb.ModifyListenerInput{ListenerARN: *in.ListenerArn, Protocol: awsapi.Value(in.Protocol), Port: number(in.Port), Security: security}
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

func listenerAttribute(at alb.Attribute) ListenerAttribute {
	return ListenerAttribute{Key: &at.Key, Value: &at.Value}
}

func (a api) describeListenerAttributes(ctx context.Context, in *DescribeListenerAttributesInput) (*DescribeListenerAttributesOutput, error) {
	attributes, err := a.balancer.DescribeListenerAttributes(ctx, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	return &DescribeListenerAttributesOutput{Attributes: awsapi.List(attributes, listenerAttribute)}, nil
}

func (a api) modifyListenerAttributes(ctx context.Context, in *ModifyListenerAttributesInput) (*ModifyListenerAttributesOutput, error) {
	changes := awsapi.List(in.Attributes, func(at ListenerAttribute) alb.Attribute {
		return alb.Attribute{Key: awsapi.Value(at.Key), Value: awsapi.Value(at.Value)}
	})
	attributes, err := a.balancer.ModifyListenerAttributes(ctx, *in.ListenerArn, changes)
	if err != nil {
		return nil, err
	}
	return &ModifyListenerAttributesOutput{Attributes: awsapi.List(attributes, listenerAttribute)}, nil
}
