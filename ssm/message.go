package ssm

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// The types of messages (SSM-001).
const (
	inputStream   = "input_stream_data"  // of the client
	outputStream  = "output_stream_data" // of ours
	acknowledge   = "acknowledge"
	channelClosed = "channel_closed"
)

// The types of payloads (SSM-001).
const (
	payloadOutput            = 1
	payloadSize              = 3
	payloadHandshakeRequest  = 5
	payloadHandshakeResponse = 6
	payloadHandshakeComplete = 7
	payloadFlag              = 10
)

// headerLength is the length of a message's header, not counting the payload's length (SSM-001).
const headerLength = 116

// message is what a channel carries. Integers are big-endian on the wire.
type message struct {
	kind     string
	sequence int64
	flags    uint64
	id       [16]byte
	payload  []byte
	content  uint32 // type of the payload
}

func newMessage(kind string, sequence int64, content uint32, payload []byte) message {
	m := message{kind: kind, sequence: sequence, content: content, payload: payload}
	rand.Read(m.id[:])
	return m
}

// encode returns a message as it is sent. The halves of its id are exchanged on the wire.
func (m message) encode(now time.Time) []byte {
	b := make([]byte, 0, headerLength+4+len(m.payload))
	b = binary.BigEndian.AppendUint32(b, headerLength)
	b = append(b, fmt.Sprintf("%-32s", m.kind)...)
	b = binary.BigEndian.AppendUint32(b, 1) // schema version
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(m.sequence))
	b = binary.BigEndian.AppendUint64(b, m.flags)
	b = append(append(b, m.id[8:]...), m.id[:8]...)
	digest := sha256.Sum256(m.payload)
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint32(b, m.content)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.payload)))
	return append(b, m.payload...)
}

var errMessage = errors.New("not a message of a session's data channel")

func decode(b []byte) (message, error) {
	if len(b) < headerLength+4 {
		return message{}, errMessage
	}
	from := int(binary.BigEndian.Uint32(b)) + 4
	if from < headerLength+4 || from > len(b) {
		return message{}, errMessage
	}
	m := message{
		kind:     string(bytes.TrimRight(b[4:36], " \x00")),
		sequence: int64(binary.BigEndian.Uint64(b[48:])),
		flags:    binary.BigEndian.Uint64(b[56:]),
		content:  binary.BigEndian.Uint32(b[112:]),
		payload:  b[from:],
	}
	copy(m.id[8:], b[64:72])
	copy(m.id[:8], b[72:80])
	if int(binary.BigEndian.Uint32(b[from-4:])) != len(m.payload) {
		return message{}, errMessage
	}
	return m, nil
}

// name is the message's id as a UUID.
func (m message) name() string {
	s := hex.EncodeToString(m.id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
