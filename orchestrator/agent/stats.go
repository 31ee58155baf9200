package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"drydock/orchestrator"
)

var errNoStats = errors.New("the engine has no statistics")

// containerStats serves the statistics of the container that asks.
func (a *Agent) containerStats(v version) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, container, ok := a.named(r)
		if !ok {
			v.refuse(w, r, "container stats", noTask)
			return
		}
		stats, err := a.stats(r.Context(), c.task)
		doc, ok := stats[container.Name]
		if err != nil || !ok {
			a.log.Warn("statistics of a container", "task", c.task.ARN, "container", container.Name, "error", err)
			write(w, http.StatusInternalServerError, "Unable to get container stats for: "+container.RuntimeID)
			return
		}
		write(w, http.StatusOK, doc.document)
	}
}

// taskStats serves the statistics of all containers of the task that asks, by container id.
func (a *Agent) taskStats(v version) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, ok := a.named(r)
		if !ok {
			v.refuse(w, r, "task stats", noTask)
			return
		}
		stats, err := a.stats(r.Context(), c.task)
		if err != nil {
			a.log.Warn("statistics of a task", "task", c.task.ARN, "error", err)
			write(w, http.StatusInternalServerError, "Unable to get task stats for: "+c.task.ARN)
			return
		}
		byID := make(map[string]json.RawMessage, len(stats))
		for _, s := range stats {
			byID[s.RuntimeID] = s.document
		}
		write(w, http.StatusOK, byID)
	}
}

// sampled is a sample, and the document that compares it with the one before.
type sampled struct {
	orchestrator.ContainerStats
	document json.RawMessage
}

// stats takes a sample of a task's containers.
func (a *Agent) stats(ctx context.Context, t *orchestrator.Task) (map[string]sampled, error) {
	reader, ok := a.config.Engine.(orchestrator.StatsReader)
	if !ok {
		return nil, errNoStats
	}
	taken, err := reader.Stats(ctx, t.ARN)
	if err != nil {
		return nil, err
	}
	stats := make(map[string]sampled, len(taken))
	for name, s := range taken {
		doc, err := a.samples.compare(s)
		if err != nil {
			return nil, err
		}
		stats[name] = sampled{s, doc}
	}
	return stats, nil
}

// samples keeps the last sample of every container that was asked for, to compare the next with.
type samples struct {
	mu   sync.Mutex
	last map[string]orchestrator.ContainerStats // by container id
}

// compare returns Docker's document, completed with what it was before: Docker's own way of
// doing so takes a second or two.
func (s *samples) compare(now orchestrator.ContainerStats) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.last[now.RuntimeID]
	if !ok || now.At.Sub(before.At) >= statsApart {
		s.keep(now)
	}
	if !ok {
		return now.Document, nil
	}
	var doc, old map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(now.Document, &doc), json.Unmarshal(before.Document, &old)); err != nil {
		return nil, err
	}
	doc["preread"], doc["precpu_stats"] = old["read"], old["cpu_stats"]
	if rate := rateBetween(before, now); rate != nil {
		doc["network_rate_stats"] = rate
	}
	return json.Marshal(doc)
}

func (s *samples) keep(now orchestrator.ContainerStats) {
	if s.last == nil {
		s.last = map[string]orchestrator.ContainerStats{}
	}
	for id, old := range s.last {
		if now.At.Sub(old.At) > time.Hour {
			delete(s.last, id) // nobody asks for it any more
		}
	}
	s.last[now.RuntimeID] = now
}

// rateBetween is the member network_rate_stats, nil where there is no network to compare.
func rateBetween(before, now orchestrator.ContainerStats) json.RawMessage {
	seconds := now.At.Sub(before.At).Seconds()
	if seconds <= 0 || now.NetworkRx < before.NetworkRx || now.NetworkTx < before.NetworkTx || now.NetworkRx+now.NetworkTx == 0 {
		return nil
	}
	doc, _ := json.Marshal(struct {
		Rx float64 `json:"rx_bytes_per_sec"`
		Tx float64 `json:"tx_bytes_per_sec"`
	}{float64(now.NetworkRx-before.NetworkRx) / seconds, float64(now.NetworkTx-before.NetworkTx) / seconds})
	return doc
}
