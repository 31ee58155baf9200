package alb

import (
	"bytes"
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// TestDial_FollowsWhatTheHostHas lets a load balancer's address come and go.
func TestDial_FollowsWhatTheHostHas(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		w.network.take(true)
		tg := w.serving()
		lb := must(w.DescribeLoadBalancers(t.Context(), nil, nil))[0]
		check := func(when string, addr netip.Addr, mark uint32) {
			t.Helper()
			synctest.Wait()
			balancer, group := w.node.last().LoadBalancers[0], w.group(tg)
			if balancer.Source != addr || balancer.Mark != mark || group.Source != addr || group.Mark != mark || balancer.Address != lb.VPCAddress {
				t.Errorf("%s: %s %d and %s %d; want %s %d", when, balancer.Source, balancer.Mark, group.Source, group.Mark, addr, mark)
			}
		}
		check("before the host has the address", netip.Addr{}, 0)
		go w.Run(t.Context())
		w.network.take(false)
		check("afterwards", lb.VPCAddress, mark)
		version := w.node.last().Version
		w.network.take(false)
		synctest.Wait()
		if w.node.last().Version != version {
			t.Error("a change of the network that changes nothing made another snapshot")
		}
		w.network.take(true)
		check("when it has lost it", netip.Addr{}, 0)
	})
}

func TestCookieKey_OutlivesTheDaemon(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.node.last().CookieKey
	if len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
		t.Fatalf("the key is %x", key)
	}
	w.open(Config{})
	if again := w.node.last().CookieKey; !bytes.Equal(again, key) {
		t.Errorf("the key was %x and is %x", key, again)
	}
	if other := newWorld(t, Config{}).node.last().CookieKey; bytes.Equal(other, key) {
		t.Error("another store has the same key")
	}
}

func TestReapply_GivesTheNodeTheSameStateWithAnotherVersion(t *testing.T) {
	w := newWorld(t, Config{})
	w.serving()
	before := w.node.last()
	w.node.Apply(node.Snapshot{})
	w.Reapply(t.Context())
	after := w.node.last()
	if after.Version <= before.Version {
		t.Errorf("version went from %d to %d", before.Version, after.Version)
	}
	after.Version = before.Version
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the snapshot was\n%+v\nand is\n%+v", before, after)
	}
}

func TestFault_OfATargetGroupStaysUntilItIsRemoved(t *testing.T) {
	w := newWorld(t, Config{StaleConnection: time.Millisecond})
	tg, other := w.serving(), w.targetGroup("orders")
	if warnings := w.store.Told(timeline.Warning); len(warnings) != 1 || warnings[0].Data["fault"] != "stale-connection=widen:1ms" {
		t.Errorf("warnings are %+v", warnings)
	}
	ctx := timeline.WithCause(t.Context(), 7)
	if err := w.SetFault(ctx, tg.ARN, 2*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	warnings := w.store.Told(timeline.Warning)
	if last := warnings[len(warnings)-1]; last.Subject != tg.ARN || last.Cause != 7 || !strings.Contains(last.Message, "2ms") {
		t.Errorf("the warning is %+v", last)
	}
	w.open(w.config)
	if got := w.group(tg).StaleConnection; got != 2*time.Millisecond {
		t.Errorf("the group's fault is %v", got)
	}
	if got := must(w.DescribeTargetGroups(t.Context(), "", []string{tg.ARN}, nil))[0].StaleConnection; got != 2*time.Millisecond {
		t.Errorf("described as %v", got)
	}
	if got := w.group(other).StaleConnection; got != time.Millisecond {
		t.Errorf("the other group's fault is %v", got)
	}
	if err := w.SetFault(context.Background(), tg.ARN, 0); err != nil {
		t.Fatal(err)
	}
	if got := w.group(tg).StaleConnection; got != time.Millisecond {
		t.Errorf("after its removal the fault is %v", got)
	}
}
