package orchestrator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"drydock/alb"
)

// TrafficShifter is a [Balancer] that can rewrite how a listener rule shares requests among
// target groups. Strategies that shift traffic need one.
type TrafficShifter interface {
	// ForwardWeights returns the weights with which a rule forwards, by target group ARN; nil if
	// there is no such rule or it does not forward.
	ForwardWeights(rule string) map[string]int
	// SetForwardWeights makes a rule forward with these weights, all at once, from the next
	// request on. It is idempotent.
	SetForwardWeights(ctx context.Context, rule string, weights map[string]int) error
	DescribeRules(ctx context.Context, listener string, arns []string) ([]alb.Rule, error)
	DescribeListeners(ctx context.Context, loadBalancer string, arns []string) ([]alb.Listener, error)
}

var errNoShifter = errors.New("the load balancer cannot shift traffic")

// weights returns what the listener rules do that deployments shift traffic with. The caller
// is the one who writes.
func (c *Controller) weights() map[string]map[string]int {
	shifter, ok := c.balancer.(TrafficShifter)
	if !ok {
		return nil
	}
	all := map[string]map[string]int{}
	for _, s := range c.services {
		d := s.Primary()
		if d == nil {
			continue
		}
		for _, rule := range d.rules() {
			if weights := shifter.ForwardWeights(rule); weights != nil {
				all[rule] = weights
			}
		}
	}
	return all
}

// dispatchShift starts an action for a service, unless the same is under way. A call of a hook is
// made once, though the pass that plans it may not have seen the answer yet; after a crash nobody
// knows, and it is made again.
func (c *Controller) dispatchShift(ctx context.Context, a Action) {
	var event []byte
	var target string
	if a.Kind == CallHook {
		if c.hookCalls[a.Hook] >= a.Call {
			return
		}
		target, event = c.hookEvent(a)
	}
	run, ok := c.runners.claim(ctx, a)
	if !ok {
		return
	}
	if a.Kind == CallHook {
		c.forgetCalls()
		c.hookCalls[a.Hook] = a.Call
	}
	go func() {
		result := Result{Service: a.Service, Action: a.Kind, Rule: a.Split.Rule, Hook: a.Hook, Call: a.Call}
		if a.Kind == CallHook {
			result.Answer, result.Err = c.callHook(run, target, event)
		} else {
			result.Err = c.shiftTraffic(withCause(run, a), a.Split)
		}
		c.note(a, result.Err)
		if run.Err() != nil {
			result.Hook = "" // the daemon stops: the next one calls it again
		}
		c.runners.finish(a, result, 0)
		c.Poke()
	}()
}

// forgetCalls forgets the calls of hook runs that no deployment remembers. The caller is the one who writes.
func (c *Controller) forgetCalls() {
	known := map[string]bool{}
	for _, s := range c.services {
		for _, d := range s.Deployments {
			if d.Shift == nil {
				continue
			}
			for _, h := range d.Shift.Hooks {
				known[h.ID] = true
			}
		}
	}
	maps.DeleteFunc(c.hookCalls, func(id string, _ int) bool { return !known[id] })
}

func (c *Controller) shiftTraffic(ctx context.Context, split Split) error {
	shifter, ok := c.balancer.(TrafficShifter)
	if !ok {
		return errNoShifter
	}
	return shifter.SetForwardWeights(ctx, split.Rule, split.Weights)
}

// hookEvent returns whom to call, and with what. The caller is the one who writes.
func (c *Controller) hookEvent(a Action) (target string, event []byte) {
	s := c.services[a.Service]
	if s == nil || s.Primary() == nil || s.Primary().Shift == nil {
		return "", nil
	}
	sh := s.Primary().Shift
	n := slices.IndexFunc(sh.Hooks, func(h HookRun) bool { return h.ID == a.Hook })
	if n < 0 {
		return "", nil
	}
	event, _ = json.Marshal(newHookEvent(s, &sh.Hooks[n])) // details were read as JSON when they came in
	return sh.Hooks[n].Target, event
}

// callHook calls a hook once. When the daemon stops meanwhile, the next one calls it again.
func (c *Controller) callHook(ctx context.Context, target string, event []byte) (HookAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, hookCallTimeout)
	defer cancel()
	call := CallHookTarget
	if c.config.CallHook != nil {
		call = c.config.CallHook
	}
	if err := c.mayRun(target); err != nil {
		return HookAnswer{}, err
	}
	text, err := call(ctx, target, event)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", hookCallTimeout)
	}
	if err != nil {
		return HookAnswer{}, err
	}
	return parseHookAnswer(bytes.TrimSpace(text))
}
