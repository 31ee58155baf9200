package timeline

import (
	"cmp"
	"slices"
	"time"
)

const (
	contiguous = time.Minute      // failures further apart are different incidents
	drizzle    = 10 * time.Minute // the same, for reasons that strike now and then
)

// Explain says why outcomes failed. Events are everything that is known to have happened, as far
// back as there is memory; outcomes are those of the time in question, the good ones too. It is
// pure: the same arguments give the same answer.
func Explain(outcomes []Outcome, events []Event, now time.Time) Explanation {
	e := Explanation{From: now, To: now, Requests: len(outcomes), Clusters: []Cluster{}}
	h := newHistory(events)
	groups := make(map[clusterKey][]member)
	for _, o := range outcomes {
		if o.Start.Before(e.From) {
			e.From = o.Start
		}
		if o.Failed() {
			s := h.scene(o)
			f := diagnose(s)
			key := keyOf(s, f)
			groups[key] = append(groups[key], member{o, f})
		}
	}
	for _, members := range groups {
		for _, part := range split(members) {
			e.Clusters = append(e.Clusters, tell(h, part))
		}
	}
	e.count()
	return e
}

// Memory is what is remembered of requests. A [Recorder] is one.
type Memory interface {
	// Failed returns up to limit of the most recent failed outcomes, newest first.
	Failed(limit int) []Outcome
	// Since returns outcomes that ended at from or later: every failed one at least.
	Since(from time.Time) []Outcome
	// Requests returns how many requests ended at from or later, and how many of them failed.
	Requests(from, now time.Time) (requests, failed int)
	// Drops returns how many failed outcomes were lost.
	Drops() Drops
}

var _ Memory = (*Recorder)(nil)

// Why explains the requests that ended at from or later and failed.
func Why(r Memory, l *Log, from, now time.Time) Explanation {
	from = from.Truncate(time.Second) // requests are counted by whole seconds
	e := Explain(r.Since(from), l.All(), now)
	e.From = from
	requests, _ := r.Requests(from, now)
	e.Requests = max(requests, e.Requests)
	e.Dropped = r.Drops().Forgotten
	return e
}

// WhyLast explains the failure that happened last, with those around it that have the same reason.
func WhyLast(r Memory, l *Log, now time.Time) Explanation {
	failed := r.Failed(1)
	if len(failed) == 0 {
		return Why(r, l, now.Add(-drizzle), now)
	}
	return Why(r, l, failed[0].Start.Add(-drizzle), now).Last()
}

// Last returns e with no cluster but the one that ended last.
func (e Explanation) Last() Explanation {
	if len(e.Clusters) < 2 {
		return e
	}
	latest := slices.MaxFunc(e.Clusters, func(a, b Cluster) int { return a.Window.To.Compare(b.Window.To) })
	e.Clusters = []Cluster{latest}
	return e
}

// count orders the clusters and counts what they hold.
func (e *Explanation) count() {
	for _, c := range e.Clusters {
		e.Failed += c.Count
		if c.Code == UnknownReason {
			e.Unknown += c.Count
		}
	}
	slices.SortFunc(e.Clusters, func(a, b Cluster) int {
		return cmp.Or(b.Count-a.Count, a.Window.From.Compare(b.Window.From),
			cmp.Compare(a.Code, b.Code), slices.Compare(a.ids, b.ids))
	})
}

// member is a failed request and what was found about it.
type member struct {
	o Outcome
	f finding
}

// clusterKey is what the requests of a cluster have in common, beside contiguous time.
type clusterKey struct {
	code         Code
	status       int
	targetStatus int
	cause        Cause  // where there is no explanation
	subject      string // task, revision, target group or rule
	targetGroup  string
}

func keyOf(s *scene, f finding) clusterKey {
	key := clusterKey{code: f.code, status: s.o.Status, targetGroup: s.o.TargetGroup, subject: subjectOf(s, f.code)}
	switch f.code {
	case UnknownReason:
		key.cause = s.o.Cause
	case AnsweredByTarget:
		key.targetStatus = s.o.TargetStatus
	}
	return key
}

// subjectOf returns what a reason is a property of: one task, or the application in its revision, or
// neither (then the target group is enough).
func subjectOf(s *scene, code Code) string {
	switch code {
	case AnsweredByTarget, IdleTimeout, KeepAliveTooShort, ClientLeft, Malformed, ResponseHeader, ShortBody, TargetTLS:
		return cmp.Or(s.definition(), s.task, s.o.Target.Address)
	case SecurityGroup, NoDesiredTasks, LastTaskStopped, StoppedFirst, NoTaskSurvived, NotRegisteredYet:
		return ""
	case FixedResponse, RequestEncoding, ProtocolVersion, TransformBroken, LongLocation:
		return s.o.Listener + " " + s.o.RulePriority
	}
	return cmp.Or(s.task, s.o.Target.Registration, s.o.Target.Address)
}

// gapOf returns how far apart failures of one reason may be and still belong together.
func gapOf(code Code) time.Duration {
	switch code {
	case KeepAliveTooShort, IdleTimeout, AnsweredByTarget, ClientLeft, FixedResponse, TargetTLS, ProtocolVersion, TransformBroken, LongLocation:
		return drizzle
	}
	return contiguous
}

// split cuts members, which have the same key, where there is a gap in time.
func split(members []member) [][]member {
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(a.o.Start.Compare(b.o.Start), cmp.Compare(a.o.ID, b.o.ID))
	})
	gap := gapOf(members[0].f.code)
	var parts [][]member
	begin, end := 0, members[0].o.End
	for i, m := range members {
		if m.o.Start.Sub(end) > gap {
			parts = append(parts, members[begin:i])
			begin, end = i, m.o.End
		}
		if m.o.End.After(end) {
			end = m.o.End
		}
	}
	return append(parts, members[begin:])
}
