package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// clientTLS is how our own clients connect: no session is ever resumed, and the key exchange
// is one that all three proxies know, so that all do the same work.
func clientTLS(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "bench.example", CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: protocols}
}

// handshakers is how many clients shake hands at a time.
const handshakers = 8

// loadHandshakes makes connections, each with a full handshake and one small request.
func loadHandshakes(ctx context.Context, at netip.AddrPort, d time.Duration) (sample, error) {
	config := clientTLS("http/1.1")
	return loadWith(ctx, handshakers, d, func(int) (func() error, func(), error) {
		return func() error { return handshakeOnce(at, config) }, func() {}, nil
	})
}

func handshakeOnce(at netip.AddrPort, config *tls.Config) error {
	plain, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return err
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(plain, config)
	if err := c.Handshake(); err != nil {
		return err
	}
	if c.ConnectionState().DidResume {
		return fmt.Errorf("%s resumed a session", at)
	}
	if _, err := c.Write(smallRequest); err != nil {
		return err
	}
	if err := readAnswer(bufio.NewReader(c)); err != nil {
		return err
	}
	return c.Close()
}

// newClient makes what one client does again and again, and what ends it.
type newClient func(n int) (turn func() error, end func(), err error)

// loadWith has clients take turns for a while. It ends at the first failure: the figures
// would lie.
func loadWith(ctx context.Context, clients int, d time.Duration, dial newClient) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	began := time.Now()
	times, errs := make([][]time.Duration, clients), make([]error, clients)
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() { times[n], errs[n] = takeTurns(ctx, n, dial, cancel) })
	}
	all.Wait()
	s := sample{took: time.Since(began)}
	var merged []time.Duration
	for _, t := range times {
		merged = append(merged, t...)
	}
	s.requests, s.p50, s.p99 = int64(len(merged)), percentile(merged, 50), percentile(merged, 99)
	for _, err := range errs {
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func takeTurns(ctx context.Context, n int, dial newClient, stop func()) (times []time.Duration, err error) {
	defer func() {
		if err != nil {
			stop()
		}
	}()
	turn, end, err := dial(n)
	if err != nil {
		return nil, err
	}
	defer end()
	for ctx.Err() == nil {
		began := time.Now()
		if err := turn(); err != nil {
			return times, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}
