package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	docker "github.com/docker/docker/client"
)

// relay stands between a daemon and Docker: it spoils the event stream, holds calls back, and lets
// a test do something just before a call arrives.
type relay struct {
	dir    string
	host   string // what the daemon is told
	proxy  *httputil.ReverseProxy
	direct http.Client // to Docker, for the event stream

	mu     sync.Mutex
	before func(*http.Request) // called before each request is passed on
	late   time.Duration       // of each event
	copies int                 // of each event, beside the event
	deaf   bool                // no event gets through
	slow   time.Duration       // until Docker gets to making something; it does so though nobody waits any more
	cut    context.CancelFunc  // ends the streams that are open
	open   context.Context
	cuts   int // event streams that were begun
}

// newRelay listens for a daemon. It passes on what comes until the test ends.
func newRelay(t *testing.T) *relay {
	t.Helper()
	engine := requireDocker(t)
	dir, err := os.MkdirTemp("", "drydock-relay-") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{dir: dir, host: "unix://" + filepath.Join(dir, "docker.sock")}
	r.open, r.cut = context.WithCancel(context.Background())
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return engine.Dialer()(ctx) }
	r.direct.Transport = &http.Transport{DialContext: dial}
	r.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	r.proxy.Transport, r.proxy.FlushInterval = &http.Transport{DialContext: dial}, -1
	r.proxy.ErrorLog = log.New(t.Output(), "relay: ", 0)
	l, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r}
	go server.Serve(l)
	t.Cleanup(func() { r.Cut(); server.Close(); os.RemoveAll(dir) })
	return r
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	before, slow := r.before, r.slow
	r.mu.Unlock()
	if before != nil {
		before(req)
	}
	if slow > 0 && req.Method == http.MethodPost && (strings.HasSuffix(req.URL.Path, "/create") || strings.HasSuffix(req.URL.Path, "/start")) {
		body, _ := io.ReadAll(req.Body)
		ctx, cancel := context.WithCancel(context.WithoutCancel(req.Context())) // without Done the proxy looks whether the caller is there
		defer cancel()
		req = req.WithContext(ctx)
		req.Body = io.NopCloser(bytes.NewReader(body))
		time.Sleep(slow)
	}
	if strings.HasSuffix(req.URL.Path, "/events") {
		r.events(w, req)
		return
	}
	r.proxy.ServeHTTP(w, req)
}

// events passes the event stream on, as it was told to spoil it.
func (r *relay) events(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	open := r.open
	r.cuts++
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(open, cancel)()
	out := req.Clone(ctx)
	out.RequestURI, out.URL.Scheme, out.URL.Host = "", "http", "docker"
	resp, err := r.direct.Do(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	http.NewResponseController(w).Flush()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		r.pass(ctx, w, lines.Text())
	}
	panic(http.ErrAbortHandler) // as a stream that breaks, not one that ends
}

func (r *relay) pass(ctx context.Context, w http.ResponseWriter, event string) {
	r.mu.Lock()
	late, copies, deaf := r.late, r.copies, r.deaf
	r.mu.Unlock()
	if deaf || pause(ctx, late) != nil {
		return
	}
	for range copies + 1 {
		fmt.Fprintln(w, event)
	}
	http.NewResponseController(w).Flush()
}

// Cut breaks the event streams that are open.
func (r *relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut()
	r.open, r.cut = context.WithCancel(context.Background())
}

// Spoil makes events late, repeats them, or swallows them all.
func (r *relay) Spoil(late time.Duration, copies int, deaf bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late, r.copies, r.deaf = late, copies, deaf
}

// Slow has Docker take its time to make and start things.
func (r *relay) Slow(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = by
}

// Before has do called with every request before it is passed on; nil ends that.
func (r *relay) Before(do func(*http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = do
}

// Streams is how many event streams were begun.
func (r *relay) Streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cuts
}

// newProgramBehind starts a daemon that reaches Docker through the relay only.
func newProgramBehind(t *testing.T, r *relay, options ...string) *program {
	t.Helper()
	return startInstallation(t, &installation{env: []string{docker.EnvOverrideHost + "=" + r.host}, options: options})
}
