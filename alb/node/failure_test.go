package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drydock/network/networktest"
	"drydock/timeline"
)

// times is the shape of an outcome's three times: x is a value, - is none.
func times(o timeline.Outcome) string {
	b := []byte("---")
	for i, d := range []time.Duration{o.RequestTime, o.TargetTime, o.ResponseTime} {
		if d >= 0 {
			b[i] = 'x'
		}
	}
	return string(b)
}

// row is what a row of the deploy-time failure matrix looks like.
type row struct {
	status, targetStatus int
	times                string
	cause                timeline.Cause
}

func checkRow(t *testing.T, o timeline.Outcome, want row) {
	t.Helper()
	if got := (row{o.Status, o.TargetStatus, times(o), o.Cause}); got != want {
		t.Errorf("got %+v, want %+v (%s)", got, want, o.Detail)
	}
	if o.ID == "" || o.TraceID == "" || o.End.Before(o.Start) || o.Client == "" || o.SnapshotVersion == 0 {
		t.Errorf("incomplete outcome: %+v", o)
	}
}

// refusing is a target that refuses connections.
func refusing(t *testing.T) Target {
	t.Helper()
	return healthyTarget(networktest.Address(t).String())
}

func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func TestMatrix_1_EmptyGroupIs503(t *testing.T) {
	s := newStack(t).run()
	if got := s.dial().send(get).status(); got != 503 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{503, 0, "---", timeline.NoRegisteredTargets})
	if o.TargetGroup != groupARN || o.Action != "forward" || o.Target.Address != "" {
		t.Errorf("%+v", o)
	}
}

func TestMatrix_2_InitialTargetNotListeningIs502FailOpen(t *testing.T) {
	target := refusing(t)
	target.State = Initial
	s := newStack(t, target).run()
	if got := s.dial().send(get).status(); got != 502 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{502, 0, "---", timeline.ConnRefused})
	if !o.Target.FailOpen || o.Target.State != "initial" || !strings.Contains(o.Detail, "connection refused") {
		t.Errorf("%+v", o)
	}
}

func TestMatrix_3_AllUnhealthyStillAnswers(t *testing.T) {
	target := backend(t, always(hello))
	target.State = Unhealthy
	s := newStack(t, target).run()
	if got := s.dial().send(get).status(); got != 200 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{200, 200, "xxx", ""})
	if !o.Target.FailOpen || o.Target.State != "unhealthy" {
		t.Errorf("%+v", o)
	}
}

func TestMatrix_4_DrainingTargetThatRefusesIs502(t *testing.T) {
	target := refusing(t)
	target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	s := newStack(t, target).run()
	if got := s.dial().send(get).status(); got != 502 {
		t.Error(got)
	}
	o := s.record.one(t)
	checkRow(t, o, row{502, 0, "---", timeline.ConnRefusedDraining})
	if o.Target.State != "draining" {
		t.Errorf("%+v", o.Target)
	}
}

func TestMatrix_5_VanishedTargetIs504(t *testing.T) {
	for _, draining := range []bool{true, false} {
		target := healthyTarget("127.0.0.1:9")
		cause := timeline.ConnectTimeout
		if draining {
			target.Draining, target.DrainFrom = true, time.Now().Add(time.Hour)
			cause = timeline.ConnectTimeoutDraining
		}
		s := newStack(t, target)
		s.timing.connect = 100 * time.Millisecond
		s.Node.dial = func(context.Context, netip.Addr, uint32, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
		}
		s.run()
		began := time.Now()
		if got := s.dial().send(get).status(); got != 504 {
			t.Error(got)
		}
		if time.Since(began) < s.timing.connect {
			t.Error("did not wait in silence")
		}
		checkRow(t, s.record.one(t), row{504, 0, "---", cause})
	}
}

// TestMatrix_5_AnAddressThatIsResetAfterASilenceIs502: the interface of a stopped task comes to
// answer with RST while the SYN is repeated.
func TestMatrix_5_AnAddressThatIsResetAfterASilenceIs502(t *testing.T) {
	s := newStack(t, healthyTarget("127.0.0.1:9"))
	s.timing.knock = time.Millisecond
	var syns atomic.Int32
	s.Node.dial = func(context.Context, netip.Addr, uint32, netip.AddrPort) (net.Conn, error) {
		if syns.Add(1) < 3 {
			return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
		}
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	s.run()
	if got := s.dial().send(get).status(); got != 502 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{502, 0, "---", timeline.ConnRefused})
}

