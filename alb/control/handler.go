package control

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"time"

	"drydock/alb/node"
)

// handler answers the daemon.
func (p *Process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.State()) })
	mux.HandleFunc("PUT /snapshot", p.putSnapshot)
	mux.HandleFunc("GET /reports", p.getReports)
	mux.HandleFunc("PUT /stored", p.putStored)
	mux.HandleFunc("GET /recent", p.getRecent)
	mux.HandleFunc("GET /requests", p.getRequests)
	mux.HandleFunc("POST /stop", p.postStop)
	mux.HandleFunc("POST /handover", p.postHandover)
	for pattern, h := range p.options.Handlers {
		mux.Handle(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.retired.Load() {
			http.Error(w, "this process has handed over: ask its successor", http.StatusGone)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func reply(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(doc)
}

// State is what the process says about itself.
func (p *Process) State() State {
	s := State{
		PID: os.Getpid(), Run: p.run, Version: p.options.Version, Build: p.options.Build, StartedAt: p.started,
		Targets: p.before.inFlight(p.node.Targets()), Connections: p.node.Connections(), Retiring: p.before.connections(),
	}
	p.mu.Lock()
	if p.snapshot != nil {
		s.Snapshot = p.snapshot.Version
	}
	p.mu.Unlock()
	s.Last, s.Waiting, s.Dropped = p.observer.reports.counts()
	return s
}

func (p *Process) putSnapshot(w http.ResponseWriter, r *http.Request) {
	var s node.Snapshot
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		http.Error(w, "read the snapshot: "+err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired.Load() {
		http.Error(w, "this process has handed over", http.StatusGone)
		return
	}
	reply(w, applied{problemsOf(p.apply(s))})
}

// mine reports whether a number counts within this process.
func (p *Process) mine(r *http.Request) (n uint64, ok bool) {
	n, err := strconv.ParseUint(r.URL.Query().Get("n"), 10, 64)
	return n, err == nil && r.URL.Query().Get("run") == p.run
}

func (p *Process) getReports(w http.ResponseWriter, r *http.Request) {
	after, ok := p.mine(r)
	if !ok {
		after = 0 // another process's, or a new daemon's: it gets all that no daemon has stored
	}
	p.observer.reports.serve(r.Context(), w, after, p.node.Targets)
}

func (p *Process) putStored(w http.ResponseWriter, r *http.Request) {
	if n, ok := p.mine(r); ok {
		p.observer.reports.stored(n)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Process) getRecent(w http.ResponseWriter, r *http.Request) {
	since, _ := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for _, o := range recent(p.observer.recorder.Recent(0), since) {
		if out.Encode(o) != nil {
			return
		}
	}
}

func (p *Process) getRequests(w http.ResponseWriter, r *http.Request) {
	since, _ := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	requests, failed := p.observer.recorder.Requests(since, time.Now())
	reply(w, Requests{requests, failed})
}

func (p *Process) postStop(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
	http.NewResponseController(w).Flush()
	p.end()
}
