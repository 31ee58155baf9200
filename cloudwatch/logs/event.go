package logs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Event is one log event.
type Event struct {
	Stream   string
	Time     time.Time
	Ingested time.Time
	Message  string

	n int // among those of the same time
}

// ID tells an event from every other one of its group: 56 digits.
func (e Event) ID() string {
	h := fnv.New64a()
	h.Write([]byte(e.Stream))
	return fmt.Sprintf("%020d%020d%016d", e.Time.UnixNano(), h.Sum64(), e.n)
}

func (e Event) position() position { return position{e.Time.UnixNano(), e.Stream, e.n} }

// position is where an event stands in its stream, or among those of several.
type position struct {
	nano   int64
	stream string
	n      int
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.nano, q.nano), cmp.Compare(p.stream, q.stream), cmp.Compare(p.n, q.n))
}

// before is where to begin to read so that nothing after p is missed.
func (p position) before() time.Time {
	if p.nano <= 0 {
		return time.Time{}
	}
	return time.Unix(0, p.nano).Add(-overlap)
}

// read gives each the events of a stream in order, from a time on, until each is false.
func (s *Service) read(ctx context.Context, stream *Stream, since time.Time, each func(Event) bool) error {
	if stream.Source == nil {
		return s.readFile(stream, each)
	}
	log, err := s.open(ctx, stream, since)
	if log == nil || err != nil {
		return err
	}
	defer log.Close()
	return readLog(log, stream, each)
}

// open opens a container's log; it is nil if the container has not begun to write, or nothing of it is kept.
func (s *Service) open(ctx context.Context, stream *Stream, since time.Time) (io.ReadCloser, error) {
	log, err := s.containers.Open(ctx, *stream.Source, since)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log stream %s: %w", stream.Name, err)
	}
	return log, nil
}

// readLog gives each the events of a container's log in order, until each is false.
func readLog(log io.Reader, stream *Stream, each func(Event) bool) (err error) {
	r := lineReader{in: bufio.NewReaderSize(log, 64<<10), stream: stream.Name}
	if stream.Source.Begins != "" {
		if r.begins, err = regexp.Compile(stream.Source.Begins); err != nil {
			return invalid("The pattern that begins an event of %s is not a regular expression: %v", stream.Name, err)
		}
	}
	return r.each(each)
}

// lineReader makes events of a container's lines.
type lineReader struct {
	in     *bufio.Reader
	stream string
	begins *regexp.Regexp
	held   *Event // may get further lines
	last   time.Time
	n      int
}

func (r *lineReader) each(each func(Event) bool) error {
	for {
		at, text, err := r.line()
		if err != nil {
			if r.held != nil {
				each(*r.held)
			}
			return nil // a log that breaks off ends there
		}
		if r.held != nil && r.begins != nil && len(r.held.Message) < maxLine && !r.begins.MatchString(text) {
			r.held.Message += "\n" + text
			continue
		}
		if r.held != nil && !each(*r.held) {
			return nil
		}
		r.held = &Event{Stream: r.stream, Time: at, Ingested: at, Message: text, n: r.number(at)}
	}
}

// number counts the events of one time.
func (r *lineReader) number(at time.Time) int {
	if at.Equal(r.last) {
		r.n++
	} else {
		r.last, r.n = at, 0
	}
	return r.n
}

// line returns the next line and its time, which never goes back.
func (r *lineReader) line() (time.Time, string, error) {
	for {
		b, err := r.in.ReadBytes('\n')
		if len(b) == 0 && err != nil {
			return time.Time{}, "", err
		}
		stamp, text, _ := bytes.Cut(bytes.TrimRight(b, "\r\n"), []byte(" "))
		at, parseErr := time.Parse(time.RFC3339Nano, string(stamp))
		if parseErr != nil || len(text) == 0 {
			continue // an event has at least one character
		}
		if at.Before(r.last) {
			at = r.last
		}
		return at, string(text[:min(len(text), maxLine)]), nil
	}
}

// filed is an event as it lies in the file of a stream that clients write; times are milliseconds.
type filed struct {
	Time     int64  `json:"t"`
	Ingested int64  `json:"i"`
	Message  string `json:"m"`
}

func (s *Service) readFile(stream *Stream, each func(Event) bool) error {
	f, err := os.Open(s.path(stream))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read log stream %s: %w", stream.Name, err)
	}
	defer f.Close()
	var all []Event
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break // the end, or a line that is being written
		}
		var e filed
		if json.Unmarshal(line, &e) != nil {
			continue // it was cut off by a crash
		}
		all = append(all, Event{Stream: stream.Name, Time: time.UnixMilli(e.Time), Ingested: time.UnixMilli(e.Ingested), Message: e.Message})
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	for i, e := range all {
		if i > 0 && all[i-1].Time.Equal(e.Time) {
			all[i].n = all[i-1].n + 1
		}
		if !each(all[i]) {
			return nil
		}
	}
	return nil
}

// Rejected says which events of a PutLogEvents were not taken; -1 is none (CWL-005).
type Rejected struct {
	TooNewFrom, TooOldTo int
}

// PutLogEvents adds events to a stream that clients write.
func (s *Service) PutLogEvents(_ context.Context, group, name string, events []Event, now time.Time) (Rejected, error) {
	g, err := s.find(group)
	if err != nil {
		return Rejected{-1, -1}, err
	}
	stream := g.streams[name]
	if stream == nil {
		return Rejected{-1, -1}, errNoStream
	}
	if stream.Source != nil {
		return Rejected{-1, -1}, invalid("Container %s of task %s writes log stream %s: drydock takes no other events for it.", stream.Source.Container, stream.Source.TaskID, name)
	}
	if !slices.IsSortedFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) }) {
		return Rejected{-1, -1}, invalid("Log events in a single PutLogEvents request must be in chronological order.")
	}
	rejected, taken := sift(events, now)
	return rejected, s.append(stream, taken, now)
}

// sift leaves out events that are too old or too far ahead.
func sift(events []Event, now time.Time) (Rejected, []Event) {
	rejected := Rejected{-1, -1}
	var taken []Event
	for i, e := range events {
		switch {
		case e.Time.After(now.Add(tooNew)):
			if rejected.TooNewFrom < 0 {
				rejected.TooNewFrom = i
			}
		case e.Time.Before(now.Add(-tooOld)):
			rejected.TooOldTo = i
		default:
			taken = append(taken, e)
		}
	}
	return rejected, taken
}

// fileLines are events as they lie in a file.
func fileLines(events []Event) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, e := range events {
		if err := enc.Encode(filed{e.Time.UnixMilli(), e.Ingested.UnixMilli(), e.Message}); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func (s *Service) append(stream *Stream, events []Event, now time.Time) error {
	for i := range events {
		events[i].Ingested = now
	}
	lines, err := fileLines(events)
	if err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	if err := os.MkdirAll(s.config.Directory, 0o700); err != nil {
		return fmt.Errorf("write log stream %s: %w", stream.Name, err)
	}
	f, err := os.OpenFile(s.path(stream), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("write log stream %s: %w", stream.Name, err)
	}
	if endsAmidst(f) {
		lines = "\n" + lines
	}
	_, err = f.WriteString(lines)
	return errors.Join(err, f.Close())
}

// endsAmidst reports whether a file's last line was cut off, by a crash or a full disk.
func endsAmidst(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := []byte{'\n'}
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}
