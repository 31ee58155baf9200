package node

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"drydock/timeline"
)

const largeBody = spliceAbove + targetBuffer

// After a large response little is read of the next one at first, whatever that is.
func TestResponse_OfAnySizeAfterALargeOne(t *testing.T) {
	sizes := []int{0, 1, headRoom - 200, headRoom, headRoom + 1, targetBuffer - 200, targetBuffer + 1, largeBody - 1, largeBody, 3 * largeBody}
	body := noise(3 * largeBody)
	target := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			head, _, err := readRequest(r)
			if err != nil {
				return
			}
			var path string
			size := 0
			fmt.Sscanf(head, "GET %s ", &path)
			switch fmt.Sscanf(path[strings.LastIndexByte(path, '/'):], "/%d", &size); {
			case strings.HasPrefix(path, "/chunked"):
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				if size > 0 {
					fmt.Fprintf(conn, "%x\r\n%s\r\n", size, body[:size])
				}
				io.WriteString(conn, lastChunk)
			case strings.HasPrefix(path, "/close"):
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n\r\n%s", body[:size])
				return
			default:
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body[:size])
			}
		}
	})
	s := newStack(t, target).run()
	c := s.dial()
	ask := func(path string, size int) {
		t.Helper()
		c.send("GET " + path + " HTTP/1.1\r\nHost: a.b\r\n\r\n")
		if _, got := c.response("GET"); got != body[:size] {
			t.Fatalf("%s: %d bytes, or others", path, len(got))
		}
	}
	requests := 0
	for _, framing := range []string{"length", "chunked", "close"} {
		for _, size := range sizes {
			ask(fmt.Sprint("/length/", largeBody), largeBody)
			ask(fmt.Sprint("/", framing, "/", size), size)
			requests += 2
		}
	}
	for _, o := range s.record.wait(t, requests) {
		if o.Status != 200 || o.Cause != timeline.CauseNone {
			t.Errorf("%s: %d %s %s", o.URI, o.Status, o.Cause, o.Detail)
		}
	}
}

// A target that fails after what is read at first is told of as it would be elsewhere.
func TestResponse_CutAfterALargeOne(t *testing.T) {
	for name, fails := range map[string]func(net.Conn){"reset": reset, "end": func(net.Conn) {}} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				readRequest(r)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", largeBody, noise(largeBody))
				readRequest(r)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", targetBuffer, noise(2*headRoom))
				fails(conn)
			})).run()
			c := s.dial()
			c.send(get).response("GET")
			c.send(get).rest()
			o := s.record.wait(t, 2)[1]
			if !o.Failed() || o.EndedBy != "target" || !o.Connection.Reused {
				t.Errorf("%d %s by %s: %s", o.Status, o.Cause, o.EndedBy, o.Detail)
			}
		})
	}
}
