package main

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// dripRate is requests a second: enough to notice a gap, too few to slow Docker down.
	dripRate = 200
	// dripConnections share them; each has one request under way.
	dripConnections = 10
)

// drip is a steady load that counts what fails instead of giving up.
type drip struct {
	at           netip.AddrPort
	sent, failed atomic.Int64
	cancel       context.CancelFunc
	all          sync.WaitGroup
}

// startDrip starts to load a balancer until stop is called.
func startDrip(ctx context.Context, at netip.AddrPort) *drip {
	d := &drip{at: at}
	ctx, d.cancel = context.WithCancel(ctx)
	for range dripConnections {
		d.all.Go(func() { d.run(ctx) })
	}
	return d
}

// stop returns how many requests were sent and how many of them had no good answer.
func (d *drip) stop() (sent, failed int64) {
	d.cancel()
	d.all.Wait()
	return d.sent.Load(), d.failed.Load()
}

// run sends requests over one connection, and over another one when it has failed.
func (d *drip) run(ctx context.Context) {
	ticks := time.NewTicker(time.Second * dripConnections / dripRate)
	defer ticks.Stop()
	var c net.Conn
	var r *bufio.Reader
	defer func() { closeConn(c) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		d.sent.Add(1)
		var err error
		if c == nil {
			if c, err = net.DialTimeout("tcp", d.at.String(), 5*time.Second); err != nil {
				c = nil
				d.failed.Add(1)
				continue
			}
			r = bufio.NewReader(c)
		}
		if err := ask(c, r); err != nil {
			d.failed.Add(1)
			closeConn(c)
			c = nil
		}
	}
}

// ask sends one request and reads its answer.
func ask(c net.Conn, r *bufio.Reader) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(smallRequest); err != nil {
		return err
	}
	return readAnswer(r)
}

func closeConn(c net.Conn) {
	if c != nil {
		c.Close()
	}
}
