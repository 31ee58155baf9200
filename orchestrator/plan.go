package orchestrator

import (
	"cmp"
	"slices"
	"time"

	"drydock/alb"
	"drydock/taskdefs"
	"drydock/timeline"
)

// Input is all that a plan depends on.
type Input struct {
	Now         time.Time
	Pace        Pace
	Services    map[string]*Service                // by ARN; never changed by the planner
	Tasks       map[string]*Task                   // by ARN; never changed by the planner
	Records     map[string]*ServiceDeployment      // by ARN; never changed by the planner
	Revisions   map[string]*ServiceRevision        // by ARN; never changed by the planner
	Alarms      map[string]string                  // states of the alarms that deployments name; absent: no such alarm
	Windows     map[string]time.Duration           // how far back those alarms look, as far as it is known
	CPU         int64                              // CPU units of the engine's machine; 0 is unknown
	EngineUp    bool                               // false: Engine is unknown, not empty
	Engine      map[string]TaskObservation         // by task ARN
	Targets     map[alb.TargetKey]alb.TargetHealth // what is registered; absent is gone
	Weights     map[string]map[string]int          // by listener rule that a deployment shifts traffic with, then target group; absent: no such rule
	Results     []Result                           // what runners reported since the last plan
	TickAt      map[string]time.Time               // by service ARN: its next decision
	AlarmEvents map[string]int64                   // the event of their last change of state, as far as it is known

	Machine string // id of the one container instance

	WarmSize int                       // how many interfaces shall be ready
	Warm     map[string]*WarmInterface // by id; never changed by the planner
	WarmSeen map[string]bool           // by id: whether a task can join it; nil if it is not known
	Hosts    map[string]string         // names that tasks can look up

	Definition func(arn string) *taskdefs.TaskDefinition // nil if it is unknown
	Tags       func(arn string) map[string]string        // of a task definition; nil: none
	Seq        func() int64                              // the next event's number
	ID         func(digits int) string                   // a new id of so many hex digits
}

// Result is what a runner's action came to.
type Result struct {
	Task      string // ARN
	Action    ActionKind
	Err       error
	Interface *TaskInterface // of Attach and Prepare

	Service string // ARN, of an action for a service
	Rule    string // of ShiftTraffic: the listener rule
	Hook    string // of CallHook: which run, and which call of it
	Call    int
	Answer  HookAnswer
}

// ActionKind names one idempotent step outside the planner.
type ActionKind string

// The actions, in the order of a task's life.
const (
	Attach     ActionKind = "attach" // give the task its network interface
	Run        ActionKind = "run"    // bring its containers up
	Register   ActionKind = "register"
	Deregister ActionKind = "deregister"
	Restart    ActionKind = "restart" // start containers again, by their restart policy
	Stop       ActionKind = "stop"    // signal, wait, kill
	Close      ActionKind = "close"   // nobody listens behind its interface any more
	Remove     ActionKind = "remove"  // remove its containers
	Detach     ActionKind = "detach"  // release its network interface

	Prepare ActionKind = "prepare" // make a warm interface and its namespace
	Discard ActionKind = "discard" // remove them
)

// The actions for a service.
const (
	ShiftTraffic ActionKind = "shift traffic" // rewrite the weights of a listener rule
	CallHook     ActionKind = "call hook"     // of a lifecycle stage
)

// Action is one step to take for a task, or for a service. It carries identity only: the runner
// reads the row.
type Action struct {
	Kind  ActionKind
	Task  string // ARN; of Prepare and Discard "warm/" and an id
	Cause int64

	Service string // ARN, of an action for a service
	Split   Split  // of ShiftTraffic
	Hook    string // of CallHook: which run, and which call of it
	Call    int
}

// Plan is what one pass decided. Rows are copies: the input is unchanged.
type Plan struct {
	Services  map[string]*Service // changed rows
	Tasks     map[string]*Task    // changed and new rows
	Records   map[string]*ServiceDeployment
	Revisions map[string]*ServiceRevision
	Gone      []string // ARNs of rows to delete
	Events    []timeline.Event
	Actions   []Action
	TickAt    map[string]time.Time
	Wake      time.Time // when to plan again though nothing happens; zero: never

	Warm map[string]*WarmInterface // changed and new rows; nil: to delete
}

// planner builds one plan.
type planner struct {
	in    Input
	plan  Plan
	tasks []*Task             // all, oldest first; current versions
	of    map[string][]int    // service ARN → indices into tasks
	at    map[string]int      // task ARN → index into tasks
	regs  map[regKey]regCount // registrations that became true in this pass

	failed   map[string]bool           // tasks whose last action failed just now: not again at once
	stood    []standing                // by index into tasks, as far as it was looked up
	underWay map[string]regCount       // registrations that are under way, by service ARN
	spread   map[string]map[string]int // live tasks, by service ARN and subnet; nil until it is needed
}

type regKey struct{ service, group string }

type regCount struct {
	in, out int
	old     string // deployment of the tasks that went out
	cause   int64
}

