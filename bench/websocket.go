package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	// messageSize is the payload of every WebSocket message, in bytes.
	messageSize = 64
	// webSockets is how many are loaded at a time.
	webSockets = 64
)

// webSocket is a client's end.
type webSocket struct {
	net.Conn
	sent, answer []byte
}

// dialWebSocket opens a WebSocket at /ws.
func dialWebSocket(at netip.AddrPort) (*webSocket, error) {
	conn, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	w := &webSocket{Conn: conn, answer: make([]byte, 2+messageSize)}
	if err := w.upgrade(); err != nil {
		conn.Close()
		return nil, err
	}
	w.sent = append([]byte{0x82, 0x80 | messageSize, 1, 2, 3, 4}, make([]byte, messageSize)...)
	return w, nil
}

func (w *webSocket) upgrade() error {
	w.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := io.WriteString(w, "GET /ws HTTP/1.1\r\nHost: bench.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		return err
	}
	r := bufio.NewReader(w)
	a, err := http.ReadResponse(r, nil)
	switch {
	case err != nil:
		return err
	case a.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("upgrade to WebSocket: %s", a.Status)
	case r.Buffered() > 0:
		return errors.New("upgrade to WebSocket: data before the first message")
	}
	return w.SetDeadline(time.Time{})
}

// exchange sends a message and awaits it back.
func (w *webSocket) exchange() error {
	if _, err := w.Write(w.sent); err != nil {
		return err
	}
	if _, err := io.ReadFull(w, w.answer); err != nil {
		return err
	}
	if w.answer[0] != 0x82 || w.answer[1] != messageSize || w.answer[2] != 1 {
		return fmt.Errorf("message came back as % x", w.answer[:6])
	}
	return nil
}

// loadWebSockets sends messages back and forth on open WebSockets.
func loadWebSockets(ctx context.Context, at netip.AddrPort, d time.Duration) (sample, error) {
	return loadWith(ctx, webSockets, d, func(int) (func() error, func(), error) {
		w, err := dialWebSocket(at)
		if err != nil {
			return nil, nil, err
		}
		w.SetDeadline(time.Now().Add(d + 10*time.Second))
		return w.exchange, func() { w.Close() }, nil
	})
}
