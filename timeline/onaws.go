package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// onAWS tells what CloudWatch and the access log would show for the same requests.
func onAWS(members []member, causes []CauseCount) OnAWS {
	sums := make(map[string]int)
	lines := make([]string, len(causes))
	for _, m := range members {
		for _, name := range metricsOf(m.o) {
			sums[name]++
		}
		i := slices.IndexFunc(causes, func(c CauseCount) bool { return c.Cause == m.o.Cause })
		lines[i] = cmp.Or(lines[i], logShape(m.o))
	}
	var metrics []Metric
	for name, sum := range sums {
		metrics = append(metrics, Metric{name, sum})
	}
	slices.SortFunc(metrics, func(a, b Metric) int { return cmp.Or(b.Sum-a.Sum, cmp.Compare(a.Name, b.Name)) })
	return OnAWS{Metrics: metrics, AccessLog: lines, ErrorReason: "-"} // WHY-001
}

// metricsOf returns the names of the error metrics that a failed request counts in.
func metricsOf(o Outcome) []string {
	var names []string
	switch {
	case o.Action == "fixed-response":
		return []string{"HTTP_Fixed_Response_Count"}
	case o.Cause == TruncatedResponse:
		names = []string{fmt.Sprintf("HTTPCode_Target_%dXX_Count", cmp.Or(o.TargetStatus, o.Status)/100)}
	case o.TargetStatus >= 500:
		names = []string{"HTTPCode_Target_5XX_Count"}
	case o.Status == 460 || o.Status == 464:
		names = []string{"HTTPCode_ELB_4XX_Count"}
	case slices.Contains([]int{500, 502, 503, 504}, o.Status):
		names = []string{"HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_" + strconv.Itoa(o.Status) + "_Count"}
	default:
		names = []string{"HTTPCode_ELB_5XX_Count"}
	}
	switch o.Cause { // WHY-002
	case ConnRefused, ConnRefusedDraining, ICMPUnreachable, ConnectTimeout, ConnectTimeoutDraining:
		names = append(names, "TargetConnectionErrorCount")
	}
	if o.Cause == TargetTLSError || o.Cause == TargetTLSTimeout {
		names = append(names, "TargetTLSNegotiationErrorCount") // WHY-009
	}
	if o.Target.FailOpen {
		names = append(names, "UnhealthyRoutingRequestCount")
	}
	return names
}

// logShape returns the telling fields of the request's access log entry: target:port, the three
// processing times, elb_status_code and target_status_code.
func logShape(o Outcome) string {
	return fmt.Sprintf("%s %s %s %s %d %s", cmp.Or(o.Target.Address, "-"),
		logTime(o.RequestTime), logTime(o.TargetTime), logTime(o.ResponseTime), o.Status, logStatus(o.TargetStatus))
}

// logTime returns d in seconds as the access log has it; -1 if it does not apply.
func logTime(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	return fmt.Sprintf("%.3f", d.Seconds())
}

func logStatus(status int) string {
	if status == 0 {
		return "-"
	}
	return strconv.Itoa(status)
}
