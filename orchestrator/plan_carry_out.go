package orchestrator

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"drydock/alb"
	"drydock/timeline"
)

// carryOut writes a decision down: new tasks, stop requests, events.
func (p *planner) carryOut(arn string, d decision) {
	p.sayStuck(arn, d.stuck)
	p.sayBlocked(arn, d.blocked)
	p.warnOfCutOff(arn)
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

// warnOfCutOff says what ECS does not: why a task that runs never becomes healthy, and what its
// deployment waits for (ECS-449).
func (p *planner) warnOfCutOff(arn string) {
	for _, i := range p.of[arn] {
		t := p.tasks[i]
		if !p.cutOff(i) || !p.unsaid(arn, complaintCutOff+t.ID) {
			continue
		}
		p.event(timeline.Warning, t.ARN, p.cutOffBy(t), fmt.Sprintf("task %s runs, but somebody else has deregistered its targets: it is not registered again, "+
			"and its deployment does not count it as healthy; stop it, or register them again", t.ID), taskData(t, nil))
	}
}

// cutOffBy returns the event that deregistered a target of a task; 0 if the target is gone already.
func (p *planner) cutOffBy(t *Task) int64 {
	for _, k := range targetKeys(t) {
		if h, ok := p.in.Targets[k]; ok && h.Target.Task == t.ARN && h.State == alb.Draining {
			return h.Cause
		}
	}
	return 0
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
