package orchestrator_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/timeline/timelinetest"
)

// rigConfig says what a random sequence happens to.
type rigConfig struct {
	services   []rigService
	aws        bool // the pace
	sweep      time.Duration
	warm       int
	delay      time.Duration // deregistration delay
	quarantine time.Duration // of addresses
	addresses  int           // in each of two subnets
	forget     bool          // in the end, wait until everything is forgotten
}

func (c rigConfig) pace() orchestrator.Pace {
	if c.aws {
		return orchestrator.PaceAWS
	}
	return orchestrator.PaceFast
}

// rigService is how a service is made.
type rigService struct {
	name              string
	definition        string // a key of definitions
	desired, min, max int
	groups            int // target groups: 0, 1 or 2
	grace             int
	breaker           *orchestrator.Breaker
	strategy          orchestrator.StrategyInput
}

func (s rigService) shifts() bool { return s.strategy.Strategy != "" }

// definitions are container definitions; %q is the image of the container app.
var definitions = map[string]string{
	"one":     `{"name":"app","image":%q,"stopTimeout":5,"portMappings":[{"containerPort":80}]}`,
	"checked": `{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"healthCheck":{"command":["CMD","true"]}}`,
	"sidecar": `{"name":"log","image":"log:1","essential":false},{"name":"app","image":%q,"stopTimeout":5,"portMappings":[{"containerPort":80}],"dependsOn":[{"containerName":"log","condition":"START"}]}`,
	"init":    `{"name":"init","image":"init:1","essential":false},{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"dependsOn":[{"containerName":"init","condition":"SUCCESS"}]}`,
	"pair":    `{"name":"db","image":"db:1","startTimeout":10,"healthCheck":{"command":["CMD","true"]}},{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"dependsOn":[{"containerName":"db","condition":"HEALTHY"}]}`,
	"restart": `{"name":"app","image":%q,"portMappings":[{"containerPort":80}],"restartPolicy":{"enabled":true,"restartAttemptPeriod":60}}`,
}

var (
	rigPercents = [][2]int{{100, 200}, {50, 200}, {0, 100}, {50, 150}, {50, 100}, {100, 150}, {0, 200}, {100, 100}}

	drawRigStep = rapid.Custom(func(t *rapid.T) rigStep {
		return rigStep{
			do:   rapid.SampledFrom(rigSteps).Draw(t, "do"),
			of:   rapid.IntRange(0, 2).Draw(t, "of"),
			n:    rapid.IntRange(0, 11).Draw(t, "n"),
			wait: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 60, 400, 1500, 6000, 20000, 70000}).Draw(t, "ms")) * time.Millisecond,
		}
	})
	drawRigService = rapid.Custom(func(t *rapid.T) rigService {
		percent := rapid.SampledFrom(rigPercents).Draw(t, "percent")
		s := rigService{
			definition: rapid.SampledFrom([]string{"one", "one", "one", "checked", "sidecar", "init", "pair", "restart"}).Draw(t, "definition"),
			desired:    rapid.IntRange(0, 3).Draw(t, "desired"), min: percent[0], max: percent[1],
			groups: rapid.SampledFrom([]int{1, 1, 1, 0, 2}).Draw(t, "groups"),
		}
		if rapid.Bool().Draw(t, "breaker") {
			s.breaker = &orchestrator.Breaker{Enable: true, Rollback: rapid.Bool().Draw(t, "rollback"), Cumulative: rapid.Bool().Draw(t, "cumulative")}
		}
		if s.strategy = drawRigStrategy(t); s.shifts() {
			s.groups = 1
		}
		if s.groups > 0 {
			s.grace = rapid.SampledFrom([]int{0, 0, 15}).Draw(t, "grace")
		}
		return s
	})
	drawRig = rapid.Custom(func(t *rapid.T) rigConfig {
		c := rigConfig{
			services:   rapid.SliceOfN(drawRigService, 1, 3).Draw(t, "services"),
			aws:        rapid.IntRange(0, 7).Draw(t, "pace") == 7,
			sweep:      rapid.SampledFrom([]time.Duration{5 * time.Second, 5 * time.Second, 10 * time.Minute}).Draw(t, "sweep"),
			warm:       rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "warm"),
			delay:      rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 20 * time.Second}).Draw(t, "delay"),
			quarantine: rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "quarantine"),
			addresses:  rapid.SampledFrom([]int{100, 11}).Draw(t, "addresses"),
			forget:     rapid.IntRange(0, 7).Draw(t, "forget") == 7,
		}
		if len(c.services) == 3 {
			c.addresses = 100
		}
		for n := range c.services {
			c.services[n].name = string(rune('a' + n))
		}
		return c
	})
)

