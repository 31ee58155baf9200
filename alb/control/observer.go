package control

import (
	"sync/atomic"

	"drydock/alb/node"
	"drydock/timeline"
)

// observer takes in what the node finds out: it is the node's Sink.
type observer struct {
	recorder  *timeline.Recorder // of all outcomes
	reports   *reports
	others    []node.Sink          // logs and metrics
	successor atomic.Pointer[link] // once the process retires: where everything goes instead
	changed   func()               // a target's state did
}

var _ node.Sink = (*observer)(nil)

func (o *observer) HealthChanged(h node.HealthChange) {
	if o.successor.Load() != nil {
		return // the successor checks too, and what it finds counts
	}
	o.reports.changed(h)
	o.changed()
	for _, s := range o.others {
		s.HealthChanged(h)
	}
}

func (o *observer) Finished(outcome *timeline.Outcome) {
	if l := o.successor.Load(); l != nil {
		kept := *outcome
		l.tell(relayed{Outcome: &kept})
		return
	}
	o.recorder.Record(outcome)
	if outcome.Failed() {
		kept := *outcome
		o.reports.add(Record{Outcome: &kept})
	}
	for _, s := range o.others {
		s.Finished(outcome)
	}
}

func (o *observer) Followed(e timeline.Epilogue) {
	if l := o.successor.Load(); l != nil {
		l.tell(relayed{Epilogue: &e})
		return
	}
	o.reports.add(Record{Epilogue: &e})
	for _, s := range o.others {
		s.Followed(e)
	}
}

func (o *observer) Connected(c node.Connection) {
	if l := o.successor.Load(); l != nil {
		told := c
		l.tell(relayed{Connection: &told})
		return
	}
	for _, s := range o.others {
		s.Connected(c)
	}
}

func (o *observer) Checked(c node.Check) {
	if o.successor.Load() != nil {
		return
	}
	for _, s := range o.others {
		s.Checked(c)
	}
}

// relay takes in what a predecessor found out.
func (o *observer) relay(r relayed) {
	switch {
	case r.Outcome != nil:
		o.Finished(r.Outcome)
	case r.Epilogue != nil:
		o.Followed(*r.Epilogue)
	case r.Connection != nil:
		o.Connected(*r.Connection)
	case r.Record != nil && o.successor.Load() != nil:
		o.successor.Load().tell(r)
	case r.Record != nil:
		o.reports.add(*r.Record)
	}
	o.reports.lost(r.Lost)
}
