package orchestrator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/timeline"
)

// TestHook_EventsAreAWSs: what a hook gets at each stage, and at a rollback.
func TestHook_EventsAreAWSs(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		hook := hookAt(orchestrator.StagePostScaleUp, orchestrator.StageTestShift, orchestrator.StageProductionShift, orchestrator.StagePostProductionShift)
		hook.Details = json.RawMessage(`{"bucket":"b"}`)
		w.createShift(1, blueGreen(0, hook))
		blue := w.web().Primary().RevisionARN
		yes := `{"hookStatus":"SUCCEEDED"}`
		got := w.hookEvents(yes, yes, yes, `{"hookStatus":"FAILED"}`, yes)
		w.redeploy()
		green, record := w.web().Primary().RevisionARN, w.web().Primary().Record
		time.Sleep(time.Minute)
		w.steady(time.Hour)
		none := `"testTrafficWeights":{},"productionTrafficWeights":{}`
		all := func(member, first, second string) string {
			w := `"` + member + `":{"` + green + `":` + first + `,"` + blue + `":` + second + `}`
			if member == "testTrafficWeights" {
				return w + `,"productionTrafficWeights":{}`
			}
			return `"testTrafficWeights":{},` + w
		}
		want := []struct{ stage, weights string }{
			{"POST_SCALE_UP", none}, {"TEST_TRAFFIC_SHIFT", all("testTrafficWeights", "100", "0")},
			{"PRODUCTION_TRAFFIC_SHIFT", all("productionTrafficWeights", "100", "0")}, {"POST_PRODUCTION_TRAFFIC_SHIFT", none},
			{"PRODUCTION_TRAFFIC_SHIFT", all("productionTrafficWeights", "0", "100")}, {"TEST_TRAFFIC_SHIFT", all("testTrafficWeights", "0", "100")},
		}
		if len(*got) != len(want) {
			t.Fatalf("%d calls: %v\n%s", len(*got), *got, w.story())
		}
		seen := map[any]bool{}
		for n, e := range *got {
			seen[e["executionId"]] = true
			var expected map[string]any
			text := `{"executionId":"` + e["executionId"].(string) + `","lifecycleStage":"` + want[n].stage + `","resourceArn":"` + record + `",
				"executionDetails":{"serviceArn":"` + w.web().ARN + `","targetServiceRevisionArn":"` + green + `",` + want[n].weights + `},"hookDetails":{"bucket":"b"}}`
			if err := json.Unmarshal([]byte(text), &expected); err != nil {
				t.Fatal(err)
			}
			if a, b := mustJSON(e), mustJSON(expected); a != b {
				t.Errorf("call %d:\n got %s\nwant %s", n, a, b)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d execution ids for %d runs", len(seen), len(want))
		}
	})
}

func mustJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// TestHook_InProgressIsCalledAgain after the delay that it asks for or 30 s, with its details.
func TestHook_InProgressIsCalledAgain(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		hook := hookAt(orchestrator.StagePostScaleUp)
		hook.Details = json.RawMessage(`{"a":1}`)
		w.createShift(1, blueGreen(0, hook))
		var at []time.Time
		answers := []string{`{"hookStatus":"IN_PROGRESS","callBackDelay":60,"hookDetails":{"b":2}}`, `{"hookStatus":"IN_PROGRESS"}`, `{"hookStatus":"SUCCEEDED"}`}
		var last string
		w.hook = func(_ string, event []byte) (string, error) {
			at, last = append(at, time.Now()), string(event)
			return answers[len(at)-1], nil
		}
		w.redeploy()
		w.reach(orchestrator.StagePostScaleUp)
		time.Sleep(10 * time.Second)
		w.steady(time.Hour)
		if len(at) != 3 || at[1].Sub(at[0]) != time.Minute || at[2].Sub(at[1]) != 30*time.Second {
			t.Errorf("calls at %v", at)
		}
		if !strings.HasSuffix(last, `"hookDetails":{"a":1,"b":2}}`) {
			t.Errorf("event %s", last)
		}
	})
}

