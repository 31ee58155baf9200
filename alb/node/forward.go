package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"drydock/timeline"
)

// Why the node cuts what it does for a target.
var (
	errDrained = errors.New("deregistration delay elapsed")
	errStopped = errors.New("load balancer node stopped")
)

// forward sends the request to one target of one target group, once (ALB-001).
func (c *clientConn) forward(r *rule) {
	w := r.pick()
	if w == nil {
		c.fail(timeline.NoRegisteredTargets, "all target groups have weight 0")
		return
	}
	c.o.TargetGroup = w.arn
	if w.group == nil || len(w.group.targets) == 0 {
		c.fail(timeline.NoRegisteredTargets, "the target group is empty")
		return
	}
	chosen := w.group.choose(c.o.Start)
	if chosen.target == nil && c.reroute() {
		return
	}
	if chosen.target == nil {
		c.fail(timeline.AllTargetsUnused, "all targets are draining")
		return
	}
	t := chosen.target
	defer t.release()
	c.o.Target = timeline.Target{Registration: t.registration, Address: t.address, Task: t.task,
		State: string(chosen.state), FailOpen: chosen.failOpen}
	c.exchange(t)
}

// reroute routes the request anew if the snapshot it began with is out of date: the targets
// that drain now may have been replaced by others.
func (c *clientConn) reroute() bool {
	latest := c.listener.route.Load()
	if latest == nil || latest == c.route {
		return false
	}
	c.route, c.o.SnapshotVersion, c.o.TargetGroup = latest, latest.version, ""
	c.act()
	return true
}

// exchange runs one request on one connection to the target.
func (c *clientConn) exchange(t *target) {
	ambiguous := c.req.ambiguous && c.route.lb.Attributes.DesyncMitigationMode != "monitor"
	if err := c.composeRequest(); err != nil {
		c.keep = false
		c.fail(timeline.MalformedRequest, err.Error())
		return
	}
	u, cause, err := c.connect(t)
	if err != nil {
		c.stopWatch()
		c.failTarget(cause, err)
		return
	}
	c.send(u)
	reusable := c.answer(u)
	uploaded := c.up.stop(c, u)
	c.stopWatch()
	if reusable && uploaded && !ambiguous {
		t.pool.put(u, time.Now(), c.idleTimeout())
	} else {
		t.pool.drop(u)
	}
	c.finish()
}

// composeRequest puts the head for the target, and as much of the body as is here, into out.
func (c *clientConn) composeRequest() error {
	c.out = c.appendRequest(c.out[:0], &c.req, []byte(c.o.TraceID))
	for {
		p, err := c.body.next(false)
		switch {
		case err == errAgain:
			return nil
		case err == io.EOF:
			if c.body.framing == byChunks {
				c.out = append(c.out, lastChunk...)
			}
			return nil
		case err != nil:
			return err
		case c.body.framing == byChunks:
			c.out = appendChunk(c.out, p)
		default:
			c.out = append(c.out, p...)
		}
	}
}

// connect takes a connection from the target's pool, or makes one.
func (c *clientConn) connect(t *target) (*upstream, timeline.Cause, error) {
	if u := t.pool.get(c.o.Start); u != nil {
		u.nth++
		c.o.Connection = timeline.Connection{Reused: true, Nth: u.nth, Idle: max(0, c.o.Start.Sub(u.idle))}
		return u, "", nil
	}
	return c.dial(t)
}

func (c *clientConn) dial(t *target) (*upstream, timeline.Cause, error) {
	ctx, cancel := context.WithTimeout(t.ctx, c.node.timing.connect)
	defer cancel()
	c.watch.onLeave(cancel)
	c.startWatch()
	begin := time.Now()
	conn, err := c.knock(ctx, t)
	took := time.Since(begin)
	c.watch.onLeave(nil)
	c.o.Connection = timeline.Connection{Nth: 1, Dial: took}
	if err != nil {
		return nil, c.dialFailure(ctx, t, err), err
	}
	u := newUpstream(conn, took)
	u.nth = 1
	t.pool.add(u)
	return u, "", nil
}

