package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// arena is where the proxies are compared.
type arena struct {
	*bench
	cores   cores
	proxies []proxy // ours is the first
	ours    *ours
	weather weather
}

// compareProxies measures every workload, in this process's own network namespace.
func (b *bench) compareProxies(ctx context.Context) error {
	for _, name := range []string{"nginx", "haproxy", "wrk", "h2load", "ip"} {
		if _, err := find(name); err != nil {
			b.report.skip("proxy", "the balancer beside nginx and HAProxy", err.Error())
			return nil
		}
	}
	a, err := b.newArena(ctx)
	if err != nil {
		return err
	}
	if err := a.weather.begin(a.cores.proxy); err != nil {
		return err
	}
	defer func() { b.report.Notes = append(b.report.Notes, a.notes()...) }()
	if err := a.measureIdleConnections(ctx); err != nil {
		return err
	}
	if err := a.startAll(ctx, a.proxies); err != nil {
		return err
	}
	b.reportComparisons(a.compareAll(ctx))
	if err := a.measureSlowClients(ctx); err != nil && ctx.Err() == nil {
		b.report.skip("proxy: slow clients", "p99", err.Error())
	}
	if err := a.measureGrowth(ctx); err != nil && ctx.Err() == nil {
		b.report.skip("proxy: growth", "CPU a small request", err.Error())
	}
	return ctx.Err()
}

// compareAll measures the workloads; one that fails does not keep the others from it.
func (a *arena) compareAll(ctx context.Context) (done []*comparison) {
	for _, w := range workloads {
		if !a.wants(w.name) || ctx.Err() != nil {
			continue
		}
		c, err := a.compare(ctx, w)
		if err == nil {
			done = append(done, c)
			err = a.profileOurs(ctx, c)
		}
		if err != nil && ctx.Err() == nil {
			a.say("proxy: %s: %v", w.title, err)
			a.report.skip("proxy: failed", w.title, err.Error())
		}
	}
	return done
}

// wants reports whether a workload is to be measured.
func (b *bench) wants(name string) bool {
	return b.workload == "" || slices.Contains(strings.Split(b.workload, ","), name)
}

func (b *bench) newArena(ctx context.Context) (*arena, error) {
	if err := furnish(); err != nil {
		return nil, err
	}
	prefer(os.Getpid())
	c, err := chooseCores()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(raiseFiles(), move(os.Getpid(), c.rest), b.startStatic(ctx, c.rest)); err != nil {
		return nil, err
	}
	if _, err := b.startEcho(fmt.Sprintf(":%d", echoPort)); err != nil {
		return nil, err
	}
	k, err := makeKeys(b.dir)
	if err != nil {
		return nil, err
	}
	a := &arena{bench: b, cores: c, ours: &ours{bench: b, title: "drydock", binary: b.drydock, cores: c, keys: k}}
	a.proxies = []proxy{a.ours}
	for _, name := range strings.Split(b.beside, ",") {
		p, err := a.newPeer(name, k)
		if err != nil {
			return nil, fmt.Errorf("--beside %s: %w", name, err)
		}
		a.proxies = append(a.proxies, p)
	}
	return a, nil
}

// newPeer makes a proxy to compare ours with.
func (a *arena) newPeer(name string, k keys) (proxy, error) {
	switch name {
	case "nginx":
		return a.newNginx(a.cores.proxy, k)
	case "HAProxy":
		return a.newHAProxy(a.cores.proxy, k)
	case "floor":
		return a.newFloor(a.cores.proxy, k)
	}
	file, err := filepath.Abs(name)
	if err == nil {
		_, err = os.Stat(file)
	}
	nth := len(a.proxies)
	return &ours{bench: a.bench, title: fmt.Sprintf("%s-%d", filepath.Base(file), nth), binary: file, shift: 1000 * nth, cores: a.cores, keys: k}, err
}

