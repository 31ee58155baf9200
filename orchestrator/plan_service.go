package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/timeline"
)

// decision is what the scheduler decides for one service in one pass.
type decision struct {
	start    map[string]int // deployment id → tasks to start
	replaced int            // how many of them replace unhealthy tasks
	stop     []stopDecision
	stopped  map[int]bool // the tasks in stop
	min, max int
	healthy  int
	stuck    bool
	blocked  map[string]int // deployment id → tasks that would be stopped were they not protected
}

// add decides to stop a task.
func (d *decision) add(s stopDecision) {
	d.stop = append(d.stop, s)
	d.stopped[s.task] = true
}

func (d *decision) stops(i int) bool { return d.stopped[i] }

type stopDecision struct {
	task    int // index
	verdict *verdict
}

// service plans the next steps of one service.
func (p *planner) service(arn string) {
	p.count(arn)
	s := p.serviceNow(arn)
	if s.Status == ServiceInactive {
		p.forget(s)
		return
	}
	if !p.ticks(arn) {
		return
	}
	if s.Status == ServiceDraining && p.gone(arn) {
		p.inactive(arn)
		return
	}
	if len(s.Deployments) == 0 {
		return
	}
	p.obeyStop(arn)
	p.trip(arn)
	p.watchAlarms(arn)
	p.shift(arn)
	d := p.decide(arn)
	p.carryOut(arn, d)
	p.count(arn)
	p.complete(arn)
	p.record(arn)
}

// ticks reports whether the scheduler's period allows a decision now (ECS-001).
func (p *planner) ticks(arn string) bool {
	if p.in.Pace.Tick == 0 {
		return true
	}
	next := p.in.TickAt[arn]
	if !p.due(next) {
		return false
	}
	next = p.in.Now.Add(p.in.Pace.Tick)
	p.plan.TickAt[arn] = next
	p.wake(next)
	return true
}

// count brings the deployments' counters up to date.
func (p *planner) count(arn string) {
	s := p.serviceNow(arn)
	for n := range s.Deployments {
		old := s.Deployments[n]
		d := old
		d.PendingCount, d.RunningCount, d.HealthyCount = p.tally(arn, d.ID)
		d.DesiredCount = 0
		if d.Status == DeploymentPrimary {
			d.DesiredCount = s.DesiredCount
		}
		if d.Status == DeploymentActive && d.Keep < 0 {
			d.Keep = p.liveOf(arn, d.ID)
		}
		if d.Status == DeploymentActive {
			d.Keep, d.Grow = d.Keep+d.Grow, 0
		}
		if d.PendingCount != old.PendingCount || d.RunningCount != old.RunningCount || d.HealthyCount != old.HealthyCount ||
			d.DesiredCount != old.DesiredCount || d.Keep != old.Keep || d.Grow != old.Grow {
			d.UpdatedAt = p.in.Now
			s = p.editService(arn)
			s.Deployments[n] = d
		}
	}
}

func (p *planner) tally(arn, deployment string) (pending, running, healthy int) {
	for _, i := range p.of[arn] {
		t := p.tasks[i]
		if t.Deployment != deployment {
			continue
		}
		if t.pending() {
			pending++
		}
		if t.running() {
			running++
		}
		if p.healthy(i) {
			healthy++
		}
	}
	return pending, running, healthy
}

func (p *planner) liveOf(arn, deployment string) int {
	n := 0
	for _, i := range p.of[arn] {
		if t := p.tasks[i]; t.Deployment == deployment && t.live() {
			n++
		}
	}
	return n
}

// decide computes what to start and what to stop (ECS-060).
func (p *planner) decide(arn string) decision {
	s := p.serviceNow(arn)
	d := decision{start: map[string]int{}, stopped: map[int]bool{}, blocked: map[string]int{}, min: s.Config.Minimum(s.DesiredCount), max: s.Config.Maximum(s.DesiredCount)}
	live := 0
	for _, i := range p.of[arn] {
		if p.tasks[i].live() {
			live++
		}
		if p.healthy(i) {
			d.healthy++
		}
	}
	if s.Primary().Shift != nil {
		p.decideShift(s, &d)
		return d
	}
	room := d.max - live
	// What older revisions lost comes first: it served, the new one may not (ECS-032).
	for n := range s.Deployments[1:] {
		room -= p.decideStarts(s, &s.Deployments[n+1], room, &d)
	}
	room -= p.decideStarts(s, &s.Deployments[0], room, &d)
	p.decideReplacements(s, &d, room)
	p.decideOld(s, &d)
	p.decideScaleIn(s, &d)
	d.stuck = p.stuck(s, &d, room)
	return d
}

