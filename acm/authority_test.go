package acm

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drydock/store/storetest"
	"drydock/timeline/timelinetest"
)

func open(t testing.TB, store *storetest.Memory, directory string) *Authority {
	t.Helper()
	a, err := Open(t.Context(), store, Config{Directory: directory})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newAuthority(t testing.TB) *Authority { return open(t, &storetest.Memory{}, t.TempDir()) }

func request(t testing.TB, a *Authority, in RequestCertificateInput) string {
	t.Helper()
	arn, err := a.RequestCertificate(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func describe(t testing.TB, a *Authority, arn string) Detail {
	t.Helper()
	d, err := a.DescribeCertificate(arn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// verify checks that a client that trusts the root accepts what a listener serves.
func verify(t testing.TB, a *Authority, arn, name string) error {
	t.Helper()
	chain, _, err := a.Certificate(arn)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := parseOne(chain)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(a.Root().PEM))
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: time.Now()})
	return err
}

func code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestRequest_IsIssuedAtOnceAndTrusted(t *testing.T) {
	a := newAuthority(t)
	arn := request(t, a, RequestCertificateInput{DomainName: "Shop.localhost", SubjectAlternativeNames: []string{"*.shop.localhost", "shop.localhost"}, ValidationMethod: "DNS"})
	if !strings.HasPrefix(arn, "arn:aws:acm:us-east-1:123456789012:certificate/") || len(arn) != len("arn:aws:acm:us-east-1:123456789012:certificate/")+36 {
		t.Error(arn)
	}
	d := describe(t, a, arn)
	if d.Status != "ISSUED" || d.Type != AmazonIssued || d.DomainName != "shop.localhost" || d.Subject != "CN=shop.localhost" || d.Issuer != "drydock" ||
		d.KeyAlgorithm != "EC_prime256v1" || d.SignatureAlgorithm != "SHA256WITHECDSA" || !slices.Equal(d.SubjectAlternativeNames, []string{"shop.localhost", "*.shop.localhost"}) {
		t.Errorf("%+v", d)
	}
	if len(d.Serial) != 47 || !slices.Equal(d.KeyUsages, []string{"DIGITAL_SIGNATURE"}) || d.ExtendedKeyUsages[0] != (ExtendedKeyUsage{"TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"}) {
		t.Errorf("serial %s, usages %v %v", d.Serial, d.KeyUsages, d.ExtendedKeyUsages)
	}
	if got := d.NotAfter.Sub(d.IssuedAt).Round(time.Hour); got != lifetime {
		t.Errorf("valid for %s", got)
	}
	for name, want := range map[string]bool{"shop.localhost": true, "a.shop.localhost": true, "a.b.shop.localhost": false, "other.localhost": false} {
		if err := verify(t, a, arn, name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequest_ValidationIsDone(t *testing.T) {
	a := newAuthority(t)
	dns := describe(t, a, request(t, a, RequestCertificateInput{DomainName: "a.example.com", SubjectAlternativeNames: []string{"*.a.example.com"}, ValidationMethod: "DNS"})).Validations
	if len(dns) != 2 || dns[0].Status != "SUCCESS" || dns[0].RecordType != "CNAME" || !strings.HasSuffix(dns[0].RecordName, ".a.example.com.") ||
		!strings.HasSuffix(dns[0].RecordValue, ".acm-validations.aws.") || dns[0].RecordName != dns[1].RecordName {
		t.Errorf("%+v", dns)
	}
	mail := describe(t, a, request(t, a, RequestCertificateInput{DomainName: "a.example.com", ValidationDomains: map[string]string{"a.example.com": "example.com"}})).Validations
	if mail[0].Method != "EMAIL" || mail[0].ValidationDomain != "example.com" || !slices.Contains(mail[0].Emails, "admin@example.com") {
		t.Errorf("%+v", mail)
	}
}

func TestRequest_KeyAlgorithms(t *testing.T) {
	a := newAuthority(t)
	for _, algorithm := range []string{"RSA_2048", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"} {
		arn := request(t, a, RequestCertificateInput{DomainName: "a.test", KeyAlgorithm: algorithm})
		if d := describe(t, a, arn); d.KeyAlgorithm != algorithm {
			t.Errorf("%s, want %s", d.KeyAlgorithm, algorithm)
		}
		if err := verify(t, a, arn, "a.test"); err != nil {
			t.Error(algorithm, err)
		}
	}
}

func TestRequest_TokenMeansTheSameForAnHour(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		a := newAuthority(t)
		in := RequestCertificateInput{DomainName: "a.test", IdempotencyToken: "once"}
		first := request(t, a, in)
		if again := request(t, a, in); again != first {
			t.Error("a second certificate")
		}
		other := in
		other.DomainName = "c.test"
		if request(t, a, other) == first {
			t.Error("another name, the same certificate")
		}
		time.Sleep(time.Hour)
		if later := request(t, a, in); later == first {
			t.Error("the token lives too long")
		}
	})
}

func TestRequest_TokenMeansTheSameAtTheSameTime(t *testing.T) {
	a := newAuthority(t)
	arns := make(chan string, 4)
	var all sync.WaitGroup
	for range cap(arns) {
		all.Go(func() {
			arn, err := a.RequestCertificate(t.Context(), RequestCertificateInput{DomainName: "a.test", KeyAlgorithm: "RSA_2048", IdempotencyToken: "once"})
			if err != nil {
				t.Error(err)
			}
			arns <- arn
		})
	}
	all.Wait()
	for first := <-arns; len(arns) > 0; {
		if again := <-arns; again != first {
			t.Errorf("%s and %s", first, again)
		}
	}
}

func TestRequest_Refusals(t *testing.T) {
	a := newAuthority(t)
	for want, in := range map[string]RequestCertificateInput{
		"InvalidParameterException":               {DomainName: "a.test", CertificateAuthorityARN: "arn:aws:acm-pca:us-east-1:1:certificate-authority/x"},
		"ValidationException":                     {DomainName: strings.Repeat("x", 61) + ".com"},
		"InvalidDomainValidationOptionsException": {DomainName: "a.test", ValidationDomains: map[string]string{"a.test": "c.test"}},
		"TooManyTagsException":                    {DomainName: "a.test", Tags: make([]Tag, 51)},
	} {
		if _, err := a.RequestCertificate(t.Context(), in); code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestRequest_Names(t *testing.T) {
	a := newAuthority(t)
	for name, ok := range map[string]bool{
		"shop.localhost": true, "*.shop.localhost": true, "a-b.c0.example": true, "xn--mnchen-3ya.de": true, strings.Repeat("a", 60) + ".de": true,
		"localhost": false, "a.*.b": false, "*.": false, "-a.de": false, "a-.de": false, "a..de": false, "a.d": false, "a_b.de": false, "a.de.": false, "https://a.de": false,
	} {
		_, err := a.RequestCertificate(t.Context(), RequestCertificateInput{DomainName: name})
		_, also := a.RequestCertificate(t.Context(), RequestCertificateInput{DomainName: "a.de", SubjectAlternativeNames: []string{name}})
		if (err == nil) != ok || (also == nil) != ok {
			t.Errorf("%s: %v, %v", name, err, also)
		}
		if !ok && (code(err) != "ValidationException" || !strings.Contains(also.Error(), "subjectAlternativeNames.1.member")) {
			t.Errorf("%s: %v, %v", name, err, also)
		}
	}
}

func TestRun_RenewsBeforeTheEnd(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		store := &storetest.Memory{}
		a := open(t, store, t.TempDir())
		arn := request(t, a, RequestCertificateInput{DomainName: "a.test"})
		before := describe(t, a, arn)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		<-a.Changed()
		time.Sleep(lifetime - renewBefore - time.Minute)
		synctest.Wait()
		if describe(t, a, arn).Serial != before.Serial {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		after := describe(t, a, arn)
		if after.Serial == before.Serial || after.Key == before.Key || after.ARN != arn || after.RenewedAt.IsZero() || !after.CreatedAt.Equal(before.CreatedAt) {
			t.Errorf("not renewed: %+v", after)
		}
		select {
		case <-a.Changed():
		default:
			t.Error("nobody was told")
		}
		last := store.Events[len(store.Events)-1]
		if last.Cause != before.Event || last.Subject != arn || !strings.Contains(last.Message, "renewed the certificate for a.test") {
			t.Errorf("%+v", last)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestOpen_FindsCertificatesAndDeadlinesAgain(t *testing.T) {
	store, directory := &storetest.Memory{}, t.TempDir()
	a := open(t, store, directory)
	arn := request(t, a, RequestCertificateInput{DomainName: "a.test"})
	b := open(t, store, directory)
	if b.Root() != a.Root() {
		t.Error("another root")
	}
	if got, want := describe(t, b, arn), describe(t, a, arn); got.Serial != want.Serial || !got.RenewAt.Equal(want.RenewAt) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := verify(t, b, arn, "a.test"); err != nil {
		t.Error(err)
	}
	// A lost authority: its certificates are issued anew.
	c := open(t, store, t.TempDir())
	c.renewDue(t.Context(), time.Now())
	if err := verify(t, c, arn, "a.test"); err != nil {
		t.Error(err)
	}
}

func TestRoot_IsKeptWithCare(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "acm")
	a := open(t, &storetest.Memory{}, directory)
	key, text := filepath.Join(directory, rootKeyFile), filepath.Join(directory, rootFile)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if files, _ := os.ReadDir(directory); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
	got, err := ReadRoot(directory)
	if err != nil || got != a.Root() || got.Path != text || len(got.Fingerprint) != 95 {
		t.Errorf("%+v %v", got, err)
	}
	block, _ := pem.Decode([]byte(got.PEM))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA || !root.MaxPathLenZero || root.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Errorf("%+v %v", root, err)
	}

	if err := os.Remove(text); err != nil { // killed between the two files
		t.Fatal(err)
	}
	if b := open(t, &storetest.Memory{}, directory); b.Root() == a.Root() || !b.root.key.Equal(a.root.key) {
		t.Error("a certificate that is missing must be made again, for the same key")
	}
	os.Remove(key)
	if _, err := Open(t.Context(), &storetest.Memory{}, Config{Directory: directory}); err == nil || !strings.Contains(err.Error(), "put the key back") {
		t.Error(err)
	}
	os.WriteFile(key, []byte("junk"), 0o600)
	if _, err := Open(t.Context(), &storetest.Memory{}, Config{Directory: directory}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

func TestRenew_AtOnceAndNeverImported(t *testing.T) {
	a := newAuthority(t)
	arn := request(t, a, RequestCertificateInput{DomainName: "a.test"})
	before := describe(t, a, arn)
	if err := a.RenewCertificate(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	if describe(t, a, arn).Serial == before.Serial {
		t.Error("not renewed")
	}
	imported, err := a.ImportCertificate(t.Context(), selfSigned(t, "c.test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.RenewCertificate(t.Context(), imported); code(err) != "ValidationException" {
		t.Error(err)
	}
	if err := a.RenewCertificate(t.Context(), arn+"x"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestDelete_NotWhileInUse(t *testing.T) {
	a := newAuthority(t)
	arn := request(t, a, RequestCertificateInput{DomainName: "a.test"})
	users := []string{"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"}
	a.config.Users = func(string) []string { return users }
	err := a.DeleteCertificate(t.Context(), arn)
	if code(err) != "ResourceInUseException" || err.Error() != "ResourceInUseException: Certificate "+arn+" in account 123456789012 is in use." {
		t.Error(err)
	}
	if d := describe(t, a, arn); !slices.Equal(d.InUseBy, users) || d.RenewalEligibility != "ELIGIBLE" {
		t.Errorf("%v %s", d.InUseBy, d.RenewalEligibility)
	}
	users = nil
	if d := describe(t, a, arn); d.RenewalEligibility != "INELIGIBLE" {
		t.Error(d.RenewalEligibility)
	}
	if err := a.DeleteCertificate(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{a.DeleteCertificate(t.Context(), arn), second(a.DescribeCertificate(arn)), second(a.ListTagsForCertificate(arn))} {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "Could not find certificate "+arn) {
			t.Error(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestList_Filters(t *testing.T) {
	a := newAuthority(t)
	request(t, a, RequestCertificateInput{DomainName: "default.test"})
	request(t, a, RequestCertificateInput{DomainName: "rsa.test", KeyAlgorithm: "RSA_2048"})
	request(t, a, RequestCertificateInput{DomainName: "ec.test", KeyAlgorithm: "EC_secp384r1", Export: "ENABLED"})
	for _, c := range []struct {
		in   ListCertificatesInput
		want string
	}{
		{ListCertificatesInput{}, "default.test rsa.test"},
		{ListCertificatesInput{KeyTypes: []string{"EC_secp384r1", "RSA_2048"}}, "rsa.test ec.test"},
		{ListCertificatesInput{SortBy: "CREATED_AT", SortOrder: "DESCENDING"}, "rsa.test default.test"},
		{ListCertificatesInput{Statuses: []string{"PENDING_VALIDATION", "EXPIRED"}}, ""},
		{ListCertificatesInput{Statuses: []string{"ISSUED"}, KeyUsages: []string{"KEY_ENCIPHERMENT"}}, "rsa.test"},
		{ListCertificatesInput{ExtendedKeyUsages: []string{"CODE_SIGNING"}}, ""},
		{ListCertificatesInput{ExtendedKeyUsages: []string{"CODE_SIGNING", "TLS_WEB_SERVER_AUTHENTICATION"}}, "default.test rsa.test"},
		{ListCertificatesInput{Export: "ENABLED", KeyTypes: []string{"EC_secp384r1"}}, "ec.test"},
		{ListCertificatesInput{ManagedBy: "CLOUDFRONT"}, ""},
	} {
		list, err := a.ListCertificates(c.in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range list {
			names = append(names, d.DomainName)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
	if _, err := a.ListCertificates(ListCertificatesInput{SortBy: "CREATED_AT"}); code(err) != "ValidationException" {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	a := newAuthority(t)
	arn := request(t, a, RequestCertificateInput{DomainName: "a.test", Tags: []Tag{{"env", "dev"}}})
	if err := a.AddTagsToCertificate(t.Context(), arn, []Tag{{"team", "x"}, {"env", "prod"}}); err != nil {
		t.Fatal(err)
	}
	if err := a.RemoveTagsFromCertificate(t.Context(), arn, []Tag{{"team", "other"}}, []bool{true}); err != nil {
		t.Fatal(err)
	}
	if got, _ := a.ListTagsForCertificate(arn); !slices.Equal(got, []Tag{{"team", "x"}, {"env", "prod"}}) {
		t.Error(got)
	}
	if err := a.RemoveTagsFromCertificate(t.Context(), arn, []Tag{{Key: "team"}}, []bool{false}); err != nil {
		t.Fatal(err)
	}
	if got, _ := a.ListTagsForCertificate(arn); !slices.Equal(got, []Tag{{"env", "prod"}}) {
		t.Error(got)
	}
	if err := a.AddTagsToCertificate(t.Context(), arn, []Tag{{"aws:x", "y"}}); code(err) != "ValidationException" {
		t.Error(err)
	}
	var many []Tag
	for i := range 50 {
		many = append(many, Tag{Key: strings.Repeat("k", i+1)})
	}
	if err := a.AddTagsToCertificate(t.Context(), arn, many); code(err) != "TooManyTagsException" {
		t.Error(err)
	}
}