func TestMatrix_6_TargetClosesInFlightIs502(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"FIN": func(c net.Conn) { c.Close() }, "RST": reset} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				end(conn)
			})).run()
			if got := s.dial().send(get).status(); got != 502 {
				t.Error(got)
			}
			checkRow(t, s.record.one(t), row{502, 0, "xx-", timeline.TargetClosedInflight})
		})
	}
}

func TestMatrix_7_KeepAliveRaceIs502AndNeverRetried(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"FIN": func(c net.Conn) { c.Close() }, "RST": reset} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				for n := 1; ; n++ {
					if _, _, err := readRequest(r); err != nil {
						return
					}
					seen.Add(1)
					if n == 2 {
						end(conn)
						return
					}
					io.WriteString(conn, hello)
				}
			})).run()
			c := s.dial()
			c.send(get).status()
			if got := c.send(get).status(); got != 502 {
				t.Error(got)
			}
			o := s.record.wait(t, 2)[1]
			checkRow(t, o, row{502, 0, "xx-", timeline.KeepaliveRace})
			if !o.Connection.Reused || o.Connection.Nth != 2 || seen.Load() != 2 {
				t.Errorf("%d attempts seen; %+v", seen.Load(), o)
			}
		})
	}
}

func TestMatrix_8_RequestLongerThanDrainingIs502(t *testing.T) {
	asked := make(chan struct{})
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		close(asked)
		r.ReadByte()
	})).run()
	c := s.dial().send(get)
	<-asked
	s.apply(func(n *Snapshot) {
		target := &n.TargetGroups[0].Targets[0]
		target.Draining, target.DrainFrom, target.DrainUntil = true, time.Now(), time.Now().Add(50*time.Millisecond)
	})
	if got := c.status(); got != 502 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{502, 0, "xx-", timeline.DeregDelayElapsed})
}

func TestMatrix_9_SlowTargetIs504(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		r.ReadByte()
	}))
	s.attributes().IdleTimeout = 150 * time.Millisecond
	s.run()
	if got := s.dial().send(get).status(); got != 504 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{504, 0, "x--", timeline.ResponseTimeout})
}

func TestMatrix_10_ClientThatLeavesIs460(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"FIN": func(c net.Conn) { c.Close() }, "RST": reset,
		"half close": func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }} {
		t.Run(name, func(t *testing.T) {
			asked, left := make(chan struct{}), make(chan struct{})
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				close(asked)
				r.ReadByte()
				close(left)
			})).run()
			c := s.dial().send(get)
			<-asked
			end(c.Conn)
			o := s.record.one(t)
			checkRow(t, o, row{460, 0, "---", timeline.ClientGone})
			if o.SentBytes != 0 || o.EndedBy != "client" {
				t.Errorf("%+v", o)
			}
			<-left // the target sees that nobody waits any more
		})
	}
}

func TestClientThatLeavesDuringConnectIs460(t *testing.T) {
	s := newStack(t, healthyTarget("127.0.0.1:9"))
	dialing := make(chan struct{})
	s.Node.dial = func(ctx context.Context, _ netip.Addr, _ uint32, _ netip.AddrPort) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.run()
	c := s.dial().send(get)
	<-dialing
	c.Close()
	checkRow(t, s.record.one(t), row{460, 0, "---", timeline.ClientGone})
}

func TestMatrix_12_WeightOnEmptyGroupHasNoFailover(t *testing.T) {
	s := newStack(t, backend(t, always(hello)))
	s.snapshot.TargetGroups = append(s.snapshot.TargetGroups, TargetGroup{ARN: "green", InUse: true})
	(*s.rules())[0].Action = Action{Forward: &Forward{TargetGroups: []WeightedTargetGroup{{groupARN, 1}, {"green", 1}}}}
	s.run()
	c := s.dial()
	seen := map[int]int{}
	for range 64 {
		seen[c.send(get).status()]++
	}
	if seen[200] == 0 || seen[503] == 0 || seen[200]+seen[503] != 64 {
		t.Error(seen)
	}
}

