package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drydock/network"
	"drydock/taskdefs"
	"drydock/timeline"
)

const (
	// warmQuiet is how long no task may have started before the pool is filled again: those
	// that did have the machine to themselves until their targets are healthy.
	warmQuiet = 300 * time.Millisecond
	// warmParallel is how many interfaces are made ready at a time: half of what Docker gains from.
	warmParallel = 2
	// warmSeenIn is how soon a namespace that was made must be seen.
	warmSeenIn = 2 * time.Second
	// warmRetry is how long a failed attempt at a warm interface waits: nobody waits for it.
	warmRetry = 5 * time.Second
)

// warmNow returns the warm interfaces as planned so far, oldest first.
func (p *planner) warmNow() []*WarmInterface {
	rows := maps.Clone(p.in.Warm)
	if rows == nil {
		rows = map[string]*WarmInterface{}
	}
	maps.Copy(rows, p.plan.Warm)
	maps.DeleteFunc(rows, func(_ string, w *WarmInterface) bool { return w == nil })
	return sortedWarm(rows)
}

// warmRow returns a warm interface as planned so far, nil if it is not there.
func (p *planner) warmRow(id string) *WarmInterface {
	if w, changed := p.plan.Warm[id]; changed {
		return w
	}
	return p.in.Warm[id]
}

// editWarm returns a warm interface for changing: a copy, made once.
func (p *planner) editWarm(id string) *WarmInterface {
	w, changed := p.plan.Warm[id]
	if !changed {
		w = p.in.Warm[id].clone()
		p.plan.Warm[id] = w
	}
	return w
}

// warmRows adds the changed rows to those of a transaction.
func (plan Plan) warmRows(rows map[string]any) {
	for id, w := range plan.Warm {
		rows[warmRow+id] = w
		if w == nil {
			rows[warmRow+id] = nil // not a nil pointer: that would be a document
		}
	}
}

func (plan Plan) publishWarm(into map[string]*WarmInterface) {
	for id, w := range plan.Warm {
		if w == nil {
			delete(into, id)
		} else {
			into[id] = w
		}
	}
}

// claimWarm gives a task that is about to be attached a warm interface in one of its subnets,
// if there is one: the claim is durable before the interface is assigned.
func (p *planner) claimWarm(t *Task) {
	if !p.in.EngineUp || len(p.in.WarmSeen) == 0 || t.Network == nil || !p.warmable(t) {
		return
	}
	var best *WarmInterface
	for _, w := range p.warmNow() {
		if w.Task == t.ARN {
			return
		}
		if p.claimable(w, t) && (best == nil || p.inSubnet(t, w.Interface.Subnet) < p.inSubnet(t, best.Interface.Subnet)) {
			best = w
		}
	}
	if best == nil {
		return
	}
	p.editWarm(best.ID).Task = t.ARN
	count := p.inSubnet(t, best.Interface.Subnet)
	p.spread[t.Service][best.Interface.Subnet] = count + 1
}

// claimable reports whether a task may have a warm interface: it is known to be ready, nothing
// in it has aged, and it does not crowd the service's tasks into one subnet.
func (p *planner) claimable(w *WarmInterface, t *Task) bool {
	if !w.spare() || !w.Ready || !p.in.WarmSeen[w.ID] || !maps.Equal(w.Hosts, p.in.Hosts) || !slices.Contains(t.Network.Subnets, w.Interface.Subnet) {
		return false
	}
	if t.Complaint != "" { // there is no other address, perhaps
		return true
	}
	least := p.inSubnet(t, w.Interface.Subnet)
	for _, subnet := range t.Network.Subnets {
		least = min(least, p.inSubnet(t, subnet))
	}
	return p.inSubnet(t, w.Interface.Subnet) <= least+1
}

// inSubnet counts the live tasks of t's service in a subnet, claims included.
func (p *planner) inSubnet(t *Task, subnet string) int {
	if p.spread == nil {
		p.countSpread()
	}
	if p.spread[t.Service] == nil {
		p.spread[t.Service] = map[string]int{}
	}
	return p.spread[t.Service][subnet]
}

