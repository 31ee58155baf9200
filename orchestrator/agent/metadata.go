package agent

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"drydock/network"
	"drydock/orchestrator"
	"drydock/taskdefs"
)

// version is a version of the metadata endpoint.
type version int

const (
	v3 version = 3
	v4 version = 4
)

func (v version) path(id string) string { return "/v" + strconv.Itoa(int(v)) + "/" + id }

// refuse answers for a container that the path does not name, or that is not the caller's (ECS-222).
func (v version) refuse(w http.ResponseWriter, r *http.Request, what, lookup string) {
	prefix := "V" + strconv.Itoa(int(v)) + " " + what + " handler: "
	write(w, http.StatusNotFound, prefix+lookup+" from v3 endpoint ID: "+r.PathValue("id"))
}

// How the agent says what it did not find.
const (
	noContainer = "unable to get container ID from request: unable to get docker ID"
	noTask      = "unable to get task arn from request: unable to get task Arn"
)

// container serves the metadata of the container that asks.
func (a *Agent) container(v version) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, container, ok := a.named(r)
		if !ok {
			v.refuse(w, r, "container metadata", noContainer)
			return
		}
		d := a.describe(r, c, v)
		write(w, http.StatusOK, d.container(container))
	}
}

// task serves the metadata of the task that asks, with its tags if they are wanted.
func (a *Agent) task(v version, tags bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, ok := a.named(r)
		if !ok {
			v.refuse(w, r, "task metadata", noTask)
			return
		}
		doc := a.describe(r, c, v).document()
		if tags {
			doc.TaskTags = c.task.Tags
		}
		write(w, http.StatusOK, doc)
	}
}

// description is all that is known of a task, to make documents of.
type description struct {
	caller
	version version
	seen    map[string]orchestrator.ContainerObservation // by name
	network networkDocument
	vpc     string
	checks  func(container string) (orchestrator.HealthDetail, error) // nil: the engine does not tell
}

func (a *Agent) describe(r *http.Request, c caller, v version) description {
	d := description{caller: c, version: v, seen: a.observe(r, c.task), vpc: a.config.Network.DefaultVPC().ID}
	if reader, ok := a.config.Engine.(orchestrator.HealthReader); ok {
		d.checks = func(container string) (orchestrator.HealthDetail, error) {
			return reader.HealthDetail(r.Context(), c.task.ARN, container)
		}
	}
	if c.task.Interface != nil {
		d.network = a.networkOf(c.task.Interface, c.definition.NetworkMode)
	}
	if v == v3 {
		d.network = networkDocument{NetworkMode: d.network.NetworkMode, IPv4Addresses: d.network.IPv4Addresses}
	}
	return d
}

// ask asks the engine about a task; it may tell of others too.
func (a *Agent) ask(ctx context.Context, task string) ([]orchestrator.TaskObservation, error) {
	if o, ok := a.config.Engine.(orchestrator.Observer); ok {
		seen, _, err := o.Observe(ctx, orchestrator.Change{Tasks: []string{task}})
		return seen, err
	}
	return a.config.Engine.List(ctx)
}

// observe returns what the engine sees of a task's containers. The last look may be older than the
// container that asks: then the engine is asked now.
func (a *Agent) observe(r *http.Request, t *orchestrator.Task) map[string]orchestrator.ContainerObservation {
	seen, ok := a.config.Scheduler.Observed(t.ARN)
	if !ok || len(seen.Containers) < len(t.Containers) {
		list, err := a.ask(r.Context(), t.ARN)
		if err != nil {
			a.log.Warn("look for a task's containers", "task", t.ARN, "error", err)
		}
		for _, o := range list {
			if o.Task == t.ARN {
				seen = o
			}
		}
	}
	byName := make(map[string]orchestrator.ContainerObservation, len(seen.Containers))
	for _, c := range seen.Containers {
		byName[c.Name] = c
	}
	return byName
}

