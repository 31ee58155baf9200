package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/store/storetest"
)

// containers are containers whose logs are texts.
type containers struct {
	sources []Source
	logs    map[string]string // by stream
	read    int               // bytes that were handed out
}

func (c *containers) Sources() []Source { return c.sources }

func (c *containers) Open(_ context.Context, s Source, since time.Time) (io.ReadCloser, error) {
	text, ok := c.logs[s.Stream]
	if !ok {
		return nil, os.ErrNotExist
	}
	var kept []string
	for line := range strings.Lines(text) {
		stamp, _, _ := strings.Cut(line, " ")
		if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || !at.Before(since) {
			kept = append(kept, line)
		}
	}
	c.read += len(strings.Join(kept, ""))
	return io.NopCloser(strings.NewReader(strings.Join(kept, ""))), nil
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// lines are n lines a millisecond apart, two of each time.
func lines(n int, text string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s %s %d\n", noon.Add(time.Duration(i/2)*time.Millisecond).Format(time.RFC3339Nano), text, i)
	}
	return b.String()
}

func source(group, stream, task string) Source {
	return Source{Group: group, Stream: stream, Task: "arn:task/" + task, TaskID: task, Container: "app", CreatedAt: noon}
}

func open(t *testing.T, store *storetest.Memory, c *containers, dir string) *Service {
	t.Helper()
	s, err := Open(t.Context(), store, c, Config{Region: "us-east-1", Account: "123456789012", Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newService(t *testing.T, c *containers) *Service {
	return open(t, &storetest.Memory{}, c, t.TempDir())
}

func messages(events []Event) (all []string) {
	for _, e := range events {
		all = append(all, e.Message)
	}
	return all
}

func TestSources_HaveStreamsAndGroups(t *testing.T) {
	store, c := &storetest.Memory{}, &containers{sources: []Source{source("/ecs/web", "web/app/1", "1")}}
	dir := t.TempDir()
	if err := open(t, store, c, dir).Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.sources = nil // the task is forgotten, its stream is not
	streams, err := open(t, store, c, dir).DescribeLogStreams(t.Context(), "/ecs/web", "web/", false, false)
	if err != nil || len(streams) != 1 || streams[0].ARN != "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/web:log-stream:web/app/1" {
		t.Errorf("streams %+v, %v", streams, err)
	}
}

func TestGet_Pages(t *testing.T) {
	c := &containers{sources: []Source{source("g", "s", "1")}, logs: map[string]string{"s": lines(10, "line")}}
	s := newService(t, c)
	get := func(in GetLogEventsInput) LogEvents {
		t.Helper()
		in.Group, in.Stream, in.Limit = "g", "s", 4
		part, err := s.GetLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return part
	}
	expect := func(got LogEvents, want ...string) {
		t.Helper()
		if !slices.Equal(messages(got.Events), want) {
			t.Errorf("got %v, want %v", messages(got.Events), want)
		}
	}
	newest := get(GetLogEventsInput{})
	expect(newest, "line 6", "line 7", "line 8", "line 9")
	older := get(GetLogEventsInput{Token: newest.Backward})
	expect(older, "line 2", "line 3", "line 4", "line 5")
	first := get(GetLogEventsInput{FromHead: true})
	expect(first, "line 0", "line 1", "line 2", "line 3")
	expect(get(GetLogEventsInput{Token: first.Forward}), "line 4", "line 5", "line 6", "line 7")
	end := get(GetLogEventsInput{Token: newest.Forward})
	if expect(end); end.Forward != newest.Forward {
		t.Errorf("at the end the token became %s, want the one given, %s", end.Forward, newest.Forward)
	}
	c.logs["s"] += noon.Add(time.Second).Format(time.RFC3339Nano) + " late\n"
	expect(get(GetLogEventsInput{Token: end.Forward}), "late")
	expect(get(GetLogEventsInput{FromHead: true, Start: noon.Add(4 * time.Millisecond), End: noon.Add(time.Second)}), "line 8", "line 9")
	if _, err := s.GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s", Token: "x"}); !errors.Is(err, errToken) {
		t.Errorf("a token of nobody's: %v", err)
	}
}

func TestGet_StopsAtAMebibyte(t *testing.T) {
	c := &containers{sources: []Source{source("g", "s", "1")}, logs: map[string]string{"s": lines(40, strings.Repeat("x", 100<<10))}}
	s := newService(t, c)
	seen, token := 0, ""
	for range 40 {
		part, err := s.GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s", FromHead: true, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if len(part.Events) > 11 {
			t.Fatalf("%d events of 100 KiB in one answer", len(part.Events))
		}
		seen, token = seen+len(part.Events), part.Forward
	}
	if seen != 40 {
		t.Errorf("%d events seen, want 40", seen)
	}
}

func TestFilter_MergesStreamsAndPages(t *testing.T) {
	c := &containers{
		sources: []Source{source("g", "web/1", "1"), source("g", "web/2", "2"), source("g", "job/3", "3")},
		logs:    map[string]string{"web/1": lines(6, "one"), "web/2": lines(6, "two"), "job/3": lines(6, "job")},
	}
	s := newService(t, c)
	var all []Event
	ids, token := map[string]bool{}, ""
	for pages := 0; pages == 0 || token != ""; pages++ {
		events, next, err := s.FilterLogEvents(t.Context(), FilterLogEventsInput{Group: "g", Prefix: "web/", Limit: 5, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		all, token = append(all, events...), next
	}
	for _, e := range all {
		ids[e.ID()] = true
	}
	if len(all) != 12 || len(ids) != 12 || !slices.IsSortedFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("%d events with %d ids: %v", len(all), len(ids), messages(all))
	}
	some, _, err := s.FilterLogEvents(t.Context(), FilterLogEventsInput{Group: "g", Streams: []string{"web/2"}, Pattern: "two -4", Start: noon.Add(time.Millisecond)})
	if want := []string{"two 2", "two 3", "two 5"}; err != nil || !slices.Equal(messages(some), want) {
		t.Errorf("filtered %v, %v, want %v", messages(some), err, want)
	}
}

func TestMultiline_JoinsLines(t *testing.T) {
	src := source("g", "s", "1")
	src.Begins = `^\d{4}-`
	c := &containers{sources: []Source{src}, logs: map[string]string{"s": "2026-01-02T12:00:00Z 2026-01-02 boom\n2026-01-02T12:00:00.1Z   at main\n2026-01-02T12:00:01Z 2026-01-02 fine\n"}}
	part, err := newService(t, c).GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s"})
	if want := []string{"2026-01-02 boom\n  at main", "2026-01-02 fine"}; err != nil || !slices.Equal(messages(part.Events), want) {
		t.Errorf("%q, %v, want %q", messages(part.Events), err, want)
	}
}

// TestMultiline_EndsSomewhere: a pattern that no line matches does not make one event of a log.
func TestMultiline_EndsSomewhere(t *testing.T) {
	src := source("g", "s", "1")
	src.Begins = `^never`
	line := "2026-01-02T12:00:00Z " + strings.Repeat("x", maxLine/4) + "\n"
	c := &containers{sources: []Source{src}, logs: map[string]string{"s": strings.Repeat(line, 12)}}
	part, err := newService(t, c).GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s", FromHead: true})
	if err != nil || len(part.Events) != 3 {
		t.Errorf("%d events, %v", len(part.Events), err)
	}
}

func TestDelete_StaysDeleted(t *testing.T) {
	store, c := &storetest.Memory{}, &containers{sources: []Source{source("g", "s", "1")}}
	dir := t.TempDir()
	s := open(t, store, c, dir)
	if err := s.DeleteLogGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Service{s, open(t, store, c, dir)} {
		if groups, err := s.DescribeLogGroups(t.Context(), "", ""); err != nil || len(groups) != 0 {
			t.Errorf("groups %v, %v: its task runs on, but it was deleted", groups, err)
		}
	}
	c.sources = append(c.sources, source("g", "next", "2"))
	if groups, _ := s.DescribeLogGroups(t.Context(), "", ""); len(groups) != 1 || len(groups[0].streams) != 1 {
		t.Errorf("the next task makes the group again with its own stream: %v", groups)
	}
	if err := s.Expire(t.Context(), noon, func(string) bool { return false }); err != nil || len(s.dropped) != 0 {
		t.Errorf("the mark of the deleted stream was not dropped: %v, %v", s.dropped, err)
	}
}

func TestExpire_DropsWhatIsOld(t *testing.T) {
	c := &containers{sources: []Source{source("g", "s", "1")}, logs: map[string]string{"s": lines(2, "x")}}
	s := newService(t, c)
	if err := s.CreateLogGroup(t.Context(), "g", "", "", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRetentionPolicy(t.Context(), "g", 3); err != nil {
		t.Fatal(err)
	}
	s.Sync(t.Context())
	count := func(now time.Time, known bool) int {
		t.Helper()
		if err := s.Expire(t.Context(), now, func(string) bool { return known }); err != nil {
			t.Fatal(err)
		}
		return len(s.groups["g"].streams)
	}
	if n := count(noon.Add(80*time.Hour), true); n != 1 {
		t.Errorf("%d streams: a known task's stream was dropped", n)
	}
	if !s.Uses("1") {
		t.Error("the stream's log is said not to be needed")
	}
	if n := count(noon.Add(71*time.Hour), false); n != 1 {
		t.Errorf("%d streams within the retention", n)
	}
	if n := count(noon.Add(80*time.Hour), false); n != 0 || s.Uses("1") {
		t.Errorf("%d streams after the retention", n)
	}
}

func TestPut_SaysWhatItLeftOut(t *testing.T) {
	s := newService(t, &containers{})
	if err := errors.Join(s.CreateLogGroup(t.Context(), "g", "", "", nil), s.CreateLogStream(t.Context(), "g", "s")); err != nil {
		t.Fatal(err)
	}
	events := []Event{
		{Time: noon.Add(-15 * 24 * time.Hour), Message: "old"}, {Time: noon, Message: "two\nlines"}, {Time: noon, Message: "again"},
		{Time: noon.Add(3 * time.Hour), Message: "new"},
	}
	rejected, err := s.PutLogEvents(t.Context(), "g", "s", events, noon)
	if err != nil || rejected != (Rejected{TooNewFrom: 3, TooOldTo: 0}) {
		t.Errorf("rejected %+v, %v", rejected, err)
	}
	part, err := s.GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s"})
	if want := []string{"two\nlines", "again"}; err != nil || !slices.Equal(messages(part.Events), want) {
		t.Errorf("kept %q, %v", messages(part.Events), err)
	}
	if _, err := s.PutLogEvents(t.Context(), "g", "s", []Event{{Time: noon}, {Time: noon.Add(-1)}}, noon); err == nil {
		t.Error("events out of order were taken")
	}
	if err := s.DeleteLogStream(t.Context(), "g", "s"); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(s.config.Directory); len(files) != 0 {
		t.Errorf("a deleted stream leaves %v", files)
	}
}

func TestStreams_ByTimeOfLastEvent(t *testing.T) {
	c := &containers{
		sources: []Source{source("g", "a", "1"), source("g", "b", "2"), source("g", "c", "3")},
		logs:    map[string]string{"a": lines(9, "x"), "b": lines(3, "x")},
	}
	s := newService(t, c)
	names := func(byTime, descending bool) (all []string) {
		list, err := s.DescribeLogStreams(t.Context(), "g", "", byTime, descending)
		if err != nil {
			t.Fatal(err)
		}
		for _, sum := range list {
			all = append(all, sum.Name)
		}
		return all
	}
	if got := names(true, true); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("by last event, newest first: %v", got)
	}
	if got := names(false, false); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("by name: %v", got)
	}
	if _, err := s.DescribeLogStreams(t.Context(), "g", "a", true, false); err == nil {
		t.Error("a prefix with an order by time was taken")
	}
}

func TestGroup_Refusals(t *testing.T) {
	s := newService(t, &containers{})
	if err := s.CreateLogGroup(t.Context(), "g", "", "", nil); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]error{
		"The specified log group already exists":   s.CreateLogGroup(t.Context(), "g", "", "", nil),
		"The specified log group does not exist.":  s.DeleteLogGroup(t.Context(), "other"),
		"The specified log stream does not exist.": s.DeleteLogStream(t.Context(), "g", "s"),
		"Invalid retention value: 2.":              s.PutRetentionPolicy(t.Context(), "g", 2),
	} {
		if got == nil || !strings.Contains(got.Error(), what) {
			t.Errorf("%v, want %s", got, what)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "an ERROR here", true},
		{"ERROR", "an error here", false},
		{"ERROR timeout", "timeout: ERROR", true},
		{"ERROR timeout", "ERROR", false},
		{"ERROR -retry", "ERROR retry", false},
		{"?WARN ?ERROR", "a WARN", true},
		{"?WARN ?ERROR", "an INFO", false},
		{`"GET /health" -200`, "GET /health 500", true},
		{`%5\d\d%`, "status 503", true},
		{`%5\d\d%`, "status 203", false},
		{`{ $.level = "ERROR" }`, `{"level":"ERROR"}`, true},
		{`{ $.level = ERR* }`, `{"level":"ERROR"}`, true},
		{`{ $.level != "ERROR" }`, `{"level":"INFO"}`, true},
		{`{ $.http.status >= 500 && $.retry IS FALSE }`, `{"http":{"status":502},"retry":false}`, true},
		{`{ $.http.status >= 500 && ($.retry IS TRUE || $.n = 1) }`, `{"http":{"status":502},"n":2}`, false},
		{`{ $.user NOT EXISTS }`, `{"level":"ERROR"}`, true},
		{`{ $.user IS NULL }`, `{"user":null}`, true},
		{`{ $.level = "ERROR" }`, `level=ERROR`, false},
	} {
		m, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
		} else if m(test.message) != test.want {
			t.Errorf("%s on %s: not %v", test.pattern, test.message, test.want)
		}
	}
	for _, bad := range []string{`"open`, `%(%`, `{ $.a = }`, `{ a = 1 }`, `{ $.a > "x" }`, `{ $.a = 1`, `{ ($.a = 1 }`, `[ip, user]`, `-`} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestStreams_AreReadOnce: what DescribeLogStreams has seen of a stream it does not read again.
