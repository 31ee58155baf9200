package ssm

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// channel is one client's connection to a session.
type channel struct {
	conn    *websocket.Conn
	session string

	write    sync.Mutex
	sequence int64 // of our next stream message

	expected int64 // of the client's next stream message
	acked    chan int64
	shaken   chan struct{} // closed when the client has answered the handshake
	answered bool
	typed    *inbox
	sizes    chan Terminal
}

func newChannel(conn *websocket.Conn, session string) *channel {
	return &channel{conn: conn, session: session, acked: make(chan int64, 16), shaken: make(chan struct{}), typed: newInbox(), sizes: make(chan Terminal, 1)}
}

// opening is the first message of a client.
type opening struct {
	TokenValue string
}

// serve takes part in a session until its command or its client ends.
func (c *channel) serve(ctx context.Context, s *Sessions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, first, err := c.conn.Read(ctx)
	if err != nil {
		return err
	}
	var open opening
	if err := json.Unmarshal(first, &open); err != nil {
		return errMessage
	}
	run, ok := s.take(c.session, open.TokenValue)
	if !ok {
		return errors.New("there is no such session, or its token is not valid")
	}
	ended := make(chan struct{})
	go func() { // ends with the connection
		defer close(ended)
		defer cancel()
		defer c.typed.close()
		c.receive(ctx)
	}()
	if err = c.shake(ctx); err == nil {
		err = run(ctx, c.typed, &output{ctx, c}, c.sizes)
	}
	c.close(ctx, err)
	cancel()
	<-ended
	return nil
}

// receive reads the client's messages until its connection ends.
func (c *channel) receive(ctx context.Context) {
	for {
		idle, cancel := context.WithTimeout(ctx, idleFor)
		kind, b, err := c.conn.Read(idle)
		cancel()
		if err != nil {
			return
		}
		if kind != websocket.MessageBinary {
			continue
		}
		m, err := decode(b)
		if err != nil {
			return
		}
		if !c.take(ctx, m) {
			return
		}
	}
}

// take handles one message of the client, and reports whether the session goes on.
func (c *channel) take(ctx context.Context, m message) bool {
	switch m.kind {
	case acknowledge:
		var content struct{ AcknowledgedMessageSequenceNumber int64 }
		if json.Unmarshal(m.payload, &content) == nil {
			select {
			case c.acked <- content.AcknowledgedMessageSequenceNumber:
			default: // nobody waits for so many
			}
		}
		return true
	case inputStream:
		if m.sequence > c.expected {
			return true // it comes again, after the one that is missing
		}
		if c.acknowledge(ctx, m) != nil {
			return false
		}
		if m.sequence < c.expected {
			return true // it was acknowledged too late
		}
		c.expected++
		return c.input(m)
	}
	return true
}

func (c *channel) acknowledge(ctx context.Context, m message) error {
	content, _ := json.Marshal(map[string]any{
		"AcknowledgedMessageType": m.kind, "AcknowledgedMessageId": m.name(),
		"AcknowledgedMessageSequenceNumber": m.sequence, "IsSequentialMessage": true,
	})
	ack := newMessage(acknowledge, 0, 0, content)
	ack.flags = 3 // it is the first and the last of its kind
	return c.send(ctx, ack)
}

// input handles the payload of a stream message.
func (c *channel) input(m message) bool {
	switch m.content {
	case payloadHandshakeResponse:
		if !c.answered {
			c.answered = true
			close(c.shaken)
		}
	case payloadSize:
		var size struct{ Cols, Rows uint }
		if json.Unmarshal(m.payload, &size) == nil {
			select {
			case <-c.sizes: // the newest counts
			default:
			}
			c.sizes <- Terminal{size.Rows, size.Cols}
		}
	case payloadOutput:
		return c.typed.put(m.payload)
	case payloadFlag:
		const terminate = 2
		return len(m.payload) < 4 || binary.BigEndian.Uint32(m.payload) != terminate
	}
	return true
}

func (c *channel) send(ctx context.Context, m message) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.conn.Write(ctx, websocket.MessageBinary, m.encode(time.Now()))
}

// again is how long a message may stay unacknowledged before it is sent again: a client that is
// not ready yet lets it pass (SSM-002).
const again = 100 * time.Millisecond

// stream sends a stream message and waits until it is acknowledged.
func (c *channel) stream(ctx context.Context, content uint32, payload []byte) error {
	m := newMessage(outputStream, c.sequence, content, payload)
	if m.sequence == 0 {
		m.flags = 1 // the first
	}
	c.sequence++
	timer := time.NewTimer(again)
	defer timer.Stop()
	for {
		if err := c.send(ctx, m); err != nil {
			return err
		}
		timer.Reset(again)
		for waiting := true; waiting; {
			select {
			case n := <-c.acked:
				if n == m.sequence {
					return nil
				}
			case <-timer.C:
				waiting = false
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// shake asks the client to show a terminal, and tells it that the session has begun.
func (c *channel) shake(ctx context.Context) error {
	begun := time.Now()
	request, _ := json.Marshal(map[string]any{
		"AgentVersion": "3.0.0.0",
		"RequestedClientActions": []any{map[string]any{
			"ActionType": "SessionType", "ActionParameters": map[string]any{"SessionType": "Standard_Stream", "Properties": map[string]any{}},
		}},
	})
	if err := c.stream(ctx, payloadHandshakeRequest, request); err != nil {
		return err
	}
	select {
	case <-c.shaken:
	case <-ctx.Done():
		return ctx.Err()
	}
	complete, _ := json.Marshal(map[string]any{"HandshakeTimeToComplete": time.Since(begun), "CustomerMessage": ""})
	return c.stream(ctx, payloadHandshakeComplete, complete)
}

// close tells the client how the session ended.
func (c *channel) close(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = fmt.Sprintf("%v", err)
	}
	m := newMessage(channelClosed, c.sequence, 0, nil)
	m.payload, _ = json.Marshal(map[string]any{
		"MessageId": m.name(), "CreatedDate": time.Now().UTC().Format(time.RFC3339), "DestinationId": c.session, "SessionId": c.session,
		"MessageType": channelClosed, "SchemaVersion": 1, "Output": text,
	})
	c.send(ctx, m) // a client that has left needs none
}

// output sends what a command writes.
type output struct {
	ctx context.Context
	c   *channel
}

func (o *output) Write(p []byte) (int, error) {
	const most = 16 << 10
	sent := 0
	for sent < len(p) {
		part := p[sent:min(len(p), sent+most)]
		if err := o.c.stream(o.ctx, payloadOutput, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, nil
}
