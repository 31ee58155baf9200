package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/timeline"
)

// Keys of tests: made once, RSA ones take a while.
var (
	ecdsaKey  = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key   = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	rsaKey    = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	edwardKey = sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testCertificate is self-signed and valid for two hours.
func testCertificate(arn string, key func() crypto.Signer, names ...string) Certificate {
	return certificateUntil(arn, time.Now().Add(2*time.Hour), key, names...)
}

func certificateUntil(arn string, end time.Time, key func() crypto.Signer, names ...string) Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: arn}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key().Public(), key()))
	return Certificate{
		ARN:   arn,
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key()))})),
	}
}

// secure makes the stack's listener an HTTPS one.
func (s *stack) secure(certificates ...Certificate) *stack {
	setCertificates(&s.snapshot, certificates...)
	l := &s.snapshot.LoadBalancers[0].Listeners[0]
	l.Protocol, l.Port, l.SSLPolicy = "HTTPS", 443, "ELBSecurityPolicy-TLS13-1-2-2021-06"
	return s
}

func setCertificates(s *Snapshot, certificates ...Certificate) {
	l := s.LoadBalancers[0].Listeners[0]
	l.Certificates = nil
	for _, c := range certificates {
		l.Certificates = append(l.Certificates, c.ARN)
	}
	s.Certificates, s.LoadBalancers[0].Listeners = certificates, []Listener{l}
}

// dialTLS connects a client that accepts any certificate.
func (s *stack) dialTLS(config *tls.Config) *client {
	s.t.Helper()
	config.InsecureSkipVerify = true
	raw := s.dial()
	conn := tls.Client(raw.Conn, config)
	if err := conn.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return &client{t: s.t, Conn: conn, r: bufio.NewReader(conn)}
}

func (c *client) state() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// connections returns n connection records once there are as many.
func (r *record) connections(t testing.TB, n int) []Connection {
	t.Helper()
	for range 2000 {
		r.mu.Lock()
		list := append([]Connection(nil), r.conns...)
		r.mu.Unlock()
		if len(list) >= n {
			return list
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no %d connections: %+v", n, r.conns)
	return nil
}

func TestTLS_ServesHTTPClients(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 20_000)
	target := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			_, got, err := readRequest(r)
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(got), got)
		}
	})
	cert := testCertificate("arn:ec", ecdsaKey, "shop.test")
	s := newStack(t, target).secure(cert).run()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert.Chain))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: false}
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	}
	t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport}
	for range 3 {
		res, err := c.Post("https://shop.test/upload", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != body || res.ProtoMajor != 1 {
			t.Fatal(res.Status, len(got), err)
		}
	}
	o := s.record.wait(t, 3)[2]
	want := timeline.TLS{Protocol: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", Domain: "shop.test", Certificate: "arn:ec"}
	if o.TLS != want || o.Scheme != "https" || o.Type != "https" || o.Host != "shop.test:443" {
		t.Errorf("%+v", o)
	}
	list := s.record.connections(t, 1)
	if len(list) != 1 || list[0].TLS != want || list[0].Handshake <= 0 || list[0].Failed != "" || list[0].TraceID != o.ConnTraceID || list[0].Client.String() != o.Client ||
		list[0].Port != 443 || list[0].Listener != listenerARN || list[0].LoadBalancer != "app/web/50dc6c495c0c9188" {
		t.Errorf("%+v", list)
	}
}

func TestTLS_TellsTargetsTheScheme(t *testing.T) {
	target, got := capture(t)
	s := newStack(t, target).secure(testCertificate("arn:ec", ecdsaKey, "a.test")).run()
	s.dialTLS(&tls.Config{}).send(get).status()
	if head := (<-got)[0]; !strings.Contains(head, "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n") {
		t.Error(head)
	}
}

func TestTLS_ChoosesTheCertificate(t *testing.T) {
	end := time.Now().Add(2 * time.Hour)
	s := newStack(t).secure(
		certificateUntil("default", end, rsaKey, "default.test"),
		certificateUntil("rsa", end, rsaKey, "shop.test", "*.shop.test"),
		certificateUntil("ec", end, ecdsaKey, "shop.test"),
		certificateUntil("ec-longer", end.Add(time.Hour), ecdsaKey, "both.test"),
		certificateUntil("ec-shorter", end, ecdsaKey, "both.test", "size.test"),
		certificateUntil("ec-bigger", end.Add(-time.Hour), p384Key, "size.test"),
		certificateUntil("wild-ec", end, ecdsaKey, "*.wild.test"),
		certificateUntil("exact-rsa", end, rsaKey, "a.wild.test"),
		certificateUntil("old.test", end, ecdsaKey), // a common name only
	).run()
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, c := range []struct {
		name    string
		ciphers []uint16
		want    string
		matched bool
	}{
		{"", nil, "default", false},
		{"unknown.test", nil, "default", false},
		{"default.test", nil, "default", true},
		{"shop.test", nil, "ec", true},
		{"SHOP.test", nil, "ec", true},
		{"shop.test", rsaOnly, "rsa", true}, // the best one that the client can use
		{"a.shop.test", nil, "rsa", true},
		{"a.b.shop.test", nil, "default", false}, // one label only
		{"both.test", nil, "ec-longer", true},
		{"size.test", nil, "ec-bigger", true},
		{"a.wild.test", nil, "wild-ec", true}, // ECDSA before RSA, wildcard or not
		{"a.wild.test", rsaOnly, "exact-rsa", true},
		{"old.test", nil, "old.test", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := &tls.Config{ServerName: c.name}
			if c.ciphers != nil {
				config.CipherSuites, config.MaxVersion = c.ciphers, tls.VersionTLS12
			}
			client := s.dialTLS(config)
			defer client.Close()
			if got := client.state().PeerCertificates[0].Subject.CommonName; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			before := len(s.record.wait(t, 0))
			client.send(get).status()
			o := s.record.wait(t, before+1)[before]
			if o.TLS.Certificate != c.want || (o.TLS.Domain != "") != c.matched || c.matched && o.TLS.Domain != c.name {
				t.Errorf("%+v", o.TLS)
			}
		})
	}
}