func (p *planner) countSpread() {
	p.spread = map[string]map[string]int{}
	add := func(service, subnet string) {
		if p.spread[service] == nil {
			p.spread[service] = map[string]int{}
		}
		p.spread[service][subnet]++
	}
	for _, t := range p.tasks {
		if t.live() && t.Interface != nil && t.Service != "" {
			add(t.Service, t.Interface.Subnet)
		}
	}
	for _, w := range p.warmNow() {
		if i := p.index(w.Task); w.Task != "" && i >= 0 && p.tasks[i].Service != "" {
			add(p.tasks[i].Service, w.Interface.Subnet)
		}
	}
}

// warmable reports whether a task can live in a namespace that was made before it was known:
// names, other namespaces and kernel parameters of one can't be changed afterwards.
func (p *planner) warmable(t *Task) bool {
	def := p.in.Definition(t.TaskDefinition)
	return def != nil && def.NetworkMode == "awsvpc" && def.PIDMode == "" && def.IPCMode == "" && !slices.ContainsFunc(def.ContainerDefinitions, func(c taskdefs.ContainerDefinition) bool {
		return c.Hostname != "" || len(c.ExtraHosts) > 0 || len(c.DNSServers) > 0 || len(c.DNSSearchDomains) > 0 ||
			slices.ContainsFunc(c.SystemControls, func(s taskdefs.SystemControl) bool { return strings.HasPrefix(s.Namespace, "net.") })
	})
}

// attached ends the claim of a task that has its interface.
func (p *planner) attached(t *Task) {
	if w := p.warmRow(t.Interface.warm()); w != nil {
		p.plan.Warm[w.ID] = nil
	}
}

// attachFailed gives a warm interface up that its task could not get: it is attached without next.
func (p *planner) attachFailed(r Result) {
	for _, w := range p.warmNow() {
		if w.Task == r.Task {
			p.giveUp(w, "it could not be assigned: "+r.Err.Error())
		}
	}
}

// giveUp marks a warm interface for its end.
func (p *planner) giveUp(w *WarmInterface, why string) {
	if w.Leaving != "" {
		return
	}
	w = p.editWarm(w.ID)
	w.Task, w.Leaving, w.RetryAt = "", why, time.Time{}
	p.event(timeline.Network, warmSubject(w.ID), 0, fmt.Sprintf("warm interface %s is given up: %s", w.ID, why), nil)
}

// warmResult takes in what became of a warm interface's action.
func (p *planner) warmResult(r Result) {
	id := strings.TrimPrefix(r.Task, network.WarmOwner)
	p.failed[r.Task] = r.Err != nil
	if p.warmRow(id) == nil {
		return
	}
	if r.Err == nil && r.Action == Discard {
		p.plan.Warm[id] = nil
		return
	}
	w := p.editWarm(id)
	if r.Interface != nil {
		w.Interface = r.Interface
	}
	if r.Err == nil {
		w.RetryAt, w.Complaint = p.in.Now.Add(warmSeenIn), ""
		return
	}
	w.RetryAt = p.in.Now.Add(warmRetry)
	if w.Complaint != r.Err.Error() {
		w.Complaint = r.Err.Error()
		p.event(timeline.Warning, warmSubject(id), 0, fmt.Sprintf("%s warm interface %s: %v; trying again", r.Action, id, r.Err), nil)
	}
}

// pool plans the warm interfaces: those of ended claims and surplus ones go, and new ones are
// made when the machine has nothing better to do.
func (p *planner) pool() {
	if !p.in.EngineUp || p.in.WarmSeen == nil {
		return
	}
	subnets := p.warmSubnets()
	idle := p.idle()
	for _, w := range p.warmNow() {
		p.settleWarm(w, subnets)
	}
	p.trimWarm()
	if idle {
		p.refill(subnets)
	}
	for _, w := range p.warmNow() {
		p.actWarm(w, idle)
	}
	p.strays()
}

// settleWarm brings one row up to what was observed, and gives it up if no task can use it.
func (p *planner) settleWarm(w *WarmInterface, subnets []string) {
	if w.Task != "" {
		p.settleClaim(w)
		return
	}
	ready := p.in.WarmSeen[w.ID]
	switch {
	case w.Leaving != "":
	case w.Ready && !ready:
		p.giveUp(w, "its namespace has ended")
	case !maps.Equal(w.Hosts, p.in.Hosts):
		p.giveUp(w, "the names of load balancers have changed")
	case w.Interface != nil && !slices.Contains(subnets, w.Interface.Subnet):
		p.giveUp(w, "no task is in its subnet any more")
	case !w.Ready && ready && w.Interface != nil:
		p.editWarm(w.ID).Ready = true
	}
}

