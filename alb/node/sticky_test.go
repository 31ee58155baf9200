package node

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// named is a target that answers with its name, and sets cookies that it is asked for.
func named(t testing.TB, name string) Target {
	target := backend(t, func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			more := ""
			if set := req.URL.Query().Get("set"); set != "" {
				more = "Set-Cookie: " + set + "=1; Path=/\r\n"
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", more, len(name), name)
		}
	})
	target.Registration = name
	return target
}

// browser keeps cookies.
type browser struct {
	*client
	cookies map[string]string
}

// ask sends a request with the cookies, takes those of the response, and returns its body.
func (b *browser) ask(uri string) string {
	b.t.Helper()
	var jar []string
	for name, value := range b.cookies {
		jar = append(jar, name+"="+value)
	}
	line := ""
	if len(jar) > 0 {
		line = "Cookie: " + strings.Join(jar, "; ") + "\r\n"
	}
	res, body := b.send("GET " + uri + " HTTP/1.1\r\nHost: a.b\r\n" + line + "\r\n").response("GET")
	for _, c := range res.Header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(c, ";")
		name, value, _ := strings.Cut(pair, "=")
		if b.cookies[name] = value; value == removedCookie {
			delete(b.cookies, name)
		}
	}
	return body
}

func (s *stack) browse() *browser { return &browser{s.dial(), map[string]string{}} }

func sticky(g *TargetGroup) { g.Stickiness = &Stickiness{Type: "lb_cookie", Duration: time.Hour} }

func sealText(key *sealer, t ticket) string { return string(key.seal(nil, t)) }

var sealedText = regexp.MustCompile(`[A-Za-z0-9+/]{128}`)

// The cookies, byte by byte.
func TestSticky_WireFormat(t *testing.T) {
	s := newStack(t, named(t, "a"))
	sticky(&s.snapshot.TargetGroups[0])
	(*s.rules())[0].Action.Forward.Stickiness = time.Minute
	s.run()
	now := time.Now()
	text := s.dial().send("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n").rest()
	expires := regexp.MustCompile(`Expires=([^;]+ GMT)`)
	for _, m := range expires.FindAllStringSubmatch(text, -1) {
		at, err := http.ParseTime(m[1])
		if d := at.Sub(now); err != nil || d < 7*24*time.Hour-time.Minute || d > 7*24*time.Hour+time.Minute {
			t.Errorf("expires %s", m[1])
		}
	}
	got := expires.ReplaceAllString(sealedText.ReplaceAllString(text, "SEALED"), "Expires=E")
	want := "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" +
		"Set-Cookie: AWSALBTG=SEALED; Expires=E; Path=/\r\nSet-Cookie: AWSALBTGCORS=SEALED; Expires=E; Path=/; SameSite=None; Secure\r\n" +
		"Set-Cookie: AWSALB=SEALED; Expires=E; Path=/\r\nSet-Cookie: AWSALBCORS=SEALED; Expires=E; Path=/; SameSite=None; Secure\r\n" +
		"Connection: close\r\n\r\na"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	values := sealedText.FindAllString(text, -1)
	if values[0] != values[1] || values[2] != values[3] || values[0] == values[2] {
		t.Error(values)
	}
}

func TestSticky_StaysAndIsReissued(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"), named(t, "c"))
	sticky(&s.snapshot.TargetGroups[0])
	s.run()
	b := s.browse()
	first := b.ask("/")
	for range 6 {
		before := b.cookies["AWSALB"]
		if got := b.ask("/"); got != first {
			t.Errorf("%s after %s", got, first)
		}
		if b.cookies["AWSALB"] == before {
			t.Error("not issued anew")
		}
	}
	b.cookies = map[string]string{"AWSALBCORS": b.cookies["AWSALBCORS"], "x": "y"}
	if got := b.ask("/"); got != first {
		t.Error("the twin alone does not stick", got)
	}
	for i, o := range s.record.wait(t, 8) {
		if o.NotSticky != (i == 0) {
			t.Errorf("%d: not sticky %v", i, o.NotSticky)
		}
	}
}

