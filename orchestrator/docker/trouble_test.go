package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"drydock/orchestrator"
	"drydock/timeline/timelinetest"
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
			timelinetest.Bubble(t, func(t *testing.T) {
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
		timelinetest.Bubble(t, func(t *testing.T) {
			e := on(t, script{"GET /images": {404, "No such image"}, "POST /images/create": {500, text}})
			if _, err := e.ensureImage(t.Context(), "app", "web:7", "web:7", ""); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q becomes %v, want %q", text, err, want)
			}
		})
	}
}

func TestPull_APinnedImageThatIsGone(t *testing.T) {
	e := on(t, script{"GET /images": {404, "No such image"}, "POST /images/create": {200, ""}})
	_, err := e.ensureImage(t.Context(), "app", "web:7", "sha256:1", "")
	if err == nil || !strings.Contains(err.Error(), "CannotPullContainerError") || !strings.Contains(err.Error(), "deploy again") {
		t.Errorf("a pinned image that is gone: %v", err)
	}
}

// TestStart_CutOff: a caller that gives up is no verdict about the task.
func TestStart_CutOff(t *testing.T) {
	timelinetest.Bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		err := on(t, script{}).Run(ctx, mapped())
		var why *orchestrator.StartError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &why) {
			t.Errorf("Run() = %v, want the deadline and no verdict", err)
		}
	})
}

// TestImage_DigestInItsRegistry: the digest of the repository that the definition names, none for
// an image that was built here (ECS-445).
func TestImage_DigestInItsRegistry(t *testing.T) {
	const a, b = "sha256:aaaa", "sha256:bbbb"
	digests := []string{"mirror:5000/nginx@" + a, "nginx@" + b}
	for name, want := range map[string]string{
		"nginx": b, "nginx:1.25": b, "docker.io/library/nginx:1.25": b, "mirror:5000/nginx": a, "mirror:5000/nginx:1.25": a, "nginx@" + b: b, "web:7": "",
	} {
		if got := repoDigest(name, digests); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	e := on(t, script{"GET /images": {200, `{"Id":"sha256:1","RepoDigests":["nginx@` + b + `"]}`}})
	if got, err := e.ensureImage(t.Context(), "app", "nginx:1", "nginx:1", ""); err != nil || got != b {
		t.Errorf("of an image that is there: %q, %v", got, err)
	}
}

// TestPull_ForThePlatformThatIsAskedFor, if this machine can run it (ECS-444).
func TestPull_ForThePlatformThatIsAskedFor(t *testing.T) {
	defer func(was string) { emulators = was }(emulators)
	emulators = t.TempDir()
	ours := "linux/" + runtime.GOARCH
	foreign, emulator := "linux/arm64", "qemu-aarch64"
	if ours == foreign {
		foreign, emulator = "linux/amd64", "qemu-x86_64"
	}
	if runtime.GOOS == "linux" && runnable(foreign) != "" || runnable(ours) != ours || runnable("") != "" {
		t.Errorf("runnable: %q for %s, %q for %s, %q for none", runnable(foreign), foreign, runnable(ours), ours, runnable(""))
	}
	if err := os.WriteFile(filepath.Join(emulators, emulator), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runnable(foreign); got != foreign {
		t.Errorf("with an emulator: %q, want %s", got, foreign)
	}
	var asked string
	docker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/images/create") {
			asked = r.URL.Query().Get("platform")
			return
		}
		http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
	}))
	defer docker.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+docker.Listener.Addr().String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{client: c}
	e.index.init(e.ready)
	e.ensureImage(t.Context(), "app", "web:7", "web:7", foreign) // it is not there afterwards either
	if asked != foreign {
		t.Errorf("Docker was asked for %q, want %s", asked, foreign)
	}
}

// TestBuild_BeginsAgainWhenAnotherImageWasRemoved: Docker's builder looks at all images, and fails when
// one goes while it does. What the Dockerfile does wrong is not tried twice.
func TestBuild_BeginsAgainWhenAnotherImageWasRemoved(t *testing.T) {
	const lost = `unable to find image \"sha256:01342e76\"`
	for _, test := range []struct {
		errors []string
		builds int
		want   string
	}{
		{[]string{lost, lost}, 3, ""},
		{[]string{"COPY failed: no such file"}, 1, "COPY failed"},
		{[]string{lost, lost, lost, lost, lost}, buildAttempts, "unable to find image"},
	} {
		builds := 0
		docker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			context, err := io.ReadAll(r.Body)
			if err != nil || !strings.Contains(string(context), "FROM scratch") {
				t.Errorf("build %d got %d bytes of context, %v", builds+1, len(context), err)
			}
			if builds++; builds <= len(test.errors) {
				io.WriteString(w, `{"errorDetail":{"message":"`+test.errors[builds-1]+`"},"error":"`+test.errors[builds-1]+`"}`)
			}
		}))
		c, err := client.NewClientWithOpts(client.WithHost("tcp://"+docker.Listener.Addr().String()), client.WithVersion("1.41"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nARG A\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		err = (&Engine{client: c}).Build(t.Context(), BuildOptions{Dir: dir, Tag: "web:1"})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
		if builds != test.builds {
			t.Errorf("%d builds after %q, want %d", builds, test.errors, test.builds)
		}
		docker.Close()
	}
}

// TestList_WhatIsBeingRemoved is gone, though it was there when the list was made: a container whose
// start failed would else be seen to run, and then to vanish.
func TestList_WhatIsBeingRemoved(t *testing.T) {
	listed := `[{"Id":"1","State":"created","Labels":{"` + labelTask + `":"arn:task/1","` + labelContainer + `":"app"}}]`
	inspected := func(state string) answer {
		return answer{200, `{"Id":"1","Name":"/app","Config":{"Labels":{"` + labelContainer + `":"app"}},"State":{"Status":"` + state + `"},"HostConfig":{}}`}
	}
	for state, want := range map[string]int{"created": 1, "removing": 0} {
		e := on(t, script{"GET /containers/json": {200, listed}, "GET /containers/1/json": inspected(state), "GET /networks": {200, "[]"}})
		all, err := e.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, o := range all {
			n += len(o.Containers)
		}
		if n != want {
			t.Errorf("%s: %+v, want %d containers", state, all, want)
		}
	}
}
