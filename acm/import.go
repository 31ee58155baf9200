package acm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// ImportCertificateInput holds what ImportCertificate takes.
type ImportCertificateInput struct {
	CertificateARN                 string // of the one to replace; empty: a new one
	Certificate, Key, Certificates []byte // PEM; Certificates is the chain, without the certificate itself
	Tags                           []Tag
}

// ImportCertificate stores a certificate from elsewhere with its key, and returns its ARN.
func (a *Authority) ImportCertificate(ctx context.Context, in ImportCertificateInput) (arn string, err error) {
	if err := checkTags(in.Tags); err != nil {
		return "", err
	}
	if in.CertificateARN != "" && len(in.Tags) > 0 {
		return "", invalid("Tagging is not permitted on re-import.") // ACM-014
	}
	c, err := in.parse(time.Now())
	if err != nil {
		return "", err
	}
	err = a.update(ctx, func(t *tx) error {
		verb := "imported"
		c.ARN, c.CreatedAt, c.ImportedAt, c.Tags = t.newARN(), t.now, t.now, in.Tags
		if in.CertificateARN != "" {
			old, err := t.get(in.CertificateARN)
			if err != nil {
				return err
			}
			if old.Type != Imported {
				return invalid("Certificate %s is not an imported certificate and cannot be re-imported.", old.ARN)
			}
			c.ARN, c.CreatedAt, c.Tags, verb = old.ARN, old.CreatedAt, old.Tags, "imported again"
		}
		c.Event = t.event(0, c.ARN, fmt.Sprintf("%s the certificate for %s", verb, strings.Join(c.SubjectAlternativeNames, ", ")), nil)
		t.put(c)
		return nil
	})
	return c.ARN, err
}

// parse checks the documents in the order in which ACM does (ACM-012) and returns the row.
func (in ImportCertificateInput) parse(now time.Time) (Certificate, error) {
	leaf, err := in.leaf(now)
	if err != nil {
		return Certificate{}, err
	}
	key, err := in.key(leaf)
	if err != nil {
		return Certificate{}, err
	}
	chain, err := in.chain(leaf)
	if err != nil {
		return Certificate{}, err
	}
	names := leaf.DNSNames
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	c := Certificate{Type: Imported, Body: certificateText(leaf.Raw), Key: key, SubjectAlternativeNames: names}
	if c.DomainName = leaf.Subject.CommonName; c.DomainName == "" && len(names) > 0 {
		c.DomainName = names[0]
	}
	for _, issuer := range chain {
		c.Chain += certificateText(issuer.Raw)
	}
	return c, nil
}

// leaf returns the certificate itself.
func (in ImportCertificateInput) leaf(now time.Time) (*x509.Certificate, error) {
	all, err := parseAll(in.Certificate)
	switch {
	case err != nil || len(all) == 0:
		return nil, invalid("The certificate body provided is not in a valid PEM format.")
	case len(all) > 1:
		return nil, invalid("The certificate field contains more than one certificate. You can specify only one certificate in this field.")
	case now.After(all[0].NotAfter):
		return nil, invalid("The certificate has expired, is not valid.")
	case now.Before(all[0].NotBefore):
		return nil, invalid("The certificate is not in effect yet, is not valid.")
	}
	return all[0], nil
}

// key returns the private key as PKCS #8, if it is the certificate's.
func (in ImportCertificateInput) key(leaf *x509.Certificate) (string, error) {
	key, err := parseKey(in.Key)
	if err != nil {
		return "", invalid("The private key is not supported.")
	}
	if keyAlgorithm(key.Public()) == "" {
		return "", invalid("The private key length is not supported for key algorithm.")
	}
	if public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		return "", invalid("The private key does not match the certificate.")
	}
	return keyText(key)
}

// parseKey reads an unencrypted private key in any of its PEM forms.
func parseKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default: // EC PARAMETERS
			continue
		}
		if signer, ok := key.(crypto.Signer); ok && err == nil {
			return signer, nil
		}
		return nil, fmt.Errorf("private key of type %s: %w", block.Type, err)
	}
	return nil, fmt.Errorf("there is no private key")
}

// chain returns the certificates that certify the leaf, each by the next one.
func (in ImportCertificateInput) chain(leaf *x509.Certificate) ([]*x509.Certificate, error) {
	if len(bytes.TrimSpace(in.Certificates)) == 0 {
		if leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) != nil {
			return nil, invalid("Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain.")
		}
		return nil, nil
	}
	all, err := parseAll(in.Certificates)
	if err != nil || len(all) == 0 {
		return nil, invalid("The certificate chain provided is not in a valid PEM format.")
	}
	if all[0].Equal(leaf) {
		return nil, brokenChain(0)
	}
	if leaf.CheckSignatureFrom(all[0]) != nil {
		return nil, invalid("Could not validate the certificate with the certificate chain.")
	}
	for i := 1; i < len(all); i++ {
		if all[i-1].CheckSignatureFrom(all[i]) != nil {
			return nil, brokenChain(i)
		}
	}
	return all, nil
}

func brokenChain(index int) error {
	return invalid("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d", index)
}

// parseAll reads PEM documents that are all certificates.
func parseAll(text []byte) (all []*x509.Certificate, err error) {
	for text = bytes.TrimSpace(text); len(text) > 0; text = bytes.TrimSpace(text) {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it is not a certificate in PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all, text = append(all, c), rest
	}
	return all, nil
}
