package orchestrator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
)

// fakeSecrets holds values by reference; a missing one is refused.
type fakeSecrets map[string]string

func (s fakeSecrets) Secret(_ context.Context, ref string) (string, error) {
	if v, ok := s[ref]; ok {
		return v, nil
	}
	return "", errors.New("unable to pull secrets or registry auth: invalid ssm parameters: " + ref)
}

func (s fakeSecrets) EnvironmentFile(ctx context.Context, arn string) ([]byte, error) {
	v, err := s.Secret(ctx, arn)
	return []byte(v), err
}

// keep starts the scheduler again, with secrets.
func (w *world) keep(s orchestrator.Secrets) {
	w.halt()
	w.secrets = s
	w.start()
}

const fileARN = "arn:aws:s3:::conf/"

// registerSecret registers a revision whose container has a secret, two environment files and plain variables.
func (w *world) registerSecret(valueFrom string) string {
	w.t.Helper()
	doc := fmt.Sprintf(`{"family":"web","networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"executionRoleArn":"r",
		"containerDefinitions":[{"name":"app","image":"app:1","portMappings":[{"containerPort":80}],
			"environment":[{"name":"PLAIN","value":"definition"},{"name":"BOTH","value":"definition"}],
			"environmentFiles":[{"type":"s3","value":%q},{"type":"s3","value":%q}],
			"secrets":[{"name":"PASSWORD","valueFrom":%q}]}]}`, fileARN+"first.env", fileARN+"second.env", valueFrom)
	r, err := w.defs.Register(w.t.Context(), []byte(doc), nil, "me", time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.ARN
}

var someSecrets = fakeSecrets{
	"/db/password":         "hunter2",
	fileARN + "first.env":  "# a comment\nBOTH=first\nONE=first\n\nEMPTY=\n=nameless\nno line\nPASSWORD=first\nQUOTED=\"a = b\"\r\nTWICE=1\nTWICE=2\n",
	fileARN + "second.env": "ONE=second\nTWO=second\n",
}

// environment returns the variables of the container that the engine was asked for.
func (w *world) environment() map[string]string {
	w.t.Helper()
	if !w.eventually(5*time.Second, func() bool { return len(w.engine.Specs()) == 1 }) {
		w.t.Fatal("nothing was run")
	}
	env := map[string]string{}
	for _, kv := range w.engine.Specs()[0].Containers[0].Environment {
		env[kv.Name] = kv.Value
	}
	return env
}

func TestSecrets_AndFilesBecomeVariables(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.keep(someSecrets)
		w.registerSecret("/db/password")
		if _, err := w.runTask(asIs); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"PLAIN": "definition", "BOTH": "definition", "ONE": "first", "TWO": "second",
			"PASSWORD": "hunter2", "QUOTED": `"a = b"`, "TWICE": "2"}
		if got := w.environment(); !maps.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		w.store.Lock()
		defer w.store.Unlock()
		for key, row := range w.store.Rows {
			if strings.Contains(string(row), "hunter2") {
				t.Errorf("the value is in row %s", key)
			}
		}
		for _, e := range w.store.Events {
			if strings.Contains(fmt.Sprint(e), "hunter2") {
				t.Errorf("the value is in event %v", e)
			}
		}
	})
}

func TestSecrets_OverridesWinOverFilesAndReplaceThem(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.keep(someSecrets)
		w.registerSecret("/db/password")
		_, err := w.runTask(func(in *orchestrator.RunTaskInput) {
			in.Overrides = json.RawMessage(`{"containerOverrides":[{"name":"app","environment":[{"name":"TWO","value":"override"},{"name":"PLAIN","value":"override"}],
				"environmentFiles":[{"type":"s3","value":"` + fileARN + `second.env"}]}]}`)
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"PLAIN": "override", "BOTH": "definition", "ONE": "second", "TWO": "override", "PASSWORD": "hunter2"}
		if got := w.environment(); !maps.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

func TestSecrets_AMissingOneFailsTheTask(t *testing.T) {
	for name, c := range map[string]struct {
		secrets orchestrator.Secrets
		want    string
	}{
		"missing":     {fakeSecrets{}, "ResourceInitializationError: unable to pull secrets or registry auth: invalid ssm parameters: /db/password"},
		"none at all": {nil, "ResourceInitializationError: unable to pull secrets or registry auth: this daemon was started without secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, orchestrator.PaceFast, func(w *world) {
				w.keep(c.secrets)
				w.registerSecret("/db/password")
				tasks, err := w.runTask(asIs)
				if err != nil {
					t.Fatal(err)
				}
				var task *orchestrator.Task
				w.eventually(5*time.Second, func() bool {
					task = w.c.Snapshot().Tasks[tasks[0].ARN]
					return task.Status == orchestrator.Stopped
				})
				if task.StopCode != orchestrator.TaskFailedToStart || !strings.HasPrefix(task.StopReason, c.want) {
					t.Errorf("stopped: %s, %s", task.StopCode, task.StopReason)
				}
				if app := task.Containers[0]; !strings.HasPrefix(app.Reason, c.want) || app.ExitCode != nil {
					t.Errorf("container = %+v", app)
				}
				if specs := w.engine.Specs(); len(specs) > 0 {
					t.Errorf("%d tasks were brought up", len(specs))
				}
			})
		})
	}
}

func TestSecrets_RotatedReachTheNextTask(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		values := maps.Clone(someSecrets)
		w.keep(values)
		w.registerSecret("/db/password")
		tasks, err := w.runTask(asIs)
		if err != nil || w.environment()["PASSWORD"] != "hunter2" {
			t.Fatal(w.environment(), err)
		}
		if _, err := w.c.StopTask(t.Context(), "default", tasks[0].ID, ""); err != nil {
			t.Fatal(err)
		}
		w.eventually(time.Minute, func() bool { return len(w.engine.Specs()) == 0 })
		values["/db/password"] = "rotated"
		if _, err := w.runTask(asIs); err != nil || w.environment()["PASSWORD"] != "rotated" {
			t.Fatal(w.environment(), err)
		}
	})
}

// asIs changes nothing of a RunTask call.
func asIs(*orchestrator.RunTaskInput) {}
