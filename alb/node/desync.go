package node

import (
	"bytes"
	"encoding/binary"

	"drydock/timeline"
)

// class is how far a request departs from RFC 7230, in the words of HTTP Desync Guardian (ALB-076).
type class uint8

const (
	compliant class = iota
	acceptable
	ambiguous
	severe
)

// String is the class as access logs have it; nothing for a compliant request.
func (c class) String() string {
	return [...]string{"", "Acceptable", "Ambiguous", "Severe"}[c]
}

// Reasons, in the words of HTTP Desync Guardian.
const (
	nonCompliantHeader       = "NonCompliantHeader"
	spaceInURI               = "SpaceInUri"
	nonCompliantVersion      = "NonCompliantVersion"
	getHeadZeroContentLength = "GetHeadZeroContentLength"
	nonCRLFLineTermination   = "NonCrLfLineTermination"

	emptyHeader                        = "EmptyHeader"
	ambiguousURI                       = "AmbiguousUri"
	undefinedContentLengthSemantics    = "UndefinedContentLengthSemantics"
	undefinedTransferEncodingSemantics = "UndefinedTransferEncodingSemantics"
	duplicateContentLength             = "DuplicateContentLength"
	bothTeClPresent                    = "BothTeClPresent"
	suspiciousHeader                   = "SuspiciousHeader"
	multilineHeader                    = "MultilineHeader"
	missingHeaderColon                 = "MissingHeaderColon"
	missingURI                         = "MissingUri"

	multipleTransferEncodingChunked = "MultipleTransferEncodingChunked"
	badTransferEncoding             = "BadTransferEncoding"
)

// Severe requests that have no clear form, and are refused in every mode (ALB-079). The
// detail is the reason.
var (
	badMethod        = &refusal{timeline.DesyncSevere, "BadMethod"}
	badURI           = &refusal{timeline.DesyncSevere, "BadUri"}
	badVersion       = &refusal{timeline.DesyncSevere, "BadVersion"}
	badHeader        = &refusal{timeline.DesyncSevere, "BadHeader"}
	badLength        = &refusal{timeline.DesyncSevere, "BadContentLength"}
	differentLengths = &refusal{timeline.DesyncSevere, "MultipleContentLength"}

	// The one Severe request with a clear form: monitor mode passes it on as chunked once.
	chunkedTwice = &refusal{timeline.DesyncSevere, multipleTransferEncodingChunked}

	strictest = &refusal{timeline.DesyncSevere, "not compliant, and the desync mitigation mode is strictest"}
)

// verdict is the class of a request and the reason for it.
type verdict struct {
	class  class
	reason string
}

// raise notes a departure. The first one of the highest class is told.
func (v *verdict) raise(c class, reason string) {
	if c > v.class {
		v.class, v.reason = c, reason
	}
}

// condemn makes the request Severe, and refuses it.
func (q *request) condemn(problem *refusal) *refusal {
	q.desync.raise(severe, problem.detail)
	return problem
}

// judge applies a desync mitigation mode to a request that has a clear form (ALB-076).
func (q *request) judge(mode string) *refusal {
	switch {
	case q.desync.class == severe && mode != "monitor":
		return chunkedTwice
	case q.desync.class > compliant && mode == "strictest":
		return strictest
	}
	return nil
}

// endsBoth reports whether the connections to the client and to the target end after this
// request (ALB-076, ALB-078).
func (q *request) endsBoth(mode string) bool {
	return q.doubtful || q.desync.class >= ambiguous && mode != "monitor"
}

// isPlain reports whether b is printable ASCII. It looks at eight bytes at once: a line
// without surprises must cost little.
func isPlain(b []byte) bool {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		if (x|(x-0x20*low)|(x+low))&high != 0 { // ≥ 0x80, < 0x20, or 0x7f
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// hasControl reports whether a field value has bytes that RFC 7230 keeps out of it, other
// than NUL and CR.
func hasControl(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return true
		}
	}
	return false
}

// imitates reports whether a token reads as Content-Length or Transfer-Encoding once
// everything but letters and digits is taken away.
func imitates(name []byte) bool {
	return len(name) >= len("contentlength") && (spells(name, "contentlength") || spells(name, "transferencoding"))
}

func spells(name []byte, word string) bool {
	for _, c := range name {
		if !isAlphanumeric(c) {
			continue
		}
		if word == "" || toLower(c) != word[0] {
			return false
		}
		word = word[1:]
	}
	return word == ""
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// resembles is imitates for names that are no tokens: with letters that become ASCII when
// their case is changed, and with anything around.
func resembles(name []byte) bool {
	var plain []byte
	for _, r := range string(bytes.ToLower(name)) {
		switch {
		case r == 'ſ':
			plain = append(plain, 's')
		case r == 'ı':
			plain = append(plain, 'i')
		case r < 0x80 && isAlphanumeric(byte(r)):
			plain = append(plain, byte(r))
		}
	}
	return bytes.Contains(plain, []byte("contentlength")) || bytes.Contains(plain, []byte("transferencoding"))
}
