package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"drydock/acm"
	"drydock/alb"
	"drydock/alb/node"
	"drydock/awsapi/apitest"
	"drydock/network"
	"drydock/timeline"
)

// secureWorld is a certificate authority, a balancer and a real node with an HTTPS listener.
type secureWorld struct {
	t            *testing.T
	certificates *acm.Authority
	balancer     *alb.Balancer
	lb           string // ARN
	arn          string // of the certificate
	addr         string // of the listener

	mu       sync.Mutex
	outcomes []timeline.Outcome
}

func (w *secureWorld) HealthChanged(node.HealthChange) {}
func (w *secureWorld) Followed(timeline.Epilogue)      {}
func (w *secureWorld) Connected(node.Connection)       {}
func (w *secureWorld) Checked(node.Check)              {}

func (w *secureWorld) Finished(o *timeline.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes = append(w.outcomes, *o)
}

func newSecureWorld(t *testing.T, name string) *secureWorld {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, store := &secureWorld{t: t}, &apitest.Store{}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n, err := network.Open(ctx, store, network.Config{CIDR: netip.MustParsePrefix("172.31.0.0/16")})
	check(err)
	w.certificates, err = acm.Open(ctx, store, acm.Config{Directory: t.TempDir(), Users: func(arn string) []string { return w.balancer.InUse(arn) }})
	check(err)
	data := node.New(node.Config{Sink: w, Grace: time.Second, Listen: func(context.Context, netip.AddrPort) (net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			w.addr = l.Addr().String()
		}
		return l, err
	}})
	w.balancer, err = alb.Open(ctx, store, data, n, alb.Config{Certificates: w.certificates})
	check(err)
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{data.Run, w.balancer.Run, w.certificates.Run} {
		all.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	w.arn, err = w.certificates.RequestCertificate(ctx, acm.RequestCertificateInput{DomainName: name})
	check(err)
	w.listen(ctx, n)
	return w
}

func (w *secureWorld) listen(ctx context.Context, n *network.Network) {
	w.t.Helper()
	subnets, err := n.Subnets(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	lb, err := w.balancer.CreateLoadBalancer(ctx, alb.CreateLoadBalancerInput{Name: "front", Subnets: []string{subnets[0].ID, subnets[1].ID}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.lb = lb.ARN
	_, err = w.balancer.CreateListener(ctx, alb.CreateListenerInput{
		LoadBalancerARN: lb.ARN, Protocol: "HTTPS", Port: 443, Security: alb.Security{Certificates: []string{w.arn}},
		DefaultActions: []alb.Action{{Type: "fixed-response", FixedResponseConfig: &alb.FixedResponseConfig{StatusCode: "200", ContentType: "text/plain", MessageBody: "safe"}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// browser is a client that trusts the local authority.
func (w *secureWorld) browser() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(w.certificates.Root().PEM))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", w.addr)
	}}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// serial fetches a page and returns the serial number of the certificate that was shown.
func (w *secureWorld) serial(c *http.Client, url string) string {
	w.t.Helper()
	res, err := c.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || string(body) != "safe" || res.ProtoMajor != 1 {
		w.t.Fatalf("%s %q %v", res.Proto, body, err)
	}
	return res.TLS.PeerCertificates[0].SerialNumber.Text(16)
}

func TestHTTPS_FromTheRequestToTheBrowser(t *testing.T) {
	w := newSecureWorld(t, "shop.localhost")
	c := w.browser()
	first := w.serial(c, "https://shop.localhost/")
	if _, err := c.Get("https://other.localhost/"); err == nil {
		t.Error("another name's certificate is accepted")
	}
	if _, err := http.Get("https://" + w.addr + "/"); err == nil {
		t.Error("a client that does not trust the authority accepts its certificate")
	}
	if err := w.certificates.DeleteCertificate(t.Context(), w.arn); err == nil {
		t.Error("a certificate in use was deleted")
	}
	if d, err := w.certificates.DescribeCertificate(w.arn); err != nil || len(d.InUseBy) != 1 || d.InUseBy[0] != w.lb {
		t.Errorf("%v %v", d.InUseBy, err)
	}
	if err := w.certificates.RenewCertificate(t.Context(), w.arn); err != nil {
		t.Fatal(err)
	}
	for range 500 { // the renewed certificate reaches the node by and by
		if w.serial(w.browser(), "https://shop.localhost/") != first {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if w.serial(w.browser(), "https://shop.localhost/") == first {
		t.Error("the renewed certificate is not served")
	}
	if w.serial(c, "https://shop.localhost/") != first {
		t.Error("the old connection was dropped")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.outcomes[0]; o.TLS.Certificate != w.arn || o.TLS.Domain != "shop.localhost" || o.Status != 200 || o.Scheme != "https" {
		t.Errorf("%+v", o)
	}
}
