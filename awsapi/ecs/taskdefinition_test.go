package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"drydock/awsapi/ecs"
)

// TestDeleteTaskDefinitions_FailuresAndStatus: what was deregistered is DELETE_IN_PROGRESS; the
// others are failures with AWS's reasons (ECS-126).
func TestDeleteTaskDefinitions_FailuresAndStatus(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.register("web")
		w.do("DeregisterTaskDefinition", `{"taskDefinition":"web:1"}`)
		out := call[ecs.DeleteTaskDefinitionsResponse](w, "DeleteTaskDefinitions", `{"taskDefinitions":["web:1","web:2","web:7","web","a:b:c"]}`)
		if len(out.TaskDefinitions) != 1 || *out.TaskDefinitions[0].Status != "DELETE_IN_PROGRESS" || *out.TaskDefinitions[0].Revision != 1 || out.TaskDefinitions[0].DeleteRequestedAt == nil {
			t.Errorf("deleted: %s", w.raw)
		}
		want := map[string]string{"web:2": "still in ACTIVE status", "web:7": "does not exist", "web": "identifier is invalid", "a:b:c": "identifier is invalid"}
		if len(out.Failures) != len(want) {
			t.Errorf("failures: %s", w.raw)
		}
		for _, f := range out.Failures {
			if reason := want[*f.Arn]; reason == "" || !strings.Contains(*f.Reason, reason) {
				t.Errorf("%s: %s", *f.Arn, *f.Reason)
			}
		}
		if got := call[ecs.ListTaskDefinitionsResponse](w, "ListTaskDefinitions", `{"status":"DELETE_IN_PROGRESS"}`).TaskDefinitionArns; len(got) != 1 {
			t.Errorf("in deletion: %s", got)
		}
		w.refused("RunTask", `{"taskDefinition":"web:1",`+inVPC+`}`, "ClientException: TaskDefinition is inactive")
		many := strings.TrimSuffix(strings.Repeat(`"web:1",`, 11), ",")
		w.refused("DeleteTaskDefinitions", fmt.Sprintf(`{"taskDefinitions":[%s]}`, many), "InvalidParameterException: The number of task definitions must be between 1 and 10.")
	})
}