// settleClaim ends a claim that will not be honoured. Only a task without an interface of its
// own has a claim: when it has one, the claim's row is gone in the same transaction.
func (p *planner) settleClaim(w *WarmInterface) {
	i := p.index(w.Task)
	switch {
	case i < 0 || !p.tasks[i].live():
		p.giveUp(w, "its task has ended")
	case p.tasks[i].Interface != nil: // and perhaps this one too, on its way
		p.giveUp(w, "its task was being attached without it already")
	}
}

// trimWarm gives up what is more than the pool's size, or all of it when a task finds no address.
func (p *planner) trimWarm() {
	size := p.poolSize()
	spare := slices.DeleteFunc(p.warmNow(), func(w *WarmInterface) bool { return !w.spare() })
	for n := size; n < len(spare); n++ {
		p.giveUp(spare[n], fmt.Sprintf("the pool's size is %d", size))
	}
}

// poolSize is how many interfaces are to be ready: none while a task finds no address.
func (p *planner) poolSize() int {
	if p.starved() {
		return 0
	}
	return p.in.WarmSize
}

// starved reports whether a task waits for an address in vain.
func (p *planner) starved() bool {
	return slices.ContainsFunc(p.tasks, func(t *Task) bool {
		return t.live() && t.Status == Provisioning && t.awsvpc() && t.Interface == nil && t.Complaint != ""
	})
}

// idle reports whether no task is starting, nor has just started.
func (p *planner) idle() bool {
	last := time.Time{}
	for _, t := range p.tasks {
		if t.pending() && !(t.Status == Provisioning && t.Complaint != "") {
			return false
		}
		if t.StartedAt.After(last) {
			last = t.StartedAt
		}
	}
	return p.due(last.Add(warmQuiet))
}

// refill adds the rows that the pool lacks, a few at a time.
func (p *planner) refill(subnets []string) {
	if len(subnets) == 0 {
		return
	}
	spare, making := 0, 0
	for _, w := range p.warmNow() {
		if w.spare() {
			spare++
			if !w.Ready {
				making++
			}
		}
	}
	for size := p.poolSize(); spare < size && making < warmParallel; spare, making = spare+1, making+1 {
		w := &WarmInterface{ID: p.in.ID(16), Subnets: subnets, Hosts: p.in.Hosts, CreatedAt: p.in.Now}
		p.plan.Warm[w.ID] = w
	}
}

// actWarm plans what is to be done next for a warm interface.
func (p *planner) actWarm(w *WarmInterface, idle bool) {
	switch {
	case w.Task != "" || w.Ready && w.Leaving == "" || !p.due(w.RetryAt):
	case w.Leaving != "":
		p.plan.Actions = append(p.plan.Actions, Action{Kind: Discard, Task: warmSubject(w.ID)})
	case idle:
		p.plan.Actions = append(p.plan.Actions, Action{Kind: Prepare, Task: warmSubject(w.ID)})
	}
}

// strays removes namespaces that no row names.
func (p *planner) strays() {
	if len(p.in.WarmSeen) == 0 {
		return
	}
	named := map[string]bool{}
	for _, w := range p.warmNow() {
		named[w.ID] = true
	}
	for _, t := range p.tasks {
		if t.Interface != nil && t.Status != Stopped {
			named[t.Interface.Warm] = true
		}
	}
	for _, id := range sortedKeys(p.in.WarmSeen) {
		if !named[id] && !p.failed[warmSubject(id)] {
			p.plan.Actions = append(p.plan.Actions, Action{Kind: Discard, Task: warmSubject(id)})
		}
	}
}

// warmSubnets returns the subnets that tasks use; when there is none, those that the last one
// used, for as long as it is remembered.
func (p *planner) warmSubnets() []string {
	used := map[string]bool{}
	add := func(n *NetworkConfiguration) {
		if n != nil {
			for _, subnet := range n.Subnets {
				used[subnet] = true
			}
		}
	}
	for arn := range p.in.Services {
		if s := p.serviceNow(arn); s.Status == ServiceActive {
			add(s.Network)
		}
	}
	var last *NetworkConfiguration
	for _, t := range p.tasks {
		if t.live() {
			add(t.Network)
		}
		if t.Network != nil {
			last = t.Network
		}
	}
	if len(used) == 0 {
		add(last)
	}
	return sortedKeys(used)
}
