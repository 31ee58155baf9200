package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/docker/docker/client"

	"drydock/orchestrator"
)

// script is a Docker that answers requests, by "POST /containers/create", as a test says. What it
// has no answer for hangs until the caller gives up.
type script map[string]answer

type answer struct {
	status int
	body   string
}

func (s script) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.Path, "/v1.41")
	for call, a := range s {
		if method, prefix, _ := strings.Cut(call, " "); method == r.Method && strings.HasPrefix(path, prefix) {
			body := a.body
			if a.status >= 400 {
				text, _ := json.Marshal(map[string]string{"message": a.body})
				body = string(text)
			}
			return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(body)), Request: r,
				Header: http.Header{"Content-Type": {"application/json"}}}, nil
		}
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// on is an engine on a scripted Docker.
func on(t *testing.T, s script) *Engine {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithVersion("1.41"), client.WithHost("tcp://docker:1"), client.WithHTTPClient(&http.Client{Transport: s}))
	if err != nil {
		t.Fatal(err)
	}
	e := unconnected(t, "1.41")
	e.client, e.slots, e.claimed = c, make(chan struct{}, parallelStarts), map[string]chan struct{}{}
	e.present = map[orchestrator.VPC]bool{mapped().Interface.VPC: true}
	return e
}

// whyNot runs a task on a scripted Docker and returns why it does not come up.
func whyNot(t *testing.T, s script) *orchestrator.StartError {
	t.Helper()
	err := on(t, s).Run(t.Context(), mapped())
	var why *orchestrator.StartError
	if !errors.As(err, &why) {
		t.Fatalf("Run() = %v, want a StartError", err)
	}
	return why
}

func TestStart_DockerThatHangs(t *testing.T) {
	there := answer{200, `{}`}
	gone := answer{404, "No such container"}
	for name, c := range map[string]struct {
		docker script
		want   string
	}{
		"pull":   {script{"GET /containers": gone, "GET /images": gone}, "Could not transition to pulled; timed out after waiting 2h0m0s"},
		"create": {script{"GET /containers": gone, "GET /images": there}, "Could not transition to created; timed out after waiting 4m0s"},
		"start": {script{"GET /containers": gone, "GET /images": there, "POST /containers/create": answer{201, `{"Id":"1"}`}},
			"Could not transition to started; timed out after waiting 3m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if why := whyNot(t, c.docker); why.Container != "app" || why.Error() != "DockerTimeoutError: "+c.want {
					t.Errorf("%s: %v", why.Container, why)
				}
			})
		})
	}
}

// TestStart_DiskFull: the error says what it is and what to do; a start that is cut off says nothing.
func TestStart_DiskFull(t *testing.T) {
	full := answer{500, "mkdir /var/lib/docker/overlay2/1: no space left on device"}
	gone, there := answer{404, "No such container"}, answer{200, `{}`}
	for name, c := range map[string]struct {
		docker script
		want   string
	}{
		"pull":   {script{"GET /containers": gone, "GET /images": gone, "POST /images/create": full}, "CannotPullContainerError"},
		"create": {script{"GET /containers": gone, "GET /images": there, "POST /containers/create": full}, "CannotCreateContainerError"},
		"start": {script{"GET /containers": gone, "GET /images": there, "POST /containers/create": answer{201, `{"Id":"1"}`}, "POST /containers/1/start": full},
			"CannotStartContainerError"},
	} {
		t.Run(name, func(t *testing.T) {
			why := whyNot(t, c.docker)
			if why.Name != c.want || !strings.Contains(why.Error(), "no space left on device") || !strings.Contains(why.Error(), "docker system prune") {
				t.Errorf("%v, want %s and the remedy", why, c.want)
			}
		})
	}
}

func TestPull_ErrorsInFargatesWords(t *testing.T) {
	for text, want := range map[string]string{
		"manifest for web:7 not found: manifest unknown: manifest unknown": "CannotPullImageManifestError: manifest unknown: Requested image not found: web:7",
		"dial tcp: connection refused":                                     "CannotPullContainerError: ref pull has been retried 1 time(s): failed to pull web:7: Error response from daemon: dial tcp: connection refused",
		"no space left on device":                                          "CannotPullContainerError: ref pull has been retried 0 time(s): failed to pull web:7: Error response from daemon: no space left on device",
	} {
		synctest.Test(t, func(t *testing.T) {
			e := on(t, script{"GET /images": {404, "No such image"}, "POST /images/create": {500, text}})
			if err := e.ensureImage(t.Context(), "app", "web:7", "web:7"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q becomes %v, want %q", text, err, want)
			}
		})
	}
}

func TestPull_APinnedImageThatIsGone(t *testing.T) {
	e := on(t, script{"GET /images": {404, "No such image"}, "POST /images/create": {200, ""}})
	err := e.ensureImage(t.Context(), "app", "web:7", "sha256:1")
	if err == nil || !strings.Contains(err.Error(), "CannotPullContainerError") || !strings.Contains(err.Error(), "deploy again") {
		t.Errorf("a pinned image that is gone: %v", err)
	}
}

// TestStart_CutOff: a caller that gives up is no verdict about the task.
func TestStart_CutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		err := on(t, script{}).Run(ctx, mapped())
		var why *orchestrator.StartError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &why) {
			t.Errorf("Run() = %v, want the deadline and no verdict", err)
		}
	})
}
