package timelinetest

import (
	"sync"
	"testing"
	"time"
)

// TestBubble_DueTimersOfManyGoroutines: what ends the program under the race detector, within
// tenths of a second, in a bubble with more than one processor.
func TestBubble_DueTimersOfManyGoroutines(t *testing.T) {
	for range 50 {
		Bubble(t, func(t *testing.T) {
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(readDueTimers)
			}
			readers.Wait()
		})
	}
}

func readDueTimers() {
	for range 2000 {
		select {
		case <-time.NewTimer(0).C:
		default:
		}
	}
}
