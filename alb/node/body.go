package node

import (
	"errors"
	"io"
)

type framing uint8

const (
	noBody framing = iota
	byLength
	byChunks
	byClose // a response that ends with its connection
)

type chunkPhase uint8

const (
	chunkSize chunkPhase = iota
	chunkData
	chunkEnd
	chunkTrailer
	chunkDone
)

const maxChunkLine = 4 << 10

// errPart says that bytes came, but not all that is waited for: the wait begins anew (ALB-068).
var errPart = errors.New("only a part is here")

// errChunk is a chunked body that does not keep to the grammar.
var errChunk = errors.New("malformed chunked body")

// body takes the bytes of one message's body off a reader. It can be asked again after a timeout.
type body struct {
	rd       *reader
	framing  framing
	remain   int64 // of the body, or of the current chunk
	phase    chunkPhase
	trailer  int
	waste    int64 // bytes of chunk lines beyond what the data is worth
	received int64 // bytes taken off the connection, framing included
	waited   bool  // next has read from the connection
}

func (b *body) start(rd *reader, f framing, length int64) {
	*b = body{rd: rd, framing: f, remain: length}
}

// done reports whether the whole body has been taken.
func (b *body) done() bool {
	switch b.framing {
	case byLength:
		return b.remain == 0
	case byChunks:
		return b.phase == chunkDone
	}
	return b.framing == noBody
}

// next returns the next bytes of the body, valid until the next call, and io.EOF after the
// last. Unless wait, it returns errAgain instead of reading from the connection. It reads once;
// if that was not enough it returns errPart.
func (b *body) next(wait bool) ([]byte, error) {
	b.waited = false
	switch b.framing {
	case byChunks:
		return b.nextChunk(wait)
	case byLength:
		if b.remain == 0 {
			return nil, io.EOF
		}
		return b.take(wait)
	case byClose:
		if err := b.need(wait); err != nil {
			return nil, err
		}
		b.remain = int64(b.rd.len())
		return b.take(wait)
	}
	return nil, io.EOF
}

// need makes sure that there is an unread byte.
func (b *body) need(wait bool) error {
	if b.rd.len() > 0 {
		return nil
	}
	return b.more(wait)
}

func (b *body) more(wait bool) error {
	if !wait {
		return errAgain
	}
	if b.waited {
		return errPart
	}
	b.waited = true
	err := b.rd.fill(targetBuffer)
	if err == io.EOF && b.framing != byClose {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (b *body) take(wait bool) ([]byte, error) {
	if err := b.need(wait); err != nil {
		return nil, err
	}
	p := b.rd.bytes()
	if int64(len(p)) > b.remain {
		p = p[:b.remain]
	}
	b.rd.skip(len(p))
	b.remain -= int64(len(p))
	b.received += int64(len(p))
	return p, nil
}

func (b *body) nextChunk(wait bool) ([]byte, error) {
	for {
		switch b.phase {
		case chunkDone:
			return nil, io.EOF
		case chunkData:
			p, err := b.take(wait)
			if err == nil && b.remain == 0 {
				b.phase = chunkEnd
			}
			return p, err
		default:
			line, err := b.chunkLine(wait)
			if err != nil {
				return nil, err
			}
			if err := b.step(line); err != nil {
				return nil, err
			}
		}
	}
}

// chunkLine returns the next line. Lines end in CR LF, nothing else (a bare LF is how
// requests are smuggled).
func (b *body) chunkLine(wait bool) ([]byte, error) {
	for {
		before := b.rd.len()
		line, crlf, ok := b.rd.line()
		if ok {
			b.received += int64(before - b.rd.len())
			if !crlf {
				return nil, errChunk
			}
			return line, nil
		}
		if before > maxChunkLine {
			return nil, errChunk
		}
		if err := b.more(wait); err != nil {
			return nil, err
		}
	}
}

func (b *body) step(line []byte) error {
	switch b.phase {
	case chunkSize:
		n, ok := parseChunkSize(line)
		if !ok || b.wasteful(len(line), n) {
			return errChunk
		}
		b.remain, b.phase = n, chunkData
		if n == 0 {
			b.phase = chunkTrailer
		}
	case chunkEnd:
		if len(line) != 0 {
			return errChunk
		}
		b.phase = chunkSize
	case chunkTrailer:
		if b.trailer += len(line); b.trailer > maxHeaderLine {
			return errChunk
		}
		if len(line) == 0 {
			b.phase = chunkDone
		}
	}
	return nil
}

// wasteful reports whether the chunks of a body have been mostly framing: extensions without
// end, which cost more to read than they are worth (ALB-096, CVE-2023-39326).
func (b *body) wasteful(line int, n int64) bool {
	const fair = 16 // of framing for each chunk, and as much again as there is data
	b.waste = max(0, b.waste+int64(line)-fair-n)
	return b.waste > maxHeaderLine
}

func parseChunkSize(line []byte) (n int64, ok bool) {
	i := 0
	for ; i < len(line); i++ {
		d := hexDigit(line[i])
		if d < 0 {
			break
		}
		if i >= 15 {
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	if i == 0 {
		return 0, false
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i < len(line) && line[i] != ';' {
		return 0, false
	}
	for _, c := range line[i:] {
		if c == '\r' || c == 0 {
			return 0, false
		}
	}
	return n, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
