package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const twinsDir = "testdata/e2e/twins"

// twins asks two services all the time, on lasting connections and on new ones, and notes an
// answer that is the other one's.
type twins struct {
	*program
	stop func()

	mu       sync.Mutex
	strayed  []string
	statuses map[int]int // 0: no answer
}

// twinPaths are the services that the answers must come from, by path.
var twinPaths = map[string]string{"/api/users/1": `"service":"user-service"`, "/api/payments/7001": `"service":"payment-service"`}

func (p *program) askTwins() *twins {
	p.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &twins{program: p, statuses: map[int]int{}}
	var askers sync.WaitGroup
	for path, want := range twinPaths {
		for _, lasting := range []bool{true, false} {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: !lasting}}
			askers.Go(func() { w.ask(ctx, client, path, want) })
		}
	}
	w.stop = sync.OnceFunc(func() { cancel(); askers.Wait() })
	p.Cleanup(w.stop)
	return w
}

func (w *twins) ask(ctx context.Context, client *http.Client, path, want string) {
	defer client.CloseIdleConnections()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		status, body := fetch(client, w.URL(80, path))
		w.mu.Lock()
		w.statuses[status]++
		if status == http.StatusOK && !strings.Contains(body, want) {
			w.strayed = append(w.strayed, fmt.Sprintf("%s was answered with %s", path, body))
		}
		w.mu.Unlock()
	}
}

func fetch(client *http.Client, url string) (status int, body string) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// count returns how many requests have had each status so far.
func (w *twins) count() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[int]int{}
	for status, n := range w.statuses {
		now[status] = n
	}
	return now
}

// checkNothingStrayed ends the load. Every request that failed must have a reason (I9).
func (w *twins) checkNothingStrayed() {
	w.Helper()
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Logf("statuses %v", w.statuses)
	if len(w.strayed) > 0 {
		w.Errorf("I3: %d requests reached the other service, the first: %s", len(w.strayed), w.strayed[0])
	}
	if w.statuses[http.StatusOK] == 0 || w.statuses[0] > 0 {
		w.Errorf("statuses %v", w.statuses)
	}
	for _, o := range w.Outcomes(time.Now().Add(-time.Hour)) {
		if o.Status >= 500 && o.Cause == "" && o.TargetStatus < 500 {
			w.Errorf("I9: %s was answered with %d for no reason: %+v", o.URI, o.Status, o)
		}
	}
}

// goodFor wants only good answers for a time.
func (w *twins) goodFor(d time.Duration) {
	w.Helper()
	before := w.count()
	time.Sleep(d)
	for status, n := range w.count() {
		if more := n - before[status]; status != http.StatusOK && more > 0 || status == http.StatusOK && more == 0 {
			w.Errorf("%d answers with %d within %s", more, status, d)
		}
	}
}

func (p *program) twinTasks() []TaskStatus {
	return append(p.tasksOf("users"), p.tasksOf("payments")...)
}

func (p *program) awaitTwins() {
	p.Helper()
	p.awaitSteady("users")
	p.awaitSteady("payments")
}

// awaitUnknown waits until the daemon has noticed that Docker does not answer, and checks that
// nothing was done about tasks that nobody can see.
func (p *program) awaitUnknown(tasks []TaskStatus) {
	p.Helper()
	p.Eventually("status says that Docker does not answer", func() error {
		if engine := p.Status().Daemon.Engine; !strings.Contains(engine, "annot connect") && !strings.Contains(engine, "not answer") {
			return fmt.Errorf("engine %q", engine)
		}
		return nil
	})
	now := map[string]string{}
	for _, t := range p.Status().Tasks {
		now[t.ID] = t.LastStatus
	}
	for _, t := range tasks {
		if now[t.ID] != "RUNNING" {
			p.Errorf("task %s is %s while nobody can tell", t.ID, now[t.ID])
		}
	}
	p.Run("scale", "users=3", "--no-wait") // the API writes, too
	p.Run("scale", "users=2", "--no-wait")
}

// checkReplaced wants none of the tasks, whose containers are dead, and each with its reason.
func (p *program) checkReplaced(tasks []TaskStatus) {
	p.Helper()
	for _, old := range tasks {
		t := p.taskNow(old.ID)
		if t.LastStatus != "STOPPED" || t.StoppedReason == "" {
			p.Errorf("task %s, whose container is dead, is %s: %q", t.ID, t.LastStatus, t.StoppedReason)
		}
	}
}