// drawRigStrategy draws how a service is deployed: most are rolling.
func drawRigStrategy(t *rapid.T) (in orchestrator.StrategyInput) {
	bake := rapid.IntRange(0, 2).Draw(t, "bake")
	switch rapid.SampledFrom([]string{"", "", "", orchestrator.StrategyBlueGreen, orchestrator.StrategyCanary, orchestrator.StrategyLinear}).Draw(t, "strategy") {
	case orchestrator.StrategyBlueGreen:
		in = orchestrator.StrategyInput{Strategy: orchestrator.StrategyBlueGreen, BakeMinutes: &bake}
	case orchestrator.StrategyCanary:
		in = orchestrator.StrategyInput{Strategy: orchestrator.StrategyCanary, BakeMinutes: &bake, Canary: &orchestrator.CanaryConfiguration{Percent: 2.5, BakeMinutes: 1}}
	case orchestrator.StrategyLinear:
		in = orchestrator.StrategyInput{Strategy: orchestrator.StrategyLinear, BakeMinutes: &bake, Linear: &orchestrator.LinearConfiguration{StepPercent: 40, StepBakeMinutes: 1}}
	default:
		return in
	}
	switch rapid.IntRange(0, 5).Draw(t, "hooks") {
	case 0:
		in.Hooks = []orchestrator.LifecycleHook{hookAt(orchestrator.StagePostTestShift, orchestrator.StagePreProductionShift)}
	case 1:
		in.Hooks = []orchestrator.LifecycleHook{hookAt(orchestrator.StagePreScaleUp, orchestrator.StageProductionShift, orchestrator.StageReconcile)}
	case 2:
		in.Hooks = []orchestrator.LifecycleHook{{Type: orchestrator.HookPause, Stages: []string{orchestrator.StagePostScaleUp}}, hookAt(orchestrator.StagePostProductionShift)}
	}
	return in
}

// TestProperty_TheSchedulerAlone plays random sequences of API calls, faults, kills and time
// against the scheduler, with fakes around it that look at all that it does. The invariants
// are checked at every transaction and every action; in the end, when the faults have stopped
// and good deployments were made, everything settles and nothing is left over.
// The sequences are the same every time, unless asked otherwise: see timelinetest.Play.
func TestProperty_TheSchedulerAlone(t *testing.T) {
	timelinetest.Play(t, 100, 50_000, drawRig, drawRigStep, 14, playRig)
}

// playRig plays one sequence and returns what was broken.
func playRig(t *testing.T, config rigConfig, steps []rigStep) []string {
	p := newRigPlayer(t, config)
	for _, s := range steps {
		p.step(s)
		time.Sleep(s.wait)
	}
	p.recover()
	p.close()
	p.kill()
	return p.faults
}

// recover ends the faults, and waits for everything to become what it should be.
func (p *rigPlayer) recover() {
	p.calm()
	time.Sleep(3 * time.Second)
	p.revive()
	p.life.dieAt(math.MaxInt32, true)
	p.checkPromises()
	p.heal()
	p.stopStandalone()
	for _, s := range p.config.services {
		p.repair(s)
	}
	if !p.waitFor(p.patience(), p.unsettled) {
		return
	}
	p.checkQuiet()
	if p.config.forget {
		p.checkForgotten()
	}
}

// heal ends what is wrong with the applications, alarms and hooks.
func (p *rigPlayer) heal() {
	p.alarms.set("5xx", "OK")
	p.answerHooks(hookSucceeds)
	p.rig.mu.Lock()
	ill := map[string]bool{}
	for task, a := range p.apps {
		ill[task] = a.ill
	}
	p.rig.mu.Unlock()
	for task := range ill {
		p.changeApp(task, func(a *rigApp) { a.ill = false })
	}
	for _, t := range p.tasks() {
		if t.Service != "" {
			p.life.c.UpdateTaskProtection(p.call("UpdateTaskProtection"), orchestrator.ProtectionInput{Tasks: []string{t.ARN}})
		}
	}
}

func (p *rigPlayer) stopStandalone() {
	for _, t := range p.tasks() {
		if t.Service == "" {
			p.life.c.StopTask(p.call("StopTask"), "", t.ARN, "")
		}
	}
}

