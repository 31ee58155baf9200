package logs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"drydock/alb/node"
	"drydock/timeline"
)

// Config is what a [Delivery] needs. Dir is required.
type Config struct {
	Dir    string // the folder of buckets, <state-dir>/s3
	Logger *slog.Logger
}

// Delivery writes the logs of load balancers into their buckets. It is a [node.Sink]. All
// methods are safe for concurrent use.
type Delivery struct {
	dir  string
	log  *slog.Logger
	wake chan struct{}
	call chan func(*desk)
	over chan struct{} // closed when Run has ended

	table       atomic.Pointer[table]
	outcomes    *queue[timeline.Outcome]
	connections *queue[node.Connection]
	checks      *queue[node.Check]
	unwritten   [kinds]atomic.Uint64
	create      func(name string) (*os.File, error) // opens live files

	mu      sync.Mutex // guards what is below, against other changes of the configuration
	streams map[streamKey]*stream
	known   []node.LoadBalancer

	shipper shipper
}

// table says where records go. It is never changed, only replaced.
type table [kinds]map[string]*stream // by load balancer, app/name/id

type streamKey struct {
	kind         kind
	loadBalancer string
}

// stream is one log of one load balancer.
type stream struct {
	kind         kind
	loadBalancer string // app/name/id
	at           atomic.Pointer[destination]
	enabled      atomic.Bool // files are written, to at
	tails        int         // how many follow it; guarded by Delivery.mu

	// Of the desk.
	files     []*liveFile
	followers []*follower
}

// Lost is how many lines of a log were not written.
type Lost struct {
	Log   string // access, connection or health_check
	Queue uint64 // records that came faster than they could be written
	Disk  uint64 // lines that the disk did not take
}

// New returns a delivery that knows no load balancer yet.
func New(config Config) *Delivery {
	d := &Delivery{
		dir: config.Dir, log: cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		wake: make(chan struct{}, 1), call: make(chan func(*desk)), over: make(chan struct{}),
		streams: map[streamKey]*stream{}, create: createLocked,
	}
	d.outcomes = newQueue[timeline.Outcome](d.wake)
	d.connections = newQueue[node.Connection](d.wake)
	d.checks = newQueue[node.Check](d.wake)
	d.table.Store(&table{})
	d.shipper = shipper{dir: d.dir, log: d.log, wake: make(chan struct{}, 1)}
	return d
}

var _ node.Sink = (*Delivery)(nil)

// Finished logs a request. It costs one look-up, and a copy if the load balancer's access
// log is wanted, together some 60 ns; it never waits.
func (d *Delivery) Finished(o *timeline.Outcome) {
	if s := d.table.Load()[access][o.LoadBalancer]; s != nil {
		d.outcomes.put(s, o)
	}
}

// Connected logs a client connection. It costs what Finished costs.
func (d *Delivery) Connected(c node.Connection) {
	if s := d.table.Load()[connection][c.LoadBalancer]; s != nil {
		d.connections.put(s, &c)
	}
}

// HealthChanged does nothing: logs have the checks.
func (d *Delivery) HealthChanged(node.HealthChange) {}

// Followed does nothing: the request is in the log already.
func (d *Delivery) Followed(timeline.Epilogue) {}

// Checked logs a health check for each load balancer that wants it.
func (d *Delivery) Checked(c node.Check) {
	streams := d.table.Load()[healthCheck]
	if len(streams) == 0 {
		return
	}
	for _, loadBalancer := range c.LoadBalancers {
		if s := streams[loadBalancer]; s != nil {
			d.checks.put(s, &c)
		}
	}
}

// Lost returns what was lost so far, for each of the three logs.
func (d *Delivery) Lost() []Lost {
	queues := [kinds]*atomic.Uint64{&d.outcomes.lost, &d.connections.lost, &d.checks.lost}
	lost := make([]Lost, kinds)
	for k := range kinds {
		lost[k] = Lost{Log: k.String(), Queue: queues[k].Load(), Disk: d.unwritten[k].Load()}
	}
	return lost
}

// Configure makes the logs that the load balancers of a snapshot enable the ones that are
// written. It does not touch files itself.
func (d *Delivery) Configure(s node.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = s.LoadBalancers
	wanted := map[streamKey]destination{}
	for i := range s.LoadBalancers {
		lb := &s.LoadBalancers[i]
		a := lb.Attributes
		for k, to := range [kinds]*node.LogBucket{a.AccessLogs, a.ConnectionLogs, a.HealthCheckLogs} {
			if to == nil {
				continue
			}
			at, err := newDestination(lb, *to)
			if err != nil {
				d.log.Warn("a load balancer's log is not written", "loadBalancer", lb.ID, "log", kind(k), "error", err)
				continue
			}
			wanted[streamKey{kind(k), lb.ID}] = at
		}
	}
	d.apply(wanted)
}

// apply makes streams write to where is wanted, and only those.
func (d *Delivery) apply(wanted map[streamKey]destination) {
	for key, s := range d.streams {
		if _, ok := wanted[key]; !ok {
			s.enabled.Store(false)
		}
	}
	for key, at := range wanted {
		s := d.stream(key)
		old := s.at.Load()
		if old == nil || *old != at {
			s.at.Store(&at)
		}
		if old == nil || old.root != at.root || !s.enabled.Load() {
			d.shipper.add(job{greet: &greeting{at, key.kind, key.loadBalancer}})
		}
		s.enabled.Store(true)
	}
	d.publish()
	d.outcomes.poke() // files of streams that changed are shipped
}

// stream returns the stream of a key. d.mu is held.
func (d *Delivery) stream(key streamKey) *stream {
	s := d.streams[key]
	if s == nil {
		s = &stream{kind: key.kind, loadBalancer: key.loadBalancer}
		d.streams[key] = s
	}
	return s
}

// publish lets the request path know which streams are wanted. d.mu is held.
func (d *Delivery) publish() {
	var t table
	for key, s := range d.streams {
		if !s.enabled.Load() && s.tails == 0 {
			delete(d.streams, key)
			continue
		}
		if t[key.kind] == nil {
			t[key.kind] = map[string]*stream{}
		}
		t[key.kind][key.loadBalancer] = s
	}
	d.table.Store(&t)
}

var errStopped = errors.New("log delivery has stopped")

// do has f run by the desk, and waits for it.
func (d *Delivery) do(ctx context.Context, f func(*desk)) error {
	done := make(chan struct{})
	select {
	case d.call <- func(k *desk) { defer close(done); f(k) }:
		<-done
		return nil
	case <-d.over:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Flush ships everything that was recorded before, and returns when it is in the buckets.
// It needs Run.
func (d *Delivery) Flush(ctx context.Context) error {
	b := newBatch()
	err := d.do(ctx, func(k *desk) {
		k.drain()
		k.retire(b, func(*stream, *liveFile) bool { return true })
		d.shipper.add(job{batch: b}) // after everything before it
	})
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
