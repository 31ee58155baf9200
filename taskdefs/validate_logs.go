package taskdefs

import (
	"slices"
	"strings"
)

// fargateLogDrivers are the log drivers of Fargate (ECS-114).
var fargateLogDrivers = []string{"awslogs", "splunk", "awsfirelens"}

func checkLogs(d *TaskDefinition, c ContainerDefinition) error {
	l := c.LogConfiguration
	if l == nil {
		return nil
	}
	if d.Requires("FARGATE") && !slices.Contains(fargateLogDrivers, l.LogDriver) {
		return clientError("Log driver '%s' is not supported on Fargate. The supported log drivers are %s.", l.LogDriver, strings.Join(fargateLogDrivers, ", "))
	}
	if l.LogDriver == "awslogs" {
		return checkAWSLogs(d, l)
	}
	return nil
}

func checkAWSLogs(d *TaskDefinition, l *LogConfiguration) error {
	var missing []string
	for _, option := range []string{"awslogs-region", "awslogs-group"} {
		if l.Options[option] == "" {
			missing = append(missing, option)
		}
	}
	if len(missing) > 0 {
		return clientError("Log driver awslogs requires options: %s", strings.Join(missing, ", "))
	}
	if d.Requires("FARGATE") && d.ExecutionRoleARN == "" {
		return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	}
	if d.Requires("FARGATE") && l.Options["awslogs-stream-prefix"] == "" {
		return clientError("Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.")
	}
	if l.Options["awslogs-datetime-format"] != "" && l.Options["awslogs-multiline-pattern"] != "" {
		return clientError("Log driver awslogs options awslogs-datetime-format and awslogs-multiline-pattern are mutually exclusive.")
	}
	return nil
}
