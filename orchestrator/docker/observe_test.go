package docker

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"

	"drydock/orchestrator"
	"drydock/taskdefs"
)

// counter counts what Docker is asked, by method and what it is about.
type counter struct {
	next http.RoundTripper
	mu   sync.Mutex
	asks map[string]int
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v"+MinAPIVersion), "/")
	what := r.Method + " " + path[1]
	if len(path) > 2 {
		what += " " + path[len(path)-1]
	}
	if len(path) == 3 && path[2] == "json" && !strings.Contains(r.URL.RawQuery, "%22id%22") {
		what += " all"
	}
	c.mu.Lock()
	c.asks[what]++
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

// take returns what was asked since it was called last.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	asks := c.asks
	c.asks = map[string]int{}
	return asks
}

// countedEngine is another engine of the same instance, which counts what it asks.
func countedEngine(t *testing.T, e *Engine) (*Engine, *counter) {
	t.Helper()
	c := &counter{asks: map[string]int{}}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	c.next = api.HTTPClient().Transport
	err = client.WithHTTPClient(&http.Client{Transport: c})(api)
	if err != nil {
		t.Fatal(err)
	}
	counted, err := New(t.Context(), Config{Instance: e.config.Instance, Client: api, Logger: e.log})
	if err != nil {
		t.Fatal(err)
	}
	return counted, c
}

// A further task of a deployment that joins a namespace which is known to run is started with two
// calls: Docker is asked for its image, its container and its namespace only when something turns
// out to be missing.
func TestRun_AsksForNothingThatIsThere(t *testing.T) {
	e, asks := countedEngine(t, testEngine(t))
	found, _, err := e.localImage(t.Context(), testImage)
	if err != nil {
		t.Fatal(err)
	}
	first, s := appSpec("ready"), appSpec("ready")
	first.Images = map[string]string{"app": found.ID}
	s.Images = first.Images
	if err := errors.Join(e.Run(t.Context(), first), e.Remove(t.Context(), first.ARN)); err != nil {
		t.Fatal(err)
	}
	s.Warm = randomHex(8)
	if err := e.Warm(t.Context(), orchestrator.WarmSpec{ID: s.Warm, Interface: s.Interface}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ListWarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	asks.take()
	if err := e.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := asks.take(); len(got) != 2 || got["POST containers create"] != 1 || got["POST containers start"] != 1 {
		t.Errorf("asked %v, want one create and one start", got)
	}
	if _, _, err := e.Observe(t.Context(), orchestrator.Change{Tasks: []string{s.ARN}}); err != nil {
		t.Fatal(err)
	}
	for what, n := range asks.take() {
		if strings.HasSuffix(what, " all") {
			t.Errorf("to observe one task, asked %d times for all containers", n)
		}
	}
}

// What we believe of a namespace may be wrong: a task whose namespace has ended unnoticed has one
// of its own.
func TestRun_NamespaceHasEndedUnnoticed(t *testing.T) {
	other := testEngine(t)
	e, _ := countedEngine(t, other) // nobody tells it of events
	s := appSpec("ended")
	s.Warm = randomHex(8)
	if err := e.Warm(t.Context(), orchestrator.WarmSpec{ID: s.Warm, Interface: s.Interface}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ListWarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Cool(t.Context(), s.Warm); err != nil {
		t.Fatal(err)
	}
	if e.index.namespace(s.Warm) == "" {
		t.Fatal("it knows already")
	}
	if err := e.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	list, err := e.List(t.Context())
	if err != nil || len(list) != 1 || len(list[0].Containers) != 1 || list[0].Containers[0].Status != orchestrator.ContainerRunning || list[0].Disconnected {
		t.Errorf("listed %+v, %v; want one running container", list, err)
	}
}

func appSpec(name string) orchestrator.TaskSpec {
	id := randomHex(16)
	return orchestrator.TaskSpec{
		ARN: "arn:aws:ecs:us-east-1:000000000000:task/test/" + id, ID: id, Cluster: "test", Family: name, Revision: 1, NetworkMode: "awsvpc",
		Interface:  orchestrator.Interface{VPC: testVPC(), Address: testVPC().CIDR.Addr().Next().Next().Next()},
		Containers: []taskdefs.ContainerDefinition{{Name: "app", Image: testImage, Command: []string{"default"}, StopTimeout: 2}},
	}
}
