package orchestrator

import (
	"testing"

	"drydock/taskdefs"
)

// TestInjected_VariablesOfTheAgent: ECS-220.
func TestInjected_VariablesOfTheAgent(t *testing.T) {
	c := &Controller{config: Config{Region: "eu-central-1", Inject: func(task Task, container string) map[string]string {
		return map[string]string{"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/" + task.ID + "-" + container}
	}}}
	for launch, want := range map[string]string{"": "AWS_ECS_FARGATE", "FARGATE": "AWS_ECS_FARGATE", "EC2": "AWS_ECS_EC2"} {
		env := c.environment(&Task{LaunchType: launch})
		if env["AWS_EXECUTION_ENV"] != want || env["AWS_REGION"] != "eu-central-1" || env["AWS_DEFAULT_REGION"] != "eu-central-1" {
			t.Errorf("launch type %q: %v", launch, env)
		}
	}
	defs := []taskdefs.ContainerDefinition{{Name: "a"}, {Name: "b"}}
	env := c.injected(&Task{ID: "1"}, defs)
	if env["a"]["ECS_CONTAINER_METADATA_URI_V4"] != "http://169.254.170.2/v4/1-a" || env["b"]["ECS_CONTAINER_METADATA_URI_V4"] != "http://169.254.170.2/v4/1-b" {
		t.Errorf("injected %v", env)
	}
	if env := (&Controller{}).injected(&Task{}, defs); env != nil {
		t.Errorf("injected %v without an agent", env)
	}
}
