package logs

import (
	"context"
	"sync"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

const (
	gatherFor = 25 * time.Millisecond // from the first record to the pass that takes it
	lateFor   = 2 * time.Second       // how long after its end an interval is waited for
	lookAgain = 30 * time.Second      // a clock can jump; what could not be shipped is tried again
)

// desk is what Run knows: it alone formats lines and writes live files.
type desk struct {
	*Delivery
	open     map[*stream]struct{} // those that have files or something to tell followers
	spare    []byte
	lost     uint64 // of the queues, when last told
	troubled bool   // the last write failed
	told     time.Time
}

// Run writes logs until ctx ends, and then ships what there is. A delivery runs once. What
// is recorded after Run waits in the queue for ever: end the node first.
func (d *Delivery) Run(ctx context.Context) error {
	k := &desk{Delivery: d, open: map[*stream]struct{}{}}
	stopped := make(chan struct{})
	var shipping sync.WaitGroup
	shipping.Go(func() { d.shipper.run(stopped) })
	d.shipper.add(job{recover: true})
	k.serve(ctx)
	close(d.over)
	k.drain()
	k.retire(nil, func(*stream, *liveFile) bool { return true })
	close(stopped)
	shipping.Wait()
	return nil
}

func (k *desk) serve(ctx context.Context) {
	turn := time.NewTimer(untilTurn(time.Now()))
	defer turn.Stop()
	gather := time.NewTimer(time.Hour)
	defer gather.Stop()
	gathering := false
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-k.call:
			f(k)
		case <-k.wake:
			if !gathering {
				gathering = true
				gather.Reset(gatherFor)
			}
		case <-gather.C:
			gathering = false
			k.drain()
			k.retireChanged()
		case now := <-turn.C:
			k.drain()
			k.retire(nil, func(_ *stream, f *liveFile) bool { return f.over(now) })
			k.shipper.add(job{recover: true}) // also what another process left
			turn.Reset(untilTurn(time.Now()))
		}
	}
}

// untilTurn returns the time until there may be files to ship.
func untilTurn(now time.Time) time.Duration {
	return min(endOf(now.Add(-lateFor)).Add(lateFor).Sub(now), lookAgain)
}

// drain formats all records, writes the lines and tells them to followers.
func (k *desk) drain() {
	k.outcomes.drain(func(s *stream, o *timeline.Outcome) {
		f := k.file(s, o.End)
		b, start := k.page(f)
		k.add(s, f, AppendAccess(b, o), start)
	})
	k.connections.drain(func(s *stream, c *node.Connection) {
		if f := k.file(s, c.Time); f != nil {
			b, start := k.page(f)
			k.add(s, f, AppendConnection(b, c, f.to.at), start)
		}
	})
	k.checks.drain(func(s *stream, c *node.Check) {
		if f := k.file(s, c.Time); f != nil {
			b, start := k.page(f)
			k.add(s, f, AppendHealthCheck(b, c, s.loadBalancer, f.to.at), start)
		}
	})
	for s := range k.open {
		for _, f := range s.files {
			k.write(s, f)
		}
		for _, f := range s.followers {
			f.send()
		}
		if len(s.files) == 0 {
			delete(k.open, s)
		}
	}
	k.complain()
}

// page returns where the next line goes: behind those of the file that wait to be written.
func (k *desk) page(f *liveFile) (b []byte, start int) {
	if f == nil {
		return k.spare[:0], 0
	}
	return f.lines, len(f.lines)
}

// add takes the line that was appended to a page.
func (k *desk) add(s *stream, f *liveFile, page []byte, start int) {
	for _, to := range s.followers {
		to.add(page[start:])
		k.open[s] = struct{}{}
	}
	if f == nil {
		k.spare = page
		return
	}
	f.lines = page
	f.count++
	if len(page) >= writeSize {
		k.write(s, f)
	}
}

// file returns the live file for what happened at a time; nil if none is written.
func (k *desk) file(s *stream, at time.Time) *liveFile {
	if !s.enabled.Load() {
		return nil
	}
	to, now := s.at.Load(), at.UnixNano()
	for _, f := range s.files {
		if f.to == to && f.from <= now && now < f.until {
			return f
		}
	}
	f := newLiveFile(k.dir, s.kind, to, at)
	s.files = append(s.files, f)
	k.open[s] = struct{}{}
	return f
}

// retire ships files. The batch, if there is one, is told when they are in their bucket.
func (k *desk) retire(b *batch, which func(*stream, *liveFile) bool) {
	for s := range k.open {
		kept := s.files[:0]
		for _, f := range s.files {
			if !which(s, f) {
				kept = append(kept, f)
				continue
			}
			k.write(s, f)
			if f.file != nil {
				k.shipper.add(job{file: f, batch: b})
			}
		}
		clear(s.files[len(kept):])
		s.files = kept
	}
}

// retireChanged ships the files of streams that were disabled or write elsewhere now.
func (k *desk) retireChanged() {
	k.retire(nil, func(s *stream, f *liveFile) bool { return !s.enabled.Load() || s.at.Load() != f.to })
}

// write writes the lines that wait. Lines that the disk does not take are counted as lost;
// that is said once.
func (k *desk) write(s *stream, f *liveFile) {
	count := f.count
	if count == 0 {
		return
	}
	err := f.write(k.create)
	if err != nil {
		k.unwritten[s.kind].Add(uint64(count))
	}
	if err != nil && !k.troubled {
		k.log.Warn("load balancer logs can't be written: lines are lost", "log", s.kind, "loadBalancer", s.loadBalancer, "error", err)
	}
	if err == nil && k.troubled {
		k.log.Info("load balancer logs can be written again", "lost", k.Lost())
	}
	k.troubled = err != nil
}

// complain tells of records that the queues lost, once a minute at most.
func (k *desk) complain() {
	lost := k.outcomes.lost.Load() + k.connections.lost.Load() + k.checks.lost.Load()
	if lost == k.lost || time.Since(k.told) < time.Minute {
		return
	}
	k.log.Warn("load balancer logs lost lines: they came faster than they could be written", "lines", lost-k.lost)
	k.lost, k.told = lost, time.Now()
}
