package node

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
)

// condition is a rule condition, ready to be matched.
type condition struct {
	field    string
	name     string   // header name, lower case
	patterns []string // lower case if the field is case-insensitive
	pairs    []Pair   // lower case
	prefixes []netip.Prefix
	regexes  []*regexp.Regexp
}

func compileCondition(c Condition) condition {
	m := condition{field: c.Field, name: strings.ToLower(c.Name)}
	for _, v := range c.Regex {
		if c.Field != "path-pattern" {
			v = "(?i:" + v + ")" // hosts and header values are compared without case (ALB-080)
		}
		if re, err := regexp.Compile(v); err == nil {
			m.regexes = append(m.regexes, re)
		}
	}
	for _, v := range c.Values {
		switch c.Field {
		case "source-ip":
			if p, err := netip.ParsePrefix(v); err == nil {
				m.prefixes = append(m.prefixes, p.Masked())
			}
		case "host-header", "http-header":
			m.patterns = append(m.patterns, strings.ToLower(v))
		default:
			m.patterns = append(m.patterns, v)
		}
	}
	for _, p := range c.Pairs {
		m.pairs = append(m.pairs, Pair{strings.ToLower(p.Key), strings.ToLower(p.Value)})
	}
	return m
}

// matches reports whether a request fulfils the condition (ALB-030, ALB-032 to ALB-035, ALB-098). An unknown
// field matches nothing.
func (m *condition) matches(q *request, client netip.Addr) bool {
	switch m.field {
	case "path-pattern":
		return m.matchesText(q.path, false)
	case "host-header":
		return m.matchesText(withoutPort(q.host), true)
	case "http-request-method":
		return m.matchesMethod(q.method)
	case "http-header":
		return m.matchesHeader(q.fields)
	case "query-string":
		return m.matchesQuery(q.query)
	case "source-ip":
		return m.matchesAddress(client)
	}
	return false
}

func (m *condition) matchesMethod(method []byte) bool {
	for _, p := range m.patterns {
		if string(method) == p {
			return true
		}
	}
	return false
}

func (m *condition) matchesHeader(fields []field) bool {
	for i := range fields {
		if equalFold(fields[i].name, m.name) && m.matchesText(fields[i].value, true) {
			return true
		}
	}
	return false
}

func (m *condition) matchesAddress(client netip.Addr) bool {
	for _, p := range m.prefixes {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

func (m *condition) matchesQuery(query []byte) bool {
	for len(query) > 0 {
		part := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			part, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(part) > 0 && m.matchesPair(part) {
			return true
		}
	}
	return false
}

func (m *condition) matchesPair(part []byte) bool {
	key, value, _ := bytes.Cut(part, []byte("="))
	for _, p := range m.pairs {
		if (p.Key == "" || glob(p.Key, key, true, true)) && glob(p.Value, value, true, true) {
			return true
		}
	}
	return false
}

// matchesText compares with values, which match all of b, and with regular expressions,
// which match any part of it (ALB-080).
func (m *condition) matchesText(b []byte, fold bool) bool {
	for _, p := range m.patterns {
		if glob(p, b, fold, false) {
			return true
		}
	}
	for _, re := range m.regexes {
		if re.Match(b) {
			return true
		}
	}
	return false
}

// glob matches all of b: * is any run of bytes, ? is exactly one; with escapes, \* and \?
// stand for themselves. With fold, the pattern is in lower case already.
func glob(pattern string, b []byte, fold, escapes bool) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(b) {
		c := b[i]
		if fold {
			c = toLower(c)
		}
		if p < len(pattern) {
			switch next := pattern[p]; {
			case next == '*':
				star, mark = p, i
				p++
				continue
			case next == c && next != '\\':
				p++
				i++
				continue
			}
		}
		if n := globOne(pattern[p:], c, escapes); n > 0 {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globOne matches one byte with the first element of a pattern and returns the length of
// that element, or 0.
func globOne(pattern string, c byte, escapes bool) int {
	switch {
	case pattern == "":
		return 0
	case pattern[0] == '?':
		return 1
	case escapes && pattern[0] == '\\' && len(pattern) > 1 && (pattern[1] == '*' || pattern[1] == '?'):
		if c == pattern[1] {
			return 2
		}
		return 0
	case pattern[0] == c:
		return 1
	}
	return 0
}

// withoutPort cuts the port off a host (ALB-031).
func withoutPort(host []byte) []byte {
	i := bytes.LastIndexByte(host, ':')
	if i < 0 || bytes.IndexByte(host[i:], ']') >= 0 {
		return host
	}
	return host[:i]
}
