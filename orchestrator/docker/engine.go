package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"drydock/orchestrator"
)

// MinAPIVersion is the oldest Docker API that the engine speaks: Docker 20.10's.
const MinAPIVersion = "1.41"

// parallelStarts bounds how many containers start at once: more brings no total time and delays the first.
const parallelStarts = 4

// Config says which Docker and on whose behalf.
type Config struct {
	// Instance is 8 hex digits; it is in the label of everything that is ours.
	Instance string
	// Home says where the instance's state is, for whoever finds its network; it may be empty.
	Home string
	// Client is the Docker client; nil is the one that DOCKER_HOST and its like describe.
	Client *client.Client
	// ContainerInstance is the ARN that observations name; it may be empty.
	ContainerInstance string
	// AllowPrivileged lets definitions ask for privileged containers. They are root on the host.
	AllowPrivileged bool
	// AllowHostPaths lets definitions mount directories of the host.
	AllowHostPaths bool
	// Logger is for what no caller sees; nil is slog.Default().
	Logger *slog.Logger
}

// Engine runs tasks as Docker containers.
type Engine struct {
	config Config
	client *client.Client
	log    *slog.Logger
	cpus   int    // of Docker's host
	arch   string // of Docker's host, in uname's words

	slots chan struct{} // a token per start under way

	cgroups   cgroups
	ownNofile atomic.Bool // Docker may not raise the limit of open files

	claims  sync.Mutex
	claimed map[string]chan struct{} // by task: closed when its Run ends

	networks sync.Mutex // held while a network is made
	present  map[orchestrator.VPC]bool
	pause    sync.Mutex // held while the pause image is made
	seen     cache
	index    index
	digests  sync.Map // of images, in their registries: by pinned
}

var (
	_ orchestrator.Engine  = (*Engine)(nil)
	_ orchestrator.Machine = (*Engine)(nil)
)

var instancePattern = regexp.MustCompile(`^[0-9a-f]{8}$`)

// New returns an engine, having asked Docker whether it answers. The error names the remedy when
// Docker does not answer, refuses us or is too old.
func New(ctx context.Context, c Config) (*Engine, error) {
	if !instancePattern.MatchString(c.Instance) {
		return nil, fmt.Errorf("docker engine: instance %q is not 8 hex digits", c.Instance)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Client == nil {
		cl, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
		if err != nil {
			return nil, fmt.Errorf("docker client from the environment (DOCKER_HOST=%q): %w", os.Getenv("DOCKER_HOST"), err)
		}
		c.Client = cl
	}
	e := &Engine{
		config: c, client: c.Client, log: c.Logger,
		slots:   make(chan struct{}, parallelStarts),
		claimed: map[string]chan struct{}{},
		present: map[orchestrator.VPC]bool{},
	}
	e.index.init(e.ready)
	e.ownNofile.Store(!mayRaise(defaultNofile))
	if err := e.greet(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// mayRaise guesses whether Docker may raise the limit of open files to n, from whether we may: a
// wrong guess costs the limit or one more start.
func mayRaise(n uint64) bool {
	var l syscall.Rlimit
	return syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || l.Max >= n
}

// greet negotiates the API version and learns about Docker's host.
func (e *Engine) greet(ctx context.Context) error {
	ping, err := e.client.Ping(ctx)
	if err != nil {
		return unreachable(e.client.DaemonHost(), err)
	}
	if ping.APIVersion != "" && versions.LessThan(ping.APIVersion, MinAPIVersion) {
		return fmt.Errorf("docker at %s speaks API %s, drydock needs %s: install Docker 20.10 or newer",
			e.client.DaemonHost(), ping.APIVersion, MinAPIVersion)
	}
	e.client.NegotiateAPIVersionPing(ping)
	info, err := e.client.Info(ctx)
	if err != nil {
		return unreachable(e.client.DaemonHost(), err)
	}
	if info.OSType != "linux" {
		return fmt.Errorf("docker at %s runs %s containers, drydock needs linux: switch Docker to Linux containers",
			e.client.DaemonHost(), info.OSType)
	}
	e.cpus, e.arch = info.NCPU, info.Architecture
	e.cgroups.find(info, e.client.DaemonHost())
	return nil
}

// unreachable names the remedy for a Docker that does not let us in.
func unreachable(host string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("ask docker at %s: %w", host, err)
	case errors.Is(err, os.ErrPermission), cerrdefs.IsPermissionDenied(err):
		return fmt.Errorf("no permission to use docker at %s: run as root, or add yourself to the docker group "+
			"(`sudo usermod -aG docker $USER`) and log in again: %w", host, err)
	}
	return fmt.Errorf("docker does not answer at %s: start it (`sudo systemctl start docker`), or point DOCKER_HOST "+
		"at a running one: %w", host, err)
}

// CPU implements [orchestrator.Machine].
func (e *Engine) CPU() int64 { return int64(e.cpus) * 1024 }

// slot waits for a place among the starts under way; the returned func gives it back.
func (e *Engine) slot(ctx context.Context) (func(), error) {
	select {
	case e.slots <- struct{}{}:
		return func() { <-e.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Version names the engine and its version: "Docker 20.10.24".
func (e *Engine) Version(ctx context.Context) (string, error) {
	v, err := e.client.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("ask Docker for its version: %w", err)
	}
	return "Docker " + v.Version, nil
}
