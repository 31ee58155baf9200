package acm

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

// maker makes certificates for tests; a nil parent makes it its own.
type maker struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func (m *maker) text() []byte { return []byte(certificateText(m.certificate.Raw)) }

func (m *maker) keyText(t testing.TB) []byte {
	t.Helper()
	text, err := keyText(m.key)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

func make1(t testing.TB, parent *maker, change func(*x509.Certificate)) *maker {
	t.Helper()
	m := &maker{}
	var err error
	if m.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: "www.example.com"}, DNSNames: []string{"www.example.com", "example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	issuer, signer := template, m.key
	if parent != nil {
		issuer, signer = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &m.key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if m.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return m
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.IsCA, c.KeyUsage = pkix.Name{CommonName: name}, nil, true, x509.KeyUsageCertSign
	}
}

func selfSigned(t testing.TB, name string) ImportCertificateInput {
	m := make1(t, nil, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = name, []string{name} })
	return ImportCertificateInput{Certificate: m.text(), Key: m.keyText(t)}
}

func TestImport_ChainAndKeyForms(t *testing.T) {
	a := newAuthority(t)
	root := make1(t, nil, authority("root"))
	middle := make1(t, root, authority("middle"))
	leaf := make1(t, middle, nil)
	sec1, err := x509.MarshalECPrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	arn, err := a.ImportCertificate(t.Context(), ImportCertificateInput{
		Certificate: append([]byte("\n"), leaf.text()...), Certificates: append(middle.text(), root.text()...),
		Key:  append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...),
		Tags: []Tag{{"a", "b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := describe(t, a, arn)
	if d.Type != Imported || d.DomainName != "www.example.com" || !slices.Equal(d.SubjectAlternativeNames, []string{"www.example.com", "example.com"}) ||
		d.Issuer != "middle" || d.ImportedAt.IsZero() || d.Validations != nil {
		t.Errorf("%+v", d)
	}
	chain, key, err := a.Certificate(arn)
	if err != nil || strings.Count(chain, "BEGIN CERTIFICATE") != 3 || !strings.HasPrefix(chain, string(leaf.text())) || !strings.HasPrefix(key, "-----BEGIN PRIVATE KEY-----") {
		t.Errorf("%v\n%s\n%s", err, chain, key)
	}
	body, rest, err := a.GetCertificate(arn)
	if err != nil || body != string(leaf.text()) || rest != string(middle.text())+string(root.text()) {
		t.Error(err, body, rest)
	}
}

func TestImport_Again(t *testing.T) {
	a := newAuthority(t)
	in := selfSigned(t, "a.b")
	in.Tags = []Tag{{"a", "b"}}
	arn, err := a.ImportCertificate(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	before := describe(t, a, arn)
	again := selfSigned(t, "a.b")
	again.CertificateARN = arn
	if same, err := a.ImportCertificate(t.Context(), again); err != nil || same != arn {
		t.Fatal(same, err)
	}
	after := describe(t, a, arn)
	if after.Serial == before.Serial || !after.CreatedAt.Equal(before.CreatedAt) || len(after.Tags) != 1 {
		t.Errorf("%+v", after)
	}
	again.Tags = in.Tags
	if _, err := a.ImportCertificate(t.Context(), again); err == nil || !strings.Contains(err.Error(), "Tagging is not permitted on re-import.") {
		t.Error(err)
	}
	again.Tags, again.CertificateARN = nil, arn+"0"
	if _, err := a.ImportCertificate(t.Context(), again); code(err) != "ResourceNotFoundException" {
		t.Error(err)
	}
	again.CertificateARN = request(t, a, RequestCertificateInput{DomainName: "c.test"})
	if _, err := a.ImportCertificate(t.Context(), again); code(err) != "ValidationException" {
		t.Error(err)
	}
}

func TestImport_Refusals(t *testing.T) {
	root := make1(t, nil, authority("root"))
	middle := make1(t, root, authority("middle"))
	leaf := make1(t, middle, nil)
	self := make1(t, nil, nil)
	old := make1(t, nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	young := make1(t, nil, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwardsText, err := keyText(edwards)
	if err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	a := newAuthority(t)
	for name, c := range map[string]struct {
		in   ImportCertificateInput
		want string
	}{
		"not PEM":         {ImportCertificateInput{Certificate: []byte("x"), Key: self.keyText(t)}, "The certificate body provided is not in a valid PEM format."},
		"two":             {ImportCertificateInput{Certificate: join(leaf.text(), middle.text()), Key: leaf.keyText(t)}, "The certificate field contains more than one certificate."},
		"expired":         {ImportCertificateInput{Certificate: old.text(), Key: old.keyText(t)}, "The certificate has expired, is not valid."},
		"not yet":         {ImportCertificateInput{Certificate: young.text(), Key: young.keyText(t)}, "The certificate is not in effect yet, is not valid."},
		"no key":          {ImportCertificateInput{Certificate: self.text(), Key: self.text()}, "The private key is not supported."},
		"encrypted key":   {ImportCertificateInput{Certificate: self.text(), Key: []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}, "The private key is not supported."},
		"Ed25519":         {ImportCertificateInput{Certificate: self.text(), Key: []byte(edwardsText)}, "The private key length is not supported for key algorithm."},
		"other key":       {ImportCertificateInput{Certificate: self.text(), Key: leaf.keyText(t)}, "The private key does not match the certificate."},
		"no chain":        {ImportCertificateInput{Certificate: leaf.text(), Key: leaf.keyText(t)}, "Provided certificate is not a valid self signed. Please provide either"},
		"chain not PEM":   {ImportCertificateInput{Certificate: leaf.text(), Key: leaf.keyText(t), Certificates: []byte("x")}, "The certificate chain provided is not in a valid PEM format."},
		"chain has leaf":  {ImportCertificateInput{Certificate: leaf.text(), Key: leaf.keyText(t), Certificates: join(leaf.text(), middle.text())}, "The index within the chain of the invalid certificate is: 0"},
		"foreign chain":   {ImportCertificateInput{Certificate: leaf.text(), Key: leaf.keyText(t), Certificates: root.text()}, "Could not validate the certificate with the certificate chain."},
		"chain backwards": {ImportCertificateInput{Certificate: leaf.text(), Key: leaf.keyText(t), Certificates: join(middle.text(), self.text())}, "The index within the chain of the invalid certificate is: 1"},
	} {
		_, err := a.ImportCertificate(t.Context(), c.in)
		if code(err) != "ValidationException" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