func TestMatrix_16_BadResponsesAre502(t *testing.T) {
	large := "HTTP/1.1 200 OK\r\n" + strings.Repeat("Set-Cookie: "+strings.Repeat("x", 1000)+"\r\n", 33) + "\r\n"
	for name, c := range map[string]struct {
		response string
		cause    timeline.Cause
	}{
		"garbage":             {"hello world\r\n\r\n", timeline.BadResponse},
		"header without name": {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", timeline.BadResponse},
		"folded":              {"HTTP/1.1 200 OK\r\nA: x\r\n y\r\n\r\n", timeline.BadResponse},
		"lengths":             {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", timeline.BadResponse},
		"negative":            {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", timeline.BadResponse},
		"gzip encoding":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", timeline.BadResponse},
		"101":                 {"HTTP/1.1 101 Switching Protocols\r\n\r\n", timeline.BadResponse},
		"large":               {large, timeline.ResponseHeaderTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, always(c.response))).run()
			if got := s.dial().send(get).status(); got != 502 {
				t.Error(got)
			}
			checkRow(t, s.record.one(t), row{502, 0, "xx-", c.cause})
		})
	}
}

func TestMatrix_19_TargetDiesMidBodyTruncates(t *testing.T) {
	for name, start := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(conn, start)
				time.Sleep(20 * time.Millisecond)
			})).run()
			c := s.dial().send(get)
			if text := c.rest(); !strings.Contains(text, "hello") || strings.HasSuffix(text, "0\r\n\r\n") {
				t.Errorf("%q", text)
			}
			checkRow(t, s.record.one(t), row{200, 200, "xxx", timeline.TruncatedResponse})
		})
	}
}

func TestMatrix_20_TargetMade5xxPassesThrough(t *testing.T) {
	s := newStack(t, backend(t, always("HTTP/1.1 503 Mine\r\nServer: app\r\nContent-Length: 2\r\n\r\nno"))).run()
	res, body := s.dial().send(get).response("GET")
	if res.Status != "503 Mine" || body != "no" || res.Header.Get("Server") != "app" {
		t.Error(res, body)
	}
	checkRow(t, s.record.one(t), row{503, 503, "xxx", timeline.TargetMade})
}

func TestAllTargetsDrainingIs503(t *testing.T) {
	target := refusing(t)
	target.Draining = true
	s := newStack(t, target).run()
	if got := s.dial().send(get).status(); got != 503 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{503, 0, "---", timeline.AllTargetsUnused})
}

func TestContentLengthShort_SilenceIs504(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		r.ReadByte()
	}))
	s.attributes().IdleTimeout = 150 * time.Millisecond
	s.run()
	if got := s.dial().send(get).status(); got != 504 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{504, 0, "x--", timeline.ContentLengthShort})
}

// An idle connection whose end has been read already is dropped in silence.
func TestPool_DropsConnectionsThatEndedWhileIdle(t *testing.T) {
	target, ended := answersOnce(t)
	s := newStack(t, target).run()
	c := s.dial()
	for range 5 {
		if got := c.send(get).status(); got != 200 {
			t.Error(got)
		}
		<-ended
	}
	for _, o := range s.record.wait(t, 5) {
		if o.Connection.Reused {
			t.Errorf("%+v", o)
		}
	}
}

// A target that answers early and closes, with the upload still going on, has answered.
func TestUpload_EarlyAnswerIsRelayed(t *testing.T) {
	s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
		}
		io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, r)
	})).run()
	c := s.dial().send("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 100000\r\n\r\nstart")
	if res, body := c.response("POST"); res.StatusCode != 413 || body != "big" {
		t.Error(res.Status, body)
	}
	checkRow(t, s.record.one(t), row{413, 413, "xxx", ""})
}

func TestUpload_ClientFaults(t *testing.T) {
	for name, c := range map[string]struct {
		send  string
		leave bool
		want  row
	}{
		"leaves":    {"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 9\r\n\r\nstart", true, row{400, 0, "---", timeline.ClientClosedBeforeBody}},
		"stalls":    {"POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 9\r\n\r\nstart", false, row{408, 0, "---", timeline.ClientIdle}},
		"bad chunk": {"POST / HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", false, row{400, 0, "---", timeline.MalformedRequest}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, _ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) }))
			s.attributes().IdleTimeout = 300 * time.Millisecond
			s.run()
			client := s.dial().send(c.send)
			if name == "bad chunk" {
				time.Sleep(20 * time.Millisecond)
				client.send("XX\r\n")
			}
			if c.leave {
				client.Conn.(*net.TCPConn).CloseWrite()
			}
			if got := client.status(); got != c.want.status {
				t.Error(got)
			}
			checkRow(t, s.record.one(t), c.want)
		})
	}
}

