package network

import "slices"

// subscriber is one channel of size 1 that is poked when something changed.
type subscriber struct {
	poke      chan struct{}
	enforcing bool // belongs to Enforce, which makes enforcement changes itself
}

// enforcing selects the subscriber of Enforce.
func enforcing(s *subscriber) bool { return s.enforcing }

// Changed returns a new channel of size 1 that is poked whenever the rule set, or what
// [Network.DialFrom] returns, may have changed. Call it once per listener.
func (n *Network) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &subscriber{poke: make(chan struct{}, 1)}
	n.subscribers = append(n.subscribers, s)
	return s.poke
}

// subscribe is Changed for Enforce.
func (n *Network) subscribe() (changed <-chan struct{}, cancel func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &subscriber{poke: make(chan struct{}, 1), enforcing: true}
	n.subscribers = append(n.subscribers, s)
	return s.poke, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.subscribers = slices.DeleteFunc(n.subscribers, func(o *subscriber) bool { return o == s })
	}
}

// Poke has the rule set applied again: the bridge was made, or Docker's rules changed.
func (n *Network) Poke() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pokeExcept(func(*subscriber) bool { return false })
}

// pokeExcept tells all subscribers but some that something changed. The mutex is held.
func (n *Network) pokeExcept(skip func(*subscriber) bool) {
	for _, s := range n.subscribers {
		if skip(s) {
			continue
		}
		select {
		case s.poke <- struct{}{}:
		default:
		}
	}
}