func TestStreams_AreReadOnce(t *testing.T) {
	c := &containers{sources: []Source{source("g", "s", "1")}, logs: map[string]string{"s": lines(1000, "line")}}
	s := newService(t, c)
	last := func() StreamSummary {
		t.Helper()
		streams, err := s.DescribeLogStreams(t.Context(), "g", "", true, false)
		if err != nil || len(streams) != 1 {
			t.Fatalf("%+v, %v", streams, err)
		}
		return streams[0]
	}
	first := last()
	if !first.First.Equal(noon) || !first.Last.Equal(noon.Add(499*time.Millisecond)) {
		t.Errorf("from %s to %s", first.First, first.Last)
	}
	c.read = 0
	c.logs["s"] += noon.Add(time.Second).Format(time.RFC3339Nano) + " late\n"
	if now := last(); !now.First.Equal(noon) || !now.Last.Equal(noon.Add(time.Second)) || c.read > 200 {
		t.Errorf("from %s to %s, %d bytes were read", now.First, now.Last, c.read)
	}
}

// TestPut_AfterALineThatWasCutOff: what a crash left of an event costs no other one.
func TestPut_AfterALineThatWasCutOff(t *testing.T) {
	s := newService(t, &containers{})
	if err := errors.Join(s.CreateLogGroup(t.Context(), "g", "", "", nil), s.CreateLogStream(t.Context(), "g", "s")); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		if _, err := s.PutLogEvents(t.Context(), "g", "s", []Event{{Time: time.Now(), Message: text}}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	put("two")
	path := s.path(s.groups["g"].streams["s"])
	info, err := os.Stat(path)
	if err = errors.Join(err, os.Truncate(path, info.Size()-5)); err != nil {
		t.Fatal(err)
	}
	put("three")
	part, err := s.GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s"})
	if got := messages(part.Events); err != nil || !slices.Equal(got, []string{"one", "three"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestExpire_TrimsWhatClientsWrite: a stream that is written for ever does not grow for ever.
func TestExpire_TrimsWhatClientsWrite(t *testing.T) {
	s := newService(t, &containers{})
	if err := errors.Join(s.CreateLogGroup(t.Context(), "g", "", "", nil), s.CreateLogStream(t.Context(), "g", "s")); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, age := range []time.Duration{10 * 24 * time.Hour, 8 * 24 * time.Hour, 6 * 24 * time.Hour, 0} {
		at := now.Add(-age).Truncate(time.Millisecond)
		if _, err := s.PutLogEvents(t.Context(), "g", "s", []Event{{Time: at, Message: age.String()}}, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Expire(t.Context(), now, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	part, err := s.GetLogEvents(t.Context(), GetLogEventsInput{Group: "g", Stream: "s"})
	if want := []string{"144h0m0s", "0s"}; err != nil || !slices.Equal(messages(part.Events), want) {
		t.Errorf("kept %q, %v; want %q", messages(part.Events), err, want)
	}
	if e := part.Events[0]; now.Sub(e.Ingested) < 5*24*time.Hour {
		t.Errorf("an event that is kept was ingested anew, at %s", e.Ingested)
	}
	streams, err := s.DescribeLogStreams(t.Context(), "g", "", false, false)
	if err != nil || now.Sub(streams[0].First) > 7*24*time.Hour {
		t.Errorf("%+v, %v", streams, err)
	}
}
