package orchestrator_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/alb"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/taskdefs"
)

// rigStep is one thing that happens in a random sequence, and how long the sequence waits after it.
type rigStep struct {
	do   string
	of   int // which service
	n    int
	wait time.Duration
}

func (s rigStep) String() string { return fmt.Sprintf("%s %d %d, wait %s", s.do, s.of, s.n, s.wait) }

// rigSteps are what a step does. What is there twice happens more often.
var rigSteps = []string{
	"scale", "scale", "autoscale", "deploy", "deploy", "deploy bad", "delete definitions", "force", "percent", "breaker", "grace", "strategy", "alarms", "delete", "create",
	"run-task", "stop-task", "protect", "stop-deployment", "continue", "deregister", "weights",
	"crash", "crash", "oom", "vanish", "killed", "ill", "ill", "pause", "unpause", "bounce", "disconnect", "sick", "docker", "retag",
	"engine", "balancer", "network", "store", "events", "kill", "kill", "killed at a commit", "killed at a commit", "alarm", "hook", "jump", "wait",
}

// behaviours of the application's image. The good one starts, answers, and stops when it is told to.
var behaviours = map[string]enginetest.Script{
	"good":    {Start: 200 * time.Millisecond, StopAfter: 100 * time.Millisecond},
	"slow":    {Start: 3 * time.Second, HealthyAfter: 6 * time.Second},
	"ill":     {Start: 200 * time.Millisecond, UnhealthyAfter: 2 * time.Second},
	"exits":   {Start: 200 * time.Millisecond, ExitAfter: 700 * time.Millisecond, ExitCode: 1},
	"dies":    {Start: 200 * time.Millisecond, ExitAfter: 25 * time.Second, ExitCode: 2},
	"oom":     {Start: 200 * time.Millisecond, OOMAfter: 12 * time.Second},
	"deaf":    {Start: 200 * time.Millisecond, IgnoreSIGTERM: true},
	"nopull":  {Pull: time.Second, Fail: &orchestrator.StartError{Name: "CannotPullContainerError", Err: errors.New("no such image")}},
	"nostart": {Start: time.Second, Fail: &orchestrator.StartError{Name: "CannotStartContainerError", Err: errors.New("no such file")}},
	"hangs":   {Start: 40 * time.Second},
}

var badBehaviours = []string{"ill", "exits", "dies", "oom", "deaf", "nopull", "nostart", "hangs", "ill", "exits", "slow", "slow"}

// rigPlayer does the steps of a sequence, and remembers what was acknowledged.
type rigPlayer struct {
	*rig
	config     rigConfig
	images     int
	desired    map[string]int       // by service
	deleted    map[string]bool      // by service
	percents   map[string][2]int    // by service
	ran        map[string][]string  // tasks by client token
	ranAt      map[string]time.Time // by client token
	stopped    map[string]bool      // tasks
	weighed    map[string]bool      // services whose rules were changed by hand
	harmedBlue bool                 // something happened to blue that nobody makes good
	lastToken  map[string]orchestrator.ServiceInput
}

