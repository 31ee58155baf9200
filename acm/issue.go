package acm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// issue gives a certificate new documents, signed by the local authority, with a new key.
func (r *root) issue(c *Certificate, now time.Time) error {
	key, err := newKey(c.KeyAlgorithm)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: subject(c.DomainName), DNSNames: c.SubjectAlternativeNames,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if _, ok := key.(*rsa.PrivateKey); ok {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(rand.Reader, template, r.certificate, key.Public(), r.key)
	if err != nil {
		return fmt.Errorf("issue a certificate for %s: %w", c.DomainName, err)
	}
	if c.Key, err = keyText(key); err != nil {
		return err
	}
	c.Body, c.Chain = certificateText(der), r.text
	c.IssuedAt, c.RenewAt = now, template.NotAfter.Add(-renewBefore)
	return nil
}

// subject leaves out a name that is too long for a common name.
func subject(domain string) pkix.Name {
	if len(domain) > maxCommonName {
		return pkix.Name{}
	}
	return pkix.Name{CommonName: domain}
}

const maxCommonName = 64

func newKey(algorithm string) (crypto.Signer, error) {
	switch algorithm {
	case "RSA_2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "RSA_3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "RSA_4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	case "EC_secp384r1":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EC_secp521r1":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
}
