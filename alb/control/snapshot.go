package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"drydock/alb/node"
)

// seeded returns a snapshot with the states that the targets have now, for a node that sees
// them for the first time.
func seeded(s node.Snapshot, now []node.TargetStatus) node.Snapshot {
	states := make(map[string]node.State, len(now))
	for _, t := range now {
		states[t.Registration] = t.State
	}
	s.TargetGroups = slices.Clone(s.TargetGroups)
	for i := range s.TargetGroups {
		g := &s.TargetGroups[i]
		g.Targets = slices.Clone(g.Targets)
		for j := range g.Targets {
			if state, ok := states[g.Targets[j].Registration]; ok {
				g.Targets[j].State = state
			}
		}
	}
	return s
}

// deaf returns a snapshot under which a node goes on with its connections, and listens nowhere.
func deaf(s node.Snapshot) node.Snapshot {
	s.LoadBalancers = slices.Clone(s.LoadBalancers)
	for i := range s.LoadBalancers {
		lb := &s.LoadBalancers[i]
		lb.Listeners = slices.Clone(lb.Listeners)
		for j := range lb.Listeners {
			lb.Listeners[j].Addresses = nil
		}
	}
	return s
}

// dirty has the snapshot written.
func (p *Process) dirty() {
	select {
	case p.save <- struct{}{}:
	default:
	}
}

// keepSnapshot keeps the snapshot and the targets' states on disk, so that a node can be
// started without a daemon.
func (p *Process) keepSnapshot(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.save:
		}
		if err := p.saveSnapshot(); err != nil {
			p.log.Warn("keep the snapshot", "error", err)
		}
		pause.Reset(saveEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (p *Process) saveSnapshot() error {
	p.mu.Lock()
	s := p.snapshot
	p.mu.Unlock()
	if s == nil || p.retired.Load() {
		return nil
	}
	text, err := json.Marshal(seeded(*s, p.node.Targets()))
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(p.dir, snapshotFile), text)
}

// writeFile replaces a file at once: after a crash it is the old or the new one.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// loadSnapshot returns the snapshot on disk, or nil if there is none.
func loadSnapshot(dir string) (*node.Snapshot, error) {
	text, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var s node.Snapshot
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the last snapshot: %w", err)
	}
	return &s, nil
}
