package taskdefs

import (
	"strings"
	"testing"
)

func TestParse_RefusesDependencies(t *testing.T) {
	on := func(name, condition string) []any {
		return []any{object{"containerName": name, "condition": condition}}
	}
	sidecar := func(d object, more object) {
		c := object{"name": "side", "image": "i"}
		for k, v := range more {
			c[k] = v
		}
		add(d, c)
	}
	runRefusals(t, []refusal{
		{"unknown", func(d object) { first(d)["dependsOn"] = on("nobody", "START") }, "ClientException: Cannot depend on container nobody because it does not exist."},
		{"itself", func(d object) { first(d)["dependsOn"] = on("app", "START") }, "ClientException: Container 'app' cannot depend on itself."},
		{"cycle", func(d object) {
			first(d)["dependsOn"] = on("side", "START")
			sidecar(d, object{"dependsOn": on("app", "START")})
		}, "ClientException: Container dependencies should not have a cycle."},
		{"COMPLETE on essential", func(d object) { first(d)["dependsOn"] = on("side", "COMPLETE"); sidecar(d, nil) },
			"ClientException: A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{"SUCCESS on essential", func(d object) { first(d)["dependsOn"] = on("side", "SUCCESS"); sidecar(d, object{"essential": true}) },
			"ClientException: A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{"HEALTHY without check", func(d object) { first(d)["dependsOn"] = on("side", "HEALTHY"); sidecar(d, nil) },
			"ClientException: A dependency container with HEALTHY condition must have health check configured."},
		{"condition", func(d object) { first(d)["dependsOn"] = on("side", "RUNNING"); sidecar(d, nil) },
			"InvalidParameterException: containerDefinitions[0].dependsOn[0].condition: 'RUNNING' is not one of START, COMPLETE, SUCCESS, HEALTHY."},
		{"no condition", func(d object) { first(d)["dependsOn"] = []any{object{"containerName": "side"}}; sidecar(d, nil) },
			"InvalidParameterException: containerDefinitions[0].dependsOn[0].condition is required."},
		{"link cycle", func(d object) { ec2(d); first(d)["links"] = []any{"side:s"}; sidecar(d, object{"links": []any{"app"}}) },
			"ClientException: Container links should not have a cycle."},
		{"unknown link", func(d object) { ec2(d); first(d)["links"] = []any{"db:database"} }, "ClientException: Unknown link 'db' for container 'app'."},
	})
	for condition, more := range map[string]object{
		"START": nil, "COMPLETE": {"essential": false}, "SUCCESS": {"essential": false},
		"HEALTHY": {"healthCheck": object{"command": []any{"CMD", "true"}}},
	} {
		if _, err := Parse(doc(t, func(d object) { first(d)["dependsOn"] = on("side", condition); sidecar(d, more) })); err != nil {
			t.Errorf("%s: %v", condition, err)
		}
	}
}

func TestParse_RefusesHealthChecks(t *testing.T) {
	check := func(h object) func(object) { return func(d object) { first(d)["healthCheck"] = h } }
	with := func(name string, v int) func(object) {
		return check(object{"command": []any{"CMD", "/ok"}, name: v})
	}
	const path = "InvalidParameterException: containerDefinitions[0].healthCheck."
	const words = "ClientException: Health check command for container 'app' must be NONE, or CMD or CMD-SHELL followed by a command."
	runRefusals(t, []refusal{
		{"no command", check(object{}), path + "command is required."},
		{"empty command", check(object{"command": []any{}}), "ClientException: Health check command for container 'app' should not be empty."},
		{"no keyword", check(object{"command": []any{"curl", "localhost"}}), words},
		{"keyword alone", check(object{"command": []any{"CMD-SHELL"}}), words},
		{"NONE and more", check(object{"command": []any{"NONE", "true"}}), words},
		{"interval low", with("interval", 4), path + "interval: 4 is not between 5 and 300."},
		{"interval high", with("interval", 301), path + "interval: 301 is not between 5 and 300."},
		{"timeout", with("timeout", 61), path + "timeout: 61 is not between 2 and 60."},
		{"retries", with("retries", 0), path + "retries: 0 is not between 1 and 10."},
		{"startPeriod", with("startPeriod", 301), path + "startPeriod: 301 is not between 0 and 300."},
	})
	for _, command := range [][]any{{"NONE"}, {"CMD", "/ok"}, {"CMD-SHELL", "true"}} {
		if _, err := Parse(doc(t, check(object{"command": command}))); err != nil {
			t.Errorf("%v: %v", command, err)
		}
	}
}

