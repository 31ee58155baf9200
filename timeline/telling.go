package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const traceIDs = 20 // trace ids in a cluster

// telling is a cluster while it is put into words.
type telling struct {
	finding
	*scene  // of the last request: by then most was known
	first   *scene
	members []member
	window  Window
}

func tell(h *history, members []member) Cluster {
	t := &telling{members: members, first: h.scene(members[0].o), scene: h.scene(members[len(members)-1].o)}
	t.finding = members[len(members)-1].f
	t.window = Window{members[0].o.Start, members[0].o.End}
	for _, m := range members {
		t.confidence = weaker(t.confidence, m.f.confidence)
		if m.o.End.After(t.window.To) {
			t.window.To = m.o.End
		}
	}
	return t.cluster()
}

func (t *telling) cluster() Cluster {
	o := t.first.o
	words := stories[t.code]
	causes := t.causes()
	c := Cluster{
		Code: t.code, Cause: causes[0].Cause, Causes: causes, Confidence: t.confidence,
		Status: o.Status, TargetStatus: o.TargetStatus, Count: len(t.members), Window: t.window,
		Routes: routesOf(t.members), LoadBalancer: o.LoadBalancer, TargetGroup: o.TargetGroup,
		Tasks: t.tasksInvolved(), Service: t.ownService(),
		Sentence: words.sentence(t), Why: words.why, Fix: words.fix, FalsifiedBy: words.falsifiedBy,
		Chain: t.chain(), Evidence: t.evidence(), Settings: []Setting{}, OnAWS: onAWS(t.members, causes),
	}
	if words.settings != nil {
		c.Settings = words.settings(t)
	}
	if c.Fix == nil {
		c.Fix = []string{}
	}
	c.TraceIDs = []string{}
	for _, m := range t.members {
		c.ids = append(c.ids, m.o.ID)
		if m.o.TraceID != "" && len(c.TraceIDs) < traceIDs {
			c.TraceIDs = append(c.TraceIDs, m.o.TraceID)
		}
	}
	return c
}

