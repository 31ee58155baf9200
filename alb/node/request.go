package node

import (
	"bytes"

	"drydock/timeline"
)

// request is the head of one request. Its slices point into the reader's buffer and are
// used only until the head for the target has been written down.
type request struct {
	method    []byte
	uri       []byte // as sent by the client
	target    []byte // origin form: path and query, the bytes that go to the target
	path      []byte // of target, as rules see it
	query     []byte // of target, as rules see it
	authority []byte // of an absolute-form URI
	host      []byte // the first Host field, or authority
	hosts     int
	userAgent []byte
	minor     int // HTTP/1.minor
	fields    []field

	framing      framing
	length       int64
	chunked      int // Transfer-Encoding: chunked fields
	identity     bool
	hasLength    bool
	close        bool
	keepAlive    bool
	expect       bool
	ambiguous    bool // desync class Ambiguous: both connections are closed after the response
	noncompliant bool // desync class Acceptable but not compliant
	forwarded    int  // addresses in X-Forwarded-For
	head         bool // method HEAD
	chrome       bool // the User-Agent gets a padded error page
}

// refusal says why a request is not accepted.
type refusal struct {
	cause  timeline.Cause
	detail string
}

func malformed(detail string) *refusal { return &refusal{timeline.MalformedRequest, detail} }

var (
	badRequestLine   = malformed("request line")
	badMethod        = malformed("method")
	badURI           = malformed("request target")
	badVersion       = malformed("HTTP version")
	badField         = malformed("header field")
	badLength        = malformed("Content-Length")
	differentLengths = malformed("Content-Length given twice with different values")
	badChunked       = malformed("Transfer-Encoding: chunked given twice")
	chunkedHTTP10    = malformed("Transfer-Encoding in an HTTP/1.0 request")
	noHost           = malformed("no Host header")
	badHost          = malformed("Host header")
	strictest        = malformed("desync mitigation mode is strictest")
	longURI          = &refusal{timeline.URITooLong, "request line above 16K"}
	longField        = &refusal{timeline.HeaderTooLarge, "header line above 16K"}
	longHead         = &refusal{timeline.HeaderTooLarge, "request header above 64K"}
	unknownEncoding  = &refusal{timeline.BadTransferEncoding, "Transfer-Encoding other than chunked or identity"}
	traceMethod      = &refusal{timeline.MethodTrace, "method not allowed"}
	manyForwarded    = &refusal{timeline.XFFTooMany, "more than 30 addresses in X-Forwarded-For"}
)

// parse reads a whole head (ALB-020: what is Severe is refused, what is Ambiguous is
// marked; what is unclear is refused). After a refusal the members known so far are set.
func (q *request) parse(b []byte) *refusal {
	*q = request{fields: q.fields[:0]}
	line, rest := cutLine(b)
	if len(line) > maxRequestLine {
		return longURI
	}
	problem := q.parseLine(line)
	if problem != nil {
		return problem
	}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if problem := q.addField(line); problem != nil {
			return problem
		}
	}
	return q.settle()
}

func (q *request) parseLine(line []byte) *refusal {
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i < 0 || i == j {
		return badRequestLine
	}
	method, uri, version := line[:i], line[i+1:j], line[j+1:]
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || version[7] < '0' || version[7] > '9' {
		return badVersion
	}
	if !isToken(method) {
		return badMethod
	}
	q.method, q.uri = method, uri
	q.head = string(method) == "HEAD"
	q.minor = min(int(version[7]-'0'), 1)
	q.noncompliant = version[7] > '1'
	if problem := q.parseURI(uri); problem != nil {
		return problem
	}
	return nil
}

// parseURI accepts the origin and the absolute form. Control characters and spaces in it are refused.
func (q *request) parseURI(uri []byte) *refusal {
	for _, c := range uri {
		if c <= ' ' || c == 0x7f {
			return badURI
		}
	}
	q.target = uri
	if len(uri) > 7 && uri[0] != '/' {
		if problem := q.cutAuthority(uri); problem != nil {
			return problem
		}
	}
	if len(q.target) == 0 || q.target[0] != '/' {
		if string(q.method) == "CONNECT" {
			return nil // refused later, with its own status
		}
		return badURI
	}
	q.splitTarget()
	return nil
}

