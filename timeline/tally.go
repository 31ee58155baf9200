package timeline

import "time"

// tally counts requests in slots of step seconds, for as far back as it has slots.
type tally struct {
	step  int64 // seconds
	slots []slot
}

type slot struct {
	number   int64 // Unix time divided by step
	requests int
	failed   int
}

func newTally(step int64, slots int) *tally {
	return &tally{step: step, slots: make([]slot, slots)}
}

// count adds a request that ended at a Unix time in seconds.
func (t *tally) count(end int64, failed bool) {
	number := end / t.step
	s := &t.slots[int(number%int64(len(t.slots)))]
	if s.number > number {
		return // too old to be counted here
	}
	if s.number < number {
		*s = slot{number: number}
	}
	s.requests++
	if failed {
		s.failed++
	}
}

// since sums the slots that end after a Unix time in seconds. Whole slots are counted.
func (t *tally) since(from int64) (requests, failed int) {
	for _, s := range t.slots {
		if s.requests > 0 && s.number >= from/t.step {
			requests += s.requests
			failed += s.failed
		}
	}
	return requests, failed
}

// reaches reports whether the tally still has every slot from a time on.
func (t *tally) reaches(from, now time.Time) bool {
	return now.Unix()/t.step-from.Unix()/t.step < int64(len(t.slots))
}
