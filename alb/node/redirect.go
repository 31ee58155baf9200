package node

import (
	"strconv"
	"strings"

	"drydock/timeline"
)

// location is the Location of a redirect. It always carries a port, and no ? without a query (ALB-043).
func (r *route) location(to *Redirect, q *request) string {
	host := string(withoutPort(q.host))
	if host == "" {
		host = r.lb.DNSName
	}
	fill := strings.NewReplacer(
		"#{protocol}", r.scheme,
		"#{host}", host,
		"#{port}", r.portText,
		"#{path}", strings.TrimPrefix(string(q.path), "/"),
		"#{query}", string(q.query),
	)
	b := strings.ToLower(fill.Replace(or(to.Protocol, "#{protocol}"))) + "://" +
		fill.Replace(or(to.Host, "#{host}")) + ":" +
		fill.Replace(or(to.Port, "#{port}")) +
		fill.Replace(or(to.Path, "/#{path}"))
	if query := fill.Replace(to.Query); query != "" {
		b += "?" + query
	}
	return b
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// redirect answers with a redirect, or 507 if its Location is too long.
func (x *exchange) redirect(to *Redirect) {
	where := x.route.location(to, &x.req)
	if len(where) > maxLocation {
		x.fail(timeline.LocationTooLong, "Location of "+strconv.Itoa(len(where))+" bytes")
		return
	}
	a := errorPage(to.StatusCode, false)
	a.location = where
	x.o.RedirectURL = where
	x.say(a)
}

func fixed(f *FixedResponse) answer {
	return answer{status: f.StatusCode, contentType: or(f.ContentType, "text/plain"), body: f.MessageBody}
}