// networkOf describes a task's interface. DNS is Docker's own.
func (a *Agent) networkOf(i *orchestrator.TaskInterface, mode string) networkDocument {
	if mode == "" {
		mode = "bridge"
	}
	doc := networkDocument{
		NetworkMode: mode, IPv4Addresses: []string{i.Address.String()}, AttachmentIndex: new(int),
		MACAddress: i.MAC, PrivateDNSName: i.DNSName, DomainNameServers: []string{"127.0.0.11"},
	}
	if _, domain, ok := strings.Cut(i.DNSName, "."); ok {
		doc.DomainNameSearchList = []string{domain}
	}
	vpc := a.config.Network.DefaultVPC()
	doc.SubnetGatewayIPv4Address = vpc.Gateway().String() + "/" + strconv.Itoa(vpc.CIDR.Bits())
	if found, err := a.config.Network.Subnets([]string{i.Subnet}); err == nil && len(found) == 1 {
		doc.IPv4SubnetCIDRBlock = found[0].CIDR.String()
	}
	return doc
}

// document describes the task.
func (d description) document() taskDocument {
	t := d.task
	doc := taskDocument{
		Cluster: d.cluster(), TaskARN: t.ARN, Family: d.definition.Family, Revision: revision(t.TaskDefinition),
		DesiredStatus: string(t.Desired), KnownStatus: known(t.Status), Limits: d.limits(),
		PullStartedAt: moment(t.PullStartedAt), PullStoppedAt: moment(t.PullStoppedAt), ExecutionStoppedAt: moment(t.ExecutionStoppedAt),
		LaunchType: d.launchType(), ServiceName: lastPart(t.Service), Group: t.Group, VPCID: d.vpc, ClockDrift: drift(time.Now()),
	}
	if t.Interface != nil {
		doc.AvailabilityZone = t.Interface.Zone
	}
	if d.version == v4 {
		doc.FaultInjectionEnabled = &d.definition.EnableFaultInjection
	}
	for n := range t.Containers {
		if _, made := d.seen[t.Containers[n].Name]; made {
			doc.Containers = append(doc.Containers, d.container(&t.Containers[n]))
		}
	}
	return doc
}

// launchType is FARGATE unless the task says otherwise.
func (d description) launchType() string {
	if d.task.LaunchType == "" {
		return "FARGATE"
	}
	return d.task.LaunchType
}

// cluster is the cluster's ARN on Fargate, its name elsewhere (ECS-223).
func (d description) cluster() string {
	if d.launchType() == "FARGATE" {
		return clusterARN(d.task)
	}
	return d.task.Cluster
}

// limits are those of the whole task, nil if it has none.
func (d description) limits() *limits {
	var l limits
	if units, err := strconv.ParseFloat(d.task.CPU, 64); err == nil && units > 0 {
		units /= 1024
		l.CPU = &units
	}
	if mib, err := strconv.ParseInt(d.task.Memory, 10, 64); err == nil && mib > 0 {
		l.Memory = &mib
	}
	if l == (limits{}) {
		return nil
	}
	return &l
}

// container describes one of the task's containers.
func (d description) container(c *orchestrator.TaskContainer) containerDocument {
	seen := d.seen[c.Name]
	def, _ := d.definition.Container(c.Name)
	doc := containerDocument{
		DockerID: seen.RuntimeID, Name: c.Name, DockerName: seen.RuntimeName, Image: c.Image, ImageID: seen.ImageDigest,
		Labels: d.labels(def), DesiredStatus: string(d.task.Desired), KnownStatus: statusOf(c, seen), ExitCode: c.ExitCode,
		Limits:    containerLimits(c),
		CreatedAt: moment(seen.CreatedAt), StartedAt: moment(seen.StartedAt), FinishedAt: moment(seen.FinishedAt),
		Type: "NORMAL", ContainerARN: c.ARN,
	}
	for _, p := range def.PortMappings {
		doc.Ports = append(doc.Ports, portOf(p))
	}
	if d.task.Interface != nil {
		doc.Networks = []networkDocument{d.network}
	}
	if def.HealthCheck != nil {
		doc.Health = d.health(c)
	}
	for _, m := range def.MountPoints {
		doc.Volumes = append(doc.Volumes, volumeOf(d.definition.Volumes, m))
	}
	if p := def.RestartPolicy; p != nil && p.Enabled && d.version == v4 {
		doc.RestartCount = &c.RestartCount
	}
	if l := def.LogConfiguration; l != nil {
		doc.LogDriver, doc.LogOptions = l.LogDriver, logOptions(l, c.Name, d.task.ID)
	}
	return doc
}

