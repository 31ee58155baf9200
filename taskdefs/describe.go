package taskdefs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"time"
)

// Describe returns the answer document of a revision: the registered members as they were
// written, in the API's order, with the defaults that AWS fills in (ECS-117). Tags are
// answered beside it, by the caller.
func Describe(r Registered) (json.RawMessage, error) {
	var w writer
	w.open('{')
	w.member("taskDefinitionArn", r.ARN)
	tree := withDefaults(r.tree)
	for _, m := range members(reflect.TypeFor[TaskDefinition]()) {
		if v, ok := tree[m.name]; ok && m.name != "tags" {
			w.name(m.name)
			w.value(v, m.typ)
		}
		if m.name == "networkMode" {
			w.member("revision", r.Revision)
		}
		if m.name == "volumes" {
			w.status(r)
		}
	}
	w.trail(r)
	w.close('}')
	if w.err != nil {
		return nil, fmt.Errorf("describe %s: %w", r.Name(), w.err)
	}
	return w.out.Bytes(), nil
}

// withDefaults returns a copy of a document with what AWS adds to it.
func withDefaults(tree map[string]any) map[string]any {
	full := maps.Clone(tree)
	setDefault(full, "volumes", []any{})
	setDefault(full, "placementConstraints", []any{})
	mode, _ := tree["networkMode"].(string)
	var containers []any
	for _, c := range list(tree["containerDefinitions"]) {
		containers = append(containers, withContainerDefaults(c.(map[string]any), mode))
	}
	full["containerDefinitions"] = containers
	var volumes []any
	for _, v := range list(full["volumes"]) {
		volumes = append(volumes, withVolumeDefaults(v.(map[string]any)))
	}
	full["volumes"] = volumes
	return full
}

func withContainerDefaults(c map[string]any, networkMode string) map[string]any {
	full := maps.Clone(c)
	setDefault(full, "cpu", json.Number("0"))
	setDefault(full, "essential", true)
	for _, name := range []string{"environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"} {
		setDefault(full, name, []any{})
	}
	var ports []any
	for _, p := range list(full["portMappings"]) {
		ports = append(ports, withPortDefaults(p.(map[string]any), networkMode))
	}
	full["portMappings"] = ports
	if h, ok := full["healthCheck"].(map[string]any); ok {
		full["healthCheck"] = withHealthCheckDefaults(h)
	}
	return full
}

// withPortDefaults: with its own network a task's host port is the container port; a
// bridge's is chosen when the task starts, which 0 stands for (ECS-117).
func withPortDefaults(p map[string]any, networkMode string) map[string]any {
	full := maps.Clone(p)
	setDefault(full, "protocol", "tcp")
	port, single := p["containerPort"]
	if !single {
		return full
	}
	if networkMode == "awsvpc" || networkMode == "host" {
		if full["hostPort"] == json.Number("0") {
			delete(full, "hostPort")
		}
		setDefault(full, "hostPort", port)
	}
	setDefault(full, "hostPort", json.Number("0"))
	return full
}

// Assumed defaults of a container health check, in seconds (ECS-120).
const (
	DefaultHealthCheckInterval = 30
	DefaultHealthCheckTimeout  = 5
	DefaultHealthCheckRetries  = 3
)

func withHealthCheckDefaults(h map[string]any) map[string]any {
	full := maps.Clone(h)
	setDefault(full, "interval", number(DefaultHealthCheckInterval))
	setDefault(full, "timeout", number(DefaultHealthCheckTimeout))
	setDefault(full, "retries", number(DefaultHealthCheckRetries))
	return full
}

func withVolumeDefaults(v map[string]any) map[string]any {
	efs, ok := v["efsVolumeConfiguration"].(map[string]any)
	if !ok {
		return v
	}
	full, efs := maps.Clone(v), maps.Clone(efs)
	setDefault(efs, "rootDirectory", "/")
	full["efsVolumeConfiguration"] = efs
	return full
}

func setDefault(object map[string]any, name string, v any) {
	if _, ok := object[name]; !ok {
		object[name] = v
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// writer writes a tree with its members in the API's order.
type writer struct {
	out   bytes.Buffer
	first bool // nothing stands before the next member or item
	err   error
}

func (w *writer) open(c byte) {
	w.out.WriteByte(c)
	w.first = true
}

func (w *writer) close(c byte) {
	w.out.WriteByte(c)
	w.first = false
}

func (w *writer) separate() {
	if !w.first {
		w.out.WriteByte(',')
	}
	w.first = false
}

func (w *writer) name(name string) {
	w.separate()
	w.plain(name)
	w.out.WriteByte(':')
}

func (w *writer) member(name string, v any) {
	w.name(name)
	w.plain(v)
}

// plain writes a value whose order doesn't matter. HTML characters stay as they are.
func (w *writer) plain(v any) {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		w.err = err
		return
	}
	w.out.Truncate(w.out.Len() - 1) // the encoder's newline
}

func (w *writer) value(v any, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer:
		w.value(v, t.Elem())
	case reflect.Struct:
		w.object(v.(map[string]any), t)
	case reflect.Slice:
		w.open('[')
		for _, item := range list(v) {
			w.separate()
			w.value(item, t.Elem())
		}
		w.close(']')
	default:
		w.plain(v)
	}
}

func (w *writer) object(object map[string]any, t reflect.Type) {
	w.open('{')
	for _, m := range members(t) {
		if v, ok := object[m.name]; ok {
			w.name(m.name)
			w.value(v, m.typ)
		}
	}
	w.close('}')
}

func (w *writer) status(r Registered) {
	w.member("status", r.Status)
	type named struct {
		Name string `json:"name"`
	}
	names := []named{}
	for _, name := range r.RequiresAttributes {
		names = append(names, named{name})
	}
	w.member("requiresAttributes", names)
	w.member("compatibilities", append([]string{}, r.Compatibilities...))
}

func (w *writer) trail(r Registered) {
	for _, t := range []struct {
		name string
		at   time.Time
	}{
		{"registeredAt", r.RegisteredAt}, {"deregisteredAt", r.DeregisteredAt}, {"deleteRequestedAt", r.DeleteRequestedAt},
	} {
		if !t.at.IsZero() {
			w.member(t.name, epoch(t.at))
		}
	}
	if r.RegisteredBy != "" {
		w.member("registeredBy", r.RegisteredBy)
	}
}

// epoch writes a time as JSON services do: seconds with milliseconds.
func epoch(t time.Time) json.Number {
	ms := t.UnixMilli()
	return json.Number(fmt.Sprintf("%d.%03d", ms/1000, ms%1000))
}
