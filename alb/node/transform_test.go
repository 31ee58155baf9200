package node

import (
	"strings"
	"testing"

	"drydock/timeline"
)

func TestTransform(t *testing.T) {
	host := func(regex, replace string) Transform { return Transform{"host-header-rewrite", regex, replace} }
	url := func(regex, replace string) Transform { return Transform{"url-rewrite", regex, replace} }
	for name, c := range map[string]struct {
		transforms []Transform
		line       string // the target's request line
		host       string // the target's Host
		want       *timeline.Transformed
	}{
		"host":          {[]Transform{host(`^mywebsite-(.+)\.com$`, "internal.dev.$1.myweb.com")}, "/p?q=1", "internal.dev.a.myweb.com", &timeline.Transformed{Host: "internal.dev.a.myweb.com", Status: "TransformSuccess"}},
		"URL":           {[]Transform{url(`^/p`, "/product")}, "/product?q=1", "mywebsite-a.com", &timeline.Transformed{URI: "/product?q=1", Status: "TransformSuccess"}},
		"query":         {[]Transform{url(`^/(.)\?q=(.)$`, "/$2/$1?$9$0x$")}, "/1/p?/p?q=1x$", "mywebsite-a.com", &timeline.Transformed{URI: "/1/p?/p?q=1x$", Status: "TransformSuccess"}},
		"both":          {[]Transform{url(`q=1`, "q=2"), host("a", "b")}, "/p?q=2", "mywebsite-b.com", &timeline.Transformed{Host: "mywebsite-b.com", URI: "/p?q=2", Status: "TransformSuccess"}},
		"first match":   {[]Transform{host(`e`, "E")}, "/p?q=1", "mywebsite-a.com", &timeline.Transformed{Host: "mywEbsite-a.com", Status: "TransformSuccess"}},
		"no match":      {[]Transform{host(`^x`, "y"), url("^x", "y")}, "/p?q=1", "mywebsite-a.com", nil},
		"bad host":      {[]Transform{host(`-`, "/")}, "", "", &timeline.Transformed{Host: "mywebsite/a.com", Status: "TransformInvalidHostHeader"}},
		"empty host":    {[]Transform{host(`.*`, "")}, "", "", &timeline.Transformed{Status: "TransformInvalidHostHeader"}},
		"bad URL":       {[]Transform{url(`^/`, "")}, "", "", &timeline.Transformed{URI: "p?q=1", Status: "TransformInvalidPath"}},
		"split":         {[]Transform{url(`q=1`, "q=1 HTTP/1.1\r\nX: y")}, "", "", &timeline.Transformed{URI: "/p?q=1 HTTP/1.1\r\nX: y", Status: "TransformInvalidPath"}},
		"too long":      {[]Transform{url(`p`, strings.Repeat("x", 17<<10))}, "", "", &timeline.Transformed{URI: "/" + strings.Repeat("x", 17<<10) + "?q=1", Status: "TransformBufferTooSmall"}},
		"bad regex":     {[]Transform{url(`(`, "x")}, "/p?q=1", "mywebsite-a.com", nil},
		"none":          {nil, "/p?q=1", "mywebsite-a.com", nil},
		"several hosts": {[]Transform{host(`^mywebsite-a.com$`, "$1b")}, "/p?q=1", "b", &timeline.Transformed{Host: "b", Status: "TransformSuccess"}},
	} {
		t.Run(name, func(t *testing.T) {
			target, got := capture(t)
			s := newStack(t, target)
			s.attributes().PreserveHostHeader = name == "several hosts"
			// The rule matches what the client sent, before and after.
			(*s.rules())[0] = Rule{Priority: "7", Action: forwardTo(groupARN), Transforms: c.transforms, Conditions: []Condition{
				{Field: "host-header", Values: []string{"mywebsite-a.com"}}, {Field: "path-pattern", Values: []string{"/p"}}}}
			s.run()
			status := s.dial().send("GET /p?q=1 HTTP/1.1\r\nHost: MyWebsite-A.com:80\r\n\r\n").status()
			o := s.record.one(t)
			if o.URI != "/p?q=1" || o.Host != "mywebsite-a.com:80" || o.RulePriority != "7" {
				t.Errorf("logged as %s %s, rule %s", o.Host, o.URI, o.RulePriority)
			}
			if (o.Transformed == nil) != (c.want == nil) || c.want != nil && *o.Transformed != *c.want {
				t.Errorf("%+v, want %+v", o.Transformed, c.want)
			}
			if c.line == "" {
				checkRow(t, o, row{500, 0, "---", timeline.TransformFailed})
				if status != 500 || len(got) > 0 {
					t.Error(status, len(got))
				}
				return
			}
			head := (<-got)[0]
			uri, _ := sent([]byte(head))
			if uri != c.line || !strings.Contains(head, "\r\nHost: "+c.host+"\r\n") || strings.Count(head, "\nHost:") != 1 {
				t.Errorf("%q", head)
			}
		})
	}
}
