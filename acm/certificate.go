package acm

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// The types of certificate.
const (
	AmazonIssued = "AMAZON_ISSUED"
	Imported     = "IMPORTED"
)

// Certificate is one certificate, as stored.
type Certificate struct {
	ARN                     string
	DomainName              string
	SubjectAlternativeNames []string
	Type                    string
	Body                    string // PEM: the certificate's own document
	Chain                   string // PEM: those that certify it, nearest first; may be empty
	Key                     string // PEM, PKCS #8
	CreatedAt               time.Time
	IssuedAt                time.Time `json:",omitzero"`
	ImportedAt              time.Time `json:",omitzero"`
	Tags                    []Tag     `json:",omitempty"`

	// Of requested ones.
	KeyAlgorithm      string            `json:",omitempty"`
	DefaultKey        bool              `json:",omitempty"` // the request named no key algorithm
	ValidationMethod  string            `json:",omitempty"`
	ValidationDomains map[string]string `json:",omitempty"` // by domain name
	Transparency      string            `json:",omitempty"` // CertificateTransparencyLoggingPreference
	Export            string            `json:",omitempty"`
	IdempotencyToken  string            `json:",omitempty"`
	RenewAt           time.Time         `json:",omitzero"` // the deadline of the next renewal
	RenewedAt         time.Time         `json:",omitzero"`
	Event             int64             `json:",omitempty"` // of its issue: the cause of its renewal
}

// Tag is a key and value that the user gave a certificate.
type Tag struct{ Key, Value string }

// Detail is what DescribeCertificate says.
type Detail struct {
	Certificate
	Status             string // ISSUED or EXPIRED
	Serial             string
	Subject            string
	Issuer             string
	NotBefore          time.Time
	NotAfter           time.Time
	KeyAlgorithm       string
	SignatureAlgorithm string
	KeyUsages          []string
	ExtendedKeyUsages  []ExtendedKeyUsage
	InUseBy            []string
	RenewalEligibility string
	Validations        []DomainValidation
}

// ExtendedKeyUsage is an extended key usage by its name and object identifier.
type ExtendedKeyUsage struct{ Name, OID string }

// DescribeCertificate returns a certificate.
func (a *Authority) DescribeCertificate(arn string) (Detail, error) {
	c, err := a.find(arn)
	if err != nil {
		return Detail{}, err
	}
	return a.detail(c, time.Now())
}

// GetCertificate returns a certificate's document and those that certify it, as PEM.
func (a *Authority) GetCertificate(arn string) (body, chain string, err error) {
	c, err := a.find(arn)
	if err != nil {
		return "", "", err
	}
	return c.Body, c.Chain, nil
}

// detail reads the X.509 document of a certificate.
func (a *Authority) detail(c *Certificate, now time.Time) (Detail, error) {
	leaf, err := parseOne(c.Body)
	if err != nil {
		return Detail{}, fmt.Errorf("describe %s: %w", c.ARN, err)
	}
	d := Detail{
		Certificate: *c, Status: "ISSUED", Serial: serialText(leaf), Subject: leaf.Subject.String(), Issuer: issuerText(leaf),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, KeyAlgorithm: keyAlgorithm(leaf.PublicKey),
		SignatureAlgorithm: signatureText(leaf.SignatureAlgorithm), KeyUsages: keyUsages(leaf.KeyUsage),
		ExtendedKeyUsages: extendedKeyUsages(leaf), InUseBy: a.users(c.ARN), RenewalEligibility: "INELIGIBLE", Validations: c.validations(),
	}
	if now.After(leaf.NotAfter) {
		d.Status = "EXPIRED"
	}
	if c.Type == AmazonIssued && len(d.InUseBy) > 0 {
		d.RenewalEligibility = "ELIGIBLE"
	}
	return d, nil
}

