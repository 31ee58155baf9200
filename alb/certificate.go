package alb

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"drydock/alb/node"
	"drydock/timeline"
)

// Certificates is where the balancer finds certificates.
type Certificates interface {
	// Certificate returns a certificate's chain, the server's own first, and its key, as PEM.
	// It does not call the balancer.
	Certificate(arn string) (chain, key string, err error)
	// Changed returns a channel that holds a token whenever some certificate was added, changed
	// or removed since it was last received from. The balancer is its one reader.
	Changed() <-chan struct{}
}

var certificateARN = regexp.MustCompile(`^arn:aws[a-z-]*:(acm:[a-z0-9-]+|iam:):[0-9]{12}:(certificate|server-certificate)/.+$`)

// checkCertificate checks that there is a certificate to serve (ALB-236).
func (b *Balancer) checkCertificate(arn string) error {
	if !certificateARN.MatchString(arn) {
		return invalid("Certificate ARN '%s' is not valid", arn)
	}
	if _, ok := b.certificate(arn); !ok {
		return certificateNotFound(arn)
	}
	return nil
}

func certificateNotFound(arn string) error {
	return refuse("CertificateNotFound", "Certificate '%s' not found", arn)
}

func (b *Balancer) certificate(arn string) (node.Certificate, bool) {
	if b.config.Certificates == nil {
		return node.Certificate{}, false
	}
	chain, key, err := b.config.Certificates.Certificate(arn)
	return node.Certificate{ARN: arn, Chain: chain, Key: key}, err == nil
}

// certificates returns the documents of all certificates that listeners name, by ARN. One
// that is gone is left out: the node says so of its listener.
func (b *Balancer) certificates(s state) []node.Certificate {
	named := map[string]bool{}
	for _, l := range s.listeners.rows {
		for _, arn := range l.served() {
			named[arn] = true
		}
	}
	var documents []node.Certificate
	for _, arn := range slices.Sorted(maps.Keys(named)) {
		if document, ok := b.certificate(arn); ok {
			documents = append(documents, document)
		}
	}
	return documents
}

// served returns the ARNs of the certificates that a listener chooses from, the default first.
func (l *Listener) served() []string {
	if l.DefaultCertificate == "" {
		return nil
	}
	served := []string{l.DefaultCertificate}
	for _, arn := range l.Certificates {
		if arn != l.DefaultCertificate {
			served = append(served, arn)
		}
	}
	return served
}

// InUse returns the ARNs of the load balancers whose listeners use a certificate.
func (b *Balancer) InUse(certificateARN string) []string {
	users := map[string]bool{}
	for _, l := range b.view.Load().listeners.rows {
		if slices.Contains(l.served(), certificateARN) {
			users[l.LoadBalancerARN] = true
		}
	}
	return slices.Sorted(maps.Keys(users))
}

// ListenerCertificate is a certificate of a listener.
type ListenerCertificate struct {
	CertificateARN string
	Default        bool
}

// AddListenerCertificates adds certificates to the list from which a listener chooses by
// SNI, and returns them. One that is in it already stays (ALB-237).
func (b *Balancer) AddListenerCertificates(ctx context.Context, listener string, arns []string) ([]ListenerCertificate, error) {
	var added []ListenerCertificate
	err := b.update(ctx, func(x *tx) error {
		l, err := x.listener(listener)
		if err != nil {
			return err
		}
		if err := (Security{Certificates: arns[:min(len(arns), 1)]}).check(l.Protocol); err != nil {
			return err
		}
		next := *l
		next.Certificates = slices.Clone(l.Certificates)
		for _, arn := range arns {
			if err := b.checkCertificate(arn); err != nil {
				return err
			}
			if !slices.Contains(next.Certificates, arn) {
				next.Certificates = append(next.Certificates, arn)
			}
			added = append(added, ListenerCertificate{CertificateARN: arn})
		}
		x.listeners.put(x, listener, &next)
		if err := x.checkCertificateCount(l.LoadBalancerARN); err != nil {
			return err
		}
		x.event(timeline.Config, listener, "added certificates", map[string]string{"certificates": strings.Join(arns, ",")})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// checkCertificateCount counts all certificates but the default ones (ALB-253).
func (x *tx) checkCertificateCount(lb string) error {
	n := 0
	for _, l := range x.listenersOf(lb) {
		n += len(l.Certificates)
	}
	if n > maxCertificates {
		return refuse("TooManyCertificates", "The maximum number of certificates '%d' has been reached on load balancer '%s'", maxCertificates, lb)
	}
	return nil
}

// RemoveListenerCertificates removes certificates from a listener's list. The default one
// changes with ModifyListener (ALB-239).
func (b *Balancer) RemoveListenerCertificates(ctx context.Context, listener string, arns []string) error {
	return b.update(ctx, func(x *tx) error {
		l, err := x.listener(listener)
		if err != nil {
			return err
		}
		for _, arn := range arns {
			switch {
			case slices.Contains(l.Certificates, arn):
			case arn == l.DefaultCertificate:
				return refuse("OperationNotPermitted", "Default certificate cannot be removed")
			default:
				return certificateNotFound(arn)
			}
		}
		next := *l
		next.Certificates = slices.DeleteFunc(slices.Clone(l.Certificates), func(arn string) bool { return slices.Contains(arns, arn) })
		x.listeners.put(x, listener, &next)
		x.event(timeline.Config, listener, "removed certificates", map[string]string{"certificates": strings.Join(arns, ",")})
		return nil
	})
}

// DescribeListenerCertificates returns the default certificate and the list; one that is
// both is returned twice (ALB-237).
func (b *Balancer) DescribeListenerCertificates(_ context.Context, listener string) ([]ListenerCertificate, error) {
	l, err := b.view.Load().listener(listener)
	if err != nil {
		return nil, err
	}
	found := []ListenerCertificate{}
	if l.DefaultCertificate != "" {
		found = append(found, ListenerCertificate{l.DefaultCertificate, true})
	}
	for _, arn := range l.Certificates {
		found = append(found, ListenerCertificate{CertificateARN: arn})
	}
	return found, nil
}

// SSLPolicy is one of ELB's predefined security policies.
type SSLPolicy = node.Policy

// DescribeSSLPolicies returns the security policies of these names, all if there are none.
func (b *Balancer) DescribeSSLPolicies(_ context.Context, names []string) ([]SSLPolicy, error) {
	if len(names) == 0 {
		return node.Policies(), nil
	}
	var found []SSLPolicy
	for _, name := range names {
		policy, ok := node.PolicyNamed(name)
		if !ok {
			return nil, refuse("SSLPolicyNotFound", "SSL policy '%s' not found", name)
		}
		found = append(found, policy)
	}
	return found, nil
}
