package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// workload is one way to load a proxy.
type workload struct {
	name  string // for --workload
	title string
	port  int // of the proxies
	aims  []aim
	load  func(ctx context.Context, b *bench, at netip.AddrPort, d time.Duration) (sample, error)
	// probe does what load does, once: it tells a proxy that cannot do it from one that fails.
	probe func(ctx context.Context, at netip.AddrPort) error
}

// noAim tells of the ratio only.
var noAim = []aim{{Of: betterOfTwo}}

// workloads are what is compared. The aims are those of the project, about CPU time a request.
var workloads = []workload{
	{
		name: "small", title: "small, 64 connections", port: plainPort, aims: []aim{{Of: betterOfTwo, AtMost: 0.9}},
		load: overWrk("http", "/", 64), probe: gets("http", "/"),
	}, {
		name: "small512", title: "small, 512 connections", port: plainPort, aims: noAim,
		load: overWrk("http", "/", 512), probe: gets("http", "/"),
	}, {
		name: "64k", title: "64 KiB, 32 connections", port: plainPort, aims: []aim{{Of: "nginx", AtMost: 1.1}},
		load: overWrk("http", "/64k", 32), probe: gets("http", "/64k"),
	}, {
		name: "1m", title: "1 MiB, 8 connections", port: plainPort, aims: []aim{{Of: "nginx", AtMost: 0.5}, {Of: "HAProxy", AtMost: 0.7}},
		load: overWrk("http", "/1m", 8), probe: gets("http", "/1m"),
	}, {
		name: "new", title: "new connection each, 16 at a time", port: plainPort, aims: []aim{{Of: betterOfTwo, AtMost: 1.25}},
		load: overWrk("http", "/", 16, "Connection: close"), probe: gets("http", "/"),
	}, {
		name: "https", title: "HTTPS P-256, 64 connections", port: p256Port, aims: []aim{{Of: betterOfTwo, AtMost: 0.9}},
		load: overWrk("https", "/", 64), probe: gets("https", "/"),
	}, {
		name: "handshake", title: "full handshake P-256", port: p256Port, aims: noAim,
		load: handshakes, probe: gets("https", "/"),
	}, {
		name: "handshake-rsa", title: "full handshake RSA-2048", port: rsaPort, aims: noAim,
		load: handshakes, probe: gets("https", "/"),
	}, {
		name: "h2", title: "HTTP/2, 8 connections × 16", port: p256Port, aims: []aim{{Of: "nginx", AtMost: 1}},
		load: overH2load(8, 16), probe: speaksHTTP2,
	}, {
		name: "websocket", title: "WebSocket, 64 bytes there and back", port: plainPort, aims: []aim{{Of: betterOfTwo, AtMost: 1.2}},
		load: overWebSockets, probe: upgrades,
	},
}

func workloadNames() []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return append(names, "idle", "slow", "growth")
}

func overWrk(scheme, path string, connections int, headers ...string) func(context.Context, *bench, netip.AddrPort, time.Duration) (sample, error) {
	return func(ctx context.Context, b *bench, at netip.AddrPort, d time.Duration) (sample, error) {
		return b.wrk(ctx, scheme+"://"+at.String()+path, connections, d, headers...)
	}
}

func overH2load(connections, streams int) func(context.Context, *bench, netip.AddrPort, time.Duration) (sample, error) {
	return func(ctx context.Context, b *bench, at netip.AddrPort, d time.Duration) (sample, error) {
		return b.h2load(ctx, "https://"+at.String()+"/", connections, streams, d)
	}
}

func handshakes(ctx context.Context, _ *bench, at netip.AddrPort, d time.Duration) (sample, error) {
	return loadHandshakes(ctx, at, d)
}

func overWebSockets(ctx context.Context, _ *bench, at netip.AddrPort, d time.Duration) (sample, error) {
	return loadWebSockets(ctx, at, d)
}

// answerSizes are those of the answers, by path.
var answerSizes = map[string]int64{"/": int64(len(smallBody)), "/64k": 64 << 10, "/1m": 1 << 20}

// gets asks for a path and looks that all of it comes.
func gets(scheme, path string) func(context.Context, netip.AddrPort) error {
	return func(ctx context.Context, at netip.AddrPort) error {
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: clientTLS()}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+at.String()+path, nil)
		if err != nil {
			return err
		}
		a, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(r)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		n, err := io.Copy(io.Discard, a.Body)
		if err == nil && (a.StatusCode != http.StatusOK || n != answerSizes[path]) {
			err = fmt.Errorf("GET %s: %s with %d bytes", path, a.Status, n)
		}
		return err
	}
}

// speaksHTTP2 looks which protocol a proxy chooses.
func speaksHTTP2(ctx context.Context, at netip.AddrPort) error {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: clientTLS("h2", "http/1.1")}
	c, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	defer c.Close()
	if chosen := c.(*tls.Conn).ConnectionState().NegotiatedProtocol; chosen != "h2" {
		return fmt.Errorf("offered h2 and http/1.1, it chose %q", chosen)
	}
	return nil
}

// upgrades sends a message over a WebSocket.
func upgrades(_ context.Context, at netip.AddrPort) error {
	w, err := dialWebSocket(at)
	if err != nil {
		return err
	}
	defer w.Close()
	w.SetDeadline(time.Now().Add(10 * time.Second))
	return w.exchange()
}

// keeps asks for / on a kept connection and leaves it open.
func keeps(at netip.AddrPort) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = c.Write(smallRequest); err == nil {
		err = readAnswer(bufio.NewReaderSize(c, 1024))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
