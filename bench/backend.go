package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// staticPort is where the static backend answers, on every address of the namespace.
	staticPort = 9000
	// echoPort is where the WebSocket backend answers.
	echoPort = 9001
)

// targetAddress returns the nth address of the target range.
func targetAddress(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 200, byte((n + 1) >> 8), byte(n + 1)})
}

// targetsAt returns the addresses of n targets.
func targetsAt(n, port int) []netip.AddrPort {
	var all []netip.AddrPort
	for i := range n {
		all = append(all, netip.AddrPortFrom(targetAddress(i), uint16(port)))
	}
	return all
}

// smallBody is what a small request is answered with.
var smallBody = strings.Repeat("drydock ", 12) + "rest"

// startStatic starts the backend of all HTTP workloads: nginx with one worker, which answers
// from memory and with sendfile, and does not log.
func (b *bench) startStatic(ctx context.Context, core int) error {
	file, err := find("nginx")
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "backend")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, size := range map[string]int{"64k": 64 << 10, "1m": 1 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			return err
		}
	}
	config := filepath.Join(dir, "backend.conf")
	if err := os.WriteFile(config, []byte(backendConfig(dir)), 0o600); err != nil {
		return err
	}
	p, err := startProgram(core, b.dir, file, "-p", dir, "-c", config, "-e", "stderr")
	if err != nil {
		return err
	}
	b.onEnd(p.stop)
	return p.awaitAnswer(ctx, netip.AddrPortFrom(targetAddress(0), staticPort))
}

func backendConfig(dir string) string {
	return fmt.Sprintf(`daemon off;
master_process off;
worker_processes 1;
pid %[1]s/backend.pid;
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=10;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen %[2]d backlog=4096;
    root %[1]s;
    location = / { default_type text/plain; return 200 "%[3]s"; }
  }
}
`, dir, staticPort, smallBody)
}

// startEcho starts the backend of WebSockets in this process: it sends every message back.
func (b *bench) startEcho(address string) (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	s := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute}
	go s.Serve(l)
	b.onEnd(func(context.Context) error { return s.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// echo upgrades to WebSocket; to a plain request, as of a health check, it answers 200 once all of it has come.
func echo(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "ready")
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Time{})
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	echoMessages(conn, buffered.Reader)
}

// acceptKey is RFC 6455's proof that a server speaks WebSocket.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// echoMessages sends back the payload of each masked frame of messageSize bytes.
func echoMessages(conn net.Conn, buffered *bufio.Reader) {
	in := io.Reader(conn)
	if buffered.Buffered() > 0 {
		in = buffered
	}
	var frame [6 + messageSize]byte
	for {
		if _, err := io.ReadFull(in, frame[:]); err != nil || frame[0] != 0x82 || frame[1] != 0x80|messageSize {
			return
		}
		mask, payload := frame[2:6], frame[6:]
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
		frame[4], frame[5] = 0x82, messageSize
		if _, err := conn.Write(frame[4:]); err != nil {
			return
		}
	}
}
