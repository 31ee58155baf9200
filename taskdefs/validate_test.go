package taskdefs

import (
	"fmt"
	"strings"
	"testing"
)

// refusal is a change to a good document and what AWS says to it.
type refusal struct {
	name   string
	change func(object)
	want   string
}

func runRefusals(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			_, err := Parse(doc(t, r.change))
			wantError(t, err, r.want)
		})
	}
}

func manyContainers(n int) func(object) {
	return func(d object) {
		for i := range n {
			add(d, object{"name": fmt.Sprint("c", i), "image": "i"})
		}
	}
}

func TestParse_RefusesNames(t *testing.T) {
	runRefusals(t, []refusal{
		{"no family", func(d object) { delete(d, "family") }, "ClientException: Family should not be null or empty."},
		{"null family", func(d object) { d["family"] = nil }, "ClientException: Family should not be null or empty."},
		{"family characters", func(d object) { d["family"] = "user service" }, "ClientException: Family contains invalid characters."},
		{"family length", func(d object) { d["family"] = strings.Repeat("a", 256) }, "ClientException: Family exceeds the maximum length of 255 characters."},
		{"no container name", func(d object) { delete(first(d), "name") }, "ClientException: Container.name should not be null or empty."},
		{"container name characters", func(d object) { first(d)["name"] = "a b" }, "ClientException: Container.name contains invalid characters."},
		{"container name twice", func(d object) { add(d, object{"name": "app", "image": "i"}) }, "ClientException: Container names must be unique within a task definition."},
		{"no image", func(d object) { first(d)["image"] = "" }, "ClientException: Container.image should not be null or empty."},
	})
}

func TestParse_RefusesContainerLists(t *testing.T) {
	runRefusals(t, []refusal{
		{"none", func(d object) { delete(d, "containerDefinitions") }, "ClientException: Container list cannot be empty."},
		{"empty", func(d object) { d["containerDefinitions"] = []any{} }, "ClientException: Container list cannot be empty."},
		{"eleven", manyContainers(10), "ClientException: Too many containers."},
		{"none essential", func(d object) { first(d)["essential"] = false }, "ClientException: Task definition doesn't have any essential container."},
	})
	if _, err := Parse(doc(t, manyContainers(9))); err != nil {
		t.Errorf("ten containers: %v", err)
	}
}

func TestParse_RefusesMemory(t *testing.T) {
	const sum = "ClientException: The sum of all container '%s' values cannot be greater than the value of the task '%s'."
	runRefusals(t, []refusal{
		{"EC2 without any", func(d object) { ec2(d); delete(d, "memory") }, "ClientException: Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified."},
		{"reservation above limit", func(d object) { first(d)["memory"], first(d)["memoryReservation"] = 128, 256 }, "ClientException: Invalid setting for container 'app'. 'memory' must be greater than or equal to 'memoryReservation'."},
		{"container above task", func(d object) { first(d)["memory"] = 513 }, "ClientException: The 'memory' setting for container 'app' is greater than for the task."},
		{"sum of cpu", func(d object) { first(d)["cpu"] = 200; add(d, object{"name": "b", "image": "i", "cpu": 57}) }, fmt.Sprintf(sum, "cpu", "cpu")},
		{"sum of memory", func(d object) { first(d)["memory"] = 500; add(d, object{"name": "b", "image": "i", "memory": 13}) }, fmt.Sprintf(sum, "memory", "memory")},
		{"sum of reservations", func(d object) {
			first(d)["memoryReservation"] = 500
			add(d, object{"name": "b", "image": "i", "memoryReservation": 13})
		}, fmt.Sprintf(sum, "memoryReservation", "memory")},
		{"EC2 cpu low", func(d object) { ec2(d); d["cpu"] = "127" }, "ClientException: Invalid 'cpu' setting for task."},
		{"EC2 cpu high", func(d object) { ec2(d); d["cpu"] = "193 vCPU" }, "ClientException: Invalid 'cpu' setting for task."},
		{"negative cpu", func(d object) { first(d)["cpu"] = -1 }, "ClientException: Invalid 'cpu' setting for container 'app'."},
	})
}

