package node

import (
	"context"
	"errors"
	"net"
	"time"

	"drydock/timeline"
)

// connect gives the exchange a back to the target: on a connection that is there, or on a new one.
// It chooses by what the target group speaks. On failure the cause is CauseNone only if the node
// stops. Whatever it takes connections from belongs to the target, so that a
// connection never serves another registration; keepNone and endAll reach all of it.
func (x *exchange) connect(t *target) (timeline.Cause, error) {
	if t.speaksHTTP2() {
		return x.connectHTTP2(t)
	}
	return x.connectHTTP1(t)
}

// speaksHTTP2 reports whether the target is asked in HTTP/2, for gRPC or not.
func (t *target) speaksHTTP2() bool { return t.version == "HTTP2" || t.version == "GRPC" }

// keepNone closes what is idle, and has no connection kept from now on.
func (t *target) keepNone() {
	t.pool.close()
	t.h2.close()
}

// endAll closes every connection to the target, also under requests.
func (t *target) endAll(why int32) {
	t.pool.endAll(why)
	t.h2.endAll(why)
}

func (x *exchange) connectHTTP1(t *target) (timeline.Cause, error) {
	if b := t.pool.get(x.o.Start, t.life.current.Load().stale); b != nil {
		b.uses++
		x.o.Connection = timeline.Connection{Reused: true, Nth: b.uses, Idle: max(0, x.o.Start.Sub(b.idle))}
		x.back = b
		return "", nil
	}
	conn, cause, err := x.dial(t)
	if err != nil {
		return cause, err
	}
	if t.protocol == "HTTPS" {
		if conn, cause, err = x.secure(t, conn); err != nil {
			return cause, err
		}
	}
	b := newHTTP1Back(&t.pool, conn, &x.route.tally.targets)
	t.pool.add(b)
	x.back = b
	return "", nil
}

// dial makes a connection to the target, while the client is watched.
func (x *exchange) dial(t *target) (net.Conn, timeline.Cause, error) {
	ctx, cancel := context.WithTimeout(t.ctx, x.node.timing.connect)
	defer cancel()
	x.front.watch(cancel)
	begin := time.Now()
	conn, err := x.knock(ctx, t)
	x.o.Connection = timeline.Connection{Nth: 1, Dial: time.Since(begin)}
	x.front.watch(nil)
	if err != nil {
		return nil, x.dialFailure(ctx, t, err), err
	}
	return conn, "", nil
}

// knock connects to the target. Where nobody answers for an address, a Linux bridge gives up
// after three seconds; a VPC drops the packets in silence while TCP repeats its SYN until the
// connect timeout (ALB-013). So the SYN is repeated here. Nothing of the request is sent before.
func (x *exchange) knock(ctx context.Context, t *target) (net.Conn, error) {
	if f := x.impaired; f != nil {
		if err := await(ctx, f.handshake()); err != nil {
			return nil, err
		}
	}
	for {
		conn, err := x.node.dial(ctx, x.route.lb.Source, x.route.lb.Mark, t.addr)
		if err == nil || !vanished(err) {
			return conn, err
		}
		again := time.NewTimer(x.node.timing.knock)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, err
		case <-again.C:
		}
	}
}

func (x *exchange) dialFailure(ctx context.Context, t *target, err error) timeline.Cause {
	switch {
	case x.front.left():
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
