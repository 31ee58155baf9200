package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	docker "github.com/docker/docker/client"

	"drydock/alb/control"
	"drydock/timeline"
	"drydock/timeline/timelinetest"
)

// patience is how long a test waits for anything. It is no claim about speed: it only ends
// tests that would never end.
const patience = 90 * time.Second

// workshop holds the binary; TestMain removes it.
var workshop string

// sideBySide is how many tests run at once, unless -parallel says it: those of the whole program wait
// most of the time, but each of them has the one Docker engine start containers.
const sideBySide = 2

func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		flag.Set("test.parallel", strconv.Itoa(sideBySide))
	}
	code := m.Run()
	if workshop != "" {
		os.RemoveAll(workshop)
	}
	os.Exit(code)
}

// binary builds the program, once, with the race detector if the tests have it.
var binary = sync.OnceValues(func() (string, error) {
	var err error
	if workshop, err = os.MkdirTemp("", "drydock-e2e-"); err != nil {
		return "", err
	}
	path := filepath.Join(workshop, "drydock")
	args := []string{"build", "-o", path}
	if timelinetest.Race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func drydock(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// program is the built binary, as one test sees it.
type program struct {
	*testing.T
	*installation
}

// installation is a daemon with a state directory and ports of its own. It lives as long as
// the test that made it; steps of that test share it.
type installation struct {
	owner    *testing.T
	state    string
	offset   int      // of the listeners' ports
	options  []string // of the daemon, beside those that all have
	env      []string // of the daemon, beside the test's own
	docker   string   // URL of the engine, for the verbs too; empty: the machine's
	program  string   // path of the daemon's binary; empty: the one that is tested
	endpoint string   // URL of the daemon; it stays the same when the daemon is restarted
	instance string
	process  *process
	secure   map[int]*tls.Config // of the listeners that speak HTTPS
}

// newProgram starts a daemon that is taken down, with everything that is its own, when the
// test ends.
func newProgram(t *testing.T, options ...string) *program {
	t.Helper()
	return startInstallation(t, &installation{options: options})
}

func startInstallation(t *testing.T, i *installation) *program {
	t.Helper()
	p := newInstallation(t, i)
	p.Start()
	p.instance = p.Status().Daemon.Instance
	return p
}

// newInstallation prepares what the caller starts.
func newInstallation(t *testing.T, i *installation) *program {
	t.Helper()
	requireDocker(t)
	i.owner, i.state, i.offset = t, t.TempDir(), freeOffset(t)
	p := &program{t, i}
	t.Cleanup(p.takeDown)
	return p
}

// on returns the program as a step of the test sees it.
func (p *program) on(t *testing.T) *program { return &program{t, p.installation} }

// offsets are those that tests have been given.
var offsets struct {
	sync.Mutex
	next int
}

// freeOffset returns an offset with which the ports that the tests listen on are free, for this
// test alone: no two ports are a multiple of 700 apart, and all are below those that the kernel
// gives to whoever asks for any.
func freeOffset(t *testing.T) int {
	offsets.Lock()
	defer offsets.Unlock()
	for range 20 {
		offset := 10000 + (os.Getpid()+offsets.next)%20*700
		offsets.next++
		if portFree(80+offset) && portFree(443+offset) && portFree(8080+offset) {
			return offset
		}
	}
	t.Fatal("there are no free ports")
	return 0
}

func portFree(port int) bool { return listenable(fmt.Sprintf("127.0.0.1:%d", port)) == nil }

// Start starts the daemon and waits until it serves.
func (p *program) Start() {
	p.Helper()
	p.launch()
	p.awaitServing()
}

// launch starts the daemon and does not wait.
func (p *program) launch() {
	p.Helper()
	listen := cmp.Or(strings.TrimPrefix(p.endpoint, "http://"), "127.0.0.1:0")
	args := append([]string{"daemon", "--listen", listen, "--state-dir", p.state, "--alb-address", "127.0.0.1",
		"--port-offset", fmt.Sprint(p.offset)}, p.options...)
	p.process = startWith(p.owner, append(p.engineEnv(), p.env...), cmp.Or(p.program, drydock(p.T)), args...)
}

func (p *program) awaitServing() {
	p.Helper()
	p.endpoint = p.process.await(p.T, `http://127\.0\.0\.1:\d+`)
}

// Kill ends the daemon as a crash would.
func (p *program) Kill() {
	p.Helper()
	p.process.signal(p.T, syscall.SIGKILL)
	p.process.wait(p.T)
}

// Terminate asks the daemon to end and returns its exit code.
func (p *program) Terminate() int {
	p.Helper()
	p.process.signal(p.T, syscall.SIGTERM)
	return p.process.wait(p.T)
}

// takeDown removes everything and checks that nothing is left.
func (p *program) takeDown() {
	if p.process == nil {
		return
	}
	defer p.checkNothingLeft()
	defer p.endNode()
	defer p.process.stop()
	if p.Failed() {
		_, events := p.Try("events", "--limit", "150")
		p.Logf("the daemon's log ends with:\n%s\nand the events with:\n%s\nand the load balancer node's log with:\n%s", p.process.log.tail(), events, p.nodeLog())
	}
	if text := p.nodeLog(); strings.Contains(text, "DATA RACE") { // down removes it
		p.Errorf("the load balancer node has a data race:\n%s", text)
	}
	p.downAll()
	if strings.Contains(p.process.log.String(), "DATA RACE") {
		p.Errorf("the daemon has a data race:\n%s", p.process.log)
	}
}

// nodeLog is what the load balancer node's processes have logged.
func (p *program) nodeLog() string {
	text, _ := os.ReadFile(control.LogFile(p.state))
	return string(text[max(0, len(text)-6000):])
}

// endNode kills the load balancer node if it is left, and fails the test then.
func (p *program) endNode() {
	for pid := control.Holder(p.state); pid != 0; pid = control.Holder(p.state) {
		p.Errorf("the load balancer node (pid %d) is left behind", pid)
		syscall.Kill(pid, syscall.SIGKILL)
		time.Sleep(100 * time.Millisecond)
	}
}

// downAll names the state directory too: what is not this test's must stay.
func (p *program) downAll() {
	p.Helper()
	code, out := p.Try("down", "--all", "--state-dir", p.state)
	if code != exitOK {
		p.Errorf("down --all: exit %d\n%s", code, out)
	}
	p.process.wait(p.T)
}

// result is what a run of the program printed.
type result struct{ stdout, stderr string }

func (r result) String() string { return strings.TrimSpace(r.stdout + "\n" + r.stderr) }

// Try runs a verb and returns its exit code.
func (p *program) Try(args ...string) (int, result) {
	p.Helper()
	if len(args) > 1 && args[0] == "up" {
		runImageCommands(p.T, args[1])
	}
	return runBinary(p.T, append(p.engineEnv(), "DRYDOCK_ENDPOINT="+p.endpoint), args...)
}

func (p *program) engineEnv() []string {
	if p.docker == "" {
		return nil
	}
	return []string{docker.EnvOverrideHost + "=" + p.docker}
}

// built holds the commands that were run.
var built struct {
	sync.Mutex
	commands map[string]bool
}

// runImageCommands runs what a stack's images want run, once: stacks that come up side by side then
// find what they share built, and leave it alone.
func runImageCommands(t *testing.T, dir string) {
	t.Helper()
	path, err := findStack(dir)
	if err != nil {
		return // that is for the verb to say
	}
	s, err := readStack(path)
	if err != nil {
		return
	}
	built.Lock()
	defer built.Unlock()
	if built.commands == nil {
		built.commands = map[string]bool{}
	}
	u := &up{stack: s, screen: newScreen(io.Discard)}
	for _, image := range s.images {
		if err := u.runCommands(t.Context(), image, built.commands); err != nil {
			t.Fatal(err)
		}
	}
}

// Run runs a verb that must succeed and returns what it printed.
func (p *program) Run(args ...string) result {
	p.Helper()
	code, out := p.Try(args...)
	if code != exitOK {
		p.Fatalf("drydock %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// Fail runs a verb that must exit with a code and say all that is wanted.
func (p *program) Fail(code int, wanted []string, args ...string) {
	p.Helper()
	got, out := p.Try(args...)
	checkRefusal(p.T, args, code, wanted, got, out)
}

// JSON runs a verb with --output json and reads what it prints.
func (p *program) JSON(into any, args ...string) {
	p.Helper()
	out := p.Run(append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(out.stdout), into); err != nil {
		p.Fatalf("drydock %s: %v in\n%s", strings.Join(args, " "), err, out.stdout)
	}
}

// Status reads `drydock status`.
func (p *program) Status() Status {
	p.Helper()
	var s Status
	p.JSON(&s, "status")
	return s
}

// Events reads all events.
func (p *program) Events() []timeline.Event {
	p.Helper()
	out := p.Run("events", "--limit", "100000", "--output", "json")
	return readLines[timeline.Event](p.T, strings.NewReader(out.stdout))
}

// Outcomes reads what became of the requests that ended since a time.
func (p *program) Outcomes(since time.Time) []timeline.Outcome {
	p.Helper()
	query := url.Values{"since": {time.Since(since).String()}}
	body, err := p.client().stream(p.Context(), http.MethodGet, "outcomes", query)
	if err != nil {
		p.Fatal(err)
	}
	defer body.Close()
	return readLines[timeline.Outcome](p.T, body)
}

func (p *program) client() *client { return &client{endpoint: p.endpoint, http: http.DefaultClient} }

func readLines[T any](t *testing.T, r io.Reader) []T {
	t.Helper()
	var all []T
	dec := json.NewDecoder(r)
	for {
		var one T
		if err := dec.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// URL is where a listener answers.
func (p *program) URL(port int, path string) string {
	scheme := "http"
	if p.secure[port] != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, port+p.offset, path)
}

// Get asks a listener once, on a connection of its own.
func (p *program) Get(port int, path string) (status int, body string) {
	p.Helper()
	status, body, err := p.get(port, path)
	if err != nil {
		p.Fatal(err)
	}
	return status, body
}

func (p *program) get(port int, path string) (status int, body string, err error) {
	plain := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: p.secure[port], ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := plain.Get(p.URL(port, path))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// Eventually polls until check returns nil.
func (p *program) Eventually(what string, check func() error) {
	p.Helper()
	eventually(p.T, what, check)
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("%s: not after %s: %v", what, patience, err)
		}
	}
}

// runBinary runs the program to its end.
func runBinary(t *testing.T, env []string, args ...string) (int, result) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command(drydock(t), args...)
	command.Env = environment(env...)
	command.Stdout, command.Stderr = &stdout, &stderr
	watchdog := time.AfterFunc(3*patience, func() { command.Process.Signal(syscall.SIGQUIT) })
	defer watchdog.Stop()
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), result{stdout.String(), stderr.String()}
}

// environment adds to the test's own. The race detector would wait a second at every exit.
func environment(more ...string) []string {
	return append(os.Environ(), append([]string{"GORACE=atexit_sleep_ms=0"}, more...)...)
}

func checkRefusal(t *testing.T, args []string, code int, wanted []string, got int, out result) {
	t.Helper()
	if got != code {
		t.Errorf("drydock %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	for _, want := range wanted {
		if !strings.Contains(out.stderr, want) {
			t.Errorf("drydock %s does not say %q:\n%s", strings.Join(args, " "), want, out)
		}
	}
}

// process is a run of the program that goes on in the background.
type process struct {
	command *exec.Cmd
	log     *logBuffer // its stderr
	stdout  logBuffer
	done    chan struct{}
}

// startProcess starts the program; who starts it ends it.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startProgram(t, drydock(t), args...)
}

func startProgram(t *testing.T, path string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, path, args...)
}

func startWith(t *testing.T, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(path, args...), log: &logBuffer{}, done: make(chan struct{})}
	p.command.Env = environment(env...)
	p.command.Stdout, p.command.Stderr = &p.stdout, p.log
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.command.Wait()
	}()
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the end and returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.command.Process.Signal(syscall.SIGQUIT)
		<-p.done
		t.Fatalf("the process did not end:\n%s", p.log.tail())
	}
	return p.command.ProcessState.ExitCode()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends what still runs.
func (p *process) stop() {
	if p != nil && !p.ended() {
		p.command.Process.Kill()
		<-p.done
	}
}

// await waits until something is logged and returns it.
func (p *process) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	found := ""
	eventually(t, "the log says "+pattern, func() error {
		if p.ended() {
			t.Fatalf("the process ended with %d:\n%s", p.command.ProcessState.ExitCode(), p.log)
		}
		if found = re.FindString(p.log.String()); found == "" {
			return errors.New(p.log.tail())
		}
		return nil
	})
	return found
}

// logBuffer is a buffer that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) tail() string {
	text := b.String()
	return text[max(0, len(text)-6000):]
}

// listenOn takes an address on behalf of another program.
func listenOn(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
