package h2

import "time"

// Config is what a connection needs to know. The zero value of a member is its default.
type Config struct {
	// Handler serves a stream, in a goroutine of its own, and owns the stream until it
	// returns; what it has not ended by then is reset. The server's role only.
	Handler func(*Stream)
	// Refused is told of each request that never reaches Handler: its head was answered with
	// RST_STREAM, or the connection ended in it. It must not block. The server's role only; nil: nobody is.
	Refused func(Refusal)

	MaxStreams   int   // streams that the client may have open at once; 128
	MaxRequests  int   // the server says GOAWAY with the last of so many streams; 0: never
	MaxHead      int   // bytes of a head as RFC 9113 counts them; 64 KiB. Above, Stream.TooLarge
	MaxField     int   // bytes of one field's name and value; 16 KiB. Above, Stream.TooLarge
	StreamWindow int32 // bytes of a body that wait to be read; 64 KiB - 1
	ConnWindow   int32 // the same for all bodies of the connection; 1 MiB

	IdleTimeout  time.Duration // without a stream for so long: GOAWAY and close; 0: never. A PING is no stream
	MaxAge       time.Duration // the server says GOAWAY with the first stream after it; 0: never
	WriteTimeout time.Duration // a peer that takes nothing for so long is given up; 0: never
}

// Refusal is a request that was not served.
type Refusal struct {
	ID       uint32 // of the stream
	Code     Code   // of the RST_STREAM; NoError if there was none
	Reason   string
	Received int64 // bytes of the head's frames
	Deserted bool  // the connection ended in the head
}

const (
	defaultStreams  = 128
	defaultHead     = 64 << 10
	defaultField    = 16 << 10
	initialWindow   = 1<<16 - 1 // RFC 9113, 6.9.2
	defaultConn     = 1 << 20
	tableSize       = 4096      // of both HPACK tables
	maxWindow       = 1<<31 - 1 // RFC 9113, 6.9.1
	minFrameSize    = 1 << 14   // the largest frame that is taken, and the default of what is sent
	maxFrameSize    = 1<<24 - 1
	streamsUnasked  = 32               // that a client opens before the server has said how many it takes
	maxPending      = 64 << 10         // bytes of DATA that wait to be written
	maxControl      = 64 << 10         // bytes of answers to frames that wait to be written
	maxBlockFrames  = 128              // frames of one block (CVE-2023-45288)
	lingerFor       = time.Second      // for the peer to read our last frames before the connection is closed
	lingerBytes     = 64 << 10         // of what it had sent before it read them
	strainLimit     = 10_000           // frames that ask for nothing useful …
	strainFor       = 10 * time.Second // … within so long
	strainOfReset   = 2
	usefulOfStream  = 10
	smallUpdate     = 1 << 10 // a WINDOW_UPDATE below is a strain
	waitingPerLimit = 4       // requests that wait for a handler, per MaxStreams (CVE-2023-39325)
)

func (c Config) withDefaults() Config {
	if c.MaxStreams <= 0 {
		c.MaxStreams = defaultStreams
	}
	if c.MaxHead <= 0 {
		c.MaxHead = defaultHead
	}
	if c.MaxField <= 0 {
		c.MaxField = defaultField
	}
	if c.StreamWindow <= 0 {
		c.StreamWindow = initialWindow
	}
	if c.ConnWindow < initialWindow {
		c.ConnWindow = max(defaultConn, c.StreamWindow)
	}
	return c
}