// What cannot be used leads to a new target and a new cookie.
func TestSticky_ChoosesAnew(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"))
	sticky(&s.snapshot.TargetGroups[0])
	s.snapshot.CookieKey = []byte("0123456789abcdef0123456789abcdef")
	s.run()
	key := newSealer(s.snapshot.CookieKey)
	good := ticket{ticketTarget, idOf(groupARN), s.snapshot.TargetGroups[0].Targets[0].Addr, time.Now()}
	with := func(change func(*ticket)) string { c := good; change(&c); return sealText(key, c) }
	for name, c := range map[string]struct {
		value string
		stays bool
	}{
		"good":           {sealText(key, good), true},
		"old":            {with(func(c *ticket) { c.issued = c.issued.Add(-2 * time.Hour) }), false},
		"another group":  {with(func(c *ticket) { c.group = idOf("x") }), false},
		"another kind":   {with(func(c *ticket) { c.kind = ticketApp }), false},
		"unknown target": {with(func(c *ticket) { c.addr = netip.MustParseAddrPort("10.9.9.9:1") }), false},
		"another key":    {sealText(randomSealer(), good), false},
		"junk":           {"junk", false},
		"URL-encoded":    {strings.ReplaceAll(strings.ReplaceAll(sealText(key, good), "+", "%2B"), "/", "%2F") + "%3D", false},
	} {
		seen := map[string]bool{}
		for range 4 {
			b := s.browse()
			b.cookies["AWSALB"] = c.value
			seen[b.ask("/")] = true
			if _, ok := key.open([]byte(b.cookies["AWSALB"])); !ok {
				t.Errorf("%s: no new cookie", name)
			}
		}
		if (len(seen) == 1) != c.stays {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

// In fail-open a session stays with its target.
func TestSticky_StaysInFailOpen(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"))
	sticky(&s.snapshot.TargetGroups[0])
	for i := range s.snapshot.TargetGroups[0].Targets {
		s.snapshot.TargetGroups[0].Targets[i].State = Unhealthy
	}
	s.run()
	b := s.browse()
	first := b.ask("/")
	for range 4 {
		if got := b.ask("/"); got != first {
			t.Error(got, first)
		}
	}
}

func TestSticky_AppCookie(t *testing.T) {
	s := newStack(t, named(t, "a"), named(t, "b"))
	s.snapshot.TargetGroups[0].Stickiness = &Stickiness{Type: "app_cookie", Duration: time.Hour, CookieName: "SESSION"}
	s.run()
	cookies := func(uri, more string) (list []string) {
		res, _ := s.dial().send("GET " + uri + " HTTP/1.1\r\nHost: a.b\r\n" + more + "\r\n").response("GET")
		for _, c := range res.Header.Values("Set-Cookie") {
			list = append(list, regexp.MustCompile(`Expires=[^;]+`).ReplaceAllString(sealedText.ReplaceAllString(c, "SEALED"), "Expires=E"))
		}
		return list
	}
	const shard = "; Expires=E; Path=/"
	removed := "AWSALBAPP-1=_remove_" + shard + "|AWSALBAPP-2=_remove_" + shard + "|AWSALBAPP-3=_remove_" + shard
	if got, want := strings.Join(cookies("/?set=SESSION", ""), "|"), "SESSION=1; Path=/|AWSALBAPP-0=SEALED"+shard+"|"+removed; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := strings.Join(cookies("/?set=OTHER", ""), "|"), "OTHER=1; Path=/|AWSALBAPP-0=_remove_"+shard+"|"+removed; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	chrome := cookies("/?set=SESSION", "User-Agent: Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36\r\n")
	if want := "AWSALBAPP-0=SEALED" + shard + "; SameSite=None; Secure"; chrome[1] != want {
		t.Error(chrome)
	}
	if old := cookies("/?set=SESSION", "User-Agent: Mozilla/5.0 Chrome/79.0.0.0 Safari/537.36\r\n"); strings.Contains(old[1], "SameSite") {
		t.Error(old)
	}
	b := s.browse()
	first := b.ask("/?set=SESSION")
	for range 4 {
		if got := b.ask("/"); got != first {
			t.Error("does not stick", got, first)
		}
	}
	if b.cookies["AWSALBAPP-0"] == "" {
		t.Error("the session was removed")
	}
	delete(b.cookies, "SESSION")
	seen := map[string]bool{}
	balancers := b.cookies["AWSALBAPP-0"]
	for range 4 {
		b.cookies["AWSALBAPP-0"] = balancers
		seen[b.ask("/")] = true
	}
	if len(seen) != 2 {
		t.Error("sticks without the application's cookie", seen)
	}
}

// A client stays with its target group, whatever the weights have become.
func TestSticky_TargetGroup(t *testing.T) {
	const blue, green = groupARN + "b", groupARN + "g"
	s := newStack(t)
	s.snapshot.TargetGroups = []TargetGroup{{ARN: blue, InUse: true, Targets: []Target{named(t, "blue")}}, {ARN: green, InUse: true, Targets: []Target{named(t, "green")}}}
	forward := &Forward{TargetGroups: []WeightedTargetGroup{{blue, 1}, {green, 0}}, Stickiness: time.Hour}
	(*s.rules())[0].Action = Action{Forward: forward}
	s.snapshot.CookieKey = []byte("key")
	s.run()
	b := s.browse()
	if got := b.ask("/"); got != "blue" {
		t.Fatal(got)
	}
	shift := func(f Forward) {
		s.apply(func(n *Snapshot) {
			l := n.LoadBalancers[0].Listeners[0]
			l.Rules = []Rule{{Priority: "default", Action: Action{Forward: &f}}}
			n.LoadBalancers[0].Listeners = []Listener{l}
		})
	}
	shift(Forward{TargetGroups: []WeightedTargetGroup{{blue, 0}, {green, 1}}, Stickiness: time.Hour})
	if got := b.ask("/"); got != "blue" {
		t.Error("did not stay:", got)
	}
	if got := s.browse().ask("/"); got != "green" {
		t.Error("a new client:", got)
	}
	// Not after the duration, not once the group has left the rule, not with a forged cookie.
	old := sealText(newSealer([]byte("key")), ticket{kind: ticketGroup, group: idOf(blue), issued: time.Now().Add(-2 * time.Hour)})
	s.record.wait(t, 3)
	for i, c := range []struct{ value, reason string }{{old, ""}, {"forged", "AWSALBTGCookieInvalid"}} {
		b := s.browse()
		b.cookies["AWSALBTG"] = c.value
		if got := b.ask("/"); got != "green" {
			t.Errorf("%.8s: %s", c.value, got)
		}
		if o := s.record.wait(t, 4+i)[3+i]; o.ErrorReason != c.reason {
			t.Errorf("%.8s: %q", c.value, o.ErrorReason)
		}
	}
	shift(Forward{TargetGroups: []WeightedTargetGroup{{green, 1}}, Stickiness: time.Hour})
	if got := b.ask("/"); got != "green" {
		t.Error(got)
	}
}

// Sessions survive a restart of the node if the control plane gives the key.
func TestSealer_KeyIsTheSnapshots(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	mine := ticket{ticketTarget, idOf("g"), netip.MustParseAddrPort("[fd00::1]:80"), testTime}
	value := sealText(newSealer(key), mine)
	if len(value) != 128 || !sealedText.MatchString(value) {
		t.Errorf("%d characters: %s", len(value), value)
	}
	if got, ok := newSealer(key).open([]byte(value)); !ok || got.addr != mine.addr || !got.issued.Equal(testTime) || got.group != mine.group {
		t.Errorf("%+v", got)
	}
	own := randomSealer()
	if first := own.or(nil, key); own.or(first, key) != first || own.or(first, nil) != own || own.or(first, key[1:]) == first {
		t.Error("the sealer is not the key's")
	}
	for i := range value {
		changed := []byte(value)
		changed[i] ^= 1
		if _, ok := newSealer(key).open(changed); ok {
			t.Fatalf("believed with character %d changed", i)
		}
	}
}

func BenchmarkSticky(b *testing.B) {
	target := backend(b, func(_ int, conn net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	g := newGroup(TargetGroup{ARN: "g", Stickiness: &Stickiness{Type: "lb_cookie", Duration: time.Hour}}, new(groupLife))
	g.add(newTarget("g", g.life, target))
	key := randomSealer()
	now := time.Now()
	q := request{fields: []field{{name: []byte("Cookie"), value: []byte("a=b; AWSALB=" + sealText(key, ticket{ticketTarget, g.id, target.Addr, now})), kind: fieldCookie}}}
	var p response
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		s := affinity{group: g, addr: target.Addr}
		c := g.chooseFor(&q, key, &s, now)
		if !s.held {
			b.Fatal("not held")
		}
		c.target.release()
		p.fields = p.fields[:0]
		text = s.stick(&p, text[:0], key, "", now)
	}
}
