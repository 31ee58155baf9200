package node

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// The end of a connection travels with the last bytes of its last response: nothing of them is lost or kept
// back, however much it is and however it is framed.
func TestLastResponse_IsWholeAndThenTheEnd(t *testing.T) {
	for _, size := range []int{0, 1, clientBuffer, targetBuffer, 2 * largeBody} {
		for framing, response := range map[string]string{
			"length":  fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, noise(size)),
			"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + string(chunks(noise(size))),
			"close":   "HTTP/1.1 200 OK\r\n\r\n" + noise(size),
		} {
			s := newStack(t, backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
				if framing != "close" {
					always(response)(0, conn, r)
					return
				}
				readRequest(r)
				io.WriteString(conn, response)
			})).run()
			for _, request := range []string{
				"GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n",
				"GET / HTTP/1.0\r\nHost: a.b\r\n\r\n",
				"GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a.b\r\n\r\n",
			} {
				c := s.dial().send(request)
				if _, body := c.response("GET"); body != noise(size) {
					t.Errorf("%s, %d bytes, %.20q: %d bytes", framing, size, request, len(body))
				}
				if _, err := c.r.ReadByte(); err != io.EOF {
					t.Errorf("%s, %d bytes, %.20q: then %v, want the end", framing, size, request, err)
				}
			}
			s.stop()
		}
	}
}

// The same holds for what the node says itself, and where the client has more to send.
func TestLastResponse_OfTheNode(t *testing.T) {
	s := newStack(t)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 5000),
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	} {
		if s.stop == nil {
			s.run()
		}
		c := s.dial().send(request)
		method, _, _ := strings.Cut(request, " ")
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%.30q: %v", request, err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || method != "HEAD" && len(body) != int(res.ContentLength) {
			t.Errorf("%.30q: %d of %d bytes, %v", request, len(body), res.ContentLength, err)
		}
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("%.30q: then %v, want the end", request, err)
		}
	}
}

// chunks frames a body in one chunk.
func chunks(body string) []byte {
	if body == "" {
		return []byte(lastChunk)
	}
	return append(appendChunk(nil, []byte(body)), lastChunk...)
}
