package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/timeline"
)

func openT(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func load(t *testing.T, db *DB, kind string) map[string]string {
	t.Helper()
	rows := map[string]string{}
	err := db.Load(t.Context(), kind, func(key string, doc []byte) error {
		rows[key] = string(doc)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCommit_RowsAndEventsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	db := openT(t, dir)
	seq := db.NextSeq()
	event := timeline.Event{Seq: seq, Time: time.Unix(5, 7).UTC(), Kind: timeline.APICall, Subject: "ecs:CreateService", Message: "m"}
	var seen []timeline.Event
	db.OnCommit = func(e []timeline.Event) { seen = append(seen, e...) }
	err := db.Commit(t.Context(), map[string]any{
		"service/arn:aws:ecs:r:1:service/c/s": map[string]int{"desired": 3},
		"task/a":                              1, "task/b": 2,
	}, []timeline.Event{event})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), map[string]any{"task/a": nil, "task/b": 5}, nil); err != nil {
		t.Fatal(err)
	}
	db.Close()

	db = openT(t, dir)
	if got := load(t, db, "task"); len(got) != 1 || got["b"] != "5" {
		t.Errorf("tasks = %v", got)
	}
	if got := load(t, db, "service"); got["arn:aws:ecs:r:1:service/c/s"] != `{"desired":3}` {
		t.Errorf("services = %v", got)
	}
	events, err := db.EventsAfter(t.Context(), 0, 10)
	if err != nil || len(events) != 1 || events[0].Subject != event.Subject || !events[0].Time.Equal(event.Time) {
		t.Errorf("events = %v, %v", events, err)
	}
	if len(seen) != 1 || seen[0].Seq != seq {
		t.Errorf("OnCommit saw %v", seen)
	}
	if next := db.NextSeq(); next != seq+1 {
		t.Errorf("next seq = %d, want %d", next, seq+1)
	}
}

func TestCommit_IsAllOrNothing(t *testing.T) {
	db := openT(t, t.TempDir())
	twice := timeline.Event{Seq: 1, Time: time.Unix(1, 0)}
	if err := db.Commit(t.Context(), map[string]any{"task/a": 1}, []timeline.Event{twice, twice}); err == nil {
		t.Fatal("the same sequence number was accepted twice")
	}
	if err := db.Commit(t.Context(), map[string]any{"task/a": 1, "nokind": 1}, nil); err == nil {
		t.Fatal("a key without kind was accepted")
	}
	if got := load(t, db, "task"); len(got) != 0 {
		t.Errorf("a failed commit left %v", got)
	}
}

func TestCommit_IsNotCutShortByItsCaller(t *testing.T) {
	db := openT(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Commit(ctx, map[string]any{"task/a": 1}, nil); err != nil {
		t.Fatal(err)
	}
	if got := load(t, db, "task"); len(got) != 1 {
		t.Errorf("rows = %v", got)
	}
}

func TestOutcomes_LastOnesComeBack(t *testing.T) {
	db := openT(t, t.TempDir())
	err := db.KeepOutcomes(t.Context(), []timeline.Outcome{{ID: "1", Status: 502}, {ID: "2", Status: 503}, {ID: "3", Status: 504}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.LastOutcomes(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].ID != "2" || got[1].ID != "3" {
		t.Errorf("outcomes = %v, %v", got, err)
	}
}

func TestOutcomes_AreKeptOnceAndFollowed(t *testing.T) {
	db := openT(t, t.TempDir())
	for range 2 {
		if err := db.KeepOutcomes(t.Context(), []timeline.Outcome{{ID: "1", Status: 504}, {ID: "2", Status: 502}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.FollowOutcomes(t.Context(), []timeline.Epilogue{{ID: "1", Status: 200, Detail: "complete"}, {ID: "9"}}); err != nil {
		t.Fatal(err)
	}
	got, err := db.LastOutcomes(t.Context(), 10)
	if err != nil || len(got) != 2 || got[0].Epilogue == nil || got[0].Epilogue.Status != 200 || got[1].Epilogue != nil {
		t.Errorf("outcomes = %+v, %v", got, err)
	}
}

func TestEvents_ByTimeAndFromTheEnd(t *testing.T) {
	db := openT(t, t.TempDir())
	for i := range int64(5) {
		e := timeline.Event{Seq: db.NextSeq(), Time: time.Unix(i, 0)}
		if err := db.Commit(t.Context(), nil, []timeline.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	between, err := db.EventsBetween(t.Context(), time.Unix(1, 0), time.Unix(3, 0))
	if err != nil || len(between) != 3 || between[0].Seq != 2 {
		t.Errorf("between = %v, %v", between, err)
	}
	last, err := db.LastEvents(t.Context(), 2)
	if err != nil || len(last) != 2 || last[0].Seq != 4 {
		t.Errorf("last = %v, %v", last, err)
	}
}

func TestOpen_TakesAnyDirectoryName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b#c%d e")
	openT(t, dir)
	if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
		t.Error(err)
	}
}

func TestOpen_RefusesASecondDaemon(t *testing.T) {
	dir := t.TempDir()
	openT(t, dir)
	_, err := Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "pid ") {
		t.Fatalf("err = %v", err)
	}
}

func TestOpen_RefusesWhatItCannotRead(t *testing.T) {
	t.Run("damaged", func(t *testing.T) {
		dir := t.TempDir()
		junk := bytes.Repeat([]byte("junk"), 4096)
		os.WriteFile(filepath.Join(dir, File), junk, 0o600)
		_, err := Open(t.Context(), dir)
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("err = %v", err)
		}
		if left, _ := os.ReadFile(filepath.Join(dir, File)); !bytes.Equal(left, junk) {
			t.Error("the damaged file was changed")
		}
	})
	t.Run("newer", func(t *testing.T) {
		dir := t.TempDir()
		db := openT(t, dir)
		if _, err := db.write.Exec(`PRAGMA user_version = 99`); err != nil {
			t.Fatal(err)
		}
		db.Close()
		_, err := Open(t.Context(), dir)
		if err == nil || !strings.Contains(err.Error(), "version 99") {
			t.Fatalf("err = %v", err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		os.WriteFile(file, nil, 0o600)
		if _, err := Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), "--state-dir") {
			t.Fatalf("err = %v", err)
		}
	})
	t.Run("the lock is free again", func(t *testing.T) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, File), []byte("junkjunkjunkjunkjunkjunkjunkjunkjunk"), 0o600)
		if _, err := Open(t.Context(), dir); err == nil {
			t.Fatal("opened junk")
		}
		os.Remove(filepath.Join(dir, File))
		openT(t, dir)
	})
}

func TestLoad_StopsAtTheFirstError(t *testing.T) {
	db := openT(t, t.TempDir())
	db.Commit(t.Context(), map[string]any{"task/a": 1, "task/b": 1}, nil)
	stop := errors.New("stop")
	n := 0
	err := db.Load(t.Context(), "task", func(string, []byte) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("err = %v after %d rows", err, n)
	}
}

func TestOpen_KeepsTheDatabasePrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), nil, 0o644); err != nil { // of an older version
		t.Fatal(err)
	}
	db, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Commit(t.Context(), map[string]any{"certificate/a": "secret"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{File, File + "-wal", File + "-shm"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// A disk that is full is named to whoever made the call, and nothing of the change is done.
func TestCommit_NamesAFullDisk(t *testing.T) {
	db := openT(t, t.TempDir())
	if _, err := db.write.ExecContext(t.Context(), `PRAGMA max_page_count = 1`); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 1<<20)
	err := db.Commit(t.Context(), map[string]any{"task/a": "small", "task/b": big}, nil)
	var full *WriteError
	if !errors.As(err, &full) || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "make room") {
		t.Errorf("%v", err)
	}
	db.Load(t.Context(), "task", func(key string, _ []byte) error {
		t.Errorf("row %s is there", key)
		return nil
	})
}
