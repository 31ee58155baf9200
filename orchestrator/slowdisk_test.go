package orchestrator_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
	"drydock/store/storetest"
	"drydock/taskdefs"
	"drydock/timeline"
)

// stuckStore is a store whose disk hangs: Commit says that it was called, and waits to be released.
type stuckStore struct {
	*storetest.Memory
	entered chan struct{}
	release chan struct{}
}

func (s *stuckStore) Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error {
	s.entered <- struct{}{}
	<-s.release
	return s.Memory.Commit(ctx, rows, events)
}

// Whoever only reads sees what is durable, and does not wait for what is becoming so.
func TestReads_DoNotWaitForTheDisk(t *testing.T) {
	store := &stuckStore{&storetest.Memory{}, make(chan struct{}), make(chan struct{})}
	defs, err := taskdefs.Open(t.Context(), &storetest.Memory{}, "us-east-1", "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	c, err := orchestrator.New(t.Context(), store, enginetest.NewFake(enginetest.Hooks{}), &fakeBalancer{w: w}, &fakeNetwork{w: w}, defs, orchestrator.Config{WarmPool: 1})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := c.CreateCluster(t.Context(), orchestrator.CreateClusterInput{Name: "slow"}); err != nil {
			t.Error(err)
		}
	})
	<-store.entered
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.Snapshot()
		c.ClusterCounts("default")
		c.ContainerInstance("default")
		c.AccountSettings()
		c.WarmPool()
		c.Tags("nobody's")
		c.Service("default", "nobody")
		c.Task("default", "nobody")
		c.GetTaskProtection("default", nil)
		c.ListServiceDeployments(orchestrator.ListServiceDeploymentsInput{Service: "nobody"})
		if _, err := c.Cluster("slow"); err == nil {
			t.Error("the cluster is seen before it is durable")
		}
	}()
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Error("reads wait for the disk")
	}
	close(store.release)
	all.Wait()
	<-read
	if _, err := c.Cluster("slow"); err != nil {
		t.Errorf("after the commit: %v", err)
	}
}