// repair makes a service whole: one that was deleted is made again. A bad image never becomes
// steady, and some percentages allow no step: a good deployment repairs both.
func (p *rigPlayer) repair(s rigService) {
	row := p.service(s)
	if row == nil || row.Status != orchestrator.ServiceActive {
		p.waitFor(time.Hour, func() string {
			if row := p.service(s); row != nil && row.Status != orchestrator.ServiceInactive {
				return s.name + " is still " + row.Status
			}
			return ""
		})
		if err := p.create(s); err != nil {
			p.broken("create %s again: %v", s.name, err)
		}
	}
	least, most := 50, 200
	err := p.update(s, func(in *orchestrator.ServiceInput) {
		in.MinimumHealthy, in.Maximum = &least, &most
		if p.weighed[s.name] { // a deployment that replaces tasks leaves the rules as they are
			in.StrategyInput = s.strategy
		}
	})
	if err != nil {
		p.broken("update %s: %v", s.name, err)
	}
	p.deploy(s, "good")
}

// patience is how long the services may take. A stage of a deployment that cannot get done ends
// after a day: when blue is not what it was and nobody makes it so again (ECS-144).
func (p *rigPlayer) patience() time.Duration {
	if p.harmedBlue {
		return 60 * time.Hour
	}
	return 2 * time.Hour
}

// waitFor waits until nothing is missing any more; continuing the deployments that pause.
func (p *rigPlayer) waitFor(most time.Duration, missing func() string) bool {
	end, pause := time.Now().Add(most), 100*time.Millisecond
	for missing() != "" && !p.harmed() {
		if time.Now().After(end) {
			p.broken("after %s, %s\n%s", most, missing(), p.state())
			return false
		}
		p.goOn("")
		time.Sleep(pause)
		pause = min(pause*5/4, time.Minute)
	}
	return !p.harmed()
}

// unsettled says what is not as it should be: services are steady with the tasks that are
// desired, and nothing is left of any other (I2, I4).
func (p *rigPlayer) unsettled() string {
	snapshot := p.life.c.Snapshot()
	for _, s := range p.config.services {
		if why := p.unsteady(s, snapshot); why != "" {
			return why
		}
	}
	for _, r := range snapshot.Records {
		if r.FinishedAt.IsZero() {
			return fmt.Sprintf("the service deployment %s is %s", r.ARN, r.Status)
		}
	}
	var live []string
	for _, t := range snapshot.Tasks {
		if t.Desired == orchestrator.Running {
			live = append(live, t.ARN)
		} else if t.Status != orchestrator.Stopped {
			return fmt.Sprintf("task %s is %s", t.ID, describe(t))
		}
	}
	slices.Sort(live)
	return p.leftOver(live)
}

func (p *rigPlayer) unsteady(s rigService, snapshot orchestrator.Snapshot) string {
	row := p.service(s)
	if d := row.Primary(); !row.Steady || len(row.Deployments) != 1 || d.RolloutState != orchestrator.RolloutCompleted || d.RunningCount != row.DesiredCount {
		return fmt.Sprintf("service %s is steady %t with %d deployments: %+v", s.name, row.Steady, len(row.Deployments), d)
	}
	n := 0
	for _, t := range snapshot.Tasks {
		if t.Service != row.ARN || t.Desired != orchestrator.Running {
			continue
		}
		n++
		for _, k := range t.TargetKeys() {
			if h := p.balancer.snapshot()[k]; h.Target.Task != t.ARN || h.State != alb.Healthy || !p.balancer.carries(k.TargetGroup) {
				return fmt.Sprintf("the target of task %s of %s is %q, with traffic %t", t.ID, s.name, h.State, p.balancer.carries(k.TargetGroup))
			}
		}
	}
	if group := p.balancer.astray(s, row, snapshot); group != "" {
		return fmt.Sprintf("traffic of %s goes to %s, where it has no task", s.name, group)
	}
	if n != row.DesiredCount {
		return fmt.Sprintf("service %s has %d tasks of %d", s.name, n, row.DesiredCount)
	}
	return ""
}

