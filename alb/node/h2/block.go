package h2

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// Field is one field of a head. Names are in lower case.
type Field = hpack.HeaderField

// block is a head that is being read.
type block struct {
	open   bool // its CONTINUATION is awaited
	stream uint32
	end    bool // the stream ends with it
	selfed bool // it depends on itself
	size   int  // encoded
	frames int
	head   head
}

// head is a decoded head.
type head struct {
	method, scheme, authority, path, status string
	hasAuthority                            bool
	fields                                  []Field
	size                                    int // as RFC 9113 counts, 6.5.2
	length                                  int64
	tooLarge                                bool
	bad                                     string // why it is malformed
	pseudo                                  bool   // it has pseudo-headers
}

func (h *head) reset(fields []Field) {
	clear(fields)
	*h = head{fields: fields[:0], length: -1}
}

// beginBlock prepares for a new head.
func (c *Conn) beginBlock(stream uint32, end bool) {
	b := &c.block
	b.open, b.stream, b.end, b.selfed, b.size, b.frames = true, stream, end, false, 0, 0
	b.head.reset(b.head.fields)
	c.decoder.SetEmitEnabled(true)
}

// addFragment decodes a part of the head. Encoded it may be twice as large as decoded: what
// is above cannot be answered any more (CVE-2023-45288).
func (c *Conn) addFragment(p []byte, last bool) error {
	b := &c.block
	b.size += len(p)
	b.frames++
	if b.size > 2*c.config.MaxHead || b.frames > maxBlockFrames {
		return calm("header block without end")
	}
	if _, err := c.decoder.Write(p); err != nil {
		return &ConnError{Code: CompressionError, Reason: err.Error()}
	}
	if !last {
		return nil
	}
	if err := c.decoder.Close(); err != nil {
		return &ConnError{Code: CompressionError, Reason: err.Error()}
	}
	b.open = false
	return c.endBlock()
}

// addField takes a decoded field. A head that is too large is decoded to its end, because
// the table needs it, but not kept (HPACK bomb).
func (c *Conn) addField(f Field) {
	h := &c.block.head
	h.size += int(f.Size())
	if h.size > c.config.MaxHead || len(f.Name)+len(f.Value) > c.config.MaxField {
		h.tooLarge = true
		if h.size > c.config.MaxHead {
			c.decoder.SetEmitEnabled(false)
		}
		if len(f.Name) == 0 || f.Name[0] != ':' {
			return
		}
	}
	if f.Name != "" && f.Name[0] == ':' {
		h.addPseudo(f, c.server)
		return
	}
	if bad := h.check(f); bad != "" && h.bad == "" {
		h.bad = bad
	}
	h.fields = append(h.fields, f)
}

func (h *head) addPseudo(f Field, server bool) {
	var to *string
	switch {
	case !server && f.Name == ":status":
		to = &h.status
	case !server:
	case f.Name == ":method":
		to = &h.method
	case f.Name == ":scheme":
		to = &h.scheme
	case f.Name == ":authority":
		to = &h.authority
	case f.Name == ":path":
		to = &h.path
	}
	switch {
	case to == nil:
		h.bad = "unknown pseudo-header"
	case len(h.fields) > 0:
		h.bad = "pseudo-header after a field"
	case *to != "" || to == &h.authority && h.hasAuthority:
		h.bad = "pseudo-header given twice"
	case !validValue(f.Value):
		h.bad = "value of a pseudo-header"
	default:
		*to = f.Value
	}
	h.pseudo, h.hasAuthority = true, h.hasAuthority || to == &h.authority
}

// check says what is malformed about a field (RFC 9113, 8.2).
func (h *head) check(f Field) string {
	if !validName(f.Name) {
		return "field name"
	}
	if !validValue(f.Value) {
		return "field value"
	}
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return "connection-specific field"
	case "te":
		if !strings.EqualFold(f.Value, "trailers") {
			return "te other than trailers"
		}
	case "content-length":
		n, ok := parseLength(f.Value)
		if !ok || h.length >= 0 && h.length != n {
			return "content-length"
		}
		h.length = n
	}
	return ""
}

// checkRequest says what is malformed about a whole request head (RFC 9113, 8.3.1).
func (h *head) checkRequest() string {
	switch {
	case h.bad != "":
		return h.bad
	case h.method == "CONNECT":
		if h.scheme != "" || h.path != "" || h.authority == "" {
			return "pseudo-headers of CONNECT"
		}
	case h.method == "" || h.scheme == "" || h.path == "":
		return "missing pseudo-header"
	case h.path[0] != '/' && !(h.path == "*" && h.method == "OPTIONS"):
		return ":path"
	}
	return ""
}

// checkResponse does the same for a response.
func (h *head) checkResponse() (status int, bad string) {
	if h.bad != "" {
		return 0, h.bad
	}
	n, ok := parseLength(h.status)
	if len(h.status) != 3 || !ok || n < 100 {
		return 0, ":status"
	}
	return int(n), ""
}

func (h *head) checkTrailers() string {
	if h.bad == "" && h.pseudo {
		return "pseudo-header in trailers"
	}
	return h.bad
}

// nameChars are the characters of a field name: a token without capitals.
var nameChars = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func validName(s string) bool {
	for i := range len(s) {
		if !nameChars[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// validValue: no NUL, CR or LF, and no white space around it (RFC 9113, 8.2.1).
func validValue(s string) bool {
	if s == "" {
		return true
	}
	if isSpace(s[0]) || isSpace(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func parseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
