package network

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// newID returns prefix and 17 hex digits, the first of them 0 as in AWS's own ids.
func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:])
	return prefix + "0" + hex.EncodeToString(b[:])
}

// notFoundOrMalformed returns the refusal for an id that is not there: NotFound if it
// has the right prefix, otherwise Malformed (NET-011).
func notFoundOrMalformed(id, prefix, malformedCode string, notFound func(string) *Error) error {
	if rest, ok := strings.CutPrefix(id, prefix); !ok || rest == "" {
		return malformedID(malformedCode, id, prefix)
	}
	return notFound(id)
}
