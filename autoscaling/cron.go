package autoscaling

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is AWS's six fields: minutes hours day-of-month month day-of-week year (AAS-020). Days
// of the month and of the week cannot both be given: one of them is "?".
type cron struct {
	minutes, hours, months, years []bool // by value; years from 1970
	day                           func(t time.Time) bool
	zone                          *time.Location
}

const lastYear = 2199

func parseCron(text, inside string, zone *time.Location) (schedule, error) {
	f := strings.Fields(inside)
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil, badSchedule(text)
	}
	c := cron{zone: zone}
	var ok [5]bool
	c.minutes, ok[0] = parseField(f[0], 0, 59, nil)
	c.hours, ok[1] = parseField(f[1], 0, 23, nil)
	c.months, ok[2] = parseField(f[3], 1, 12, monthNames)
	c.years, ok[3] = parseField(f[5], 1970, lastYear, nil)
	if f[4] == "?" {
		c.day, ok[4] = parseMonthDay(f[2])
	} else {
		c.day, ok[4] = parseWeekDay(f[4])
	}
	if slices.Contains(ok[:], false) {
		return nil, badSchedule(text)
	}
	return c, nil
}

var (
	monthNames = []string{"", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// parseField reads *, a, a-b, a/n, */n and lists of them. names stand for numbers, by index.
func parseField(field string, low, high int, names []string) (set []bool, ok bool) {
	set = make([]bool, high+1)
	for part := range strings.SplitSeq(field, ",") {
		span, every, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, ok = parseNumber(every, nil, 1, high); !ok {
				return nil, false
			}
		}
		from, to, ok := parseSpan(span, low, high, names, stepped)
		if !ok {
			return nil, false
		}
		for i := from; i <= to; i += step {
			set[i] = true
		}
	}
	return set, true
}

func parseSpan(span string, low, high int, names []string, stepped bool) (from, to int, ok bool) {
	if span == "*" {
		return low, high, true
	}
	first, last, ranged := strings.Cut(span, "-")
	if from, ok = parseNumber(first, names, low, high); !ok {
		return 0, 0, false
	}
	switch {
	case ranged:
		to, ok = parseNumber(last, names, low, high)
		return from, to, ok && from <= to
	case stepped:
		return from, high, true
	}
	return from, from, true
}

func parseNumber(text string, names []string, low, high int) (int, bool) {
	if i := slices.Index(names, strings.ToUpper(text)); i > 0 {
		return i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= low && n <= high
}

// parseMonthDay reads days of the month: a field, L for the last, nW for the weekday nearest.
func parseMonthDay(field string) (func(time.Time) bool, bool) {
	if field == "L" {
		return func(t time.Time) bool { return t.Day() == daysOf(t) }, true
	}
	if number, ok := strings.CutSuffix(field, "W"); ok {
		n, ok := parseNumber(number, nil, 1, 31)
		return func(t time.Time) bool { return t.Day() == nearestWeekday(t, n) }, ok
	}
	set, ok := parseField(field, 1, 31, nil)
	return func(t time.Time) bool { return set[t.Day()] }, ok
}

func daysOf(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// nearestWeekday returns the day of t's month that is a weekday and nearest to day n.
func nearestWeekday(t time.Time, n int) int {
	n = min(n, daysOf(t))
	switch time.Date(t.Year(), t.Month(), n, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if n == 1 {
			return 3
		}
		return n - 1
	case time.Sunday:
		if n == daysOf(t) {
			return n - 2
		}
		return n + 1
	}
	return n
}

// parseWeekDay reads days of the week, 1 is Sunday: a field, nL for the last of the month, n#m
// for the m-th of the month.
func parseWeekDay(field string) (func(time.Time) bool, bool) {
	if field == "L" {
		field = "7"
	}
	if number, ok := strings.CutSuffix(field, "L"); ok {
		n, ok := parseNumber(number, dayNames, 1, 7)
		return func(t time.Time) bool { return weekday(t) == n && t.Day()+7 > daysOf(t) }, ok
	}
	if number, nth, ok := strings.Cut(field, "#"); ok {
		n, ok := parseNumber(number, dayNames, 1, 7)
		m, fine := parseNumber(nth, nil, 1, 5)
		return func(t time.Time) bool { return weekday(t) == n && (t.Day()+6)/7 == m }, ok && fine
	}
	set, ok := parseField(field, 1, 7, dayNames)
	return func(t time.Time) bool { return set[weekday(t)] }, ok
}

func weekday(t time.Time) int { return int(t.Weekday()) + 1 }

// next looks day by day, then hour by hour. What the clock leaves out in spring does not happen.
func (c cron) next(after time.Time) time.Time {
	after = after.In(c.zone)
	day := time.Date(after.Year(), after.Month(), after.Day(), 0, 0, 0, 0, c.zone)
	for ; day.Year() <= min(lastYear, after.Year()+8); day = day.AddDate(0, 0, 1) {
		if !c.years[day.Year()] || !c.months[day.Month()] || !c.day(day) {
			continue
		}
		if at := c.inDay(day, after); !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

func (c cron) inDay(day, after time.Time) time.Time {
	for hour := range 24 {
		if !c.hours[hour] {
			continue
		}
		for minute := range 60 {
			at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, c.zone)
			if c.minutes[minute] && at.Hour() == hour && at.After(after) {
				return at
			}
		}
	}
	return time.Time{}
}
