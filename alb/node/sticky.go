package node

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Names of the stickiness cookies, and of their twins for requests from other sites.
const (
	cookieTarget     = "AWSALB"
	cookieTargetCORS = "AWSALBCORS"
	cookieGroup      = "AWSALBTG"
	cookieGroupCORS  = "AWSALBTGCORS"
)

// cookieShards hold the session of an application's cookie.
var cookieShards = [...]string{"AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"}

const (
	cookieLife    = 7 * 24 * time.Hour // of the cookie in the client, whatever the duration of the stickiness (ALB-091)
	removedCookie = "_remove_"
)

// affinity is what stickiness makes of one request, to be told to the client with the response.
type affinity struct {
	rule  *rule          // whose target group stickiness applies, or nil
	group *group         // the chosen one
	addr  netip.AddrPort // of the chosen target
	held  bool           // the client came with a valid cookie of an application's session
}

// chooseGroup is pick, unless a cookie names one of the rule's groups (ALB-094). invalid says that
// there was a cookie that the balancer did not make.
func (r *rule) chooseGroup(q *request, key *sealer, now time.Time) (w *weighted, invalid bool) {
	if r.stickiness <= 0 {
		return r.pick(), false
	}
	value := q.cookie(cookieGroup)
	if value == nil {
		value = q.cookie(cookieGroupCORS)
	}
	if value != nil {
		t, ok := key.open(value)
		if ok && t.kind == ticketGroup && now.Sub(t.issued) <= r.stickiness {
			for i := range r.forward {
				if w := &r.forward[i]; w.group != nil && w.group.id == t.group {
					return w, false
				}
			}
		}
		invalid = !ok
	}
	return r.pick(), invalid
}

// chooseFor is choose, unless a cookie names a target that can be used (ALB-092).
func (g *group) chooseFor(q *request, key *sealer, s *affinity, now time.Time) choice {
	if g.stickiness == nil {
		return g.choose(now)
	}
	v := g.look(now)
	if t := g.remembered(q, key, now); t != nil && t.open(now) && (v.failOpen || t.state.Load() == isHealthy) {
		if c, ok := t.chosen(v); ok {
			s.held = true
			return c
		}
	}
	c := g.choose(now)
	c.notSticky = true
	return c
}

// remembered returns the target that the request's cookie names, or nil.
func (g *group) remembered(q *request, key *sealer, now time.Time) *target {
	kind, value := ticketTarget, []byte(nil)
	if g.stickiness.Type == "app_cookie" {
		if q.cookie(g.stickiness.CookieName) == nil {
			return nil
		}
		kind, value = ticketApp, q.cookie(cookieShards[0])
	} else if value = q.cookie(cookieTarget); value == nil {
		value = q.cookie(cookieTargetCORS)
	}
	t, ok := key.open(value)
	if !ok || t.kind != kind || t.group != g.id || now.Sub(t.issued) > g.stickiness.Duration {
		return nil
	}
	return g.byAddr[t.addr]
}

// cookie returns the value of a cookie, nil without it.
func (q *request) cookie(name string) []byte {
	for i := range q.fields {
		if q.fields[i].kind != fieldCookie {
			continue
		}
		for rest, more := q.fields[i].value, true; more; {
			var pair []byte
			pair, rest, more = bytes.Cut(rest, []byte{';'})
			pair = trimSpace(pair)
			if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
				return pair[len(name)+1:]
			}
		}
	}
	return nil
}

// stick adds the cookies to a target's response that bring the client back (ALB-091, ALB-093).
// Their text is appended to text.
func (s *affinity) stick(p *response, text []byte, key *sealer, userAgent string, now time.Time) []byte {
	var value [sealedChars]byte
	w := cookieWriter{p, text, expiryDates.text(now.Add(cookieLife))}
	if s.rule != nil {
		w.twins(cookieGroup, cookieGroupCORS, key.seal(value[:0], ticket{kind: ticketGroup, group: s.group.id, issued: now}))
	}
	how := s.group.stickiness
	switch {
	case how == nil:
	case how.Type != "app_cookie":
		w.twins(cookieTarget, cookieTargetCORS, key.seal(value[:0], ticket{ticketTarget, s.group.id, s.addr, now}))
	case p.sets(how.CookieName):
		w.shards(key.seal(value[:0], ticket{ticketApp, s.group.id, s.addr, now}), userAgent)
	case !s.held:
		w.shards(nil, userAgent)
	}
	return w.text
}

// cookieWriter adds Set-Cookie fields to a response.
type cookieWriter struct {
	response *response
	text     []byte // backs the fields
	expires  string
}

const otherSites = "; SameSite=None; Secure"

func (w *cookieWriter) twins(name, cors string, value []byte) {
	w.set(name, value, "")
	w.set(cors, value, otherSites)
}

// shards adds the cookies of an application's session; our value fits the first.
func (w *cookieWriter) shards(value []byte, userAgent string) {
	attributes := ""
	if chromium(userAgent) >= 80 {
		attributes = otherSites
	}
	for i, name := range cookieShards {
		if i > 0 || value == nil {
			value = []byte(removedCookie)
		}
		w.set(name, value, attributes)
	}
}

var nameSetCookie = []byte("Set-Cookie")

func (w *cookieWriter) set(name string, value []byte, attributes string) {
	from := len(w.text)
	w.text = append(append(append(w.text, name...), '='), value...)
	w.text = append(append(append(w.text, "; Expires="...), w.expires...), "; Path=/"...)
	w.text = append(w.text, attributes...)
	w.response.fields = append(w.response.fields, field{name: nameSetCookie, value: w.text[from:len(w.text):len(w.text)]})
}

// sets reports whether a response sets a cookie.
func (p *response) sets(name string) bool {
	for i := range p.fields {
		f := &p.fields[i]
		if equalFold(f.name, "set-cookie") && len(f.value) > len(name) && string(f.value[:len(name)]) == name && f.value[len(name)] == '=' {
			return true
		}
	}
	return false
}

// chromium is the major version of a browser made from Chromium, 0 for others.
func chromium(userAgent string) int {
	_, rest, _ := strings.Cut(userAgent, "Chrome/")
	major, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(major)
	return n
}
