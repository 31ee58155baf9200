package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

const (
	keepBatch = 1000 // records that are stored at once
	keepAgain = time.Second
)

// follow takes in what the process reports until it is gone.
func (k *keeper) follow(ctx context.Context, s State) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := k.do(ctx, http.MethodGet, "/reports", numberQuery(s.Run, k.begin(s)), nil)
	if err != nil {
		return k.lost(err)
	}
	defer body.Close()
	records, broken := make(chan Record, keepBatch), make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(records)
		defer close(over)
		broken <- k.read(ctx, cancel, json.NewDecoder(body), records)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case first, ok := <-records:
			if !ok {
				return k.lost(<-broken)
			}
			k.keep(ctx, over, s.Run, batch(first, records))
		case done := <-k.replace:
			err := k.exchange(ctx, s)
			done <- err
			if err == nil {
				drain(cancel, records)
				return errReplaced
			}
			k.reopen()
		case <-tick.C:
			k.reap()
		}
	}
}

// begin returns the number of the last record of the process that is stored here.
func (k *keeper) begin(s State) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading != s.Run {
		k.reading, k.stored = s.Run, 0
	}
	return k.stored
}

// lost says why a stream ended.
func (k *keeper) lost(err error) error {
	return fmt.Errorf("%w (%w)", errLost, err)
}

func drain(cancel func(), records <-chan Record) {
	cancel()
	for range records {
	}
}

// batch returns a record and those that are there already.
func batch(first Record, more <-chan Record) []Record {
	all := []Record{first}
	for len(all) < keepBatch {
		select {
		case r, ok := <-more:
			if !ok {
				return all
			}
			all = append(all, r)
		default:
			return all
		}
	}
	return all
}

// read takes in health at once and passes numbered records on. A stream that is silent for
// too long ends.
func (k *keeper) read(ctx context.Context, cancel func(), in *json.Decoder, records chan<- Record) error {
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	for {
		var r Record
		if err := in.Decode(&r); err != nil {
			return err
		}
		silent.Reset(silence)
		switch {
		case r.Health != nil:
			k.config.Sink.HealthChanged(*r.Health)
		case r.N != 0:
			select {
			case records <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		k.compare(r.Targets)
	}
}

// compare reports every target that has been checked: what the control plane knows already
// it ignores, the rest happened while nobody listened.
func (k *keeper) compare(targets []node.TargetStatus) {
	for _, t := range targets {
		if t.Draining || t.State == node.Initial || t.State == node.Unhealthy && t.Reason == "" {
			continue // not judged by this process
		}
		k.config.Sink.HealthChanged(node.HealthChange{
			Time: time.Now(), TargetGroup: t.TargetGroup, Registration: t.Registration,
			From: t.State, To: t.State, Reason: t.Reason, Description: t.Description, Detail: t.Detail,
		})
	}
}

// keep has records stored, however long that takes, and tells the process. If the stream is
// over it gives up: a process that lives sends them again, and one that does not has to be
// replaced first of all.
func (k *keeper) keep(ctx context.Context, over <-chan struct{}, run string, records []Record) {
	var outcomes []timeline.Outcome
	var epilogues []timeline.Epilogue
	for _, r := range records {
		if r.Outcome != nil {
			outcomes = append(outcomes, *r.Outcome)
		}
		if r.Epilogue != nil {
			epilogues = append(epilogues, *r.Epilogue)
		}
	}
	again := time.NewTicker(keepAgain)
	defer again.Stop()
	for {
		err := k.config.Sink.Keep(ctx, outcomes, epilogues)
		if err == nil {
			break
		}
		k.log.Warn("store failed requests", "error", err)
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
	last := records[len(records)-1].N
	if body, err := k.do(ctx, http.MethodPut, "/stored", numberQuery(run, last), nil); err == nil {
		body.Close()
	} else if !errors.Is(err, context.Canceled) {
		k.log.Debug("acknowledge reports", "error", err) // they come again, and are known
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stored = last
	close(k.storing)
	k.storing = make(chan struct{})
}
