package h2

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const frameHeader = 9

// Frame types.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

// Flags.
const (
	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings.
const (
	settingTableSize     = 0x1
	settingEnablePush    = 0x2
	settingMaxStreams    = 0x3
	settingInitialWindow = 0x4
	settingMaxFrameSize  = 0x5
	settingMaxHead       = 0x6
)

// frame is one frame. Its payload is valid until the next one is read.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

// unpad cuts the padding off the payload.
func (f *frame) unpad() error {
	if !f.has(flagPadded) {
		return nil
	}
	if len(f.payload) == 0 {
		return frameSize("padded frame without a pad length")
	}
	pad := int(f.payload[0])
	if f.payload = f.payload[1:]; pad > len(f.payload) {
		return protocol("padding is longer than its frame")
	}
	f.payload = f.payload[:len(f.payload)-pad]
	return nil
}

// dependency cuts a priority off the payload, and returns the stream that it names.
func (f *frame) dependency() (uint32, error) {
	if len(f.payload) < 5 {
		return 0, frameSize("frame is shorter than its priority")
	}
	on := binary.BigEndian.Uint32(f.payload) & maxWindow
	f.payload = f.payload[5:]
	return on, nil
}

func appendFrame(b []byte, length int, kind, flags byte, stream uint32) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), kind, flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

func appendUint32Frame(b []byte, kind byte, stream, value uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, 4, kind, 0, stream), value)
}

// room is what is read into: a whole frame fits in, and more.
type room [minFrameSize + frameHeader + 8<<10]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// reader reads frames off a connection. It holds a room only from the first bytes of a frame
// on until there are none left: TLS has the rest of what came with them at hand.
type reader struct {
	conn  net.Conn
	buf   []byte
	r, w  int
	room  *room
	small [256]byte
}

func (r *reader) len() int { return r.w - r.r }

// slim gives the room back, if nothing is in it.
func (r *reader) slim() {
	if r.room != nil && r.len() == 0 {
		rooms.Put(r.room)
		r.room, r.buf, r.r, r.w = nil, nil, 0, 0
	}
}

// fill reads once.
func (r *reader) fill() error {
	if r.room == nil {
		n, err := r.conn.Read(r.small[:])
		if n == 0 {
			return noProgress(err)
		}
		r.room = rooms.Get().(*room)
		r.buf = r.room[:]
		r.w = copy(r.buf, r.small[:n])
		return nil
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	n, err := r.conn.Read(r.buf[r.w:])
	r.w += n
	if n == 0 {
		return noProgress(err)
	}
	return nil
}

func noProgress(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// frame cuts the next frame off what was read. ok is false if it is not whole yet.
func (r *reader) frame() (f frame, ok bool, err error) {
	if r.len() < frameHeader {
		return f, false, nil
	}
	b := r.buf[r.r:r.w]
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	if length > minFrameSize {
		return f, false, frameSize("frame is longer than SETTINGS_MAX_FRAME_SIZE")
	}
	if len(b) < frameHeader+length {
		return f, false, nil
	}
	f = frame{b[3], b[4], binary.BigEndian.Uint32(b[5:]) & maxWindow, b[frameHeader : frameHeader+length]}
	r.r += frameHeader + length
	return f, true, nil
}