// wanted is how many tasks a deployment should have: an older one no more than the primary
// lacks of healthy ones.
func wanted(s *Service, d *Deployment) int {
	if s.Primary().Shift != nil {
		return shiftWants(s, d, true)
	}
	if d.Status == DeploymentPrimary {
		return s.DesiredCount
	}
	return min(d.Keep, max(0, s.DesiredCount-s.Deployments[0].HealthyCount))
}

// wanted is [wanted], but for what has to wait until the traffic is elsewhere.
func (p *planner) wanted(s *Service, d *Deployment) int {
	if s.Primary().Shift != nil {
		return shiftWants(s, d, p.released(s, d))
	}
	return wanted(s, d)
}

// superseded reports whether a newer deployment began before this one was done: it is scaled
// to 0, and nothing of it is replaced (ECS-416).
func superseded(s *Service, d *Deployment) bool {
	if sh := s.Primary().Shift; sh != nil && d.ID == sh.Blue {
		return false
	}
	return d.Status == DeploymentActive && d.RolloutState != RolloutCompleted
}

// decideStarts starts what a deployment lacks, as far as there is room, and returns how
// many. Condemned tasks do not count: their replacement starts first (ECS-061).
func (p *planner) decideStarts(s *Service, d *Deployment, room int, out *decision) int {
	if d.RolloutState == RolloutFailed || superseded(s, d) || !p.due(d.NextStart) {
		return 0
	}
	good, condemned := 0, 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Deployment != d.ID || !t.live() && !unnoticed(t) {
			continue
		}
		if _, bad := p.unhealthy(i); bad {
			condemned++
		} else {
			good++
		}
	}
	lacking := p.wanted(s, d) - good
	n := max(0, min(lacking, room+p.freed(s, d)))
	if n > 0 {
		out.start[d.ID] += n
		out.replaced += min(n, condemned)
	}
	return n
}

// unnoticed reports whether the scheduler does not know yet that StopTask stopped a task: it is
// replaced when its targets are being deregistered, not before (ECS-430).
func unnoticed(t *Task) bool {
	return t.StopCode == UserInitiated && t.Registered && !t.Deregistered && t.Complaint == "" && t.TargetsRetryAt.IsZero()
}

// freed counts the condemned tasks of a deployment that will be stopped in this pass anyway,
// since they were never healthy.
func (p *planner) freed(s *Service, d *Deployment) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if _, bad := p.unhealthy(i); bad && t.Deployment == d.ID && !t.WasHealthy {
			n++
		}
	}
	return n
}

// decideReplacements stops unhealthy tasks: at once those that never were healthy; the
// others when their replacement is healthy, or one at a time when there is no room for
// one (ECS-061).
func (p *planner) decideReplacements(s *Service, out *decision, room int) {
	for n := range s.Deployments {
		d := &s.Deployments[n]
		var was []stopDecision
		healthy, starting := 0, 0
		for _, i := range p.of[s.ARN] {
			t := p.tasks[i]
			if t.Deployment != d.ID || !t.live() {
				continue
			}
			if p.healthy(i) {
				healthy++
			}
			if t.pending() {
				starting++
			}
			v, bad := p.unhealthy(i)
			switch {
			case bad && !t.WasHealthy:
				out.add(stopDecision{i, &v})
			case bad:
				was = append(was, stopDecision{i, &v})
			}
		}
		surplus := healthy + len(was) - p.wanted(s, d)
		if surplus <= 0 && room <= 0 && starting == 0 && len(was) > 0 && out.start[d.ID] == 0 && out.healthy >= out.min {
			surplus = 1
		}
		for _, stop := range was[:max(0, min(surplus, len(was)))] {
			out.add(stop)
		}
	}
}

// decideOld stops tasks of older deployments: pending ones that are not wanted at once, others
// as far as enough healthy tasks remain (ECS-062). Protected ones stay (ECS-404), and so do all when the new
// deployment has failed (ECS-405).
func (p *planner) decideOld(s *Service, out *decision) {
	if s.Deployments[0].RolloutState == RolloutFailed && s.Status == ServiceActive || p.reclaiming(s) {
		return
	}
	spare := out.healthy - out.min
	running := p.runningAfter(s, out)
	for _, i := range p.oldTasks(s) {
		t := p.tasks[i]
		if out.stops(i) {
			continue
		}
		switch {
		case t.pending():
			if !p.surplus(s, t, out) {
				continue
			}
		case !p.healthy(i):
			if _, bad := p.unhealthy(i); running-1 < out.min || !bad && !p.surplus(s, t, out) {
				continue
			}
			running--
		case spare > 0:
			spare--
			running--
		default:
			continue
		}
		if p.protected(s, t) {
			out.blocked[t.Deployment]++
			continue
		}
		out.add(stopDecision{i, nil})
	}
}

