package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Reasons and descriptions, verbatim (ALB-050).
const (
	reasonInitialChecks = "Elb.InitialHealthChecking"
	reasonMismatch      = "Target.ResponseCodeMismatch"
	reasonTimeout       = "Target.Timeout"
	reasonFailed        = "Target.FailedHealthChecks"

	describeInitialChecks = "Initial health checks in progress"
	describeTimeout       = "Request timed out"
	describeFailed        = "Health checks failed"
	describeMismatch      = "Health checks failed with these codes: [%d]"
)

// health is the health check side of a target. Its checker goroutine is the only writer of
// the target's state; settings come from Apply.
type health struct {
	settings atomic.Pointer[checkSettings] // nil: no checks
	cancel   context.CancelFunc            // of the running checker; owned by Node.mu
	done     chan struct{}                 // closed when it has ended; owned by Node.mu
	last     atomic.Pointer[HealthChange]  // what was reported last; nil before the first change

	// Owned by the checker.
	reason, description string
	successes, failures int
	answered            bool      // an initial target has answered in some way
	counted             time.Time // when the last early failure was counted
}

// checkSettings are what a checker needs to know, from one snapshot.
type checkSettings struct {
	HealthCheck
	source  netip.Addr
	mark    uint32
	from    time.Time
	to      netip.AddrPort
	version string // HTTP1 (or empty), HTTP2 or GRPC
	fault   *TargetFault
	users   []string // the load balancers that use the group: app/name/id
}

// probe is the result of one health check.
type probe struct {
	at      time.Time
	ok      bool
	answer  bool // the target sent a status
	status  int
	timeout bool
	detail  string
}

// check probes a target until ctx ends, start to start (ALB-051).
func (n *Node) check(ctx context.Context, t *target) {
	h := &t.health
	if s := h.settings.Load(); s == nil || !sleepUntil(ctx, s.from) {
		return
	}
	if t.stateNow() == Initial {
		n.turn(t, Initial, reasonInitialChecks, describeInitialChecks, "")
	}
	for ctx.Err() == nil {
		s := h.settings.Load()
		if s == nil {
			return
		}
		p := n.probe(ctx, s)
		if ctx.Err() != nil {
			return
		}
		n.tellCheck(t, s, p)
		n.judge(t, s, p)
		if !sleepUntil(ctx, p.at.Add(h.pace(t, s))) {
			return
		}
	}
}

// pace is the interval between the starts of two checks.
func (h *health) pace(t *target, s *checkSettings) time.Duration {
	if s.InitialInterval > 0 && !h.answered && t.stateNow() == Initial {
		return s.InitialInterval
	}
	return s.Interval
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge counts a probe and changes the state when a threshold is reached.
func (n *Node) judge(t *target, s *checkSettings, p probe) {
	h := &t.health
	early := !h.answered && t.stateNow() == Initial
	h.answered = h.answered || p.answer
	if p.ok {
		n.succeed(t, s, p)
		return
	}
	if early && !p.answer && s.InitialInterval > 0 {
		if !h.counted.IsZero() && p.at.Sub(h.counted) < s.Interval {
			return
		}
		h.counted = p.at
	}
	n.miss(t, s, p)
}

// succeed: one success makes an initial target healthy, whatever the threshold (ALB-052).
func (n *Node) succeed(t *target, s *checkSettings, p probe) {
	h := &t.health
	h.failures = 0
	h.successes++
	switch state := t.stateNow(); {
	case state == Initial, state == Unhealthy && h.successes >= s.HealthyThreshold:
		n.turn(t, Healthy, "", "", p.detail)
	}
}

func (n *Node) miss(t *target, s *checkSettings, p probe) {
	h := &t.health
	h.successes = 0
	h.failures++
	if t.stateNow() != Unhealthy && h.failures < s.UnhealthyThreshold {
		return
	}
	reason, description := p.verdict()
	n.turn(t, Unhealthy, reason, description, p.detail)
}

// verdict is the reason and description of a failed probe.
func (p probe) verdict() (reason, description string) {
	switch {
	case p.answer:
		return reasonMismatch, fmt.Sprintf(describeMismatch, p.status)
	case p.timeout:
		return reasonTimeout, describeTimeout
	}
	return reasonFailed, describeFailed
}

// turn sets state and reason, and tells the control plane if either is new. A draining
// target does not change any more.
func (n *Node) turn(t *target, to State, reason, description, detail string) {
	h := &t.health
	from := t.stateNow()
	if t.draining.Load() || from == to && h.reason == reason && h.description == description {
		return
	}
	h.reason, h.description = reason, description
	if from != to {
		h.successes, h.failures = 0, 0
	}
	now := time.Now()
	t.setState(stateIndex(to), now)
	change := HealthChange{Time: now, TargetGroup: t.group, Registration: t.registration,
		From: from, To: to, Reason: reason, Description: description, Detail: detail}
	h.last.Store(&change)
	n.sink.HealthChanged(change)
}

// probe sends one health check and closes its connection.
func (n *Node) probe(ctx context.Context, s *checkSettings) probe {
	p := probe{at: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	status, err := n.askHealth(ctx, s)
	p.detail = s.method() + " " + s.path() + " → "
	if err != nil {
		p.timeout = isTimeout(err) || errors.Is(err, context.DeadlineExceeded) || vanished(err)
		p.detail += p.plain(err, s.Timeout)
		return p
	}
	p.answer, p.status, p.ok = true, status, matchesCode(s.matcher(), status)
	if s.asksGRPC() {
		p.detail += "grpc-status "
	}
	p.detail += strconv.Itoa(status)
	return p
}

// plain says in a few words why there was no answer.
func (p probe) plain(err error, timeout time.Duration) string {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		return number.Error()
	case p.timeout:
		return "no answer within " + timeout.String()
	case err == io.EOF:
		return "connection closed without an answer"
	}
	return err.Error()
}

// askHealth connects, asks and reads the status.
func (n *Node) askHealth(ctx context.Context, s *checkSettings) (int, error) {
	if s.impaired() {
		if err := await(ctx, s.fault.handshake()); err != nil {
			return 0, err
		}
	}
	conn, err := n.dial(ctx, s.source, s.mark, s.to)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if s.impaired() { // the answer is as late as one to a request
		if err := await(ctx, s.fault.answer()); err != nil {
			return 0, err
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if s.asksHTTP2() {
		return s.askHTTP2(ctx, conn)
	}
	if s.Protocol == "HTTPS" {
		conn = tls.Client(conn, offerToTargets())
	}
	if _, err := conn.Write(healthRequest(s)); err != nil {
		return 0, err
	}
	return readStatus(conn)
}

// healthRequest is the request as ALB sends it (ALB-053).
func healthRequest(s *checkSettings) []byte {
	return []byte("GET " + s.Path + " HTTP/1.1\r\nHost: " + s.to.String() + "\r\nConnection: close\r\n" +
		"User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n")
}

func readStatus(conn net.Conn) (int, error) {
	rd := reader{conn: conn, buf: make([]byte, 2048)}
	var res response
	for {
		b := rd.bytes()
		if end := headEnd(b, 0); end > 0 {
			if err := res.parse(b[:end]); err != nil || res.status >= 200 {
				return res.status, err
			}
			rd.skip(end)
			continue
		}
		if err := rd.fill(maxResponseHeader); err != nil {
			return 0, err
		}
	}
}

// matchesCode reports whether a status is in a matcher such as "200,202" or "200-299".
func matchesCode(matcher string, status int) bool {
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}
