package timeline

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"
)

// history is a set of events, found by what they happened to.
type history struct {
	events   map[int64]Event
	tasks    map[string]*life
	groups   map[string][]Event // target states, by target group
	services map[string][]Event // deployments, decisions and service events, by service
	owners   map[string]string  // service, by target group
	network  []Event
	settings []Event // events that can tell the value of a setting
}

// life is what is known about one task. A nil life knows nothing.
type life struct {
	states  []Event
	signals []Event
	exits   []Event // for good
	bounces []Event // exits that a restart policy answers, and the restarts
	faults  []Event // injected ones
	outside []Event // what somebody else than ECS did to its containers
	targets []Event // states of its targets, in all target groups
}

func newHistory(events []Event) *history {
	h := &history{
		events:   make(map[int64]Event, len(events)),
		tasks:    make(map[string]*life),
		groups:   make(map[string][]Event),
		services: make(map[string][]Event),
		owners:   make(map[string]string),
	}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
	})
	for _, e := range sorted {
		h.events[e.Seq] = e
		h.file(e)
	}
	for group, states := range h.groups {
		h.findOwner(group, states)
	}
	return h
}

// file puts e where it will be looked for.
func (h *history) file(e Event) {
	if e.Data["outside"] != "" {
		l := h.open(subject(e, "task"))
		l.outside = append(l.outside, e)
	}
	switch e.Kind {
	case TaskState:
		l := h.open(subject(e, "task"))
		l.states = append(l.states, e)
	case Signal:
		l := h.open(subject(e, "task"))
		l.signals = append(l.signals, e)
	case Exit:
		l := h.open(subject(e, "task"))
		if e.Data["restart"] != "" {
			l.bounces = append(l.bounces, e)
			break
		}
		l.exits = append(l.exits, e)
	case Restart:
		l := h.open(subject(e, "task"))
		l.bounces = append(l.bounces, e)
	case Fault:
		l := h.open(subject(e, "task"))
		l.faults = append(l.faults, e)
	case TargetState:
		group := subject(e, "targetGroup")
		h.groups[group] = append(h.groups[group], e)
		if task := e.Data["task"]; task != "" {
			l := h.open(task)
			l.targets = append(l.targets, e)
		}
	case Deployment, Decision, ServiceEvent:
		service := subject(e, "service")
		h.services[service] = append(h.services[service], e)
		h.ownGroups(service, e)
	case Network:
		h.network = append(h.network, e)
	case Config:
		h.settings = append(h.settings, e)
	case APICall:
		h.settings = append(h.settings, e)
		if e.Data["service"] == "ec2" || strings.HasPrefix(e.Subject, "ec2:") {
			h.network = append(h.network, e)
		}
	}
}

// subject is what e happened to: its subject if that is an ARN, or else what its data says.
func subject(e Event, key string) string {
	if strings.HasPrefix(e.Subject, "arn:") {
		return e.Subject
	}
	return cmp.Or(e.Data[key], e.Subject)
}

func (h *history) open(task string) *life {
	l := h.tasks[task]
	if l == nil {
		l = &life{}
		h.tasks[task] = l
	}
	return l
}

// ownGroups notes the target groups that an event of a service names.
func (h *history) ownGroups(service string, e Event) {
	if group := e.Data["targetGroup"]; group != "" {
		h.owners[group] = service
	}
	if e.Kind != ServiceEvent {
		return
	}
	if _, rest, ok := strings.Cut(e.Message, "(target-group "); ok {
		group, _, _ := strings.Cut(rest, ")")
		h.owners[group] = service
	}
}

// findOwner notes the service whose tasks are a target group's targets.
func (h *history) findOwner(group string, states []Event) {
	for _, e := range states {
		if service := h.tasks[e.Data["task"]].data("service", e.Time.Add(time.Hour)); service != "" {
			h.owners[group] = service
		}
	}
}

