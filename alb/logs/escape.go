package logs

import "encoding/binary"

// How nginx, whose pages ALB's match, escapes what it logs (LOG-004): quotes, backslashes
// and what is not printable ASCII become \xNN. So no field can end its quotes, its line or,
// unquoted, itself.

const upperHex = "0123456789ABCDEF"

// appendText appends a field in which spaces may stand; "-" if it is empty.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendEscaped(b, s, ' ')
}

// appendWord appends a field that has no spaces; "-" if it is empty.
func appendWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendEscaped(b, s, ' '+1)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	b = appendText(b, s)
	return append(b, '"')
}

func appendQuotedWord(b []byte, s string) []byte {
	b = append(b, '"')
	b = appendWord(b, s)
	return append(b, '"')
}

// appendEscaped appends s. Bytes below least are escaped too.
func appendEscaped(b []byte, s string, least byte) []byte {
	if plain(s, least) {
		return append(b, s...)
	}
	for i := range len(s) {
		if c := s[i]; needsEscape(c, least) {
			b = append(b, '\\', 'x', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

func needsEscape(c, least byte) bool {
	return c < least || c > '~' || c == '"' || c == '\\'
}

// plain reports whether nothing in s needs escaping, looking at eight bytes at a time.
func plain(s string, least byte) bool {
	p := []byte(s) // not copied: it is only read
	for len(p) >= 8 {
		if suspicious(binary.LittleEndian.Uint64(p), uint64(least)) {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if needsEscape(c, least) {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// suspicious reports whether one of the eight bytes in w may need escaping. It errs only
// towards yes.
func suspicious(w, least uint64) bool {
	low := (w - ones*least) &^ w
	quote, slash, del := w^(ones*'"'), w^(ones*'\\'), w^(ones*0x7f)
	same := (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del
	return (low|same|w)&highs != 0
}