// Reconcile compares what is desired with what is observed and plans the next steps. It is
// pure: the same input gives the same plan.
func Reconcile(in Input) Plan {
	p := newPlanner(in)
	for _, r := range in.Results {
		if r.Service != "" {
			p.shiftResult(r)
			continue
		}
		p.failed[r.Task] = r.Err != nil
		p.result(r)
	}
	p.countUnderWay()
	for i := range p.tasks {
		p.observe(i)
	}
	p.sayRegistrations()
	for _, arn := range sortedKeys(in.Services) {
		p.service(arn)
	}
	for i := range p.tasks {
		p.act(i)
	}
	p.pool()
	p.orphans()
	return p.plan
}

// orphans removes containers with our labels whose task is unknown or STOPPED.
func (p *planner) orphans() {
	var orphans []string
	for arn := range p.in.Engine {
		t := p.in.Tasks[arn]
		if t == nil && !p.failed[arn] || t != nil && t.Status == Stopped && p.due(t.RetryAt) {
			orphans = append(orphans, arn)
		}
	}
	slices.Sort(orphans)
	for _, arn := range orphans {
		p.plan.Actions = append(p.plan.Actions, Action{Kind: Remove, Task: arn})
	}
}

func newPlanner(in Input) *planner {
	p := &planner{in: in, of: map[string][]int{}, regs: map[regKey]regCount{}, underWay: map[string]regCount{}, failed: map[string]bool{}}
	p.plan.Services, p.plan.Tasks, p.plan.Records = map[string]*Service{}, map[string]*Task{}, map[string]*ServiceDeployment{}
	p.plan.Revisions = map[string]*ServiceRevision{}
	p.plan.TickAt, p.plan.Warm = map[string]time.Time{}, map[string]*WarmInterface{}
	p.tasks = oldestFirst(in.Tasks)
	for i, t := range p.tasks {
		if t.Service != "" {
			p.of[t.Service] = append(p.of[t.Service], i)
		}
	}
	return p
}

// oldestFirst sorts tasks. The keys are beside each other in memory: there may be many tasks.
func oldestFirst(tasks map[string]*Task) []*Task {
	type dated struct {
		created int64
		task    *Task
	}
	keys := make([]dated, 0, len(tasks))
	for _, t := range tasks {
		keys = append(keys, dated{t.CreatedAt.UnixNano(), t})
	}
	slices.SortFunc(keys, func(a, b dated) int {
		if c := cmp.Compare(a.created, b.created); c != 0 {
			return c
		}
		return cmp.Compare(a.task.ID, b.task.ID)
	})
	sorted := make([]*Task, 0, len(keys))
	for _, k := range keys {
		sorted = append(sorted, k.task)
	}
	return sorted
}

// edit returns the task at i for changing: a copy, made once.
func (p *planner) edit(i int) *Task {
	t := p.tasks[i]
	if p.plan.Tasks[t.ARN] != t {
		t = t.clone()
		p.tasks[i] = t
		p.plan.Tasks[t.ARN] = t
	}
	return t
}

// editService returns the service for changing: a copy, made once.
func (p *planner) editService(arn string) *Service {
	s, ok := p.plan.Services[arn]
	if !ok {
		s = p.in.Services[arn].clone()
		p.plan.Services[arn] = s
	}
	return s
}

// serviceNow returns the service as planned so far, for reading.
func (p *planner) serviceNow(arn string) *Service {
	if s, ok := p.plan.Services[arn]; ok {
		return s
	}
	return p.in.Services[arn]
}

// index returns the position of a task, -1 if there is none.
func (p *planner) index(arn string) int {
	if len(p.at) != len(p.tasks) { // tasks are only added
		p.at = make(map[string]int, len(p.tasks))
		for i, t := range p.tasks {
			p.at[t.ARN] = i
		}
	}
	if i, ok := p.at[arn]; ok {
		return i
	}
	return -1
}

// wake asks for another pass at t at the latest.
func (p *planner) wake(t time.Time) {
	if p.plan.Wake.IsZero() || t.Before(p.plan.Wake) {
		p.plan.Wake = t
	}
}

// due reports whether a deadline has passed, and asks for a pass when it will have.
func (p *planner) due(t time.Time) bool {
	if t.After(p.in.Now) {
		p.wake(t)
		return false
	}
	return true
}

// event records what happened and returns its number.
func (p *planner) event(kind timeline.Kind, subject string, cause int64, message string, data map[string]string) int64 {
	e := timeline.Event{Seq: p.in.Seq(), Time: p.in.Now, Kind: kind, Subject: subject, Cause: cause, Message: message, Data: data}
	p.plan.Events = append(p.plan.Events, e)
	return e.Seq
}

// say adds a service event in AWS's wording and puts it on the timeline.
func (p *planner) say(s *Service, cause int64, message string) {
	e := Event{ID: uuid(p.in.ID), CreatedAt: p.in.Now, Message: message}
	s.Events = slices.Insert(s.Events, 0, e)
	if len(s.Events) > maxServiceEvents {
		s.Events = s.Events[:maxServiceEvents]
	}
	p.event(timeline.ServiceEvent, s.ARN, cause, message, map[string]string{"service": s.Name, "cluster": s.Cluster})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// uuid formats 32 hex digits as a UUID.
func uuid(id func(int) string) string {
	s := id(32)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
