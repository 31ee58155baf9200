package logs

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// GetLogEventsInput says which events of a stream to return. Zero times are no bounds.
type GetLogEventsInput struct {
	Group, Stream string
	Start, End    time.Time // End is not included
	Token         string
	Limit         int // 0: as many as fit
	FromHead      bool
}

// LogEvents is a part of a stream, oldest first, and the tokens of the parts on both sides.
type LogEvents struct {
	Events            []Event
	Forward, Backward string
}

// GetLogEvents returns events of one stream: the first ones, the last ones, or those on one
// side of a token. Where there are no further ones the token comes back as it was (CWL-008).
func (s *Service) GetLogEvents(ctx context.Context, in GetLogEventsInput) (LogEvents, error) {
	streams, err := s.streams(ctx, in.Group, "", []string{in.Stream})
	if err != nil {
		return LogEvents{}, err
	}
	w := window{limit: in.limit(), forward: in.FromHead}
	if in.Token != "" {
		var at position
		if w.forward, at, err = parsePosition(in.Token); err != nil {
			return LogEvents{}, err
		}
		at.stream = in.Stream
		w.from = &at
	}
	begin := in.Start
	if w.forward && w.from != nil {
		begin = latest(begin, w.from.before())
	}
	err = s.read(ctx, streams[0], begin, func(e Event) bool {
		if e.Time.Before(in.Start) {
			return true
		}
		return (in.End.IsZero() || e.Time.Before(in.End)) && w.add(e)
	})
	return w.result(in.Token), err
}

func (in GetLogEventsInput) limit() int {
	if in.Limit <= 0 || in.Limit > maxEvents {
		return maxEvents
	}
	return in.Limit
}

// window collects a bounded number of events on one side of a position.
type window struct {
	forward bool
	from    *position // nil: the stream's end
	limit   int
	events  []Event
	bytes   int
}

// add takes an event, and reports whether it wants the next one.
func (w *window) add(e Event) bool {
	if w.from != nil {
		side := e.position().compare(*w.from)
		if w.forward && side <= 0 {
			return true
		}
		if !w.forward && side >= 0 {
			return false
		}
	}
	w.events = append(w.events, e)
	w.bytes += len(e.Message) + eventOverhead
	if w.forward {
		return len(w.events) < w.limit && w.bytes < maxBytes
	}
	for len(w.events) > w.limit || w.bytes > maxBytes && len(w.events) > 1 {
		w.bytes -= len(w.events[0].Message) + eventOverhead
		w.events = w.events[1:]
	}
	return true
}

// eventOverhead is what an event counts beside its message (CWL-007).
const eventOverhead = 26

func (w *window) result(token string) LogEvents {
	out := LogEvents{Events: slices.Clip(w.events)}
	switch {
	case len(w.events) > 0:
		out.Backward = formatPosition(false, w.events[0].position())
		out.Forward = formatPosition(true, w.events[len(w.events)-1].position())
	case w.from != nil:
		out.Backward, out.Forward = formatPosition(false, *w.from), formatPosition(true, *w.from)
	default:
		out.Backward, out.Forward = formatPosition(false, position{}), formatPosition(true, position{})
	}
	if len(w.events) == 0 && token != "" {
		if w.forward {
			out.Forward = token
		} else {
			out.Backward = token
		}
	}
	return out
}

func formatPosition(forward bool, p position) string {
	side := "b"
	if forward {
		side = "f"
	}
	return fmt.Sprintf("%s/%020d%016d", side, p.nano, p.n)
}

func parsePosition(token string) (forward bool, p position, err error) {
	side, digits, ok := strings.Cut(token, "/")
	if !ok || side != "f" && side != "b" || len(digits) != 36 {
		return false, p, errToken
	}
	if _, err := fmt.Sscanf(digits[:20], "%d", &p.nano); err != nil {
		return false, p, errToken
	}
	if _, err := fmt.Sscanf(digits[20:], "%d", &p.n); err != nil {
		return false, p, errToken
	}
	return side == "f", p, nil
}

// FilterLogEventsInput says which events of a group to return. Zero times are no bounds.
type FilterLogEventsInput struct {
	Group      string
	Streams    []string // empty: those that begin with Prefix
	Prefix     string
	Start, End time.Time // both included
	Pattern    string
	Token      string
	Limit      int
}

// FilterLogEvents returns events of several streams in the order of their times, and the token
// of what follows; it is empty if nothing does.
func (s *Service) FilterLogEvents(ctx context.Context, in FilterLogEventsInput) ([]Event, string, error) {
	match, err := parsePattern(in.Pattern)
	if err != nil {
		return nil, "", err
	}
	streams, err := s.streams(ctx, in.Group, in.Prefix, in.Streams)
	if err != nil {
		return nil, "", err
	}
	var after *position
	if in.Token != "" {
		if after, err = parseMergePosition(in.Token); err != nil {
			return nil, "", err
		}
	}
	limit := GetLogEventsInput{Limit: in.Limit}.limit()
	var all []Event
	for _, stream := range streams {
		more, err := s.filter(ctx, stream, in, after, limit+1, match)
		if err != nil {
			return nil, "", err
		}
		all = append(all, more...)
	}
	slices.SortFunc(all, func(a, b Event) int { return a.position().compare(b.position()) })
	return cut(all, limit)
}

// filter returns the first events of a stream that match.
func (s *Service) filter(ctx context.Context, stream *Stream, in FilterLogEventsInput, after *position, most int, match func(string) bool) ([]Event, error) {
	begin := in.Start
	if after != nil {
		begin = latest(begin, after.before())
	}
	var found []Event
	err := s.read(ctx, stream, begin, func(e Event) bool {
		if e.Time.UnixMilli() < in.Start.UnixMilli() && !in.Start.IsZero() || after != nil && e.position().compare(*after) <= 0 {
			return true
		}
		if !in.End.IsZero() && e.Time.UnixMilli() > in.End.UnixMilli() {
			return false
		}
		if match(e.Message) {
			found = append(found, e)
		}
		return len(found) < most
	})
	return found, err
}

// cut returns what fits into one answer, and the token of the rest.
func cut(all []Event, limit int) ([]Event, string, error) {
	size := 0
	for i, e := range all {
		size += len(e.Message) + eventOverhead
		if i == limit || i > 0 && size > maxBytes {
			return all[:i], formatMergePosition(all[i-1].position()), nil
		}
	}
	return all, "", nil
}

func formatMergePosition(p position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", p.nano, p.n, p.stream))
}

func parseMergePosition(token string) (*position, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	parts := strings.SplitN(string(text), " ", 3)
	if len(parts) != 3 {
		return nil, errToken
	}
	p := position{stream: parts[2]}
	if _, err := fmt.Sscanf(parts[0]+" "+parts[1], "%d %d", &p.nano, &p.n); err != nil {
		return nil, errToken
	}
	return &p, nil
}
