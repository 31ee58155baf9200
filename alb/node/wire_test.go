package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// tcpPair returns the two ends of a connection.
func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

// wirePair returns a wire and the client's end of its connection.
func wirePair(t *testing.T) (*wire, *net.TCPConn) {
	t.Helper()
	client, server := tcpPair(t)
	w, ok := newWire(server).(*wire)
	if !ok {
		t.Fatal("TCP is no wire")
	}
	return w, client
}

// flood is more than the kernel takes for a client that does not read.
const flood = 32 << 20

func TestWire_PassesBytesAndTheirEnd(t *testing.T) {
	w, client := wirePair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16) // waits in between
	w.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		w.Write(sent)
		w.Conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came of %d: %v", len(got), len(sent), err)
	}
	go func() {
		client.Write(sent)
		client.CloseWrite()
	}()
	if got, err = io.ReadAll(w); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
}

func TestWire_DeadlineEndsAWriteThatWaits(t *testing.T) {
	w, _ := wirePair(t)
	w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := w.Write(make([]byte, flood)); !isTimeout(err) || n == 0 || n == flood {
		t.Errorf("%d of %d bytes, %v; want a part and a timeout", n, flood, err)
	}
}

// Whoever ends a connection from outside sets a deadline that has passed.
func TestWire_DeadlineHoldsForTheWriteAtHand(t *testing.T) {
	w, _ := wirePair(t)
	ended := make(chan error)
	go func() {
		_, err := w.Write(make([]byte, flood))
		ended <- err
	}()
	for waiting := false; !waiting; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		waiting = w.waiting
		w.mu.Unlock()
	}
	w.SetDeadline(time.Unix(1, 0))
	if err := <-ended; !isTimeout(err) {
		t.Errorf("the write ended with %v, want a timeout", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write after a deadline that has passed: %v", err)
	}
	if _, err := w.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("a read after it: %v", err)
	}
}

// A deadline is for waiting: there is none for a write that need not.
func TestWire_OldDeadlineDoesNotEndANewWrite(t *testing.T) {
	w, client := wirePair(t)
	w.SetWriteDeadline(time.Now().Add(time.Millisecond))
	time.Sleep(5 * time.Millisecond)
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestWire_ClosedIsClosed(t *testing.T) {
	w, client := wirePair(t)
	client.SetLinger(0)
	client.Close()
	if _, err := w.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("read after the client's reset: %v", err)
	}
	w.Close()
	_, err := w.Write([]byte("x"))
	_, err2 := w.Read(make([]byte, 1))
	if !errors.Is(err, net.ErrClosed) || !errors.Is(err2, net.ErrClosed) {
		t.Errorf("after Close: write %v, read %v", err, err2)
	}
}
