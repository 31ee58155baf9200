package acm_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rooms "drydock/acm"
	"drydock/awsapi"
	"drydock/awsapi/acm"
	"drydock/awsapi/apitest"
)

func newServer(t *testing.T, users func(string) []string) *awsapi.Server {
	t.Helper()
	a, err := rooms.Open(t.Context(), &apitest.Store{}, rooms.Config{Directory: t.TempDir(), Users: users})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	acm.Register(s, a)
	return s
}

// caller calls operations of a fresh server.
type caller struct {
	t *testing.T
	c *awsapi.Client
}

func newCaller(t *testing.T) caller {
	server := httptest.NewServer(newServer(t, nil))
	t.Cleanup(server.Close)
	return caller{t, &awsapi.Client{Endpoint: server.URL, HTTP: server.Client()}}
}

func (c caller) do(operation string, in, out any) {
	c.t.Helper()
	if err := c.c.Do(c.t.Context(), "acm", operation, in, out); err != nil {
		c.t.Fatal(err)
	}
}

func (c caller) refused(operation string, in any, code, message string) {
	c.t.Helper()
	err := c.c.Do(c.t.Context(), "acm", operation, in, nil)
	var e *awsapi.Error
	if !errors.As(err, &e) || e.Code != code || e.Status != 400 || !strings.Contains(e.Message, message) {
		c.t.Errorf("%s: %v, want %s %s", operation, err, code, message)
	}
}

func (c caller) request(name string) *string {
	c.t.Helper()
	var out acm.RequestCertificateResponse
	c.do("RequestCertificate", &acm.RequestCertificateRequest{DomainName: &name, ValidationMethod: new("DNS")}, &out)
	return out.CertificateArn
}

func TestRegister_ServesEveryListedOperation(t *testing.T) {
	s := newServer(t, nil)
	for _, operation := range awsapi.LookupService("acm").Operations() {
		if !s.Handles("acm", operation) {
			t.Errorf("%s has no handler", operation)
		}
	}
}

func TestCertificate_WholeLife(t *testing.T) {
	c := newCaller(t)
	arn := c.request("shop.localhost")
	var described acm.DescribeCertificateResponse
	c.do("DescribeCertificate", &acm.DescribeCertificateRequest{CertificateArn: arn}, &described)
	d := described.Certificate
	if *d.Status != "ISSUED" || *d.Type != "AMAZON_ISSUED" || *d.KeyAlgorithm != "EC_prime256v1" || d.InUseBy == nil || len(d.InUseBy) != 0 || d.RenewalSummary != nil ||
		*d.DomainValidationOptions[0].ValidationStatus != "SUCCESS" || *d.DomainValidationOptions[0].ResourceRecord.Type != "CNAME" ||
		*d.Options.CertificateTransparencyLoggingPreference != "ENABLED" || *d.KeyUsages[0].Name != "DIGITAL_SIGNATURE" || d.ImportedAt != nil {
		t.Errorf("%+v", d)
	}
	c.do("RenewCertificate", &acm.RenewCertificateRequest{CertificateArn: arn}, nil)
	var renewed acm.DescribeCertificateResponse
	c.do("DescribeCertificate", &acm.DescribeCertificateRequest{CertificateArn: arn}, &renewed)
	if *renewed.Certificate.Serial == *d.Serial || *renewed.Certificate.RenewalSummary.RenewalStatus != "SUCCESS" {
		t.Errorf("%+v", renewed.Certificate)
	}
	c.do("AddTagsToCertificate", &acm.AddTagsToCertificateRequest{CertificateArn: arn, Tags: []acm.Tag{{Key: new("a"), Value: new("b")}, {Key: new("c")}}}, nil)
	c.do("RemoveTagsFromCertificate", &acm.RemoveTagsFromCertificateRequest{CertificateArn: arn, Tags: []acm.Tag{{Key: new("c")}, {Key: new("a"), Value: new("x")}}}, nil)
	var tags acm.ListTagsForCertificateResponse
	c.do("ListTagsForCertificate", &acm.ListTagsForCertificateRequest{CertificateArn: arn}, &tags)
	if len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" {
		t.Errorf("%+v", tags)
	}
	c.do("DeleteCertificate", &acm.DeleteCertificateRequest{CertificateArn: arn}, nil)
	c.refused("DescribeCertificate", &acm.DescribeCertificateRequest{CertificateArn: arn}, "ResourceNotFoundException", "Could not find certificate "+*arn)
}

