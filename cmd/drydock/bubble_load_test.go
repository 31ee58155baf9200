package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// bubbleLoad sends requests through the balancer at a steady rate, whatever becomes of them
// (an open loop), over connections that are kept alive.
type bubbleLoad struct {
	b    *bubble
	stop func()
	to   netip.AddrPort // the listener

	mu       sync.Mutex
	idle     []*bubbleConn
	sent     int
	statuses map[int]int    // by status; 0: the connection broke
	seen     map[string]int // by path
}

type bubbleConn struct {
	net.Conn
	r *bufio.Reader
}

// often is about 5 ms: an odd time, so that no request coincides with a deadline.
const often = 5013 * time.Microsecond

// load starts to send a request every so often, until end.
func (b *bubble) load(every time.Duration) *bubbleLoad {
	g := &bubbleLoad{b: b, to: b.front, statuses: map[int]int{}, seen: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.run(ctx, every)
	}()
	g.stop = func() {
		cancel()
		<-done
		g.stop = func() {}
	}
	b.mu.Lock()
	b.loads = append(b.loads, g)
	b.mu.Unlock()
	return g
}

func (g *bubbleLoad) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var requests sync.WaitGroup
	defer g.hangUp()
	defer requests.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			requests.Go(func() { g.request(g.next()) })
		}
	}
}

func (g *bubbleLoad) next() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent++
	return fmt.Sprintf("/load/%d", g.sent)
}

func (g *bubbleLoad) request(path string) {
	status := g.exchange(path)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.statuses[status]++
	g.seen[path] = status
}

// exchange sends one request and returns the status of the answer, 0 if there was none.
func (g *bubbleLoad) exchange(path string) int {
	c := g.connection()
	if c == nil {
		return 0
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		c.Close()
		return 0
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Close()
		return 0
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err != nil || res.Close {
		c.Close()
	} else {
		g.keep(c)
	}
	return res.StatusCode
}

// connection returns a connection that is still open, or a new one.
func (g *bubbleLoad) connection() *bubbleConn {
	for {
		c := g.kept()
		if c == nil {
			break
		}
		if c.open() {
			return c
		}
		c.Close()
	}
	conn, err := g.b.wire.Dial(context.Background(), netip.Addr{}, 0, g.to)
	if err != nil {
		return nil
	}
	return &bubbleConn{conn, bufio.NewReader(conn)}
}

func (g *bubbleLoad) kept() *bubbleConn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.idle) == 0 {
		return nil
	}
	c := g.idle[len(g.idle)-1]
	g.idle = g.idle[:len(g.idle)-1]
	return c
}

func (g *bubbleLoad) keep(c *bubbleConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, c)
}

// open reports whether the other end has not closed the connection.
func (c *bubbleConn) open() bool {
	c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.r.Peek(1)
	c.SetReadDeadline(time.Time{})
	c.r.Reset(c.Conn)
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func (g *bubbleLoad) hangUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.idle {
		c.Close()
	}
	g.idle = nil
}

// end stops the load and returns how many requests there were with each status.
func (g *bubbleLoad) end() map[int]int {
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.statuses
}
