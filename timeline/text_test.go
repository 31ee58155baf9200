package timeline

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

func text(t *testing.T, e Explanation) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := e.Text(&b, TextOptions{Location: time.UTC}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestText_StopTask(t *testing.T) {
	golden(t, "stop-task.txt", text(t, told(t, stopTaskStory).explain()))
}

func TestText_SeveralReasons(t *testing.T) {
	e := told(t, running+`
		1.0  api UpdateService terraform/1.9 < none
		1.2  decide desired=1 min=1 max=2 healthy=2 stop=A
		1.4  target A healthy draining drain=6.4s
		-0.4 fail 502 dereg_delay_elapsed on=A state=healthy took=6.8
		3.1  fail 502 conn_refused on=B state=healthy n=2
		9.1  fail 503 no_registered_targets`).explain()
	e.Dropped = 3201
	golden(t, "several.txt", text(t, e))
}

// A client's words must not steer the terminal that they are shown on.
func TestText_ShowsNoControlCharacters(t *testing.T) {
	e := told(t, running+`3.1 fail 502 conn_refused on=B state=healthy n=2`).explain()
	e.Clusters[0].Sentence += " \x1b[2J\u009b2J\r"
	got := string(text(t, e))
	if strings.ContainsAny(got, "\x1b\u009b\r") || !strings.Contains(got, "\ufffd[2J") {
		t.Errorf("%q", got)
	}
}

func TestText_NothingFailed(t *testing.T) {
	s := told(t, running+`0 ok n=1204 on=A every=0.1`)
	if got, want := string(text(t, s.explain())), "0 of 1,204 requests failed in the last 10 m.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(text(t, Explain(nil, nil, noon))), "0 of 0 requests failed in the last 0 s.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSON_IsStable(t *testing.T) {
	got, err := json.MarshalIndent(told(t, stopTaskStory).explain(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "stop-task.json", append(got, '\n'))
}

func TestWhy_CountsWhatTheRecorderSaw(t *testing.T) {
	s := told(t, stopTaskStory)
	r, l := NewRecorder(nil, RecorderOptions{Recent: 30, Failed: 40}), NewLog(nil, 0)
	l.Append(s.events...)
	for _, o := range s.outcomes {
		r.Record(&o)
	}
	now := noon.Add(time.Minute)
	e := Why(r, l, now.Add(-10*time.Minute), now)
	if e.Requests != 61 || e.Failed != 40 || e.Dropped != 1 || len(e.Clusters) != 1 {
		t.Errorf("%d requests, %d failed, %d dropped, %d clusters", e.Requests, e.Failed, e.Dropped, len(e.Clusters))
	}
	if last := WhyLast(r, l, now); len(last.Clusters) != 1 || last.Clusters[0].Code != StopWhileRegistered {
		t.Errorf("last is %+v", last)
	}
	if none := WhyLast(NewRecorder(nil, RecorderOptions{}), l, now); none.Failed != 0 {
		t.Errorf("%d failed in an empty recorder", none.Failed)
	}
}

func TestText_SaysWhatIsMissing(t *testing.T) {
	var b strings.Builder
	if err := (Explanation{Missing: "The load balancer node does not answer."}).Text(&b, TextOptions{}); err != nil || !strings.Contains(b.String(), "does not answer") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