// service returns the events of a service, given by ARN or by name.
func (h *history) service(service string) []Event {
	if events, ok := h.services[service]; ok || service == "" {
		return events
	}
	for arn, events := range h.services {
		if last(arn) == last(service) {
			return events
		}
	}
	return nil
}

// ancestors returns e and what led to it, nearest first.
func (h *history) ancestors(e Event) []Event {
	var line []Event
	for e.Seq != 0 && !slices.ContainsFunc(line, func(a Event) bool { return a.Seq == e.Seq }) {
		line = append(line, e)
		e = h.events[e.Cause]
	}
	return line
}

// origin returns the API call that led to e, if one is known.
func (h *history) origin(e Event) (Event, bool) {
	for _, a := range h.ancestors(e) {
		if a.Kind == APICall {
			return a, true
		}
	}
	return Event{}, false
}

// lastBefore returns the last of events, which are in order of time, that happened at t or before
// and that want accepts.
func lastBefore(events []Event, t time.Time, want func(Event) bool) (Event, bool) {
	n := sort.Search(len(events), func(i int) bool { return events[i].Time.After(t) })
	for i := n - 1; i >= 0; i-- {
		if want(events[i]) {
			return events[i], true
		}
	}
	return Event{}, false
}

// firstAfter returns the first of events that happened after t and that want accepts.
func firstAfter(events []Event, t time.Time, want func(Event) bool) (Event, bool) {
	n := sort.Search(len(events), func(i int) bool { return events[i].Time.After(t) })
	for _, e := range events[n:] {
		if want(e) {
			return e, true
		}
	}
	return Event{}, false
}

func anyEvent(Event) bool { return true }

// with accepts events whose data has one of values under key.
func with(key string, values ...string) func(Event) bool {
	return func(e Event) bool { return slices.Contains(values, e.Data[key]) }
}

// stateAt returns the event that put the task into the status it had at t.
func (l *life) stateAt(t time.Time) (Event, bool) {
	if l == nil {
		return Event{}, false
	}
	return lastBefore(l.states, t, anyEvent)
}

// bounce returns the last exit up to t that a restart policy answered, and the restart that
// followed, if it has.
func (l *life) bounce(t time.Time) (exit, back Event) {
	if l == nil {
		return
	}
	exit, _ = lastBefore(l.bounces, t, func(e Event) bool { return e.Kind == Exit })
	back, _ = firstAfter(l.bounces, exit.Time, func(e Event) bool {
		return e.Kind == Restart && e.Data["container"] == exit.Data["container"]
	})
	return exit, back
}

// data returns the value under key that the task's state events gave last, at t or before;
// if they gave it only later, the first of those.
func (l *life) data(key string, t time.Time) string {
	if l == nil {
		return ""
	}
	has := func(e Event) bool { return e.Data[key] != "" }
	if e, ok := lastBefore(l.states, t, has); ok {
		return e.Data[key]
	}
	e, _ := firstAfter(l.states, t, has)
	return e.Data[key]
}

// targetsIn returns the states of the task's target in a target group.
func (l *life) targetsIn(group string) []Event {
	if l == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l.targets), func(e Event) bool { return subject(e, "targetGroup") != group })
}

// setting returns the last value under name that an event about one of the subjects gave, at t or before.
func (h *history) setting(name string, t time.Time, subjects ...string) Setting {
	e, ok := lastBefore(h.settings, t, func(e Event) bool {
		return e.Data[name] != "" && slices.ContainsFunc(subjects, func(s string) bool { return s != "" && about(e, s) })
	})
	if !ok {
		return Setting{Name: name}
	}
	return Setting{Name: name, Value: e.Data[name], Source: source(e)}
}

// about reports whether e names s, an ARN or the end of one.
func about(e Event, s string) bool {
	if strings.HasSuffix(e.Subject, s) {
		return true
	}
	for _, value := range e.Data {
		if strings.HasSuffix(value, s) {
			return true
		}
	}
	return false
}
