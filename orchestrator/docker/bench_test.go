package docker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// BenchmarkRun_20 starts 20 tasks at once, as a deployment does, beside the same 20 containers
// started through the plain Docker API with parallelism 4, and 20 tasks that join namespaces of the
// warm pool.
func BenchmarkRun_20(b *testing.B) {
	var plain, ours, warm time.Duration
	for b.Loop() {
		e, err := New(b.Context(), Config{Instance: randomHex(4)})
		if err != nil {
			b.Skip(err)
		}
		if err := importApp(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		if err := e.ensureNetwork(b.Context(), testVPC()); err != nil {
			b.Fatal(err)
		}
		plain += startPlainly(b, e)
		ours += startTasks(b, e)
		warm += startWarm(b, e)
		if err := e.Purge(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(plain.Seconds()/float64(b.N), "plain-s/20")
	b.ReportMetric(ours.Seconds()/float64(b.N), "engine-s/20")
	b.ReportMetric(ours.Seconds()/plain.Seconds(), "ratio")
	b.ReportMetric(warm.Seconds()/float64(b.N), "warm-s/20")
	b.ReportMetric(warm.Seconds()/plain.Seconds(), "warm-ratio")
}

// startWarm makes 20 namespaces, and then starts 20 tasks into them, which alone counts.
func startWarm(b *testing.B, e *Engine) time.Duration {
	b.Helper()
	specs := make([]orchestrator.TaskSpec, 20)
	for i := range specs {
		specs[i] = task(byte(130+i), taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}})
		specs[i].Warm = fmt.Sprintf("%016x", i)
	}
	atOnce(b, func(i int) error {
		return e.Warm(b.Context(), orchestrator.WarmSpec{ID: specs[i].Warm, Interface: specs[i].Interface})
	})
	return atOnce(b, func(i int) error { return e.Run(b.Context(), specs[i]) })
}

// startTasks starts 20 tasks and lists them twice.
func startTasks(b *testing.B, e *Engine) time.Duration {
	b.Helper()
	took := atOnce(b, func(i int) error {
		return e.Run(b.Context(), task(byte(100+i), taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}}))
	})
	for _, name := range []string{"first-list-s", "next-list-s"} {
		began := time.Now()
		if list, err := e.List(b.Context()); err != nil || len(list) != 20 {
			b.Fatalf("List() = %d tasks, %v", len(list), err)
		}
		b.ReportMetric(time.Since(began).Seconds(), name)
	}
	return took
}

// startPlainly starts 20 containers on the same network with nothing but create and start.
func startPlainly(b *testing.B, e *Engine) time.Duration {
	b.Helper()
	slots := make(chan struct{}, parallelStarts)
	ids := make([]string, 20)
	took := atOnce(b, func(i int) error {
		slots <- struct{}{}
		defer func() { <-slots }()
		host := &container.HostConfig{NetworkMode: container.NetworkMode(e.networkName(testVPC().ID))}
		c, err := e.client.ContainerCreate(b.Context(), &container.Config{Image: testImage, Cmd: []string{"graceful"}}, host, nil, nil, fmt.Sprintf("plain-%s-%d", e.config.Instance, i))
		if err != nil {
			return err
		}
		ids[i] = c.ID
		return e.client.ContainerStart(b.Context(), c.ID, container.StartOptions{})
	})
	for _, id := range ids {
		if err := e.removeContainer(context.Background(), id); err != nil {
			b.Error(err)
		}
	}
	return took
}

// atOnce does something 20 times at once and returns how long it took.
func atOnce(b *testing.B, do func(i int) error) time.Duration {
	b.Helper()
	var all sync.WaitGroup
	began := time.Now()
	for i := range 20 {
		all.Go(func() {
			if err := do(i); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}
