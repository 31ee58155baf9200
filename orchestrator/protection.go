package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/timeline"
)

// How long a task's scale-in protection may last, in minutes (ECS-402).
const (
	defaultProtection = 120
	maxProtection     = 2880
)

// The most tasks that one call names (ECS-402).
const (
	maxProtectedTasks = 10
	maxAskedTasks     = 100
)

// Protection is a task's protection against scale-in and deployments.
type Protection struct {
	Task    string    // ARN
	Until   time.Time // zero if it is not protected
	Enabled bool
}

// Failure is what AWS answers about one resource among others that a call names.
type Failure struct {
	ARN    string
	Reason string // MISSING, TASK_NOT_VALID, DEPLOYMENT_BLOCKED, RESOURCE:PORTS
	Detail string
}

// ProtectionInput is ECS's UpdateTaskProtection.
type ProtectionInput struct {
	Cluster string
	Tasks   []string // ids or ARNs
	Enabled bool
	Minutes *int // nil is 120
}

// UpdateTaskProtection protects tasks of services against scale-in and deployments for a
// while, or ends that. Tasks that cannot be protected are failures, not an error (ECS-403).
func (c *Controller) UpdateTaskProtection(ctx context.Context, in ProtectionInput) ([]Protection, []Failure, error) {
	minutes, err := in.minutes()
	if err != nil {
		return nil, nil, err
	}
	var done []Protection
	var failed []Failure
	err = c.update(ctx, func(x *change) error {
		cluster, err := x.knownCluster(in.Cluster)
		if err != nil {
			return err
		}
		fresh := map[string]*Task{}
		for _, ref := range in.Tasks {
			t, failure := x.protectable(cluster, ref, in.Enabled, fresh)
			if failure != nil {
				failed = append(failed, *failure)
				continue
			}
			t = t.clone()
			t.ProtectedUntil = time.Time{}
			if in.Enabled {
				t.ProtectedUntil = x.now.Add(time.Duration(minutes) * time.Minute)
			}
			fresh[t.ARN] = t
			x.sayProtection(t)
			x.putTask(t)
			done = append(done, t.protection(x.now))
		}
		return nil
	})
	return done, failed, err
}

// minutes checks the input and returns how long the protection lasts.
func (in ProtectionInput) minutes() (int, error) {
	if len(in.Tasks) == 0 {
		return 0, invalid("Tasks cannot be empty.")
	}
	if len(in.Tasks) > maxProtectedTasks {
		return 0, invalid("tasks can have at most %d items.", maxProtectedTasks)
	}
	switch {
	case in.Minutes == nil:
		return defaultProtection, nil
	case !in.Enabled:
		return 0, invalid("expiresInMinutes can only be specified when protectionEnabled is true.")
	case *in.Minutes < 1 || *in.Minutes > maxProtection:
		return 0, invalid("expiresInMinutes must be between 1 and %d.", maxProtection)
	}
	return *in.Minutes, nil
}

// protectable returns the task whose protection may change, or why it may not. fresh are the
// tasks that the same call has changed already.
func (x *change) protectable(cluster, ref string, enable bool, fresh map[string]*Task) (*Task, *Failure) {
	arn := x.c.TaskARN(cluster, ref)
	t := x.c.tasks[arn]
	switch {
	case t == nil || t.Cluster != cluster:
		return nil, &Failure{ARN: arn, Reason: "MISSING"}
	case t.Service == "" || !t.live():
		return nil, &Failure{ARN: arn, Reason: "TASK_NOT_VALID"}
	case enable && x.blocksDeployment(t, fresh):
		return nil, &Failure{ARN: arn, Reason: "DEPLOYMENT_BLOCKED"}
	}
	return t, nil
}

// blocksDeployment reports whether the protection of one more task would leave the service
// with more protected tasks than it wants (ECS-403).
func (x *change) blocksDeployment(t *Task, fresh map[string]*Task) bool {
	s := x.c.services[t.Service]
	if s == nil || t.protected(x.now) {
		return false
	}
	n := 1
	for arn, other := range x.c.tasks {
		if f := fresh[arn]; f != nil {
			other = f
		}
		if other.Service == t.Service && other.live() && other.protected(x.now) {
			n++
		}
	}
	return n > s.DesiredCount
}

func (x *change) sayProtection(t *Task) {
	message := fmt.Sprintf("task %s is no longer protected against scale-in", t.ID)
	if t.protected(x.now) {
		message = fmt.Sprintf("task %s is protected against scale-in and deployments until %s", t.ID, t.ProtectedUntil.UTC().Format(time.RFC3339))
	}
	x.event(timeline.Config, t.ARN, message, taskData(t, nil))
}

// GetTaskProtection returns the protection of tasks of services; without a list, of all
// that run in the cluster (ECS-403).
func (c *Controller) GetTaskProtection(cluster string, tasks []string) ([]Protection, []Failure, error) {
	if len(tasks) > maxAskedTasks {
		return nil, nil, invalid("tasks can have at most %d items.", maxAskedTasks)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	x := &change{c: c, now: time.Now()}
	name, err := x.knownCluster(cluster)
	if err != nil {
		return nil, nil, err
	}
	if len(tasks) == 0 {
		tasks = c.serviceTasks(name)
	}
	var found []Protection
	var failed []Failure
	for _, ref := range tasks {
		t, failure := x.protectable(name, ref, false, nil)
		if failure != nil {
			failed = append(failed, *failure)
			continue
		}
		found = append(found, t.protection(x.now))
	}
	return found, failed, nil
}

// serviceTasks returns the ARNs of the live tasks of a cluster's services, in order.
func (c *Controller) serviceTasks(cluster string) []string {
	var arns []string
	for arn, t := range c.tasks {
		if t.Cluster == cluster && t.Service != "" && t.live() {
			arns = append(arns, arn)
		}
	}
	slices.SortFunc(arns, strings.Compare)
	return arns
}

// knownCluster returns the name of a cluster that is active; the default one always is.
func (x *change) knownCluster(ref string) (string, error) {
	name := clusterName(ref)
	if row := x.c.clusters[name]; row == nil && name != "default" || row != nil && row.Status != ServiceActive {
		return "", errClusterNotFound
	}
	return name, nil
}

// protected reports whether scale-in and deployments leave the task alone.
func (t *Task) protected(now time.Time) bool { return t.ProtectedUntil.After(now) }

func (t *Task) protection(now time.Time) Protection {
	if !t.protected(now) {
		return Protection{Task: t.ARN}
	}
	return Protection{Task: t.ARN, Until: t.ProtectedUntil, Enabled: true}
}
