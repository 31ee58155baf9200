package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drydock/awsapi/acm"
	"drydock/awsapi/elbv2"
)

// stackTag marks the certificates that up requested with the name of their stack's cluster.
const stackTag = "drydock:stack"

// certificates returns the ARNs of a listener's certificates, and requests those that do not
// exist yet.
func (u *up) certificates(ctx context.Context, wanted []stackCertificate) ([]string, error) {
	var arns []string
	for _, c := range wanted {
		arn := c.arn
		if arn == nil {
			var err error
			if arn, err = u.certificate(ctx, c); err != nil {
				return nil, fmt.Errorf("certificate %s: %w", deref(c.request.DomainName), err)
			}
		}
		arns = append(arns, *arn)
	}
	return arns, nil
}

// certificate finds a requested certificate by its names, or requests it.
func (u *up) certificate(ctx context.Context, c stackCertificate) (*string, error) {
	name := deref(c.request.DomainName)
	found, err := u.findCertificate(ctx, c)
	if err != nil {
		return nil, err
	}
	if found != nil {
		u.kept("certificate", name)
		return found, nil
	}
	in := cloneShape(c.request)
	if in.ValidationMethod == nil {
		in.ValidationMethod = optional("DNS")
	}
	in.Tags = append(in.Tags, acm.Tag{Key: optional(stackTag), Value: optional(u.stack.clusterName())})
	out, err := call[acm.RequestCertificateResponse](ctx, u.api, "acm", "RequestCertificate", &in)
	if err != nil {
		return nil, err
	}
	u.did("created", "certificate", name, "issued by the local authority: see `drydock trust`")
	return out.CertificateArn, nil
}

// findCertificate returns the ARN of a requested certificate that is valid for just these
// names, or nil.
func (u *up) findCertificate(ctx context.Context, c stackCertificate) (*string, error) {
	in := acm.ListCertificatesRequest{CertificateStatuses: []string{"ISSUED"},
		Includes: &acm.Filters{KeyTypes: []string{"RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"}}}
	for {
		list, err := call[acm.ListCertificatesResponse](ctx, u.api, "acm", "ListCertificates", &in)
		if err != nil {
			return nil, err
		}
		for _, s := range list.CertificateSummaryList {
			if deref(s.Type) == "AMAZON_ISSUED" && slices.Equal(s.SubjectAlternativeNameSummaries, c.names()) &&
				(c.request.KeyAlgorithm == nil || deref(s.KeyAlgorithm) == *c.request.KeyAlgorithm) {
				return s.CertificateArn, nil
			}
		}
		if in.NextToken = list.NextToken; in.NextToken == nil {
			return nil, nil
		}
	}
}

// listenerCertificates makes the certificates of a listener, beside the default one, those of the
// stack.
func (u *up) listenerCertificates(ctx context.Context, name string, listener *string, wanted []string) error {
	found, err := call[elbv2.DescribeListenerCertificatesOutput](ctx, u.api, "elbv2", "DescribeListenerCertificates", &elbv2.DescribeListenerCertificatesInput{ListenerArn: listener})
	if err != nil {
		return err
	}
	var surplus []elbv2.Certificate
	missing := slices.Clone(wanted)
	for _, c := range found.Certificates {
		arn := deref(c.CertificateArn)
		switch {
		case deref(c.IsDefault):
		case slices.Contains(wanted, arn):
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == arn })
		default:
			surplus = append(surplus, withCertificate(arn)...)
		}
	}
	for _, arn := range missing {
		in := &elbv2.AddListenerCertificatesInput{ListenerArn: listener, Certificates: withCertificate(arn)}
		if _, err := call[elbv2.AddListenerCertificatesOutput](ctx, u.api, "elbv2", "AddListenerCertificates", in); err != nil {
			return err
		}
		u.did("added", "certificate", name, tail(arn))
	}
	for _, c := range surplus {
		in := &elbv2.RemoveListenerCertificatesInput{ListenerArn: listener, Certificates: []elbv2.Certificate{c}}
		if _, err := call[elbv2.RemoveListenerCertificatesOutput](ctx, u.api, "elbv2", "RemoveListenerCertificates", in); err != nil {
			return err
		}
		u.did("removed", "certificate", name, tail(deref(c.CertificateArn)))
	}
	return nil
}

// deleteCertificates deletes the certificates that up requested for this stack, and that nobody
// else uses by now.
func (d *down) deleteCertificates(ctx context.Context) error {
	for _, b := range d.stack.loadBalancers {
		for _, l := range b.listeners {
			for _, c := range l.certificates {
				if c.arn != nil || c.request.DomainName == nil {
					continue
				}
				if err := d.deleteCertificate(ctx, c); err != nil {
					return fmt.Errorf("delete certificate %s: %w", strings.Join(c.names(), ", "), err)
				}
			}
		}
	}
	return nil
}

func (d *down) deleteCertificate(ctx context.Context, c stackCertificate) error {
	arn, err := d.findCertificate(ctx, c)
	if err != nil || arn == nil {
		return err
	}
	tags, err := call[acm.ListTagsForCertificateResponse](ctx, d.api, "acm", "ListTagsForCertificate", &acm.ListTagsForCertificateRequest{CertificateArn: arn})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(tags.Tags, func(t acm.Tag) bool { return deref(t.Key) == stackTag && deref(t.Value) == d.stack.clusterName() }) {
		return nil
	}
	_, err = call[acm.DeleteCertificateOutput](ctx, d.api, "acm", "DeleteCertificate", &acm.DeleteCertificateRequest{CertificateArn: arn})
	if refusedWith(err, "ResourceInUseException") {
		d.say("unchanged", "certificate", deref(c.request.DomainName), "something else uses it")
		return nil
	}
	if err == nil {
		d.did("deleted", "certificate", deref(c.request.DomainName), "")
	}
	return err
}
