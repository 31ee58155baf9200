package main

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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
	engine "drydock/orchestrator/docker"
	"drydock/timeline"
)

// ownPool leaves the size of the pool to drydock.
const ownPool = -1

// daemon is a drydock daemon of our own.
type daemon struct {
	file     string // the binary
	dir      string // its state
	listen   string
	offset   int // of the balancers' ports
	instance string
	pool     int // of warm task interfaces, or ownPool
	api      awsapi.Client
	process  *os.Process
	node     int           // the balancer's own process, 0 if it has none
	exited   chan struct{} // closed when the process has
	failure  error         // how it exited
}

// newDaemon prepares a daemon with ports and state of its own; nothing runs yet.
func newDaemon(file, dir string) (*daemon, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	d := &daemon{file: file, dir: dir, listen: fmt.Sprintf("127.0.0.1:%d", ports[0]), offset: ports[1] - listenerPort, pool: ownPool}
	d.api = awsapi.Client{Endpoint: "http://" + d.listen, HTTP: &http.Client{Timeout: time.Minute}}
	return d, os.MkdirAll(dir, 0o700)
}

// freePorts returns ports that nobody listened on a moment ago.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// start starts the process and returns how long it took until an API call was answered.
func (d *daemon) start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(filepath.Join(d.dir, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(d.file, "daemon", "--listen", d.listen, "--state-dir", d.dir, "--port-offset", strconv.Itoa(d.offset))
	if d.pool != ownPool {
		cmd.Args = append(cmd.Args, "--warm-pool", strconv.Itoa(d.pool))
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for us: we stop it in order
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	d.process, d.exited = cmd.Process, make(chan struct{})
	go func() {
		d.failure = cmd.Wait()
		close(d.exited)
	}()
	err = d.awaitAnswer(ctx)
	return time.Since(began), err
}

// findNode asks for the balancer's process. It outlives the daemon that started it.
func (d *daemon) findNode(ctx context.Context) error {
	s, err := d.status(ctx)
	d.node = s.Node.PID
	return err
}

// balancing returns the process that balances: the node's, or the daemon's if it has none.
func (d *daemon) balancing() []int {
	if d.node != 0 {
		return []int{d.node}
	}
	return []int{d.process.Pid}
}

// processes returns the daemon's process and the balancer's. The tools that the daemon calls
// for a moment do not count.
func (d *daemon) processes() []int {
	if d.node != 0 {
		return []int{d.process.Pid, d.node}
	}
	return []int{d.process.Pid}
}

// awaitAnswer tries an API call until it succeeds.
func (d *daemon) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		var out ecs.ListClustersResponse
		err := d.api.Do(ctx, "ecs", "ListClusters", &ecs.ListClustersRequest{}, &out)
		if err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("the daemon exited (%v): %s", d.failure, d.lastWords())
		default:
		}
		if !pause(ctx, 500*time.Microsecond) {
			return fmt.Errorf("the daemon does not answer: %w: %s", err, d.lastWords())
		}
	}
}

// lastWords returns the end of the daemon's log.
func (d *daemon) lastWords() string {
	text, _ := os.ReadFile(filepath.Join(d.dir, "daemon.log"))
	return string(text[max(0, len(text)-500):])
}

// stop ends the process; its containers go on.
func (d *daemon) stop(ctx context.Context) error {
	if d.process == nil {
		return nil
	}
	d.process.Signal(syscall.SIGTERM) // it may have exited already
	return d.awaitExit(ctx)
}

func (d *daemon) awaitExit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-d.exited:
		d.process = nil
		return nil
	case <-ctx.Done():
		d.process.Kill()
		<-d.exited
		d.process = nil
		return fmt.Errorf("the daemon had to be killed: %w", ctx.Err())
	}
}

// down has the daemon remove everything that it made, and exit. If it can't, we do.
func (d *daemon) down(ctx context.Context) error {
	if d.process == nil {
		return d.purge(ctx)
	}
	body, err := d.private(ctx, http.MethodPost, "down")
	if err != nil {
		return errors.Join(err, d.stop(ctx), d.purge(ctx))
	}
	text, err := io.ReadAll(body)
	body.Close()
	var failed error
	for dec := json.NewDecoder(bytes.NewReader(text)); dec.More() && failed == nil; {
		var line struct{ Error string }
		if dec.Decode(&line) != nil {
			break
		}
		if line.Error != "" {
			failed = errors.New(line.Error)
		}
	}
	if err = errors.Join(err, failed, d.awaitExit(ctx)); err != nil {
		return errors.Join(err, d.purge(ctx))
	}
	return nil
}

// purge removes what a daemon that is gone has left in Docker.
func (d *daemon) purge(ctx context.Context) error {
	if d.instance == "" {
		return nil
	}
	e, err := engine.New(ctx, engine.Config{Instance: d.instance, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return e.Purge(ctx)
}

// private calls the private API and returns the body of a good answer.
func (d *daemon) private(ctx context.Context, method, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+d.listen+"/_drydock/"+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Drydock", "bench")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if a.StatusCode != http.StatusOK {
		a.Body.Close()
		return nil, fmt.Errorf("%s %s: %s", method, path, a.Status)
	}
	return a.Body, nil
}

// status is what the bench needs of the daemon's status.
type status struct {
	Daemon struct {
		Instance, CIDR, SecurityGroups string
	}
	Node  struct{ PID int } // of the balancer's process; a daemon without one balances itself
	Tasks []struct{ LastStatus, Address, TaskDefinition string }
}

func (d *daemon) status(ctx context.Context) (status, error) {
	var s status
	body, err := d.private(ctx, http.MethodGet, "status")
	if err != nil {
		return s, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return s, fmt.Errorf("read the daemon's status: %w", err)
	}
	d.instance = s.Daemon.Instance
	return s, nil
}

// eventsSince returns the timeline's events since a time.
func (d *daemon) eventsSince(ctx context.Context, since time.Time) ([]timeline.Event, error) {
	body, err := d.private(ctx, http.MethodGet, "events?since="+time.Since(since).String())
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var events []timeline.Event
	for dec := json.NewDecoder(body); ; {
		var e timeline.Event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the timeline: %w", err)
		}
		events = append(events, e)
	}
}
