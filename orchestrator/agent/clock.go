package agent

import (
	"syscall"
	"time"
)

// unsynchronized is STA_UNSYNC of adjtimex: the kernel's clock follows no other.
const unsynchronized = 0x40

// drift says how well the host's clock is kept, nil if the kernel does not tell.
func drift(now time.Time) *clockDrift {
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return nil
	}
	now = now.UTC()
	d := &clockDrift{ClockErrorBound: float64(t.Maxerror) / 1000, ReferenceTimestamp: &now, ClockSynchronizationStatus: "SYNCHRONIZED"}
	if t.Status&unsynchronized != 0 {
		d.ClockSynchronizationStatus = "NOT_SYNCHRONIZED"
	}
	return d
}
