package node

import (
	"bytes"
	"math/bits"
	"net/netip"
	"strings"
)

// ruleIndex finds the few rules of a listener that a request can match, by its host and
// path, so that a hundred rules cost little more than ten. A rule found is then compared in
// full; the index only leaves out rules that cannot match.
type ruleIndex struct {
	hosts, paths prefixTree // hosts are reversed: their common part is at the end
}

const (
	indexFrom = 8   // with fewer rules, comparing each is faster
	indexTo   = 256 // rules that a set can hold
)

// ruleSet holds indexes of rules.
type ruleSet [indexTo / 64]uint64

func (s *ruleSet) add(i int) { s[i/64] |= 1 << (i % 64) }

// newRuleIndex returns nil where comparing rule by rule does.
func newRuleIndex(rules []rule) *ruleIndex {
	if len(rules) < indexFrom || len(rules) > indexTo {
		return nil
	}
	x := &ruleIndex{}
	for i := range rules {
		x.hosts.addRule(i, rules[i].conditionOn("host-header"), literalEnd)
		x.paths.addRule(i, rules[i].conditionOn("path-pattern"), literalStart)
	}
	return x
}

func (r *rule) conditionOn(field string) *condition {
	for i := range r.conditions {
		if r.conditions[i].field == field {
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
	var buf [256]byte
	host := withoutPort(q.host)
	b := buf[:0]
	for i := len(host) - 1; i >= 0 && len(b) < len(buf); i-- {
		b = append(b, toLower(host[i]))
	}
	x.hosts.collect(b, &found)
	var paths ruleSet
	x.paths.collect(q.path, &paths)
	for i := range found {
		found[i] &= paths[i]
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
// match; without such a text, under the empty one.
func (t *prefixTree) addRule(i int, c *condition, literal func(string) string) {
	if c == nil || len(c.regexes) > 0 {
		t.root.rules.add(i)
		return
	}
	for _, p := range c.patterns {
		t.root.add(literal(p), i)
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
