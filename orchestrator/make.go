package orchestrator

import (
	"math/big"
	"strings"
	"time"

	"drydock/taskdefs"
)

// taskInput is what a new task is made of.
type taskInput struct {
	now        time.Time
	id         func(int) string
	cluster    string // name
	clusterOf  string // an ARN of the same account and region
	revision   Revision
	definition *taskdefs.TaskDefinition
}

// makeTask makes a task, PROVISIONING, to run.
func makeTask(in taskInput) *Task {
	id := in.id(32)
	prefix := arnPrefix(in.clusterOf)
	t := &Task{
		ARN: prefix + "task/" + in.cluster + "/" + id, ID: id, Cluster: in.cluster,
		TaskDefinition: in.revision.TaskDefinition, LaunchType: in.revision.LaunchType, Platform: "1.4.0",
		Network: in.revision.Network, Desired: Running, Status: Provisioning, Health: HealthUnknown,
		Version: 1, CreatedAt: in.now,
	}
	if in.definition == nil {
		return t
	}
	t.NetworkMode = networkMode(in.definition)
	t.CPU, t.Memory = in.definition.CPU, in.definition.Memory
	for _, c := range in.definition.ContainerDefinitions {
		t.Containers = append(t.Containers, TaskContainer{
			Name: c.Name, ARN: prefix + "container/" + in.cluster + "/" + id + "/" + uuid(in.id), Image: c.Image,
			Status: "PENDING", Health: HealthUnknown, Essential: c.IsEssential(),
			Checked: c.HealthCheck != nil && len(c.HealthCheck.Command) > 0 && c.HealthCheck.Command[0] != "NONE",
			CPU:     c.CPU, Memory: c.Memory, Reservation: c.MemoryReservation,
		})
	}
	return t
}

// arnPrefix returns the "arn:aws:ecs:region:account:" of an ARN.
func arnPrefix(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "arn:aws:ecs:us-east-1:123456789012:"
	}
	return strings.Join(parts[:5], ":") + ":"
}

// startDeployment puts a new primary deployment of the service as it stands in front; the
// others become ACTIVE and keep what they have.
func startDeployment(s *Service, id string, now time.Time, reason string) {
	for n := range s.Deployments {
		d := &s.Deployments[n]
		if d.Status == DeploymentPrimary {
			d.Status, d.DesiredCount, d.Keep, d.UpdatedAt = DeploymentActive, 0, -1, now
		}
	}
	d := Deployment{ID: id, Status: DeploymentPrimary, Revision: s.Revision(), CreatedAt: now, Keep: -1}
	d.rollout(now, RolloutInProgress, reason)
	if s.Config.Shifts() {
		d.Shift = newShift(s.Config, s.Deployments)
	}
	d.place(s)
	s.Deployments = append([]Deployment{d}, s.Deployments...)
	s.Steady, s.Complaints = false, nil
}

// deploymentID makes an id of AWS's form: ecs-svc/ and 19 digits.
func deploymentID(id func(int) string) string {
	n, _ := new(big.Int).SetString(id(16), 16)
	digits := n.String()
	return "ecs-svc/" + (strings.Repeat("1", 19) + digits)[len(digits):]
}
