package logs

import (
	"slices"
	"strconv"
	"strings"

	"drydock/timeline"
)

const (
	maxUserAgent = 8 << 10 // longer ones are cut (LOG-006)
	typicalLine  = 1 << 10
)

// AppendAccess appends the access log line of o, with its newline: the 33 fields that AWS
// documents, in their order (LOG-001). It does not allocate if b has room.
func AppendAccess(b []byte, o *timeline.Outcome) []byte {
	b = slices.Grow(b, typicalLine)
	b = appendEnds(b, o)
	b = appendTimes(b, o)
	b = appendResult(b, o)
	b = appendRequest(b, o)
	b = append(b, ' ')
	b = appendQuoted(b, o.UserAgent[:min(len(o.UserAgent), maxUserAgent)])
	b = append(b, ' ')
	b = appendSession(b, o)
	b = appendRouting(b, o)
	b = appendTargets(b, o)
	b = appendClass(b, o)
	b = appendWord(b, o.ConnTraceID)
	b = appendTransformed(b, o.Transformed)
	return append(b, '\n')
}

// appendEnds appends type, time, elb, client:port and target:port.
func appendEnds(b []byte, o *timeline.Outcome) []byte {
	kind := o.Type
	if kind == "" {
		kind = o.Scheme
	}
	b = append(appendWord(b, kind), ' ')
	b = append(appendTime(b, o.End), ' ')
	b = append(appendWord(b, o.LoadBalancer), ' ')
	b = append(appendWord(b, o.Client), ' ')
	return append(appendWord(b, o.Target.Address), ' ')
}

func appendTimes(b []byte, o *timeline.Outcome) []byte {
	b = append(appendSeconds(b, o.RequestTime), ' ')
	b = append(appendSeconds(b, o.TargetTime), ' ')
	return append(appendSeconds(b, o.ResponseTime), ' ')
}

func appendResult(b []byte, o *timeline.Outcome) []byte {
	b = append(appendStatus(b, o.Status), ' ')
	b = append(appendStatus(b, o.TargetStatus), ' ')
	b = append(strconv.AppendInt(b, o.ReceivedBytes, 10), ' ')
	return append(strconv.AppendInt(b, o.SentBytes, 10), ' ')
}

// appendRequest appends "METHOD proto://host:port/uri HTTP/x.y"; "- - -" for a request that
// could not be read so far (LOG-005).
func appendRequest(b []byte, o *timeline.Outcome) []byte {
	if o.Method == "" || o.Proto == "" {
		return append(b, `"- - -"`...)
	}
	b = append(b, '"')
	b = append(appendWord(b, o.Method), ' ')
	b = appendWord(b, o.Scheme)
	b = append(b, "://"...)
	b = appendWord(b, o.Host)
	b = append(appendEscaped(b, originForm(o.URI), ' '), ' ')
	b = appendWord(b, o.Proto)
	return append(b, '"')
}

// originForm returns path and query of a request target, which may be absolute.
func originForm(uri string) string {
	if strings.HasPrefix(uri, "/") {
		return uri
	}
	_, rest, absolute := strings.Cut(uri, "://")
	if !absolute {
		return uri
	}
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		return "/"
	}
	return rest[i:]
}

// appendSession appends ssl_cipher, ssl_protocol, target_group_arn, trace_id, domain_name
// and chosen_cert_arn.
func appendSession(b []byte, o *timeline.Outcome) []byte {
	b = append(appendWord(b, o.TLS.Cipher), ' ')
	b = append(appendWord(b, o.TLS.Protocol), ' ')
	b = append(appendWord(b, o.TargetGroup), ' ')
	b = append(appendQuoted(b, o.TraceID), ' ')
	b = append(appendQuoted(b, o.TLS.Domain), ' ')
	return append(appendQuoted(b, o.TLS.Certificate), ' ')
}

// appendRouting appends matched_rule_priority, request_creation_time, actions_executed,
// redirect_url and error_reason. The default rule has priority 0 (LOG-007).
func appendRouting(b []byte, o *timeline.Outcome) []byte {
	if o.RulePriority == "default" {
		b = append(b, '0', ' ')
	} else {
		b = append(appendWord(b, o.RulePriority), ' ')
	}
	b = append(appendMilliTime(b, o.Start), ' ')
	b = append(appendQuotedWord(b, o.Action), ' ')
	b = append(appendQuoted(b, o.RedirectURL), ' ')
	return append(appendQuotedWord(b, o.ErrorReason), ' ')
}

// appendTargets appends target:port_list and target_status_code_list, which hold at most one.
func appendTargets(b []byte, o *timeline.Outcome) []byte {
	b = append(appendQuotedWord(b, o.Target.Address), ` "`...)
	return append(appendStatus(b, o.TargetStatus), `" `...)
}

func appendClass(b []byte, o *timeline.Outcome) []byte {
	b = append(appendQuotedWord(b, o.Classification), ' ')
	return append(appendQuotedWord(b, o.ClassificationReason), ' ')
}

func appendTransformed(b []byte, t *timeline.Transformed) []byte {
	if t == nil {
		return append(b, ` "-" "-" "-"`...)
	}
	b = appendQuoted(append(b, ' '), t.Host)
	b = appendQuoted(append(b, ' '), t.URI)
	return appendQuotedWord(append(b, ' '), t.Status)
}