// parseOne returns the certificate of a PEM document.
func parseOne(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("it is not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// serialText is a serial number as ACM writes it: 0f:ac:b0.
func serialText(leaf *x509.Certificate) string {
	var parts []string
	for _, b := range leaf.SerialNumber.Bytes() {
		parts = append(parts, fmt.Sprintf("%02x", b))
	}
	return strings.Join(parts, ":")
}

// issuerText is the issuer's organization, or its common name.
func issuerText(leaf *x509.Certificate) string {
	if o := leaf.Issuer.Organization; len(o) > 0 {
		return o[0]
	}
	return leaf.Issuer.CommonName
}

// keyAlgorithm is ACM's name of a public key's algorithm, empty if it has none.
func keyAlgorithm(public any) string {
	name := ""
	switch key := public.(type) {
	case *rsa.PublicKey:
		name = fmt.Sprintf("RSA_%d", key.N.BitLen())
	case *ecdsa.PublicKey:
		name = map[string]string{"P-256": "EC_prime256v1", "P-384": "EC_secp384r1", "P-521": "EC_secp521r1"}[key.Curve.Params().Name]
	}
	switch name {
	case "RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1":
		return name
	}
	return ""
}

// signatureText turns SHA256-RSA into SHA256WITHRSA.
func signatureText(algorithm x509.SignatureAlgorithm) string {
	name := algorithm.String()
	if sign, hash, ok := strings.Cut(name, "-"); ok && strings.HasPrefix(hash, "SHA") {
		return hash + "WITH" + sign
	} else if ok {
		return sign + "WITH" + hash
	}
	return name
}

var usageNames = []struct {
	bit  x509.KeyUsage
	name string
}{
	{x509.KeyUsageDigitalSignature, "DIGITAL_SIGNATURE"}, {x509.KeyUsageContentCommitment, "NON_REPUDIATION"},
	{x509.KeyUsageKeyEncipherment, "KEY_ENCIPHERMENT"}, {x509.KeyUsageDataEncipherment, "DATA_ENCIPHERMENT"},
	{x509.KeyUsageKeyAgreement, "KEY_AGREEMENT"}, {x509.KeyUsageCertSign, "CERTIFICATE_SIGNING"},
	{x509.KeyUsageCRLSign, "CRL_SIGNING"}, {x509.KeyUsageEncipherOnly, "ENCIPHER_ONLY"}, {x509.KeyUsageDecipherOnly, "DECIPHER_ONLY"},
}

func keyUsages(usage x509.KeyUsage) (names []string) {
	for _, u := range usageNames {
		if usage&u.bit != 0 {
			names = append(names, u.name)
		}
	}
	return names
}

var extendedUsages = map[x509.ExtKeyUsage]ExtendedKeyUsage{
	x509.ExtKeyUsageAny:             {"ANY", "2.5.29.37.0"},
	x509.ExtKeyUsageServerAuth:      {"TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"},
	x509.ExtKeyUsageClientAuth:      {"TLS_WEB_CLIENT_AUTHENTICATION", "1.3.6.1.5.5.7.3.2"},
	x509.ExtKeyUsageCodeSigning:     {"CODE_SIGNING", "1.3.6.1.5.5.7.3.3"},
	x509.ExtKeyUsageEmailProtection: {"EMAIL_PROTECTION", "1.3.6.1.5.5.7.3.4"},
	x509.ExtKeyUsageIPSECEndSystem:  {"IPSEC_END_SYSTEM", "1.3.6.1.5.5.7.3.5"},
	x509.ExtKeyUsageIPSECTunnel:     {"IPSEC_TUNNEL", "1.3.6.1.5.5.7.3.6"},
	x509.ExtKeyUsageIPSECUser:       {"IPSEC_USER", "1.3.6.1.5.5.7.3.7"},
	x509.ExtKeyUsageTimeStamping:    {"TIME_STAMPING", "1.3.6.1.5.5.7.3.8"},
	x509.ExtKeyUsageOCSPSigning:     {"OCSP_SIGNING", "1.3.6.1.5.5.7.3.9"},
}

func extendedKeyUsages(leaf *x509.Certificate) (usages []ExtendedKeyUsage) {
	for _, u := range leaf.ExtKeyUsage {
		if named, ok := extendedUsages[u]; ok {
			usages = append(usages, named)
		}
	}
	for _, oid := range leaf.UnknownExtKeyUsage {
		usages = append(usages, ExtendedKeyUsage{"CUSTOM", oid.String()})
	}
	return usages
}
