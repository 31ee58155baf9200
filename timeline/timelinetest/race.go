//go:build race

package timelinetest

// Race reports whether this program was built with the race detector.
const Race = true
