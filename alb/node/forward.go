package node

import (
	"errors"
	"io"
	"time"

	"drydock/timeline"
)

// Why the node cuts what it does for a target.
var (
	errDrained = errors.New("deregistration delay elapsed")
	errStopped = errors.New("load balancer node stopped")
)

// forward sends the request to one target of one target group, once (ALB-001).
func (x *exchange) forward(r *rule) {
	w, invalid := r.chooseGroup(&x.req, x.route.sealer, x.o.Start)
	if w == nil {
		x.fail(timeline.NoRegisteredTargets, "all target groups have weight 0")
		return
	}
	x.o.TargetGroup = w.arn
	if invalid {
		x.o.ErrorReason = "AWSALBTGCookieInvalid"
	}
	if w.group == nil || len(w.group.targets) == 0 {
		x.fail(timeline.NoRegisteredTargets, "the target group is empty")
		return
	}
	if !w.group.accepts(&x.req) {
		x.fail(timeline.ProtocolMismatch, "targets of the group speak "+w.group.version)
		return
	}
	if !x.transform(r) {
		return
	}
	x.affinity = affinity{group: w.group}
	if r.stickiness > 0 {
		x.affinity.rule = r
	}
	chosen := w.group.chooseFor(&x.req, x.route.sealer, &x.affinity, x.o.Start)
	if chosen.target == nil && x.reroute() {
		return
	}
	if chosen.target == nil {
		x.fail(timeline.AllTargetsUnused, "all targets are draining")
		return
	}
	t := chosen.target
	defer func() { x.others = t.release() }()
	x.o.Target = timeline.Target{Registration: t.registration, Address: t.address, Task: t.task,
		State: string(chosen.state), FailOpen: chosen.failOpen}
	x.affinity.addr = t.addr
	x.o.NotSticky = chosen.notSticky
	x.ask(t)
}

// transform applies the rule's transforms, or answers 500 if one fails.
func (x *exchange) transform(r *rule) bool {
	if len(r.transforms) == 0 {
		return true
	}
	made, ok := r.transform(&x.req)
	x.o.Transformed = made
	if !ok {
		x.fail(timeline.TransformFailed, made.Status)
	}
	return ok
}

// reroute routes the request anew if the snapshot it began with is out of date: the targets
// that drain now may have been replaced by others.
func (x *exchange) reroute() bool {
	latest := x.listener.route.Load()
	if latest == nil || latest == x.route {
		return false
	}
	x.route, x.o.SnapshotVersion, x.o.TargetGroup = latest, latest.version, ""
	x.act()
	return true
}

// ask puts the request to the target and relays its answer.
func (x *exchange) ask(t *target) {
	x.impaired = x.fault(t)
	if cause, err := x.reach(t); err != nil {
		x.front.unwatch()
		x.failTarget(cause, err)
		return
	}
	if err := x.sendBody(); err != nil {
		x.back.release(false, time.Now())
		x.front.last()
		x.fail(bodyFault(err), "request body: "+err.Error())
		return
	}
	well := x.answer()
	uploaded := x.up.stop(x)
	x.front.unwatch()
	x.close(well && uploaded && !x.endsBoth())
}

// reach connects to the target and gives the head to what it is connected by. A connection that the
// target has ended meanwhile, before anything was sent, gives way to another: no request is retried.
func (x *exchange) reach(t *target) (timeline.Cause, error) {
	x.targetHead()
	for tries := 1; ; tries++ {
		if cause, err := x.connect(t); err != nil {
			return cause, err
		}
		err := x.back.begin(&x.head, x.req.size(), x.idleTimeout())
		if err == nil {
			return "", nil
		}
		x.back.release(false, time.Now())
		x.back = nil
		if tries == maxConnections {
			return dialCause(err, t.draining.Load()), err
		}
	}
}

// failTarget answers for a target that could not be connected to. A node that is stopping has no
// cause of AWS's.
func (x *exchange) failTarget(cause timeline.Cause, err error) {
	if cause != timeline.CauseNone {
		x.fail(cause, err.Error())
		return
	}
	x.front.last()
	x.o.Detail, x.o.EndedBy = errStopped.Error(), "alb"
	x.say(errorPage(502, x.req.chrome))
}

// sendBody sends the head and what is here of the body, in one piece if it can be, and leaves
// the rest to an upload. An error of writing to the target shows when the response is read: it may have
// answered before it closed. An error of the body's grammar is returned, with nothing sent.
func (x *exchange) sendBody() error {
	var failed error
	for failed == nil {
		p, err := x.front.next(false)
		switch {
		case err == nil:
			failed = x.back.write(p)
			continue
		case err == io.EOF:
			failed = x.back.finish(x.front.trailers())
		case err == errAgain:
			failed = x.back.flush()
		default:
			return err
		}
		break
	}
	x.o.RequestTime = time.Since(x.o.Start)
	x.sent = x.o.Start.Add(x.o.RequestTime)
	if failed == nil && !x.front.whole() {
		x.startUpload()
	}
	return nil
}

// answer waits for the response and relays it. It reports whether that went well. The
// outcome is complete then, but not finished.
func (x *exchange) answer() bool {
	x.expectTarget(x.sent)
	err := x.awaitHead()
	if err == nil {
		return x.relay()
	}
	x.lose(err)
	return false
}

func (x *exchange) awaitHead() error {
	for {
		err := x.back.awaitHead(&x.res)
		if err == errPart {
			x.expectTarget(time.Now())
			continue
		}
		if err == nil && x.impaired != nil {
			if err = x.withhold(x.impaired); err != nil {
				return err
			}
		}
		if err == nil || !isTimeout(err) || !x.waitLonger() {
			x.noteFirst()
			return err
		}
	}
}

func (x *exchange) noteFirst() {
	if first := x.back.first(); !first.IsZero() && x.o.TargetTime < 0 {
		x.o.TargetTime = max(0, first.Sub(x.sent)) + x.late
	}
}

// expectTarget arms the first, short wait. Most answers come within it and cost no watch.
func (x *exchange) expectTarget(since time.Time) {
	wait := x.idleTimeout()
	if x.front.watching() {
		x.front.watch(x.abandon)
	} else {
		wait = min(wait, x.node.timing.watchAfter)
	}
	x.since = since
	x.back.until(since.Add(wait))
}

// abandon gives the request up because the client left.
func (x *exchange) abandon() { x.back.end(endedByClient) }

// waitLonger starts the watch after the first wait, and reports whether the idle timeout, which any
// byte in either direction starts anew, has not passed yet.
func (x *exchange) waitLonger() bool {
	if !x.front.watching() && x.up.over() {
		x.front.watch(x.abandon)
	}
	last := x.since
	if at := x.activity.Load(); at > last.UnixNano() {
		last = time.Unix(0, at)
	}
	deadline := last.Add(x.idleTimeout())
	now := time.Now()
	if !now.Before(deadline) {
		return false
	}
	if !x.up.over() {
		deadline = earlier(deadline, now.Add(time.Second)) // to watch the client once its body is here
	}
	x.back.until(deadline)
	return true
}
