package iptables

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a throw-away network namespace: it lives in one locked thread and goes
// away with it. Sockets opened and programs started by its jobs are inside.
type namespace struct {
	path string // of the namespace, for ip link set … netns
	jobs chan func()
	done chan struct{}
}

// newNamespace makes a namespace. The caller closes it.
func newNamespace() (*namespace, error) {
	ns := &namespace{jobs: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go ns.live(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return ns, nil
}

// live runs jobs in a thread of its own. The thread is never unlocked: it ends with the
// goroutine, and its namespace with it.
func (ns *namespace) live(ready chan<- error) {
	defer close(ns.done)
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	ns.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	ready <- err
	if err != nil {
		return
	}
	for job := range ns.jobs {
		job()
	}
}

// do runs f inside.
func (ns *namespace) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case ns.jobs <- func() { result <- f() }:
		return <-result
	case <-ns.done:
		return errors.New("the network namespace is closed")
	}
}

// close ends the thread and waits for it.
func (ns *namespace) close() {
	close(ns.jobs)
	<-ns.done
}