func (p *program) taskNow(id string) TaskStatus {
	for _, t := range p.Status().Tasks {
		if t.ID == id {
			return t
		}
	}
	return TaskStatus{ID: id}
}

// TestEngine_KilledUnderLoad: the containers outlive dockerd and serve; the next dockerd ends
// them, and none of the requests reaches the wrong service while all are replaced.
func TestEngine_KilledUnderLoad(t *testing.T) {
	t.Parallel()
	engine := newOwnEngine(t)
	p := engine.newProgram(24)
	p.Run("up", twinsDir)
	old := p.twinTasks()
	w := p.askTwins()
	w.goodFor(time.Second)
	engine.Kill()
	p.awaitUnknown(old)
	w.goodFor(3 * time.Second)
	engine.Start()
	p.Eventually("all is replaced", func() error { return p.noneOf(old) })
	p.awaitTwins()
	p.checkReplaced(old)
	w.goodFor(time.Second)
	w.checkNothingStrayed()
}

// noneOf returns an error while one of the tasks is live.
func (p *program) noneOf(tasks []TaskStatus) error {
	for _, t := range tasks {
		if now := p.taskNow(t.ID); now.LastStatus != "STOPPED" && now.LastStatus != "" {
			return fmt.Errorf("task %s is %s", t.ID, now.LastStatus)
		}
	}
	return nil
}

// TestEngine_StoppedUnderLoad: dockerd takes its containers with it, and in so small a range the
// addresses come back within the test, for whichever service asks first: still nobody answers
// for anybody else.
func TestEngine_StoppedUnderLoad(t *testing.T) {
	t.Parallel()
	engine := newOwnEngine(t)
	p := engine.newProgram(27)
	p.Run("up", twinsDir)
	old := p.twinTasks()
	w := p.askTwins()
	w.goodFor(time.Second)
	engine.Terminate()
	p.Eventually("requests fail", func() error {
		if n := w.count(); n[502]+n[503]+n[504] == 0 {
			return fmt.Errorf("statuses %v", n)
		}
		return nil
	})
	p.Run("status")
	engine.Start()
	p.Eventually("all is replaced", func() error { return p.noneOf(old) })
	p.awaitTwins()
	w.goodFor(time.Second)
	w.checkNothingStrayed()
}

// TestEngine_LiveRestoreUnderLoad: with live-restore no container ends with dockerd, so that its
// restart is nobody's business: no request fails and no task is replaced.
func TestEngine_LiveRestoreUnderLoad(t *testing.T) {
	t.Parallel()
	engine := newOwnEngine(t, "--live-restore")
	p := engine.newProgram(24)
	p.Run("up", twinsDir)
	old := p.twinTasks()
	w := p.askTwins()
	for name, end := range map[string]func(){"stopped": engine.Terminate, "killed": engine.Kill} {
		end()
		p.awaitUnknown(old)
		w.goodFor(time.Second)
		engine.Start()
		p.Eventually("the daemon knows Docker again, "+name, func() error {
			if engine := p.Status().Daemon.Engine; !strings.HasPrefix(engine, "Docker ") {
				return fmt.Errorf("engine %q", engine)
			}
			return nil
		})
		p.awaitTwins()
		p.checkAdopted(old)
	}
	w.stop()
	if n := w.count(); len(n) != 1 || n[http.StatusOK] == 0 {
		t.Errorf("statuses %v, want 200 only", n)
	}
	w.checkNothingStrayed()
}

// TestEngine_DaemonDiesWithIt: both die, dockerd comes back first or last.
func TestEngine_DaemonDiesWithIt(t *testing.T) {
	t.Parallel()
	engine := newOwnEngine(t)
	p := engine.newProgram(24)
	p.Run("up", twinsDir)
	old := p.twinTasks()
	w := p.askTwins()
	engine.Kill()
	p.Kill()
	w.goodFor(time.Second)
	engine.Start()
	p.Start()
	p.Eventually("all is replaced", func() error { return p.noneOf(old) })
	p.awaitTwins()
	w.goodFor(time.Second)
	w.checkNothingStrayed()
}
