package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"drydock/timeline"
)

// serving is what is known about where the agent serves.
type serving struct {
	mu     sync.Mutex
	at     netip.AddrPort // zero: it does not
	status string         // why not
}

// Serving returns whether tasks are served, and if not the reason.
func (a *Agent) Serving() (ok bool, reason string) {
	a.serving.mu.Lock()
	defer a.serving.mu.Unlock()
	return a.serving.at.IsValid(), a.serving.status
}

// Status words it: "served", "not yet (reason)" or "NOT SERVED (reason)".
func (a *Agent) Status() string {
	switch ok, reason := a.Serving(); {
	case ok:
		return "served"
	case reason == errNoBridge.Error():
		return "not yet (" + reason + ")"
	default:
		return "NOT SERVED (" + reason + ")"
	}
}

// expected is where the agent will most likely listen. The way there is made before it does, and
// stays when it ends: tasks shall not notice that the daemon is started again.
func (a *Agent) expected() netip.AddrPort {
	if os.Geteuid() != 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.config.Network.DefaultVPC().Gateway(), listenPort)
}

// Run serves tasks until ctx ends: on the gateway of the VPC's bridge, once that exists, and
// again where it is made anew.
func (a *Agent) Run(ctx context.Context) error {
	look := time.NewTimer(0)
	defer look.Stop()
	var s *session
	for {
		select {
		case <-ctx.Done():
			s.close()
			return nil
		case <-look.C:
		}
		s = a.attend(ctx, s)
		if err := a.endOfTasks(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("end faults of ended tasks", "error", err)
		}
		wait := lookAgain
		if s == nil && a.waitsForBridge() {
			wait = retryBridge
		}
		look.Reset(wait)
	}
}

// session is one listener on one incarnation of the bridge.
type session struct {
	bridge int // index of the interface
	server *http.Server
	ended  chan struct{}
}

// attend returns the session that serves, a new one if there is none or its bridge is gone.
func (a *Agent) attend(ctx context.Context, s *session) *session {
	bridge, err := net.InterfaceByName(a.config.Network.Bridge())
	if s != nil && err == nil && s.bridge == bridge.Index && !s.over() {
		return s
	}
	s.close()
	var at netip.AddrPort
	var next *session
	if err != nil {
		err = errNoBridge
	} else if next, at, err = a.open(ctx, bridge.Index); err != nil {
		next = nil
	}
	if next != nil {
		a.config.Network.SetAgent(at)
	}
	a.note(ctx, at, err)
	return next
}

var errNoBridge = errors.New("the VPC's network is made with the first task")

func (a *Agent) waitsForBridge() bool {
	_, reason := a.Serving()
	return reason == errNoBridge.Error()
}

// open listens on the bridge, and serves in a goroutine that ends with the session.
func (a *Agent) open(ctx context.Context, bridge int) (*session, netip.AddrPort, error) {
	if os.Geteuid() != 0 {
		return nil, netip.AddrPort{}, errors.New("the daemon does not run as root: start it with sudo")
	}
	l, err := a.listen(ctx, listenPort)
	if errors.Is(err, syscall.EADDRINUSE) {
		l, err = a.listen(ctx, 0)
	}
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	s := &session{bridge: bridge, ended: make(chan struct{}), server: &http.Server{
		Handler: a.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.ended)
		s.server.Serve(familiar{l, a})
	}()
	return s, l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// familiar accepts connections of our tasks only. The socket hears the bridge only, but to the
// kernel what the host itself sends to the bridge's address comes from there, too.
type familiar struct {
	net.Listener
	agent *Agent
}

func (f familiar) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		if f.agent.taskAt(from.Addr().Unmap()) != nil {
			return c, nil
		}
		c.Close()
	}
}

// listen opens a socket that hears the bridge only: what another machine sends to the gateway's
// address does not arrive.
func (a *Agent) listen(ctx context.Context, port int) (net.Listener, error) {
	name := a.config.Network.Bridge()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = errors.Join(os.NewSyscallError("setsockopt SO_BINDTODEVICE", unix.BindToDevice(int(fd), name)),
				os.NewSyscallError("setsockopt IP_FREEBIND", unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)))
		})
		return errors.Join(err, failed)
	}}
	return config.Listen(ctx, "tcp4", fmt.Sprintf("%s:%d", a.config.Network.DefaultVPC().Gateway(), port))
}

func (s *session) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// close ends the session and what it is answering. A nil session has ended.
func (s *session) close() {
	if s == nil {
		return
	}
	s.server.Close()
	<-s.ended
}

// note keeps where the agent serves, and says on the timeline what users can see of a difference.
func (a *Agent) note(ctx context.Context, at netip.AddrPort, err error) {
	status := ""
	if err != nil {
		status = err.Error()
	}
	a.serving.mu.Lock()
	news := a.serving.status != status || a.serving.at.IsValid() != at.IsValid()
	a.serving.at, a.serving.status = at, status
	a.serving.mu.Unlock()
	if !news || errors.Is(err, errNoBridge) || ctx.Err() != nil {
		return
	}
	kind, message := timeline.Network, "task metadata: served at http://169.254.170.2"
	if err != nil {
		kind, message = timeline.Warning, "task metadata: NOT SERVED ("+status+")"
	}
	e := timeline.Event{Seq: a.config.Store.NextSeq(), Time: time.Now(), Kind: kind, Subject: "agent", Message: message}
	if err := a.config.Store.Commit(ctx, nil, []timeline.Event{e}); err != nil {
		a.log.Error("tell of the task metadata endpoint", "error", err)
	}
}

// loadSecret makes the secret if there is none.
func (a *Agent) loadSecret(ctx context.Context) error {
	kind, name, _ := strings.Cut(secretRow, "/")
	err := a.config.Store.Load(ctx, kind, func(key string, doc []byte) error {
		if key != name {
			return nil
		}
		return json.Unmarshal(doc, &a.secret)
	})
	if err != nil || len(a.secret) > 0 {
		return err
	}
	a.secret = make([]byte, 32)
	rand.Read(a.secret)
	return a.config.Store.Commit(ctx, map[string]any{secretRow: a.secret}, nil)
}
