package orchestrator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drydock/taskdefs"
)

// overrides is RunTask's overrides member.
type overrides struct {
	CPU        string              `json:"cpu"`
	Memory     string              `json:"memory"`
	Containers []containerOverride `json:"containerOverrides"`
}

type containerOverride struct {
	Name        string                     `json:"name"`
	Command     []string                   `json:"command"`
	Environment []taskdefs.KeyValue        `json:"environment"`
	Files       []taskdefs.EnvironmentFile `json:"environmentFiles"`
	CPU         *int                       `json:"cpu"`
	Memory      *int                       `json:"memory"`
	Reservation *int                       `json:"memoryReservation"`
}

func parseOverrides(doc json.RawMessage) (overrides, error) {
	var o overrides
	if len(doc) == 0 {
		return o, nil
	}
	if err := json.Unmarshal(doc, &o); err != nil {
		return o, fmt.Errorf("overrides: %w", err)
	}
	return o, nil
}

// overridden returns the containers as RunTask wants them. An override wins over the
// definition (ECS-070).
func overridden(containers []taskdefs.ContainerDefinition, doc json.RawMessage) ([]taskdefs.ContainerDefinition, error) {
	o, err := parseOverrides(doc)
	if err != nil || len(o.Containers) == 0 {
		return containers, err
	}
	containers = slices.Clone(containers)
	for _, over := range o.Containers {
		n := slices.IndexFunc(containers, func(c taskdefs.ContainerDefinition) bool { return c.Name == over.Name })
		if n < 0 {
			return nil, fmt.Errorf("override for container named %s is not a container in the TaskDefinition", over.Name)
		}
		over.apply(&containers[n])
	}
	return containers, nil
}

func (o containerOverride) apply(c *taskdefs.ContainerDefinition) {
	if o.Command != nil {
		c.Command = o.Command
	}
	if o.Files != nil {
		c.EnvironmentFiles = o.Files // instead of the definition's (ECS-262)
	}
	if o.CPU != nil {
		c.CPU = *o.CPU
	}
	if o.Memory != nil {
		c.Memory = *o.Memory
	}
	if o.Reservation != nil {
		c.MemoryReservation = *o.Reservation
	}
	c.Environment = slices.Clone(c.Environment)
	for _, kv := range o.Environment {
		c.Environment = slices.DeleteFunc(c.Environment, func(e taskdefs.KeyValue) bool { return e.Name == kv.Name })
		c.Environment = append(c.Environment, kv)
	}
}

// revisionOf returns the revision at the end of a task definition's ARN.
func revisionOf(arn string) int {
	n, _ := strconv.Atoi(arn[strings.LastIndexByte(arn, ':')+1:])
	return n
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
