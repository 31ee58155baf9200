package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	rounds  int
	tasks   int
	scale   int
	drydock string
	json    string
	only    string

	quick    bool
	workload string
	seconds  time.Duration
	profile  string
	beside   string
	atOnce   bool
}

func main() {
	if at := os.Getenv(floorEnv); at != "" {
		fmt.Fprintln(os.Stderr, "floor:", runFloor(at, os.Args[1:]))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, readOptions())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func readOptions() options {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "`N` measurements of each figure; the median counts")
	flag.IntVar(&o.tasks, "tasks", 20, "`N` tasks of the service")
	flag.IntVar(&o.scale, "scale", 200, "`N` tasks of the section scale; more than the first 50 come in a second step")
	flag.StringVar(&o.drydock, "drydock", "bin/drydock", "`FILE` to measure")
	flag.StringVar(&o.json, "json", "", "write the figures to `FILE` too")
	flag.StringVar(&o.only, "only", "", "measure these `SECTIONS` only, comma-separated: "+strings.Join(sectionNames(), ", "))
	flag.BoolVar(&o.quick, "quick", false, "one short round of everything")
	flag.StringVar(&o.workload, "workload", "", "of the section proxy these `WORKLOADS` only, comma-separated: "+strings.Join(workloadNames(), ", "))
	flag.DurationVar(&o.seconds, "load", 2*time.Second, "how `LONG` the section proxy loads each proxy in each round, in whole seconds")
	flag.StringVar(&o.profile, "profile", "", "write to `DIR` where drydock's CPU time goes in each workload, with perf")
	flag.StringVar(&o.beside, "beside", "nginx,HAProxy", "`PEERS` of the section proxy, comma-separated: nginx, HAProxy, floor, or the file of another drydock")
	flag.BoolVar(&o.atOnce, "at-once", false, "load all proxies of the section proxy at the same time: on a busy machine small differences show sooner")
	flag.Parse()
	if o.quick {
		o.rounds, o.seconds, o.scale = 1, time.Second, min(o.scale, plainSample)
	}
	return o
}

// section is a group of figures that are measured together.
type section struct {
	name    string
	measure func(context.Context, *bench) error
	docker  bool // it needs containers
}

// The order matters: the later sections use the service that the first one leaves running.
var sections = []section{
	{"service", measureService, true},
	{"start", measureStart, true},
	{"idle", measureIdle, true},
	{"balancer", measureBalancer, true},
	{"replacement", measureReplacement, true},
	{"rolling", measureRolling, true},
	{"scale", measureScale, true},
	{"planner", measurePlanner, false},
	{"proxy", measureProxies, false},
}

func sectionNames() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// run measures the sections, prints the table, and cleans up whatever happened.
func run(ctx context.Context, o options) (err error) {
	chosen, err := choose(o.only)
	if err == nil && o.workload != "" {
		err = known("--workload", strings.Split(o.workload, ","), workloadNames())
	}
	if err != nil {
		return err
	}
	b, err := prepare(ctx, o, slices.ContainsFunc(chosen, func(s section) bool { return s.docker }))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.cleanUp()) }()
	began := time.Now()
	for _, s := range chosen {
		if err = s.measure(ctx, b); err != nil {
			err = fmt.Errorf("section %s: %w", s.name, err)
			break
		}
	}
	b.report.Seconds = time.Since(began).Seconds()
	b.say("")
	b.report.print(os.Stdout)
	if o.json != "" {
		err = errors.Join(err, b.report.write(o.json))
	}
	return err
}

func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	names := strings.Split(only, ",")
	if err := known("--only", names, sectionNames()); err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return !slices.Contains(names, s.name) })
	return chosen, nil
}

// known refuses a name that there is not: it would measure nothing.
func known(option string, names, all []string) error {
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("%s %s: there are %s", option, name, strings.Join(all, ", "))
		}
	}
	return nil
}

// bench holds what the sections share.
type bench struct {
	options
	dir    string // temporary; everything is in it
	root   string // of the module
	docker *docker
	stack  *stack // set by the first section that needs it
	report report
	undo   []func(context.Context) error // last first
}

// prepare makes the run's directory and, for those who need containers, the image that all of
// them run.
func prepare(ctx context.Context, o options, containers bool) (*bench, error) {
	if o.rounds < 1 || min(o.tasks, o.scale) < 1 || max(o.tasks, o.scale) > 200 {
		return nil, fmt.Errorf("--rounds is at least 1, --tasks and --scale are between 1 and 200")
	}
	file, err := filepath.Abs(o.drydock)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("%w: build it with `make build`", err)
	}
	o.drydock = file
	b := &bench{options: o}
	if b.dir, err = os.MkdirTemp("", "drydock-bench-"); err != nil {
		return nil, err
	}
	b.onEnd(func(context.Context) error { return os.RemoveAll(b.dir) })
	if err := b.prepareModule(ctx); err != nil {
		return nil, errors.Join(err, b.cleanUp())
	}
	if !containers {
		return b, nil
	}
	if err := b.prepareDocker(ctx); err != nil {
		return nil, errors.Join(err, b.cleanUp())
	}
	return b, nil
}

func (b *bench) prepareModule(ctx context.Context) error {
	b.report.Machine = machine()
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if b.root = strings.TrimSpace(string(out)); err != nil || b.root == "" {
		return errors.Join(errors.New("run bench inside the drydock module: go knows no module here"), err)
	}
	return nil
}

func (b *bench) prepareDocker(ctx context.Context) (err error) {
	if b.docker, err = newDocker(ctx); err != nil {
		return err
	}
	b.onEnd(b.docker.removeAll)
	b.report.Machine += ", " + b.docker.version(ctx)
	return b.docker.importApp(ctx, b.root, b.dir)
}

// machine says where the figures were taken.
func machine() string {
	return fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// onEnd remembers what is to be undone.
func (b *bench) onEnd(undo func(context.Context) error) { b.undo = append(b.undo, undo) }

// cleanUp undoes everything, however the run ended.
func (b *bench) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var errs []error
	for _, undo := range slices.Backward(b.undo) {
		errs = append(errs, undo(ctx))
	}
	return errors.Join(errs...)
}

// say tells of progress.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
