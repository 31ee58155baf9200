package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"drydock/alb/node"
)

// handoverPatience is how long either side waits for the other during a hand-over.
const handoverPatience = 10 * time.Second

const handoverRequest = "POST /handover HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: drydock-handover\r\n\r\n"

// takeOver asks the process that serves now for its lock, listeners and snapshot, and starts
// with them. Without such a process it does nothing.
func (p *Process) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handoverPatience)
	defer cancel()
	conn, err := dialHere(ctx, p.dir)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take over from the load balancer node: %w", err)
	}
	conn.SetDeadline(time.Now().Add(handoverPatience))
	h, err := p.receive(conn.(*net.UnixConn))
	if err != nil {
		conn.Close()
		return fmt.Errorf("take over from the load balancer node: %w", err)
	}
	if h.Snapshot != nil {
		p.apply(*h.Snapshot)
	}
	p.before.add(conn, h.PID)
	return nil
}

// receive takes in what is handed over.
func (p *Process) receive(conn *net.UnixConn) (h handed, err error) {
	if err := switchOver(conn); err != nil {
		return h, err
	}
	if err := readFrame(conn, &h); err != nil {
		return h, err
	}
	fds, err := receiveDescriptors(conn, 1+len(h.Addresses))
	if err != nil {
		return h, err
	}
	p.lock = os.NewFile(uintptr(fds[0]), lockFile)
	for i, addr := range h.Addresses {
		l, lErr := listenerOf(fds[1+i])
		if lErr != nil {
			err = errors.Join(err, lErr)
			continue
		}
		p.sockets.handed[addr] = l
	}
	if err != nil {
		p.sockets.dropHanded()
		p.lock.Close()
		p.lock = nil
	}
	return h, err
}

// switchOver turns an HTTP connection into one of frames. It reads byte by byte: what comes
// after the header carries descriptors.
func switchOver(conn net.Conn) error {
	if _, err := io.WriteString(conn, handoverRequest); err != nil {
		return err
	}
	var head []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, one[0]) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return err
		}
		if len(head) > 4096 {
			return errors.New("the answer is too long")
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(head))), nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// confirm tells the predecessor that this process accepts, and waits until it does not any
// more. A predecessor that died meanwhile has nothing to give away any more.
func (p *Process) confirm() error {
	b := p.before.newest()
	if b == nil {
		return nil
	}
	if err := writeFrame(b.conn, told{Serving: true}); err != nil {
		p.log.Warn("the predecessor is gone", "pid", b.pid, "error", err)
	} else if err := awaitRetirement(b.conn); err != nil {
		p.log.Warn("the predecessor is gone", "pid", b.pid, "error", err)
	}
	b.conn.SetDeadline(time.Time{})
	p.work.Go(func() { p.before.follow(b, p.observer.relay) })
	return signLock(p.lock)
}

func awaitRetirement(conn net.Conn) error {
	var r relayed
	if err := readFrame(conn, &r); err != nil {
		return err
	}
	if !r.Retires {
		return errors.New("it does not say that it retires")
	}
	return nil
}

