package agent

import "time"

// What AWS's agent does, as its source says (ECS-221, ECS-222).
const (
	ratePerSecond = 40
	rateBurst     = 60

	minimumCPU = 2 // units that a container without any shows

	// faultTimeout is how long an injection may take.
	faultTimeout = 5 * time.Second
)

// Assumed: AWS's agent answers so, but nothing that was looked at says it.
const tooManyRequests = "You have reached maximum request limit."

// Values of our own.
const (
	maxBody          = 1 << 16
	listenPort       = 51679 // the agent's own; if it is taken, any other
	retryBridge      = 100 * time.Millisecond
	lookAgain        = 2 * time.Second
	statsApart       = 500 * time.Millisecond // a sample is compared with one that is at least so old
	credentialsLast  = 6 * time.Hour
	defaultEphemeral = 20 // GiB, on Fargate (ECS-223)
)
