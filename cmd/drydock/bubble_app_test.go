package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"drydock/orchestrator/enginetest"
)

// behaviour is how the application in a container behaves.
type behaviour struct {
	listenAfter time.Duration // from the container's start
	answerAfter time.Duration // before every answer
	ill         bool          // health checks are answered with 500
	collapse    int           // after so many requests it answers nothing in time any more; 0: never
	keepAlive   time.Duration // closes connections that were idle for so long; 0: never
}

// bubbleApp is the application in one container: a small HTTP/1.1 server.
type bubbleApp struct {
	b    *bubble
	task string
	addr netip.AddrPort

	mu       sync.Mutex
	behave   behaviour
	taken    int // requests of clients
	listener net.Listener
	gone     bool
	opening  *time.Timer
}

// started is the engine's hook for the start of a container.
func (b *bubble) started(p enginetest.Process) {
	if len(p.Container.PortMappings) == 0 {
		return // a sidecar
	}
	b.mu.Lock()
	a := &bubbleApp{b: b, task: p.Task.ARN, addr: netip.AddrPortFrom(p.Address(), 80), behave: b.images[p.Container.Image]}
	b.apps[a.task] = a
	b.mu.Unlock()
	a.opening = time.AfterFunc(a.behave.listenAfter, a.listen)
}

// signalled is the engine's hook for signals.
func (b *bubble) signalled(p enginetest.Process, signal string) {
	state := b.targetState(p.Task.ARN)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signals = append(b.signals, bubbleSignal{time.Now(), p.Task.ARN, p.Container.Name, signal, state})
}

// exited is the engine's hook for the end of a container.
func (b *bubble) exited(p enginetest.Process, _ int) {
	if a := b.app(p.Task.ARN); a != nil && len(p.Container.PortMappings) > 0 {
		a.end()
	}
}

func (b *bubble) app(task string) *bubbleApp {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.apps[task]
}

func (a *bubbleApp) listen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	l, err := a.b.wire.Listen(context.Background(), a.addr)
	if err != nil {
		go a.b.broken("the application of %s: %v", a.task, err) // which holds a lock that is taken before this one
		return
	}
	a.listener = l
	go a.accept(l)
}

func (a *bubbleApp) end() {
	a.opening.Stop()
	a.mu.Lock()
	a.gone = true
	listening := a.listener != nil
	a.mu.Unlock()
	if listening {
		a.b.wire.sever(a.addr)
	}
}

func (a *bubbleApp) ended() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gone
}

func (a *bubbleApp) set(change func(*behaviour)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.behave)
}

func (a *bubbleApp) now() behaviour {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.behave
}

func (a *bubbleApp) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go a.serve(conn)
	}
}

// closing is how long the end of a connection takes to get around: what is sent meanwhile is lost.
const closing = 2 * time.Millisecond

func (a *bubbleApp) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		if keep := a.now().keepAlive; keep > 0 {
			conn.SetReadDeadline(time.Now().Add(keep))
		}
		path, agent, err := readHead(r)
		if err != nil {
			time.Sleep(closing)
			return
		}
		behave := a.now()
		status := 200
		if strings.HasPrefix(agent, "ELB-HealthChecker/") {
			if behave.ill {
				status = 500
			}
		} else {
			a.b.arrived(a, path)
			a.take()
		}
		if delay := behave.answerAfter + asked(path); delay > 0 {
			time.Sleep(delay)
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: 2\r\n\r\nok", status, http.StatusText(status)); err != nil {
			return
		}
	}
}

// take counts a request of a client.
func (a *bubbleApp) take() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken++; a.behave.collapse > 0 && a.taken >= a.behave.collapse {
		a.behave.answerAfter = 10 * time.Second
	}
}

// readHead reads a request that has no body.
func readHead(r *bufio.Reader) (path, agent string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", "", err
	}
	_, rest, _ := strings.Cut(line, " ")
	path, _, _ = strings.Cut(rest, " ")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", "", io.ErrUnexpectedEOF
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			return path, agent, nil
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "User-Agent") {
			agent = strings.TrimSpace(value)
		}
	}
}

// asked returns how long a request wants its answer to take: /n?wait=20s.
func asked(path string) time.Duration {
	_, text, _ := strings.Cut(path, "?wait=")
	d, _ := time.ParseDuration(text)
	return d
}
