package orchestrator_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/orchestrator"
	"drydock/taskdefs"
	"drydock/timeline"
)

// TestWithoutEffect_IsNamed: in describe and in a warning event; what only says what is so
// anyway is not.
func TestWithoutEffect_IsNamed(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.create(service{desired: 0, min: 100, max: 200})
		w.update(func(in *orchestrator.ServiceInput) {
			in.Echo = map[string]json.RawMessage{
				"placementStrategy": json.RawMessage(`[{"type":"spread","field":"host"}]`), "placementConstraints": json.RawMessage(`[]`),
				"serviceConnectConfiguration": json.RawMessage(`{"enabled":false}`), "capacityProviderStrategy": json.RawMessage(`[{"capacityProvider":"FARGATE","weight":1}]`),
				"volumeConfigurations": json.RawMessage(`[{"name":"data"}]`),
			}
		})
		var named []string
		for _, m := range w.web().WithoutEffect() {
			named = append(named, m.Member)
		}
		want := []string{"placementStrategy", "volumeConfigurations"}
		if !slices.Equal(named, want) {
			t.Errorf("named %q", named)
		}
		var warned []string
		for _, e := range w.history() {
			if e.Kind == timeline.Warning {
				warned = append(warned, e.Data["member"])
			}
		}
		if !slices.Equal(warned, want) {
			t.Errorf("warned of %q", warned)
		}
	})
}

// TestRunTask_ClientTokenOutlivesARestart, for a day.
func TestRunTask_ClientTokenOutlivesARestart(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.register("web")
		same := func(in *orchestrator.RunTaskInput) { in.ClientToken, in.Request = "token", json.RawMessage(`1`) }
		first, err := w.runTask(same)
		if err != nil {
			t.Fatal(err)
		}
		w.halt()
		w.start()
		again, err := w.runTask(same)
		if err != nil || len(again) != 1 || again[0].ARN != first[0].ARN {
			t.Errorf("after a restart: %v, %v", again, err)
		}
		time.Sleep(25 * time.Hour)
		later, err := w.runTask(func(in *orchestrator.RunTaskInput) { in.ClientToken, in.Request = "other", json.RawMessage(`1`) })
		if err != nil || len(later) != 1 {
			t.Errorf("later: %v, %v", later, err)
		}
		kept := 0
		w.store.Load(t.Context(), "clienttoken", func(string, []byte) error { kept++; return nil })
		if kept != 1 {
			t.Errorf("%d tokens are kept", kept)
		}
		for _, token := range []string{strings.Repeat("x", 65), "white space"} {
			if _, err := w.runTask(func(in *orchestrator.RunTaskInput) { in.ClientToken = token }); !strings.HasPrefix(refusal(err), "InvalidParameterException") {
				t.Errorf("%q: %v", token, err)
			}
		}
	})
}

// TestTags_OfServiceTasks: propagated from the definition or the service; ECS's own beside them.
func TestTags_OfServiceTasks(t *testing.T) {
	for from, want := range map[string]string{
		"NONE": "map[aws:ecs:clusterName:default aws:ecs:serviceName:web]", "SERVICE": "map[aws:ecs:clusterName:default aws:ecs:serviceName:web team:shop]",
		"TASK_DEFINITION": "map[aws:ecs:clusterName:default aws:ecs:serviceName:web kind:page]",
	} {
		inWorld(t, orchestrator.PaceFast, func(w *world) {
			arn := w.register("web")
			if err := w.defs.SetTags(t.Context(), arn, []taskdefs.Tag{{Key: "kind", Value: "page"}}, time.Now()); err != nil {
				t.Fatal(err)
			}
			one, managed := 1, true
			_, err := w.c.CreateService(t.Context(), orchestrator.ServiceInput{Name: "web", TaskDefinition: arn, DesiredCount: &one, PropagateTags: &from, ManagedTags: &managed,
				Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}}, Tags: map[string]string{"team": "shop"}})
			if err != nil {
				t.Fatal(err)
			}
			w.steady(time.Minute)
			if got := fmt.Sprint(w.tasks()[0].Tags); got != want {
				t.Errorf("from %s: %s, want %s", from, got, want)
			}
		})
	}
}

func TestCreate_RefusesPlatformsAndTokens(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		w.register("web")
		for want, change := range map[string]func(*orchestrator.ServiceInput){
			"PlatformUnknownException: The specified platform version does not exist.":                            func(in *orchestrator.ServiceInput) { in.Platform = new("9.9") },
			"UnsupportedFeatureException: The launch type MANAGED_INSTANCES is not supported by drydock.":         func(in *orchestrator.ServiceInput) { in.LaunchType = new("MANAGED_INSTANCES") },
			"InvalidParameterException: clientToken must have at most 36 characters.":                             func(in *orchestrator.ServiceInput) { in.ClientToken = strings.Repeat("x", 37) },
			"InvalidParameterException: healthCheckGracePeriodSeconds must be between 0 and 2147483647.":          func(in *orchestrator.ServiceInput) { in.GracePeriod = new(1 << 31) },
			"InvalidParameterException: The DAEMON scheduling strategy is not supported by drydock: use REPLICA.": func(in *orchestrator.ServiceInput) { in.Scheduling = "DAEMON" },
			"InvalidParameterException: The deployment controller EXTERNAL is not supported by drydock: use ECS.": func(in *orchestrator.ServiceInput) { in.Controller = "EXTERNAL" },
			"InvalidParameterException: The type of thresholdConfiguration must be one of COUNT, BOUNDED_PERCENT, UNBOUNDED_PERCENT.": func(in *orchestrator.ServiceInput) {
				in.Breaker = &orchestrator.Breaker{Type: "MANY"}
			},
		} {
			in := orchestrator.ServiceInput{Name: "web", TaskDefinition: "web", DesiredCount: new(1), Network: &orchestrator.NetworkConfiguration{Subnets: []string{"subnet-1"}}}
			change(&in)
			if _, err := w.c.CreateService(t.Context(), in); refusal(err) != want {
				t.Errorf("err = %v, want %s", err, want)
			}
		}
	})
}