func (q *request) cutAuthority(uri []byte) *refusal {
	rest := uri
	switch {
	case equalFold(uri[:7], "http://"):
		rest = uri[7:]
	case len(uri) > 8 && equalFold(uri[:8], "https://"):
		rest = uri[8:]
	default:
		return nil
	}
	i := bytes.IndexByte(rest, '/')
	if i <= 0 || !isHost(rest[:i]) {
		return badURI
	}
	q.authority, q.target = rest[:i], rest[i:]
	return nil
}

func (q *request) splitTarget() {
	q.path = q.target
	if i := bytes.IndexByte(q.path, '#'); i >= 0 {
		q.path = q.path[:i]
	}
	if i := bytes.IndexByte(q.path, '?'); i >= 0 {
		q.path, q.query = q.path[:i], q.path[i+1:]
	}
}

func (q *request) addField(line []byte) *refusal {
	if len(line) > maxHeaderLine {
		return longField
	}
	f, ok := splitField(line)
	if !ok {
		return badField
	}
	q.fields = append(q.fields, f)
	switch f.kind {
	case fieldHost:
		return q.addHost(f.value)
	case fieldConnection:
		q.close = q.close || hasToken(f.value, "close")
		q.keepAlive = q.keepAlive || hasToken(f.value, "keep-alive")
	case fieldContentLength:
		return q.addLength(f.value)
	case fieldTransferEncoding:
		return q.addEncoding(f.value)
	case fieldExpect:
		q.expect = equalFold(f.value, "100-continue")
	case fieldUserAgent:
		q.userAgent = f.value
		q.chrome = bytes.Contains(f.value, []byte("Chrome/")) || bytes.Contains(f.value, []byte("MSIE "))
	case fieldForwardedFor:
		q.forwarded += bytes.Count(f.value, []byte(",")) + 1
	case fieldOther:
		q.suspect(f.name)
	}
	return nil
}

func (q *request) addHost(value []byte) *refusal {
	if q.hosts++; q.hosts > 1 {
		q.ambiguous = true
		return nil
	}
	if !isHost(value) {
		return badHost
	}
	q.host = value
	return nil
}

func isHost(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`/\@?#,"<>^{|}`), c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

func (q *request) addLength(value []byte) *refusal {
	n, ok := parseLength(value)
	if !ok {
		return badLength
	}
	if q.hasLength && n != q.length {
		return differentLengths
	}
	q.ambiguous = q.ambiguous || q.hasLength
	q.hasLength, q.length = true, n
	return nil
}

func (q *request) addEncoding(value []byte) *refusal {
	switch {
	case equalFold(value, "chunked"):
		if q.chunked++; q.chunked > 1 {
			return badChunked
		}
	case equalFold(value, "identity"):
		q.identity = true
	default:
		return unknownEncoding
	}
	return nil
}

// suspect marks names that some servers read as framing fields.
func (q *request) suspect(name []byte) {
	if len(name) != 14 && len(name) != 17 || bytes.IndexByte(name, '_') < 0 {
		return
	}
	plain := string(bytes.ReplaceAll(bytes.ToLower(name), []byte("_"), []byte("-")))
	if plain == "content-length" || plain == "transfer-encoding" {
		q.ambiguous = true
	}
}

// settle checks what can only be known at the end of the head.
func (q *request) settle() *refusal {
	if q.chunked > 0 && q.minor == 0 {
		return chunkedHTTP10
	}
	q.setFraming()
	if bytes.Equal(q.method, []byte("TRACE")) || bytes.Equal(q.method, []byte("CONNECT")) {
		return traceMethod
	}
	if q.authority != nil {
		q.host = q.authority
	}
	if len(q.host) == 0 && q.minor > 0 {
		return noHost
	}
	if q.forwarded > maxForwardedFor {
		return manyForwarded
	}
	return nil
}

func (q *request) setFraming() {
	bodiless := q.head || string(q.method) == "GET"
	switch {
	case q.chunked > 0:
		q.framing = byChunks
		q.ambiguous = q.ambiguous || q.hasLength || q.identity || bodiless
	case q.hasLength && q.length > 0:
		q.framing = byLength
		q.ambiguous = q.ambiguous || q.identity || bodiless
	}
}

// size is the number of bytes in the body, negative if it is not known.
func (q *request) size() int64 {
	switch q.framing {
	case byLength:
		return q.length
	case byChunks:
		return -1
	}
	return 0
}

// keeps reports whether the client wants its connection kept.
func (q *request) keeps() bool {
	if q.minor == 0 {
		return q.keepAlive && !q.close
	}
	return !q.close
}