// knock connects to the target. Where nobody answers for an address, a Linux bridge gives up
// after three seconds; a VPC drops the packets in silence while TCP repeats its SYN until the
// connect timeout (ALB-013). So the SYN is repeated here. Nothing of the request is sent before.
func (c *clientConn) knock(ctx context.Context, t *target) (net.Conn, error) {
	for {
		conn, err := c.node.dial(ctx, c.route.lb.Source, c.route.lb.Mark, t.addr)
		if err == nil || !vanished(err) {
			return conn, err
		}
		again := time.NewTimer(c.node.timing.knock)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, err
		case <-again.C:
		}
	}
}

func (c *clientConn) dialFailure(ctx context.Context, t *target, err error) timeline.Cause {
	switch {
	case c.watch.left():
		return timeline.ClientGone
	case errors.Is(context.Cause(t.ctx), errDrained):
		return timeline.DeregDelayElapsed
	case t.ctx.Err() != nil:
		return timeline.CauseNone
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return dialCause(err, t.draining.Load())
}

// failTarget answers for a target that did not. A node that is stopping has no cause of AWS's.
func (c *clientConn) failTarget(cause timeline.Cause, err error) {
	if cause != timeline.CauseNone {
		c.fail(cause, err.Error())
		return
	}
	c.keep = false
	c.o.Detail, c.o.EndedBy = errStopped.Error(), "alb"
	c.say(errorPage(502, c.chrome))
}

// send writes the request, and starts to upload what is left of its body. An error of
// writing shows when the response is read: the target may have answered before it closed.
func (c *clientConn) send(u *upstream) {
	u.conn.SetWriteDeadline(time.Now().Add(c.idleTimeout()))
	_, err := u.conn.Write(c.out)
	c.sent = time.Now()
	c.o.RequestTime = c.sent.Sub(c.o.Start)
	if err == nil && !c.body.done() {
		c.startUpload(u)
	}
}

// answer waits for the response and relays it. It reports whether the connection to the
// target can be used again. The outcome is complete, but not finished.
func (c *clientConn) answer(u *upstream) bool {
	err := c.awaitHead(u)
	if err == nil {
		return c.relay(u)
	}
	c.lose(u, err)
	return false
}

// lose makes the outcome and the error page for a response that did not come.
func (c *clientConn) lose(u *upstream, err error) {
	up := c.up
	stalled := up.stalled()
	uploaded := up.stop(c, u)
	cause, detail := c.lossCause(u, err), err.Error()
	switch {
	case !uploaded && u.ended.Load() == endedByUpload:
		cause, detail, c.keep = up.cause, up.detail, false
	case stalled && cause == timeline.ResponseTimeout:
		cause, detail, c.keep = timeline.ClientIdle, "request body: "+detail, false
	}
	if c.stopWatch() && cause == timeline.TargetClosedInflight {
		cause = timeline.ClientGone
	}
	c.markLoss(cause, detail)
}

func (c *clientConn) markLoss(cause timeline.Cause, detail string) {
	if c.first.IsZero() {
		c.o.TargetTime = time.Since(c.sent)
	}
	c.o.Cause, c.o.Detail, c.o.Status = cause, detail, shapes[cause].status
	if cause == timeline.CauseNone {
		c.o.Status, c.o.EndedBy, c.o.Detail, c.keep = 502, "alb", errStopped.Error(), false
	}
	if c.o.Status == 460 {
		c.keep, c.broken = false, true
		return
	}
	c.out = appendAnswer(c.out[:0], errorPage(c.o.Status, c.chrome), time.Now(), c.keep, c.headOnly)
	c.write(c.out)
}

// lossCause names the reason why no response came (ALB-014).
func (c *clientConn) lossCause(u *upstream, err error) timeline.Cause {
	switch u.ended.Load() {
	case endedByClient:
		return timeline.ClientGone
	case endedByDraining:
		return timeline.DeregDelayElapsed
	case endedByStop:
		return timeline.CauseNone
	}
	switch {
	case errors.Is(err, errHeadTooLarge):
		return timeline.ResponseHeaderTooLarge
	case errors.Is(err, errBadResponse):
		return timeline.BadResponse
	case errors.Is(err, errShort):
		return timeline.ContentLengthShort
	case isTimeout(err):
		return timeline.ResponseTimeout
	case u.nth > 1 && c.first.IsZero() && time.Since(c.sent) < c.node.timing.race:
		return timeline.KeepaliveRace
	}
	return timeline.TargetClosedInflight
}

var (
	errBadResponse = errors.New("malformed response")
	errShort       = errors.New("body shorter than its Content-Length")
)

// awaitHead reads the head of the final response into res.
func (c *clientConn) awaitHead(u *upstream) error {
	u.lendBuffer()
	scanned := 0
	c.expectTarget(u, c.sent)
	for {
		b := u.rd.bytes()
		n := headEnd(b, scanned)
		if n > maxResponseHeader || n == 0 && len(b) > maxResponseHeader {
			return errHeadTooLarge
		}
		if n > 0 {
			if done, err := c.takeHead(u, b[:n]); done || err != nil {
				return err
			}
			scanned = 0
			continue
		}
		scanned = max(0, len(b)-3)
		if err := c.fillFrom(u); err != nil {
			return err
		}
	}
}

func (c *clientConn) takeHead(u *upstream, head []byte) (final bool, err error) {
	if err := c.res.parse(head); err != nil {
		return false, fmt.Errorf("%w: %w", errBadResponse, err)
	}
	u.rd.skip(len(head))
	if c.res.status == 101 {
		return false, fmt.Errorf("%w: 101 was not asked for", errBadResponse)
	}
	return c.res.status >= 200, nil // other 1xx are swallowed (ALB-024)
}

// expectTarget arms the first, short wait. Most answers come within it and cost no watch.
func (c *clientConn) expectTarget(u *upstream, since time.Time) {
	wait := c.idleTimeout()
	if c.watch.running != nil {
		c.watch.onLeave(func() { u.end(endedByClient) })
	} else {
		wait = min(wait, c.node.timing.watchAfter)
	}
	c.since = since
	u.conn.SetReadDeadline(since.Add(wait))
}

// fillFrom reads from the target until the idle timeout, which any byte in either
// direction starts anew.
func (c *clientConn) fillFrom(u *upstream) error {
	for {
		err := u.rd.fill(targetBuffer)
		if err == nil {
			if c.first.IsZero() {
				c.first = time.Now()
				c.o.TargetTime = c.first.Sub(c.sent)
			}
			return nil
		}
		if !isTimeout(err) || !c.waitLonger(u) {
			return err
		}
	}
}

// waitLonger starts the watch after the first wait, and reports whether the idle timeout
// has not passed yet.
func (c *clientConn) waitLonger(u *upstream) bool {
	if c.watch.running == nil && c.up.over() {
		c.watch.onLeave(func() { u.end(endedByClient) })
		c.startWatch()
	}
	last := c.since
	if at := c.activity.Load(); at > last.UnixNano() {
		last = time.Unix(0, at)
	}
	deadline := last.Add(c.idleTimeout())
	now := time.Now()
	if !now.Before(deadline) {
		return false
	}
	if !c.up.over() {
		deadline = earlier(deadline, now.Add(time.Second)) // to watch the client once its body is here
	}
	u.conn.SetReadDeadline(deadline)
	return true
}

// isTCP returns the TCP connection below, if there is nothing between.
func isTCP(conn net.Conn) *net.TCPConn {
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

func (w *watch) left() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}
