package logs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/network/networktest"
)

const certificateARN = "arn:aws:acm:us-east-2:123456789012:certificate/12345678"

// certificate makes a certificate for shop.test.
func certificate(t *testing.T) node.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"shop.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return node.Certificate{ARN: certificateARN, Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))}
}

// secure makes the listener an HTTPS one.
func (s *site) secure() {
	s.snapshot.Certificates = []node.Certificate{certificate(s.t)}
	l := &s.snapshot.LoadBalancers[0].Listeners[0]
	l.Protocol, l.Port, l.Certificates, l.SSLPolicy = "HTTPS", 443, []string{certificateARN}, "ELBSecurityPolicy-TLS13-1-2-2021-06"
}

// client returns a client of the protocol h2 or http/1.1.
func client(protocol string) (*http.Client, func()) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test", MaxVersion: tls.VersionTLS12},
		Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(protocol == "h2")
	transport.Protocols.SetHTTP1(protocol != "h2")
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// TestLoopback_HTTPSAndHTTP2AreLogged: several requests on one connection each, and a
// handshake that fails.
func TestLoopback_HTTPSAndHTTP2AreLogged(t *testing.T) {
	s := newSite(t)
	s.secure()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	defer app.Close()
	s.group("app", app.Listener.Addr().String(), node.Healthy)
	s.group("refused", networktest.Address(t).String(), node.Initial)
	stop := s.run()
	saw := map[string]int{}
	for _, protocol := range []string{"h2", "http/1.1"} {
		c, closeIdle := client(protocol)
		for n := range 3 {
			for _, group := range []string{"app", "refused"} {
				path := fmt.Sprintf("/%s/%s-%d", group, strings.ReplaceAll(protocol, "/", "-"), n)
				r, err := http.NewRequest("GET", "https://"+s.addr+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "shop.test"
				res, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				saw[path] = res.StatusCode
			}
		}
		closeIdle()
	}
	if conn, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}); err == nil {
		conn.Close()
		t.Error("TLS 1.0 was taken")
	}
	stop()
	ids := s.compareTLS(saw)
	s.compareHandshakes(ids)
}

// compareTLS compares the access log, and returns the connections in it, by type.
func (s *site) compareTLS(saw map[string]int) map[string]string {
	ids := map[string]string{}
	lines := s.logged("123456789012_elasticloadbalancing_*.log.gz")
	if len(lines) != len(saw) {
		s.t.Errorf("%d lines were logged for %d requests", len(lines), len(saw))
	}
	for _, line := range lines {
		f := fields(line)
		if len(f) != 33 {
			s.t.Fatalf("%d fields in %s", len(f), line)
		}
		request := strings.Split(f[12], " ")
		path, ours := strings.CutPrefix(request[1], "https://shop.test:443")
		proto := map[string]string{"h2": "HTTP/2.0", "https": "HTTP/1.1"}[f[0]]
		if !ours || fmt.Sprint(saw[path]) != f[8] || request[2] != proto || strings.Contains(path, "h2") != (f[0] == "h2") {
			s.t.Errorf("the client saw %d, logged is %s", saw[path], line)
		}
		if f[14] != "ECDHE-ECDSA-AES128-GCM-SHA256" || f[15] != "TLSv1.2" || f[18] != "shop.test" || f[19] != certificateARN {
			s.t.Errorf("of TLS is logged %s %s %s %s", f[14], f[15], f[18], f[19])
		}
		if ids[f[0]] != "" && ids[f[0]] != f[29] {
			s.t.Errorf("more than one connection of type %s", f[0])
		}
		ids[f[0]] = f[29]
	}
	return ids
}

// compareHandshakes finds one line for each connection, and one for the handshake that failed.
func (s *site) compareHandshakes(ids map[string]string) {
	known := map[string]int{}
	failed := 0
	for _, line := range s.logged("conn_log_*.log.gz") {
		f := fields(line)
		switch {
		case len(f) != 15 || f[3] != "443":
			s.t.Errorf("a connection is logged as %s", line)
		case f[10] == "Success" && f[4] == "TLSv1.2" && f[6] != "-":
			known[f[11]]++
		case f[10] == "Failed:UnmappedConnectionError" && f[6] == "-":
			failed++
		default:
			s.t.Errorf("a connection is logged as %s", line)
		}
	}
	if len(known) != 2 || known[ids["h2"]] != 1 || known[ids["https"]] != 1 || failed != 1 {
		s.t.Errorf("requests came on %v, logged are %v and %d failed handshakes", ids, known, failed)
	}
	w := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, want := range []string{`ClientTLSNegotiationErrorCount{LoadBalancer="app/web/50dc6c495c0c9188"} 1`, `NewConnectionCount{LoadBalancer="app/web/50dc6c495c0c9188"} 3`} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			s.t.Errorf("the metrics have no %s", want)
		}
	}
}