// surplus reports whether an older deployment has more tasks than it is to keep.
func (p *planner) surplus(s *Service, t *Task, out *decision) bool {
	d := s.Deployment(t.Deployment)
	if d == nil || superseded(s, d) {
		return true
	}
	left := 0
	for _, i := range p.of[s.ARN] {
		if other := p.tasks[i]; other.Deployment == t.Deployment && other.live() && !out.stops(i) {
			left++
		}
	}
	return left > wanted(s, d)
}

// protected reports whether scale-in and deployments leave a task alone: not when its service
// is deleted (ECS-404).
func (p *planner) protected(s *Service, t *Task) bool {
	return s.Status == ServiceActive && !p.due(t.ProtectedUntil)
}

func (p *planner) runningAfter(s *Service, out *decision) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		if t := p.tasks[i]; t.live() && t.running() && !out.stops(i) {
			n++
		}
	}
	return n
}

// oldTasks returns the live tasks of older deployments in the order in which they go:
// those that may be stopped before those that are protected; pending, not healthy, healthy;
// the oldest first.
func (p *planner) oldTasks(s *Service) []int {
	var old []int
	for _, i := range p.of[s.ARN] {
		if t := p.tasks[i]; t.live() && t.Deployment != s.Deployments[0].ID {
			old = append(old, i)
		}
	}
	rank := func(i int) int {
		if p.protected(s, p.tasks[i]) {
			return p.rank(i) + 3
		}
		return p.rank(i)
	}
	slices.SortStableFunc(old, func(a, b int) int { return rank(a) - rank(b) })
	return old
}

// rank orders tasks by how little is lost when they are stopped.
func (p *planner) rank(i int) int {
	switch {
	case p.tasks[i].pending():
		return 0
	case !p.healthy(i):
		return 1
	}
	return 2
}

// decideScaleIn stops what the primary deployment has too much of: pending and unhealthy
// tasks first, then those in the zone that has the most (ECS-063).
func (p *planner) decideScaleIn(s *Service, out *decision) {
	p.decideSurplus(s, &s.Deployments[0], out)
}

// decideSurplus stops what a deployment has more than it should, by the draining path.
func (p *planner) decideSurplus(s *Service, d *Deployment, out *decision) {
	want := p.wanted(s, d)
	var mine []int
	condemned, guarded := 0, 0
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Deployment != d.ID || !t.live() || out.stops(i) {
			continue
		}
		if _, bad := p.unhealthy(i); bad && want > 0 {
			condemned++ // its replacement comes first
		}
		if p.protected(s, t) {
			guarded++
			continue
		}
		mine = append(mine, i)
	}
	excess := len(mine) + guarded - condemned - want
	if excess <= 0 {
		return
	}
	spare := p.healthyOf(s, d, out) - min(out.min, want)
	for _, i := range p.leastNeeded(mine, excess) {
		if p.healthy(i) && want > 0 {
			if spare--; spare < 0 {
				continue // a protected task that is not healthy yet is kept in its place
			}
		}
		out.add(stopDecision{i, nil})
	}
	if n := min(excess-len(mine), guarded); n > 0 {
		out.blocked[d.ID] += n
	}
}

// healthyOf counts the healthy tasks of a deployment that are not to be stopped.
func (p *planner) healthyOf(s *Service, d *Deployment, out *decision) int {
	n := 0
	for _, i := range p.of[s.ARN] {
		if p.tasks[i].Deployment == d.ID && p.healthy(i) && !out.stops(i) {
			n++
		}
	}
	return n
}

// leastNeeded returns n tasks in the order in which to stop them: the least is lost first, and
// among equals the youngest of the zone that has most left.
func (p *planner) leastNeeded(tasks []int, n int) []int {
	left := map[string]int{}
	queues := map[int]map[string][]int{} // by rank, then zone; the youngest last
	for _, i := range tasks {
		t := p.tasks[i]
		left[zone(t)]++
		rank := p.rank(i)
		if queues[rank] == nil {
			queues[rank] = map[string][]int{}
		}
		queues[rank][zone(t)] = append(queues[rank][zone(t)], i)
	}
	var order []int
	for rank := 0; rank <= 2; rank++ {
		for len(order) < n && len(queues[rank]) > 0 {
			z := fullest(queues[rank], left)
			q := queues[rank][z]
			order = append(order, q[len(q)-1])
			left[z]--
			if queues[rank][z] = q[:len(q)-1]; len(q) == 1 {
				delete(queues[rank], z)
			}
		}
	}
	return order
}

