package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"drydock/alb"
	"drydock/network"
	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/timeline/timelinetest"
)

// step is one thing that happens in a random sequence, and how long the sequence waits after it.
type step struct {
	do   string
	n    int
	wait time.Duration
}

func (s step) String() string { return fmt.Sprintf("%s %d, wait %s", s.do, s.n, s.wait) }

// shapes of deployment that a sequence chooses from: minimum and maximum percent.
var percents = [][2]int{{100, 200}, {50, 200}, {0, 100}, {50, 150}, {50, 100}, {100, 150}, {0, 200}}

var (
	drawStep = rapid.Custom(func(t *rapid.T) step {
		return step{
			do: rapid.SampledFrom([]string{
				"scale", "deploy", "deploy bad", "force", "percent", "stop-task", "deregister",
				"crash", "vanish", "oom", "ill", "engine", "store", "kill", "wait",
				"bounce", "pause", "disconnect", "docker", "protect", "alarm", "stop-deployment", "delete", "run-task", "scale", "deploy",
			}).Draw(t, "do"),
			n:    rapid.IntRange(0, 6).Draw(t, "n"),
			wait: time.Duration(rapid.SampledFrom([]int{0, 1, 60, 400, 1500, 6000, 20000}).Draw(t, "ms")) * time.Millisecond,
		}
	})
	drawConfig = rapid.Custom(func(t *rapid.T) bubbleConfig {
		percent := rapid.SampledFrom(percents).Draw(t, "percent")
		config := bubbleConfig{
			desired: rapid.IntRange(0, 3).Draw(t, "desired"), min: percent[0], max: percent[1],
			delay:   time.Duration(rapid.SampledFrom([]int{0, 5, 20}).Draw(t, "delay")) * time.Second,
			grace:   rapid.SampledFrom([]int{0, 15}).Draw(t, "grace"),
			breaker: rapid.Bool().Draw(t, "breaker"),
			warm:    rapid.IntRange(0, 2).Draw(t, "warm"),
			pace:    rapid.SampledFrom([]string{"fast", "fast", "fast", "fast", "fast", "aws"}).Draw(t, "pace"),
		}
		config.strategy = drawStrategy(t)
		if rapid.Bool().Draw(t, "small") { // addresses come back soon
			config.cidr, config.quarantine = "10.0.0.0/27", 5*time.Second
		}
		return config
	})
)

// TestProperty_InvariantsHold plays random sequences of API calls and faults, under load, and
// checks the invariants all along. When the faults have stopped the service becomes steady
// with the tasks that are desired. The sequences are the same every time, unless asked
// otherwise: see timelinetest.Play. One costs some 20 ms; orchestrator's TestProperty_TheSchedulerAlone
// plays many more, without HTTP.
func TestProperty_InvariantsHold(t *testing.T) {
	checks := 150
	if testing.Short() || timelinetest.Race {
		checks = 75
	}
	timelinetest.Play(t, checks, 10_000, drawConfig, drawStep, 12, play)
}

// play plays one sequence and returns what was broken.
func play(t *testing.T, config bubbleConfig, steps []step) []string {
	p := &player{desired: config.desired}
	config.alarms = &p.alarm
	b := newBubble(t, config)
	p.bubble = b
	g := b.load(397 * time.Millisecond)
	for _, s := range steps {
		if b.life.Load() == nil {
			break // it could not be started again
		}
		p.step(s)
		time.Sleep(s.wait)
	}
	if b.life.Load() != nil {
		p.recover()
	}
	synctest.Wait()
	g.stop()
	synctest.Wait()
	b.checkStatuses(g)
	b.close()
	return b.faults
}

// player does the steps of a sequence.
type player struct {
	*bubble
	desired int  // as last acknowledged
	image   int  // number of the last image
	deleted bool // the service was, and this was acknowledged
	alarm   bell
	asked   map[string][]string // standalone tasks by client token, as acknowledged
}

func (p *player) step(s step) {
	switch s.do {
	case "scale":
		n := s.n % 4
		if p.update(func(in *orchestrator.ServiceInput) { in.DesiredCount = &n }) == nil {
			p.desired = n
		}
	case "deploy":
		p.deployImage(behaviour{listenAfter: time.Duration(s.n) * 700 * time.Millisecond}, wellBehaved)
	case "deploy bad":
		p.deployBad(s.n)
	case "force":
		p.update(func(in *orchestrator.ServiceInput) { in.ForceNewDeployment = true })
	case "percent":
		percent := percents[s.n%len(percents)]
		p.update(func(in *orchestrator.ServiceInput) { in.MinimumHealthy, in.Maximum = &percent[0], &percent[1] })
	case "stop-task":
		if all := p.tasks(); len(all) > 0 {
			p.stopTask(all[s.n%len(all)])
		}
	case "deregister":
		p.deregister(s.n)
	case "engine":
		p.engine.broken.Store(true)
		time.AfterFunc(time.Duration(s.n)*2*time.Second, func() { p.engine.broken.Store(false) })
	case "store":
		p.store.setFull(true)
		time.AfterFunc(time.Duration(s.n)*time.Second, func() { p.store.setFull(false) })
	case "kill":
		p.kill()
		time.Sleep(time.Duration(s.n) * 1500 * time.Millisecond)
		for range 60 {
			if p.start() == nil {
				break
			}
			time.Sleep(time.Second)
		}
	default:
		if !p.more(s) {
			p.harm(s.do, s.n)
		}
	}
}

func (p *player) deployImage(behave behaviour, script enginetest.Script) {
	p.bubble.mu.Lock()
	p.image++
	name := fmt.Sprintf("app:%d", p.image+1)
	p.bubble.mu.Unlock()
	p.bubble.image(name, behave, script)
	if arn, err := p.tryRegister(name); err == nil {
		p.update(func(in *orchestrator.ServiceInput) { in.TaskDefinition = arn })
	}
}