func TestParse_RefusesLogs(t *testing.T) {
	logs := func(driver string, options object) func(object) {
		return func(d object) {
			d["executionRoleArn"] = "arn:aws:iam::123456789012:role/exec"
			first(d)["logConfiguration"] = object{"logDriver": driver, "options": options}
		}
	}
	good := object{"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
	runRefusals(t, []refusal{
		{"no driver", func(d object) { first(d)["logConfiguration"] = object{} }, "InvalidParameterException: containerDefinitions[0].logConfiguration.logDriver is required."},
		{"unknown driver", logs("loki", nil), "InvalidParameterException: containerDefinitions[0].logConfiguration.logDriver: 'loki' is not one of json-file, syslog, journald, gelf, fluentd, awslogs, splunk, awsfirelens."},
		{"not on Fargate", logs("json-file", nil), "ClientException: json-file is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
		{"no options", logs("awslogs", nil), "ClientException: Log driver awslogs requires options: awslogs-region, awslogs-group"},
		{"no group", logs("awslogs", object{"awslogs-region": "us-east-1"}), "ClientException: Log driver awslogs requires options: awslogs-group"},
		{"no prefix", logs("awslogs", object{"awslogs-region": "us-east-1", "awslogs-group": "g"}), "ClientException: Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs."},
		{"no role", func(d object) { logs("awslogs", good)(d); delete(d, "executionRoleArn") }, "ClientException: Fargate requires task definition to have execution role ARN to support log driver awslogs."},
		{"two patterns", logs("awslogs", object{"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p", "awslogs-datetime-format": "%Y", "awslogs-multiline-pattern": "^a"}),
			"ClientException: Log driver awslogs options awslogs-datetime-format and awslogs-multiline-pattern are mutually exclusive."},
	})
	if _, err := Parse(doc(t, logs("awslogs", good))); err != nil {
		t.Error(err)
	}
	with := func(option, value string) func(object) {
		options := object{option: value}
		for k, v := range good {
			options[k] = v
		}
		return logs("awslogs", options)
	}
	runRefusals(t, []refusal{
		{"unknown option", with("awslogs-endpoint", "http://x"), "ClientException: Log driver awslogs disallows options: awslogs-endpoint"},
		{"mode", with("mode", "fast"), "ClientException: Log driver awslogs option mode must be blocking or non-blocking, not 'fast'."},
		{"buffer", with("max-buffer-size", "big"), "ClientException: Log driver awslogs option max-buffer-size 'big' is not a size."},
		{"buffer when blocking", func(d object) {
			with("mode", "blocking")(d)
			first(d)["logConfiguration"].(object)["options"].(object)["max-buffer-size"] = "4m"
		}, "ClientException: Log driver awslogs option max-buffer-size is only supported with mode non-blocking."},
		{"create group", with("awslogs-create-group", "yes"), "ClientException: Log driver awslogs option awslogs-create-group must be true or false, not 'yes'."},
		{"firelens without router", logs("awsfirelens", nil), "ClientException: When awsfirelens log driver is specified in log configuration, a firelens configuration object must be specified."},
		{"router without logs", func(d object) { first(d)["firelensConfiguration"] = object{"type": "fluentbit"} },
			"ClientException: When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver."},
	})
	for option, value := range map[string]string{"mode": "non-blocking", "max-buffer-size": "25m", "awslogs-create-group": "true", "awslogs-datetime-format": "%Y"} {
		if _, err := Parse(doc(t, with(option, value))); err != nil {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := Parse(doc(t, logs("json-file", nil), ec2)); err != nil {
		t.Errorf("json-file on EC2: %v", err)
	}
}

func TestParse_RefusesEnvironment(t *testing.T) {
	env := func(pairs ...object) []any {
		var l []any
		for _, p := range pairs {
			l = append(l, p)
		}
		return l
	}
	const shared = "ClientException: The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'KEY'."
	runRefusals(t, []refusal{
		{"no name", func(d object) { first(d)["environment"] = env(object{"value": "v"}) }, "ClientException: Invalid environment variable '' for container 'app'."},
		{"equals sign", func(d object) { first(d)["environment"] = env(object{"name": "A=B", "value": "v"}) }, "ClientException: Invalid environment variable 'A=B' for container 'app'."},
		{"number as value", func(d object) { first(d)["environment"] = env(object{"name": "A", "value": 1}) }, "SerializationException: containerDefinitions[0].environment[0].value: expected a string, found the number 1"},
		{"secret without role", func(d object) { first(d)["secrets"] = env(object{"name": "KEY", "valueFrom": "k"}) }, "ClientException: When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."},
		{"secret shares name", func(d object) {
			d["executionRoleArn"] = "r"
			first(d)["environment"] = env(object{"name": "KEY", "value": "v"})
			first(d)["secrets"] = env(object{"name": "KEY", "valueFrom": "k"})
		}, shared},
		{"secret twice", func(d object) {
			d["executionRoleArn"] = "r"
			first(d)["secrets"] = env(object{"name": "KEY", "valueFrom": "k"}, object{"name": "KEY", "valueFrom": "l"})
		}, shared},
	})
}

func TestParse_RefusesEnvironmentFiles(t *testing.T) {
	files := func(n int, value string) func(object) {
		return func(d object) {
			var l []any
			for range n {
				l = append(l, object{"type": "s3", "value": value})
			}
			first(d)["environmentFiles"] = l
		}
	}
	const good = "arn:aws:s3:::bucket/web.env"
	runRefusals(t, []refusal{
		{"eleven", files(11, good), "ClientException: The maximum number of environment files was exceeded. Specify ten or less and try again."},
		{"no ARN", files(1, "bucket/web.env"), "ClientException: Invalid arn syntax."},
		{"type", func(d object) { first(d)["environmentFiles"] = []any{object{"type": "file", "value": good}} },
			"InvalidParameterException: containerDefinitions[0].environmentFiles[0].type: 'file' is not one of s3."},
	})
	if _, err := Parse(doc(t, files(10, good))); err != nil {
		t.Error(err)
	}
}

func TestParse_RefusesImages(t *testing.T) {
	image := func(name string) func(object) { return func(d object) { first(d)["image"] = name } }
	const invalid = "ClientException: Container.image contains invalid characters."
	runRefusals(t, []refusal{
		{"space", image("app:1 "), invalid},
		{"variable", image("$IMAGE:$TAG"), invalid},
		{"short digest", image("app@sha256:12"), invalid},
		{"ECR without role", image("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"), "ClientException: Fargate requires task definition to have execution role ARN to support ECR images."},
	})
	for _, name := range []string{"app", "localhost:5000/a_b/c.d-e:1.0", "app@sha256:" + strings.Repeat("0f", 32), "app:1@sha256:" + strings.Repeat("0F", 32)} {
		if _, err := Parse(doc(t, image(name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse_RefusesProxies(t *testing.T) {
	proxy := func(d object) { d["proxyConfiguration"] = object{"containerName": "envoy"} }
	runRefusals(t, []refusal{
		{"bridge", func(d object) { ec2(d); proxy(d) }, "ClientException: APPMESH proxy configuration is only supported in networkMode=awsvpc."},
		{"no container", proxy, "ClientException: Proxy container [envoy] does not exist."},
	})
}

func TestParse_RefusesEFS(t *testing.T) {
	efs := func(e object) func(object) {
		return func(d object) {
			e["fileSystemId"] = "fs-1"
			d["volumes"] = []any{object{"name": "v", "efsVolumeConfiguration": e}}
		}
	}
	point, iam := object{"accessPointId": "fsap-1"}, object{"iam": "ENABLED"}
	runRefusals(t, []refusal{
		{"root of an access point", efs(object{"rootDirectory": "/data", "transitEncryption": "ENABLED", "authorizationConfig": point}),
			`ClientException: When using an EFS access point, the root directory must either be set to "/" or be omitted.`},
		{"access point in the clear", efs(object{"authorizationConfig": point}), "ClientException: EFS access points require TransitEncryption to be enabled."},
		{"IAM in the clear", efs(object{"authorizationConfig": iam}), "ClientException: EFS IAM authorization requires TransitEncryption to be enabled."},
		{"port in the clear", efs(object{"transitEncryptionPort": 2999}), "ClientException: TransitEncryptionPort requires that TransitEncryption is enabled."},
		{"two kinds", func(d object) {
			efs(object{})(d)
			d["volumes"].([]any)[0].(object)["configuredAtLaunch"] = true
		}, "ClientException: Volume 'v' may have only one configuration."},
	})
	if _, err := Parse(doc(t, efs(object{"transitEncryption": "ENABLED", "authorizationConfig": object{"accessPointId": "fsap-1", "iam": "ENABLED"}}))); err != nil {
		t.Error(err)
	}
}

func TestParse_RefusesVolumes(t *testing.T) {
	volume := func(names ...string) []any {
		var l []any
		for _, n := range names {
			l = append(l, object{"name": n})
		}
		return l
	}
	mount := func(volume, path string) object { return object{"sourceVolume": volume, "containerPath": path} }
	runRefusals(t, []refusal{
		{"unknown", func(d object) { first(d)["mountPoints"] = []any{mount("data", "/data")} }, "ClientException: Unknown volume 'data'."},
		{"no name", func(d object) { d["volumes"] = volume("") }, "ClientException: Volume name should not be null or empty."},
		{"twice", func(d object) { d["volumes"] = volume("a", "a") }, "ClientException: Duplicate volume name 'a'."},
		{"characters", func(d object) { d["volumes"] = volume("a/b") }, "ClientException: Volume name 'a/b' contains invalid characters."},
		{"relative path", func(d object) { d["volumes"] = volume("a"); first(d)["mountPoints"] = []any{mount("a", "data")} },
			"ClientException: Invalid 'containerPath' setting 'data' for container 'app': it must be an absolute path."},
		{"same path", func(d object) {
			d["volumes"] = volume("a", "b")
			first(d)["mountPoints"] = []any{mount("a", "/x"), mount("b", "/x")}
		}, "ClientException: Container 'app' mounts more than one volume at '/x'."},
		{"volumes from nobody", func(d object) { first(d)["volumesFrom"] = []any{object{"sourceContainer": "b"}} },
			"ClientException: Invalid 'volumesFrom' setting for container 'app': there is no other container 'b'."},
	})
}

func TestParse_RefusesRestartPolicies(t *testing.T) {
	policy := func(p object) func(object) { return func(d object) { first(d)["restartPolicy"] = p } }
	codes := make([]any, 51)
	for i := range codes {
		codes[i] = i
	}
	runRefusals(t, []refusal{
		{"no enabled", policy(object{}), "InvalidParameterException: containerDefinitions[0].restartPolicy.enabled is required."},
		{"period", policy(object{"enabled": true, "restartAttemptPeriod": 59}), "ClientException: the 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800"},
		{"long period", policy(object{"enabled": true, "restartAttemptPeriod": 1801}), "ClientException: the 'restartAttemptPeriod' setting for container 'app' must be between 60 and 1800"},
		{"codes", policy(object{"enabled": true, "ignoredExitCodes": codes}), "ClientException: Container 'app' ignores more than 50 exit codes in its restart policy."},
	})
}
