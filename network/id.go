package network

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
)

// newID returns prefix and 17 hex digits, the first of them 0 as in AWS's own ids.
func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:])
	return prefix + "0" + hex.EncodeToString(b[:])
}

// plainID is what may follow the prefix of an id: enough for readable made-up ids, and
// nothing that means something to a shell, a rule file or a row key.
var plainID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// notFoundOrMalformed returns the refusal for an id that is not there: NotFound if it
// has the right prefix, otherwise Malformed (NET-011).
func notFoundOrMalformed(id, prefix, malformedCode string, notFound func(string) *Error) error {
	if rest, ok := strings.CutPrefix(id, prefix); !ok || !plainID.MatchString(rest) {
		return malformedID(malformedCode, id, prefix)
	}
	return notFound(id)
}
