package orchestrator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/alb"
	"drydock/taskdefs"
	"drydock/timeline"
)

// PortBinding is a port of the container instance that leads to a container's (ECS-340).
type PortBinding struct {
	Container     string `json:"container"`
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`          // tcp or udp
	Dynamic       bool   `json:"dynamic,omitempty"` // the host's port was chosen here
}

// ErrPortTaken is what an engine's Run answers with when a port of the host is taken by
// somebody who is not ours.
var ErrPortTaken = errors.New("port is already allocated")

// The ports that hostPort 0 is given (ECS-341).
const (
	firstDynamicPort = 49153
	lastDynamicPort  = 65535
	// portQuarantine is how long the port of a stopped task is not given to another: no
	// request that was meant for the one must reach the other.
	portQuarantine = time.Minute
)

// InstanceID is the EC2 instance id of the container instance: what targets of type instance
// are registered with.
func InstanceID(machine string) string { return "i-0" + (machine + machine + "0000000000000000")[:16] }

// awsvpc reports whether the task gets an interface of its own.
func (t *Task) awsvpc() bool {
	return t.NetworkMode == "awsvpc" || t.NetworkMode == "" && t.Instance == ""
}

// placed reports whether the task has an address that targets can be registered with.
func (t *Task) placed() bool { return t.Interface != nil || t.Instance != "" }

// target returns the address and port behind which a load balancer finds the task.
func (t *Task) target(lb LoadBalancer) (id string, port int, ok bool) {
	if t.Interface != nil {
		return t.Interface.Address.String(), lb.ContainerPort, true
	}
	n := slices.IndexFunc(t.Ports, func(b PortBinding) bool {
		return b.Container == lb.ContainerName && b.ContainerPort == lb.ContainerPort && b.Protocol == "tcp"
	})
	if t.Instance == "" || n < 0 {
		return "", 0, false
	}
	return t.Instance, t.Ports[n].HostPort, true
}

// zone is where the task's target is: the interface's, or the instance's own.
func (t *Task) zone() string {
	if t.Interface != nil {
		return t.Interface.Zone
	}
	return ""
}

// networkMode is the definition's: bridge if it names none.
func networkMode(def *taskdefs.TaskDefinition) string {
	if def.NetworkMode == "" {
		return "bridge"
	}
	return def.NetworkMode
}

// hostPorts returns the ports of the container instance that a definition wants; HostPort is 0
// where one is to be chosen.
func hostPorts(def *taskdefs.TaskDefinition) []PortBinding {
	mode := networkMode(def)
	if mode != "bridge" && mode != "host" {
		return nil
	}
	var ports []PortBinding
	for _, c := range def.ContainerDefinitions {
		for _, m := range c.PortMappings {
			b := PortBinding{Container: c.Name, ContainerPort: m.ContainerPort, HostPort: m.HostPort, Protocol: m.Protocol}
			if b.ContainerPort == 0 {
				continue // a range
			}
			if b.Protocol == "" {
				b.Protocol = "tcp"
			}
			if mode == "host" {
				b.HostPort = b.ContainerPort
			}
			b.Dynamic = b.HostPort == 0
			ports = append(ports, b)
		}
	}
	return ports
}

type hostPort struct {
	port     int
	protocol string
}

// taken reports whether a task has a port of the container instance: until it has stopped, and
// if the port was chosen here for a while longer.
func (t *Task) taken(b PortBinding, now time.Time) bool {
	return t.Status != Stopped || b.Dynamic && now.Before(t.StoppedAt.Add(portQuarantine))
}

// portsInUse returns the ports of the container instance that tasks have.
func portsInUse(tasks []*Task, now time.Time) map[hostPort]bool {
	used := map[hostPort]bool{}
	for _, t := range tasks {
		for _, b := range t.Ports {
			if t.taken(b, now) {
				used[hostPort{b.HostPort, b.Protocol}] = true
			}
		}
	}
	return used
}

// conflict reports whether a port that was asked for by number is in use.
func conflict(wanted []PortBinding, used map[hostPort]bool) bool {
	return slices.ContainsFunc(wanted, func(b PortBinding) bool { return !b.Dynamic && used[hostPort{b.HostPort, b.Protocol}] })
}

// choosePorts fills in the dynamic ports, from a random place on; false if there is none left.
func choosePorts(ports []PortBinding, used map[hostPort]bool, id func(int) string) bool {
	for n := range ports {
		if !ports[n].Dynamic {
			used[hostPort{ports[n].HostPort, ports[n].Protocol}] = true
		}
	}
	for n := range ports {
		b := &ports[n]
		if b.Dynamic && !b.choose(used, id) {
			return false
		}
	}
	return true
}

func (b *PortBinding) choose(used map[hostPort]bool, id func(int) string) bool {
	const size = lastDynamicPort - firstDynamicPort + 1
	from, _ := strconv.ParseInt(id(6), 16, 64)
	for n := range int64(size) {
		k := hostPort{firstDynamicPort + int((from+n)%size), b.Protocol}
		if !used[k] {
			used[k], b.HostPort = true, k.port
			return true
		}
	}
	return false
}

// stepPlacing places a task that gets no interface: on the one container instance, if its ports
// are free there (ECS-342).
func (p *planner) stepPlacing(i int) bool {
	t := p.tasks[i]
	def := p.in.Definition(t.TaskDefinition)
	if def == nil {
		t = p.edit(i)
		p.stop(t, TaskFailedToStart, "ResourceInitializationError: task definition "+t.TaskDefinition+" is gone: it was deleted", t.Cause, stopped)
		return true
	}
	used, ports := portsInUse(p.tasks, p.in.Now), hostPorts(def)
	if conflict(ports, used) || !choosePorts(ports, used, p.in.ID) {
		p.notPlaced(i)
		return false
	}
	p.warnOfNetwork(t, networkMode(def))
	t = p.advance(i, Pending, "on the container instance, with "+networkMode(def)+" networking")
	t.Instance, t.Ports, t.PullStartedAt, t.Complaint = InstanceID(p.in.Machine), ports, p.in.Now, ""
	return true
}

// warnOfNetwork says, once a deployment, that nothing limits who reaches its tasks (ECS-344).
func (p *planner) warnOfNetwork(t *Task, mode string) {
	if mode == "none" || slices.ContainsFunc(p.of[t.Service], func(n int) bool { return p.tasks[n].Deployment == t.Deployment && p.tasks[n].Instance != "" }) {
		return
	}
	message := map[string]string{
		"bridge": "its ports are published on 127.0.0.1, open to every process of this machine",
		"host":   "it listens on this machine's own addresses, and reaches all that this machine reaches",
	}[mode]
	p.event(timeline.Warning, t.ARN, t.Cause, fmt.Sprintf("task %s has %s networking: no security group holds for it; %s", t.ID, mode, message), taskData(t, nil))
}

// notPlaced says once that a task waits for a port, in AWS's words.
func (p *planner) notPlaced(i int) {
	t := p.tasks[i]
	complaint := fmt.Sprintf("no container instance met all of its requirements. The closest matching (container-instance %s) is already using a port required by your task", p.in.Machine)
	if t.Complaint == complaint {
		return
	}
	t = p.edit(i)
	t.Complaint = complaint
	p.event(timeline.Warning, t.ARN, t.Cause, fmt.Sprintf("task %s is not placed: %s", t.ID, complaint), taskData(t, nil))
	if t.Service == "" || p.in.Services[t.Service] == nil {
		return
	}
	s := p.editService(t.Service)
	p.say(s, t.Cause, fmt.Sprintf("(service %s) was unable to place a task because %s. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", s.Name, complaint))
}

// portTaken gives a task other ports when somebody who is not ours has one that was chosen for
// it; false if it asked for the port itself: other ports beside that one would not help.
func (p *planner) portTaken(i int, err error) bool {
	t := p.tasks[i]
	if !errors.Is(err, ErrPortTaken) || !slices.ContainsFunc(t.Ports, func(b PortBinding) bool { return b.Dynamic }) || t.Status != Pending || !t.live() || blamesFixed(t.Ports, err) {
		return false
	}
	used := portsInUse(p.tasks, p.in.Now)
	t = p.edit(i)
	t.Ports = slices.Clone(t.Ports)
	for n := range t.Ports {
		if t.Ports[n].Dynamic {
			t.Ports[n].HostPort = 0
		}
	}
	p.event(timeline.Warning, t.ARN, t.Cause, fmt.Sprintf("task %s is given other ports: %v", t.ID, err), taskData(t, nil))
	return choosePorts(t.Ports, used, p.in.ID)
}

// blamesFixed reports whether an error is about a port that was asked for by number. Engines name
// the port only in their words: "Bind for 127.0.0.1:8080 failed", "listen tcp4 127.0.0.1:8080: bind".
func blamesFixed(ports []PortBinding, err error) bool {
	text := err.Error()
	return slices.ContainsFunc(ports, func(b PortBinding) bool {
		port := ":" + strconv.Itoa(b.HostPort)
		return !b.Dynamic && (strings.Contains(text, port+" ") || strings.Contains(text, port+":"))
	})
}

// PlacementError is what RunTask answers with, beside the tasks that it made, when there was
// no place for all of them.
type PlacementError struct{ Failures []Failure }

func (e *PlacementError) Error() string {
	return fmt.Sprintf("%d tasks were not placed: %s", len(e.Failures), e.Failures[0].Reason)
}

// placeable reports whether the ports that a definition asks for by number are free (ECS-343).
func (x *change) placeable(def *taskdefs.TaskDefinition, made []*Task) bool {
	tasks := slices.Clone(made)
	for _, t := range x.c.tasks {
		tasks = append(tasks, t)
	}
	used := portsInUse(tasks, x.now)
	for _, t := range tasks { // those that are not placed yet
		if other := x.c.definition(t.TaskDefinition); other != nil && t.Status == Provisioning && !t.awsvpc() {
			for _, b := range hostPorts(other) {
				used[hostPort{b.HostPort, b.Protocol}] = true
			}
		}
	}
	return !conflict(hostPorts(def), used)
}

// TargetKeys returns the keys of the task's targets, as far as it has an address.
func (t *Task) TargetKeys() []alb.TargetKey { return targetKeys(t) }
