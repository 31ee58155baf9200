package service

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestIdentify_ReadsTheTaskFromTheMetadataAddress(t *testing.T) {
	t.Setenv("VERSION", "v2")
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/0123456789abcdef0123456789abcdef-1234567890")
	want := Identity{"user-service", "v2", "0123456789abcdef0123456789abcdef"}
	if got := Identify("user-service"); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestIdentify_OutsideECS(t *testing.T) {
	t.Setenv("VERSION", "")
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", "")
	if got := Identify("user-service"); got.Version != "dev" || got.Task == "" {
		t.Errorf("got %+v", got)
	}
}

func TestHandler_HealthAndUnknownPaths(t *testing.T) {
	h := Handler(http.NewServeMux())
	for path, want := range map[string]string{
		"/health":  "200 {\"status\":\"healthy\"}\n",
		"/nowhere": "404 {\"error\":\"Not Found\"}\n",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Result().Status[:4] + w.Body.String(); got != want {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

// TestServe_FinishesWhatIsUnderWay: a request that arrived before the stop gets its whole
// answer; a connection after it is refused.
func TestServe_FinishesWhatIsUnderWay(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "whole")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, h) }()

	answer := make(chan string, 1)
	go func() { answer <- get("http://" + l.Addr().String()) }()
	<-arrived
	stop()
	for { // until the listener is closed
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func get(url string) string {
	r, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
