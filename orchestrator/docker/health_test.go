package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// TestHealthDetail_OfTheLastCheck: since when it comes to the same, and the end of what it said (ECS-446).
func TestHealthDetail_OfTheLastCheck(t *testing.T) {
	at := func(n int) time.Time { return time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC) }
	h := &container.Health{Status: "unhealthy", Log: []*container.HealthcheckResult{
		{End: at(1), ExitCode: 1, Output: "early"}, {End: at(2), ExitCode: 0}, {End: at(3), ExitCode: 1}, {End: at(4), ExitCode: 22, Output: strings.Repeat("x", 2000) + "!"},
	}}
	d := healthDetail(h)
	if !d.Since.Equal(at(3)) || d.ExitCode != 22 || len(d.Output) != 1024 || !strings.HasSuffix(d.Output, "x!") {
		t.Errorf("since %s, exit code %d, %d bytes", d.Since, d.ExitCode, len(d.Output))
	}
	if d := healthDetail(nil); d != healthDetail(&container.Health{}) || d.ExitCode != 0 || !d.Since.IsZero() {
		t.Errorf("before the first check: %+v", d)
	}
}