// fullest returns the zone with tasks to give that has most left; the first by name of equals.
func fullest(queues map[string][]int, left map[string]int) string {
	best := ""
	for n, z := range sortedKeys(queues) {
		if n == 0 || left[z] > left[best] {
			best = z
		}
	}
	return best
}

func zone(t *Task) string {
	if t.Interface == nil {
		return ""
	}
	return t.Interface.Zone
}

// stuck reports whether the deployment configuration allows no step although one is needed,
// and nothing is under way that could change it (ECS-064).
func (p *planner) stuck(s *Service, out *decision, room int) bool {
	if len(out.start) > 0 || len(out.stop) > 0 || len(s.Deployments) < 2 || room > 0 {
		return false
	}
	for _, i := range p.of[s.ARN] {
		t := p.tasks[i]
		if t.Status == Stopped {
			continue
		}
		if _, bad := p.unhealthy(i); !bad && !p.healthy(i) {
			return false
		}
	}
	return p.liveOf(s.ARN, s.Deployments[0].ID) < s.DesiredCount
}

// carryOut writes a decision down: new tasks, stop requests, events.
func (p *planner) carryOut(arn string, d decision) {
	p.sayStuck(arn, d.stuck)
	p.sayBlocked(arn, d.blocked)
	if len(d.start) == 0 && len(d.stop) == 0 {
		return
	}
	s := p.editService(arn)
	s.Steady = false
	var started []*Task
	for n := range s.Deployments {
		for range d.start[s.Deployments[n].ID] {
			started = append(started, p.newTask(s, &s.Deployments[n]))
		}
	}
	cause := p.sayDecision(s, d, started)
	for _, t := range started {
		p.addTask(t, cause)
	}
	p.sayStarted(s, started, d.replaced, cause)
	p.stopTasks(s, d.stop, cause)
}

// sayDecision puts the decision itself on the timeline.
func (p *planner) sayDecision(s *Service, d decision, started []*Task) int64 {
	var stops []string
	cause := s.Deployments[0].Cause
	for _, stop := range d.stop {
		t := p.tasks[stop.task]
		stops = append(stops, t.ARN)
		if stop.verdict != nil {
			cause = t.Cause
		}
	}
	var starts []string
	for _, t := range started {
		starts = append(starts, t.ARN)
	}
	message := fmt.Sprintf("scheduler: service %s wants %d tasks, at least %d healthy, at most %d running; %d are healthy: start %d, stop %d",
		s.Name, s.DesiredCount, d.min, d.max, d.healthy, len(starts), len(stops))
	return p.event(timeline.Decision, s.ARN, cause, message, map[string]string{
		"service": s.Name, "cluster": s.Cluster, "deployment": s.Deployments[0].ID,
		"desired": strconv.Itoa(s.DesiredCount), "min": strconv.Itoa(d.min), "max": strconv.Itoa(d.max), "healthy": strconv.Itoa(d.healthy),
		"start": strings.Join(starts, " "), "stop": strings.Join(stops, " "),
	})
}

func (p *planner) addTask(t *Task, cause int64) {
	t.Cause = p.event(timeline.TaskState, t.ARN, cause, fmt.Sprintf("task %s: %s", t.ID, t.Status),
		taskData(t, map[string]string{"to": string(t.Status), "desiredStatus": string(t.Desired)}))
	p.of[t.Service] = append(p.of[t.Service], len(p.tasks))
	p.tasks = append(p.tasks, t)
	p.plan.Tasks[t.ARN] = t
}

func (p *planner) sayStarted(s *Service, started []*Task, replaced int, cause int64) {
	if len(started) == 0 {
		return
	}
	message := fmt.Sprintf("(service %s) has started %d tasks: %s.", s.Name, len(started), taskList(started))
	if replaced > 0 {
		message += fmt.Sprintf(" Amazon ECS replaced %d tasks due to an unhealthy status.", replaced)
	}
	p.say(s, cause, message)
}

