package h2

import (
	"io"
	"net"
	"testing"
	"time"
)

// FuzzServer feeds a server with anything. It must not panic, and end when the connection does.
func FuzzServer(f *testing.F) {
	get := "\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x84\x87"
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00" + get))
	f.Add([]byte("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01" + get + "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\x01\x04\x00\x00\x00\x01\x83\x84\x87\x00\x00\x05\x00\x09\x00\x00\x00\x01\x02hi\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02\x01\x01\x00\x00\x00\x01\x82\x84\x00\x00\x01\x09\x04\x00\x00\x00\x01\x87\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x06\x00\x00\x00\x00\x0001234567\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		here, there := net.Pipe()
		c := Server(there, Config{Handler: func(s *Stream) {
			readAll(s)
			s.WriteHead(200, s.Head(), false)
			s.Send(make([]byte, 100), true)
		}})
		run(t, here, c, append([]byte(preface), frames...))
	})
}

// FuzzClient feeds a client with anything after it has sent a request.
func FuzzClient(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88\x00\x00\x02\x00\x01\x00\x00\x00\x01hi"))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, frames []byte) {
		here, there := net.Pipe()
		c := Client(there, Config{})
		s, err := c.Open(get("/"), true)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.Close()
			if s.AwaitHead() == nil {
				readAll(s)
			}
		}()
		run(t, here, c, frames)
		<-done
	})
}

// run lets c talk to a peer that sends p and leaves.
func run(t *testing.T, peer net.Conn, c *Conn, p []byte) {
	done := make(chan struct{})
	go func() { defer close(done); c.Run() }()
	go io.Copy(io.Discard, peer)
	peer.SetWriteDeadline(time.Now().Add(10 * time.Second))
	peer.Write(p)
	peer.Close()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("Run goes on without a connection")
	}
}