func TestTLS_NewCertificatesDropNoConnection(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	old := s.dialTLS(&tls.Config{ServerName: "a.test"})
	if old.send(get).status() != 200 {
		t.Fatal("not served")
	}
	s.apply(func(next *Snapshot) { setCertificates(next, testCertificate("two", p384Key, "a.test")) })
	fresh := s.dialTLS(&tls.Config{ServerName: "a.test"})
	if got := fresh.state().PeerCertificates[0].Subject.CommonName; got != "two" {
		t.Error("still the old certificate:", got)
	}
	for _, c := range []*client{old, fresh, old} {
		if c.send(get).status() != 200 {
			t.Error("not served")
		}
	}
	shown := map[string]int{}
	for _, o := range s.record.wait(t, 4) {
		shown[o.TLS.Certificate]++
	}
	if shown["one"] != 3 || shown["two"] != 1 {
		t.Errorf("certificates %v", shown)
	}
	if n := len(s.record.connections(t, 2)); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestTLS_SessionsAreResumedAcrossSnapshots(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
		config := &tls.Config{ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: version}
		first := s.dialTLS(config)
		first.send(get).status() // reads the ticket too
		first.Close()
		s.apply(func(next *Snapshot) { setCertificates(next, testCertificate("two", ecdsaKey, "a.test")) })
		second := s.dialTLS(config)
		second.send(get).status()
		if !second.state().DidResume {
			t.Errorf("%s: not resumed", tls.VersionName(version))
		}
		list := s.record.wait(t, 2) // in any order: a client has its answer before the outcome is known
		if got := list[0].TLS.Certificate + " " + list[1].TLS.Certificate; got != "one session-reused" && got != "session-reused one" || list[1].TLS.Domain != "a.test" {
			t.Errorf("%s: %s", got, list[1].TLS.Domain)
		}
	}
}

func TestTLS_PolicyChangesEndOldSessions(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	config := &tls.Config{ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}
	s.dialTLS(config).send(get).status()
	s.apply(func(next *Snapshot) {
		l := next.LoadBalancers[0].Listeners[0]
		l.SSLPolicy = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
		next.LoadBalancers[0].Listeners = []Listener{l}
	})
	config.InsecureSkipVerify = true
	if err := tls.Client(s.dial().Conn, config).Handshake(); err == nil {
		t.Error("a cipher that the policy does not have")
	}
}

