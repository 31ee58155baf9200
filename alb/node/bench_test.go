package node

import (
	"bufio"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

var testTime = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// nothing is a Sink that forgets.
type nothing struct{}

func (nothing) Finished(*timeline.Outcome) {}
func (nothing) HealthChanged(HealthChange) {}

// After Run nothing runs on, whatever state connections were in.
func TestRun_LeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	asked := make(chan struct{}, 1)
	slow := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		readRequest(r)
		asked <- struct{}{}
		r.ReadByte()
	})
	s := newStack(t, slow, backend(t, always(hello)))
	s.snapshot.TargetGroups[0].HealthCheck = HealthCheck{Enabled: true, Path: "/", Interval: time.Hour, Timeout: time.Second,
		HealthyThreshold: 2, UnhealthyThreshold: 2, Matcher: "200"}
	backends := runtime.NumGoroutine() - before
	s.run()
	s.dial()
	s.dial().send("GET / HT")
	s.dial().send("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 10\r\n\r\nabc")
	s.dial().send(get)
	s.dial().send(get)
	<-asked
	s.stop()
	stacks := make([]byte, 1<<20)
	text := string(stacks[:runtime.Stack(stacks, true)])
	for _, g := range strings.Split(text, "\n\n") {
		if strings.Contains(g, "alb/node.(*Node)") || strings.Contains(g, "alb/node.(*http1Conn)") || strings.Contains(g, "alb/node.(*listener)") {
			t.Errorf("%d backend goroutines; left over:\n%s", backends, g)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	s := newStack(b, backend(b, func(_ int, conn net.Conn, r *bufio.Reader) {
		conn.SetDeadline(time.Time{})
		answer, buf := []byte(hello), make([]byte, 4096)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			conn.Write(answer)
		}
	}))
	s.Node.sink = nothing{}
	s.run()
	c := s.dial()
	c.SetDeadline(time.Time{})
	ask, buf := []byte("GET /some/path?x=y HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n"), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(ask)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequestHead(b *testing.B) {
	c := testConn(80)
	head := []byte("GET /some/path?x=y HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n")
	var q request
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if q.parse(head) != nil {
			b.Fatal("refused")
		}
		out = targetText(c, out[:0], &q)
	}
}

func (nothing) Followed(timeline.Epilogue) {}
func (nothing) Connected(Connection)       {}
func (nothing) Checked(Check)              {}

// BenchmarkIdle reports what an idle client connection costs, the client's own half KiB included.
func BenchmarkIdle(b *testing.B) {
	s := newStack(b, backend(b, always(hello)))
	s.Node.sink = nothing{}
	s.run()
	inUse := func() uint64 {
		var m runtime.MemStats
		for range 3 { // pools are emptied at the second
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	const connections = 2000
	buf := make([]byte, 4096)
	for b.Loop() {
		before := inUse()
		var clients []net.Conn
		for range connections {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				b.Fatal(err)
			}
			c.Write([]byte(get))
			c.Read(buf)
			clients = append(clients, c)
		}
		b.ReportMetric(float64(inUse()-before)/connections, "B/connection")
		for _, c := range clients {
			c.Close()
		}
	}
}