func newRigPlayer(t *testing.T, config rigConfig) *rigPlayer {
	p := &rigPlayer{rig: newRig(t, config), config: config, desired: map[string]int{}, deleted: map[string]bool{}, percents: map[string][2]int{},
		weighed: map[string]bool{}, ran: map[string][]string{}, ranAt: map[string]time.Time{}, stopped: map[string]bool{}, lastToken: map[string]orchestrator.ServiceInput{}}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	for _, s := range config.services {
		if err := p.create(s); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// revive starts a scheduler if none runs.
func (p *rigPlayer) revive() {
	if p.alive() {
		return
	}
	if err := p.start(); err != nil {
		p.t.Fatal(err)
	}
	p.checkPromises()
}

// step does one step, with a scheduler that runs: one that has died is followed by another.
func (p *rigPlayer) step(s rigStep) {
	if p.harmed() {
		return
	}
	p.revive()
	service := p.config.services[s.of%len(p.config.services)]
	if !p.change(service, s) && !p.ask(service, s) && !p.harm(service, s) && !p.disturb(s) && s.do != "wait" {
		p.t.Fatalf("no step %q", s.do)
	}
}

func (p *rigPlayer) service(s rigService) *orchestrator.Service {
	row, err := p.life.c.Service("default", s.name)
	if err != nil {
		return nil
	}
	return row
}

func (p *rigPlayer) tasks() []*orchestrator.Task {
	var live []*orchestrator.Task
	for _, t := range p.life.c.Snapshot().Tasks {
		if t.Desired == orchestrator.Running {
			live = append(live, t)
		}
	}
	slices.SortFunc(live, func(a, b *orchestrator.Task) int { return strings.Compare(order(a), order(b)) })
	return live
}

// order sorts tasks the same way in every run of a sequence, as far as that goes.
func order(t *orchestrator.Task) string {
	address := ""
	if t.Interface != nil {
		address = t.Interface.Address.String()
	}
	return t.Group + t.CreatedAt.Format(time.RFC3339Nano) + address
}

// pick returns the n-th live task of a service, nil if it has none.
func (p *rigPlayer) pick(s rigService, n int) *orchestrator.Task {
	mine := slices.DeleteFunc(p.tasks(), func(t *orchestrator.Task) bool { return t.Group != "service:"+s.name })
	if len(mine) == 0 {
		return nil
	}
	return mine[n%len(mine)]
}

func (p *rigPlayer) register(s rigService, behaviour string) (string, error) {
	p.images++
	image := fmt.Sprintf("app:%d-%s", p.images, behaviour)
	p.engine.Script(image, behaviours[behaviour])
	doc := fmt.Sprintf(`{"family":%q,"networkMode":"awsvpc","cpu":"256","memory":"512","requiresCompatibilities":["FARGATE"],"containerDefinitions":[%s]}`,
		s.name, fmt.Sprintf(definitions[s.definition], image))
	r, err := p.life.defs.Register(p.t.Context(), []byte(doc), nil, "me", time.Now())
	return r.ARN, err
}

func groupOf(s rigService, which string) string {
	return "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/" + s.name + "/" + which
}

func ruleOf(s rigService, which string) string {
	return "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/front/1/" + s.name + "/" + which
}

func (p *rigPlayer) loadBalancers(s rigService) []orchestrator.LoadBalancer {
	var all []orchestrator.LoadBalancer
	for n := range s.groups {
		all = append(all, orchestrator.LoadBalancer{TargetGroupARN: groupOf(s, fmt.Sprint(n)), ContainerName: "app", ContainerPort: 80})
	}
	if s.shifts() {
		all[0].Advanced = &orchestrator.AdvancedConfiguration{AlternateTargetGroupARN: groupOf(s, "other"), ProductionListenerRule: ruleOf(s, "prod"),
			TestListenerRule: ruleOf(s, "test"), Role: "arn:aws:iam::123456789012:role/ecs"}
		p.balancer.addRules(ruleOf(s, "prod"), ruleOf(s, "test"), groupOf(s, "0"), groupOf(s, "other"))
	}
	return all
}

// create makes a service.
func (p *rigPlayer) create(s rigService) error {
	arn, err := p.register(s, "good")
	if err != nil {
		return err
	}
	in := orchestrator.ServiceInput{
		Cluster: "default", Name: s.name, TaskDefinition: arn, DesiredCount: &s.desired, MinimumHealthy: &s.min, Maximum: &s.max,
		Network: &orchestrator.NetworkConfiguration{Subnets: rigSubnets}, LoadBalancers: p.loadBalancers(s), Breaker: s.breaker, StrategyInput: s.strategy,
		ClientToken: fmt.Sprint("token-", p.images), Request: []byte(fmt.Sprintf("%q", arn)),
	}
	if s.groups > 0 {
		in.GracePeriod = &s.grace
	}
	if _, err := p.life.c.CreateService(p.call("CreateService"), in); err != nil {
		return err
	}
	p.lastToken[s.name] = in
	p.desired[s.name], p.deleted[s.name], p.percents[s.name] = s.desired, false, [2]int{s.min, s.max}
	return nil
}

func (p *rigPlayer) update(s rigService, change func(*orchestrator.ServiceInput)) error {
	in := orchestrator.ServiceInput{Cluster: "default", Name: s.name}
	change(&in)
	_, err := p.life.c.UpdateService(p.call("UpdateService"), in)
	if err != nil {
		return err
	}
	if in.DesiredCount != nil {
		p.desired[s.name] = *in.DesiredCount
	}
	if in.MinimumHealthy != nil {
		p.percents[s.name] = [2]int{*in.MinimumHealthy, *in.Maximum}
	}
	return nil
}

func (p *rigPlayer) deploy(s rigService, behaviour string) {
	if arn, err := p.register(s, behaviour); err == nil {
		p.update(s, func(in *orchestrator.ServiceInput) { in.TaskDefinition = arn })
	}
}

// deleteDefinitions deregisters the newest revisions of a service's task definition, and deletes all
// that are: who needs one keeps it.
func (p *rigPlayer) deleteDefinitions(s rigService, count int) {
	for _, status := range []string{taskdefs.Active, taskdefs.Inactive} {
		arns := p.life.defs.List(taskdefs.List{Family: s.name, Status: status, Descending: true})
		for _, arn := range arns[:min(count, len(arns))] {
			if status == taskdefs.Active {
				p.life.defs.Deregister(p.t.Context(), arn, time.Now())
			} else {
				p.life.defs.Delete(p.t.Context(), []string{arn}, time.Now())
			}
		}
	}
	p.life.defs.Purge(p.t.Context(), p.life.c.RefersTo, time.Now())
}

// change does what changes a service, and reports whether it knows the step.
func (p *rigPlayer) change(s rigService, step rigStep) bool {
	n := step.n
	switch step.do {
	case "scale":
		count := n % 4
		p.update(s, func(in *orchestrator.ServiceInput) { in.DesiredCount = &count })
	case "autoscale":
		count := n % 4
		p.update(s, func(in *orchestrator.ServiceInput) { in.DesiredCount, in.Automatic = &count, true })
	case "delete definitions":
		p.deleteDefinitions(s, 1+n%3)
	case "deploy":
		p.deploy(s, []string{"good", "good", "good", "slow"}[n%4])
	case "deploy bad":
		p.deploy(s, badBehaviours[n%len(badBehaviours)])
	case "force":
		p.update(s, func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true })
	case "percent":
		percent := rigPercents[n%len(rigPercents)]
		p.update(s, func(in *orchestrator.ServiceInput) { in.MinimumHealthy, in.Maximum = &percent[0], &percent[1] })
	case "breaker":
		p.update(s, func(in *orchestrator.ServiceInput) {
			in.Breaker = &orchestrator.Breaker{Enable: n%3 > 0, Rollback: n%2 > 0, Cumulative: n%5 == 4}
		})
	case "grace":
		grace := n * 4
		p.update(s, func(in *orchestrator.ServiceInput) { in.GracePeriod = &grace })
	case "strategy":
		p.changeStrategy(s, n)
	case "alarms":
		p.update(s, func(in *orchestrator.ServiceInput) {
			in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"5xx"}, Enable: n%4 > 0, Rollback: n%2 == 0}
		})
	case "delete":
		if _, err := p.life.c.DeleteService(p.call("DeleteService"), "default", s.name, n%4 > 0); err == nil {
			p.deleted[s.name] = true
		}
	case "create":
		p.createAgain(s)
	default:
		return false
	}
	return true
}

