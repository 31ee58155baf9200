package alb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"drydock/alb/node"
)

// outside is what a snapshot takes from elsewhere than from the balancer's rows.
type outside struct {
	sources      map[string]source // by load balancer ARN
	certificates []node.Certificate
}

// source is what targets are dialled with.
type source struct {
	addr netip.Addr
	mark uint32
}

func (b *Balancer) look(s state) outside {
	o := outside{sources: make(map[string]source, len(s.loadBalancers.rows)), certificates: b.certificates(s)}
	for arn, lb := range s.loadBalancers.rows {
		addr, mark := b.network.DialFrom(lb.VPCAddress)
		o.sources[arn] = source{addr, mark}
	}
	return o
}

func (o outside) same(other outside) bool {
	return maps.Equal(o.sources, other.sources) && slices.Equal(o.certificates, other.certificates)
}

// certificatesChanged returns nil, which is never ready, if there are no certificates.
func (b *Balancer) certificatesChanged() <-chan struct{} {
	if b.config.Certificates == nil {
		return nil
	}
	return b.config.Certificates.Changed()
}

// cookieKeyRow holds the key that seals stickiness cookies: clients stay with their targets
// when the daemon or the node starts again.
const cookieKeyRow = "balancer/cookie-key"

// cookieKeySize is that of an AES-256 key.
const cookieKeySize = 32

// loadCookieKey makes the key if there is none.
func (b *Balancer) loadCookieKey(ctx context.Context) error {
	err := b.store.Load(ctx, "balancer", func(key string, doc []byte) error {
		if "balancer/"+key != cookieKeyRow {
			return nil
		}
		return json.Unmarshal(doc, &b.cookieKey)
	})
	if err != nil {
		return fmt.Errorf("load cookie key: %w", err)
	}
	if len(b.cookieKey) == cookieKeySize {
		return nil
	}
	b.cookieKey = make([]byte, cookieKeySize)
	rand.Read(b.cookieKey)
	if err := b.store.Commit(ctx, map[string]any{cookieKeyRow: b.cookieKey}, nil); err != nil {
		return fmt.Errorf("keep cookie key: %w", err)
	}
	return nil
}
