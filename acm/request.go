package acm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RequestCertificateInput holds what RequestCertificate takes.
type RequestCertificateInput struct {
	DomainName              string
	SubjectAlternativeNames []string
	ValidationMethod        string            // DNS, EMAIL or HTTP; empty: EMAIL
	ValidationDomains       map[string]string // by domain name
	KeyAlgorithm            string            // empty: EC_prime256v1, for speed; ACM has RSA_2048 (ACM-006)
	Transparency            string            // ENABLED or DISABLED; empty: ENABLED
	Export                  string            // ENABLED or DISABLED; empty: DISABLED
	IdempotencyToken        string
	Tags                    []Tag

	CertificateAuthorityARN, ManagedBy string // refused
}

// RequestCertificate issues a certificate at once and returns its ARN (ACM-001).
func (a *Authority) RequestCertificate(ctx context.Context, in RequestCertificateInput) (arn string, err error) {
	if err := in.check(); err != nil {
		return "", err
	}
	if arn := requested(a.all(), in); arn != "" {
		return arn, nil
	}
	c := in.certificate()
	if err := a.root.issue(&c, time.Now().UTC()); err != nil { // before the lock: RSA keys take a while
		return "", err
	}
	err = a.update(ctx, func(t *tx) error {
		if c.ARN = requested(slices.Collect(maps.Values(t.rows)), in); c.ARN != "" {
			return nil // another request with the token was faster
		}
		c.ARN, c.CreatedAt = t.newARN(), c.IssuedAt
		c.Event = t.event(0, c.ARN, fmt.Sprintf("issued a certificate for %s by the local authority", strings.Join(c.SubjectAlternativeNames, ", ")),
			map[string]string{"renewAt": c.RenewAt.Format(time.DateOnly)})
		t.put(c)
		return nil
	})
	return c.ARN, err
}

// domainPattern is ACM's, which looks ahead; domainName is the same without.
const domainPattern = `(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])`

var domainName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]$`)

func (in RequestCertificateInput) check() error {
	if !domainName.MatchString(in.DomainName) {
		return invalidDomain(in.DomainName, "domainName")
	}
	for i, name := range in.SubjectAlternativeNames {
		if !domainName.MatchString(name) {
			return invalidDomain(name, fmt.Sprintf("subjectAlternativeNames.%d.member", i+1))
		}
	}
	switch {
	case in.CertificateAuthorityARN != "":
		return unsupported("CertificateAuthorityArn")
	case in.ManagedBy != "":
		return unsupported("ManagedBy")
	case in.KeyAlgorithm == "RSA_1024":
		return invalid("Key algorithm RSA_1024 is not supported for this request.")
	case len(in.DomainName) > maxCommonName:
		return invalid("The first domain name can be no longer than %d octets, including periods.", maxCommonName)
	}
	for domain, validation := range in.ValidationDomains {
		if domain != validation && !strings.HasSuffix(domain, "."+validation) {
			return refuse("InvalidDomainValidationOptionsException", "The domain validation options contain the domain name %s, whose validation domain %s is not a superdomain of it.", domain, validation)
		}
	}
	return checkTags(in.Tags)
}

// ACM-016
func invalidDomain(name, member string) error {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, member, domainPattern)
}

// requested returns the certificate of the same request with the same token within the hour.
func requested(all []*Certificate, in RequestCertificateInput) string {
	if in.IdempotencyToken == "" {
		return ""
	}
	want := in.certificate()
	for _, c := range all {
		if c.IdempotencyToken == want.IdempotencyToken && c.DomainName == want.DomainName &&
			slices.Equal(c.SubjectAlternativeNames, want.SubjectAlternativeNames) && time.Since(c.CreatedAt) < idempotent {
			return c.ARN
		}
	}
	return ""
}

// certificate returns the row of a request, without its documents.
func (in RequestCertificateInput) certificate() Certificate {
	c := Certificate{
		DomainName: strings.ToLower(in.DomainName), Type: AmazonIssued, KeyAlgorithm: cmp.Or(in.KeyAlgorithm, "EC_prime256v1"), DefaultKey: in.KeyAlgorithm == "",
		ValidationMethod: cmp.Or(in.ValidationMethod, "EMAIL"), ValidationDomains: in.ValidationDomains, Transparency: cmp.Or(in.Transparency, "ENABLED"),
		Export: cmp.Or(in.Export, "DISABLED"), IdempotencyToken: in.IdempotencyToken, Tags: in.Tags,
	}
	c.SubjectAlternativeNames = []string{c.DomainName}
	for _, name := range in.SubjectAlternativeNames {
		if name = strings.ToLower(name); !slices.Contains(c.SubjectAlternativeNames, name) {
			c.SubjectAlternativeNames = append(c.SubjectAlternativeNames, name)
		}
	}
	return c
}
