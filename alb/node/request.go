package node

import (
	"bytes"
	"strings"

	"drydock/timeline"
)

// request is the head of one request. Its slices point into the reader's buffer and are
// used only until the head for the target has been written down.
type request struct {
	method    []byte
	uri       []byte // as the client sent it; once it is understood, the same as target
	target    []byte // origin form: path and query, the bytes that go to the target
	path      []byte // of target, as rules see it
	query     []byte // of target, as rules see it
	authority []byte // of an absolute-form URI
	host      []byte // the first Host field, or authority
	hosts     int
	userAgent []byte
	minor     int  // HTTP/1.minor
	ancient   bool // HTTP/0.9
	h2        bool // over HTTP/2
	grpc      bool // Content-Type application/grpc
	fields    []field
	invalid   int // fields whose name is outside of [-A-Za-z0-9]

	newTarget []byte // what a rule's transform made of target, nil: nothing
	newHost   []byte // what a rule's transform made of host, nil: nothing

	framing   framing
	length    int64
	chunked   int  // times that Transfer-Encoding says chunked
	encoded   bool // there is a Transfer-Encoding
	identity  bool
	hasLength bool
	close     bool
	keepAlive bool
	upgrade   bool // Connection: upgrade
	websocket bool // Upgrade: websocket
	expect    bool
	desync    verdict
	doubtful  bool // both connections end after the response, in every mode
	forwarded int  // addresses in X-Forwarded-For
	head      bool // method HEAD
	chrome    bool // the User-Agent gets a padded error page
}

// refusal says why a request is not accepted.
type refusal struct {
	cause  timeline.Cause
	detail string
}

func malformed(detail string) *refusal { return &refusal{timeline.MalformedRequest, detail} }

var (
	badRequestLine  = malformed("request line")
	badForm         = malformed("request target")
	noHost          = malformed("no Host header")
	badHost         = malformed("Host header")
	longURI         = &refusal{timeline.URITooLong, "request line above 16K"}
	longField       = &refusal{timeline.HeaderTooLarge, "header line above 16K"}
	longHead        = &refusal{timeline.HeaderTooLarge, "request header above 64K"}
	unknownEncoding = &refusal{timeline.BadTransferEncoding, "Transfer-Encoding other than chunked or identity"}
	traceMethod     = &refusal{timeline.MethodTrace, "method not allowed"}
	manyForwarded   = &refusal{timeline.XFFTooMany, "more than 30 addresses in X-Forwarded-For"}
)

// parse reads a whole head and classifies it (ALB-076). What it leaves in q is the one clear
// form that goes to the target, that rules see and that is logged (ALB-020). After a refusal
// the members known so far are set.
func (q *request) parse(b []byte) *refusal {
	*q = request{fields: q.fields[:0]}
	line, rest, crlf := nextLine(b)
	if len(line) > maxRequestLine {
		return longURI
	}
	bare := !crlf
	if problem := q.parseLine(line); problem != nil {
		return problem
	}
	for {
		line, rest, crlf = nextLine(rest)
		bare = bare || !crlf
		if len(line) == 0 {
			break
		}
		if problem := q.addLine(line); problem != nil {
			return problem
		}
	}
	if bare {
		q.desync.raise(acceptable, nonCRLFLineTermination)
	}
	return q.settle()
}

func (q *request) parseLine(line []byte) *refusal {
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		q.desync.raise(ambiguous, missingURI)
		return badRequestLine
	}
	q.method = line[:i]
	if !isToken(q.method) {
		return q.condemn(badMethod)
	}
	q.head = string(q.method) == "HEAD"
	rest := trimSpace(line[i+1:])
	uri, version := rest, []byte(nil)
	if j := bytes.LastIndexByte(rest, ' '); j >= 0 {
		uri, version = rest[:j], rest[j+1:]
	} else if bytes.HasPrefix(rest, []byte("HTTP/")) {
		uri, version = nil, rest
	}
	q.uri = uri
	if len(uri) == 0 {
		q.desync.raise(ambiguous, missingURI)
		return badRequestLine
	}
	if problem := q.parseVersion(version); problem != nil {
		return problem
	}
	switch before, after := line[i+1:], line; {
	case before[0] <= ' ':
		q.desync.raise(acceptable, spaceInURI)
	case after[len(after)-1] <= ' ':
		q.desync.raise(acceptable, nonCompliantVersion)
	}
	return q.parseURI(trimSpace(uri))
}

