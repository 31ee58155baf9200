package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/network"
	"drydock/orchestrator"
)

// namespaces returns the ids of those that were made before their tasks.
func (b *bubble) namespaces() []string {
	var ids []string
	list, _ := b.engine.ListWarm(b.t.Context())
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	return ids
}

// joined returns the tasks that took a warm interface, and the ids of their namespaces.
func (b *bubble) joined() map[string]string {
	ids := map[string]string{}
	for _, t := range b.tasks() {
		if t.Interface != nil && t.Interface.Warm != "" {
			ids[t.ARN] = t.Interface.Warm
		}
	}
	return ids
}

// full waits until the pool is full and nothing else is left of it than what tasks have: every
// namespace belongs to a spare or to one task, and so does every interface.
func (b *bubble) full() {
	b.t.Helper()
	if !b.eventually(time.Minute, func() bool { return b.pooled() == "" }) {
		b.t.Fatalf("the pool is not full: %s", b.pooled())
	}
}

// pooled says what is wrong with the pool, if anything is.
func (b *bubble) pooled() string {
	l := b.life.Load()
	ready, size := l.scheduler.WarmPool()
	joined := b.joined()
	switch all := b.namespaces(); {
	case ready != size:
		return fmt.Sprintf("%d of %d are ready", ready, size)
	case len(all) != ready+len(joined):
		return fmt.Sprintf("%d namespaces for %d spare ones and the tasks %v", len(all), ready, joined)
	}
	warm := 0
	for _, i := range l.held() {
		if i.Warm() {
			warm++
		}
	}
	if warm != ready {
		return fmt.Sprintf("%d warm interfaces, %d are ready", warm, ready)
	}
	given := map[string]bool{}
	for _, id := range joined {
		if given[id] {
			return "namespace " + id + " belongs to two tasks"
		}
		given[id] = true
	}
	return ""
}

func TestWarm_AReplacementTakesAWarmInterface(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, warm: 2}, func(t *testing.T, b *bubble) {
		if n := len(b.joined()); n != 0 {
			t.Errorf("%d tasks of the first deployment had a warm interface: the pool is filled when nothing starts", n)
		}
		b.full()
		held := b.life.Load().held()
		crashed := b.tasks()[0]
		b.engine.Crash(crashed.ARN, "app", 1)
		time.Sleep(time.Second)
		b.steady(time.Minute)
		joined := b.joined()
		if len(joined) != 1 {
			t.Fatalf("tasks with a warm interface: %v, want the replacement\n%s", joined, b.story())
		}
		for arn := range joined {
			i := b.task(arn).Interface
			if n := slices.IndexFunc(held, func(h network.Interface) bool { return h.ID == i.ID }); n < 0 || !held[n].Warm() {
				t.Errorf("its interface %+v was not there before it", i)
			}
			if got := b.interfaceOf(i.ID); got.Owner != arn || len(got.Groups) != 1 {
				t.Errorf("its interface is %+v, want it the task's and in its groups", got)
			}
		}
		b.full()
	})
}

func (b *bubble) interfaceOf(id string) network.Interface {
	all := b.life.Load().interfaces()
	if n := slices.IndexFunc(all, func(i network.Interface) bool { return i.ID == id }); n >= 0 {
		return all[n]
	}
	return network.Interface{}
}

// The pool makes nothing while tasks start.
func TestWarm_RefillWaitsForStarts(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 3, min: 100, max: 200, warm: 2}, func(t *testing.T, b *bubble) {
		b.full()
		slow := wellBehaved
		slow.Start = 20 * time.Second
		b.deployScript("app:2", behaviour{}, slow)
		time.Sleep(10 * time.Second)
		if n := len(b.namespaces()); n != 2 {
			t.Errorf("%d namespaces while tasks start, want the 2 that were there", n)
		}
		if n := len(b.joined()); n != 2 {
			t.Errorf("%d of 3 starting tasks have a warm interface, want 2", n)
		}
		b.steady(10 * time.Minute)
		b.full()
	})
}

