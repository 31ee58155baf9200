package node

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"drydock/timeline"
)

// impaired makes the bubble's target a healthy, faulty one. It is asked over kept connections.
func (b *bubble) impaired(f TargetFault) {
	b.t.Helper()
	if f.Sources == nil {
		f.Sources = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	}
	b.apply(func(s *Snapshot) { s.TargetGroups[0].Targets[0].Fault = &f })
}

// took asks on a connection of the client and returns the status and how long it took.
func (b *bubble) took(c *client) (int, time.Duration) {
	b.t.Helper()
	begin := time.Now()
	status := c.send("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n").status()
	return status, time.Since(begin)
}

func near(got, want time.Duration) bool { return got >= want && got <= want+2*withholdStep }

// TestImpair_LatencyMakesConnectionsAndAnswersLate: ALB-150.
func TestImpair_LatencyMakesConnectionsAndAnswersLate(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.target().State = Healthy
		b.run()
		b.impaired(TargetFault{Delay: 300 * time.Millisecond})
		c := b.connect()
		defer c.Close()
		if status, took := b.took(c); status != 200 || !near(took, 600*time.Millisecond) {
			t.Errorf("on a new connection: %d after %v, want 200 after 600ms", status, took)
		}
		if status, took := b.took(c); status != 200 || !near(took, 300*time.Millisecond) {
			t.Errorf("on a kept connection: %d after %v, want 200 after 300ms", status, took)
		}
		list := b.record.wait(t, 2)
		if last := list[1]; !last.Connection.Reused || last.TargetTime < 300*time.Millisecond {
			t.Errorf("outcome %+v, want the delay in the target's time", last)
		}
		b.apply(func(s *Snapshot) { s.TargetGroups[0].Targets[0].Fault = nil })
		if status, took := b.took(c); status != 200 || took != 0 {
			t.Errorf("after the fault: %d after %v", status, took)
		}
	})
}

// TestImpair_LostPacketsTimeOut: ALB-151.
func TestImpair_LostPacketsTimeOut(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.target().State = Healthy
		b.run()
		kept := b.connect()
		defer kept.Close()
		if status, took := b.took(kept); status != 200 || took != 0 {
			t.Fatalf("without a fault: %d after %v", status, took)
		}
		b.impaired(TargetFault{Loss: 100})
		if status, took := b.took(kept); status != 504 || !near(took, 60*time.Second) {
			t.Errorf("on a kept connection: %d after %v, want 504 after the idle timeout", status, took)
		}
		fresh := b.connect()
		defer fresh.Close()
		if status, took := b.took(fresh); status != 504 || !near(took, 10*time.Second) {
			t.Errorf("on a new connection: %d after %v, want 504 after the connect timeout", status, took)
		}
		list := b.record.wait(t, 3)
		if list[1].Cause != timeline.ResponseTimeout || list[2].Cause != timeline.ConnectTimeout {
			t.Errorf("causes %s and %s", list[1].Cause, list[2].Cause)
		}
	})
}

func TestImpair_ClientsThatLeaveAreNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.group().HealthCheck.Enabled = false
		b.target().State = Healthy
		b.run()
		kept := b.connect()
		if status, _ := b.took(kept); status != 200 {
			t.Fatal(status)
		}
		b.impaired(TargetFault{Delay: 20 * time.Second})
		kept.send("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n")
		time.Sleep(time.Second)
		kept.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if list := b.record.wait(t, 2); list[1].Cause != timeline.ClientGone {
			t.Errorf("%+v, want a 460", list[1])
		}
	})
}

func TestImpair_HealthChecksAreLateToo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.net.app(appAddr, 200)
		b.run()
		time.Sleep(time.Second)
		b.expectStates(started, becameWell)
		b.impaired(TargetFault{Delay: 3 * time.Second}) // twice is more than the timeout
		time.Sleep(time.Minute + 6*time.Second)
		b.expectStates(started, becameWell, "healthy→unhealthy Target.Timeout Request timed out")
	})
}

func TestImpair_ConcernsItsSourcesOnly(t *testing.T) {
	within, other := netip.MustParseAddr("172.31.0.7"), netip.MustParseAddr("172.31.9.9")
	f := TargetFault{Sources: []netip.Prefix{netip.MustParsePrefix("172.31.0.0/24")}, Except: []netip.Prefix{netip.MustParsePrefix("172.31.0.8/32")}}
	if !f.concerns(within) || f.concerns(other) || f.concerns(netip.MustParseAddr("172.31.0.8")) || f.concerns(netip.Addr{}) {
		t.Error("the fault concerns the wrong load balancers")
	}
	f.Sources = append(f.Sources, netip.MustParsePrefix("0.0.0.0/0"))
	if !f.concerns(other) || !f.concerns(netip.Addr{}) {
		t.Error("the fault does not concern everybody")
	}
}

func TestImpair_LossRepeatsLaterEachTime(t *testing.T) {
	possible := map[time.Duration]int{}
	f := TargetFault{Loss: 50}
	for range 2000 {
		possible[f.handshake()]++
	}
	for n, want := range []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second} {
		if share := float64(possible[want]) / 2000; share < 0.7/float64(int(2)<<n) || share > 1.5/float64(int(2)<<n) {
			t.Errorf("%v: %.3f of all, want about %.3f", want, share, 1/float64(int(2)<<n))
		}
	}
	jittery := TargetFault{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond}
	for range 100 {
		if d := jittery.answer(); d < 6*time.Millisecond || d > 14*time.Millisecond {
			t.Fatalf("delay %v is not 10 ± 4 ms", d)
		}
	}
}
