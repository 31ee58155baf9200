package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scraped reads what a node says in Prometheus' text.
func scraped(t *testing.T, text string) []*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []*dto.MetricFamily
	for _, f := range families {
		all = append(all, f)
	}
	return all
}

const labels = `LoadBalancer="app/web/1",TargetGroup="targetgroup/web/2",AvailabilityZone="us-east-1a"`

func nodeText(requests, errors502, slow int, healthy string) string {
	return fmt.Sprintf(`
# TYPE RequestCount counter
RequestCount{%[1]s} %[2]d
# TYPE HTTPCode_ELB_5XX_Count counter
HTTPCode_ELB_5XX_Count{LoadBalancer="app/web/1"} %[3]d
# TYPE RequestCountPerTarget counter
RequestCountPerTarget{LoadBalancer="app/web/1",TargetGroup="targetgroup/web/2"} %[4]v
# TYPE HealthyHostCount gauge
HealthyHostCount{%[1]s} %[6]s
HealthyHostCount{LoadBalancer="app/web/1",TargetGroup="targetgroup/web/2",AvailabilityZone="us-east-1b"} 1
# TYPE TargetResponseTime histogram
TargetResponseTime_bucket{%[1]s,le="0.1"} %[5]d
TargetResponseTime_bucket{%[1]s,le="1"} %[2]d
TargetResponseTime_bucket{%[1]s,le="+Inf"} %[2]d
TargetResponseTime_sum{%[1]s} %[4]v
TargetResponseTime_count{%[1]s} %[2]d
# TYPE process_open_fds gauge
process_open_fds 7
`, labels, requests, errors502, float64(requests)/2, requests-slow, healthy)
}

// found returns the data of a metric added up: number, sum; and whether there are any.
func found(data []Datum, m Metric) (s slot, any bool) {
	a := archive{series: map[string]*series{}}
	now := time.Now()
	a.put(now, data)
	for _, part := range a.window(m, now.Add(-time.Hour).Truncate(time.Hour), now.Add(time.Hour), 4*time.Hour) {
		if part != nil {
			s.add(part)
			any = true
		}
	}
	return s, any
}

// TestCounters_BecomeDataOfEveryDimension: what the node counts is published by CloudWatch's
// names and dimensions (CW-004, CW-020, CW-021, CW-022).
func TestCounters_BecomeDataOfEveryDimension(t *testing.T) {
	c, now := &Counters{}, time.Now()
	for _, d := range c.Data(now, scraped(t, nodeText(1000, 3, 0, "2"))) {
		if d.Name != "HealthyHostCount" {
			t.Errorf("%s has data of before the daemon: %+v", d.Name, d)
		}
	}
	data := c.Data(now, scraped(t, nodeText(1010, 3, 4, "2")))
	lb, tg, az := "LoadBalancer", "TargetGroup", "AvailabilityZone"
	for _, c := range []struct {
		m                Metric
		count, sum, most float64
	}{
		{Is(ApplicationELB, "RequestCount", lb, "app/web/1"), 10, 10, 1},
		{Is(ApplicationELB, "RequestCount", lb, "app/web/1", az, "us-east-1a"), 10, 10, 1},
		{Is(ApplicationELB, "RequestCount", lb, "app/web/1", tg, "targetgroup/web/2"), 10, 10, 1},
		{Is(ApplicationELB, "RequestCount", lb, "app/web/1", tg, "targetgroup/web/2", az, "us-east-1a"), 10, 10, 1},
		{Is(ApplicationELB, "RequestCountPerTarget", tg, "targetgroup/web/2"), 1, 5, 5},
		{Is(ApplicationELB, "RequestCountPerTarget", tg, "targetgroup/web/2", lb, "app/web/1"), 1, 5, 5},
		{Is(ApplicationELB, "HealthyHostCount", tg, "targetgroup/web/2", lb, "app/web/1"), 1, 3, 3},
		{Is(ApplicationELB, "HealthyHostCount", tg, "targetgroup/web/2", lb, "app/web/1", az, "us-east-1a"), 1, 2, 2},
		{Is(ApplicationELB, "TargetResponseTime", lb, "app/web/1"), 10, 5, 0},
	} {
		s, ok := found(data, c.m)
		if !ok || s.count != c.count || s.sum != c.sum || c.most != 0 && s.most != c.most {
			t.Errorf("%s: %+v", c.m, s)
		}
	}
	if _, ok := found(data, Is(ApplicationELB, "HTTPCode_ELB_5XX_Count", lb, "app/web/1")); ok {
		t.Error("a counter that did not grow is reported")
	}
	data = c.Data(now, scraped(t, nodeText(4, 2, 0, "2"))) // a new process counts from 0
	if s, _ := found(data, Is(ApplicationELB, "RequestCount", lb, "app/web/1")); s.sum != 4 {
		t.Errorf("after a restart of the node: %+v", s)
	}
	if s, _ := found(data, Is(ApplicationELB, "HTTPCode_ELB_5XX_Count", lb, "app/web/1")); s.sum != 2 {
		t.Errorf("after a restart of the node: %+v", s)
	}
	data = c.Data(now, scraped(t, nodeText(4, 2, 0, "0")))
	if s, ok := found(data, Is(ApplicationELB, "RequestCountPerTarget", tg, "targetgroup/web/2")); !ok || s.sum != 0 {
		t.Error("RequestCountPerTarget is not reported without requests")
	}
}

// TestUsage_IsInPercentOfTheTasksSize, and nobody is asked about services that are not watched (CW-023).
func TestUsage_IsInPercentOfTheTasksSize(t *testing.T) {
	at, cpu := time.Now(), time.Duration(0)
	var asked atomic.Int64
	u := &Usage{
		Tasks: func() []Task {
			return []Task{{ARN: "1", Cluster: "c", Service: "web", CPU: 0.5, Memory: 1000}, {ARN: "2", Cluster: "c", Service: "web", CPU: 0.5, Memory: 1000}, {ARN: "3", Cluster: "c", Service: "other"}}
		},
		Ask: func(_ context.Context, task string) (Used, error) {
			asked.Add(1)
			if task == "2" {
				return Used{}, errors.New("gone")
			}
			return Used{At: at, CPU: cpu, Memory: 250}, nil
		},
	}
	if data := u.Collect(t.Context(), at, []Metric{load}); len(data) != 0 || asked.Load() != 0 {
		t.Errorf("nobody watches, but %d were asked: %+v", asked.Load(), data)
	}
	web := Is(ECS, "CPUUtilization", "ServiceName", "web", "ClusterName", "c")
	u.Collect(t.Context(), at, []Metric{web})
	at, cpu = at.Add(10*time.Second), cpu+time.Second
	data := u.Collect(t.Context(), at, []Metric{web})
	if s, _ := found(data, web); s.count != 1 || s.sum != 20 {
		t.Errorf("CPU: %+v", s)
	}
	if s, _ := found(data, Is(ECS, "MemoryUtilization", "ClusterName", "c", "ServiceName", "web")); s.sum != 25 {
		t.Errorf("memory: %+v", s)
	}
	if asked.Load() != 4 {
		t.Errorf("asked %d times", asked.Load())
	}
}