func (p *player) deployBad(n int) {
	script, behave := wellBehaved, behaviour{}
	switch n % 4 {
	case 0:
		behave.ill = true
	case 1:
		script.ExitAfter, script.ExitCode = 700*time.Millisecond, 1
	case 2:
		script.Fail = &orchestrator.StartError{Container: "app", Name: "CannotPullContainerError", Err: errNoDocker}
	case 3:
		script.IgnoreSIGTERM, behave.listenAfter = true, time.Hour
	}
	p.deployImage(behave, script)
}

// deregister deregisters the target of a task by hand.
func (p *player) deregister(n int) {
	all := p.tasks()
	if p.advanced != nil {
		return // a blue task that nobody registers again holds a shift up for a day (ECS-144)
	}
	if len(all) == 0 || all[n%len(all)].Interface == nil {
		return
	}
	target := alb.Target{ID: all[n%len(all)].Interface.Address.String(), Port: 80}
	p.life.Load().balancer.DeregisterTargets(p.call("elbv2", "DeregisterTargets", nil), p.group, []alb.Target{target})
}

// harm does something to a container that runs.
func (p *player) harm(what string, n int) {
	running := p.running()
	if len(running) == 0 {
		return
	}
	task := running[n%len(running)]
	switch what {
	case "crash":
		p.engine.Crash(task, "app", 3)
	case "vanish":
		p.engine.Vanish(task, "app")
	case "oom":
		p.engine.OOM(task, "app")
	case "ill":
		p.app(task).set(func(a *behaviour) { a.ill = true })
	case "bounce":
		p.engine.Bounce(task, "app")
	case "pause":
		p.engine.Pause(task, "app")
		p.app(task).set(func(a *behaviour) { a.ill = true })
	case "disconnect":
		p.engine.Disconnect(task)
	}
}

// running returns the tasks whose container runs.
func (b *bubble) running() []string {
	var arns []string
	list, _ := b.engine.Fake.List(b.t.Context())
	for _, o := range list {
		if slices.ContainsFunc(o.Containers, func(c orchestrator.ContainerObservation) bool { return c.Status == orchestrator.ContainerRunning }) {
			arns = append(arns, o.Task)
		}
	}
	return arns
}

// recover ends the faults and waits for the service to become what it should be.
func (p *player) recover() {
	time.Sleep(13 * time.Second) // every fault has ended by itself
	p.checkAcknowledged()
	p.alarm.ringing.Store(false)
	p.unprotect()
	p.stopStandalone()
	if !p.revive() {
		return
	}
	// A bad image never becomes steady, and some percentages allow no step: a good
	// deployment repairs both.
	least, most := 50, 200
	p.update(func(in *orchestrator.ServiceInput) { in.MinimumHealthy, in.Maximum = &least, &most })
	p.deployImage(behaviour{}, wellBehaved)
	pause := 50 * time.Millisecond
	end := time.Now().Add(15 * time.Minute)
	for time.Now().Before(end) && !p.settled() {
		time.Sleep(pause)
		pause = min(pause*5/4, 5*time.Second)
	}
	if !p.settled() {
		p.broken("not settled after 15 minutes: %s\n%s", p.state(), p.story())
	}
}

// settled reports whether the service is steady with the tasks that are desired, and nothing else
// is left of any other (I2, I4).
func (p *player) settled() bool {
	all := p.tasks()
	if !p.hasWeights() || !p.web().Steady || len(all) != p.desired || len(p.web().Deployments) != 1 || len(p.running()) != p.desired {
		return false
	}
	for _, t := range all {
		if p.targetState(t.ARN) != alb.Healthy {
			return false
		}
	}
	l := p.life.Load()
	ready, _ := l.scheduler.WarmPool()
	if ready != p.config.warm || len(p.namespaces()) != ready+len(p.joined()) {
		return false
	}
	// Not as many as there are tasks: see TestStop_WhileAttachingKeepsNoAddress.
	return len(l.balancer.Targets()) == p.desired && len(l.held()) == p.desired+1+ready
}

// held returns the interfaces that are not released: the balancer's, and those of tasks.
func (l *life) held() []network.Interface {
	return slices.DeleteFunc(l.interfaces(), func(i network.Interface) bool { return !i.Released.IsZero() })
}

func (l *life) interfaces() []network.Interface {
	all, _ := l.network.NetworkInterfaces(nil)
	return all
}

// state describes what there is.
func (p *player) state() string {
	var out strings.Builder
	s, l := p.web(), p.life.Load()
	fmt.Fprintf(&out, "desired %d, steady %t, engine %q\n", s.DesiredCount, s.Steady, l.scheduler.Snapshot().Engine)
	for _, d := range s.Deployments {
		fmt.Fprintf(&out, "deployment %s %s %s: %+v\n", d.ID, d.Status, d.RolloutState, d)
	}
	for _, t := range p.tasks() {
		fmt.Fprintf(&out, "task %s of %s: %s, to be %s, target %q, %s %s\n", t.ID, t.TaskDefinition[len(t.TaskDefinition)-5:], t.Status, t.Desired, p.targetState(t.ARN), t.StopReason, t.Complaint)
	}
	for _, i := range l.interfaces() {
		fmt.Fprintf(&out, "interface %s of %s\n", i.Address, i.Owner)
	}
	for key, h := range l.balancer.Targets() {
		fmt.Fprintf(&out, "target %s %s of %s\n", key.ID, h.State, h.Target.Task)
	}
	fmt.Fprintf(&out, "containers %v", p.running())
	return out.String()
}