// parseVersion takes any HTTP/1 above 1.1 for 1.1, and no version for HTTP/0.9 (ALB-077).
func (q *request) parseVersion(version []byte) *refusal {
	switch {
	case len(version) == 0 || string(version) == "HTTP/0.9":
		q.ancient = true
		q.desync.raise(acceptable, nonCompliantVersion)
	case len(version) != 8 || string(version[:7]) != "HTTP/1." || version[7] < '0' || version[7] > '9':
		return q.condemn(badVersion)
	default:
		q.minor = min(int(version[7]-'0'), 1)
		if version[7] > '1' {
			q.desync.raise(acceptable, nonCompliantVersion)
		}
	}
	return nil
}

// parseURI accepts the origin and the absolute form. Spaces and control characters in it are
// percent-encoded (ALB-077).
func (q *request) parseURI(uri []byte) *refusal {
	for _, c := range uri {
		if c <= ' ' || c == 0x7f {
			return q.escapeURI(uri)
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
		return badForm
	}
	q.uri = q.target
	q.splitTarget()
	return nil
}

func (q *request) escapeURI(uri []byte) *refusal {
	clear := make([]byte, 0, len(uri)+32)
	for _, c := range uri {
		switch {
		case c == 0 || c == '\r':
			return q.condemn(badURI)
		case c == ' ':
			q.desync.raise(acceptable, spaceInURI)
		case c < ' ' || c == 0x7f:
			q.desync.raise(ambiguous, ambiguousURI)
		default:
			clear = append(clear, c)
			continue
		}
		clear = append(clear, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
	}
	return q.parseURI(clear)
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
	i := bytes.IndexAny(rest, "/?#")
	if i < 0 {
		i = len(rest)
	}
	if !isHost(rest[:i]) {
		return badForm
	}
	q.authority, q.target = rest[:i], rest[i:]
	if i == len(rest) || rest[i] != '/' {
		q.target = append([]byte{'/'}, rest[i:]...) // an empty path is /
	}
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

// addLine takes a header line. Fields that have no clear form are left out: neither rules
// nor the target see them (ALB-078).
func (q *request) addLine(line []byte) *refusal {
	if len(line) > maxHeaderLine {
		return longField
	}
	plain := isPlain(line)
	if !plain && (bytes.IndexByte(line, 0) >= 0 || bytes.IndexByte(line, '\r') >= 0) {
		return q.condemn(badHeader)
	}
	i := bytes.IndexByte(line, ':')
	if i < 0 || !isToken(line[:i]) {
		q.addOdd(line, i)
		return nil
	}
	f := field{name: line[:i], value: trimSpace(line[i+1:]), kind: kindOf(line[:i])}
	if !plain && hasControl(f.value) {
		q.desync.raise(acceptable, nonCompliantHeader)
	}
	if f.kind == fieldOther {
		if !isCompliantName(f.name) {
			q.invalid++
		}
		if imitates(f.name) {
			q.desync.raise(ambiguous, suspiciousHeader)
		}
	}
	return q.addField(f)
}

// addOdd takes a header line without a name before a colon: a folded line, one without a
// colon, or a name that is no token.
func (q *request) addOdd(line []byte, colon int) {
	folded := line[0] == ' ' || line[0] == '\t'
	bare := trimSpace(line)
	name := bare
	if colon >= 0 {
		name = trimSpace(line[:colon])
	}
	if resembles(name) { // another server may have framed by it
		q.desync.raise(ambiguous, suspiciousHeader)
		q.doubtful = true
		q.invalid++
		return
	}
	if folded && len(bare) > 0 && q.unfold(bare) {
		return
	}
	switch {
	case len(name) == 0:
		q.desync.raise(ambiguous, emptyHeader)
	case folded:
		q.desync.raise(ambiguous, multilineHeader)
	case colon < 0:
		q.desync.raise(ambiguous, missingHeaderColon)
	default:
		q.desync.raise(acceptable, nonCompliantHeader)
	}
	if colon < 0 && isToken(name) && kindOf(name) == fieldOther {
		q.fields = append(q.fields, field{name: name}) // a field of its own: ALB appends the colon
		return
	}
	q.invalid++
}

// unfold appends a folded line to a Content-Type, the one field that may be folded.
func (q *request) unfold(line []byte) bool {
	if len(q.fields) == 0 || q.fields[len(q.fields)-1].kind != fieldContentType {
		return false
	}
	last := &q.fields[len(q.fields)-1]
	last.value = bytes.Join([][]byte{last.value, line}, []byte{' '})
	return true
}

// addField takes a field whose name is a token, in its place among the others.
func (q *request) addField(f field) *refusal {
	q.fields = append(q.fields, f)
	switch f.kind {
	case fieldHost:
		return q.addHost(f.value)
	case fieldConnection:
		q.close = q.close || hasToken(f.value, "close")
		q.keepAlive = q.keepAlive || hasToken(f.value, "keep-alive")
		q.upgrade = q.upgrade || hasToken(f.value, "upgrade")
	case fieldUpgrade:
		q.websocket = q.websocket || isWebSocket(f.value)
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
	case fieldContentType:
		q.grpc = len(f.value) >= 16 && equalFold(f.value[:16], "application/grpc")
	}
	return nil
}

func (q *request) addHost(value []byte) *refusal {
	if q.hosts++; q.hosts > 1 {
		q.doubtful = true
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
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`/\@?#,"<>^{|}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

func (q *request) addLength(value []byte) *refusal {
	n, ok := parseLength(value)
	switch {
	case !ok:
		return q.condemn(badLength)
	case q.hasLength && n != q.length:
		return q.condemn(differentLengths)
	case q.hasLength:
		q.desync.raise(ambiguous, duplicateContentLength)
	}
	q.hasLength, q.length = true, n
	return nil
}

// addEncoding takes a Transfer-Encoding: chunked or identity, anything else is 501 (ALB-076).
func (q *request) addEncoding(value []byte) *refusal {
	q.encoded = true
	supported := true
	for more := true; more; {
		var coding []byte
		coding, value, more = bytes.Cut(value, []byte(","))
		switch coding = trimSpace(coding); {
		case equalFold(coding, "chunked"):
			q.chunked++
		case equalFold(coding, "identity"):
			q.identity = true
		case equalFold(coding, "gzip"), equalFold(coding, "deflate"), equalFold(coding, "compress"):
			supported = false
		default:
			q.desync.raise(severe, badTransferEncoding)
			return unknownEncoding
		}
	}
	if !supported {
		return unknownEncoding
	}
	if q.chunked > 1 {
		q.desync.raise(severe, multipleTransferEncodingChunked)
	}
	return nil
}

// settle checks what can only be known at the end of the head.
func (q *request) settle() *refusal {
	q.setFraming()
	q.chrome = q.chrome && !q.ancient
	if method := string(q.method); method == "TRACE" || method == "CONNECT" {
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

// setFraming decides how the body ends: chunked overrides a length.
func (q *request) setFraming() {
	if q.chunked > 0 {
		q.framing = byChunks
	} else if q.hasLength && q.length > 0 {
		q.framing = byLength
	}
	if !q.encoded && !q.hasLength {
		return
	}
	bodiless := q.head || string(q.method) == "GET"
	switch {
	case q.encoded && q.hasLength:
		q.desync.raise(ambiguous, bothTeClPresent)
	case q.encoded && (bodiless || q.minor == 0 || q.chunked > 0 && q.identity):
		q.desync.raise(ambiguous, undefinedTransferEncodingSemantics)
	case q.hasLength && (q.ancient || bodiless && q.length > 0):
		q.desync.raise(ambiguous, undefinedContentLengthSemantics)
	case q.hasLength && bodiless:
		q.desync.raise(acceptable, getHeadZeroContentLength)
	}
}

// dropInvalid leaves out the fields whose names ALB calls invalid (ALB-028). Rules do not see them.
func (q *request) dropInvalid() {
	if q.invalid == 0 {
		return
	}
	kept := q.fields[:0]
	for _, f := range q.fields {
		if f.kind != fieldOther || isCompliantName(f.name) {
			kept = append(kept, f)
		}
	}
	q.fields = kept
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

// tunnels reports whether the client asks to speak WebSocket. Other upgrades are not passed on (ALB-063).
func (q *request) tunnels() bool {
	return q.upgrade && q.websocket && q.minor > 0 && q.framing == noBody && string(q.method) == "GET"
}

// isWebSocket reports whether an Upgrade is the one that is passed on. Another one beside it is not:
// a target that takes up h2c would be a way around all rules.
func isWebSocket(value []byte) bool { return equalFold(value, "websocket") }

// keeps reports whether the client wants its connection kept.
func (q *request) keeps() bool {
	if q.minor == 0 {
		return q.keepAlive && !q.close && !q.ancient
	}
	return !q.close
}
