package logs

import (
	"strconv"
	"time"
)

// appendTime appends t in UTC with microseconds: 2018-07-02T22:23:00.186641Z.
func appendTime(b []byte, t time.Time) []byte {
	return appendFraction(appendSecond(b, t), t.Nanosecond()/1000)
}

// appendMilliTime appends t in UTC with milliseconds, padded to the length of
// microseconds: 2018-07-02T22:22:48.364000Z (LOG-003).
func appendMilliTime(b []byte, t time.Time) []byte {
	return appendFraction(appendSecond(b, t), t.Nanosecond()/1e6*1000)
}

func appendSecond(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05")
	}
	hour, minute, second := t.Clock()
	b = appendPair(b, year/100)
	b = appendPair(b, year%100)
	b = append(b, '-')
	b = appendPair(b, int(month))
	b = append(b, '-')
	b = appendPair(b, day)
	b = append(b, 'T')
	b = appendPair(b, hour)
	b = append(b, ':')
	b = appendPair(b, minute)
	b = append(b, ':')
	return appendPair(b, second)
}

func appendPair(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func appendFraction(b []byte, micros int) []byte {
	b = append(b, '.')
	b = appendPair(b, micros/10000)
	b = appendPair(b, micros/100%100)
	b = appendPair(b, micros%100)
	return append(b, 'Z')
}

// appendSeconds appends d in seconds, cut to milliseconds (LOG-002); -1 if it is negative.
func appendSeconds(b []byte, d time.Duration) []byte {
	if d < 0 {
		return append(b, '-', '1')
	}
	ms := int64(d / time.Millisecond)
	b = strconv.AppendInt(b, ms/1000, 10)
	b = append(b, '.', byte('0'+ms/100%10))
	return appendPair(b, int(ms%100))
}

// appendNanoSeconds appends d in seconds with nanoseconds: 0.019584011.
func appendNanoSeconds(b []byte, d time.Duration) []byte {
	d = max(d, 0)
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	b = append(b, '.')
	rest := int(d % time.Second)
	b = append(b, byte('0'+rest/1e8))
	for div := 1_000_000; div >= 1; div /= 100 {
		b = appendPair(b, rest/div%100)
	}
	return b
}

// appendStatus appends a status code; "-" for 0.
func appendStatus(b []byte, code int) []byte {
	if code == 0 {
		return append(b, '-')
	}
	return strconv.AppendInt(b, int64(code), 10)
}