// TestHook_FailuresRollBack: a failed call, answers that are not valid, and time running out.
func TestHook_FailuresRollBack(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		err    error
		why    string
	}{
		"failed":      {`{"hookStatus":"FAILED"}`, nil, "the lifecycle hook at PRE_SCALE_UP returned FAILED."},
		"broken":      {"", errors.New("connection refused"), "the lifecycle hook at PRE_SCALE_UP failed: connection refused."},
		"no JSON":     {"ok", nil, "its answer is not a JSON object with a hookStatus"},
		"no status":   {"{}", nil, "its answer has no hookStatus"},
		"odd status":  {`{"hookStatus":"DONE"}`, nil, `its hookStatus "DONE" is none of`},
		"odd delay":   {`{"hookStatus":"IN_PROGRESS","callBackDelay":-1}`, nil, "callBackDelay"},
		"out of time": {`{"hookStatus":"IN_PROGRESS"}`, nil, "the lifecycle hook at PRE_SCALE_UP timed out."},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				hook := hookAt(orchestrator.StagePreScaleUp)
				hook.TimeoutMinutes = 3
				w.createShift(1, blueGreen(0, hook))
				first, begin := w.web().Primary().ID, time.Now()
				w.hook = func(string, []byte) (string, error) { return c.answer, c.err }
				w.redeploy()
				if !w.eventually(time.Hour, func() bool { return w.web().Primary().ID == first }) {
					t.Fatal(w.story())
				}
				if took := time.Since(begin).Round(time.Minute); (name == "out of time") != (took == 3*time.Minute) {
					t.Errorf("rolled back after %s", took)
				}
				w.steady(time.Minute)
				if !strings.Contains(w.story(), c.why) || len(w.tasks()) != 1 {
					t.Errorf("%d tasks\n%s", len(w.tasks()), w.story())
				}
			})
		})
	}
}

// TestHook_TimeoutMayContinue where the configuration says so.
func TestHook_TimeoutMayContinue(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		hook := hookAt(orchestrator.StagePreScaleUp)
		hook.TimeoutMinutes, hook.TimeoutAction = 1, orchestrator.HookContinue
		w.createShift(1, blueGreen(0, hook))
		first := w.web().Primary().ID
		w.hook = func(string, []byte) (string, error) { return `{"hookStatus":"IN_PROGRESS"}`, nil }
		w.redeploy()
		time.Sleep(time.Second)
		w.steady(time.Hour)
		if w.web().Primary().ID == first {
			t.Errorf("rolled back\n%s", w.story())
		}
	})
}

// TestHook_IsCalledOnceUnlessTheDaemonDies: one call a stage, however many passes there are;
// after a crash in the middle of a call, it is made again.
func TestHook_IsCalledOnceUnlessTheDaemonDies(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(0, hookAt(orchestrator.StagePostScaleUp)))
		var calls atomic.Int32
		w.hook = func(string, []byte) (string, error) {
			calls.Add(1)
			time.Sleep(10 * time.Second)
			return `{"hookStatus":"SUCCEEDED"}`, nil
		}
		w.redeploy()
		w.reach(orchestrator.StagePostScaleUp)
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			w.c.Poke()
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
		w.halt()
		w.start()
		w.steady(time.Hour)
		if calls.Load() != 2 {
			t.Errorf("%d calls after a crash in the first", calls.Load())
		}
	})
}

// TestPause_WaitsForContinue, and a rollback is the other answer.
func TestPause_WaitsForContinue(t *testing.T) {
	for action, goesOn := range map[string]bool{"": true, orchestrator.HookContinue: true, orchestrator.HookRollback: false} {
		t.Run(action, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				pause := orchestrator.LifecycleHook{Type: orchestrator.HookPause, Stages: []string{orchestrator.StagePreProductionShift}}
				w.createPaused(pause)
				first := w.web().Primary().ID
				w.redeploy()
				w.reach(orchestrator.StageProductionShift)
				time.Sleep(time.Hour)
				d := w.web().Primary()
				h := d.Shift.Hooks[len(d.Shift.Hooks)-1]
				if h.Status != orchestrator.HookAwaiting || w.stage() != orchestrator.StageProductionShift {
					t.Fatalf("%+v at %s", h, w.stage())
				}
				if err := w.c.ContinueServiceDeployment(t.Context(), d.Record, "nope", action); !strings.HasPrefix(refusal(err), "InvalidParameterException") {
					t.Errorf("an unknown hook: %v", err)
				}
				if err := w.c.ContinueServiceDeployment(t.Context(), d.Record, h.ID, action); err != nil {
					t.Fatal(err)
				}
				if err := w.c.ContinueServiceDeployment(t.Context(), d.Record+"x", h.ID, action); !strings.HasPrefix(refusal(err), "ServiceDeploymentNotFoundException") {
					t.Errorf("an unknown deployment: %v", err)
				}
				w.steady(time.Hour)
				if moved := w.web().Primary().ID != first; moved != goesOn {
					t.Errorf("moved %v\n%s", moved, w.story())
				}
			})
		})
	}
}

