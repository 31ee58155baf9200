package node

import "bytes"

// field is one header field, as it came. Its slices point into the reader's buffer.
type field struct {
	name, value []byte
	kind        kind
}

// kind names the fields that the node itself acts on.
type kind uint8

const (
	fieldOther kind = iota
	fieldHost
	fieldConnection
	fieldContentLength
	fieldTransferEncoding
	fieldExpect
	fieldUserAgent
	fieldForwardedFor
	fieldForwardedProto
	fieldForwardedPort
	fieldTraceID
	fieldContentType
	fieldCookie
	fieldUpgrade
	fieldHop // Keep-Alive, Proxy-Connection, TE, Trailer: not passed on
)

var kindsByLength = [18][]struct {
	name string
	kind kind
}{
	2:  {{"te", fieldHop}},
	4:  {{"host", fieldHost}},
	6:  {{"expect", fieldExpect}, {"cookie", fieldCookie}},
	7:  {{"upgrade", fieldUpgrade}, {"trailer", fieldHop}},
	10: {{"connection", fieldConnection}, {"user-agent", fieldUserAgent}, {"keep-alive", fieldHop}},
	12: {{"content-type", fieldContentType}},
	14: {{"content-length", fieldContentLength}},
	15: {{"x-forwarded-for", fieldForwardedFor}, {"x-amzn-trace-id", fieldTraceID}},
	16: {{"x-forwarded-port", fieldForwardedPort}, {"proxy-connection", fieldHop}},
	17: {{"transfer-encoding", fieldTransferEncoding}, {"x-forwarded-proto", fieldForwardedProto}},
}

func kindOf(name []byte) kind {
	if len(name) >= len(kindsByLength) {
		return fieldOther
	}
	for _, k := range kindsByLength[len(name)] {
		if equalFold(name, k.name) {
			return k.kind
		}
	}
	return fieldOther
}

// equalFold compares ASCII text; lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if toLower(c) != lower[i] {
			return false
		}
	}
	return true
}

func toLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func appendLower(dst, src []byte) []byte {
	for _, c := range src {
		dst = append(dst, toLower(c))
	}
	return dst
}

// tokenChars are the characters of a method or field name (RFC 9110).
var tokenChars = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-32] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

// isCompliantName reports what ALB calls a valid header name: [-A-Za-z0-9]+.
func isCompliantName(b []byte) bool {
	for _, c := range b {
		if c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			continue
		}
		return false
	}
	return true
}

// splitField cuts a header line into name and value. It accepts no whitespace before
// the colon, no folded line, and no NUL or CR anywhere.
func splitField(line []byte) (f field, ok bool) {
	i := 0
	for i < len(line) && tokenChars[line[i]] {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return field{}, false
	}
	value := trimSpace(line[i+1:])
	if !isPlain(value) && (bytes.IndexByte(value, 0) >= 0 || bytes.IndexByte(value, '\r') >= 0) {
		return field{}, false
	}
	return field{name: line[:i], value: value, kind: kindOf(line[:i])}, true
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// hasToken reports whether a comma-separated value contains token, in lower case.
func hasToken(value []byte, token string) bool {
	for len(value) > 0 {
		i := bytes.IndexByte(value, ',')
		if i < 0 {
			return equalFold(trimSpace(value), token)
		}
		if equalFold(trimSpace(value[:i]), token) {
			return true
		}
		value = value[i+1:]
	}
	return false
}

// parseLength reads a Content-Length value: digits only.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// headEnd returns the length of the message head at the start of b, its empty line
// included, or 0 if it is not whole yet. It starts to look at from.
func headEnd(b []byte, from int) int {
	for from < len(b) {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		if from < len(b) && b[from] == '\n' {
			return from + 1
		}
		if from+1 < len(b) && b[from] == '\r' && b[from+1] == '\n' {
			return from + 2
		}
	}
	return 0
}

// cutLine cuts the first line off b, without its ending.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = nextLine(b)
	return line, rest
}

// nextLine is cutLine that tells whether the line ended in CR LF.
func nextLine(b []byte) (line, rest []byte, crlf bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil, true
	}
	if i > 0 && b[i-1] == '\r' {
		return b[:i-1], b[i+1:], true
	}
	return b[:i], b[i+1:], false
}
