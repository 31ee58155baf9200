package logs

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

func TestAccess_FieldsInAWSOrder(t *testing.T) {
	o := ordinary()
	want := `http 2026-10-01T12:00:00.367333Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 134 366 ` +
		`"GET http://www.example.com:80/some/path?x=y HTTP/1.1" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0" - - ` +
		`arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 ` +
		`"Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2026-10-01T12:00:00.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" ` +
		`TID_1234abcd5678ef901234abcd5678ef90 "-" "-" "-"` + "\n"
	if got := string(AppendAccess(nil, &o)); got != want {
		t.Errorf("the line is\n%s not\n%s", got, want)
	}
}

func TestAccess_TLSTransformAndRedirect(t *testing.T) {
	o := ordinary()
	o.Type, o.Scheme, o.Host, o.Proto = "h2", "https", "www.example.com:443", "HTTP/2.0"
	o.TLS = timeline.TLS{Protocol: "TLSv1.2", Cipher: "ECDHE-RSA-AES128-GCM-SHA256", Domain: "www.example.com", Certificate: "arn:aws:acm:us-east-2:123456789012:certificate/12345678"}
	o.RulePriority, o.Transformed = "42", &timeline.Transformed{Host: "b.example.com", URI: "/new?x=y", Status: "TransformSuccess"}
	o.Classification, o.ClassificationReason = "Acceptable", "SpaceInUri"
	want := `h2 2026-10-01T12:00:00.367333Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 134 366 ` +
		`"GET https://www.example.com:443/some/path?x=y HTTP/2.0" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ` +
		`arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 ` +
		`"Root=1-58337262-36d228ad5d99923122bbe354" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/12345678" 42 2026-10-01T12:00:00.364000Z ` +
		`"forward" "-" "-" "10.0.0.1:80" "200" "Acceptable" "SpaceInUri" TID_1234abcd5678ef901234abcd5678ef90 "b.example.com" "/new?x=y" "TransformSuccess"` + "\n"
	if got := string(AppendAccess(nil, &o)); got != want {
		t.Errorf("the line is\n%s not\n%s", got, want)
	}
	o = timeline.Outcome{Method: "GET", Scheme: "http", Host: "a.b:80", URI: "/", Proto: "HTTP/1.1", Action: "redirect", RedirectURL: "https://a.b:443/",
		RulePriority: "default", Status: 301, SentBytes: 339, RequestTime: -1, TargetTime: -1, ResponseTime: -1}
	f := mustParse(t, string(AppendAccess(nil, &o)))
	if got := f["actions_executed"] + " " + f["redirect_url"] + " " + f["target"] + " " + f["type"] + " " + f["target_group_arn"]; got != "redirect https://a.b:443/ - http -" {
		t.Errorf("a redirect is logged as %s", got)
	}
}

