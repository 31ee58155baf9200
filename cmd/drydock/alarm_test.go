package main

import (
	"strings"
	"testing"
)

// TestAlarm_Verb puts, lists, sets and deletes an alarm on a load balancer that is named.
func TestAlarm_Verb(t *testing.T) {
	f, _ := upStack(t)
	run := func(want int, line string, parts ...string) {
		t.Helper()
		code, stdout, stderr := f.run(append([]string{"alarm"}, strings.Fields(line)...)...)
		if code != want {
			t.Errorf("alarm %s: exit %d\n%s", line, code, stderr)
		}
		for _, part := range parts {
			if !strings.Contains(stdout+stderr, part) {
				t.Errorf("alarm %s: no %q in\n%s%s", line, part, stdout, stderr)
			}
		}
	}
	run(exitOK, "put errors --metric HTTPCode_ELB_5XX_Count --load-balancer front --threshold 5 --period 10s", "alarm errors watches HTTPCode_ELB_5XX_Count")
	run(exitOK, "put busy --metric CPUUtilization --service web --threshold 80 --statistic p90 --comparison >", "alarm busy")
	run(exitOK, "list", "INSUFFICIENT_DATA  busy  Unchecked", "errors")
	run(exitOK, "list --output json", `"Value": "app/front/`, `"TreatMissingData": "notBreaching"`, `"Statistic": "Sum"`, `"Period": 10`, `"ExtendedStatistic": "p90"`, `"GreaterThanThreshold"`)
	run(exitOK, "set-state errors ALARM --reason drill")
	run(exitOK, "list", "ALARM              errors  drill")
	run(exitOK, "delete errors busy")
	run(exitFailed, "delete errors", "ResourceNotFound")
	run(exitFailed, "put x --metric RequestCount --load-balancer nobody --threshold 1", "LoadBalancerNotFound")
	run(exitUsage, "put x --metric RequestCount", "--threshold")
	run(exitUsage, "put x --metric RequestCount --threshold 1 --comparison =", "none of")
	run(exitUsage, "frobnicate", "one of put, list")
}
