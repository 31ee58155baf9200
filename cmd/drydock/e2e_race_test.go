//go:build race

package main

// raceDetector reports whether the tests, and so the program, run with the race detector.
const raceDetector = true
