package agent

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/timeline"
)

// Store makes faults, and the events that tell of them, durable.
type Store interface {
	NextSeq() int64
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Scheduler knows tasks, and protects them.
type Scheduler interface {
	Snapshot() orchestrator.Snapshot
	// TaskAt returns the task that has an address now, nil if there is none.
	TaskAt(address netip.Addr) *orchestrator.Task
	Observed(task string) (orchestrator.TaskObservation, bool)
	GetTaskProtection(cluster string, tasks []string) ([]orchestrator.Protection, []orchestrator.Failure, error)
	UpdateTaskProtection(ctx context.Context, in orchestrator.ProtectionInput) ([]orchestrator.Protection, []orchestrator.Failure, error)
}

// Engine knows containers. If it is an [orchestrator.StatsReader] too, there are statistics.
type Engine interface {
	List(ctx context.Context) ([]orchestrator.TaskObservation, error)
}

// Network leads tasks to the agent, and swallows what blackhole faults concern.
type Network interface {
	Bridge() string
	DefaultVPC() network.VPC
	Subnets(ids []string, filters ...network.Filter) ([]network.Subnet, error)
	SetAgent(at netip.AddrPort)
	SetBlackholes(wanted []network.Blackhole)
	Applied(ctx context.Context) error
	Enforcement() (enforced bool, reason string)
}

// Balancer delays and loses what it exchanges with tasks.
type Balancer interface {
	// BalancersOf returns the VPC addresses of the load balancers that forward to the task.
	BalancersOf(task string) []netip.Addr
	// SetTaskFaults replaces the faults of all tasks, by ARN.
	SetTaskFaults(faults map[string]alb.TaskFault)
}

// Config is what an Agent works with. Logger may be nil.
type Config struct {
	Store       Store
	Scheduler   Scheduler
	Engine      Engine
	Definitions orchestrator.Definitions
	Network     Network
	Balancer    Balancer
	Credentials Provider // nil: none
	Region      string
	Logger      *slog.Logger
}

// Agent answers tasks.
type Agent struct {
	config  Config
	log     *slog.Logger
	secret  []byte // that ids of credentials are made of
	limiter limiter
	samples samples

	mu     sync.Mutex
	faults map[string]*Fault // by key; rows are never changed in place

	serving serving
}

// New returns an agent with the faults of the store, injected again. It serves once it runs.
func New(ctx context.Context, config Config) (*Agent, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Agent{config: config, log: config.Logger, faults: map[string]*Fault{}}
	a.serving.status = "it is not started"
	if err := a.load(ctx); err != nil {
		return nil, err
	}
	a.inject()
	config.Network.SetAgent(a.expected())
	return a, nil
}

// Handler answers requests, by their RemoteAddr.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, v := range []version{v3, v4} {
		mux.HandleFunc("GET "+v.path("{id}"), a.container(v))
		mux.HandleFunc("GET "+v.path("{id}")+"/task", a.task(v, false))
		mux.HandleFunc("GET "+v.path("{id}")+"/taskWithTags", a.task(v, true))
		mux.HandleFunc("GET "+v.path("{id}")+"/stats", a.containerStats(v))
		mux.HandleFunc("GET "+v.path("{id}")+"/task/stats", a.taskStats(v))
	}
	mux.HandleFunc("GET /v2/credentials", a.credentials)
	mux.HandleFunc("GET /v2/credentials/{id...}", a.credentials)
	mux.HandleFunc("GET /api/{id}/task-protection/v1/state", a.getProtection)
	mux.HandleFunc("PUT /api/{id}/task-protection/v1/state", a.updateProtection)
	mux.HandleFunc("POST /api/{id}/fault/v1/{kind}/{operation}", a.fault)
	return a.limited(mux)
}

// limited answers 429 to a caller that asks too often (ECS-221).
func (a *Agent) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.limiter.allow(source(r), time.Now()) {
			http.Error(w, tooManyRequests, http.StatusTooManyRequests)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// Variables returns what a container is given of the agent (ECS-220). Without an interface of its
// own, in bridge and host mode, a task cannot be told by its address: it is not served.
func (a *Agent) Variables(task orchestrator.Task, container string) map[string]string {
	if task.Interface == nil {
		return nil
	}
	base, id := "http://"+network.MetadataAddress.String(), endpointID(task.ID, container)
	env := map[string]string{
		"ECS_CONTAINER_METADATA_URI":    base + v3.path(id),
		"ECS_CONTAINER_METADATA_URI_V4": base + v4.path(id),
		"ECS_AGENT_URI":                 base + "/api/" + id,
	}
	if a.config.Credentials != nil && a.roleOf(&task) != "" {
		env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + a.credentialsID(task.ARN)
	}
	return env
}