// health is a container's health, with what its last check said.
func (d description) health(c *orchestrator.TaskContainer) *healthDocument {
	doc := &healthDocument{Status: c.Health}
	if d.checks == nil {
		return doc
	}
	if last, err := d.checks(c.Name); err == nil {
		doc.StatusSince, doc.ExitCode, doc.Output = moment(last.Since), last.ExitCode, last.Output
	}
	return doc
}

// volumeOf is what a mount point mounts.
func volumeOf(volumes []taskdefs.Volume, m taskdefs.MountPoint) volumeDocument {
	doc := volumeDocument{DockerName: m.SourceVolume, Destination: m.ContainerPath}
	for _, v := range volumes {
		if v.Name == m.SourceVolume && v.Host != nil && v.Host.SourcePath != "" {
			doc.DockerName, doc.Source = "", v.Host.SourcePath
		}
	}
	return doc
}

func portOf(p taskdefs.PortMapping) portDocument {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return portDocument{ContainerPort: p.ContainerPort, Protocol: protocol, HostPort: p.HostPort}
}

// labels are the definition's, and over them the agent's own.
func (d description) labels(def taskdefs.ContainerDefinition) map[string]string {
	labels := maps.Clone(def.DockerLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	const prefix = "com.amazonaws.ecs."
	labels[prefix+"cluster"] = d.cluster()
	labels[prefix+"container-name"] = def.Name
	labels[prefix+"task-arn"] = d.task.ARN
	labels[prefix+"task-definition-family"] = d.definition.Family
	labels[prefix+"task-definition-version"] = revision(d.task.TaskDefinition)
	return labels
}

// logOptions are the definition's and, for awslogs, the stream that the container writes.
func logOptions(l *taskdefs.LogConfiguration, container, task string) map[string]string {
	options := maps.Clone(l.Options)
	if prefix := options["awslogs-stream-prefix"]; l.LogDriver == "awslogs" && prefix != "" {
		delete(options, "awslogs-stream-prefix")
		options["awslogs-stream"] = prefix + "/" + container + "/" + task
	}
	return options
}

// containerLimits: a container without CPU units shows the least that Docker has.
func containerLimits(c *orchestrator.TaskContainer) limits {
	cpu := float64(max(c.CPU, minimumCPU))
	l := limits{CPU: &cpu}
	if c.Memory > 0 {
		mib := int64(c.Memory)
		l.Memory = &mib
	}
	return l
}

// statusOf is what the engine sees, or else what the scheduler knows.
func statusOf(c *orchestrator.TaskContainer, seen orchestrator.ContainerObservation) string {
	if seen.Status == "" {
		return c.Status
	}
	return strings.ToUpper(string(seen.Status))
}

// known is a task's status in the agent's words, which know of containers only: they are made,
// they run, or they have stopped.
func known(s orchestrator.TaskStatus) string {
	switch s {
	case orchestrator.Provisioning, orchestrator.Pending, orchestrator.Activating:
		return "CREATED"
	case orchestrator.Deprovisioning, orchestrator.Stopped:
		return "STOPPED"
	}
	return "RUNNING"
}

// moment is nil for what has not happened.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func revision(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

var _ Network = (*network.Network)(nil)
