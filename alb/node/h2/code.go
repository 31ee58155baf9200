package h2

import (
	"errors"
	"fmt"
)

// Code is an error code of RFC 9113, section 7.
type Code uint32

// The codes.
const (
	NoError            Code = 0x0
	ProtocolError      Code = 0x1
	InternalError      Code = 0x2
	FlowControlError   Code = 0x3
	SettingsTimeout    Code = 0x4
	StreamClosed       Code = 0x5
	FrameSizeError     Code = 0x6
	RefusedStream      Code = 0x7
	Cancel             Code = 0x8
	CompressionError   Code = 0x9
	ConnectError       Code = 0xa
	EnhanceYourCalm    Code = 0xb
	InadequateSecurity Code = 0xc
	HTTP11Required     Code = 0xd
)

var codeNames = [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR",
	"SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
	"CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"}

// String is the name in the RFC.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("error code 0x%x", uint32(c))
}

// ConnError ended a whole connection: a GOAWAY, sent or received.
type ConnError struct {
	Code   Code
	Reason string
	Remote bool // the peer sent it
}

// Error says who gave up, with which code, and why.
func (e *ConnError) Error() string { return describe("GOAWAY", e.Code, e.Reason, e.Remote) }

// StreamError ended one stream: an RST_STREAM, sent or received, or a stream that the peer
// had not begun to serve when it sent GOAWAY.
type StreamError struct {
	Code   Code
	Reason string
	Remote bool // the peer sent it
}

// Error says who gave up, with which code, and why.
func (e *StreamError) Error() string { return describe("RST_STREAM", e.Code, e.Reason, e.Remote) }

func describe(frame string, code Code, reason string, remote bool) string {
	verb := "sent "
	if remote {
		verb = "received "
	}
	if reason != "" {
		reason = ": " + reason
	}
	return verb + frame + " " + code.String() + reason
}

var (
	// ErrAgain is returned by Next when there are no bytes without waiting.
	ErrAgain = errors.New("no more bytes without waiting")
	// ErrInterrupted is returned by Next after Interrupt.
	ErrInterrupted = errors.New("http2: interrupted")
	// ErrClosed is the error of a connection that was closed, by either side, between frames.
	ErrClosed = errors.New("http2: connection closed")
	// ErrFull is returned by Open if the peer takes no more streams, now or at all.
	ErrFull = errors.New("http2: no more streams on this connection")
	// ErrFinished is returned by what would send after the end of the stream.
	ErrFinished = errors.New("http2: stream is finished")
)

func protocol(reason string) error { return &ConnError{Code: ProtocolError, Reason: reason} }

func frameSize(reason string) error { return &ConnError{Code: FrameSizeError, Reason: reason} }

func calm(reason string) error { return &ConnError{Code: EnhanceYourCalm, Reason: reason} }