// peers are the names of those that ours is compared with.
func (a *arena) peers() (names []string) {
	for _, p := range a.proxies[1:] {
		names = append(names, p.name())
	}
	return names
}

// startAll starts proxies, which the bench stops in the end.
func (a *arena) startAll(ctx context.Context, proxies []proxy) error {
	for _, p := range proxies {
		a.onEnd(p.stop)
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// comparison is a workload's rounds.
type comparison struct {
	workload
	notYet  error // why drydock could not be measured
	proxies []proxy
	peers   []string
	rounds  map[string]*rounds
}

// rounds are those of one proxy.
type rounds struct {
	cpu, user, rate, p50, p99 []float64
	daemon                    []float64 // CPU time of drydock's daemon beside its balancer
}

func (r *rounds) add(s sample, u usage) {
	n := float64(s.requests)
	r.cpu = append(r.cpu, microseconds(u.all)/n)
	r.user = append(r.user, microseconds(u.user)/n)
	r.rate = append(r.rate, n/s.took.Seconds())
	r.p50, r.p99 = append(r.p50, milliseconds(s.p50)), append(r.p99, milliseconds(s.p99))
}

// compare measures a workload.
func (a *arena) compare(ctx context.Context, w workload) (*comparison, error) {
	c, err := a.prepareComparison(ctx, w)
	if err != nil {
		return c, err
	}
	for round := range a.rounds {
		do := a.round
		if a.atOnce {
			do = a.roundAtOnce
		}
		if err := do(ctx, c, round); err != nil {
			return c, err
		}
	}
	return c, nil
}

// prepareComparison finds out who can do a workload, and has them do it for a moment.
func (a *arena) prepareComparison(ctx context.Context, w workload) (*comparison, error) {
	c := &comparison{workload: w, proxies: slices.Clone(a.proxies), peers: a.peers(), rounds: map[string]*rounds{}}
	if c.notYet = a.can(ctx, w, a.ours); c.notYet != nil {
		a.say("proxy: %s: not yet: %v", w.title, c.notYet)
		c.proxies = c.proxies[1:]
	}
	for _, p := range c.proxies {
		c.rounds[p.name()] = &rounds{}
		if err := a.can(ctx, w, p); err != nil {
			return c, fmt.Errorf("%s: %w", p.name(), err)
		}
		if _, err := w.load(ctx, a.bench, w.on(p), time.Second); err != nil {
			a.say("proxy: %s: warming up %s: %v", w.title, p.name(), err)
		}
	}
	return c, nil
}

// round loads the proxies in turn; who is first changes from round to round.
func (a *arena) round(ctx context.Context, c *comparison, round int) error {
	for i := range c.proxies {
		p := c.proxies[(i+round)%len(c.proxies)]
		err := a.turn(ctx, c, p)
		if err != nil && ctx.Err() == nil {
			a.say("proxy: %s: %s, again: %v", c.title, p.name(), err)
			err = a.turn(ctx, c, p)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	a.say("proxy: %s: round %d of %d:%s", c.title, round+1, a.rounds, c.last())
	return nil
}

// roundAtOnce loads all proxies at the same time.
func (a *arena) roundAtOnce(ctx context.Context, c *comparison, round int) error {
	errs := make([]error, len(c.proxies))
	var all sync.WaitGroup
	for i, p := range c.proxies {
		all.Go(func() { errs[i] = a.measure(ctx, c, p) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.say("proxy: %s: round %d of %d:%s", c.title, round+1, a.rounds, c.last())
	return nil
}

// on is where a proxy serves a workload.
func (w workload) on(p proxy) netip.AddrPort { return p.on(w.port) }

// can tells why a proxy can't do a workload.
func (a *arena) can(ctx context.Context, w workload, p proxy) error {
	if err := p.lacks(w.port); err != nil {
		return err
	}
	return w.probe(ctx, w.on(p))
}

// turn loads one proxy and notes what it used.
func (a *arena) turn(ctx context.Context, c *comparison, p proxy) error {
	pids := p.processes()
	a.weather.look(pids)
	defer a.weather.note(pids)
	return a.measure(ctx, c, p)
}

// measure is turn without a look at the weather.
func (a *arena) measure(ctx context.Context, c *comparison, p proxy) error {
	pids, r := p.processes(), c.rounds[p.name()]
	before, err1 := usageOf(pids)
	beside, err2 := a.ours.daemonUsage()
	s, err3 := c.load(ctx, a.bench, c.on(p), a.seconds)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	after, err1 := usageOf(pids)
	besideAfter, err2 := a.ours.daemonUsage()
	r.add(s, after.sub(before))
	if p == proxy(a.ours) && a.ours.node != 0 {
		r.daemon = append(r.daemon, microseconds(besideAfter-beside)/float64(s.requests))
	}
	return errors.Join(err1, err2, ctx.Err())
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// last tells of the round that has ended.
func (c *comparison) last() string {
	var text strings.Builder
	for _, p := range c.proxies {
		cpu := c.rounds[p.name()].cpu
		fmt.Fprintf(&text, "  %s %.1f µs", p.name(), cpu[len(cpu)-1])
	}
	return text.String()
}

// view is a section of the report.
type view struct {
	section, unit string
	of            func(*rounds) []float64
	aims          bool
}

var views = []view{
	{"proxy: CPU a request", "µs", func(r *rounds) []float64 { return r.cpu }, true},
	{"proxy: of these in user space", "µs", func(r *rounds) []float64 { return r.user }, false},
	{"proxy: requests a second", "/s", func(r *rounds) []float64 { return r.rate }, false},
	{"proxy: p50", "ms", func(r *rounds) []float64 { return r.p50 }, false},
	{"proxy: p99", "ms", func(r *rounds) []float64 { return r.p99 }, false},
}

func (b *bench) reportComparisons(done []*comparison) {
	for _, v := range views {
		for _, c := range done {
			b.report.add(c.figure(v))
		}
	}
	for _, c := range done {
		if r := c.rounds["drydock"]; r != nil && r.daemon != nil {
			b.report.add(figure{Section: "proxy: CPU of drydock's daemon besides", Name: c.title, Unit: "µs", Rounds: r.daemon})
		}
	}
}

// aimsOfPeers are the aims about peers that were measured.
func (c *comparison) aimsOfPeers() (all []aim) {
	for _, a := range c.aims {
		if a.Of == betterOfTwo && len(c.peers) == 2 || slices.Contains(c.peers, a.Of) {
			all = append(all, a)
		}
	}
	return all
}

// figure is one view of the rounds.
func (c *comparison) figure(v view) figure {
	f := figure{Section: v.section, Name: c.title, Unit: v.unit}
	if v.aims {
		f.Aims = c.aimsOfPeers()
	}
	if c.notYet != nil {
		f.NotYet = c.notYet.Error()
	} else {
		f.Rounds = v.of(c.rounds["drydock"])
	}
	for _, name := range c.peers {
		f.Peers = append(f.Peers, peer{Name: name, Rounds: v.of(c.rounds[name])})
	}
	return f
}

// notes say under which conditions the proxies were compared.
func (a *arena) notes() []string {
	node := "in the daemon's process"
	if a.ours.daemon != nil && a.ours.node != 0 {
		node = "in a process of its own"
	}
	log := "every access log on"
	if a.ours.daemon != nil && a.ours.logged() == 0 {
		log = "nginx's and HAProxy's access logs on, drydock WROTE NONE"
	}
	return []string{
		fmt.Sprintf("proxy: in a network namespace of its own; proxies on core %d, everything else on core %d; drydock's balancer runs %s; nginx 1 worker, HAProxy 1 thread; %s; tuned buffers, HAProxy splices; %d rules; 3 backends: nginx, 1 worker, and for WebSockets a Go program",
			a.cores.proxy, a.cores.rest, node, log, ruleCount),
		a.weather.String(),
	}
}
