package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	idleConnections = 10_000
	idleWebSockets  = 1_000
	// idleAim is in KiB a connection, idleTotalAim in MiB with all of them.
	idleAim, idleTotalAim = 8, 400
	// settleTime is how long a proxy may take to give memory back that it needed to accept.
	settleTime = 3 * time.Second
)

// raiseFiles lets this process and those that it starts open as many files as they may.
func raiseFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

// files is how many files a process may open.
func files() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

// idleness is what idle connections cost a proxy.
type idleness struct {
	kept, tunnels, all float64 // KiB a connection, KiB a WebSocket, MiB
	notYet             error   // why there are no tunnels
}

// measureIdleConnections measures fresh proxies, one after the other.
func (a *arena) measureIdleConnections(ctx context.Context) error {
	if !a.wants("idle") {
		return nil
	}
	if need := idleConnections + 2*idleWebSockets + 200; files() < need {
		a.report.skip("proxy: memory", "idle connections", fmt.Sprintf("a process may open %d files here, it takes %d", files(), need))
		return nil
	}
	found := map[string]idleness{}
	for _, p := range a.proxies {
		i, err := a.idle(ctx, p)
		if err != nil {
			return fmt.Errorf("idle connections: %s: %w", p.name(), err)
		}
		found[p.name()] = i
		a.say("proxy: idle: %s: %.1f KiB a connection, %.1f KiB a WebSocket, %.0f MiB in all", p.name(), i.kept, i.tunnels, i.all)
	}
	a.reportIdle(found)
	return nil
}

// idle starts a proxy, opens connections, and stops it.
func (a *arena) idle(ctx context.Context, p proxy) (i idleness, err error) {
	var open closers
	defer func() { err = errors.Join(err, open.close(), p.stop(ctx)) }()
	if err := p.start(ctx); err != nil {
		return i, err
	}
	at := p.on(plainPort)
	if err := open.many(ctx, 200, func() (io.Closer, error) { return keeps(at) }); err != nil { // warms up
		return i, err
	}
	before, err := a.settled(ctx, p)
	if err != nil {
		return i, err
	}
	if err := open.many(ctx, idleConnections, func() (io.Closer, error) { return keeps(at) }); err != nil {
		return i, err
	}
	kept, err := a.settled(ctx, p)
	if err != nil {
		return i, err
	}
	i.kept, i.all = (kept-before)*1024/idleConnections, kept
	if i.notYet = upgrades(ctx, at); i.notYet != nil {
		return i, nil
	}
	if err := open.many(ctx, idleWebSockets, func() (io.Closer, error) { return dialWebSocket(at) }); err != nil {
		return i, err
	}
	i.all, err = a.settled(ctx, p)
	i.tunnels = (i.all - kept) * 1024 / idleWebSockets
	return i, err
}

// settled returns a proxy's memory when it has had time to settle, in MiB.
func (a *arena) settled(ctx context.Context, p proxy) (float64, error) {
	if !pause(ctx, settleTime) {
		return 0, ctx.Err()
	}
	return resident("VmRSS", p.processes()...)
}

// closers are connections to close in the end.
type closers struct {
	mu  sync.Mutex
	all []io.Closer
}

// many opens n connections, a few at a time.
func (c *closers) many(ctx context.Context, n int, open func() (io.Closer, error)) error {
	const atATime = 32
	errs := make([]error, atATime)
	var all sync.WaitGroup
	for worker := range atATime {
		all.Go(func() {
			for i := worker; i < n && ctx.Err() == nil && errs[worker] == nil; i += atATime {
				errs[worker] = c.add(open())
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

func (c *closers) add(conn io.Closer, err error) error {
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, conn)
	return nil
}

func (c *closers) close() error {
	for _, conn := range c.all {
		conn.Close() // they have served
	}
	return nil
}

func (a *arena) reportIdle(found map[string]idleness) {
	lines := []struct {
		name, unit string
		aims       []aim
		of         func(idleness) float64
		tunnels    bool
	}{
		{fmt.Sprintf("%d idle connections: each", idleConnections), "KiB", []aim{{AtMost: idleAim}}, func(i idleness) float64 { return i.kept }, false},
		{fmt.Sprintf("%d idle WebSockets besides: each", idleWebSockets), "KiB", nil, func(i idleness) float64 { return i.tunnels }, true},
		{"the process with all of them (RSS)", "MiB", []aim{{AtMost: idleTotalAim}}, func(i idleness) float64 { return i.all }, true},
	}
	for _, line := range lines {
		f := figure{Section: "proxy: memory", Name: line.name, Unit: line.unit, Aims: line.aims}
		ours := found["drydock"]
		if line.tunnels && ours.notYet != nil {
			f.NotYet = ours.notYet.Error()
		} else {
			f.Rounds = []float64{line.of(ours)}
		}
		for _, name := range a.peers() {
			f.Peers = append(f.Peers, peer{Name: name, Rounds: []float64{line.of(found[name])}})
		}
		a.report.add(f)
	}
}
