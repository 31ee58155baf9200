package main

import (
	"context"
	"io"
	"path"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"drydock/cloudwatch"
	"drydock/orchestrator"
)

// openMonitor opens CloudWatch: what the load balancers count and what tasks use are its sources.
func (d *daemon) openMonitor(ctx context.Context) (err error) {
	counters := &cloudwatch.Counters{}
	usage := &cloudwatch.Usage{Tasks: d.measurable, Ask: d.askUsage}
	d.monitor, err = cloudwatch.Open(ctx, d.store, cloudwatch.Config{
		Region: d.config.Region, Account: d.config.Account, Logger: d.log,
		Changed: d.alarmsChanged,
		Sources: []cloudwatch.Source{
			func(ctx context.Context, now time.Time, _ []cloudwatch.Metric) []cloudwatch.Datum {
				families, err := d.nodeCounters(ctx)
				if err != nil {
					d.log.Debug("read the load balancers' counters", "error", err)
					return nil
				}
				return counters.Data(now, families)
			},
			usage.Collect,
		},
	})
	return err
}

// nodeCounters reads what the load balancer node has counted.
func (d *daemon) nodeCounters(ctx context.Context) ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body, err := d.node.Fetch(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readFamilies(body)
}

func readFamilies(from io.Reader) ([]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := parser.TextToMetricFamilies(from)
	if err != nil {
		return nil, err
	}
	var families []*dto.MetricFamily
	for _, f := range byName {
		families = append(families, f)
	}
	return families, nil
}

// measurable returns the running tasks, with what is reserved for each.
func (d *daemon) measurable() []cloudwatch.Task {
	var tasks []cloudwatch.Task
	for _, t := range d.scheduler.Snapshot().Tasks {
		if t.Status == orchestrator.Running {
			cpu, memory := d.reserved(t)
			tasks = append(tasks, cloudwatch.Task{ARN: t.ARN, Cluster: t.Cluster, Service: serviceName(t), CPU: cpu, Memory: memory})
		}
	}
	return tasks
}

func serviceName(t *orchestrator.Task) string {
	if t.Service == "" {
		return ""
	}
	return path.Base(t.Service)
}

// reserved returns a task's size, in vCPUs and bytes: its own, or that of its containers.
func (d *daemon) reserved(t *orchestrator.Task) (cpu, memory float64) {
	cpu, _ = strconv.ParseFloat(t.CPU, 64)
	memory, _ = strconv.ParseFloat(t.Memory, 64)
	if cpu == 0 || memory == 0 {
		ownCPU, ownMemory := d.containersReserve(t.TaskDefinition)
		cpu, memory = larger(cpu, ownCPU), larger(memory, ownMemory)
	}
	return cpu / 1024, memory * (1 << 20)
}

func (d *daemon) containersReserve(definition string) (cpu, memory float64) {
	r, err := d.definitions.Lookup(definition)
	if err != nil {
		return 0, 0
	}
	for _, c := range r.Document.Definition.ContainerDefinitions {
		cpu += float64(c.CPU)
		memory += float64(max(c.Memory, c.MemoryReservation))
	}
	return cpu, memory
}

func larger(own, other float64) float64 {
	if own > 0 {
		return own
	}
	return other
}

// askUsage asks Docker what a task's containers have used so far.
func (d *daemon) askUsage(ctx context.Context, task string) (cloudwatch.Used, error) {
	stats, err := d.engine.Stats(ctx, task)
	if err != nil {
		return cloudwatch.Used{}, err
	}
	used := cloudwatch.Used{At: time.Now()}
	for _, s := range stats {
		used.CPU += time.Duration(s.CPU)
		used.Memory += float64(s.Memory)
		if !s.At.IsZero() {
			used.At = s.At
		}
	}
	return used, nil
}
