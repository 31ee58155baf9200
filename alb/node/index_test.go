package node

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// The index finds the rule that comparing one by one finds.
func TestIndex_FindsTheSameRule(t *testing.T) {
	pattern := rapid.StringOfN(rapid.RuneFrom([]rune("abAB/.*?")), 0, 6, -1)
	text := rapid.StringOfN(rapid.RuneFrom([]rune("abAB/.")), 0, 8, -1)
	condition := rapid.Custom(func(t *rapid.T) Condition {
		c := Condition{Field: rapid.SampledFrom([]string{"host-header", "path-pattern", "http-request-method", "http-header"}).Draw(t, "field"), Name: "X-A"}
		c.Values = rapid.SliceOfN(pattern, 1, 3).Draw(t, "values")
		switch {
		case c.Field == "path-pattern":
			for i := range c.Values {
				c.Values[i] = "/" + c.Values[i]
			}
		case c.Field == "http-request-method":
			c.Values = []string{"GET"}
		}
		if rapid.IntRange(0, 9).Draw(t, "regex") == 0 {
			c.Values, c.Regex = nil, []string{"^/?a.*b$"}
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		r := &route{}
		for i := range rapid.IntRange(indexFrom, 90).Draw(t, "rules") {
			spec := Rule{Priority: fmt.Sprint(i), Conditions: rapid.SliceOfN(condition, 1, 3).Draw(t, "conditions"), Action: Action{FixedResponse: &FixedResponse{}}}
			r.rules = append(r.rules, compileRule(spec, nil))
		}
		r.rules = append(r.rules, compileRule(Rule{Priority: "default", Action: Action{FixedResponse: &FixedResponse{}}}, nil))
		indexed := *r
		indexed.index = newRuleIndex(r.rules)
		if indexed.index == nil {
			t.Fatal("no index")
		}
		for range 20 {
			var q request
			if q.parse([]byte("GET /"+text.Draw(t, "path")+" HTTP/1.1\r\nHost: h"+rapid.StringOfN(rapid.RuneFrom([]rune("abAB.")), 0, 6, -1).Draw(t, "host")+"\r\nX-A: "+text.Draw(t, "value")+"\r\n\r\n")) != nil {
				continue
			}
			want, n := r.match(&q, netip.Addr{})
			got, m := indexed.match(&q, netip.Addr{})
			if got != want || n != m {
				t.Fatalf("rule %s after %d evaluations, one by one %s after %d: %s %s", got.priority, m, want.priority, n, q.host, q.target)
			}
		}
	})
}

func TestRules_EvaluationsAreCounted(t *testing.T) {
	fixed := Action{FixedResponse: &FixedResponse{StatusCode: 200}}
	for _, n := range []int{3, 20} {
		s := newStack(t)
		*s.rules() = nil
		for i := range n {
			*s.rules() = append(*s.rules(), Rule{Priority: fmt.Sprint(i + 1), Conditions: []Condition{{Field: "path-pattern", Values: []string{fmt.Sprintf("/%d", i+1)}}}, Action: fixed})
		}
		*s.rules() = append(*s.rules(), Rule{Priority: "default", Action: fixed})
		s.run()
		c := s.dial()
		for _, uri := range []string{"/1", "/3", "/none"} {
			c.send("GET " + uri + " HTTP/1.1\r\nHost: a.b\r\n\r\n").status()
		}
		got := s.record.wait(t, 3)
		if got[0].RuleEvaluations != 1 || got[1].RuleEvaluations != 3 || got[2].RuleEvaluations != n {
			t.Errorf("%d rules: %d, %d, %d", n, got[0].RuleEvaluations, got[1].RuleEvaluations, got[2].RuleEvaluations)
		}
		s.stop()
	}
}

// The cost of matching, with the rule that matches at the end.
func BenchmarkRules(b *testing.B) {
	for name, condition := range map[string]func(i int) Condition{
		"path": func(i int) Condition {
			return Condition{Field: "path-pattern", Values: []string{fmt.Sprintf("/service-%d/*", i)}}
		},
		"host": func(i int) Condition {
			return Condition{Field: "host-header", Values: []string{fmt.Sprintf("*.tenant-%d.example.com", i)}}
		},
		"header": func(i int) Condition {
			return Condition{Field: "http-header", Name: "X-Kind", Values: []string{fmt.Sprintf("kind-%d", i)}}
		},
	} {
		for _, n := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				l := Listener{}
				for i := range n {
					l.Rules = append(l.Rules, Rule{Priority: fmt.Sprint(i + 1), Conditions: []Condition{condition(i)}, Action: Action{FixedResponse: &FixedResponse{}}})
				}
				l.Rules = append(l.Rules, Rule{Priority: "default", Action: Action{FixedResponse: &FixedResponse{}}})
				r := compileRoute(1, &LoadBalancer{}, l, nil, nil)
				var q request
				q.parse(fmt.Appendf(nil, "GET /service-%d/some/path?x=y HTTP/1.1\r\nHost: www.tenant-%d.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nX-Kind: kind-%d\r\n\r\n", n-1, n-1, n-1))
				b.ReportAllocs()
				for b.Loop() {
					if m, _ := r.match(&q, netip.Addr{}); m.priority == "default" {
						b.Fatal("no match")
					}
				}
			})
		}
	}
}
