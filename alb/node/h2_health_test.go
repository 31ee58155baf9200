package node

//lint:file-ignore SA1019 x/net's server is the other side here: net/http has none for one connection.

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A gRPC health check is a call with an empty message, whose code is matched.
func TestH2Health_GRPC(t *testing.T) {
	for name, test := range map[string]struct {
		matcher, path string
		handler       http.HandlerFunc
		ok            bool
		detail        string
	}{
		"unimplemented, as by default": {"", "", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Grpc-Status", "12") }, true,
			"POST /AWS.ALB/healthcheck → grpc-status 12"},
		"code in trailers": {"0", "/a.B/c", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte{0, 0, 0, 0, 0})
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}, true, "POST /a.B/c → grpc-status 0"},
		"other code": {"0-3,12", "", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Grpc-Status", "14") }, false,
			"POST /AWS.ALB/healthcheck → grpc-status 14"},
		"no gRPC": {"0-99", "", http.NotFound, false, "POST /AWS.ALB/healthcheck → answer without a grpc-status: status 404"},
		"no code": {"0-99", "", func(http.ResponseWriter, *http.Request) {}, false, "POST /AWS.ALB/healthcheck → answer without a grpc-status"},
		"silence": {"0-99", "", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false,
			"POST /AWS.ALB/healthcheck → no answer within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := h2Backend(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" ||
					r.UserAgent() != "ELB-HealthChecker/2.0" || string(body) != "\x00\x00\x00\x00\x00" {
					t.Errorf("the target was asked %s %v %q", r.Method, r.Header, body)
				}
				test.handler(w, r)
			})
			s := &checkSettings{HealthCheck: HealthCheck{Protocol: "HTTP", Path: test.path, Timeout: 300 * time.Millisecond, Matcher: test.matcher},
				version: "GRPC", to: target.Addr}
			if p := New(Config{Sink: nothing{}}).probe(context.Background(), s); p.ok != test.ok || p.detail != test.detail {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestH2Health_HTTP2(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Method != "GET" || r.URL.Path != "/health" {
			t.Errorf("the target was asked %s %s %s", r.Proto, r.Method, r.URL)
		}
		w.WriteHeader(204)
	}
	check := func(protocol string, target Target) {
		t.Helper()
		s := &checkSettings{HealthCheck: HealthCheck{Protocol: protocol, Path: "/health", Timeout: 10 * time.Second, Matcher: "204"},
			version: "HTTP2", to: target.Addr}
		if p := New(Config{Sink: nothing{}}).probe(context.Background(), s); !p.ok || p.detail != "GET /health → 204" {
			t.Errorf("%s: %+v", protocol, p)
		}
	}
	plain, _ := h2Backend(t, &http2.Server{}, handler)
	check("HTTP", plain)
	cert := testCertificate("backend", ecdsaKey, "b.test")
	pair := must(tls.X509KeyPair([]byte(cert.Chain), []byte(cert.Key)))
	secure, _ := h2BackendOn(t, tls.NewListener(listenLoopback(t), &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}),
		&http2.Server{}, handler)
	check("HTTPS", secure)
}

// A group's ProtocolVersion reaches its checks.
func TestH2Health_TurnsTargetsHealthy(t *testing.T) {
	target, _ := h2Backend(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Grpc-Status", "12") })
	target.State = Initial
	s := h2Stack(t, target).speaking("GRPC")
	s.snapshot.TargetGroups[0].HealthCheck = HealthCheck{Enabled: true, Protocol: "HTTP", Interval: 20 * time.Millisecond,
		Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2}
	s.run()
	for range 2000 {
		if states := s.record.states(); len(states) > 0 && states[len(states)-1] == "initial→healthy" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("states: %v", s.record.states())
}
