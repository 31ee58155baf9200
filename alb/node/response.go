package node

import (
	"bytes"
	"errors"
	"fmt"
)

// response is the head of a target's response. Its slices point into the reader's buffer.
type response struct {
	status    int
	reason    []byte
	minor     int
	fields    []field
	length    int64
	hasLength bool
	chunked   bool
	close     bool
	keepAlive bool
	size      int64 // of the body that follows; 0: none; negative: unknown
}

var (
	errStatusLine   = errors.New("malformed status line")
	errFraming      = errors.New("contradictory Content-Length or Transfer-Encoding")
	errHeadTooLarge = errors.New("response header above 32K")
)

// parse reads a whole head.
func (p *response) parse(b []byte) error {
	*p = response{fields: p.fields[:0]}
	line, rest := cutLine(b)
	if err := p.parseLine(line); err != nil {
		return err
	}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			return nil
		}
		if err := p.addField(line); err != nil {
			return err
		}
	}
}

func (p *response) parseLine(line []byte) error {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || line[7] < '0' || line[7] > '9' {
		return fmt.Errorf("%w: %.64q", errStatusLine, line)
	}
	n, ok := parseLength(line[9:12])
	if !ok || n < 100 || len(line) > 12 && line[12] != ' ' || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
		return fmt.Errorf("%w: %.64q", errStatusLine, line)
	}
	p.status, p.minor = int(n), min(int(line[7]-'0'), 1)
	if len(line) > 13 {
		p.reason = line[13:]
	}
	return nil
}

func (p *response) addField(line []byte) error {
	f, ok := splitField(line)
	if !ok {
		return fmt.Errorf("malformed header field: %.64q", line)
	}
	p.fields = append(p.fields, f)
	switch f.kind {
	case fieldConnection:
		p.close = p.close || hasToken(f.value, "close")
		p.keepAlive = p.keepAlive || hasToken(f.value, "keep-alive")
	case fieldContentLength:
		n, ok := parseLength(f.value)
		if !ok || p.hasLength && n != p.length {
			return fmt.Errorf("%w: %.64q", errFraming, line)
		}
		p.hasLength, p.length = true, n
	case fieldTransferEncoding:
		if p.chunked || !equalFold(f.value, "chunked") {
			return fmt.Errorf("%w: %.64q", errFraming, line)
		}
		p.chunked = true
	}
	return nil
}

// framing tells how the body ends, for a request that was HEAD or not.
func (p *response) framing(head bool) (framing, int64) {
	switch {
	case head || p.status == 204 || p.status == 304:
		return noBody, 0
	case p.chunked:
		return byChunks, 0
	case p.hasLength && p.length == 0:
		return noBody, 0
	case p.hasLength:
		return byLength, p.length
	}
	return byClose, 0
}

// measure sets size, for a body that is framed so.
func (p *response) measure(f framing, length int64) {
	p.size = length
	if f == byChunks || f == byClose {
		p.size = -1
	}
}

// reusable reports whether the target keeps its connection after this response.
func (p *response) reusable(f framing) bool {
	if f == byClose || p.close || p.chunked && p.hasLength {
		return false
	}
	return p.minor > 0
}
