package node

import (
	"bytes"
	"math/bits"
	"net/netip"
	"strings"
)

// ruleIndex finds the few rules of a listener that a request can match, by its host, its
// path, and the header field that most rules ask for, so that a hundred rules cost little more than ten. A rule found is then compared in
// full; the index only leaves out rules that cannot match.
type ruleIndex struct {
	hosts  prefixTree // reversed: what hosts have in common is at the end
	paths  prefixTree
	header string // lower case; empty: no rule asks for a field
	values prefixTree
}

const (
	indexFrom = 8   // with fewer rules, comparing each is faster
	indexTo   = 256 // rules that a set can hold

	maxPattern = 128 // documented: characters of a value; what texts begin with is not looked up further
)

// ruleSet holds indexes of rules.
type ruleSet [indexTo / 64]uint64

func (s *ruleSet) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s *ruleSet) keep(other *ruleSet) {
	for i := range s {
		s[i] &= other[i]
	}
}

// newRuleIndex returns nil where comparing rule by rule does.
func newRuleIndex(rules []rule) *ruleIndex {
	if len(rules) < indexFrom || len(rules) > indexTo {
		return nil
	}
	x := &ruleIndex{header: mostWantedHeader(rules)}
	for i := range rules {
		x.hosts.addRule(i, rules[i].conditionOn("host-header", ""), literalEnd)
		x.paths.addRule(i, rules[i].conditionOn("path-pattern", ""), literalStart)
		x.values.addRule(i, rules[i].conditionOn("http-header", x.header), literalStart)
	}
	return x
}

func mostWantedHeader(rules []rule) (most string) {
	count := map[string]int{}
	for i := range rules {
		for _, c := range rules[i].conditions {
			if c.field != "http-header" {
				continue
			}
			if count[c.name]++; count[c.name] > count[most] {
				most = c.name
			}
		}
	}
	return most
}

// conditionOn returns the first condition on a field; of http-header, on the one named.
func (r *rule) conditionOn(field, name string) *condition {
	for i := range r.conditions {
		if c := &r.conditions[i]; c.field == field && (field != "http-header" || c.name == name) {
			return &r.conditions[i]
		}
	}
	return nil
}

// literalStart is what everything that matches the pattern begins with.
func literalStart(pattern string) string {
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		return pattern[:i]
	}
	return pattern
}

// literalEnd is what everything that matches the pattern ends with, last byte first.
func literalEnd(pattern string) string {
	end := pattern[strings.LastIndexAny(pattern, "*?")+1:]
	b := make([]byte, len(end))
	for i := range b {
		b[i] = end[len(end)-1-i]
	}
	return string(b)
}

// find returns the rules that may match.
func (x *ruleIndex) find(q *request) (found ruleSet) {
	var buf [maxPattern]byte
	host := withoutPort(q.host)
	b := buf[:0]
	for i := len(host) - 1; i >= 0 && len(b) < len(buf); i-- {
		b = append(b, toLower(host[i]))
	}
	x.hosts.collect(b, &found)
	var others ruleSet
	x.paths.collect(q.path, &others)
	found.keep(&others)
	if x.header != "" {
		others = x.findByHeader(q)
		found.keep(&others)
	}
	return found
}

func (x *ruleIndex) findByHeader(q *request) (found ruleSet) {
	var buf [maxPattern]byte
	x.values.collect(nil, &found)
	for i := range q.fields {
		if f := &q.fields[i]; equalFold(f.name, x.header) {
			x.values.collect(appendLower(buf[:0], f.value[:min(len(f.value), maxPattern)]), &found)
		}
	}
	return found
}

// match returns the first rule in the index that matches, or nil.
func (x *ruleIndex) match(rules []rule, q *request, client netip.Addr) (*rule, int) {
	found := x.find(q)
	for w, word := range found {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if rules[i].matches(q, client) {
				return &rules[i], i
			}
		}
	}
	return nil, len(rules)
}

// prefixTree maps texts to rules; a lookup collects the rules of every text that the given
// one begins with.
type prefixTree struct {
	root prefixNode
}

type prefixNode struct {
	text     string // after the parent's
	rules    ruleSet
	children []prefixNode // their texts begin with different bytes
}

// addRule enters a rule under what its condition's values have in common with what they
// match; without such a text, under the empty one. Texts are cut where a lookup is.
func (t *prefixTree) addRule(i int, c *condition, literal func(string) string) {
	if c == nil || len(c.regexes) > 0 {
		t.root.rules.add(i)
		return
	}
	for _, p := range c.patterns {
		text := literal(p)
		t.root.add(text[:min(len(text), maxPattern)], i)
	}
}

func (n *prefixNode) add(text string, rule int) {
	if text == "" {
		n.rules.add(rule)
		return
	}
	for i := range n.children {
		c := &n.children[i]
		same := commonPrefix(c.text, text)
		if same == 0 {
			continue
		}
		if same < len(c.text) { // split
			*c = prefixNode{text: c.text[:same], children: []prefixNode{{c.text[same:], c.rules, c.children}}}
		}
		c.add(text[same:], rule)
		return
	}
	n.children = append(n.children, prefixNode{text: text})
	n.children[len(n.children)-1].rules.add(rule)
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (t *prefixTree) collect(b []byte, found *ruleSet) {
	for n := &t.root; n != nil; {
		for i := range found {
			found[i] |= n.rules[i]
		}
		n, b = n.next(b)
	}
}

func (n *prefixNode) next(b []byte) (*prefixNode, []byte) {
	if len(b) == 0 {
		return nil, nil
	}
	for i := range n.children {
		c := &n.children[i]
		if c.text[0] != b[0] {
			continue
		}
		if rest, ok := bytes.CutPrefix(b, []byte(c.text)); ok {
			return c, rest
		}
		return nil, nil
	}
	return nil, nil
}
