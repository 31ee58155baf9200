package taskdefs

import (
	"maps"
	"regexp"
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
		return clientError("%s is not a valid log driver. Must be one of [%s]", l.LogDriver, strings.Join(fargateLogDrivers, ", "))
	}
	if l.LogDriver == "awslogs" {
		return checkAWSLogs(d, l)
	}
	return nil
}

// awsLogsOptions are the options that ECS knows of the driver awslogs (ECS-284).
var awsLogsOptions = []string{
	"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group",
	"awslogs-datetime-format", "awslogs-multiline-pattern", "mode", "max-buffer-size",
}

// bufferSize is what max-buffer-size looks like: 4m.
var bufferSize = regexp.MustCompile(`^[0-9]+[bkmgBKMG]?$`)

// checkAWSLogsOptions refuses options that the driver doesn't have, and values that it doesn't take.
func checkAWSLogsOptions(options map[string]string) error {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(awsLogsOptions, name) {
			unknown = append(unknown, name)
		}
	}
	mode, size, create := options["mode"], options["max-buffer-size"], options["awslogs-create-group"]
	switch {
	case len(unknown) > 0:
		return clientError("Log driver awslogs disallows options: %s", strings.Join(unknown, ", "))
	case mode != "" && mode != "blocking" && mode != "non-blocking":
		return clientError("Log driver awslogs option mode must be blocking or non-blocking, not '%s'.", mode)
	case size != "" && mode == "blocking":
		return clientError("Log driver awslogs option max-buffer-size is only supported with mode non-blocking.")
	case size != "" && !bufferSize.MatchString(size):
		return clientError("Log driver awslogs option max-buffer-size '%s' is not a size.", size)
	case create != "" && create != "true" && create != "false":
		return clientError("Log driver awslogs option awslogs-create-group must be true or false, not '%s'.", create)
	case options["awslogs-datetime-format"] != "" && options["awslogs-multiline-pattern"] != "":
		return clientError("Log driver awslogs options awslogs-datetime-format and awslogs-multiline-pattern are mutually exclusive.")
	}
	return nil
}

// checkRouter: a FireLens router needs containers that log to it, and they need one (ECS-285).
func checkRouter(d *TaskDefinition) error {
	routed, routes := false, false
	for _, c := range d.ContainerDefinitions {
		routes = routes || c.FirelensConfiguration != nil
		routed = routed || c.LogConfiguration != nil && c.LogConfiguration.LogDriver == "awsfirelens"
	}
	switch {
	case routed && !routes:
		return clientError("When awsfirelens log driver is specified in log configuration, a firelens configuration object must be specified.")
	case routes && !routed:
		return clientError("When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.")
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
	return checkAWSLogsOptions(l.Options)
}
