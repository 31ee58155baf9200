package docker

import "time"

// Values that AWS documents (cited) or that are assumed, in one place.
const (
	defaultStopTimeout  = 30              // seconds, ECS-203
	defaultStartTimeout = 3 * time.Minute // ECS-205
	defaultNofile       = 65535           // ECS-206
	minCPUShares        = 2               // ECS-207
	maxCPUShares        = 262144          // ECS-207
	minMemory           = 6 << 20         // bytes, ECS-208
	stopGrace           = 2 * time.Minute // over the stopTimeout until Docker counts as hung, ECS-209
	pidsLimit           = 4096            // per container; ours, not ECS's
	logSize, logFiles   = "20m", "2"      // of the json-file driver; ours
	dependencyPoll      = 50 * time.Millisecond
	firstBackoff        = 100 * time.Millisecond
	lastBackoff         = 5 * time.Second
)