// leftOver says what is there that belongs to none of these tasks.
func (p *rigPlayer) leftOver(live []string) string {
	list, _ := p.engine.List(p.t.Context())
	var run []string
	for _, o := range list {
		run = append(run, o.Task)
	}
	if !slices.Equal(run, live) {
		return fmt.Sprintf("containers of %v, live tasks %v", run, live)
	}
	for k, h := range p.balancer.snapshot() {
		if !slices.Contains(live, h.Target.Task) {
			return fmt.Sprintf("the target %s of %s is %s", k.ID, h.Target.Task, h.State)
		}
	}
	warm := 0
	for _, owner := range p.network.owners() {
		if strings.HasPrefix(owner, network.WarmOwner) {
			warm++
		} else if !slices.Contains(live, owner) {
			return "an interface of " + owner
		}
	}
	ready, size := p.life.c.WarmPool()
	namespaces, _ := p.engine.ListWarm(p.t.Context())
	joined := 0
	for _, t := range p.tasks() {
		if t.Interface != nil && t.Interface.Warm != "" {
			joined++
		}
	}
	if len(live) == 0 && size > 0 { // the pool is in the subnets that tasks use, if any
		size = min(ready, size)
	}
	if ready != size || warm != size || len(namespaces) != size+joined {
		return fmt.Sprintf("%d warm interfaces, %d namespaces of which %d joined, %d ready of %d", warm, len(namespaces), joined, ready, size)
	}
	return ""
}

// checkQuiet: when all is done, nothing is done.
func (p *rigPlayer) checkQuiet() {
	time.Sleep(10 * time.Second) // the scheduler may not have seen the last change
	before := p.rows.changed()
	time.Sleep(time.Minute)
	if n := p.rows.changed() - before; n > 0 {
		p.broken("%d changes in a minute in which nothing happened", n)
	}
	p.revive()
	if why := p.unsettled(); why != "" {
		p.broken("it was settled, and a minute later %s", why)
	}
}

// checkForgotten: services that are deleted leave nothing behind.
func (p *rigPlayer) checkForgotten() {
	p.kill()
	p.sweep = 10 * time.Minute
	p.revive()
	for _, s := range p.config.services {
		if _, err := p.life.c.DeleteService(p.call("DeleteService"), "default", s.name, true); err != nil {
			p.broken("delete %s: %v", s.name, err)
		}
	}
	time.Sleep(4 * time.Hour)
	s := p.life.c.Snapshot()
	if n := len(s.Services) + len(s.Tasks) + len(s.Records) + len(s.Revisions); n > 0 {
		p.broken("%d services, %d tasks, %d service deployments and %d revisions are not forgotten", len(s.Services), len(s.Tasks), len(s.Records), len(s.Revisions))
	}
	if why := p.leftOver(nil); why != "" {
		p.broken("after everything was deleted, %s", why)
	}
}

// state describes what there is.
func (p *rigPlayer) state() string {
	var out strings.Builder
	snapshot := p.life.c.Snapshot()
	fmt.Fprintf(&out, "engine %q\n", snapshot.Engine)
	for _, s := range p.config.services {
		row := p.service(s)
		if row == nil {
			continue
		}
		fmt.Fprintf(&out, "service %s: %s, desired %d, steady %t\n", s.name, row.Status, row.DesiredCount, row.Steady)
		for _, d := range row.Deployments {
			fmt.Fprintf(&out, "  %s %s %s at %q, %d pending, %d running, %d healthy, %d failed, keep %d, alternate %t, next start %s", d.ID, d.Status, d.RolloutState, d.Stage, d.PendingCount, d.RunningCount, d.HealthyCount, d.FailedTasks, d.Keep, d.Alternate, d.NextStart.Format(time.TimeOnly))
			if d.Shift != nil {
				fmt.Fprintf(&out, ", blue %s, failed %s, %v/%v, %q, %+v", d.Shift.Blue, d.Shift.Failed, d.Shift.Production, d.Shift.Test, d.Shift.Complaints, d.Shift.Hooks)
			}
			fmt.Fprintln(&out)
		}
		for n, e := range row.Events[:min(len(row.Events), 12)] {
			fmt.Fprintf(&out, "  %d %s %s\n", n, e.CreatedAt.Format("02 15:04:05.000"), timelinetest.ShortenIDs(e.Message))
		}
	}
	for _, t := range snapshot.Tasks {
		if t.Status == orchestrator.Stopped {
			continue
		}
		fmt.Fprintf(&out, "task %s of %s: %s %q", t.ID, t.Group, describe(t), t.Complaint)
		for _, k := range t.TargetKeys() {
			fmt.Fprintf(&out, ", target %s %q", k.ID, p.balancer.snapshot()[k].State)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}
