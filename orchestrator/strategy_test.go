package orchestrator_test

import (
	"strings"
	"testing"

	"drydock/orchestrator"
)

// TestStrategy_Refusals: what no deployment that shifts traffic could work with.
func TestStrategy_Refusals(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		none, many := -1, 1441
		lambda := hookAt(orchestrator.StagePostScaleUp)
		lambda.Target = "arn:aws:lambda:us-east-1:123456789012:function:hook"
		path := hookAt(orchestrator.StagePostScaleUp)
		path.Target = "exec:hook"
		paused := orchestrator.LifecycleHook{Type: orchestrator.HookPause, Stages: []string{orchestrator.StageTestShift}}
		both := orchestrator.LifecycleHook{Type: orchestrator.HookPause, Target: "http://hook", Stages: []string{orchestrator.StagePreScaleUp}}
		advanced := func(change func(*orchestrator.AdvancedConfiguration)) func(*orchestrator.ServiceInput) {
			return func(in *orchestrator.ServiceInput) { change(in.LoadBalancers[0].Advanced) }
		}
		for _, c := range []struct {
			want   string
			change func(*orchestrator.ServiceInput)
		}{
			{"The deployment strategy RAINBOW is not valid.", func(in *orchestrator.ServiceInput) { in.Strategy = "RAINBOW" }},
			{"bakeTimeInMinutes must be specified when the deployment strategy is BLUE_GREEN.", func(in *orchestrator.ServiceInput) { in.BakeMinutes = nil }},
			{"bakeTimeInMinutes must be between 0 and 1440.", func(in *orchestrator.ServiceInput) { in.BakeMinutes = &many }},
			{"bakeTimeInMinutes must be between 0 and 1440.", func(in *orchestrator.ServiceInput) { in.BakeMinutes = &none }},
			{"canaryConfiguration can only be", func(in *orchestrator.ServiceInput) { in.Canary = &orchestrator.CanaryConfiguration{Percent: 5} }},
			{"linearConfiguration can only be", func(in *orchestrator.ServiceInput) { in.Linear = &orchestrator.LinearConfiguration{StepPercent: 5} }},
			{"canaryPercent must be a multiple of 0.1 between 0.1 and 100.0.", func(in *orchestrator.ServiceInput) {
				in.Strategy, in.Canary = "CANARY", &orchestrator.CanaryConfiguration{Percent: 0.25}
			}},
			{"stepPercent must be a multiple of 0.1 between 3.0 and 100.0.", func(in *orchestrator.ServiceInput) {
				in.Strategy, in.Linear = "LINEAR", &orchestrator.LinearConfiguration{StepPercent: 2.9}
			}},
			{"canaryBakeTimeInMinutes must be", func(in *orchestrator.ServiceInput) {
				in.Strategy, in.Canary = "CANARY", &orchestrator.CanaryConfiguration{Percent: 5, BakeMinutes: 1441}
			}},
			{"lifecycleHooks can only be", func(in *orchestrator.ServiceInput) {
				in.StrategyInput = orchestrator.StrategyInput{Hooks: []orchestrator.LifecycleHook{lambda}}
			}},
			{"The hookTargetArn arn:aws:lambda:us-east-1:123456789012:function:hook cannot be called: drydock runs no Lambda functions. Use the URL", func(in *orchestrator.ServiceInput) { in.Hooks = []orchestrator.LifecycleHook{lambda} }},
			{"The hookTargetArn exec:/bin/hook --now is not allowed: commands run only from the directory", func(in *orchestrator.ServiceInput) {
				elsewhere := path
				elsewhere.Target = "exec:/bin/hook --now"
				in.Hooks = []orchestrator.LifecycleHook{elsewhere}
			}},
			{"The hookTargetArn exec:hook is not valid", func(in *orchestrator.ServiceInput) { in.Hooks = []orchestrator.LifecycleHook{path} }},
			{"The lifecycle stage BAKE_TIME is not valid", func(in *orchestrator.ServiceInput) {
				in.Hooks = []orchestrator.LifecycleHook{hookAt(orchestrator.StageBake)}
			}},
			{"lifecycleStages must be specified", func(in *orchestrator.ServiceInput) { in.Hooks = []orchestrator.LifecycleHook{hookAt()} }},
			{"PAUSE hooks cannot be configured at the TEST_TRAFFIC_SHIFT", func(in *orchestrator.ServiceInput) { in.Hooks = []orchestrator.LifecycleHook{paused} }},
			{"hookTargetArn cannot be specified for PAUSE", func(in *orchestrator.ServiceInput) { in.Hooks = []orchestrator.LifecycleHook{both} }},
			{"advancedConfiguration must be specified", func(in *orchestrator.ServiceInput) { in.LoadBalancers[0].Advanced = nil }},
			{"alternateTargetGroupArn must be specified", advanced(func(a *orchestrator.AdvancedConfiguration) { a.AlternateTargetGroupARN = "" })},
			{"productionListenerRule must be specified", advanced(func(a *orchestrator.AdvancedConfiguration) { a.ProductionListenerRule = "" })},
			{"roleArn must be specified", advanced(func(a *orchestrator.AdvancedConfiguration) { a.Role = "" })},
			{"The alternate target group " + groupARN + " must be different", advanced(func(a *orchestrator.AdvancedConfiguration) { a.AlternateTargetGroupARN = groupARN })},
			{"testListenerRule and productionListenerRule must be different.", advanced(func(a *orchestrator.AdvancedConfiguration) { a.TestListenerRule = prodRule })},
			{"The production listener rule " + prodRule + " does not forward to the target group other", advanced(func(a *orchestrator.AdvancedConfiguration) { a.AlternateTargetGroupARN = "other" })},
			{"The specified listener rule nope does not exist.", advanced(func(a *orchestrator.AdvancedConfiguration) { a.ProductionListenerRule = "nope" })},
			{"The listener rule " + testRule + "x must have a forward action.", advanced(func(a *orchestrator.AdvancedConfiguration) { a.TestListenerRule = testRule + "x" })},
		} {
			in := w.shiftService(1, blueGreen(1))
			c.change(&in)
			if _, err := w.c.CreateService(t.Context(), in); !strings.HasPrefix(refusal(err), "InvalidParameterException: "+c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		}
	})
}