// stopTasks asks for the end of tasks by the scheduler's own, draining path.
func (p *planner) stopTasks(s *Service, stops []stopDecision, cause int64) {
	var running []*Task
	pending := 0
	for _, stop := range stops {
		t := p.edit(stop.task)
		if stop.verdict != nil {
			p.say(s, cause, fmt.Sprintf("(service %s) %s", s.Name, stop.verdict.event))
			p.countFailure(t)
			t.Probe = stop.verdict.probe
		}
		if t.pending() {
			pending++
		} else {
			running = append(running, t)
		}
		p.stop(t, ServiceSchedulerInitiated, stopReason(s, stop), cause, drain)
		if d := s.Deployment(t.Deployment); d != nil && d.Status == DeploymentActive && stop.verdict == nil {
			d.Keep = max(0, d.Keep-1)
		}
		for p.step(stop.task) {
		}
	}
	if len(running) > 0 {
		p.say(s, cause, fmt.Sprintf("(service %s) has stopped %d running tasks: %s.", s.Name, len(running), taskList(running)))
	}
	if pending > 0 {
		p.say(s, cause, fmt.Sprintf("(service %s) stopped %d pending tasks.", s.Name, pending))
	}
}

func stopReason(s *Service, stop stopDecision) string {
	if stop.verdict != nil {
		return stop.verdict.reason
	}
	return fmt.Sprintf("Scaling activity initiated by (deployment %s)", s.Deployments[0].ID)
}

func taskList(tasks []*Task) string {
	var b strings.Builder
	for n, t := range tasks {
		if n > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "(task %s)", t.ID)
	}
	return b.String()
}

func (p *planner) sayStuck(arn string, stuck bool) {
	if !stuck {
		p.settle(arn, complaintStuck)
		return
	}
	s := p.serviceNow(arn)
	p.complain(arn, complaintStuck, causeOf(s), fmt.Sprintf("(service %s) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.", s.Name))
}

// sayBlocked tells the service that only protection keeps tasks alive (ECS-404).
func (p *planner) sayBlocked(arn string, blocked map[string]int) {
	s := p.serviceNow(arn)
	for _, d := range s.Deployments {
		if n := blocked[d.ID]; n > 0 {
			p.complain(arn, complaintProtected, causeOf(s), fmt.Sprintf("(service %s) was unable to reach steady state because (taskSet %s) was unable to scale in due to (reason %d tasks under protection)", s.Name, d.ID, n))
			return
		}
	}
	p.settle(arn, complaintProtected)
}

// gone reports whether no task of a service that is being deleted is left running (ECS-065).
func (p *planner) gone(arn string) bool {
	return !slices.ContainsFunc(p.of[arn], func(i int) bool { return p.tasks[i].Status.before(Stopping) })
}

func (p *planner) inactive(arn string) {
	p.record(arn)
	s := p.editService(arn)
	s.Status, s.Deployments, s.InactiveAt = ServiceInactive, nil, p.in.Now
	p.event(timeline.Deployment, s.ARN, s.Cause, fmt.Sprintf("service %s is INACTIVE: its last task has stopped", s.Name),
		map[string]string{"service": s.Name, "cluster": s.Cluster})
}

// forget deletes an inactive service after a while.
func (p *planner) forget(s *Service) {
	if p.due(s.InactiveAt.Add(StoppedKept)) {
		p.plan.Gone = append(p.plan.Gone, s.ARN)
		delete(p.plan.Services, s.ARN)
		p.forgetRecords(s.ARN)
	}
}

// newTask makes a task of one deployment, PROVISIONING.
func (p *planner) newTask(s *Service, d *Deployment) *Task {
	t := makeTask(taskInput{
		now: p.in.Now, id: p.in.ID, cluster: s.Cluster, clusterOf: s.ARN,
		revision: d.Revision, definition: p.in.Definition(d.Revision.TaskDefinition),
	})
	t.Service, t.Deployment, t.StartedBy = s.ARN, d.ID, d.ID
	t.Group = "service:" + s.Name
	t.LoadBalancers = d.Targets()
	t.ExecEnabled = s.EnableExecuteCommand
	t.Tags = p.tagsOfNew(s, d)
	return t
}

// tagsOfNew returns the tags of a service's new task: propagated ones, and those that ECS
// manages (ECS-417).
func (p *planner) tagsOfNew(s *Service, d *Deployment) map[string]string {
	var tags map[string]string
	switch {
	case s.PropagateTags == "SERVICE":
		tags = maps.Clone(s.Tags)
	case s.PropagateTags == "TASK_DEFINITION" && p.in.Tags != nil:
		tags = maps.Clone(p.in.Tags(d.Revision.TaskDefinition))
	}
	if !s.EnableManagedTags {
		return tags
	}
	if tags == nil {
		tags = map[string]string{}
	}
	tags[ClusterNameTag], tags[ServiceNameTag] = s.Cluster, s.Name
	return tags
}

// backoff returns the delay before the next start after n failures in a row.
func backoff(first, most time.Duration, n int) time.Duration {
	d := first
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}
