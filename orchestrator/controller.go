package orchestrator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"drydock/alb"
	"drydock/network"
	"drydock/taskdefs"
	"drydock/timeline"
)

// Store makes the scheduler's rows and events durable.
type Store interface {
	// NextSeq returns the number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key";
	// a nil document deletes the row; any other is stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Balancer is what the scheduler asks of the load balancer.
type Balancer interface {
	// Targets returns every registered target; one that is absent is gone.
	Targets() map[alb.TargetKey]alb.TargetHealth
	RegisterTargets(ctx context.Context, group string, targets []alb.Target) error
	DeregisterTargets(ctx context.Context, group string, targets []alb.Target) error
	DescribeTargetGroups(ctx context.Context, loadBalancer string, arns, names []string) ([]alb.TargetGroup, error)
	// Changes pokes its channel, of size 1, whenever Targets may have changed.
	Changes(ctx context.Context) <-chan struct{}
}

// Network is what the scheduler asks of the network.
type Network interface {
	ResolveSubnets(ctx context.Context, ids []string) ([]network.Subnet, error)
	ResolveSecurityGroups(ctx context.Context, ids []string) ([]network.SecurityGroup, error)
	DefaultVPC() network.VPC
	// CreateInterface is idempotent per owner.
	CreateInterface(ctx context.Context, in network.CreateInterfaceInput) (network.Interface, error)
	// CreateWarmInterface makes an interface for no task yet. It is idempotent per id.
	CreateWarmInterface(ctx context.Context, id string, subnets []string) (network.Interface, error)
	// AssignInterface makes a warm interface its task's. It is idempotent per id and owner.
	AssignInterface(ctx context.Context, id string, in network.CreateInterfaceInput) (network.Interface, error)
	// CloseInterface makes connections to an interface be reset: what was behind it has ended.
	CloseInterface(ctx context.Context, id string) error
	// DeleteInterfacesOf deletes every interface of a task, also one that its row does not name.
	DeleteInterfacesOf(ctx context.Context, owner string, now time.Time) error
	// Applied returns when the security groups of every interface made so far are in force.
	Applied(ctx context.Context) error
}

// Alarms is what the scheduler asks of CloudWatch.
type Alarms interface {
	// States returns the states of the alarms with these names: OK, ALARM or
	// INSUFFICIENT_DATA; one that does not exist is absent. It never waits.
	States(names []string) map[string]string
}

// AlarmWindows is an ability of [Alarms]: to tell how far back alarms look, which is their
// period times their evaluation periods. A deployment bakes for the longest.
type AlarmWindows interface {
	Windows(names []string) map[string]time.Duration
}

// AlarmEvents is an ability of [Alarms]: to tell the event of an alarm's last change of state,
// which is the cause of what is done about it; 0 if there is none.
type AlarmEvents interface {
	StateEvent(name string) int64
}

// Definitions looks task definitions up by ARN, family:revision, or family.
type Definitions interface {
	Lookup(ref string) (taskdefs.Registered, error)
}

// Config is a controller's configuration. Sweep is the longest time between two looks at
// the engine; zero is 5 s.
type Config struct {
	Region  string
	Account string
	Pace    Pace
	// Machine is the id of the one container instance: this machine.
	Machine string
	Sweep   time.Duration
	Logger  *slog.Logger
	// WarmPool is how many task interfaces are kept ready, if the engine is a [Warmer].
	WarmPool int
	// Alarms, if set, tells the states of CloudWatch's alarms.
	Alarms Alarms
	// Secrets, if set, has the values of secrets and environment files; without it, a task that
	// names any fails to start and says so.
	Secrets Secrets
	// HookDir is the directory from which lifecycle hooks may run commands; empty: none may.
	HookDir string
	// CallHook, if set, calls a deployment's lifecycle hook in place of [CallHookTarget].
	CallHook func(ctx context.Context, target string, event []byte) ([]byte, error)
	// Hosts returns names that tasks can look up: the load balancers' DNS names.
	Hosts func() map[string]string
	// Inject, if set, returns the variables that ECS's agent gives one container of a task: where
	// its metadata, its credentials and the agent are. Nil: the agent does not serve.
	Inject func(task Task, container string) map[string]string
	// BeforeRemove, if set, is called before a task's containers are removed: the last
	// chance to keep their logs.
	BeforeRemove func(ctx context.Context, task Task)
}

// Controller is the scheduler. Its exported operations are ECS's; Run is the loop.
type Controller struct {
	config      Config
	store       Store
	engine      Engine
	balancer    Balancer
	network     Network
	definitions Definitions

	writing   sync.Mutex   // held over read, commit and publish of a change
	mu        sync.RWMutex // held to read what is published, and for writing to publish
	clusters  map[string]*Cluster
	services  map[string]*Service
	tasks     map[string]*Task
	warm      map[string]*WarmInterface
	records   map[string]*ServiceDeployment
	revisions map[string]*ServiceRevision
	tokens    map[string]*tokenUse // RunTask's client tokens
	settings  map[string]string    // of the account, those that were set
	tickAt    map[string]time.Time
	hookCalls map[string]int // by hook run: its last call that was made

	poke    chan struct{}
	runners runners
	watch   observer
}

// New returns a controller with the rows of the store. Nothing happens before Run.
func New(ctx context.Context, store Store, engine Engine, balancer Balancer, net Network, definitions Definitions, config Config) (*Controller, error) {
	if config.Sweep == 0 {
		config.Sweep = 5 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		config: config, store: store, engine: engine, balancer: balancer, network: net, definitions: definitions,
		clusters: map[string]*Cluster{}, services: map[string]*Service{}, tasks: map[string]*Task{},
		records: map[string]*ServiceDeployment{}, revisions: map[string]*ServiceRevision{},
		warm: map[string]*WarmInterface{}, settings: map[string]string{}, tokens: map[string]*tokenUse{}, tickAt: map[string]time.Time{}, hookCalls: map[string]int{}, poke: make(chan struct{}, 1),
	}
	c.runners.init()
	c.watch.init()
	if err := c.load(ctx); err != nil {
		return nil, fmt.Errorf("load the scheduler's state: %w", err)
	}
	return c, nil
}

// The kinds of rows.
const (
	clusterRow  = "cluster/"
	serviceRow  = "service/"
	taskRow     = "task/"
	warmRow     = "warm/"
	recordRow   = "servicedeployment/"
	revisionRow = "servicerevision/"
	tokenRow    = "clienttoken/"
)

func (c *Controller) load(ctx context.Context) error {
	if err := loadRows(ctx, c.store, "cluster", c.clusters); err != nil {
		return err
	}
	if err := loadRows(ctx, c.store, "service", c.services); err != nil {
		return err
	}
	if err := loadRows(ctx, c.store, "clienttoken", c.tokens); err != nil {
		return err
	}
	if err := loadRows(ctx, c.store, "servicedeployment", c.records); err != nil {
		return err
	}
	if err := loadRows(ctx, c.store, "servicerevision", c.revisions); err != nil {
		return err
	}
	if err := c.store.Load(ctx, "accountsettings", func(_ string, doc []byte) error { return json.Unmarshal(doc, &c.settings) }); err != nil {
		return err
	}
	if err := loadRows(ctx, c.store, "warm", c.warm); err != nil {
		return err
	}
	return loadRows(ctx, c.store, "task", c.tasks)
}

func loadRows[T any](ctx context.Context, store Store, kind string, into map[string]*T) error {
	return store.Load(ctx, kind, func(key string, doc []byte) error {
		row := new(T)
		into[key] = row
		return json.Unmarshal(doc, row)
	})
}

// Poke asks the loop for a pass. It never blocks.
func (c *Controller) Poke() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// change is one transaction of an API operation: rows are published when they are durable.
type change struct {
	c      *Controller
	now    time.Time
	cause  int64
	rows   map[string]any
	events []timeline.Event
	commit []func()
	failed *PlacementError // of RunTask
}

// update runs f on the current rows and commits what it changed. f must not change rows in
// place: it puts new ones.
func (c *Controller) update(ctx context.Context, f func(*change) error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	x := &change{c: c, now: time.Now(), cause: timeline.CauseFrom(ctx), rows: map[string]any{}}
	if err := f(x); err != nil {
		return err
	}
	if err := c.store.Commit(ctx, x.rows, x.events); err != nil {
		return err
	}
	c.publish(func() {
		for _, publish := range x.commit {
			publish()
		}
	})
	c.Poke()
	return nil
}

// publish lets readers see what is durable. The caller is the one who writes: readers wait for
// it no longer than it takes, however slow the disk is.
func (c *Controller) publish(rows func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows()
}

func (x *change) putCluster(row *Cluster) {
	x.rows[clusterRow+row.Name] = row
	x.commit = append(x.commit, func() { x.c.clusters[row.Name] = row })
}

func (x *change) putService(row *Service) {
	x.rows[serviceRow+row.ARN] = row
	x.commit = append(x.commit, func() { x.c.services[row.ARN] = row })
}

func (x *change) putRecord(row *ServiceDeployment) {
	x.rows[recordRow+row.ARN] = row
	x.commit = append(x.commit, func() { x.c.records[row.ARN] = row })
}

func (x *change) putRevision(row *ServiceRevision) {
	x.rows[revisionRow+row.ARN] = row
	x.commit = append(x.commit, func() { x.c.revisions[row.ARN] = row })
}

// drop deletes a row; forget deletes it from memory.
func (x *change) drop(kind, key string, forget func()) {
	x.rows[kind+key] = nil
	x.commit = append(x.commit, forget)
}

func (x *change) putTask(row *Task) {
	x.rows[taskRow+row.ARN] = row
	x.commit = append(x.commit, func() { x.c.tasks[row.ARN] = row })
}

func (x *change) event(kind timeline.Kind, subject, message string, data map[string]string) int64 {
	e := timeline.Event{Seq: x.c.store.NextSeq(), Time: x.now, Kind: kind, Subject: subject, Cause: x.cause, Message: message, Data: data}
	x.events = append(x.events, e)
	return e.Seq
}

// Snapshot is a consistent view of everything the scheduler knows. Rows are never changed
// after they are published: do not change them.
type Snapshot struct {
	Clusters  map[string]*Cluster           // by name
	Services  map[string]*Service           // by ARN
	Tasks     map[string]*Task              // by ARN
	Records   map[string]*ServiceDeployment // by ARN
	Revisions map[string]*ServiceRevision   // by ARN
	Engine    string                        // empty if the engine answers, else why it does not
}

// Snapshot returns the current rows.
func (c *Controller) Snapshot() Snapshot {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return Snapshot{maps.Clone(c.clusters), maps.Clone(c.services), maps.Clone(c.tasks), maps.Clone(c.records), maps.Clone(c.revisions), c.watch.last().trouble}
}

// definition returns a task definition by ARN, nil if it is unknown.
func (c *Controller) definition(arn string) *taskdefs.TaskDefinition {
	r, err := c.definitions.Lookup(arn)
	if err != nil {
		return nil
	}
	return &r.Document.Definition
}

// definitionTags returns the tags of a task definition.
func (c *Controller) definitionTags(arn string) map[string]string {
	r, err := c.definitions.Lookup(arn)
	if err != nil {
		return nil
	}
	tags := map[string]string{}
	for _, t := range r.Tags {
		tags[t.Key] = t.Value
	}
	return tags
}

// randomHex returns so many random hex digits.
func randomHex(digits int) string {
	b := make([]byte, (digits+1)/2)
	rand.Read(b)
	return hex.EncodeToString(b)[:digits]
}
