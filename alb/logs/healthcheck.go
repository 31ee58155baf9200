package logs

import (
	"net/netip"
	"strings"

	"drydock/alb/node"
)

// AppendHealthCheck appends the health check log line of c in the log of a load balancer
// (app/name/id), with its newline. At is the address of the load balancer node (LOG-022).
func AppendHealthCheck(b []byte, c *node.Check, loadBalancer string, at netip.Addr) []byte {
	b = append(append(b, checkType(c.Protocol)...), ' ')
	b = append(appendTime(b, c.Time), ' ')
	b = append(appendNanoSeconds(b, c.Latency), ' ')
	b = append(c.Addr.AppendTo(b), ' ')
	b = append(appendWord(b, groupName(c.TargetGroup)), ' ')
	if c.Passed {
		b = append(b, "PASS "...)
	} else {
		b = append(b, "FAIL "...)
	}
	b = append(appendStatus(b, c.StatusCode), ' ')
	b = append(append(b, reasonCode(c)...), ' ')
	b = append(appendWord(b, loadBalancer), ' ')
	return append(at.AppendTo(b), '\n')
}

func checkType(protocol string) string {
	switch protocol {
	case "HTTPS":
		return "https"
	case "HTTP2":
		return "h2"
	case "GRPC":
		return "grpc"
	}
	return "http"
}

// groupName returns the name in a target group's ARN.
func groupName(arn string) string {
	_, rest, found := strings.Cut(arn, ":targetgroup/")
	if !found {
		return arn
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// reasonCode turns the reason of a target's health into the code of the log (LOG-023).
func reasonCode(c *node.Check) string {
	switch {
	case c.Passed:
		return "-"
	case c.Reason == "Target.Timeout":
		return "TimedOut"
	case c.Reason == "Target.ResponseCodeMismatch" && c.Protocol == "GRPC":
		return "GRPCUnexpectedStatus"
	case c.Reason == "Target.ResponseCodeMismatch" && c.StatusCode >= 500:
		return "TargetError"
	case c.Reason == "Target.ResponseCodeMismatch":
		return "ResponseCodeMismatch"
	case c.Reason == "Elb.InternalError":
		return "InternalError"
	}
	return "ConnectionReset"
}
