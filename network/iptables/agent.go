package iptables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"drydock/network"
)

// agentChain, with the prefix before it, is our only chain in the table nat.
const agentChain = "AGT"

// agentScript is the iptables-restore input that leads what tasks send to the metadata address to
// ECS's agent; empty if it does not serve. The address is nobody's: not to be in reach of other
// machines, and not to be in the way of another agent on this one.
func agentScript(prefix string, rs network.RuleSet) string {
	if !rs.Agent.IsValid() {
		return ""
	}
	chain := prefix + "-" + agentChain
	return fmt.Sprintf("*nat\n:%s - [0:0]\n-A %[1]s -i %s %s -j DNAT --to-destination %s\nCOMMIT\n", chain, rs.Bridge, toAgent, rs.Agent)
}

// placeAgent makes the table nat what the rule set wants of it.
func (e *Enforcer) placeAgent(ctx context.Context, rs network.RuleSet) error {
	script := agentScript(e.prefix, rs)
	if script == "" {
		return removeTable(ctx, natTable, e.prefix)
	}
	if _, err := run(ctx, script, "iptables-restore", "--noflush", "-w"); err != nil {
		return err
	}
	return insertHooks(ctx, natTable, []hook{e.agentHook()})
}

func (e *Enforcer) agentHook() hook { return hook{"PREROUTING", e.prefix + "-" + agentChain} }

// checkAgent returns an error if the table nat is not as placeAgent left it.
func (e *Enforcer) checkAgent(ctx context.Context) error {
	script := agentScript(e.prefix, e.rs)
	if script == "" {
		return nil
	}
	t, err := readTable(ctx, natTable, e.prefix)
	if err == nil && !(maps.Equal(t.chains, chainSizes(script)) && slices.Contains(t.hooks, e.agentHook())) {
		err = errors.New("the way to the metadata endpoint was changed")
	}
	return err
}
