package node

import "drydock/timeline"

// shape is what a cause looks like from outside: the status, which of the three times are
// reported (others are -1), and who ended the exchange.
type shape struct {
	status                    int
	request, target, response bool
	endedBy                   string
}

// shapes is the one table of log shapes (ALB-040). Rows rest on one or two samples each.
var shapes = map[timeline.Cause]shape{
	timeline.CauseNone: {0, true, true, true, ""},

	timeline.MalformedRequest:       {status: 400, endedBy: "alb"},
	timeline.HeaderTooLarge:         {status: 400, endedBy: "alb"},
	timeline.ClientClosedBeforeBody: {status: 400, endedBy: "client"},
	timeline.DesyncSevere:           {status: 400, endedBy: "alb"},
	timeline.PlainHTTP:              {status: 400, endedBy: "alb"},
	timeline.MethodTrace:            {status: 405, endedBy: "alb"},
	timeline.ClientIdle:             {status: 408, endedBy: "alb"},
	timeline.URITooLong:             {status: 414, endedBy: "alb"},
	timeline.ClientGone:             {status: 460, endedBy: "client"},
	timeline.XFFTooMany:             {status: 463, endedBy: "alb"},
	timeline.ProtocolMismatch:       {status: 464, endedBy: "alb"},
	timeline.TransformFailed:        {status: 500, endedBy: "alb"},
	timeline.BadTransferEncoding:    {status: 501, endedBy: "alb"},
	timeline.LocationTooLong:        {status: 507, endedBy: "alb"},

	timeline.ConnRefused:            {status: 502, endedBy: "target"},
	timeline.ConnRefusedDraining:    {status: 502, endedBy: "target"},
	timeline.ICMPUnreachable:        {status: 502, endedBy: "target"},
	timeline.TargetClosedInflight:   {502, true, true, false, "target"},
	timeline.KeepaliveRace:          {502, true, true, false, "target"},
	timeline.BadResponse:            {502, true, true, false, "alb"},
	timeline.ResponseHeaderTooLarge: {502, true, true, false, "alb"},
	timeline.DeregDelayElapsed:      {502, true, true, false, "alb"},
	timeline.TargetTLSError:         {status: 502, endedBy: "target"},

	timeline.NoRegisteredTargets: {status: 503, endedBy: "alb"},
	timeline.AllTargetsUnused:    {status: 503, endedBy: "alb"},

	timeline.ConnectTimeout:         {status: 504, endedBy: "alb"},
	timeline.ConnectTimeoutDraining: {status: 504, endedBy: "alb"},
	timeline.TargetTLSTimeout:       {status: 504, endedBy: "alb"},
	timeline.ResponseTimeout:        {504, true, false, false, "alb"},
	timeline.ContentLengthShort:     {504, true, false, false, "alb"},

	timeline.TruncatedResponse: {0, true, true, true, "target"},
	timeline.TargetMade:        {0, true, true, true, ""},
}
