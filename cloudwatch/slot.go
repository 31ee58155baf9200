package cloudwatch

import (
	"cmp"
	"math"
	"slices"
)

// slot is what was reported about a metric in one interval.
type slot struct {
	at            int64 // its start, in seconds since 1970
	count, sum    float64
	least, most   float64
	values        []Value // distinct values, ascending: what percentiles are made of
	rounded       bool    // values are
	withoutValues bool    // a Set was added: percentiles are not known
}

func (s *slot) addValue(v Value) {
	if v.Count <= 0 {
		return
	}
	s.widen(v.Value, v.Value)
	s.count += v.Count
	s.sum += v.Value * v.Count
	s.weigh(v)
}

func (s *slot) addSet(set Set) {
	if set.Count <= 0 {
		return
	}
	s.widen(set.Minimum, set.Maximum)
	s.count += set.Count
	s.sum += set.Sum
	if set.Minimum == set.Maximum {
		s.weigh(Value{set.Minimum, set.Count})
	} else {
		s.withoutValues = true // CW-003
	}
}

// add adds another slot.
func (s *slot) add(o *slot) {
	if o.count == 0 {
		return
	}
	s.widen(o.least, o.most)
	s.count += o.count
	s.sum += o.sum
	s.withoutValues = s.withoutValues || o.withoutValues
	for _, v := range o.values {
		s.weigh(v)
	}
}

func (s *slot) widen(least, most float64) {
	if s.count == 0 {
		s.least, s.most = least, most
		return
	}
	s.least, s.most = min(s.least, least), max(s.most, most)
}

// weigh counts a value for percentiles.
func (s *slot) weigh(v Value) {
	if s.rounded {
		v.Value = roundValue(v.Value)
	}
	i, found := slices.BinarySearchFunc(s.values, v.Value, func(a Value, b float64) int { return cmp.Compare(a.Value, b) })
	if found {
		s.values[i].Count += v.Count
		return
	}
	s.values = slices.Insert(s.values, i, v)
	if len(s.values) > distinctLimit && !s.rounded {
		s.round()
	}
}

func (s *slot) round() {
	all := s.values
	s.values, s.rounded = nil, true
	for _, v := range all {
		s.weigh(v)
	}
}

// roundValue returns the nearest power of 1.02.
func roundValue(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) {
		return v
	}
	return math.Copysign(math.Pow(1.02, math.Round(math.Log(math.Abs(v))/math.Log(1.02))), v)
}

// percentile returns the value that p percent of the values are below or at.
func (s *slot) percentile(p float64) (float64, bool) {
	if s.withoutValues || s.count == 0 {
		return 0, false
	}
	want, seen := p/100*s.count, 0.0
	for _, v := range s.values {
		if seen += v.Count; seen >= want {
			return min(max(v.Value, s.least), s.most), true
		}
	}
	return s.most, true
}
