package network

import (
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/store/storetest"
)

func TestWarmInterface_BelongsToNobodyUntilItIsAssigned(t *testing.T) {
	n := open(t, &storetest.Memory{})
	ctx := t.Context()
	w, err := n.CreateWarmInterface(ctx, "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := n.CreateWarmInterface(ctx, "1", nil); again.ID != w.ID {
		t.Errorf("a second call made %s beside %s", again.ID, w.ID)
	}
	if !w.Warm() || w.Status() != "available" || len(w.Groups) != 0 {
		t.Errorf("warm interface %+v, want it available and in no group", w)
	}
	in := CreateInterfaceInput{Owner: "task-1", Description: "ECS task 1"}
	i, err := n.AssignInterface(ctx, w.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	if i.Address != w.Address || i.Owner != "task-1" || i.Status() != "in-use" || len(i.Groups) != 1 { // NET-032
		t.Errorf("assigned %+v of %+v", i, w)
	}
	if again, err := n.AssignInterface(ctx, w.ID, in); err != nil || again.ID != i.ID {
		t.Errorf("assigned again: %+v, %v", again, err)
	}
	if made, err := n.CreateInterface(ctx, in); err != nil || made.ID != i.ID {
		t.Errorf("CreateInterface made %+v, %v beside the assigned one", made, err)
	}
	if _, err := n.AssignInterface(ctx, w.ID, CreateInterfaceInput{Owner: "task-2"}); err == nil || !strings.Contains(err.Error(), "task-1") {
		t.Errorf("a second task got it: %v", err)
	}
}

func TestWarmInterface_RuleSetLetsNothingThrough(t *testing.T) {
	n := open(t, &storetest.Memory{})
	w, err := n.CreateWarmInterface(t.Context(), "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := n.RuleSet().Member(w.Address)
	if !ok || len(m.Groups) != 0 {
		t.Errorf("in the rule set: %+v, %t, want a member of no group", m, ok)
	}
	for _, g := range n.RuleSet().Groups {
		if len(g.Members) != 0 {
			t.Errorf("group %s has the members %v", g.ID, g.Members)
		}
	}
}

// What no task ever had needs no quarantine; what one had does.
func TestWarmInterface_AddressIsFreeAtOnce(t *testing.T) {
	n := open(t, &storetest.Memory{})
	ctx := t.Context()
	never, _ := n.CreateWarmInterface(ctx, "1", nil)
	once, _ := n.CreateWarmInterface(ctx, "2", nil)
	if _, err := n.AssignInterface(ctx, once.ID, CreateInterfaceInput{Owner: "task-1"}); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{WarmOwner + "1", WarmOwner + "2", "task-1"} {
		if err := n.DeleteInterfacesOf(ctx, owner, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if q := n.RuleSet().Quarantine; len(q) != 1 || q[0] != once.Address {
		t.Errorf("quarantine %v, want only %s", q, once.Address)
	}
	if _, err := n.AssignInterface(ctx, never.ID, CreateInterfaceInput{Owner: "task-2"}); err == nil {
		t.Error("a deleted interface was assigned")
	}
	if _, err := n.AssignInterface(ctx, once.ID, CreateInterfaceInput{Owner: "task-1"}); !errors.As(err, new(*Error)) {
		t.Errorf("assign a deleted one: %v, want AWS's NotFound", err)
	}
}
