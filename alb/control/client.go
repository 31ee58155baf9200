package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"drydock/alb/node"
	"drydock/timeline"
)

// Sink takes in what the node reports. HealthChanged and Refused must not block.
type Sink interface {
	// HealthChanged is called when a target's state changes, and for each target that has
	// been checked whenever the client has connected.
	HealthChanged(node.HealthChange)
	// Keep makes failed outcomes and epilogues durable; some may have been kept before.
	// The node forgets them when it returns nil.
	Keep(ctx context.Context, outcomes []timeline.Outcome, epilogues []timeline.Epilogue) error
	// Refused is called when listeners could not be opened and no Apply returned that: it
	// is worth while to apply again.
	Refused()
}

// Config is what a [Client] needs. StateDir and Sink are required.
type Config struct {
	StateDir string
	Build    string // of this program: a process of another build is replaced; empty: none is
	Sink     Sink
	// Command starts the node process; args come after the verb. Its output goes to LogFile.
	// Nil: no process is started or replaced, only one that is there already is used.
	Command []string
	// Ready waits until the first snapshot may be applied.
	Ready func(ctx context.Context) error
	// Effective makes of a snapshot what is true at the moment it is sent.
	Effective func(node.Snapshot) node.Snapshot
	// Say puts a sentence about the process on the timeline and returns its number.
	Say    func(n News) int64
	Logger *slog.Logger
}

// News is something that happened to the process.
type News struct {
	Message string
	Bad     bool
	Cause   int64 // number of what led to it
}

const (
	applyPatience = 5 * time.Second  // how long Apply waits for a process to be there
	sendPatience  = 20 * time.Second // how long a process may take to apply a snapshot
	askPatience   = 2 * time.Second  // how long it may take to answer anything else
	silence       = 10 * time.Second // of a stream, after which the process counts as lost
)

// Client is the daemon's side. It is an alb.Node.
type Client struct {
	config Config
	http   *http.Client
	log    *slog.Logger

	sending sync.Mutex // one snapshot after the other

	mu        sync.Mutex
	wanted    *node.Snapshot
	absent    error         // why there is no process, since longer than Apply waits; nil: there is one, or soon
	up        chan struct{} // closed while snapshots can be sent
	connected bool
	found     State         // of the process that is connected
	reading   string        // the run that stored counts within
	stored    uint64        // number of the last record that is stored here
	storing   chan struct{} // closed and replaced when stored grows
	replace   chan chan error
}

// NewClient makes a client that knows no process yet.
func NewClient(config Config) *Client {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Ready == nil {
		config.Ready = func(context.Context) error { return nil }
	}
	if config.Effective == nil {
		config.Effective = func(s node.Snapshot) node.Snapshot { return s }
	}
	if config.Say == nil {
		config.Say = func(News) int64 { return 0 }
	}
	c := &Client{config: config, log: config.Logger, up: make(chan struct{}), storing: make(chan struct{}), replace: make(chan chan error)}
	c.http = &http.Client{Transport: &http.Transport{
		DisableKeepAlives:  true, // a process that has handed over answers nothing more
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialHere(ctx, Folder(config.StateDir))
		},
	}}
	return c
}

// refusedError is an answer that is no good one.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string { return e.text }

// do asks the process and returns the body of a good answer.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	u := url.URL{Scheme: "http", Host: "node", Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, notAnswered(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, &refusedError{resp.StatusCode, strings.TrimSpace(string(text))}
	}
	return resp.Body, nil
}

// get reads one document.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	body, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(into)
}

// Forward has one of the process's further handlers answer a request. After an error nothing
// has been answered.
func (c *Client) Forward(w http.ResponseWriter, r *http.Request, path string) error {
	asked := r.Clone(r.Context())
	asked.RequestURI, asked.Body, asked.Host = "", nil, "node"
	asked.URL = &url.URL{Scheme: "http", Host: "node", Path: path, RawQuery: r.URL.RawQuery}
	asked.Header.Del("Accept-Encoding") // of the client: the answer is passed on as it is
	resp, err := c.http.Do(asked)
	if err != nil {
		return notAnswered(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if _, writeErr := w.Write(buf[:n]); err != nil || writeErr != nil {
			return nil
		}
		flush.Flush()
	}
}

// Fetch returns the answer of one of the process's further handlers to a GET.
func (c *Client) Fetch(ctx context.Context, path string) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path, nil, nil)
}

func notAnswered(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return fmt.Errorf("the load balancer node does not answer: %w", err)
}

// State asks the process what it says about itself.
func (c *Client) State(ctx context.Context) (State, error) {
	var s State
	err := c.get(ctx, "/state", nil, &s)
	return s, err
}

// Recent returns the outcomes since a time that did not fail, as far as the process
// remembers them, newest first.
func (c *Client) Recent(ctx context.Context, since time.Time) ([]timeline.Outcome, error) {
	body, err := c.do(ctx, http.MethodGet, "/recent", sinceQuery(since), nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var all []timeline.Outcome
	for dec := json.NewDecoder(body); ; {
		var o timeline.Outcome
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, fmt.Errorf("read the node's outcomes: %w", err)
		}
		all = append(all, o)
	}
}

// Requests returns how many requests the process has answered since a time.
func (c *Client) Requests(ctx context.Context, since time.Time) (Requests, error) {
	var r Requests
	err := c.get(ctx, "/requests", sinceQuery(since), &r)
	return r, err
}

func sinceQuery(since time.Time) url.Values {
	return url.Values{"since": {since.Format(time.RFC3339Nano)}}
}

// Sync waits until all that has failed before it was called is stored, at most until ctx ends.
func (c *Client) Sync(ctx context.Context) error {
	s, err := c.State(ctx)
	if err != nil {
		return err
	}
	for {
		c.mu.Lock()
		done, more := s.Waiting == 0 || c.reading == s.Run && c.stored >= s.Last, c.storing
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the load balancer node's last reports are not stored yet")
		case <-more:
		}
	}
}

// Found returns the state of the process when it was found, and whether it is connected now.
func (c *Client) Found() (State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found, c.connected
}

func numberQuery(run string, n uint64) url.Values {
	return url.Values{"run": {run}, "n": {strconv.FormatUint(n, 10)}}
}
