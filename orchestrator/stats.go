package orchestrator

import (
	"context"
	"encoding/json"
	"time"
)

// StatsReader is an ability of an [Engine]: what the containers of a task use.
type StatsReader interface {
	// Stats returns one sample of every running container of a task, by the container's name. The
	// pause container of a task that has one is among them: it alone counts the network's bytes. A
	// container that does not run is left out; a task without any is no error.
	Stats(ctx context.Context, task string) (map[string]ContainerStats, error)
}

// ContainerStats is one sample of what a container uses. Counters grow from the container's
// start on and begin anew when it is started again.
type ContainerStats struct {
	RuntimeID    string          // the container id
	At           time.Time       // when the sample was taken
	CPU          uint64          // counter: nanoseconds of CPU time
	CPUs         int             // of the machine
	Memory       uint64          // bytes in use, without reclaimable cache
	MemoryLimit  uint64          // bytes; the machine's memory if there is no limit
	NetworkRx    uint64          // counter: bytes received; 0 where a pause container counts them
	NetworkTx    uint64          // counter: bytes sent
	StorageRead  uint64          // counter: bytes
	StorageWrite uint64          // counter: bytes
	Document     json.RawMessage // the engine's own words, in Docker's form
}
