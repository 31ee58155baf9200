package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// terms are the TLS settings of one listener of a snapshot, compiled. They never change: a
// handshake takes those of the route that is current when the client's hello has come.
type terms struct {
	config   *tls.Config
	names    map[string][]*certificate // by lower-case name, wildcards as written; best first
	fallback *certificate              // the default certificate
}

// compileTerms returns a listener's terms, and an error for each certificate that cannot be
// served. Without any that can there are no terms.
func compileTerms(lb *LoadBalancer, l Listener, known map[string]*certificate) (*terms, error) {
	name := l.SSLPolicy
	if name == "" {
		name = DefaultPolicy
	}
	policy, ok := PolicyNamed(name)
	if !ok {
		return nil, fmt.Errorf("there is no security policy %s", name)
	}
	usable, err := usableCertificates(l.Certificates, known)
	if len(usable) == 0 {
		return nil, errors.Join(errors.New("there is no usable certificate"), err)
	}
	t := &terms{config: policy.settings(), names: byName(usable), fallback: usable[0]}
	t.config.GetCertificate = t.present
	t.config.NextProtos = applicationProtocols(lb.Attributes.NoHTTP2)
	// Whole records from the start: small ones would cost a system call each, and the
	// balancer's responses are not worth waiting for byte by byte.
	t.config.DynamicRecordSizingDisabled = true
	return t, err
}

// applicationProtocols are what ALPN offers, in order of preference (ALB-107).
func applicationProtocols(noHTTP2 bool) []string {
	if noHTTP2 {
		return []string{"http/1.1"}
	}
	return []string{"h2", "http/1.1"}
}

func usableCertificates(arns []string, known map[string]*certificate) (usable []*certificate, err error) {
	for _, arn := range arns {
		c := known[arn]
		switch {
		case c == nil:
			err = errors.Join(err, fmt.Errorf("certificate %s is not in the snapshot", arn))
		case c.problem != nil:
			err = errors.Join(err, fmt.Errorf("certificate %s: %w", arn, c.problem))
		default:
			usable = append(usable, c)
		}
	}
	return usable, err
}

// byName indexes certificates by the names they are for.
func byName(all []*certificate) map[string][]*certificate {
	names := map[string][]*certificate{}
	for _, c := range all {
		for _, name := range c.names {
			names[name] = append(names[name], c)
		}
	}
	for _, list := range names {
		slices.SortStableFunc(list, compareCertificates)
	}
	return names
}

// matching returns the certificates for a server name, best first. A wildcard stands for
// one label (ALB-103).
func (t *terms) matching(name string) []*certificate {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	dot := strings.IndexByte(name, '.')
	if dot < 0 {
		return t.names[name]
	}
	exact, wild := t.names[name], t.names["*"+name[dot:]]
	if len(wild) == 0 {
		return exact
	}
	if len(exact) == 0 {
		return wild
	}
	both := slices.Concat(exact, wild)
	slices.SortStableFunc(both, compareCertificates)
	return both
}

// choose returns the certificate for a client: the best one for its server name that it
// can use, else the default one.
func (t *terms) choose(hello *tls.ClientHelloInfo) *certificate {
	if hello.ServerName == "" {
		return t.fallback
	}
	found := t.matching(hello.ServerName)
	for _, c := range found {
		if hello.SupportsCertificate(&c.pair) == nil {
			return c
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return t.fallback
}

// present is the config's GetCertificate.
func (t *terms) present(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := t.choose(hello)
	if s, ok := hello.Context().Value(sessionKey{}).(*session); ok {
		s.certificate = c.arn
	}
	return &c.pair, nil
}
