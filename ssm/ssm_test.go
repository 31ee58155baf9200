package ssm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestMessage_GoesBothWays(t *testing.T) {
	m := newMessage(outputStream, 7, payloadOutput, []byte("hello"))
	m.flags = 3
	b := m.encode(time.UnixMilli(1))
	got, err := decode(b)
	if err != nil || got.kind != m.kind || got.sequence != 7 || got.flags != 3 || got.id != m.id || got.content != payloadOutput || string(got.payload) != "hello" {
		t.Errorf("%+v became %+v, %v", m, got, err)
	}
	if len(b) != 116+4+5 {
		t.Errorf("%d bytes, want a header of 116, a length of 4, and 5", len(b))
	}
	for n := range b {
		if _, err := decode(b[:n]); err == nil {
			t.Fatalf("the first %d bytes were taken for a message", n)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(newMessage(inputStream, 1, payloadOutput, []byte("x")).encode(time.Now()))
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		if again, err := decode(m.encode(time.Now())); err != nil || again.sequence != m.sequence || !bytes.Equal(again.payload, m.payload) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

// plugin is a client as session-manager-plugin is one.
type plugin struct {
	*testing.T
	conn     *websocket.Conn
	deaf     int // so many messages of output are let pass
	sequence int64
	expected int64
	output   strings.Builder
	closed   chan string
}

func serve(t *testing.T, s *Sessions) string {
	mux := http.NewServeMux()
	mux.Handle("GET /session/{session}", s)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/session/"
}

func connect(t *testing.T, url string, session Session) *plugin {
	conn, _, err := websocket.Dial(t.Context(), url+session.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	first, _ := json.Marshal(map[string]any{"MessageSchemaVersion": "1.0", "TokenValue": session.Token})
	if err := conn.Write(t.Context(), websocket.MessageText, first); err != nil {
		t.Fatal(err)
	}
	return &plugin{T: t, conn: conn, closed: make(chan string, 1)}
}

func (p *plugin) send(content uint32, payload string) {
	m := newMessage(inputStream, p.sequence, content, []byte(payload))
	p.sequence++
	p.conn.Write(context.Background(), websocket.MessageBinary, m.encode(time.Now()))
}

// run reads until the channel is closed, and returns what was closed with.
func (p *plugin) run(ready func()) (string, error) {
	for {
		_, b, err := p.conn.Read(p.Context())
		if err != nil {
			return "", err
		}
		m, err := decode(b)
		if err != nil {
			return "", err
		}
		switch m.kind {
		case channelClosed:
			var content struct{ Output string }
			return content.Output, json.Unmarshal(m.payload, &content)
		case outputStream:
			p.stream(m, ready)
		}
	}
}

func (p *plugin) stream(m message, ready func()) {
	if m.sequence != p.expected {
		return
	}
	if m.content == payloadOutput && p.deaf > 0 {
		p.deaf--
		return
	}
	p.expected++
	content, _ := json.Marshal(map[string]any{"AcknowledgedMessageSequenceNumber": m.sequence})
	p.conn.Write(p.Context(), websocket.MessageBinary, newMessage(acknowledge, 0, 0, content).encode(time.Now()))
	switch m.content {
	case payloadHandshakeRequest:
		p.send(payloadHandshakeResponse, `{}`)
	case payloadHandshakeComplete:
		ready()
	case payloadOutput:
		p.output.Write(m.payload)
	}
}

func TestSession_RunsACommand(t *testing.T) {
	s := &Sessions{}
	url := serve(t, s)
	p := connect(t, url, s.Open(func(_ context.Context, stdin io.Reader, stdout io.Writer, sizes <-chan Terminal) error {
		size := <-sizes
		line, err := bufio.NewReader(stdin).ReadString('\r')
		fmt.Fprintf(stdout, "%dx%d %q %s", size.Columns, size.Rows, line, strings.Repeat("x", 40_000))
		return err
	}))
	text, err := p.run(func() {
		p.send(payloadSize, `{"cols":80,"rows":25}`)
		p.send(payloadOutput, "ls")
		p.sequence-- // as if it had not been acknowledged: it comes twice
		p.send(payloadOutput, "ls")
		p.send(payloadOutput, "\r")
	})
	if err != nil || text != "" || !strings.HasPrefix(p.output.String(), `80x25 "ls\r" x`) || p.output.Len() != len(`80x25 "ls\r" `)+40_000 {
		t.Errorf("closed with %q, %v, after %.40q (%d bytes)", text, err, p.output.String(), p.output.Len())
	}
}

func TestChannel_SendsAgainUntilAcknowledged(t *testing.T) {
	s := &Sessions{}
	p := connect(t, serve(t, s), s.Open(func(_ context.Context, _ io.Reader, stdout io.Writer, _ <-chan Terminal) error {
		_, err := io.WriteString(stdout, "prompt")
		return errors.Join(err, errors.New("no such file"))
	}))
	p.deaf = 2
	text, err := p.run(func() {})
	if err != nil || text != "no such file" || p.output.String() != "prompt" {
		t.Errorf("closed with %q, %v, after %q", text, err, p.output.String())
	}
}

func TestSession_TokenWorksOnce(t *testing.T) {
	s := &Sessions{}
	url := serve(t, s)
	nothing := func(context.Context, io.Reader, io.Writer, <-chan Terminal) error { return nil }
	session := s.Open(nothing)
	for _, wrong := range []Session{{session.ID, "wrong"}, {"other", session.Token}} {
		if _, err := connect(t, url, wrong).run(func() {}); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if _, err := connect(t, url, session).run(func() {}); err != nil {
		t.Error(err)
	}
	if _, err := connect(t, url, session).run(func() {}); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the second time: %v", err)
	}
}

func TestSession_EndsWithItsClient(t *testing.T) {
	s := &Sessions{}
	ended := make(chan error, 1)
	p := connect(t, serve(t, s), s.Open(func(ctx context.Context, stdin io.Reader, _ io.Writer, _ <-chan Terminal) error {
		_, err := io.ReadAll(stdin)
		<-ctx.Done()
		ended <- err
		return nil
	}))
	go p.run(func() { p.conn.CloseNow() })
	if err := <-ended; err != nil {
		t.Errorf("the command's input ended with %v", err)
	}
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                   nil,
		"/bin/sh":            {"/bin/sh"},
		`sh -c 'echo "a b"'`: {"sh", "-c", `echo "a b"`},
		`a\ b "c \" d" ''`:   {"a b", `c " d`, ""},
		"  ls   -l\t/":       {"ls", "-l", "/"},
	} {
		if got, err := Words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
	if _, err := Words(`echo "a`); err == nil {
		t.Error("an open quote was taken")
	}
}
