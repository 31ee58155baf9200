package node

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// page is the text of an answer that the balancer makes itself: stock nginx (ALB-041).
type page struct {
	line  string // status line after the version
	title string
}

var pageTexts = map[int]page{
	301: {"301 Moved Permanently", "301 Moved Permanently"},
	302: {"302 Moved Temporarily", "302 Found"},
	400: {"400 Bad Request", "400 Bad Request"},
	401: {"401 Unauthorized", "401 Authorization Required"},
	403: {"403 Forbidden", "403 Forbidden"},
	405: {"405 Not Allowed", "405 Not Allowed"},
	408: {"408 Request Time-out", "408 Request Time-out"},
	413: {"413 Request Entity Too Large", "413 Request Entity Too Large"},
	414: {"414 Request-URI Too Large", "414 Request-URI Too Large"},
	500: {"500 Internal Server Error", "500 Internal Server Error"},
	501: {"501 Not Implemented", "501 Not Implemented"},
	502: {"502 Bad Gateway", "502 Bad Gateway"},
	503: {"503 Service Temporarily Unavailable", "503 Service Temporarily Unavailable"},
	504: {"504 Gateway Time-out", "504 Gateway Time-out"},
	505: {"505 HTTP Version Not Supported", "505 HTTP Version Not Supported"},
	507: {"507 Insufficient Storage", "507 Insufficient Storage"},
}

var padding = strings.Repeat("<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n", 6)

// answer is a response that the balancer makes itself.
type answer struct {
	status      int
	contentType string
	body        string
	location    string
	noServer    bool
	fields      []field // set by the listener's attributes
}

// errorPage is the answer for a status. Statuses without a page have no body (ALB-042).
func errorPage(status int, padded bool) answer {
	p, ok := pageTexts[status]
	if !ok {
		return answer{status: status}
	}
	body := "<html>\r\n<head><title>" + p.title + "</title></head>\r\n<body>\r\n<center><h1>" + p.title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
	if padded && status >= 400 {
		body += padding
	}
	return answer{status: status, contentType: "text/html", body: body}
}

// statusLine is the status line after the version. An unknown status has an empty reason.
func statusLine(status int) string {
	if p, ok := pageTexts[status]; ok {
		return p.line
	}
	return strconv.Itoa(status) + " " + http.StatusText(status)
}

// appendAnswer writes an answer in the order that ALB uses.
func appendAnswer(b []byte, a answer, now time.Time, keep, head bool) []byte {
	b = append(append(append(b, "HTTP/1.1 "...), statusLine(a.status)...), "\r\n"...)
	if !a.noServer {
		b = append(b, "Server: awselb/2.0\r\n"...)
	}
	b = append(b, "Date: "...)
	b = append(append(b, dateText(now)...), "\r\n"...)
	if a.contentType != "" {
		b = append(append(append(b, "Content-Type: "...), a.contentType...), "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(a.body)), 10), "\r\n"...)
	b = append(b, connectionLine(keep)...)
	if a.location != "" {
		b = append(append(append(b, "Location: "...), a.location...), "\r\n"...)
	}
	for i := range a.fields {
		b = appendField(b, &a.fields[i])
	}
	b = append(b, "\r\n"...)
	if !head {
		b = append(b, a.body...)
	}
	return b
}

func connectionLine(keep bool) string {
	if keep {
		return "Connection: keep-alive\r\n"
	}
	return "Connection: close\r\n"
}

type date struct {
	second int64
	text   string
}

// dateCache remembers the text of a time, which is the same for a second.
type dateCache struct{ last atomic.Pointer[date] }

var answerDates, expiryDates dateCache

func (d *dateCache) text(t time.Time) string {
	second := t.Unix()
	if last := d.last.Load(); last != nil && last.second == second {
		return last.text
	}
	made := &date{second, t.UTC().Format(http.TimeFormat)}
	d.last.Store(made)
	return made.text
}

// dateText is the value of the Date header.
func dateText(now time.Time) string { return answerDates.text(now) }
