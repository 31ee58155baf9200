package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"drydock/orchestrator"
)

// namespace is a network namespace that was made before its task; machine.mu guards it.
type namespace struct {
	instance string
	spec     orchestrator.WarmSpec
	ready    bool
}

var _ orchestrator.Warmer = (*Fake)(nil)

// WarmStart is how long a namespace takes to make.
const WarmStart = 400 * time.Millisecond

// Warm implements [orchestrator.Warmer].
func (f *Fake) Warm(ctx context.Context, spec orchestrator.WarmSpec) error {
	m := f.machine
	m.mu.Lock()
	n := m.namespaces[f.instance+spec.ID]
	if n != nil && n.ready {
		m.mu.Unlock()
		return nil
	}
	m.namespaces[f.instance+spec.ID] = &namespace{instance: f.instance, spec: spec}
	m.mu.Unlock()
	if err := sleep(ctx, WarmStart); err != nil {
		return fmt.Errorf("make namespace %s: %w", spec.ID, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n = m.namespaces[f.instance+spec.ID]; n == nil {
		return fmt.Errorf("make namespace %s: removed meanwhile", spec.ID)
	}
	n.ready = true
	m.changeWarm(n)
	return nil
}

// Cool implements [orchestrator.Warmer].
func (f *Fake) Cool(_ context.Context, id string) error {
	m := f.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.namespaces[f.instance+id]; n != nil {
		delete(m.namespaces, f.instance+id)
		m.changeWarm(n)
	}
	return nil
}

// ListWarm implements [orchestrator.Warmer]. It is sorted by id.
func (f *Fake) ListWarm(context.Context) ([]orchestrator.WarmObservation, error) {
	f.called("ListWarm")
	m := f.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []orchestrator.WarmObservation
	for _, n := range m.namespaces {
		if n.instance == f.instance {
			list = append(list, n.observe())
		}
	}
	slices.SortFunc(list, func(a, b orchestrator.WarmObservation) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func (n *namespace) observe() orchestrator.WarmObservation {
	return orchestrator.WarmObservation{ID: n.spec.ID, Address: n.spec.Interface.Address, Ready: n.ready}
}

// KillWarm ends every namespace, as a restart of Docker does to those that no container has
// joined. They are still listed.
func (f *Fake) KillWarm() {
	m := f.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.namespaces {
		if n.instance == f.instance {
			n.ready = false
			m.changeWarm(n)
		}
	}
}
