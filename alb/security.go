package alb

import (
	"cmp"

	"drydock/alb/node"
)

// Security is what only HTTPS listeners have. In a modification, zero values leave a
// setting as it is.
type Security struct {
	Certificates         []string // ARN of the default certificate: exactly one
	SSLPolicy            string   // ELBSecurityPolicy-2016-08
	ALPNPolicy           []string // refused: of TLS listeners
	MutualAuthentication *MutualAuthentication
}

// MutualAuthentication says what is made of client certificates.
type MutualAuthentication struct {
	Mode          string // off; passthrough and verify are refused for now
	TrustStoreARN string
}

// secure gives a listener what HTTPS needs. It refuses it for HTTP, in ELBv2's spelling
// (ALB-234, ALB-235), and drops what the listener had of it.
func (x *tx) secure(l *Listener, in Security) error {
	if err := in.check(l.Protocol); err != nil {
		return err
	}
	if l.Protocol == "HTTP" {
		l.DefaultCertificate, l.Certificates, l.SSLPolicy = "", nil, ""
		return nil
	}
	for _, arn := range in.Certificates {
		if err := x.b.checkCertificate(arn); err != nil {
			return err
		}
		l.DefaultCertificate = arn
	}
	if l.DefaultCertificate == "" {
		return invalid("A certificate must be specified for %s listeners", l.Protocol)
	}
	l.SSLPolicy = cmp.Or(in.SSLPolicy, l.SSLPolicy, node.DefaultPolicy)
	if _, known := node.PolicyNamed(l.SSLPolicy); !known {
		return refuse("SSLPolicyNotFound", "SSL policy '%s' not found", l.SSLPolicy)
	}
	return nil
}

// check checks what does not depend on the listener as it is.
func (in Security) check(protocol string) error {
	secure := protocol == "HTTPS"
	switch {
	case !secure && len(in.Certificates) > 0:
		return invalid("A certificate cannot be specified for %s listeners", protocol)
	case !secure && in.SSLPolicy != "":
		return invalid("An SSL policy cannot be specifed for %s listeners", protocol)
	case !secure && in.MutualAuthentication != nil:
		return invalid("Mutual authentication cannot be specified for %s listeners", protocol)
	case len(in.ALPNPolicy) > 0:
		return invalid("An ALPN policy cannot be specified for %s listeners", protocol)
	case len(in.Certificates) > 1:
		return refuse("TooManyCertificates", "Up to '1' certificate ARNs can be specified, but '%d' were specified", len(in.Certificates))
	}
	return in.MutualAuthentication.check()
}

// check refuses the modes that AWS has and drydock does not (ALB-238).
func (m *MutualAuthentication) check() error {
	switch {
	case m == nil:
		return nil
	case m.Mode == "passthrough" || m.Mode == "verify":
		return unsupported("InvalidConfigurationRequest", "The mutual authentication mode '"+m.Mode+"'", "use off")
	case m.Mode != "" && m.Mode != "off":
		return invalid("Mutual authentication mode '%s' must be one of '[off, passthrough, verify]'", m.Mode)
	case m.TrustStoreARN != "":
		return invalid("A trust store ARN can be specified with the mutual authentication mode 'verify' only")
	}
	return nil
}
