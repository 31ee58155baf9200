package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// Observer is one more part of a process that takes in what its node finds out.
type Observer struct {
	Sink  node.Sink
	Apply func(node.Snapshot)             // is called with every snapshot; nil: it needs none
	Run   func(ctx context.Context) error // writes what is left when ctx ends, after the node has, or when the process retires; nil: it needs none
}

// Options say how a process runs. Only StateDir is required.
type Options struct {
	StateDir  string
	Version   string // of the program, for people
	Build     string // of the program, exactly
	Logger    *slog.Logger
	Grace     time.Duration // of requests in flight when it is told to stop; 0: the node's own
	Observers []Observer
	Handlers  map[string]http.Handler // more that the socket serves, by ServeMux pattern

	// Replace has the process that serves now hand its listeners over. It is no error if
	// there is none.
	Replace bool
	// Await waits for the daemon's snapshot instead of starting with the last one.
	Await bool
	// Retire is how long client connections may go on after their listeners were handed
	// over; 0: 5 minutes.
	Retire time.Duration
}

const (
	defaultRetire = 5 * time.Minute
	watchEvery    = time.Second            // how often the process looks whether its folder is still there
	lastReports   = time.Second            // how long a daemon may take to store the last records
	saveEvery     = 250 * time.Millisecond // at least, between two writes of the snapshot
)

// Process is a load balancer node as a process of its own.
type Process struct {
	options  Options
	dir      string
	run      string
	started  time.Time
	log      *slog.Logger
	sockets  *sockets
	observer *observer
	node     *node.Node
	before   predecessors

	lock     *os.File
	identity os.FileInfo // of the lock's file
	server   *http.Server
	listener *net.UnixListener

	mu       sync.Mutex // of the snapshot: one change at a time
	snapshot *node.Snapshot
	retired  atomic.Bool

	save    chan struct{} // size 1
	end     context.CancelFunc
	work    sync.WaitGroup // everything but the observers
	observe struct {       // the observers' runs
		sync.WaitGroup
		end context.CancelFunc
	}
}

var errGone = errors.New("the state directory is gone")

// New makes a process that does nothing yet.
func New(options Options) *Process {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Retire <= 0 {
		options.Retire = defaultRetire
	}
	p := &Process{
		options: options, dir: Folder(options.StateDir), run: rand.Text(), started: time.Now(), log: options.Logger,
		sockets: newSockets(), save: make(chan struct{}, 1),
	}
	p.observer = &observer{reports: newReports(), recorder: timeline.NewRecorder(nil, timeline.RecorderOptions{Failed: -1}), changed: p.dirty}
	for _, o := range options.Observers {
		p.observer.others = append(p.observer.others, o.Sink)
	}
	p.node = node.New(node.Config{Sink: p.observer, Listen: p.sockets.listen, Logger: p.log, Grace: options.Grace})
	return p
}

// Targets returns what the process's node knows of targets now.
func (p *Process) Targets() []node.TargetStatus { return p.node.Targets() }

// Counters are those of the node's connections, by load balancer.
func (p *Process) Counters() []node.Counters { return p.node.Counters() }

// Serve is the load balancer node of the state directory until ctx ends, the daemon says stop,
// or the directory is removed. It returns a [*HeldError] if another process is the node. A
// process serves once.
func (p *Process) Serve(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	return p.serve(ctx)
}

// open becomes the node of the state directory.
func (p *Process) open(ctx context.Context) error {
	if err := makeFolder(p.dir); err != nil {
		return err
	}
	if p.options.Replace {
		if err := p.takeOver(ctx); err != nil || p.lock != nil {
			return err
		}
	}
	var err error
	if p.lock, err = takeLock(p.dir); err != nil {
		return err
	}
	return p.startAgain()
}

// startAgain begins with the last snapshot of an earlier process.
func (p *Process) startAgain() error {
	if p.options.Await {
		return nil
	}
	s, err := loadSnapshot(p.dir)
	if err != nil || s == nil {
		return err
	}
	p.apply(*s)
	return nil
}

// serve runs the node and everything around it.
func (p *Process) serve(ctx context.Context) error {
	var err error
	if p.identity, err = p.lock.Stat(); err != nil {
		return fmt.Errorf("look at the lock: %w", err)
	}
	ctx, p.end = context.WithCancel(ctx)
	defer p.end()
	rest, endRest := context.WithCancel(context.WithoutCancel(ctx))
	defer endRest()
	ended := make(chan error, 1)
	p.work.Go(func() { ended <- p.node.Run(ctx) })
	p.work.Go(func() { p.watchFolder(ctx) })
	p.work.Go(func() { p.keepSnapshot(rest) })
	p.work.Go(func() {
		<-ctx.Done()
		p.before.stop()
	})
	if err = p.serveDaemon(rest); err != nil {
		p.end()
	} else {
		p.log.Info("the load balancer node serves", "pid", os.Getpid(), "version", p.options.Version)
	}
	err = errors.Join(err, <-ended)
	p.before.stop() // their last reports are ours
	p.awaitStored()
	endRest()
	p.endObservers()
	p.closeServer()
	p.work.Wait()
	p.log.Info("the load balancer node ends", "pid", os.Getpid())
	return err
}

// runObservers starts what the observers do beside being told.
func (p *Process) runObservers(ctx context.Context) {
	ctx, p.observe.end = context.WithCancel(ctx)
	for _, o := range p.options.Observers {
		if o.Run == nil {
			continue
		}
		p.observe.Go(func() {
			if err := o.Run(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("a part of the load balancer node ended", "error", err)
			}
		})
	}
}

// endObservers has the observers write what is left.
func (p *Process) endObservers() {
	if p.observe.end != nil {
		p.observe.end()
	}
	p.observe.Wait()
}

// serveDaemon lets the predecessor go, if there is one, and listens for the daemon. The
// observers begin when those of the predecessor have ended: they write to the same places.
func (p *Process) serveDaemon(ctx context.Context) error {
	if err := p.confirm(); err != nil {
		return err
	}
	p.runObservers(ctx)
	l, err := listenHere(p.dir)
	if err != nil {
		return err
	}
	p.listener = l
	p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug)}
	p.work.Go(func() { p.server.Serve(l) })
	return nil
}

func (p *Process) closeServer() {
	if p.server == nil {
		return
	}
	if !p.retired.Load() {
		os.Remove(filepath.Join(p.dir, socketFile))
	}
	p.server.Close()
}

// awaitStored gives a daemon that listens the time to store the last records.
func (p *Process) awaitStored() {
	for end := time.Now().Add(lastReports); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !p.observer.reports.unread() {
			return
		}
	}
}

// watchFolder ends the process when its folder is gone, or is another one: nobody could
// reach it any more.
func (p *Process) watchFolder(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		there, err := os.Stat(filepath.Join(p.dir, lockFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) || err == nil && os.SameFile(there, p.identity) {
			continue
		}
		p.log.Warn("the load balancer node ends", "error", errGone)
		p.end()
		return
	}
}

// apply makes a snapshot true, here and with those who retire. mu is held, or nobody else
// knows the process yet.
func (p *Process) apply(s node.Snapshot) map[string]error {
	problems := p.node.Apply(s)
	p.sockets.dropHanded()
	p.snapshot = &s
	for _, o := range p.options.Observers {
		if o.Apply != nil {
			o.Apply(s)
		}
	}
	p.before.tell(told{Snapshot: &s})
	p.dirty()
	return problems
}