func TestClient_StalledHeadIs408AndIdleCloseIsSilent(t *testing.T) {
	s := newStack(t)
	s.attributes().IdleTimeout = 100 * time.Millisecond
	s.run()
	if text := s.dial().rest(); text != "" {
		t.Errorf("%q", text)
	}
	if got := s.dial().send("GET / HTTP/1.1\r\nHos").status(); got != 408 {
		t.Error(got)
	}
	checkRow(t, s.record.one(t), row{408, 0, "---", timeline.ClientIdle})
}

func TestOneAttemptOnly(t *testing.T) {
	var seen atomic.Int32
	var targets []Target
	for range 3 {
		targets = append(targets, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
			readRequest(r)
			seen.Add(1)
		}))
	}
	s := newStack(t, targets...).run()
	for i := range 6 {
		if got := s.dial().send(get).status(); got != 502 {
			t.Error(got)
		}
		if int(seen.Load()) != i+1 {
			t.Fatalf("%d requests at targets after %d", seen.Load(), i+1)
		}
	}
}

func TestDrain_NewRequestsGoElsewhereAndFlightFinishes(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 1)
	slow := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		asked <- struct{}{}
		<-release
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
	})
	s := newStack(t, slow).run()
	first := s.dial().send(get)
	<-asked
	other := backend(t, always(hello))
	s.apply(func(n *Snapshot) {
		g := &n.TargetGroups[0]
		g.Targets[0].Draining, g.Targets[0].DrainFrom, g.Targets[0].DrainUntil = true, time.Now(), time.Now().Add(time.Hour)
		g.Targets = append(g.Targets, other)
	})
	if n := s.InFlight(slow.Registration); n != 1 {
		t.Errorf("%d in flight", n)
	}
	c := s.dial()
	for range 4 {
		if _, body := c.send(get).response("GET"); body != "hello" {
			t.Error(body)
		}
	}
	close(release)
	if _, body := first.response("GET"); body != "slow" {
		t.Error(body)
	}
	s.record.wait(t, 5)
	for range 1000 {
		if s.InFlight(slow.Registration) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("still in flight")
}

// Once draining has begun and nothing is in flight, no request appears on the target.
func TestDrain_IsAtomicAgainstChoosing(t *testing.T) {
	for range 50 {
		g := newGroup(TargetGroup{}, new(groupLife))
		for i := range 2 {
			g.add(newTarget("g", g.life, Target{Registration: fmt.Sprint(i), State: Healthy}))
		}
		leaving := g.targets[0]
		var drained atomic.Bool
		done := make(chan struct{})
		for range 4 {
			go func() {
				defer func() { done <- struct{}{} }()
				for range 500 {
					late := drained.Load()
					c := g.choose(time.Now())
					if c.target == nil {
						t.Error("503 although a target is left")
						return
					}
					if late && c.target == leaving {
						t.Error("chosen after draining was complete")
					}
					c.target.release()
				}
			}()
		}
		leaving.drain(time.Now(), time.Time{})
		for leaving.inflight.Load() != 0 {
			time.Sleep(time.Microsecond)
		}
		drained.Store(true)
		for range 4 {
			<-done
		}
	}
}

// A large body goes through the kernel; who ended it must be told all the same.
func TestSplice_SaysWhoEndedIt(t *testing.T) {
	const size = 64 << 20
	start := func(conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		conn.Write(make([]byte, 1<<20))
	}
	for name, end := range map[string]func(net.Conn){"FIN": func(c net.Conn) { c.Close() }, "RST": reset} {
		t.Run("target "+name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				start(conn, r)
				time.Sleep(20 * time.Millisecond)
				end(conn)
			})).run()
			if text := s.dial().send(get).rest(); len(text) < 1000 {
				t.Error(len(text))
			}
			o := s.record.one(t)
			checkRow(t, o, row{200, 200, "xxx", timeline.TruncatedResponse})
			if o.EndedBy != "target" {
				t.Errorf("%+v", o)
			}
		})
		t.Run("client "+name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				start(conn, r)
				for part := make([]byte, 1<<20); ; {
					if _, err := conn.Write(part); err != nil {
						return
					}
				}
			})).run()
			c := s.dial().send(get)
			io.CopyN(io.Discard, c.r, 100_000)
			end(c.Conn)
			o := s.record.one(t)
			checkRow(t, o, row{200, 200, "xxx", ""})
			if o.EndedBy != "client" || o.Detail == "" {
				t.Errorf("%+v", o)
			}
		})
	}
}