func TestTLS_StalledHandshakesHoldNobody(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test"))
	s.timing.handshake = 200 * time.Millisecond
	s.run()
	silent, halfway := s.dial(), s.dial()
	halfway.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	if s.dialTLS(&tls.Config{}).send(get).status() != 200 {
		t.Error("not served beside stalled handshakes")
	}
	for _, c := range []*client{silent, halfway} {
		if got := c.rest(); got != "" {
			t.Errorf("got %q", got)
		}
	}
	failed := 0
	for _, c := range s.record.connections(t, 3) {
		if c.Failed != "" {
			failed++
			if c.Handshake != -1 || c.TLS != (timeline.TLS{}) || !strings.Contains(c.Failed, "timeout") {
				t.Errorf("%+v", c)
			}
		}
	}
	if failed != 2 || len(s.record.wait(t, 1)) != 1 {
		t.Errorf("%d failed connections, %d outcomes", failed, len(s.record.outcomes))
	}
}

func TestTLS_StopEndsHandshakes(t *testing.T) {
	s := newStack(t).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	c := s.dial()
	c.send("\x16")
	for s.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	if got := c.rest(); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestTLS_FailedHandshakesAreRecorded(t *testing.T) {
	s := newStack(t).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	tls.Client(s.dial().Conn, &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake()
	list := s.record.connections(t, 1)
	if c := list[0]; !strings.Contains(c.Failed, "version") || c.Handshake != -1 || !strings.HasPrefix(c.TraceID, "TID_") || len(c.TraceID) != 36 {
		t.Errorf("%+v", c)
	}
}

func TestTLS_ALPN(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	s.attributes().NoHTTP2 = true
	s.apply(func(*Snapshot) {})
	for _, offered := range [][]string{nil, {"http/1.1"}, {"h2", "http/1.1"}} {
		c := s.dialTLS(&tls.Config{NextProtos: offered})
		if got := c.state().NegotiatedProtocol; offered != nil && got != "http/1.1" || c.send(get).status() != 200 {
			t.Errorf("%v: %q", offered, got)
		}
	}
	if err := tls.Client(s.dial().Conn, &tls.Config{NextProtos: []string{"h2"}, InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("HTTP/2 although routing.http2.enabled is false")
	}
}

func TestTLS_PlainHTTPIsToldSo(t *testing.T) {
	const page = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n" +
		"<center>The plain HTTP request was sent to HTTPS port</center>\r\n</body>\r\n</html>\r\n"
	const head = "HTTP/1.1 400 Bad Request\r\nServer: awselb/2.0\r\nDate: D\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
	s := newStack(t).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	long := "GET /x?y=z HTTP/1.1\r\nHost: a.test\r\nUser-Agent: Chrome/1\r\nA: " + strings.Repeat("a", 3000) + "\r\n\r\n"
	for i, c := range []struct {
		send, want string
		cause      timeline.Cause
	}{
		{get, fmt.Sprintf(head, len(page)) + page, timeline.PlainHTTP},
		{long, fmt.Sprintf(head, len(page)+len(padding)) + page + padding, timeline.PlainHTTP},
		{"GET\r\n\r\n", fmt.Sprintf(head, 122) + errorPage(400, false).body, timeline.MalformedRequest},
	} {
		if got := mask(s.dial().send(c.send).rest()); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
		o := s.record.wait(t, i+1)[i]
		if o.Cause != c.cause || o.Status != 400 || o.TLS != (timeline.TLS{}) || o.Type != "http" || o.Scheme != "http" || o.ReceivedBytes != int64(len(c.send)) {
			t.Errorf("%+v", o)
		}
		if got := s.record.connections(t, i+1)[i]; got.Failed != plainHTTP.detail || got.TraceID != o.ConnTraceID {
			t.Errorf("%+v", got)
		}
	}
}

func TestConnected_PlainConnectionsAtOnce(t *testing.T) {
	s := newStack(t).run()
	s.dial()
	if c := s.record.connections(t, 1)[0]; c.Handshake != -1 || c.TLS != (timeline.TLS{}) || c.Failed != "" || c.Port != 80 || len(c.TraceID) != 36 {
		t.Errorf("%+v", c)
	}
}

func TestTLS_UnusableListenersAreRefused(t *testing.T) {
	good, other := testCertificate("good", ecdsaKey, "a.test"), testCertificate("other", p384Key, "a.test")
	mixed := Certificate{ARN: "mixed", Chain: good.Chain, Key: other.Key}
	edwards := testCertificate("edwards", edwardKey, "a.test")
	for name, c := range map[string]struct {
		change func(*Listener)
		want   string
		open   bool
	}{
		"no certificate":    {func(l *Listener) { l.Certificates = nil }, "no usable certificate", false},
		"unknown":           {func(l *Listener) { l.Certificates = []string{"nowhere"} }, "certificate nowhere is not in the snapshot", false},
		"other key":         {func(l *Listener) { l.Certificates = []string{"mixed"} }, "certificate mixed: tls: private key does not match", false},
		"Ed25519":           {func(l *Listener) { l.Certificates = []string{"edwards"} }, "Ed25519 keys are not supported", false},
		"unknown policy":    {func(l *Listener) { l.SSLPolicy = "ELBSecurityPolicy-1999" }, "there is no security policy ELBSecurityPolicy-1999", false},
		"unknown protocol":  {func(l *Listener) { l.Protocol = "TLS" }, "listen for TLS", false},
		"one of two usable": {func(l *Listener) { l.Certificates = []string{"mixed", "good"} }, "certificate mixed", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, always(hello))).secure(good, mixed, edwards)
			c.change(&s.snapshot.LoadBalancers[0].Listeners[0])
			failed := s.Apply(s.snapshot)
			if err := failed[listenerARN]; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if open := s.addr != ""; open != c.open {
				t.Errorf("open: %t", open)
			}
			s.Apply(Snapshot{Version: 2})
		})
	}
}

