package logs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

// FuzzAccessLog: whatever a client or a target makes of an outcome, its line is one line of 33
// fields, from which a reader that knows nothing of the writer gets back what went in.
func FuzzAccessLog(f *testing.F) {
	o := ordinary()
	f.Add(o.Method, o.Host, o.URI, o.Proto, o.UserAgent, o.TraceID, o.TLS.Domain, o.RedirectURL, "", "", int64(1e15), int64(1e9), 200, 200)
	f.Add("GET", `a"b:80`, `/x" 200 "y`, "HTTP/1.1", "\"\n\"", "Root=1-\x00", "ex ample", `https://a/"`, `"`, `\x22`, int64(-5), int64(-1), 502, 0)
	f.Add("", "", "", "", "-", "\\", "\\x5C", "\xff", " ", "é", int64(0), int64(1<<62), -7, 999)
	f.Add("A B", "h:1", "http://user@h/p ?q", "HTTP/9 9", strings.Repeat("\x01", 9000), "", "", "", "a", "b", int64(1<<40), int64(5e8), 1, 2)
	f.Fuzz(func(t *testing.T, method, host, uri, proto, agent, trace, domain, redirect, class, transformed string, start, took int64, status, targetStatus int) {
		o := timeline.Outcome{Type: class, Method: method, Scheme: "http", Host: host, URI: uri, Proto: proto, UserAgent: agent, TraceID: trace,
			TLS: timeline.TLS{Domain: domain, Cipher: domain, Protocol: class, Certificate: trace}, RedirectURL: redirect, ErrorReason: class,
			Classification: class, ClassificationReason: domain, ConnTraceID: trace, LoadBalancer: host, Client: host, TargetGroup: redirect,
			Target: timeline.Target{Address: host}, RulePriority: class, Action: domain, Transformed: &timeline.Transformed{Host: host, URI: transformed, Status: class},
			Start: time.Unix(0, start), End: time.Unix(0, start).Add(time.Duration(took)), RequestTime: time.Duration(took), TargetTime: -1,
			ResponseTime: time.Duration(start), Status: status, TargetStatus: targetStatus, ReceivedBytes: start, SentBytes: took}
		line := string(AppendAccess(nil, &o))
		for i := range len(line) - 1 {
			if line[i] < ' ' || line[i] > '~' {
				t.Fatalf("byte %#x in %q", line[i], line)
			}
		}
		got := mustParse(t, line)
		for name, want := range expected(&o) {
			if got[name] != want {
				t.Errorf("%s is %q, not %q\n%s", name, got[name], want, line)
			}
		}
	})
}

// expected says with the tools of package fmt and time what the fields hold.
func expected(o *timeline.Outcome) map[string]string {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	request := "- - -"
	if o.Method != "" && o.Proto != "" {
		uri := o.URI
		if i := strings.Index(uri, "://"); i >= 0 && uri[0] != '/' {
			uri = uri[i+3:]
			if j := strings.IndexAny(uri, "/?"); j >= 0 {
				uri = uri[j:]
			} else {
				uri = "/"
			}
		}
		request = fmt.Sprintf("%s http://%s%s %s", o.Method, dash(o.Host), uri, o.Proto)
	}
	priority := dash(o.RulePriority)
	if priority == "default" {
		priority = "0"
	}
	kind := o.Type
	if kind == "" {
		kind = o.Scheme
	}
	want := map[string]string{
		"type": dash(kind), "time": o.End.UTC().Format("2006-01-02T15:04:05.000000Z"), "elb": dash(o.LoadBalancer), "client": dash(o.Client),
		"target": dash(o.Target.Address), "request_processing_time": seconds(o.RequestTime), "target_processing_time": "-1",
		"response_processing_time": seconds(o.ResponseTime), "elb_status_code": dash(strings.TrimPrefix(fmt.Sprint(o.Status), "0")),
		"received_bytes": fmt.Sprint(o.ReceivedBytes), "sent_bytes": fmt.Sprint(o.SentBytes), "request": request,
		"user_agent": dash(o.UserAgent[:min(len(o.UserAgent), 8192)]), "ssl_cipher": dash(o.TLS.Cipher), "ssl_protocol": dash(o.TLS.Protocol),
		"target_group_arn": dash(o.TargetGroup), "trace_id": dash(o.TraceID), "domain_name": dash(o.TLS.Domain), "chosen_cert_arn": dash(o.TLS.Certificate),
		"matched_rule_priority": priority, "request_creation_time": o.Start.UTC().Format("2006-01-02T15:04:05.000") + "000Z",
		"actions_executed": dash(o.Action), "redirect_url": dash(o.RedirectURL), "error_reason": dash(o.ErrorReason), "target_list": dash(o.Target.Address),
		"classification": dash(o.Classification), "classification_reason": dash(o.ClassificationReason), "conn_trace_id": dash(o.ConnTraceID),
		"transformed_host": dash(o.Transformed.Host), "transformed_uri": dash(o.Transformed.URI), "request_transform_status": dash(o.Transformed.Status),
	}
	return want
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	d -= d % time.Millisecond
	return fmt.Sprintf("%d.%03d", d/time.Second, d%time.Second/time.Millisecond)
}
