package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxFailureExamples is how many failures a report describes one by one.
const maxFailureExamples = 20

// LoadReport is the result of `drydock load`.
type LoadReport struct {
	Method      string         `json:"method"`
	URL         string         `json:"url"`
	Rate        float64        `json:"rate"`     // requests per second asked for
	Duration    string         `json:"duration"` // asked for
	Elapsed     string         `json:"elapsed"`
	Interrupted bool           `json:"interrupted,omitempty"`
	Requests    int            `json:"requests"` // that fell due
	Failed      int            `json:"failed"`
	Statuses    map[string]int `json:"statuses"` // complete responses, by status
	Errors      map[string]int `json:"errors"`   // requests without a complete response, by kind
	Latency     LatencyReport  `json:"latency"`
	Failures    []LoadFailure  `json:"failures"` // the first few
}

// LatencyReport has percentiles in milliseconds, from when a request was due to the end
// of its response. Requests without a complete response count too.
type LatencyReport struct {
	P50 float64 `json:"p50Ms"`
	P90 float64 `json:"p90Ms"`
	P99 float64 `json:"p99Ms"`
	Max float64 `json:"maxMs"`
}

// LoadFailure is one failed request.
type LoadFailure struct {
	At     time.Time `json:"at"` // when it was due
	Status int       `json:"status,omitempty"`
	Error  string    `json:"error,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Trace  string    `json:"traceId,omitempty"`
}

// failOn says which results count as failures.
type failOn struct {
	errors  bool
	classes [10]bool // by first digit of the status
	codes   map[int]bool
}

// parseFailOn reads a list such as "4xx,5xx,errors" or "502,503".
func parseFailOn(list string) (failOn, error) {
	f := failOn{codes: map[int]bool{}}
	for item := range strings.SplitSeq(list, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		code, err := strconv.Atoi(item)
		switch {
		case item == "errors":
			f.errors = true
		case item == "none" || item == "":
		case len(item) == 3 && item[1:] == "xx" && item[0] >= '1' && item[0] <= '5':
			f.classes[item[0]-'0'] = true
		case err == nil && code >= 100 && code <= 599:
			f.codes[code] = true
		default:
			return f, usagef("--fail-on %q: name statuses (502), classes (5xx), errors or none, with commas between", item)
		}
	}
	return f, nil
}

func (f failOn) failed(r exchangeResult) bool {
	if r.failure != "" {
		return f.errors
	}
	return f.codes[r.status] || f.classes[min(r.status/100, 9)]
}

// tally counts results; it is safe for concurrent use.
type tally struct {
	failOn failOn

	mu        sync.Mutex
	due       int
	failed    int
	statuses  map[int]int
	errors    map[string]int
	latencies []time.Duration
	failures  []LoadFailure
}

func newTally(f failOn, capacity int) *tally {
	return &tally{failOn: f, statuses: map[int]int{}, errors: map[string]int{}, latencies: make([]time.Duration, 0, min(capacity, 1<<20))}
}

// sent counts a request that fell due.
func (t *tally) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due++
}

// done counts the result of a request that was due at a time. Every request is counted
// exactly once: by its status if its response was complete, else by its error.
func (t *tally) done(due time.Time, r exchangeResult) {
	latency := time.Since(due)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies = append(t.latencies, latency)
	if r.failure != "" {
		t.errors[r.failure]++
	} else {
		t.statuses[r.status]++
	}
	if !t.failOn.failed(r) {
		return
	}
	t.failed++
	if len(t.failures) < maxFailureExamples {
		t.failures = append(t.failures, LoadFailure{At: due, Status: r.status, Error: r.failure, Detail: r.detail, Trace: r.trace})
	}
}

// report returns what was counted so far.
func (t *tally) report() LoadReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := LoadReport{Requests: t.due, Failed: t.failed, Statuses: map[string]int{}, Errors: maps.Clone(t.errors), Failures: slices.Clone(t.failures)}
	if r.Failures == nil {
		r.Failures = []LoadFailure{}
	}
	for status, n := range t.statuses {
		r.Statuses[strconv.Itoa(status)] = n
	}
	r.Latency = percentiles(slices.Sorted(slices.Values(t.latencies)))
	return r
}

func percentiles(sorted []time.Duration) LatencyReport {
	at := func(percent int) float64 {
		if len(sorted) == 0 {
			return 0
		}
		rank := max(1, (percent*len(sorted)+99)/100)
		return float64(sorted[rank-1].Microseconds()) / 1000
	}
	return LatencyReport{P50: at(50), P90: at(90), P99: at(99), Max: at(100)}
}

// live is the line shown while the load runs.
func (r LoadReport) live(elapsed time.Duration) string {
	return fmt.Sprintf("%7s  %s requests  %s  p50 %s  p99 %s  max %s",
		duration(elapsed), number(r.Requests), r.counts("  "), ms(r.Latency.P50), ms(r.Latency.P99), ms(r.Latency.Max))
}

// counts writes the counts by status and by error: "200: 1,998  connection refused: 2".
func (r LoadReport) counts(separator string) string {
	var parts []string
	for _, by := range []map[string]int{r.Statuses, r.Errors} {
		for _, key := range slices.Sorted(maps.Keys(by)) {
			parts = append(parts, key+": "+number(by[key]))
		}
	}
	return strings.Join(parts, separator)
}

// text is the report for people. Its last line is the verdict.
func (r LoadReport) text(s *screen) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s at %g requests/s for %s\n", r.Method, r.URL, r.Rate, r.Elapsed)
	var t table
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		t.add("  "+s.paint(statusColor(status), status), number(r.Statuses[status]))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		t.add("  "+s.paint(red, kind), number(r.Errors[kind]))
	}
	t.add("  latency", fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", ms(r.Latency.P50), ms(r.Latency.P90), ms(r.Latency.P99), ms(r.Latency.Max)))
	b.WriteString(t.String())
	r.describeFailures(&b)
	fmt.Fprintln(&b, r.verdict(s))
	return b.String()
}

func (r LoadReport) describeFailures(b *strings.Builder) {
	const shown = 5
	for i, f := range r.Failures {
		if i == shown {
			fmt.Fprintf(b, "  … and %s; `drydock why` explains what the balancer saw\n", number(r.Failed-shown))
			return
		}
		what := f.Error
		if what == "" {
			what = strconv.Itoa(f.Status)
		}
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("  failed %s  %s  %s", f.At.Format("15:04:05.000"), what, strings.TrimSpace(f.Detail+" "+f.Trace)), " "))
	}
}

func (r LoadReport) verdict(s *screen) string {
	text := fmt.Sprintf("%s of %s requests failed", number(r.Failed), number(r.Requests))
	if r.Failed > 0 {
		return s.paint(red, text)
	}
	return s.paint(green, text)
}

func statusColor(status string) string {
	if status >= "400" {
		return red
	}
	return green
}

func ms(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1fms", v)
	}
	return duration(time.Duration(v * float64(time.Millisecond)))
}
