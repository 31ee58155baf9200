package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"drydock/timeline"
)

// cell counts the requests of one load balancer for which no target was chosen, or those
// that were sent to the targets of one target group in one zone.
type cell struct {
	requests, grpc, failOpen, notSticky atomic.Uint64
	connectionErrors, tlsErrors         atomic.Uint64
	bytes, rules                        atomic.Uint64
	fixed, redirects, longRedirects     atomic.Uint64
	noncompliant, dropped, forwarded    atomic.Uint64
	elb500, elb502, elb503, elb504      atomic.Uint64
	elb                                 [6]atomic.Uint64 // by class: 3 is 3XX
	target                              [6]atomic.Uint64
	response                            histogram
	failures                            sync.Map // timeline.Cause → *atomic.Uint64
}

// count counts one request.
func (c *cell) count(o *timeline.Outcome) {
	c.bytes.Add(uint64(o.ReceivedBytes + o.SentBytes))
	if o.RuleEvaluations > 0 {
		c.rules.Add(uint64(o.RuleEvaluations))
	}
	if o.Target.Registration != "" { // LOG-051
		c.countChosen(o)
	}
	if o.TargetStatus != 0 {
		c.target[class(o.TargetStatus)].Add(1)
		c.response.observe(o.TargetTime)
	}
	if o.Status != o.TargetStatus { // LOG-052
		c.countOwn(o)
	}
	if o.Classification != "" {
		c.noncompliant.Add(1)
	}
	if o.NotSticky {
		c.notSticky.Add(1)
	}
	if o.Failed() {
		c.fail(o.Cause)
	}
}

// countChosen counts what concerns requests for which a target was chosen.
func (c *cell) countChosen(o *timeline.Outcome) {
	c.requests.Add(1)
	if o.Type == "grpcs" {
		c.grpc.Add(1)
	}
	if o.Target.FailOpen {
		c.failOpen.Add(1)
	}
	if o.InvalidHeaders > 0 {
		if o.HeadersDropped {
			c.dropped.Add(1)
		} else {
			c.forwarded.Add(1)
		}
	}
	switch o.Cause { // LOG-053
	case timeline.ConnRefused, timeline.ConnRefusedDraining, timeline.ICMPUnreachable, timeline.ConnectTimeout, timeline.ConnectTimeoutDraining:
		c.connectionErrors.Add(1)
	case timeline.TargetTLSError, timeline.TargetTLSTimeout:
		c.tlsErrors.Add(1)
	}
}

// countOwn counts a response that the load balancer made itself; 460 is one although the
// client did not get it.
func (c *cell) countOwn(o *timeline.Outcome) {
	c.elb[class(o.Status)].Add(1)
	switch o.Status {
	case 500:
		c.elb500.Add(1)
	case 502:
		c.elb502.Add(1)
	case 503:
		c.elb503.Add(1)
	case 504:
		c.elb504.Add(1)
	}
	switch {
	case o.Cause == timeline.LocationTooLong:
		c.longRedirects.Add(1)
	case o.Cause != timeline.CauseNone: // the action was not successful
	case o.Action == "fixed-response":
		c.fixed.Add(1)
	case o.Action == "redirect":
		c.redirects.Add(1)
	}
}

func class(status int) int {
	if n := status / 100; n >= 0 && n < 6 {
		return n
	}
	return 0
}

// fail counts a failed request by its cause.
func (c *cell) fail(cause timeline.Cause) {
	n, ok := c.failures.Load(cause)
	if !ok {
		n, _ = c.failures.LoadOrStore(cause, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// histogram counts durations by upper bounds.
type histogram struct {
	buckets [len(bounds)]atomic.Uint64 // not cumulative; what is above the last bound is in over
	over    atomic.Uint64
	sum     atomic.Int64 // ns
}

var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute,
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	h.sum.Add(int64(d))
	for i := range bounds {
		if d <= bounds[i] {
			h.buckets[i].Add(1)
			return
		}
	}
	h.over.Add(1)
}

// cumulative returns the count, the sum in seconds and the counts below each bound.
func (h *histogram) cumulative() (count uint64, sum float64, below map[float64]uint64) {
	below = make(map[float64]uint64, len(bounds))
	for i := range bounds {
		count += h.buckets[i].Load()
		below[bounds[i].Seconds()] = count
	}
	return count + h.over.Load(), time.Duration(h.sum.Load()).Seconds(), below
}
