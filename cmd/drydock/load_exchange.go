package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxIdle is how long a connection may have been idle to be used again. It is well
// below the idle timeouts of balancers and servers, so that the generator does not make
// keep-alive races of its own and report them as the server's failures.
const maxIdle = 3 * time.Second

// exchanger sends HTTP/1.1 requests, each exactly once.
//
// It is not a net/http.Transport: that one silently sends an idempotent request again
// when a reused connection turns out to be dead, and so hides failures that this tool
// exists to count. Here a request is written to one connection, and whatever happens to
// it there is its result.
type exchanger struct {
	address string // host:port to dial
	tls     *tls.Config
	method  string
	request []byte // the whole request, the same each time
	timeout time.Duration

	mu   sync.Mutex
	idle []*loadConn // the one used last is last
}

// loadConn is a keep-alive connection.
type loadConn struct {
	net.Conn
	r         *bufio.Reader
	idleSince time.Time
}

// exchangeResult is what became of one request.
type exchangeResult struct {
	status  int    // 0 if no status line arrived
	failure string // kind of connection error; "" if a complete response arrived
	detail  string // the error in the system's words
	trace   string // X-Amzn-Trace-Id of the response
}

// newExchanger prepares the request. Header lines are "Name: value".
func newExchanger(method, target string, headers []string, body []byte, timeout time.Duration, insecure bool) (*exchanger, error) {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usagef("%q is not a URL: it looks like http://127.0.0.1/api/users/", target)
	}
	x := &exchanger{address: dialAddress(u), method: method, timeout: timeout}
	if u.Scheme == "https" {
		x.tls = &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: insecure, NextProtos: []string{"http/1.1"}}
	}
	x.request, err = requestBytes(method, u, headers, body)
	return x, err
}

func dialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func requestBytes(method string, u *url.URL, headers []string, body []byte) ([]byte, error) {
	h := http.Header{}
	h.Set("Host", u.Host)
	h.Set("User-Agent", "drydock-load/"+version)
	h.Set("Accept", "*/*")
	if len(body) > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		h.Set("Content-Length", fmt.Sprint(len(body)))
	}
	for _, line := range headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(line, "\r\n") {
			return nil, usagef("--header %q: write it as 'Name: value'", line)
		}
		h.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, u.RequestURI())
	h.Write(&b)
	b.WriteString("\r\n")
	return append([]byte(b.String()), body...), nil
}

// do sends the request once and reads its whole response.
func (x *exchanger) do(ctx context.Context) exchangeResult {
	deadline := time.Now().Add(x.timeout)
	conn, err := x.connect(ctx, deadline)
	if err != nil {
		return failedExchange(0, "connect", err)
	}
	conn.SetDeadline(deadline)
	result, keep := x.exchange(conn)
	if keep {
		x.release(conn)
	} else {
		conn.Close()
	}
	return result
}

func (x *exchanger) exchange(conn *loadConn) (result exchangeResult, keep bool) {
	// A server may answer and close before it has read everything: read before judging.
	_, writeErr := conn.Write(x.request)
	resp, err := x.readFinal(conn.r)
	if err != nil {
		if writeErr != nil && errors.Is(err, io.ErrUnexpectedEOF) {
			err = writeErr
		}
		return failedExchange(0, "answer", err), false
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return failedExchange(resp.StatusCode, "body", err), false
	}
	result = exchangeResult{status: resp.StatusCode, trace: resp.Header.Get("X-Amzn-Trace-Id")}
	return result, writeErr == nil && !resp.Close && conn.r.Buffered() == 0
}

// readFinal reads the response header, passing over interim (1xx) ones.
func (x *exchanger) readFinal(r *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: x.method})
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// connect returns an idle connection that is still open, or dials.
func (x *exchanger) connect(ctx context.Context, deadline time.Time) (*loadConn, error) {
	for {
		conn := x.takeIdle()
		if conn == nil {
			break
		}
		if time.Since(conn.idleSince) < maxIdle && isOpen(conn.Conn) {
			return conn, nil
		}
		conn.Close()
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", x.address)
	if err != nil {
		return nil, err
	}
	if x.tls != nil {
		secure := tls.Client(raw, x.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		raw = secure
	}
	return &loadConn{Conn: raw, r: bufio.NewReader(raw)}, nil
}

func (x *exchanger) takeIdle() *loadConn {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.idle) == 0 {
		return nil
	}
	conn := x.idle[len(x.idle)-1]
	x.idle = x.idle[:len(x.idle)-1]
	return conn
}

func (x *exchanger) release(conn *loadConn) {
	conn.idleSince = time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.idle = append(x.idle, conn)
}

// close closes the idle connections.
func (x *exchanger) close() {
	for conn := x.takeIdle(); conn != nil; conn = x.takeIdle() {
		conn.Close()
	}
}

// isOpen looks, without reading anything, whether the other side has closed an idle
// connection or sent what nobody asked for. The request is not sent yet, so passing over
// such a connection retries nothing.
func isOpen(conn net.Conn) bool {
	secure, isTLS := conn.(*tls.Conn)
	if isTLS {
		conn = secure.NetConn()
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = errors.Is(err, syscall.EAGAIN) || (isTLS && err == nil && n > 0)
		return true
	})
	return err == nil && open
}

// failedExchange names the kind of a connection error. The phase is where it happened:
// connect, answer (nothing complete came back) or body (the response was cut).
func failedExchange(status int, phase string, err error) exchangeResult {
	return exchangeResult{status: status, failure: failureKind(phase, err), detail: err.Error()}
}

func failureKind(phase string, err error) string {
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return map[string]string{"connect": "connect timeout", "answer": "timeout", "body": "timeout in the body"}[phase]
	case errors.As(err, &certificate):
		return "certificate not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case phase == "body":
		return "truncated response"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed without an answer"
	case phase == "connect":
		return "cannot connect"
	}
	return "malformed response"
}
