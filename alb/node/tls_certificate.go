package node

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// certificate is a server certificate of a snapshot, parsed, and what ranks it among others
// for the same name.
type certificate struct {
	arn      string
	source   Certificate
	pair     tls.Certificate
	problem  error    // why it cannot be served
	names    []string // lower case; *.example.com is a wildcard
	ecdsa    bool
	sha2     bool
	bits     int // of the key
	notAfter time.Time
}

// parseCertificates returns the certificates of a snapshot by ARN. Those that have not
// changed are taken from before.
func parseCertificates(all []Certificate, before map[string]*certificate) map[string]*certificate {
	now := make(map[string]*certificate, len(all))
	for _, source := range all {
		if old := before[source.ARN]; old != nil && old.source == source {
			now[source.ARN] = old
			continue
		}
		c := &certificate{arn: source.ARN, source: source}
		c.problem = c.parse()
		now[source.ARN] = c
	}
	return now
}

func (c *certificate) parse() (err error) {
	if c.pair, err = tls.X509KeyPair([]byte(c.source.Chain), []byte(c.source.Key)); err != nil {
		return err
	}
	leaf := c.pair.Leaf
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		c.ecdsa, c.bits = true, key.Curve.Params().BitSize
	case *rsa.PublicKey:
		c.bits = key.N.BitLen()
	case ed25519.PublicKey:
		return errors.New("Ed25519 keys are not supported") // ALB-104
	default:
		return fmt.Errorf("keys of type %T are not supported", key)
	}
	c.names, c.notAfter = certificateNames(leaf), leaf.NotAfter
	switch leaf.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
	default:
		c.sha2 = true
	}
	return nil
}

// certificateNames are the names that a certificate is for: the common name counts only if
// there are no others.
func certificateNames(leaf *x509.Certificate) (names []string) {
	for _, name := range leaf.DNSNames {
		names = append(names, strings.ToLower(name))
	}
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = []string{strings.ToLower(leaf.Subject.CommonName)}
	}
	return names
}

// compareCertificates puts the better one of two for the same name first: ECDSA before RSA,
// SHA-2 before weaker signatures, larger keys, longer validity (ALB-104).
func compareCertificates(a, b *certificate) int {
	return cmp.Or(first(a.ecdsa, b.ecdsa), first(a.sha2, b.sha2), cmp.Compare(b.bits, a.bits), b.notAfter.Compare(a.notAfter))
}

func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