// matrix holds the rows of the deploy-time failure matrix as the node reports them, with the
// columns target | request, target and response time | ELB and target status.
var matrix = []struct {
	row     int
	what    string
	outcome timeline.Outcome
	columns string
}{
	{1, "no registered targets", alb(timeline.NoRegisteredTargets, 503, 337), "- | -1 -1 -1 | 503 -"},
	{2, "initial target, nobody listens", chosen(timeline.ConnRefused, 502, 277, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 502 -"},
	{3, "all unhealthy, the application is well", answered(timeline.CauseNone, 200), "10.0.0.1:80 | 0.001 0.004 0.000 | 200 200"},
	{4, "listener closed while still routed to", chosen(timeline.ConnRefusedDraining, 502, 277, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 502 -"},
	{5, "address gone", chosen(timeline.ConnectTimeoutDraining, 504, 292, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 504 -"},
	{6, "application exits with the request in flight", chosen(timeline.TargetClosedInflight, 502, 277, ms, 4205*ms, -1), "10.0.0.1:80 | 0.001 4.205 -1 | 502 -"},
	{7, "keep-alive race", chosen(timeline.KeepaliveRace, 502, 277, 4*ms, 0, -1), "10.0.0.1:80 | 0.004 0.000 -1 | 502 -"},
	{8, "deregistration delay elapsed", chosen(timeline.DeregDelayElapsed, 502, 277, ms, 30_000*ms, -1), "10.0.0.1:80 | 0.001 30.000 -1 | 502 -"},
	{9, "slower than the idle timeout", chosen(timeline.ResponseTimeout, 504, 292, ms, -1, -1), "10.0.0.1:80 | 0.001 -1 -1 | 504 -"},
	{10, "the client left", chosen(timeline.ClientGone, 460, 0, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 460 -"},
	{11, "security group", chosen(timeline.ConnectTimeout, 504, 292, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 504 -"},
	{12, "weight on an empty group", alb(timeline.NoRegisteredTargets, 503, 337), "- | -1 -1 -1 | 503 -"},
	{13, "weight on a group that is not ready", chosen(timeline.ConnRefused, 502, 277, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 502 -"},
	{15, "HTTPS to a target that speaks HTTP", chosen(timeline.TargetTLSError, 502, 277, -1, -1, -1), "10.0.0.1:80 | -1 -1 -1 | 502 -"},
	{16, "response header too large", chosen(timeline.ResponseHeaderTooLarge, 502, 277, ms, 10*ms, -1), "10.0.0.1:80 | 0.001 0.010 -1 | 502 -"},
	{17, "protocol versions do not match", alb(timeline.ProtocolMismatch, 464, 155), "- | -1 -1 -1 | 464 -"},
	{18, "sticky client, target drained", answered(timeline.CauseNone, 200), "10.0.0.1:80 | 0.001 0.004 0.000 | 200 200"},
	{19, "target dies in the body", answered(timeline.TruncatedResponse, 200), "10.0.0.1:80 | 0.001 0.004 0.000 | 200 200"},
	{20, "the application answers 503", answered(timeline.TargetMade, 503), "10.0.0.1:80 | 0.001 0.004 0.000 | 503 503"},
}

const ms = time.Millisecond

// alb is an outcome for which no target was chosen.
func alb(cause timeline.Cause, status int, sent int64) timeline.Outcome {
	o := chosen(cause, status, sent, -1, -1, -1)
	o.Target, o.Connection = timeline.Target{}, timeline.Connection{}
	return o
}

// chosen is an outcome for which a target was chosen, but did not answer.
func chosen(cause timeline.Cause, status int, sent int64, request, target, response time.Duration) timeline.Outcome {
	o := ordinary()
	o.Cause, o.Status, o.TargetStatus, o.SentBytes = cause, status, 0, sent
	o.RequestTime, o.TargetTime, o.ResponseTime = request, target, response
	return o
}

func answered(cause timeline.Cause, status int) timeline.Outcome {
	o := chosen(cause, status, 366, ms, 4*ms, 0)
	o.TargetStatus = status
	return o
}

func TestAccess_ShapesOfTheMatrix(t *testing.T) {
	for _, row := range matrix {
		line := string(AppendAccess(nil, &row.outcome))
		f := mustParse(t, line)
		columns := fmt.Sprintf("%s | %s %s %s | %s %s", f["target"], f["request_processing_time"], f["target_processing_time"],
			f["response_processing_time"], f["elb_status_code"], f["target_status_code"])
		if columns != row.columns {
			t.Errorf("row %d, %s: %s, not %s", row.row, row.what, columns, row.columns)
		}
		if f["sent_bytes"] != fmt.Sprint(row.outcome.SentBytes) || f["actions_executed"] != "forward" || f["target_group_arn"] == "-" || f["error_reason"] != "-" ||
			f["target_list"] != f["target"] || f["target_status_code_list"] != f["target_status_code"] {
			t.Errorf("row %d, %s: %s", row.row, row.what, line)
		}
		if !athena.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("row %d, %s: Athena would not read %s", row.row, row.what, line)
		}
	}
}

func TestAccess_MalformedRequest(t *testing.T) {
	o := timeline.Outcome{Start: time.Unix(1, 0), End: time.Unix(1, 0), LoadBalancer: "app/web/50dc6c495c0c9188", Client: "10.1.1.1:5", Scheme: "http",
		Proto: "HTTP/1.1", Cause: timeline.MalformedRequest, Status: 400, ReceivedBytes: 12, SentBytes: 272, RequestTime: -1, TargetTime: -1, ResponseTime: -1}
	want := `http 1970-01-01T00:00:01.000000Z app/web/50dc6c495c0c9188 10.1.1.1:5 - -1 -1 -1 400 - 12 272 "- - -" "-" - - - "-" "-" "-" - 1970-01-01T00:00:01.000000Z "-" "-" "-" "-" "-" "-" "-" - "-" "-" "-"` + "\n"
	if got := string(AppendAccess(nil, &o)); got != want {
		t.Errorf("the line is\n%s not\n%s", got, want)
	}
}

func TestAccess_EscapesAndCuts(t *testing.T) {
	o := ordinary()
	o.UserAgent = "a \"quoted\"\r\nhttp injected \\ ü \x7f" + strings.Repeat("x", 9000)
	o.URI = `/a"b\c` + "\xff"
	line := string(AppendAccess(nil, &o))
	if !strings.Contains(line, `"a \x22quoted\x22\x0D\x0Ahttp injected \x5C \xC3\xBC \x7Fxxxx`) || !strings.Contains(line, `:80/a\x22b\x5Cc\xFF HTTP/1.1"`) {
		t.Error(line[:500])
	}
	if got := mustParse(t, line)["user_agent"]; got != o.UserAgent[:8192] {
		t.Errorf("the user agent has %d bytes", len(got))
	}
	o.URI, o.Host = "http://example.com/x?y", "example.com:80"
	if got := mustParse(t, string(AppendAccess(nil, &o)))["request"]; got != "GET http://example.com:80/x?y HTTP/1.1" {
		t.Errorf("an absolute request target is logged as %q", got)
	}
}

func TestAccess_DoesNotAllocate(t *testing.T) {
	o, b := ordinary(), make([]byte, 0, 8<<10)
	o.UserAgent += `"` // the slow way too
	if n := testing.AllocsPerRun(100, func() { b = AppendAccess(b[:0], &o) }); n != 0 {
		t.Errorf("a line costs %v allocations", n)
	}
}

func TestTimes_Formats(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	at := time.Date(2018, 7, 3, 0, 23, 0, 186_641_999, zone)
	if got := string(appendTime(nil, at)); got != "2018-07-02T22:23:00.186641Z" {
		t.Error(got)
	}
	if got := string(appendMilliTime(nil, at)); got != "2018-07-02T22:23:00.186000Z" {
		t.Error(got)
	}
	for d, want := range map[time.Duration]string{-1: "-1", 0: "0.000", 999 * time.Microsecond: "0.000", ms: "0.001", 10_002 * ms: "10.002", 61*time.Second + 40*ms: "61.040"} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
	if got := string(appendNanoSeconds(nil, 19584011)); got != "0.019584011" {
		t.Error(got)
	}
}

func TestConnection_Lines(t *testing.T) {
	at := netip.MustParseAddr("10.0.0.5")
	c := node.Connection{Time: time.Date(2023, 10, 4, 17, 5, 15, 514_108_000, time.UTC), LoadBalancer: "app/web/50dc6c495c0c9188",
		Client: netip.MustParseAddrPort("203.0.113.1:36280"), Port: 443, Handshake: 4036 * ms,
		TLS: timeline.TLS{Protocol: "TLSv1.2", Cipher: "ECDHE-RSA-AES128-GCM-SHA256"}, TraceID: "TID_3180a73013c8ca4bac2f731159d4b0fe"}
	check := func(want string) {
		t.Helper()
		if got := string(AppendConnection(nil, &c, at)); got != want+"\n" {
			t.Errorf("the line is\n%s not\n%s", got, want)
		}
	}
	check(`2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 "-" - - Success TID_3180a73013c8ca4bac2f731159d4b0fe - app/web/50dc6c495c0c9188 10.0.0.5`)
	c.Failed, c.TLS, c.Handshake = "tls: no cipher suite\nin common", timeline.TLS{}, -1
	check(`2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 - - - "-" - - Failed:UnmappedConnectionError TID_3180a73013c8ca4bac2f731159d4b0fe - app/web/50dc6c495c0c9188 10.0.0.5`)
	c.Failed, c.Port = "", 80
	check(`2023-10-04T17:05:15.514108Z 203.0.113.1 36280 80 - - - "-" - - - TID_3180a73013c8ca4bac2f731159d4b0fe - app/web/50dc6c495c0c9188 10.0.0.5`)
}

func TestHealthCheck_Lines(t *testing.T) {
	at := netip.MustParseAddr("10.0.0.5")
	c := node.Check{Time: time.Date(2025, 10, 31, 12, 44, 59, 875_678_000, time.UTC), Latency: 19584011, Addr: netip.MustParseAddrPort("172.31.20.97:80"),
		TargetGroup: "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/HCLogsTestIPs/73e2d6bc24d8a067", Protocol: "HTTP", Passed: true, StatusCode: 200}
	if got := string(AppendHealthCheck(nil, &c, "app/web/50dc6c495c0c9188", at)); got != "http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 HCLogsTestIPs PASS 200 - app/web/50dc6c495c0c9188 10.0.0.5\n" {
		t.Error(got)
	}
	c.Passed = false
	for _, test := range []struct {
		protocol, reason string
		code             int
		want             string
	}{
		{"HTTP", "Target.ResponseCodeMismatch", 502, "FAIL 502 TargetError"},
		{"HTTPS", "Target.ResponseCodeMismatch", 404, "FAIL 404 ResponseCodeMismatch"},
		{"GRPC", "Target.ResponseCodeMismatch", 14, "FAIL 14 GRPCUnexpectedStatus"},
		{"HTTP", "Target.Timeout", 0, "FAIL - TimedOut"},
		{"HTTP", "Target.FailedHealthChecks", 0, "FAIL - ConnectionReset"},
		{"HTTP", "Elb.InternalError", 0, "FAIL - InternalError"},
	} {
		c.Protocol, c.Reason, c.StatusCode = test.protocol, test.reason, test.code
		got := string(AppendHealthCheck(nil, &c, "app/web/1", at))
		if !strings.HasPrefix(got, strings.ToLower(test.protocol)+" ") || !strings.Contains(got, " HCLogsTestIPs "+test.want+" app/web/1 ") {
			t.Errorf("%s %d: %s", test.reason, test.code, got)
		}
	}
}
