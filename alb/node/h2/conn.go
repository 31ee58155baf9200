package h2

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Conn is one connection. Its methods may be called from several goroutines.
type Conn struct {
	conn   net.Conn
	config Config
	server bool
	work   sync.WaitGroup // every goroutine under Run; added to under mu, before over is set

	// Owned by Run.
	rd      reader
	decoder *hpack.Decoder
	block   block
	greeted bool // the peer's first SETTINGS came
	junk    int  // strain, see limit.go
	junkAt  time.Time

	mu       sync.Mutex
	running  bool // Run has been called
	over     bool // nothing is read or written any more
	err      error
	streams  map[uint32]*Stream // neither reset nor closed by both sides
	free     []*Stream          // to be used again
	handling int                // handlers that have not returned
	waiting  []*Stream          // for a handler
	blocked  []*Stream          // for room in pending, or in the connection's window
	calls    []func()           // to be made after unlock
	requests int
	useful   int    // frames and streams that were worth their strain
	lastPeer uint32 // the peer's last stream that is served
	ignored  uint32 // its last stream that crossed our GOAWAY, and is not
	nextOwn  uint32
	skipped  [8]span // of the peer's stream identifiers that were never used, the last ones
	resets   [defaultStreams]uint32
	resetAt  int // in resets, a ring of the streams reset by us

	outbox
	sendWindow   int64
	peerWindow   int64 // the peer's SETTINGS_INITIAL_WINDOW_SIZE
	peerFrame    int
	peerStreams  int
	recvWindow   int64
	recvConsumed int64

	leaving   bool      // GOAWAY has been sent, or will be after the ping
	saidLast  bool      // the GOAWAY that names the last stream has been sent
	peerGone  bool      // GOAWAY has been received
	ending    bool      // our own error ends the connection: the deadlines are set
	finished  bool      // all is said: what is pending goes out, then the connection is closed
	idleSince time.Time // zero while there are streams
	idleTimer *time.Timer
	leaveBy   *time.Timer
	doubted   bool // the peer owes an answer to a PING: no stream is opened
	doubtEnds *time.Timer
	opened    time.Time
}

// span is a range of stream identifiers.
type span struct{ from, to uint32 }

// Server returns the server's side of a connection.
func Server(conn net.Conn, config Config) *Conn { return newConn(conn, config, true) }

// Client returns the client's side of a connection. Streams can be opened at once.
func Client(conn net.Conn, config Config) *Conn { return newConn(conn, config, false) }

func newConn(conn net.Conn, config Config, server bool) *Conn {
	now := time.Now()
	c := &Conn{conn: conn, config: config.withDefaults(), server: server, opened: now, idleSince: now, junkAt: now,
		streams: map[uint32]*Stream{}, nextOwn: 1, rd: reader{conn: conn}, outbox: outbox{parcel: 1},
		sendWindow: initialWindow, peerWindow: initialWindow, peerFrame: minFrameSize, peerStreams: streamsUnasked}
	c.recvWindow = int64(c.config.ConnWindow)
	c.decoder = hpack.NewDecoder(tableSize, c.addField)
	c.encoder = hpack.NewEncoder(&c.scratch)
	c.greet()
	return c
}

// greet appends what a connection begins with.
func (c *Conn) greet() {
	b := c.pending
	settings := appendSetting(nil, settingMaxHead, uint32(c.config.MaxHead))
	if c.server {
		settings = appendSetting(settings, settingMaxStreams, uint32(c.config.MaxStreams))
	} else {
		b = append(b, preface...)
		settings = appendSetting(settings, settingEnablePush, 0)
	}
	if c.config.StreamWindow != initialWindow {
		settings = appendSetting(settings, settingInitialWindow, uint32(c.config.StreamWindow))
	}
	b = append(appendFrame(b, len(settings), frameSettings, 0, 0), settings...)
	if more := c.config.ConnWindow - initialWindow; more > 0 {
		b = appendUint32Frame(b, frameWindowUpdate, 0, uint32(more))
	}
	c.pending = b
}

// Run serves the connection until it has ended, and every handler has returned. The error
// is nil if it ended as either side said it would.
func (c *Conn) Run() error {
	if !c.begin() {
		c.conn.Close()
		return ErrClosed
	}
	err := c.read()
	c.desert(err)
	c.end(err)
	c.conn.Close()
	c.work.Wait()
	c.rd.r = c.rd.w
	c.rd.slim()
	return c.result()
}

func (c *Conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running || c.over {
		return false
	}
	c.running = true
	if c.config.IdleTimeout > 0 {
		c.idleTimer = time.AfterFunc(c.config.IdleTimeout, c.checkIdle)
	}
	return true
}

func (c *Conn) result() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var told *ConnError
	if c.finished && !errors.As(c.err, &told) {
		return nil
	}
	return c.err
}

