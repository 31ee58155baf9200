package orchestrator

import (
	"context"
	"time"
)

// HealthReader is an [Engine] that knows what a container's last health check came to.
type HealthReader interface {
	// HealthDetail returns it by the task's ARN and the container's name; zero before the first.
	HealthDetail(ctx context.Context, task, container string) (HealthDetail, error)
}

// HealthDetail is what a container's last health check came to.
type HealthDetail struct {
	Since    time.Time // since when the checks have come to the same
	ExitCode int
	Output   string // the last 1024 bytes (ECS-446)
}