// postHandover gives everything to the process that asks. Until that one says that it serves
// nothing has happened.
func (p *Process) postHandover(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn.SetDeadline(time.Now().Add(handoverPatience))
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.giveAway(conn.(*net.UnixConn))
	if err != nil {
		p.log.Warn("hand over", "error", err)
		conn.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	p.retire(conn)
}

// giveAway passes the lock and the listeners, and waits until the other one accepts.
func (p *Process) giveAway(conn *net.UnixConn) error {
	if p.retired.Load() {
		return errors.New("it was done before")
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: drydock-handover\r\n\r\n"); err != nil {
		return err
	}
	addrs, fds, err := p.sockets.duplicates()
	defer func() { closeAll(fds) }()
	if err != nil {
		return err
	}
	lock, err := duplicate(p.lock)
	if err != nil {
		return err
	}
	fds = append([]int{lock}, fds...)
	if err := writeFrame(conn, p.handed(addrs)); err != nil {
		return err
	}
	if err := sendDescriptors(conn, fds); err != nil {
		return err
	}
	var answer told
	if err := readFrame(conn, &answer); err != nil {
		return err
	}
	if !answer.Serving {
		return errors.New("the successor does not serve")
	}
	return nil
}

func (p *Process) handed(addrs []netip.AddrPort) handed {
	h := handed{PID: os.Getpid(), Build: p.options.Build, Addresses: addrs}
	if p.snapshot != nil {
		s := seeded(*p.snapshot, p.node.Targets())
		h.Snapshot = &s
	}
	return h
}

// retire finishes with the connections that there are, while another process serves.
func (p *Process) retire(conn net.Conn) {
	p.log.Info("the load balancer node has handed over and retires", "connections", p.node.Connections())
	p.retired.Store(true)
	l := newLink(conn)
	p.observer.successor.Store(l)
	p.node.Retire()
	p.become(p.snapshot)
	p.listener.Close()
	p.endObservers()
	p.lock.Close()
	if err := writeFrame(conn, relayed{Retires: true}); err != nil {
		p.log.Warn("the successor is gone", "error", err)
	}
	p.observer.reports.close(nil)
	over := make(chan struct{})
	p.work.Go(func() {
		l.send(over, p.leftovers)
		conn.Close()
	})
	p.work.Go(func() { p.obey(conn) })
	p.work.Go(func() {
		defer close(over)
		p.awaitConnections()
		p.end()
	})
}

// become applies a snapshot without its addresses.
func (p *Process) become(s *node.Snapshot) {
	if s != nil {
		p.node.Apply(deaf(*s))
	}
}

// leftovers are the records that no daemon has stored, and what else the successor shows.
func (p *Process) leftovers() []relayed {
	queue, dropped := p.observer.reports.take()
	var all []relayed
	for i := range queue {
		all = append(all, relayed{Record: &queue[i]})
	}
	connections := p.node.Connections() + p.before.connections()
	busy := slices.DeleteFunc(p.before.inFlight(p.node.Targets()), func(t node.TargetStatus) bool { return t.InFlight == 0 })
	return append(all, relayed{Connections: &connections, Targets: busy, Lost: dropped})
}

// obey does what the successor says, until it ends.
func (p *Process) obey(conn net.Conn) {
	for {
		var t told
		if readFrame(conn, &t) != nil {
			return
		}
		if t.Snapshot != nil {
			p.mu.Lock()
			p.become(t.Snapshot)
			p.mu.Unlock()
			p.before.tell(t)
		}
		if t.Stop {
			p.end()
		}
	}
}

// awaitConnections returns when no client connection is left, here and before, or their time
// is up.
func (p *Process) awaitConnections() {
	limit := time.NewTimer(p.options.Retire)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for p.node.Connections()+p.before.connections() > 0 {
		select {
		case <-limit.C:
			return
		case <-tick.C:
		}
	}
}

// predecessors are the processes that retire and have this one as successor.
type predecessors struct {
	mu  sync.Mutex
	all []*predecessor
}

type predecessor struct {
	conn net.Conn
	pid  int
	send sync.Mutex

	connections int // under predecessors.mu
	targets     []node.TargetStatus
}

func (b *predecessors) add(conn net.Conn, pid int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, &predecessor{conn: conn, pid: pid})
}

func (b *predecessors) newest() *predecessor {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) == 0 {
		return nil
	}
	return b.all[len(b.all)-1]
}

// follow takes in what a predecessor says until it ends.
func (b *predecessors) follow(one *predecessor, relay func(relayed)) {
	for {
		var r relayed
		if readFrame(one.conn, &r) != nil {
			break
		}
		if r.Connections != nil {
			b.mu.Lock()
			one.connections, one.targets = *r.Connections, r.Targets
			b.mu.Unlock()
		}
		relay(r)
	}
	one.conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = slices.DeleteFunc(b.all, func(other *predecessor) bool { return other == one })
}

// tell passes something on to all of them.
func (b *predecessors) tell(t told) {
	b.mu.Lock()
	all := slices.Clone(b.all)
	b.mu.Unlock()
	for _, one := range all {
		one.send.Lock()
		one.conn.SetWriteDeadline(time.Now().Add(time.Second))
		writeFrame(one.conn, t)
		one.send.Unlock()
	}
}

// stop ends them, and waits a moment for what they have to say.
func (b *predecessors) stop() {
	b.tell(told{Stop: true})
	for end := time.Now().Add(handoverPatience); time.Now().Before(end) && b.newest() != nil; time.Sleep(10 * time.Millisecond) {
	}
}

func (b *predecessors) connections() (sum int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.all {
		sum += one.connections
	}
	return sum
}

// inFlight adds the predecessors' requests to those of each target.
func (b *predecessors) inFlight(targets []node.TargetStatus) []node.TargetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.all {
		for _, theirs := range one.targets {
			i := slices.IndexFunc(targets, func(t node.TargetStatus) bool { return t.Registration == theirs.Registration })
			if i >= 0 {
				targets[i].InFlight += theirs.InFlight
			}
		}
	}
	return targets
}