// changeStrategy switches a service that can shift traffic between strategies.
func (p *rigPlayer) changeStrategy(s rigService, n int) {
	if !s.shifts() {
		return
	}
	bake := n % 2
	in := []orchestrator.StrategyInput{
		{Strategy: orchestrator.StrategyRolling, Hooks: []orchestrator.LifecycleHook{}},
		{Strategy: orchestrator.StrategyBlueGreen, BakeMinutes: &bake},
		{Strategy: orchestrator.StrategyCanary, Canary: &orchestrator.CanaryConfiguration{Percent: 10, BakeMinutes: 2}},
		s.strategy,
	}[n%4]
	p.update(s, func(up *orchestrator.ServiceInput) { up.StrategyInput = in })
}

// createAgain makes a service that was deleted; of one that is there, the call is repeated (I7).
func (p *rigPlayer) createAgain(s rigService) {
	row := p.service(s)
	if row == nil || row.Status != orchestrator.ServiceActive {
		p.create(s)
		return
	}
	in, ok := p.lastToken[s.name]
	if !ok {
		return
	}
	again, err := p.life.c.CreateService(p.call("CreateService"), in)
	switch {
	case err != nil && !p.life.isDead() && p.trouble("store") == "":
		p.broken("I7: CreateService of %s again: %v", s.name, err)
	case err == nil && again.CreatedAt != row.CreatedAt:
		p.broken("I7: CreateService of %s again has made another", s.name)
	}
}

