package cloudwatch

import (
	"context"
	"sync"
	"time"
)

// ECS is the namespace of services' metrics.
const ECS = "AWS/ECS"

// Task is a running task whose use of the machine can be told.
type Task struct {
	ARN, Cluster, Service string
	CPU                   float64 // what is reserved for it, in vCPUs
	Memory                float64 // what is reserved for it, in bytes
}

// Used is what a task has used.
type Used struct {
	At     time.Time
	CPU    time.Duration // CPU time since it was started
	Memory float64       // bytes in use
}

// Usage reports CPUUtilization and MemoryUtilization of services, in percent of what their
// tasks reserve. It asks about those services only that are watched: asking costs time.
type Usage struct {
	Tasks func() []Task                                        // the running tasks
	Ask   func(ctx context.Context, task string) (Used, error) // a task that is gone is an error

	last map[string]Used // by task ARN
}

// patience is how long all tasks together may take to say what they used.
const patience = 3 * time.Second

// askers is how many tasks are asked at the same time.
const askers = 4

// Collect is a [Source]. Use it from one goroutine.
func (u *Usage) Collect(ctx context.Context, now time.Time, watched []Metric) []Datum {
	tasks := u.watchedTasks(watched)
	if len(tasks) == 0 {
		u.last = nil
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	used := u.ask(ctx, tasks)
	var data []Datum
	for _, t := range tasks {
		if latest, ok := used[t.ARN]; ok {
			data = append(data, t.data(now.Add(-Resolution), u.last[t.ARN], latest)...)
		}
	}
	u.last = used
	return data
}

// watchedTasks returns the tasks of the services, and of the clusters, that are watched.
func (u *Usage) watchedTasks(watched []Metric) []Task {
	wanted := map[[2]string]bool{}
	for _, m := range watched {
		if m.Namespace == ECS {
			wanted[[2]string{m.Dimension("ClusterName"), m.Dimension("ServiceName")}] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var tasks []Task
	for _, t := range u.Tasks() {
		if wanted[[2]string{t.Cluster, t.Service}] || wanted[[2]string{t.Cluster, ""}] {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func (u *Usage) ask(ctx context.Context, tasks []Task) map[string]Used {
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		used = map[string]Used{}
		slot = make(chan struct{}, askers)
	)
	for _, t := range tasks {
		slot <- struct{}{}
		all.Go(func() {
			defer func() { <-slot }()
			if one, err := u.Ask(ctx, t.ARN); err == nil {
				mu.Lock()
				defer mu.Unlock()
				used[t.ARN] = one
			}
		})
	}
	all.Wait()
	return used
}

// data returns a task's share in the metrics of its service and its cluster: the average over
// tasks of one size is what they use of what they reserve (CW-023).
func (t *Task) data(at time.Time, before, latest Used) []Datum {
	var data []Datum
	for _, m := range []Metric{Is(ECS, "", "ClusterName", t.Cluster), Is(ECS, "", "ClusterName", t.Cluster, "ServiceName", t.Service)} {
		if len(m.Dimensions) == 2 && t.Service == "" {
			continue
		}
		if span := latest.At.Sub(before.At); !before.At.IsZero() && span > 0 && t.CPU > 0 && latest.CPU >= before.CPU {
			m.Name = "CPUUtilization"
			data = append(data, Once(m, at, "Percent", 100*float64(latest.CPU-before.CPU)/float64(span)/t.CPU))
		}
		if t.Memory > 0 {
			m.Name = "MemoryUtilization"
			data = append(data, Once(m, at, "Percent", 100*latest.Memory/t.Memory))
		}
	}
	return data
}
