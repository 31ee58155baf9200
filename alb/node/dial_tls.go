package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"drydock/timeline"
)

// secure makes a TLS session with the target on a new connection, or closes it. Certificates of
// targets are not checked; a session is taken up again where the target allows it (ALB-064).
func (x *exchange) secure(t *target, conn net.Conn, protocols ...string) (*tls.Conn, timeline.Cause, error) {
	ctx, cancel := context.WithTimeout(t.ctx, x.node.timing.handshake)
	defer cancel()
	x.front.watch(cancel)
	begin := time.Now()
	session := tls.Client(conn, t.tlsConfig(protocols))
	err := session.HandshakeContext(ctx)
	x.o.Connection.Dial += time.Since(begin)
	x.front.watch(nil)
	if err == nil {
		return session, "", nil
	}
	conn.Close()
	return nil, x.secureFailure(ctx, t), err
}

func (x *exchange) secureFailure(ctx context.Context, t *target) timeline.Cause {
	switch {
	case x.front.left():
		return timeline.ClientGone
	case errors.Is(context.Cause(t.ctx), errDrained):
		return timeline.DeregDelayElapsed
	case t.ctx.Err() != nil:
		return timeline.CauseNone
	case ctx.Err() != nil:
		return timeline.TargetTLSTimeout
	}
	return timeline.TargetTLSError
}

// tlsConfig is what the target is offered. Its sessions are its own, never those of another
// registration on its address.
func (t *target) tlsConfig(protocols []string) *tls.Config {
	t.sessions.Do(func() { t.sessionCache = tls.NewLRUClientSessionCache(sessionsPerTarget) })
	c := offerToTargets(protocols...)
	c.ClientSessionCache, c.Renegotiation = t.sessionCache, tls.RenegotiateFreelyAsClient
	return c
}

// offerToTargets is what requests and health checks alike offer: by a policy of ELB's own, which is wider
// than what the TLS library would offer by itself (ALB-054, ALB-064).
func offerToTargets(protocols ...string) *tls.Config {
	policy, _ := PolicyNamed("ELBSecurityPolicy-TLS13-1-0-2021-06")
	own := policy.settings()
	return &tls.Config{InsecureSkipVerify: true, MinVersion: own.MinVersion, CipherSuites: own.CipherSuites, NextProtos: protocols}
}
