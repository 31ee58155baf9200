package orchestrator_test

import (
	"regexp"
	"testing"
	"time"

	"drydock/orchestrator"
)

// TestRecord_OneForEachDeployment: every deployment has a service deployment and a service
// revision of its own, with ARNs of AWS's form; the one before is its source.
func TestRecord_OneForEachDeployment(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 1, min: 100, max: 200})
		first := *w.web().Primary()
		w.steady(time.Minute)
		w.redeploy()
		second := *w.web().Primary()
		form := regexp.MustCompile(`^arn:aws:ecs:us-east-1:123456789012:service-(deployment/default/web/[0-9a-zA-Z_-]{21}|revision/default/web/[0-9]{19})$`)
		for _, arn := range []string{first.Record, first.RevisionARN, second.Record, second.RevisionARN} {
			if !form.MatchString(arn) {
				t.Errorf("ARN %q", arn)
			}
		}
		state := w.c.Snapshot()
		r, rev := state.Records[second.Record], state.Revisions[second.RevisionARN]
		if r == nil || r.Target.ARN != second.RevisionARN || len(r.Sources) != 1 || r.Sources[0].ARN != first.RevisionARN || r.Sources[0].Running != 1 {
			t.Errorf("service deployment %+v", r)
		}
		if rev == nil || rev.Revision.TaskDefinition != second.Revision.TaskDefinition || rev.Service != w.web().ARN {
			t.Errorf("service revision %+v", rev)
		}
	})
}
