package cloudwatch

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// series is what is known of one metric.
type series struct {
	metric Metric
	unit   string
	last   time.Time // of the newest datum
	asked  time.Time // when its data were last asked for; zero if never
	fine   []*slot   // of Resolution, ascending
	coarse []*slot   // of a minute, ascending
}

// archive holds the data of all metrics.
type archive struct {
	mu     sync.Mutex
	series map[string]*series
	aged   time.Time // when what is too old was last forgotten
}

// put adds data. What is too old, or too far in the future, is not kept.
func (a *archive) put(now time.Time, data []Datum) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range data {
		if d.Time.After(now.Add(futureLimit)) || d.Time.Before(now.Add(-coarseKept)) {
			continue
		}
		s := a.open(d.Metric)
		s.add(now, d)
	}
	a.age(now)
	a.limit()
}

// age forgets what is too old of metrics that nobody reports any more, now and then.
func (a *archive) age(now time.Time) {
	if now.Sub(a.aged) < fineKept/18 {
		return
	}
	a.aged = now
	for key, s := range a.series {
		s.fine, s.coarse = keep(s.fine, now.Add(-fineKept)), keep(s.coarse, now.Add(-coarseKept))
		if s.last.Before(now.Add(-recently)) && s.asked.Before(now.Add(-watchedFor)) {
			delete(a.series, key)
		}
	}
}

func (a *archive) open(m Metric) *series {
	key := m.key()
	s := a.series[key]
	if s == nil {
		s = &series{metric: m}
		a.series[key] = s
	}
	return s
}

// limit forgets the metrics that were reported longest ago, if there are too many.
func (a *archive) limit() {
	if len(a.series) <= seriesLimit {
		return
	}
	keys := slices.SortedFunc(maps.Keys(a.series), func(x, y string) int { return a.series[x].last.Compare(a.series[y].last) })
	for _, key := range keys[:len(keys)-seriesLimit*9/10] {
		delete(a.series, key)
	}
}

func (s *series) add(now time.Time, d Datum) {
	if s.last.Before(d.Time) {
		s.last = d.Time
	}
	if d.Unit != "" {
		s.unit = d.Unit
	}
	var fill []*slot
	if d.Time.After(now.Add(-fineKept)) {
		s.fine = keep(s.fine, now.Add(-fineKept))
		fill = append(fill, slotAt(&s.fine, start(d.Time, Resolution)))
	}
	s.coarse = keep(s.coarse, now.Add(-coarseKept))
	fill = append(fill, slotAt(&s.coarse, start(d.Time, time.Minute)))
	for _, to := range fill {
		before := to.sum
		for _, v := range d.Values {
			to.addValue(v)
		}
		if d.Sum != nil {
			to.sum = before + *d.Sum
		}
		if d.Set != nil {
			to.addSet(*d.Set)
		}
	}
}

// start returns the beginning of the interval that a time lies in, in seconds.
func start(t time.Time, length time.Duration) int64 {
	n, unit := t.Unix(), int64(length/time.Second)
	return n - n%unit
}

// keep drops slots that are older than a time. It does so seldom: in batches.
func keep(slots []*slot, since time.Time) []*slot {
	if len(slots) == 0 || slots[0].at >= since.Unix()-600 {
		return slots
	}
	return slices.Clone(slots[find(slots, since.Unix()):])
}

func find(slots []*slot, at int64) int {
	i, _ := slices.BinarySearchFunc(slots, at, func(s *slot, at int64) int { return cmp.Compare(s.at, at) })
	return i
}

func slotAt(slots *[]*slot, at int64) *slot {
	i := find(*slots, at)
	if i < len(*slots) && (*slots)[i].at == at {
		return (*slots)[i]
	}
	s := &slot{at: at}
	*slots = slices.Insert(*slots, i, s)
	return s
}

// window returns what was reported about a metric in periods that begin at from, from+period
// and so on before to: nil for a period without data.
func (a *archive) window(m Metric, from, to time.Time, period time.Duration) []*slot {
	a.mu.Lock()
	defer a.mu.Unlock()
	periods := make([]*slot, max(0, int((to.Sub(from)+period-1)/period)))
	s := a.series[m.key()]
	if s == nil {
		return periods
	}
	slots := s.coarse
	if period%time.Minute != 0 || from.Unix()%60 != 0 {
		slots = s.fine
	}
	for _, part := range slots[find(slots, from.Unix()):] {
		i := int((part.at - from.Unix()) / int64(period/time.Second))
		if i >= len(periods) {
			break
		}
		if periods[i] == nil {
			periods[i] = &slot{at: from.Add(time.Duration(i) * period).Unix()}
		}
		periods[i].add(part)
	}
	return periods
}

// ask returns a metric's unit, and remembers that somebody wants its data.
func (a *archive) ask(m Metric, now time.Time) (unit string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open(m)
	s.asked = now
	unit = s.unit
	a.limit()
	return unit
}

// list returns the metrics that have data since a time, in order.
func (a *archive) list(since time.Time) []Metric {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Metric
	for _, key := range slices.Sorted(maps.Keys(a.series)) {
		if s := a.series[key]; s.last.After(since) {
			all = append(all, s.metric)
		}
	}
	return all
}

// asked returns the metrics whose data somebody asked for since a time.
func (a *archive) asked(since time.Time) []Metric {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Metric
	for _, s := range a.series {
		if s.asked.After(since) {
			all = append(all, s.metric)
		}
	}
	return all
}

// unit returns the unit that a metric was reported in.
func (a *archive) unit(m Metric) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.series[m.key()]; s != nil {
		return cmp.Or(s.unit, "None")
	}
	return ""
}
