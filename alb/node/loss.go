package node

import (
	"errors"
	"time"

	"drydock/timeline"
)

var (
	errBadResponse = errors.New("malformed response")
	errShort       = errors.New("body shorter than its Content-Length")
)

// lose makes the outcome and the error page for a response that did not come.
func (x *exchange) lose(err error) {
	up := x.up
	stalled, blamed := up.stalled(x), x.back.ended() == endedByUpload
	up.stop(x)
	cause, detail := x.lossCause(err), err.Error()
	switch {
	case blamed:
		cause, detail = up.cause, up.detail
		x.front.last()
	case stalled && cause == timeline.ResponseTimeout:
		cause, detail = timeline.ClientIdle, "request body: "+detail
		x.front.last()
	}
	if x.front.unwatch() && cause == timeline.TargetClosedInflight {
		cause = timeline.ClientGone
	}
	x.markLoss(cause, detail)
}

func (x *exchange) markLoss(cause timeline.Cause, detail string) {
	if x.back.first().IsZero() {
		x.o.TargetTime = time.Since(x.sent)
	}
	x.o.Cause, x.o.Detail, x.o.Status = cause, detail, shapes[cause].status
	if cause == timeline.CauseNone {
		x.o.Status, x.o.EndedBy, x.o.Detail = 502, "alb", errStopped.Error()
		x.front.last()
	}
	if x.o.Status == 460 {
		x.front.cut()
		return
	}
	a := errorPage(x.o.Status, x.req.chrome)
	x.route.edits.dressAnswer(&a)
	x.front.say(a)
}

// lossCause names the reason why no response came (ALB-014).
func (x *exchange) lossCause(err error) timeline.Cause {
	switch x.back.ended() {
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
	case errors.Is(err, errStreamReset):
		return timeline.TargetClosedInflight
	case x.back.nth() > 1 && !x.back.heard() && time.Since(x.sent) < x.node.timing.race:
		return timeline.KeepaliveRace
	}
	return timeline.TargetClosedInflight
}

// truncate ends a response in its middle. What the front has kept of it leaves first: the status that
// is reported is one that the client sees.
func (x *exchange) truncate(err error) {
	x.o.Detail = err.Error()
	var client errClient
	if why := x.back.ended(); errors.As(err, &client) || why == endedByClient || why == endedByUpload {
		x.front.cut()
		x.o.EndedBy = "client"
		return
	}
	x.front.flush()
	x.front.cut()
	x.o.Cause = timeline.TruncatedResponse
	switch x.back.ended() {
	case endedByDraining:
		x.o.Detail, x.o.EndedBy = errDrained.Error(), "alb"
	case endedByStop:
		x.o.Detail, x.o.EndedBy = errStopped.Error(), "alb"
	default:
		if isTimeout(err) {
			x.o.EndedBy = "alb"
		}
	}
}
