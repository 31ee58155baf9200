package elbv2

import (
	"context"

	"drydock/alb"
	"drydock/awsapi"
)

// certificateARNs returns the certificates of a request. AWS refuses IsDefault in one,
// whatever its value (ALB-251).
func certificateARNs(shapes []Certificate) ([]string, error) {
	var arns []string
	for _, c := range shapes {
		switch {
		case c.IsDefault != nil:
			return nil, &awsapi.Error{Code: "ValidationError", Message: "You cannot set the isDefault parameter for a certificate."}
		case c.CertificateArn == nil:
			return nil, &awsapi.Error{Code: "ValidationError", Message: "A certificate ARN must be specified"}
		}
		arns = append(arns, *c.CertificateArn)
	}
	return arns, nil
}

func certificateShape(c alb.ListenerCertificate) Certificate {
	return Certificate{CertificateArn: &c.CertificateARN, IsDefault: &c.Default}
}

func (a api) addListenerCertificates(ctx context.Context, in *AddListenerCertificatesInput) (*AddListenerCertificatesOutput, error) {
	arns, err := certificateARNs(in.Certificates)
	if err != nil {
		return nil, err
	}
	added, err := a.balancer.AddListenerCertificates(ctx, *in.ListenerArn, arns)
	if err != nil {
		return nil, err
	}
	return &AddListenerCertificatesOutput{Certificates: awsapi.List(added, certificateShape)}, nil
}

func (a api) removeListenerCertificates(ctx context.Context, in *RemoveListenerCertificatesInput) (*RemoveListenerCertificatesOutput, error) {
	arns, err := certificateARNs(in.Certificates)
	if err != nil {
		return nil, err
	}
	return nil, a.balancer.RemoveListenerCertificates(ctx, *in.ListenerArn, arns)
}

func (a api) describeListenerCertificates(ctx context.Context, in *DescribeListenerCertificatesInput) (*DescribeListenerCertificatesOutput, error) {
	found, err := a.balancer.DescribeListenerCertificates(ctx, *in.ListenerArn)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeListenerCertificatesOutput{Certificates: awsapi.List(part, certificateShape), NextMarker: next}, nil
}

func (a api) describeSSLPolicies(ctx context.Context, in *DescribeSSLPoliciesInput) (*DescribeSSLPoliciesOutput, error) {
	found, err := a.balancer.DescribeSSLPolicies(ctx, in.Names)
	if err != nil {
		return nil, err
	}
	part, next, err := page(found, in.Marker, in.PageSize)
	if err != nil {
		return nil, err
	}
	return &DescribeSSLPoliciesOutput{SslPolicies: awsapi.List(part, policyShape), NextMarker: next}, nil
}

// policyShape lists ciphers in order of preference, the first with priority 1.
func policyShape(p alb.SSLPolicy) SslPolicy {
	shape := SslPolicy{Name: &p.Name, SslProtocols: p.Protocols, SupportedLoadBalancerTypes: []string{"application", "network"}}
	for i, name := range p.Ciphers {
		shape.Ciphers = append(shape.Ciphers, Cipher{Name: &name, Priority: new(int64(i + 1))})
	}
	return shape
}