func TestList_Pages(t *testing.T) {
	c := newCaller(t)
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		c.request(name)
	}
	var names []string
	for token := (*string)(nil); ; {
		var out acm.ListCertificatesResponse
		c.do("ListCertificates", &acm.ListCertificatesRequest{MaxItems: new(int64(2)), NextToken: token, SortBy: new("CREATED_AT"), SortOrder: new("DESCENDING")}, &out)
		for _, s := range out.CertificateSummaryList {
			names = append(names, *s.DomainName)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	if got := strings.Join(names, " "); got != "c.test b.test a.test" {
		t.Error(got)
	}
	c.refused("ListCertificates", &acm.ListCertificatesRequest{NextToken: new("x")}, "InvalidArgsException", "invalid")
	var none acm.ListCertificatesResponse
	c.do("ListCertificates", &acm.ListCertificatesRequest{Includes: &acm.Filters{KeyTypes: []string{"RSA_2048"}}}, &none)
	if none.CertificateSummaryList == nil || len(none.CertificateSummaryList) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestValidate_InACMsWords(t *testing.T) {
	c := newCaller(t)
	const arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
	c.refused("DescribeCertificate", &acm.DescribeCertificateRequest{CertificateArn: new("arn:aws:iam::123456789012:server-certificate/x")}, "ValidationException",
		"1 validation error detected: Value 'arn:aws:iam::123456789012:server-certificate/x' at 'certificateArn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:")
	c.refused("RequestCertificate", &acm.RequestCertificateRequest{}, "ValidationException", "Value null at 'domainName' failed to satisfy constraint: Member must not be null")
	c.refused("RequestCertificate", &acm.RequestCertificateRequest{DomainName: new("localhost")}, "ValidationException", "Value 'localhost' at 'domainName' failed")
	c.refused("AddTagsToCertificate", &acm.AddTagsToCertificateRequest{CertificateArn: new(arn), Tags: []acm.Tag{{Key: new("a!")}}}, "ValidationException", "at 'tags.1.member.key' failed")
	c.refused("ImportCertificate", &acm.ImportCertificateRequest{Certificate: []byte("x"), PrivateKey: []byte("x")}, "ValidationException", "PEM")
}

// selfSigned returns a certificate and its key as PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x0fac), Subject: pkix.Name{CommonName: "www.example.com"}, DNSNames: []string{"www.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestCommandLine_RequestImportDelete(t *testing.T) {
	var users atomic.Pointer[[]string]
	users.Store(new([]string))
	cli := apitest.NewCLI(t, newServer(t, func(string) []string { return *users.Load() }))
	arn := cli.Run("acm", "request-certificate", "--domain-name", "shop.localhost", "--subject-alternative-names", "*.shop.localhost", "--validation-method", "DNS",
		"--idempotency-token", "once", "--tags", "Key=a,Value=b", "--query", "CertificateArn", "--output", "text")
	cli.Run("acm", "wait", "certificate-validated", "--certificate-arn", arn)
	if got := cli.Run("acm", "describe-certificate", "--certificate-arn", arn, "--query", "Certificate.[Status,DomainName,Issuer,Type]", "--output", "text"); got != "ISSUED\tshop.localhost\tdrydock\tAMAZON_ISSUED" {
		t.Error(got)
	}
	certificate, key := selfSigned(t)
	directory := t.TempDir()
	for name, text := range map[string][]byte{"cert.pem": certificate, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(directory, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	imported := cli.Run("acm", "import-certificate", "--certificate", "fileb://"+directory+"/cert.pem", "--private-key", "fileb://"+directory+"/key.pem", "--query", "CertificateArn", "--output", "text")
	if got := cli.Run("acm", "get-certificate", "--certificate-arn", imported, "--query", "Certificate", "--output", "text"); got != strings.TrimSpace(string(certificate)) {
		t.Error(got)
	}
	if got := cli.Run("acm", "list-certificates", "--includes", "keyTypes=EC_prime256v1", "--query", "CertificateSummaryList[].DomainName", "--output", "text"); got != "shop.localhost\twww.example.com" {
		t.Error(got)
	}
	users.Store(&[]string{"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"})
	if got := cli.Fail("acm", "delete-certificate", "--certificate-arn", imported); !strings.Contains(got, "(ResourceInUseException)") || !strings.Contains(got, "is in use.") {
		t.Error(got)
	}
	users.Store(new([]string))
	cli.Run("acm", "delete-certificate", "--certificate-arn", imported)
	if got := cli.Fail("acm", "import-certificate", "--certificate", "fileb://"+directory+"/key.pem", "--private-key", "fileb://"+directory+"/key.pem"); !strings.Contains(got, "(ValidationException)") {
		t.Error(got)
	}
}

const botoScript = `
import boto3, datetime
acm = boto3.client("acm")
arn = acm.request_certificate(DomainName="shop.localhost", KeyAlgorithm="RSA_2048", Options={"Export": "ENABLED"})["CertificateArn"]
detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
assert detail["Status"] == "ISSUED" and detail["KeyAlgorithm"] == "RSA_2048" and detail["SignatureAlgorithm"].startswith("SHA"), detail
assert detail["NotAfter"] > datetime.datetime.now(datetime.timezone.utc) and detail["Options"]["Export"] == "ENABLED"
assert detail["DomainValidationOptions"][0]["ValidationEmails"]
got = acm.get_certificate(CertificateArn=arn)
assert got["Certificate"].startswith("-----BEGIN CERTIFICATE-----") and got["CertificateChain"].startswith("-----BEGIN CERTIFICATE-----")
pages = acm.get_paginator("list_certificates").paginate(Includes={"exportOption": "ENABLED"})
assert [c["DomainName"] for page in pages for c in page["CertificateSummaryList"]] == ["shop.localhost"]
try:
    acm.describe_certificate(CertificateArn=arn[:-1] + "x")
    raise SystemExit("no error")
except acm.exceptions.ResourceNotFoundException as e:
    assert "Could not find certificate" in e.response["Error"]["Message"]
print("all well")
`

func TestBoto3_RoundTrip(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	server := httptest.NewServer(newServer(t, nil))
	t.Cleanup(server.Close)
	command := exec.Command("python3", "-c", botoScript)
	command.Env = apitest.Environment(server.URL, t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
