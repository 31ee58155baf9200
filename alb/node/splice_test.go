package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// moving is a mover between two connections, with their other ends.
type moving struct {
	*mover
	target, from, to, client *net.TCPConn
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	var m moving
	m.target, m.from = tcpPair(t)
	m.client, m.to = tcpPair(t)
	if m.mover = newMover(m.from, m.to); m.mover == nil {
		t.Fatal("nothing can be moved")
	}
	return &m
}

func TestMover_MovesUpToALimitAndThenToTheEnd(t *testing.T) {
	m := newMoving(t)
	defer m.release()
	body := bytes.Repeat([]byte("0123456789abcde\n"), 9<<16) // 9 MiB: more than pipe and buffers
	go func() {
		m.target.Write(body)
		m.target.CloseWrite()
	}()
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(m.client)
		got <- all
	}()
	const limit = 3<<20 + 1
	if n, err := m.move(limit); n != limit || err != nil {
		t.Errorf("moved %d, %v, want %d", n, err, limit)
	}
	if n, err := m.move(1 << 40); n != int64(len(body))-limit || err != io.EOF {
		t.Errorf("moved %d, %v, want %d and the end", n, err, len(body)-limit)
	}
	m.to.CloseWrite()
	if !bytes.Equal(<-got, body) {
		t.Error("other bytes came than were sent")
	}
}

func TestMover_SaysWhichSideFailed(t *testing.T) {
	for name, test := range map[string]struct {
		fail func(*moving)
		sink bool
		want error
	}{
		"nothing comes":  {func(m *moving) { m.from.SetReadDeadline(time.Now().Add(pause)) }, false, nil},
		"target resets":  {func(m *moving) { time.Sleep(pause); reset(m.target) }, false, syscall.ECONNRESET},
		"client resets":  {func(m *moving) { reset(m.client); go m.pour() }, true, nil},
		"client is slow": {func(m *moving) { m.to.SetWriteDeadline(time.Now().Add(pause)); go m.pour() }, true, nil},
		"client resets while it is slow": {func(m *moving) {
			go m.pour()
			time.AfterFunc(pause, func() { reset(m.client) })
		}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMoving(t)
			defer m.release()
			m.target.Write([]byte("hello"))
			if n, err := m.move(5); n != 5 || err != nil {
				t.Fatalf("moved %d, %v", n, err)
			}
			test.fail(m)
			_, err := m.move(1 << 40)
			if err == nil || err == io.EOF || isSink(err) != test.sink || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// pour sends until nobody takes any more.
func (m *moving) pour() {
	for part := bytes.Repeat([]byte("x"), 1<<20); ; {
		if _, err := m.target.Write(part); err != nil {
			return
		}
	}
}

// What one client did not take never reaches another.
func TestMover_KeepsBytesApart(t *testing.T) {
	for range 10 {
		slow := newMoving(t)
		go slow.pour()
		slow.to.SetWriteDeadline(time.Now().Add(pause))
		if _, err := slow.move(1 << 40); !isSink(err) || slow.held == 0 {
			t.Fatalf("%v with %d bytes held", err, slow.held)
		}
		slow.release()
		next := newMoving(t)
		next.target.Write([]byte("hello"))
		next.target.CloseWrite()
		if n, err := next.move(1 << 40); n != 5 || err != io.EOF {
			t.Fatalf("moved %d, %v", n, err)
		}
		next.to.CloseWrite()
		if got, err := io.ReadAll(next.client); string(got) != "hello" {
			t.Fatalf("%.20q, %v", got, err)
		}
		next.release()
	}
}
