package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"drydock/orchestrator"
)

var _ orchestrator.StatsReader = (*Engine)(nil)

// maxStats bounds what Docker's document about one container may be.
const maxStats = 1 << 20

// Stats implements [orchestrator.StatsReader]: one call to Docker for each running container of
// the task. Docker answers at once: it takes one sample, and compares it with nothing.
func (e *Engine) Stats(ctx context.Context, task string) (map[string]orchestrator.ContainerStats, error) {
	list, err := e.containers(ctx, task)
	if err != nil {
		return nil, fmt.Errorf("stats of task %s: %w", task, err)
	}
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		stats = map[string]orchestrator.ContainerStats{}
		first error
	)
	for _, s := range list {
		if s.State != container.StateRunning {
			continue
		}
		all.Go(func() {
			one, err := e.sample(ctx, s.ID)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				stats[s.Labels[labelContainer]] = one
			case first == nil && !cerrdefs.IsNotFound(err): // removed meanwhile is no error
				first = fmt.Errorf("stats of container %s: %w", s.ID, err)
			}
		})
	}
	all.Wait()
	return stats, first
}

func (e *Engine) sample(ctx context.Context, id string) (orchestrator.ContainerStats, error) {
	answer, err := e.client.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return orchestrator.ContainerStats{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxStats))
	if err != nil {
		return orchestrator.ContainerStats{}, err
	}
	return parseStats(id, text)
}

// parseStats takes from Docker's document what others than its readers need.
func parseStats(id string, text []byte) (orchestrator.ContainerStats, error) {
	var doc container.StatsResponse
	if err := json.Unmarshal(text, &doc); err != nil {
		return orchestrator.ContainerStats{}, fmt.Errorf("read what Docker says: %w", err)
	}
	s := orchestrator.ContainerStats{
		RuntimeID: id, At: doc.Read,
		CPU: doc.CPUStats.CPUUsage.TotalUsage, CPUs: int(doc.CPUStats.OnlineCPUs),
		Memory: memoryUsed(doc.MemoryStats), MemoryLimit: doc.MemoryStats.Limit,
		Document: text,
	}
	for _, n := range doc.Networks {
		s.NetworkRx += n.RxBytes
		s.NetworkTx += n.TxBytes
	}
	for _, b := range doc.BlkioStats.IoServiceBytesRecursive {
		switch b.Op {
		case "read", "Read":
			s.StorageRead += b.Value
		case "write", "Write":
			s.StorageWrite += b.Value
		}
	}
	return s, nil
}

// memoryUsed leaves the page cache out that the kernel gives back when it is asked for memory, as
// ECS's metrics do.
func memoryUsed(m container.MemoryStats) uint64 {
	for _, name := range []string{"total_inactive_file", "inactive_file"} { // cgroup 1, cgroup 2
		if cache, ok := m.Stats[name]; ok && cache < m.Usage {
			return m.Usage - cache
		}
	}
	return m.Usage
}