// A snapshot without a usable certificate is refused for its listener, which goes on with the last good ones.
func TestTLS_BrokenCertificateKeepsTheLastGoodOnes(t *testing.T) {
	good, other := testCertificate("good", ecdsaKey, "a.test"), testCertificate("other", p384Key, "a.test")
	s := newStack(t, backend(t, always(hello))).secure(good).run()
	next := s.snapshot
	next.Version++
	next.LoadBalancers = slices.Clone(next.LoadBalancers)
	setCertificates(&next, Certificate{ARN: "good", Chain: good.Chain, Key: other.Key})
	if err := s.Apply(next)[listenerARN]; err == nil || !strings.Contains(err.Error(), "no usable certificate") {
		t.Errorf("applied with %v", err)
	}
	if got := s.dialTLS(&tls.Config{ServerName: "a.test"}).send(get).status(); got != 200 {
		t.Error(got)
	}
	if o := s.record.one(t); o.SnapshotVersion != next.Version || o.TLS.Certificate != "good" {
		t.Errorf("%+v", o)
	}
}

func TestTLS_CertificatesAreParsedOnce(t *testing.T) {
	all := []Certificate{testCertificate("a", ecdsaKey, "a.test"), testCertificate("b", ecdsaKey, "b.test")}
	before := parseCertificates(all, nil)
	all[1] = testCertificate("b", p384Key, "b.test")
	after := parseCertificates(all, before)
	if after["a"] != before["a"] || after["b"] == before["b"] || !bytes.Contains([]byte(after["b"].source.Chain), []byte("CERTIFICATE")) {
		t.Error("a certificate that has not changed is parsed again, or one that has is not")
	}
}

// openssl runs a client that is not Go's, and returns what it says.
func openssl(t *testing.T, addr, input string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	command := exec.Command(path, append([]string{"s_client", "-connect", addr, "-servername", "a.test"}, args...)...)
	command.Stdin = strings.NewReader(input)
	out, _ := command.CombinedOutput() // some fail on purpose
	return string(out)
}

func TestTLS_AsOpenSSLSeesIt(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	if got := openssl(t, s.addr, "", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"); !strings.Contains(got, "Cipher is ECDHE-ECDSA-AES128-SHA256") {
		t.Errorf("a cipher of the policy: %s", got)
	}
	if got := openssl(t, s.addr, "", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"); !strings.Contains(got, "handshake failure") { // ALB-102
		t.Errorf("a cipher that the library lacks: %s", got)
	}
	if got := openssl(t, s.addr, "R\n", "-tls1_2"); !strings.Contains(got, "RENEGOTIATING") || !strings.Contains(got, "alert unexpected message") { // ALB-101
		t.Errorf("renegotiation: %s", got)
	}
}

func TestTLS_ConnectionsAreCountedOnce(t *testing.T) {
	s := newStack(t, backend(t, always(hello))).secure(testCertificate("one", ecdsaKey, "a.test")).run()
	c := s.dialTLS(&tls.Config{})
	c.send(get).status()
	if got := s.Counters()[0]; got.NewClients != 1 || got.ActiveClients != 1 {
		t.Errorf("%+v", got)
	}
	c.Close()
	for range 2000 {
		if s.Counters()[0].ActiveClients == 0 && s.Connections() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%+v, %d connections", s.Counters()[0], s.Connections())
}