func TestWarm_DockerRestartDropsThePool(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, warm: 2}, func(t *testing.T, b *bubble) {
		b.full()
		before := b.namespaces()
		b.engine.KillWarm()
		time.Sleep(2 * time.Second)
		b.full()
		for _, id := range b.namespaces() {
			if slices.Contains(before, id) {
				t.Errorf("namespace %s is back from the dead", id)
			}
		}
	})
}

func TestWarm_ClaimedNamespaceThatDiesKeepsNoTaskFromStarting(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, warm: 1}, func(t *testing.T, b *bubble) {
		b.full()
		slow := wellBehaved
		slow.Pull, slow.Start = 0, 2*time.Second
		b.deployScript("app:2", behaviour{}, slow)
		time.Sleep(500 * time.Millisecond)
		b.engine.KillWarm()
		b.steady(10 * time.Minute)
		b.full()
	})
}

func TestWarm_SizeZeroRemovesThePool(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, warm: 3}, func(t *testing.T, b *bubble) {
		b.full()
		b.engine.Crash(b.tasks()[0].ARN, "app", 1)
		time.Sleep(time.Second)
		b.steady(time.Minute)
		b.kill()
		b.config.warm = 0
		b.must(b.start())
		time.Sleep(10 * time.Second)
		b.full()
		if n, joined := len(b.namespaces()), len(b.joined()); n != 1 || joined != 1 {
			t.Errorf("%d namespaces are left, %d of tasks: want the one that the replacement has", n, joined)
		}
	})
}

// The pool gives its addresses to tasks that find none, and takes none from them.
func TestWarm_NoAddressIsLeft(t *testing.T) {
	config := bubbleConfig{desired: 2, min: 100, max: 200, warm: 2, cidr: "10.0.0.0/27", quarantine: 5 * time.Second}
	inBubble(t, config, func(t *testing.T, b *bubble) {
		b.full()
		many, few := 60, 3
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &many }))
		time.Sleep(time.Minute)
		if ready, _ := b.life.Load().scheduler.WarmPool(); ready != 0 || len(b.running()) == many {
			t.Errorf("%d interfaces are kept ready while tasks wait for addresses, %d of %d run", ready, len(b.running()), many)
		}
		b.must(b.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &few }))
		b.steady(time.Minute)
		b.full()
	})
}

func TestWarm_NamesOfBalancersAreNew(t *testing.T) {
	inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, warm: 2}, func(t *testing.T, b *bubble) {
		b.full()
		before := b.namespaces()
		b.hosts.Store(&map[string]string{"new.elb.localhost": "10.0.0.9"})
		b.life.Load().scheduler.Poke()
		time.Sleep(3 * time.Second)
		b.full()
		for _, id := range b.namespaces() {
			if slices.Contains(before, id) {
				t.Errorf("namespace %s does not know the new load balancer", id)
			}
		}
	})
}

// A daemon that is killed at any moment leaves nothing that the next one does not find: no
// namespace or interface is lost, and none is given twice.
func TestWarm_KilledAtAnyMoment(t *testing.T) {
	for after := time.Duration(0); after < 1500*time.Millisecond; after += 50 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 2, min: 100, max: 200, warm: 2}, func(t *testing.T, b *bubble) {
				b.full()
				b.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true })
				time.Sleep(after)
				b.kill()
				b.must(b.start())
				b.steady(10 * time.Minute)
				b.full()
			})
		})
	}
}

// The same between any two writes of the store.
func TestWarm_KilledBetweenAnyTwoWrites(t *testing.T) {
	for n := 1; n <= 40; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, bubbleConfig{desired: 1, min: 100, max: 200, warm: 1}, func(t *testing.T, b *bubble) {
				b.full()
				b.life.Load().store.killAfter(n)
				b.engine.Crash(b.tasks()[0].ARN, "app", 1)
				time.Sleep(5 * time.Second)
				b.kill()
				b.must(b.start())
				b.steady(10 * time.Minute)
				b.full()
				if s := b.story(); strings.Contains(s, "unable to place") {
					t.Error(s)
				}
			})
		})
	}
}
