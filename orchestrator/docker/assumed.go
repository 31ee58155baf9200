package docker

import "time"

// Values that AWS documents (cited) or that are assumed, in one place.
const (
	defaultStopTimeout = 30              // seconds, ECS-203
	defaultNofile      = 65535           // ECS-206
	defaultCPUShares   = 1024            // Docker's
	minCPUShares       = 102             // ECS-207; a tenth of the heaviest, where ECS would have 2 in a cgroup of the task
	leastShares        = 2               // ECS-207
	mostShares         = 262144          // ECS-207
	minMemory          = 6 << 20         // bytes, ECS-208
	stopGrace          = 2 * time.Minute // over the stopTimeout until Docker counts as hung, ECS-209
	pullTimeout        = 2 * time.Hour   // ECS-217
	createTimeout      = 4 * time.Minute // ECS-217
	startingTimeout    = 3 * time.Minute // ECS-217
	pullRetries        = 1               // ECS-210
	pullRetryDelay     = 250 * time.Millisecond
	pidsLimit          = 4096                  // per container; ours, not ECS's
	logSize, logFiles  = "20m", "2"            // of the json-file driver; ours
	poll               = 50 * time.Millisecond // of what Docker has no event for
	reservation        = 10 * time.Second      // until a name that Docker has given away shows as a container
	lastWord           = 10 * time.Second      // for what Docker has been asked for, when nobody wants it any more
	firstBackoff       = 100 * time.Millisecond
	lastBackoff        = 5 * time.Second
)
