package logs

import "time"

// What is ours, or assumed.
const (
	// keptFor is how long events are kept of a container that is gone; AWS keeps them for ever.
	keptFor = 7 * 24 * time.Hour
	// tooNew and tooOld bound what PutLogEvents takes (CWL-005).
	tooNew = 2 * time.Hour
	tooOld = 14 * 24 * time.Hour
	// maxEvents is the most that one answer holds, and maxBytes of their messages (CWL-007).
	maxEvents = 10_000
	maxBytes  = 1 << 20
	// overlap is how much is read again behind a position: a container's two outputs may be a
	// little out of order.
	overlap = time.Second
	// maxLine is the longest line that is read as one, and how long an event of several lines
	// gets before the next one begins: a pattern that matches nothing must not hold a whole log.
	maxLine = 256 << 10
)
