package docker

import (
	"encoding/json"
	"testing"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

func TestStats_AreOfEveryRunningContainer(t *testing.T) {
	e := testEngine(t)
	s := task(60, taskdefs.ContainerDefinition{Name: "app", Command: []string{"graceful"}, Memory: 32},
		taskdefs.ContainerDefinition{Name: "done", Command: []string{"finishing"}})
	run(t, e, s)
	said(t, e, s, "done")
	for ended := false; !ended; sleep(t.Context(), poll) { // its output ends before it does
		list, err := e.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended = list[0].Containers[1].Status == orchestrator.ContainerStopped
	}
	stats, err := e.Stats(t.Context(), s.ARN)
	if err != nil {
		t.Fatal(err)
	}
	app, ok := stats["app"]
	if !ok || app.Memory == 0 || app.MemoryLimit != 32<<20 || app.CPU == 0 || app.CPUs == 0 || app.At.IsZero() || app.RuntimeID == "" {
		t.Errorf("stats of app: %+v, want CPU and memory, limited to 32 MiB", app)
	}
	if _, ok := stats["done"]; ok {
		t.Error("a container that has ended has stats")
	}
	var doc struct {
		CPU json.RawMessage `json:"cpu_stats"`
	}
	if err := json.Unmarshal(app.Document, &doc); err != nil || doc.CPU == nil {
		t.Errorf("the document is not Docker's: %v, %s", err, app.Document)
	}
	if stats, err := e.Stats(t.Context(), "arn:aws:ecs:us-east-1:000000000000:task/test/none"); err != nil || len(stats) != 0 {
		t.Errorf("an unknown task has stats %v, %v", stats, err)
	}
}

func TestParseStats_LeavesCacheOutAndAddsUp(t *testing.T) {
	s, err := parseStats("c1", []byte(`{"read":"2026-01-02T03:04:05Z","cpu_stats":{"cpu_usage":{"total_usage":7},"online_cpus":2},
		"memory_stats":{"usage":1000,"limit":5000,"stats":{"inactive_file":400}},
		"networks":{"eth0":{"rx_bytes":1,"tx_bytes":2},"eth1":{"rx_bytes":10,"tx_bytes":20}},
		"blkio_stats":{"io_service_bytes_recursive":[{"op":"read","value":3},{"op":"Write","value":4},{"op":"write","value":5}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Memory != 600 || s.MemoryLimit != 5000 || s.CPU != 7 || s.CPUs != 2 || s.NetworkRx != 11 || s.NetworkTx != 22 || s.StorageRead != 3 || s.StorageWrite != 9 {
		t.Errorf("parsed %+v", s)
	}
	if _, err := parseStats("c1", []byte("no JSON")); err == nil {
		t.Error("took what is no document")
	}
}