func TestParse_RefusesPorts(t *testing.T) {
	port := func(p object) func(object) {
		return func(d object) { first(d)["portMappings"] = []any{p} }
	}
	const match = "ClientException: When networkMode=%s, the host ports and container ports in port mappings must match."
	runRefusals(t, []refusal{
		{"awsvpc host port", port(object{"containerPort": 3000, "hostPort": 80}), fmt.Sprintf(match, "awsvpc")},
		{"host host port", func(d object) {
			ec2(d)
			d["networkMode"] = "host"
			port(object{"containerPort": 3000, "hostPort": 80})(d)
		}, fmt.Sprintf(match, "host")},
		{"port 0", port(object{"containerPort": 0}), "ClientException: Invalid 'containerPort' setting for container 'app'."},
		{"port 65536", port(object{"containerPort": 65536}), "ClientException: Invalid 'containerPort' setting for container 'app'."},
		{"host port negative", port(object{"containerPort": 1, "hostPort": -1}), "ClientException: Invalid 'hostPort' setting for container 'app'."},
		{"protocol", port(object{"containerPort": 1, "protocol": "sctp"}), "InvalidParameterException: containerDefinitions[0].portMappings[0].protocol: 'sctp' is not one of tcp, udp."},
		{"range and port", port(object{"containerPort": 1, "containerPortRange": "8000-8010"}), "ClientException: cannot specify both single port and port range."},
		{"range backwards", port(object{"containerPortRange": "8010-8000"}), "ClientException: Invalid 'containerPortRange' setting for container 'app'."},
		{"same port twice", func(d object) {
			add(d, object{"name": "b", "image": "i", "portMappings": []any{object{"containerPort": 3000}}})
		}, "ClientException: TCP host port '3000' is mapped multiple times in task."},
		{"host port twice", func(d object) {
			ec2(d)
			first(d)["portMappings"] = []any{object{"containerPort": 53, "hostPort": 53, "protocol": "udp"}, object{"containerPort": 54, "hostPort": 53, "protocol": "udp"}}
		}, "ClientException: UDP host port '53' is mapped multiple times in task."},
		{"ranges overlap", func(d object) {
			first(d)["portMappings"] = []any{object{"containerPortRange": "8000-8010"}, object{"containerPortRange": "8010-8020"}}
		}, "ClientException: container port is used multiple times in task."},
		{"range of one", port(object{"containerPortRange": "8000-8000"}), "ClientException: Invalid 'containerPortRange' setting for container 'app'."},
		{"range on the host", func(d object) {
			ec2(d)
			d["networkMode"] = "host"
			port(object{"containerPortRange": "8000-8010"})(d)
		}, "ClientException: Invalid 'containerPortRange' setting for container 'app'."},
		{"name", port(object{"containerPort": 1, "name": "-web"}), "ClientException: Invalid port mapping name '-web' for container 'app'."},
		{"same name twice", func(d object) {
			first(d)["portMappings"] = []any{object{"containerPort": 1, "name": "web"}, object{"containerPort": 2, "name": "web"}}
		}, "ClientException: port mapping name is already used."},
		{"none mode", func(d object) { ec2(d); d["networkMode"] = "none" }, "ClientException: Port mappings are not supported on container when networkMode=none."},
	})
}

func TestParse_BridgePortsMayRepeatInContainers(t *testing.T) {
	_, err := Parse(doc(t, ec2, func(d object) {
		add(d, object{"name": "b", "image": "i", "portMappings": []any{object{"containerPort": 3000}, object{"containerPort": 3000, "protocol": "udp"}}})
	}))
	if err != nil {
		t.Error(err)
	}
}

// TestParse_BridgeRangesAreOfOneContainer: on the bridge, each container has ports of its own.
func TestParse_BridgeRangesAreOfOneContainer(t *testing.T) {
	ranged := []any{object{"containerPortRange": "8000-8010"}}
	share := func(d object) {
		first(d)["portMappings"] = ranged
		add(d, object{"name": "b", "image": "i", "portMappings": ranged})
	}
	if _, err := Parse(doc(t, ec2, share)); err != nil {
		t.Error(err)
	}
	_, err := Parse(doc(t, share))
	wantError(t, err, "ClientException: container port is used multiple times in task.")
}

