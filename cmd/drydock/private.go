package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"drydock/alb/control"
	"drydock/timeline"
)

// private is the private API: what AWS has no call for.
func (d *daemon) private() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_drydock/status", d.serveStatus)
	mux.HandleFunc("GET /_drydock/describe", d.serveDescribe)
	mux.HandleFunc("GET /_drydock/events", d.serveEvents)
	mux.HandleFunc("GET /_drydock/outcomes", d.serveOutcomes)
	mux.HandleFunc("GET /_drydock/why", d.serveWhy)
	mux.HandleFunc("GET /_drydock/logs", d.serveLogs)
	mux.HandleFunc("GET /_drydock/trust", d.serveTrust)
	mux.HandleFunc("POST /_drydock/down", d.serveDown)
	mux.HandleFunc("POST /_drydock/alb/replace", d.serveReplace)
	mux.HandleFunc("POST /_drydock/alb/flush", d.forward("/logs/flush"))
	mux.HandleFunc("GET /_drydock/metrics", d.forward("/metrics"))
	mux.HandleFunc("POST /_drydock/fault", d.serveFault)
	mux.HandleFunc("GET /_drydock/faults", d.serveFaults)
	mux.HandleFunc("POST /_drydock/faults", d.serveTaskFault)
	mux.Handle("GET /_drydock/session/{session}", &d.sessions)
	mux.HandleFunc("/_drydock/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("the private API has no %s %s", r.Method, r.URL.Path), "is this drydock as new as the daemon? see `drydock version`")
	})
	return mux
}

func refuse(w http.ResponseWriter, status int, text, remedy string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(privateError{Text: text, Remedy: remedy})
}

func reply(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(doc)
}

// since reads a duration such as 10m from the query and returns the time so long ago; zero if
// there is none.
func since(r *http.Request) (time.Time, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("since=%q is not a duration: it looks like 10m", text)
	}
	return time.Now().Add(-ago), nil
}

func (d *daemon) serveEvents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, _ := strconv.ParseInt(q.Get("after"), 10, 64)
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 0 {
		limit = 1000
	}
	from, err := since(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "")
		return
	}
	last := d.events.Last()
	events, err := d.pastEvents(r.Context(), after, from)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error(), "")
		return
	}
	if limit > 0 && len(events) > limit {
		events = events[len(events)-limit:]
	}
	after = max(after, last)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for {
		for _, e := range events {
			out.Encode(e)
			after = e.Seq
		}
		if q.Get("follow") == "" {
			return
		}
		http.NewResponseController(w).Flush()
		if events, err = d.events.Wait(r.Context(), after); err != nil {
			return
		}
	}
}

// pastEvents returns the events after a number, or since a time, or else all that are in memory.
func (d *daemon) pastEvents(ctx context.Context, after int64, from time.Time) ([]timeline.Event, error) {
	switch {
	case after > 0:
		return d.events.After(ctx, after, math.MaxInt32)
	case !from.IsZero():
		return d.events.Between(ctx, from, time.Now())
	}
	return d.events.All(), nil
}

func (d *daemon) serveOutcomes(w http.ResponseWriter, r *http.Request) {
	from, err := since(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "")
		return
	}
	m := d.remembered(r.Context())
	ordinary, err := d.node.Recent(r.Context(), from)
	if err != nil {
		refuse(w, http.StatusBadGateway, err.Error(), "it keeps the outcomes of requests that did not fail; the daemon starts it again")
		return
	}
	all := append(m.Since(from), ordinary...)
	slices.SortFunc(all, func(a, b timeline.Outcome) int { return a.End.Compare(b.End) })
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for _, o := range all {
		out.Encode(o)
	}
}

func (d *daemon) serveWhy(w http.ResponseWriter, r *http.Request) {
	from, err := since(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error(), "")
		return
	}
	m := d.remembered(r.Context())
	var e timeline.Explanation
	if r.URL.Query().Get("last") != "" {
		e = timeline.WhyLast(m, d.events, time.Now())
	} else {
		e = timeline.Why(m, d.events, from, time.Now())
	}
	e.Missing = *m.missing
	reply(w, e)
}

// serveDown removes everything that is ours and ends the daemon.
func (d *daemon) serveDown(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Drydock") == "" {
		refuse(w, http.StatusForbidden, "this takes everything down, so it wants a header that no web page can send", "use `drydock down --all`")
		return
	}
	if !d.goingDown.CompareAndSwap(false, true) {
		refuse(w, http.StatusConflict, "everything is being taken down already", "")
		return
	}
	defer close(d.quit)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	tell := func(format string, args ...any) {
		out.Encode(map[string]string{"message": fmt.Sprintf(format, args...)})
		http.NewResponseController(w).Flush()
	}
	if err := d.takeDown(context.WithoutCancel(r.Context()), tell); err != nil {
		out.Encode(map[string]string{"error": err.Error()})
	}
}

// takeDown stops every part, then removes containers, networks, rules and the state.
func (d *daemon) takeDown(ctx context.Context, tell func(string, ...any)) error {
	tasks := 0
	for _, t := range d.scheduler.Snapshot().Tasks {
		if t.Status != "STOPPED" {
			tasks++
		}
	}
	d.halt()
	<-d.halted
	if err := control.Stop(ctx, d.config.StateDir); err != nil {
		return err
	}
	tell("stopped the scheduler and the load balancers")
	err := d.engine.Purge(ctx)
	if err == nil {
		tell("removed the containers of %d tasks and their network", tasks)
	}
	if ruleErr := d.enforcer.Remove(ctx); ruleErr == nil {
		tell("removed the firewall rules")
	} else {
		err = errors.Join(err, ruleErr)
	}
	if err != nil {
		return err // the state stays: it says what is left
	}
	d.removed = true
	tell("removed the state in %s", d.config.StateDir)
	return removeState(d.config.StateDir)
}

// removeState deletes what a daemon writes into its state directory, and nothing else.
func removeState(dir string) error {
	var errs []error
	for _, name := range []string{"drydock.db", "drydock.db-wal", "drydock.db-shm", "logs", "alb", "s3", "ca"} {
		errs = append(errs, os.RemoveAll(dir+"/"+name))
	}
	return errors.Join(errs...)
}
