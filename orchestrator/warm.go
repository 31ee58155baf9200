package orchestrator

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"drydock/network"
)

// Warmer is the ability of an [Engine] to keep network namespaces ready for tasks. Its methods
// are idempotent and keyed by an id that is ours, so that a call that was cut off is finished
// by the same call.
type Warmer interface {
	// Warm makes a namespace that has the interface. It stays until Cool, whoever joins it.
	Warm(ctx context.Context, spec WarmSpec) error
	// Cool removes a namespace, also from under a task that has joined it. One that is
	// not there is not an error.
	Cool(ctx context.Context, id string) error
	// ListWarm observes every namespace that Warm has made, joined or not.
	ListWarm(ctx context.Context) ([]WarmObservation, error)
}

// WarmSpec is all that a namespace has before its task is known.
type WarmSpec struct {
	ID        string // 16 hex digits
	Interface Interface
	Hosts     map[string]string // names that can be looked up in it
}

// WarmObservation is what an engine sees of one namespace.
type WarmObservation struct {
	ID      string
	Address netip.Addr
	Ready   bool // a task can join it
}

// WarmInterface is a network interface that is ready, with its namespace, before the task that
// takes it: what AWS's VPC CNI keeps as warm ENIs. The row is there before what it names and
// goes after it. A task claims it by Task, in the pass that begins to attach the task; when the
// task's own row has the interface, the claim has been honoured and this row goes. So at any
// moment a namespace belongs to one warm row or to one task row.
type WarmInterface struct {
	ID        string            `json:"id"`      // 16 hex digits
	Subnets   []string          `json:"subnets"` // where it may be: in the one that has most free addresses
	Hosts     map[string]string `json:"hosts,omitempty"`
	Interface *TaskInterface    `json:"interface,omitempty"` // nil until it is made
	Ready     bool              `json:"ready,omitempty"`     // its namespace has been seen
	Task      string            `json:"task,omitempty"`      // ARN of the task that is getting it
	Leaving   string            `json:"leaving,omitempty"`   // why it is being given up
	CreatedAt time.Time         `json:"createdAt"`
	RetryAt   time.Time         `json:"retryAt,omitzero"`    // an action failed, or is not seen yet: not again before
	Complaint string            `json:"complaint,omitempty"` // what the last failed action said
}

// spare reports whether a task may still get it.
func (w *WarmInterface) spare() bool { return w.Task == "" && w.Leaving == "" }

func (w *WarmInterface) clone() *WarmInterface {
	c := *w
	return &c
}

// warmSubject is what a warm interface's events and actions are about.
func warmSubject(id string) string { return network.WarmOwner + id }

// WarmPool returns how many interfaces are ready for tasks, and how many shall be.
func (c *Controller) WarmPool() (ready, size int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, w := range c.warm {
		if w.spare() && w.Ready {
			ready++
		}
	}
	return ready, c.warmSize()
}

// warmSize is how many interfaces shall be ready: none if the engine can't keep any.
func (c *Controller) warmSize() int {
	if _, able := c.engine.(Warmer); !able {
		return 0
	}
	return c.config.WarmPool
}

// lookWarm observes the namespaces; nil if there can be none.
func (c *Controller) lookWarm(ctx context.Context) (map[string]bool, error) {
	warmer, able := c.engine.(Warmer)
	if !able || c.config.WarmPool == 0 && !c.hasWarm() {
		return nil, nil
	}
	list, err := warmer.ListWarm(ctx)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(list))
	for _, o := range list {
		seen[o.ID] = o.Ready
	}
	return seen, nil
}

func (c *Controller) hasWarm() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.warm) > 0
}

// prepareWarm makes an interface and its namespace. One that is known is not made again: a task
// may have got it meanwhile, and the next would be nobody's.
func (c *Controller) prepareWarm(ctx context.Context, w *WarmInterface) (*TaskInterface, error) {
	made := w.Interface
	if made == nil {
		i, err := c.network.CreateWarmInterface(ctx, w.ID, w.Subnets)
		if err != nil {
			return nil, err
		}
		made = taskInterface(i)
	}
	return made, c.engine.(Warmer).Warm(ctx, WarmSpec{ID: w.ID, Interface: c.engineInterface(made), Hosts: w.Hosts})
}

// discardWarm removes a namespace and then the interface that no task has got.
func (c *Controller) discardWarm(ctx context.Context, id string) error {
	if err := c.engine.(Warmer).Cool(ctx, id); err != nil {
		return err
	}
	return c.network.DeleteInterfacesOf(ctx, warmSubject(id), time.Now())
}

// coolTask removes the namespace that a task had from the pool.
func (c *Controller) coolTask(ctx context.Context, t *Task) error {
	if t == nil || t.Interface.warm() == "" {
		return nil
	}
	warmer, able := c.engine.(Warmer)
	if !able {
		return nil
	}
	return warmer.Cool(ctx, t.Interface.warm())
}

// claimed returns the warm interface that a task is to get, nil if there is none.
func (c *Controller) claimed(task string) *WarmInterface {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, w := range c.warm {
		if w.Task == task {
			return w
		}
	}
	return nil
}

// taskInterface is the part of an interface that a task's row keeps.
func taskInterface(i network.Interface) *TaskInterface {
	return &TaskInterface{ID: i.ID, Subnet: i.SubnetID, Zone: i.Zone, Address: i.Address, MAC: i.MAC, DNSName: i.PrivateDNSName}
}

// warm is the id of the namespace that was ready before the task, empty if it has none.
func (i *TaskInterface) warm() string {
	if i == nil {
		return ""
	}
	return i.Warm
}

// engineInterface is the part of an interface that an engine needs; of none, nothing.
func (c *Controller) engineInterface(i *TaskInterface) Interface {
	if i == nil {
		return Interface{}
	}
	vpc := c.network.DefaultVPC()
	return Interface{
		VPC:     VPC{ID: vpc.ID, CIDR: vpc.CIDR, Gateway: vpc.CIDR.Masked().Addr().Next()},
		Address: i.Address, MAC: i.MAC,
	}
}

func sortedWarm(m map[string]*WarmInterface) []*WarmInterface {
	rows := make([]*WarmInterface, 0, len(m))
	for _, w := range m {
		rows = append(rows, w)
	}
	slices.SortFunc(rows, func(a, b *WarmInterface) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return rows
}

// warmHosts are the names in every namespace that is made now, if any may be.
func (c *Controller) warmHosts() map[string]string {
	if c.warmSize() == 0 && len(c.warm) == 0 {
		return nil
	}
	return c.hosts()
}