// ask does the other API calls.
func (p *rigPlayer) ask(s rigService, step rigStep) bool {
	n, t := step.n, p.pick(s, step.n)
	switch step.do {
	case "run-task":
		p.runTask(s, fmt.Sprint("token-", n%4))
	case "stop-task":
		if all := p.tasks(); len(all) > 0 {
			p.stopTask(all[n%len(all)])
		}
	case "protect":
		if t != nil {
			in := orchestrator.ProtectionInput{Tasks: []string{t.ARN}, Enabled: n%4 > 0}
			if minutes := 1 + n*n*10; in.Enabled {
				in.Minutes = &minutes
			}
			p.life.c.UpdateTaskProtection(p.call("UpdateTaskProtection"), in)
		}
	case "stop-deployment":
		how := []string{orchestrator.StopRollback, orchestrator.StopAbort}[n%2]
		if row := p.service(s); row != nil && row.Primary() != nil {
			p.life.c.StopServiceDeployment(p.call("StopServiceDeployment"), row.Primary().Record, how)
		}
	case "continue":
		p.goOn([]string{orchestrator.HookContinue, orchestrator.HookRollback}[n%2])
	case "deregister":
		if t != nil && t.Interface != nil {
			p.harmedBlue = p.harmedBlue || s.shifts()
			for _, k := range t.TargetKeys() {
				p.balancer.deregister(k.TargetGroup, []alb.Target{{ID: k.ID, Port: k.Port}})
			}
		}
	case "weights":
		if s.shifts() {
			p.weighed[s.name] = true
			p.balancer.changeByHand(ruleOf(s, "prod"), map[string]int{groupOf(s, "0"): n % 3, groupOf(s, "other"): n % 2})
		}
	default:
		return false
	}
	return true
}

// runTask runs standalone tasks; the same token means the same tasks (I7).
func (p *rigPlayer) runTask(s rigService, token string) {
	row := p.service(s)
	if row == nil {
		return
	}
	made, err := p.life.c.RunTask(p.call("RunTask"), orchestrator.RunTaskInput{
		Cluster: "default", TaskDefinition: s.name, Count: 1 + len(token)%2, ClientToken: token + s.name, Request: []byte(`{}`),
		Network: &orchestrator.NetworkConfiguration{Subnets: rigSubnets}})
	if err != nil {
		return
	}
	token += s.name
	if before, ok := p.ran[token]; ok && time.Since(p.ranAt[token]) < 24*time.Hour {
		for _, t := range made {
			if !slices.Contains(before, t.ARN) {
				p.broken("I7: RunTask with the token %s made %v, and then %s", token, before, t.ARN)
			}
		}
		return
	}
	p.ran[token], p.ranAt[token] = nil, time.Now()
	for _, t := range made {
		p.ran[token] = append(p.ran[token], t.ARN)
	}
}

func (p *rigPlayer) stopTask(t *orchestrator.Task) {
	if _, err := p.life.c.StopTask(p.call("StopTask"), "", t.ARN, ""); err == nil {
		p.stopped[t.ARN] = true
	}
}

// goOn answers all pauses; empty: they are continued.
func (p *rigPlayer) goOn(action string) {
	for _, row := range p.life.c.Snapshot().Services {
		d := row.Primary()
		if d == nil || d.Shift == nil || d.RolloutState != orchestrator.RolloutInProgress {
			continue
		}
		for _, h := range d.Shift.Hooks {
			if h.Status == orchestrator.HookAwaiting && h.Decision == "" {
				p.life.c.ContinueServiceDeployment(p.call("ContinueServiceDeployment"), d.Record, h.ID, action)
			}
		}
	}
}

// harm does something to a container that runs.
func (p *rigPlayer) harm(s rigService, step rigStep) bool {
	known := []string{"crash", "oom", "vanish", "killed", "ill", "pause", "unpause", "bounce", "disconnect", "sick", "docker", "retag"}
	if !slices.Contains(known, step.do) {
		return false
	}
	var running []orchestrator.TaskObservation
	list, _ := p.engine.List(p.t.Context())
	for _, o := range list {
		if runs(o) {
			running = append(running, o)
		}
	}
	switch {
	case step.do == "docker":
		p.restartDocker(running, time.Duration(step.n)*time.Second)
	case step.do == "retag":
		p.engine.Retag(fmt.Sprintf("app:%d-good", 1+step.n%max(p.images, 1)))
	case len(running) > 0:
		slices.SortFunc(running, func(a, b orchestrator.TaskObservation) int { return a.Address.Compare(b.Address) })
		o := running[(step.of+step.n)%len(running)]
		p.harmContainer(step.do, o.Task, o.Containers[step.n%len(o.Containers)])
	}
	return true
}