// weaker returns the weaker of two degrees of confidence.
func weaker(a, b Confidence) Confidence {
	order := []Confidence{Certain, Likely, Possible, Unsure}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// causes counts what the load balancer saw, most frequent first.
func (t *telling) causes() []CauseCount {
	var all []CauseCount
	for _, m := range t.members { // in order of time
		i := slices.IndexFunc(all, func(c CauseCount) bool { return c.Cause == m.o.Cause })
		if i < 0 {
			i, all = len(all), append(all, CauseCount{Cause: m.o.Cause, First: m.o.Start})
		}
		all[i].Count++
	}
	slices.SortFunc(all, func(a, b CauseCount) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

// countOf returns how many of the requests ended with one of causes.
func (t *telling) countOf(causes ...Cause) int {
	n := 0
	for _, m := range t.members {
		if slices.Contains(causes, m.o.Cause) {
			n++
		}
	}
	return n
}

func (t *telling) tasksInvolved() []string {
	tasks := make(map[string]bool)
	for _, m := range t.members {
		if task := t.taskOf(m.o); task != "" {
			tasks[task] = true
		}
	}
	return slices.Sorted(maps.Keys(tasks))
}

// who names the task, or the tasks: "task 7f3a0c12 (orders:12)".
func (t *telling) who() string {
	tasks := t.tasksInvolved()
	of := ""
	if d := t.definition(); d != "" {
		of = " (" + d + ")"
	}
	switch len(tasks) {
	case 0:
		return "target " + cmp.Or(t.o.Target.Address, "of "+t.group())
	case 1:
		return "task " + taskID(tasks[0]) + of
	}
	return fmt.Sprintf("%d tasks%s", len(tasks), of)
}

// whoFirst is who, to begin a sentence with.
func (t *telling) whoFirst() string { return capital(t.who()) }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// group names the target group.
func (t *telling) group() string {
	if t.o.TargetGroup == "" {
		return "no target group"
	}
	return "target group " + groupName(t.o.TargetGroup)
}

// byCall returns " (UpdateService by aws-cli)", if it is known which call led to e.
func (t *telling) byCall(e Event) string {
	if call, ok := t.origin(e); ok {
		return " (" + callOf(call) + ")"
	}
	return ""
}

// damage says what happened to the requests: "refused 39 connections and cut 2 requests in flight".
func (t *telling) damage() string {
	var parts []string
	add := func(n int, verb, noun string) {
		if n > 0 {
			parts = append(parts, verb+" "+plural(n, noun))
		}
	}
	refused := t.countOf(ConnRefused, ConnRefusedDraining, ICMPUnreachable)
	add(refused, "refused", "connection")
	add(t.countOf(TargetClosedInflight), "cut", "request")
	add(t.countOf(KeepaliveRace), "closed idle connections under", "request")
	add(t.countOf(TruncatedResponse), "truncated", "response")
	return strings.Join(parts, " and ")
}

// longest returns the greatest age that one of the requests reached.
func (t *telling) longest() time.Duration {
	var longest time.Duration
	for _, m := range t.members {
		longest = max(longest, m.o.End.Sub(m.o.Start))
	}
	return longest
}

// chain walks from the first request back to what started everything.
func (t *telling) chain() []Link {
	links := []Link{t.requestLink(), t.targetLink()}
	if t.first.task != "" {
		links = append(links, t.taskLink())
	}
	for _, e := range t.ancestors(t.root) {
		links = append(links, Link{Seq: e.Seq, Time: e.Time, Kind: string(e.Kind), Subject: e.Subject, Text: describe(e)})
	}
	return links
}

func (t *telling) requestLink() Link {
	o := t.first.o
	text := fmt.Sprintf("%s %s answered %d", o.Method, pathOf(o.URI), o.Status)
	if o.Cause != CauseNone {
		text += ", " + string(o.Cause)
	}
	return Link{Time: o.Start, Kind: "request", Subject: cmp.Or(o.TraceID, o.ID), Text: text}
}

func (t *telling) targetLink() Link {
	o := t.first.o
	link := Link{Time: o.Start, Kind: "target", Subject: cmp.Or(o.Target.Address, o.TargetGroup, o.Listener)}
	switch {
	case o.TargetGroup == "":
		link.Text = "no target group: the listener's rule " + o.RulePriority + " did not forward"
	case o.Target.Address == "":
		link.State = "none"
		link.Text = t.group() + " had no target to choose"
	default:
		link.State = t.first.chosenState()
		_, e := t.first.targetState(o.Start)
		link.Seq = e.Seq
		link.Text = fmt.Sprintf("target %s of %s was %s when it was chosen", o.Target.Address, t.group(), link.State)
		if o.Target.FailOpen {
			link.Text += " (no target was healthy: the load balancer failed open)"
		}
	}
	return link
}

func (t *telling) taskLink() Link {
	status, e := t.first.taskStatus(t.first.o.Start)
	status = cmp.Or(status, "unknown")
	text := "task " + taskID(t.first.task)
	if d := t.first.definition(); d != "" {
		text += " (" + d + ")"
	}
	return Link{Seq: e.Seq, Time: t.first.o.Start, Kind: "task", Subject: t.first.task, State: status, Text: text + " was " + status}
}

// evidence collects the events that the explanation rests on, in order of time.
func (t *telling) evidence() []Evidence {
	found := make(map[int64]Event)
	add := func(events ...Event) {
		for _, e := range events {
			if e.Seq != 0 {
				found[e.Seq] = e
			}
		}
	}
	add(t.ancestors(t.root)...)
	st := t.stop
	add(st.call, st.term, st.kill, st.exit)
	if st.deregistered.Seq != 0 && t.root.Seq != 0 {
		add(st.deregistered)
	}
	_, target := t.first.targetState(t.first.o.Start)
	add(target)
	if t.o.Target.Address == "" && t.o.TargetGroup != "" {
		add(t.first.emptied(), t.refilled())
	}
	if t.code == UnknownReason {
		add(t.around()...)
	}
	all := slices.SortedFunc(maps.Values(found), func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
	})
	evidence := []Evidence{}
	for _, e := range all {
		evidence = append(evidence, Evidence{e.Seq, e.Time, describe(e)})
	}
	return evidence
}

// refilled returns the event that brought a target into the empty target group again.
func (t *telling) refilled() Event {
	e, _ := firstAfter(t.groups[t.o.TargetGroup], t.o.Start, with("to", "initial", "healthy"))
	return e
}

// around returns what happened to the task and its target shortly before and after: the raw facts.
func (t *telling) around() []Event {
	const shortly, most = 10 * time.Second, 20
	events := slices.Clone(t.target)
	if t.life != nil {
		events = slices.Concat(events, t.life.states, t.life.signals, t.life.exits)
	}
	if t.o.Target.Address == "" {
		events = append(events, t.groups[t.o.TargetGroup]...)
	}
	from, to := t.window.From.Add(-shortly), t.window.To.Add(shortly)
	events = slices.DeleteFunc(events, func(e Event) bool { return e.Time.Before(from) || e.Time.After(to) })
	return events[:min(len(events), most)]
}
