// Package timelinetest is what tests in virtual time and tests of random sequences share: the
// bubble they run in, and how many sequences they play from which seed. Only tests import it.
package timelinetest