func TestParse_RefusesWithNetworkModes(t *testing.T) {
	mode := func(m string, more func(object)) func(object) {
		return func(d object) { ec2(d); d["networkMode"] = m; first(d)["portMappings"] = []any{}; more(d) }
	}
	links := func(d object) { add(d, object{"name": "db", "image": "i"}); first(d)["links"] = []any{"db"} }
	faults := func(d object) { d["enableFaultInjection"] = true }
	sysctl := func(d object) {
		first(d)["systemControls"] = []any{object{"namespace": "net.ipv4.tcp_keepalive_time", "value": "500"}}
	}
	runRefusals(t, []refusal{
		{"links on the host", mode("host", links), "ClientException: Links are not supported when networkMode=host."},
		{"links with none", mode("none", links), "ClientException: Links are not supported when networkMode=none."},
		{"faults on the bridge", mode("bridge", faults), "ClientException: Fault injection is only supported when networkMode is awsvpc or host."},
		{"sysctl on the host", mode("host", sysctl), "ClientException: Network namespace system controls are not supported on container when networkMode=host."},
		{"mode", func(d object) { d["networkMode"] = "overlay" }, "InvalidParameterException: networkMode: 'overlay' is not one of bridge, host, awsvpc, none."},
	})
	for name, change := range map[string]func(object){
		"links": mode("bridge", links), "faults": mode("host", faults), "sysctl": mode("bridge", sysctl), "none": mode("none", func(object) {}),
		"host ports": mode("host", func(d object) {
			first(d)["portMappings"] = []any{object{"containerPort": 80}, object{"containerPort": 81, "hostPort": 81}}
		}),
	} {
		if _, err := Parse(doc(t, change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse_RefusesWithAWSVPC(t *testing.T) {
	const suffix = " supported on container when networkMode=awsvpc."
	set := func(name string, v any) func(object) { return func(d object) { first(d)[name] = v } }
	runRefusals(t, []refusal{
		{"links", set("links", []any{"db"}), "ClientException: Links are not supported when networkMode=awsvpc."},
		{"hostname", set("hostname", "h"), "ClientException: hostname is not" + suffix},
		{"extraHosts", set("extraHosts", []any{object{"hostname": "h", "ipAddress": "10.0.0.1"}}), "ClientException: Extra hosts are not" + suffix},
		{"dnsServers", set("dnsServers", []any{"10.0.0.2"}), "ClientException: DNS servers are not" + suffix},
		{"dnsSearchDomains", set("dnsSearchDomains", []any{"a"}), "ClientException: DNS search domains are not" + suffix},
		{"disableNetworking", set("disableNetworking", true), "ClientException: Disable Networking is not" + suffix},
	})
}

func TestParse_RefusesOnFargate(t *testing.T) {
	set := func(name string, v any) func(object) { return func(d object) { d[name] = v } }
	container := func(name string, v any) func(object) { return func(d object) { first(d)[name] = v } }
	linux := func(name string, v any) func(object) { return container("linuxParameters", object{name: v}) }
	const not = "ClientException: Fargate compatible task definitions do not support %s."
	runRefusals(t, []refusal{
		{"network mode", set("networkMode", "bridge"), "ClientException: Fargate only supports network mode ‘awsvpc’."},
		{"no network mode", func(d object) { delete(d, "networkMode") }, "ClientException: Fargate only supports network mode ‘awsvpc’."},
		{"no cpu", func(d object) { delete(d, "cpu") }, "ClientException: Fargate requires that 'cpu' be defined at the task level."},
		{"no memory", func(d object) { delete(d, "memory") }, "ClientException: Fargate requires that 'memory' be defined at the task level."},
		{"pidMode", set("pidMode", "host"), "ClientException: Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."},
		{"ipcMode", set("ipcMode", "task"), fmt.Sprintf(not, "ipcMode")},
		{"placement", set("placementConstraints", []any{object{"type": "memberOf"}}), fmt.Sprintf(not, "constraints")},
		{"sourcePath", set("volumes", []any{object{"name": "v", "host": object{"sourcePath": "/tmp"}}}), fmt.Sprintf(not, "sourcePath")},
		{"docker volume", set("volumes", []any{object{"name": "v", "dockerVolumeConfiguration": object{}}}), fmt.Sprintf(not, "dockerVolumeConfiguration")},
		{"privileged", container("privileged", true), "ClientException: Fargate requires that the 'privileged' setting be 'false'."},
		{"security options", container("dockerSecurityOptions", []any{"no-new-privileges"}), fmt.Sprintf(not, "dockerSecurityOptions")},
		{"devices", linux("devices", []any{object{"hostPath": "/dev/fuse"}}), fmt.Sprintf(not, "devices")},
		{"sharedMemorySize", linux("sharedMemorySize", 64), fmt.Sprintf(not, "sharedMemorySize")},
		{"maxSwap", linux("maxSwap", 0), fmt.Sprintf(not, "maxSwap")},
		{"capability", linux("capabilities", object{"add": []any{"SYS_PTRACE", "NET_ADMIN"}}), "ClientException: NET_ADMIN is not allowed on Fargate."},
		{"small disk", set("ephemeralStorage", object{"sizeInGiB": 20}), "ClientException: EphemeralStorage size should be at least 21."},
		{"big disk", set("ephemeralStorage", object{"sizeInGiB": 201}), "ClientException: EphemeralStorage size should be at most 200."},
		{"GPU", container("resourceRequirements", []any{object{"type": "GPU", "value": "1"}}), "ClientException: Tasks using the Fargate launch type do not support GPU resource requirements."},
		{"disk of EC2", func(d object) {
			ec2(d)
			d["requiresCompatibilities"], d["ephemeralStorage"] = []any{"EC2"}, object{"sizeInGiB": 30}
		}, "ClientException: Tasks using the EC2 launch type do not support EphemeralStorage."},
		{"stopTimeout", container("stopTimeout", 121), "ClientException: Invalid 'stopTimeout' setting for container 'app'. On Fargate it must be between 2 and 120 seconds."},
		{"startTimeout", container("startTimeout", 1), "ClientException: Invalid 'startTimeout' setting for container 'app'. On Fargate it must be between 2 and 120 seconds."},
	})
}

func TestParse_AcceptsOnEC2WhatFargateRefuses(t *testing.T) {
	_, err := Parse(doc(t, ec2, func(d object) {
		d["pidMode"], d["ipcMode"] = "host", "host"
		d["volumes"] = []any{object{"name": "v", "host": object{"sourcePath": "/tmp"}}}
		c := first(d)
		c["privileged"], c["hostname"], c["stopTimeout"] = true, "h", 600
		c["mountPoints"] = []any{object{"sourceVolume": "v", "containerPath": "/data"}}
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestParse_EphemeralStorageDefault(t *testing.T) {
	for want, change := range map[int]func(object){
		20:  func(object) {},
		21:  func(d object) { d["ephemeralStorage"] = object{"sizeInGiB": 21} },
		200: func(d object) { d["ephemeralStorage"] = object{"sizeInGiB": 200} },
	} {
		d, err := Parse(doc(t, change))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Definition.EphemeralGiB(); got != want {
			t.Errorf("disk of %d GiB, want %d", got, want)
		}
	}
}

func TestParse_RefusesPlatforms(t *testing.T) {
	platform := func(os, arch string) func(object) {
		return func(d object) {
			d["runtimePlatform"] = object{"operatingSystemFamily": os, "cpuArchitecture": arch}
		}
	}
	runRefusals(t, []refusal{
		{"windows", platform("WINDOWS_SERVER_2022_CORE", "X86_64"), "ClientException: operatingSystemFamily 'WINDOWS_SERVER_2022_CORE' is not supported: drydock runs Linux containers only."},
		{"unknown", platform("BEOS", "X86_64"), "InvalidParameterException: runtimePlatform.operatingSystemFamily: 'BEOS' is not one of LINUX."},
		{"architecture", platform("LINUX", "RISCV"), "InvalidParameterException: runtimePlatform.cpuArchitecture: 'RISCV' is not one of X86_64, ARM64."},
		{"elastic inference", func(d object) {
			d["inferenceAccelerators"] = []any{object{"deviceName": "a", "deviceType": "eia1"}}
		}, "ClientException: Unsupported field 'inferenceAccelerators'."},
	})
}

func TestParse_RefusesLongDocuments(t *testing.T) {
	_, err := Parse(doc(t, func(d object) { first(d)["dockerLabels"] = object{"a": strings.Repeat("x", 64<<10)} }))
	if err == nil || !strings.HasPrefix(err.Error(), "ClientException: The task definition is ") {
		t.Errorf("got %v", err)
	}
}