// createPaused makes a service with a pause, and lets its first deployment pass it.
func (w *world) createPaused(pause orchestrator.LifecycleHook) {
	w.t.Helper()
	if _, err := w.c.CreateService(w.t.Context(), w.shiftService(1, blueGreen(0, pause))); err != nil {
		w.t.Fatal(err)
	}
	w.reach(orchestrator.StageProductionShift)
	d := w.web().Primary()
	if err := w.c.ContinueServiceDeployment(w.t.Context(), d.Record, d.Shift.Hooks[0].ID, ""); err != nil {
		w.t.Fatal(err)
	}
	w.steady(time.Hour)
}

// TestHook_SaysWhatItDid on the timeline.
func TestHook_SaysWhatItDid(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.createShift(1, blueGreen(0, hookAt(orchestrator.StagePostScaleUp)))
		var said []string
		for _, e := range w.told(timeline.Deployment) {
			if e.Data["hook"] != "" {
				said = append(said, e.Message)
			}
		}
		if len(said) != 1 || !strings.Contains(said[0], "hook http://hook at POST_SCALE_UP is SUCCEEDED") {
			t.Errorf("said %q", said)
		}
	})
}

// TestCallHookTarget_HTTP posts the event and takes the body; another status than 2xx is a failure.
func TestCallHookTarget_HTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || string(text) != `{"a":1}` {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, `{"hookStatus":"SUCCEEDED"}`)
	}))
	defer server.Close()
	text, err := orchestrator.CallHookTarget(t.Context(), server.URL, []byte(`{"a":1}`))
	if err != nil || string(text) != `{"hookStatus":"SUCCEEDED"}` {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := orchestrator.CallHookTarget(t.Context(), server.URL, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("err = %v", err)
	}
}

// TestCallHookTarget_Command gives the event to a command's standard input; its end, or that of
// the call's time, ends all that it started.
func TestCallHookTarget_Command(t *testing.T) {
	script := filepath.Join(t.TempDir(), "hook")
	text := "#!/bin/sh\ncase $1 in\nok) cat;;\nsleep) sleep 60 & wait;;\n*) echo nonsense >&2; exit 3;;\nesac\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := orchestrator.CallHookTarget(t.Context(), "exec:"+script+" ok", []byte(`{"a":1}`))
	if err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := orchestrator.CallHookTarget(t.Context(), "exec:"+script+" bad", nil); err == nil || !strings.Contains(err.Error(), "exit status 3: nonsense") {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := orchestrator.CallHookTarget(ctx, "exec:"+script+" sleep", nil); err == nil {
		t.Error("a call without end ended well")
	}
}

// TestCallHookTarget_LeavesNobodyBehind: what a command started ends with it.
func TestCallHookTarget_LeavesNobodyBehind(t *testing.T) {
	script := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 60 >/dev/null 2>&1 </dev/null &\necho $!\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := orchestrator.CallHookTarget(t.Context(), "exec:"+script, nil)
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strings.TrimSpace(string(got)) + "/stat"
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(text), ") Z ") { // gone, or waiting for init
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it goes on: %s", text)
		}
	}
}

// TestHook_PasswordIsNotTold: a hook's URL may have a password, and events are read by everybody.
func TestHook_PasswordIsNotTold(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		hook := hookAt(orchestrator.StagePostScaleUp)
		hook.Target = "http://caller:s3cret@hook:8080/check"
		w.createShift(1, blueGreen(0, hook))
		w.hook = func(target string, _ []byte) (string, error) {
			if target != hook.Target {
				t.Errorf("%s was called", target)
			}
			return `{"hookStatus":"FAILED"}`, nil
		}
		w.redeploy()
		w.steady(time.Hour)
		story := mustJSON(w.history())
		if strings.Contains(story, "s3cret") || !strings.Contains(story, "http://caller:xxxxx@hook:8080/check") {
			t.Errorf("the events tell the password, or nothing of the hook:\n%s", story)
		}
		for _, target := range []string{"ftp://caller:s3cret@hook/", "http://caller:s3cret@ho%zzok/"} {
			hook.Target = target
			in := w.shiftService(1, blueGreen(0, hook))
			in.Name = "other"
			if _, err := w.c.CreateService(t.Context(), in); err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v", target, err)
			}
		}
	})
}