// read handles frames until the connection ends.
func (c *Conn) read() error {
	if c.server {
		if err := c.readPreface(); err != nil {
			return err
		}
	}
	for {
		f, ok, err := c.rd.frame()
		if err != nil {
			return err
		}
		if !ok {
			if err := c.fill(); err != nil {
				return err
			}
			continue
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
}

func (c *Conn) readPreface() error {
	for {
		b := c.rd.buf[c.rd.r:c.rd.w]
		if n := min(len(b), len(preface)); !bytes.Equal(b[:n], []byte(preface[:n])) {
			return protocol("connection preface")
		}
		if len(b) >= len(preface) {
			c.rd.r += len(preface)
			return nil
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// fill reads more. What frames have been answered with goes out before.
func (c *Conn) fill() error {
	c.mu.Lock()
	c.kick()
	quiet := len(c.streams) == 0
	if quiet && len(c.free) > 1 {
		clear(c.free[1:]) // an idle connection holds little
		c.free = c.free[:1]
	}
	c.mu.Unlock()
	if quiet || c.server {
		c.rd.slim() // the last stream may end while we wait
	}
	if err := c.rd.fill(); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}

// end makes err the end of everything, and says GOAWAY if it is an error of the peer.
func (c *Conn) end(err error) {
	var own *ConnError
	if errors.As(err, &own) && !own.Remote {
		c.mu.Lock()
		if !c.over {
			c.goAway(c.lastPeer, own.Code, own.Reason)
			c.finished, c.ending, c.err = true, true, err
		}
		c.mu.Unlock()
		c.conn.SetDeadline(time.Now().Add(lingerFor))
		c.flush()
		c.drainInput()
		c.awaitFlush()
	}
	c.abort(err)
}

// awaitFlush waits for a flush that somebody else does. It has a deadline.
func (c *Conn) awaitFlush() {
	c.mu.Lock()
	var done chan struct{}
	if c.flushing {
		done = make(chan struct{})
		c.whenFlushed = done
	}
	c.mu.Unlock()
	if done != nil {
		<-done
	}
}

// drainInput reads on for a moment, while the last frames are written: closing with unread
// input would make the kernel send RST, and the peer could lose what was sent.
func (c *Conn) drainInput() {
	c.rd.r, c.rd.w = 0, 0
	for left := lingerBytes; left > 0 && c.rd.fill() == nil; {
		left -= c.rd.len()
		c.rd.r = c.rd.w
	}
}

func (c *Conn) closeWrite() {
	c.conn.SetReadDeadline(time.Now().Add(lingerFor))
	if half, ok := c.conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		c.conn.Close()
	}
}

// abort ends every stream with err.
func (c *Conn) abort(err error) {
	c.mu.Lock()
	defer c.unlock()
	if c.over {
		return
	}
	if c.err == nil {
		c.err = err
	}
	c.over = true
	for _, s := range c.streams {
		c.drop(s, c.err)
	}
	c.releaseBlocked()
	c.stopTimers()
}

// unlock releases mu, and calls what the streams that ended under it want called.
func (c *Conn) unlock() {
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

func (c *Conn) stopTimers() {
	for _, t := range []*time.Timer{c.idleTimer, c.leaveBy, c.doubtEnds} {
		if t != nil {
			t.Stop()
		}
	}
}

// Close ends the connection now, without a word. Run returns soon after.
func (c *Conn) Close() {
	c.abort(ErrClosed)
	c.conn.Close()
}

// GoAway ends the connection gently: a server serves what the client had sent when it
// learnt of it, a client opens no more streams; then it closes. It does not wait for that.
func (c *Conn) GoAway() {
	c.mu.Lock()
	if c.over || c.leaving {
		c.mu.Unlock()
		return
	}
	c.leaving = true
	if c.server && c.running && c.greetedPeer() {
		c.goAway(maxWindow, NoError, "")
		c.pending = append(appendFrame(c.pending, 8, framePing, 0, 0), leavePing...)
		c.leaveBy = time.AfterFunc(lingerFor, c.sayLast)
		c.kick()
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.sayLast()
}

// Doubt asks the peer for a sign of life. Until it has given one no stream can be opened; if it does
// not within a time, the connection is left as GoAway leaves it.
func (c *Conn) Doubt(within time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.leaving || c.doubted {
		return
	}
	c.doubted = true
	c.reserve()
	c.pending = append(appendFrame(c.pending, 8, framePing, 0, 0), doubtPing...)
	c.doubtEnds = time.AfterFunc(within, c.giveUp)
	c.kick()
}

const doubtPing = "alive? ."

// giveUp is the end of Doubt.
func (c *Conn) giveUp() {
	c.mu.Lock()
	doubted := c.doubted
	c.mu.Unlock()
	if doubted {
		c.GoAway()
	}
}

// trust ends a doubt: the peer has answered.
func (c *Conn) trust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubted {
		c.doubted = false
		c.doubtEnds.Stop()
	}
}

// greetedPeer reports whether the peer has opened a stream: only then requests can be on
// their way that a first GOAWAY would lose.
func (c *Conn) greetedPeer() bool { return c.lastPeer > 0 }

const leavePing = "leaving."

// sayLast says GOAWAY with the last stream that is served.
func (c *Conn) sayLast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.leave()
		c.kick()
	}
}

// leave is sayLast under mu, without the flush.
func (c *Conn) leave() {
	if c.saidLast {
		return
	}
	c.leaving, c.saidLast = true, true
	c.goAway(c.lastPeer, NoError, "")
	c.finishIfDone()
}

// finishIfDone ends a connection on which nothing more will happen.
func (c *Conn) finishIfDone() {
	if len(c.streams) == 0 && (c.saidLast || c.peerGone && !c.server) {
		c.finished = true
	}
}

// goAway appends a GOAWAY.
func (c *Conn) goAway(last uint32, code Code, reason string) {
	if !c.server {
		last = 0
	}
	b := appendFrame(c.pending, 8+len(reason), frameGoAway, 0, 0)
	b = append(b, byte(last>>24), byte(last>>16), byte(last>>8), byte(last))
	b = append(b, byte(code>>24), byte(code>>16), byte(code>>8), byte(code))
	c.pending = append(b, reason...)
}

// checkIdle runs when the connection may have been idle for long enough.
func (c *Conn) checkIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	wait := c.config.IdleTimeout
	if len(c.streams) == 0 {
		wait -= time.Since(c.idleSince)
	}
	if wait > 0 {
		c.idleTimer.Reset(wait)
		return
	}
	c.leave()
	c.kick()
}