func (p *rigPlayer) harmContainer(how, task string, c orchestrator.ContainerObservation) {
	switch how {
	case "crash":
		p.engine.Crash(task, c.Name, 3)
	case "killed":
		p.engine.Crash(task, c.Name, 137)
	case "oom":
		p.engine.OOM(task, c.Name)
	case "vanish":
		p.engine.Vanish(task, c.Name)
	case "ill":
		p.changeApp(task, func(a *rigApp) { a.ill = !a.ill })
	case "pause":
		p.engine.Pause(task, c.Name)
	case "unpause":
		p.engine.Unpause(task, c.Name)
	case "bounce":
		if c.Status == orchestrator.ContainerRunning {
			p.engine.Bounce(task, c.Name)
		}
	case "disconnect":
		p.engine.Disconnect(task)
		p.changeApp(task, func(a *rigApp) { a.cut = true })
	case "sick":
		p.engine.SetHealth(task, c.Name, orchestrator.HealthUnhealthy)
	}
}

// restartDocker ends all containers and the namespaces that nobody has joined, while nobody can look.
func (p *rigPlayer) restartDocker(running []orchestrator.TaskObservation, down time.Duration) {
	p.setTrouble("engine", refuses, down)
	for _, o := range running {
		for _, c := range o.Containers {
			p.engine.Crash(o.Task, c.Name, 137)
		}
	}
	p.engine.KillWarm()
}

// disturb does something to the world, or to the scheduler itself.
func (p *rigPlayer) disturb(step rigStep) bool {
	n := step.n
	kind := []string{refuses, loses, slow}[n%3]
	switch step.do {
	case "engine", "balancer", "network", "events":
		p.setTrouble(step.do, kind, time.Duration(1+n)*1500*time.Millisecond)
	case "store":
		p.setTrouble("store", refuses, time.Duration(1+n)*time.Second)
	case "kill":
		p.kill()
		time.Sleep(time.Duration(n) * 1500 * time.Millisecond)
	case "killed at a commit":
		p.life.dieAt(1+n/2, n%2 == 0)
	case "alarm":
		p.alarms.set("5xx", []string{"ALARM", "OK"}[n%2])
	case "hook":
		p.answerHooks([]string{hookFails, hookGoesOn, hookJunk, hookHangs, hookSucceeds, hookSucceeds}[n%6])
	case "jump":
		p.jump(n)
	default:
		return false
	}
	return true
}

// dieAt makes the n-th commit from now the last one, or that which is not made any more.
func (l *rigLife) dieAt(n int, before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.before = l.commits+n, before
}

// jump lets time pass: up to a day if the scheduler does not look around all the time, nor replace
// tasks that end again and again, which says no more after the hundredth.
func (p *rigPlayer) jump(n int) {
	if p.sweep < time.Minute {
		time.Sleep(time.Duration(1+n) * time.Minute)
		return
	}
	end := time.Now().Add([]time.Duration{5 * time.Minute, time.Hour, 70 * time.Minute, 25 * time.Hour}[n%4])
	for before := p.rows.changed(); time.Now().Before(end) && p.rows.changed()-before < 3000; {
		time.Sleep(min(time.Until(end), 10*time.Minute))
	}
}

// checkPromises: what was acknowledged is still there (I6).
func (p *rigPlayer) checkPromises() {
	for name, desired := range p.desired {
		row, err := p.life.c.Service("default", name)
		switch {
		case p.deleted[name]:
			if err == nil && row.Status == orchestrator.ServiceActive {
				p.broken("I6: service %s is ACTIVE, its deletion was acknowledged", name)
			}
		case err != nil || row.Status != orchestrator.ServiceActive:
			p.broken("I6: service %s is gone, nobody has deleted it", name)
		case row.DesiredCount != desired || row.Config.MinimumHealthyPercent != p.percents[name][0] || row.Config.MaximumPercent != p.percents[name][1]:
			p.broken("I6: service %s wants %d tasks within %d to %d %%, acknowledged were %d within %v", name, row.DesiredCount,
				row.Config.MinimumHealthyPercent, row.Config.MaximumPercent, desired, p.percents[name])
		}
	}
	tasks := p.life.c.Snapshot().Tasks
	for token, arns := range p.ran {
		for _, arn := range arns {
			if tasks[arn] == nil && time.Since(p.ranAt[token]) < time.Hour {
				p.broken("I6: task %s of %s is forgotten", arn, token)
			}
		}
	}
	for arn := range maps.Keys(p.stopped) {
		if t := tasks[arn]; t != nil && t.Desired != orchestrator.Stopped {
			p.broken("I6: task %s was stopped and is %s", arn, describe(t))
		}
	}
}
