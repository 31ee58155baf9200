package main

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"drydock/orchestrator"
)

// drawStrategy draws how a service is deployed: most are rolling.
func drawStrategy(t *rapid.T) orchestrator.StrategyInput {
	switch rapid.SampledFrom([]string{"", "", "", "BLUE_GREEN", "CANARY", "LINEAR"}).Draw(t, "strategy") {
	case "BLUE_GREEN":
		return strategy("BLUE_GREEN", rapid.IntRange(0, 1).Draw(t, "bake"), orchestrator.StagePostTestShift)
	case "CANARY":
		in := strategy("CANARY", 0)
		in.Canary = &orchestrator.CanaryConfiguration{Percent: 10, BakeMinutes: 1}
		return in
	case "LINEAR":
		in := strategy("LINEAR", 0, orchestrator.StageProductionShift)
		in.Linear = &orchestrator.LinearConfiguration{StepPercent: 50, StepBakeMinutes: 1}
		return in
	}
	return orchestrator.StrategyInput{}
}

// more does what is not a plain change of the service, and reports whether it knows the step.
func (p *player) more(s step) bool {
	switch s.do {
	case "docker":
		p.restartDocker(time.Duration(s.n) * time.Second)
	case "protect":
		p.protect(s.n)
	case "alarm":
		p.update(func(in *orchestrator.ServiceInput) {
			in.Alarms = &orchestrator.DeploymentAlarms{Names: []string{"5xx"}, Enable: true, Rollback: s.n%2 == 0}
		})
		time.AfterFunc(time.Duration(s.n)*time.Second, func() { p.alarm.ringing.Store(true) })
		time.AfterFunc(time.Duration(s.n)*4*time.Second, func() { p.alarm.ringing.Store(false) })
	case "stop-deployment":
		how := []string{orchestrator.StopRollback, orchestrator.StopAbort}[s.n%2]
		if p.advanced != nil {
			how = orchestrator.StopRollback // an aborted blue without tasks holds RECONCILE_SERVICE up for a day (ECS-144)
		}
		if d := p.web().Primary(); d != nil {
			p.life.Load().scheduler.StopServiceDeployment(p.call("ecs", "StopServiceDeployment", nil), d.Record, how)
		}
	case "delete":
		_, err := p.life.Load().scheduler.DeleteService(p.call("ecs", "DeleteService", nil), "default", "web", true)
		p.deleted = p.deleted || err == nil
	case "run-task":
		p.runTask(fmt.Sprint("token-", s.n%3))
	default:
		return false
	}
	return true
}

// restartDocker ends all containers and the namespaces that nobody has joined, while nobody can look.
func (p *player) restartDocker(down time.Duration) {
	p.engine.broken.Store(true)
	for _, task := range p.running() {
		p.engine.Crash(task, "", 137)
	}
	p.engine.KillWarm()
	time.AfterFunc(down, func() { p.engine.broken.Store(false) })
}

func (p *player) protect(n int) {
	all := p.tasks()
	if len(all) == 0 {
		return
	}
	minutes := 1 + n
	p.life.Load().scheduler.UpdateTaskProtection(p.call("ecs", "UpdateTaskProtection", nil),
		orchestrator.ProtectionInput{Tasks: []string{all[n%len(all)].ARN}, Enabled: true, Minutes: &minutes})
}

func (p *player) unprotect() {
	for _, t := range p.tasks() {
		p.life.Load().scheduler.UpdateTaskProtection(p.call("ecs", "UpdateTaskProtection", nil), orchestrator.ProtectionInput{Tasks: []string{t.ARN}})
	}
}

// runTask runs a standalone task; the same token means the same task (I7).
func (p *player) runTask(token string) {
	made, err := p.life.Load().scheduler.RunTask(p.call("ecs", "RunTask", nil), orchestrator.RunTaskInput{
		Cluster: "default", TaskDefinition: "web:1", ClientToken: token, Request: []byte(`{"taskDefinition":"web:1"}`), StartedBy: token,
		Network: &orchestrator.NetworkConfiguration{Subnets: p.subnets()}})
	if err != nil {
		return
	}
	var arns []string
	for _, t := range made {
		arns = append(arns, t.ARN)
	}
	if p.asked == nil {
		p.asked = map[string][]string{}
	}
	if before, ok := p.asked[token]; ok && !slices.Equal(before, arns) {
		p.broken("I7: RunTask with the token %s made %v, and then %v", token, before, arns)
	}
	p.asked[token] = arns
}

// checkAcknowledged: what was acknowledged is still there (I6).
func (p *player) checkAcknowledged() {
	s := p.web()
	switch {
	case p.deleted && s.Status == orchestrator.ServiceActive:
		p.broken("I6: the service is ACTIVE, its deletion was acknowledged")
	case !p.deleted && s.DesiredCount != p.desired:
		p.broken("I6: desiredCount is %d, %d was acknowledged", s.DesiredCount, p.desired)
	}
	for token, arns := range p.asked {
		for _, arn := range arns {
			if p.task(arn) == nil {
				p.broken("I6: task %s of %s is forgotten", arn, token)
			}
		}
	}
}

func (p *player) stopStandalone() {
	for _, t := range p.tasks() {
		if t.Service == "" {
			p.stopTask(t)
		}
	}
}

// revive makes a service again that was deleted.
func (p *player) revive() bool {
	if p.web().Status == orchestrator.ServiceActive {
		return true
	}
	if !p.eventually(15*time.Minute, func() bool { return p.web().Status == orchestrator.ServiceInactive }) {
		p.broken("not INACTIVE after 15 minutes: %s\n%s", p.state(), p.story())
		return false
	}
	if err := p.tryCreate("web:1", p.desired); err != nil {
		p.broken("create the service again: %v", err)
		return false
	}
	return true
}

// hasWeights reports whether all production traffic goes where the tasks are.
func (p *player) hasWeights() bool {
	if p.advanced == nil {
		return true
	}
	w := p.life.Load().balancer.ForwardWeights(p.advanced.ProductionListenerRule)
	for key := range p.life.Load().balancer.Targets() {
		if w[key.TargetGroup] == 0 {
			return false
		}
	}
	return true
}