// TestStrategy_ChangesWithAnUpdate: from replacing task by task to shifting traffic and back;
// what belongs to another strategy goes, and the tasks stay in the target group that has the traffic.
func TestStrategy_ChangesWithAnUpdate(t *testing.T) {
	inWorld(t, orchestrator.PaceFast, func(w *world) {
		in := w.shiftService(1, orchestrator.StrategyInput{})
		with := in.LoadBalancers
		in.LoadBalancers = []orchestrator.LoadBalancer{{TargetGroupARN: groupARN, ContainerName: "app", ContainerPort: 80}}
		if _, err := w.c.CreateService(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		w.steady(hourLong)
		w.update(func(in *orchestrator.ServiceInput) {
			in.LoadBalancers = with
			in.StrategyInput = orchestrator.StrategyInput{Strategy: "CANARY", Canary: &orchestrator.CanaryConfiguration{Percent: 20, BakeMinutes: 1}}
		})
		w.steady(hourLong)
		if got := w.groupsOf(w.web().Primary().ID); got[greenARN] != 1 {
			t.Errorf("canary in %v\n%s", got, w.story())
		}
		w.update(func(in *orchestrator.ServiceInput) {
			in.StrategyInput = orchestrator.StrategyInput{Strategy: "ROLLING"}
		})
		w.redeploy()
		w.steady(hourLong)
		s := w.web()
		if got := w.groupsOf(s.Primary().ID); got[greenARN] != 1 || s.Config.Canary != nil || s.Primary().Shift != nil || len(w.tasks()) != 1 {
			t.Errorf("rolling in %v, config %+v\n%s", got, s.Config, w.story())
		}
	})
}

const hourLong = 3600 * 1e9
