package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeStack writes a stack file into a directory of its own, which it returns.
func writeStack(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stackFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goodStack has one of everything; the tests break it in one place.
const goodStack = `cluster: shop
securityGroups:
  - groupName: alb
    ingress: [{ipProtocol: tcp, fromPort: 80, toPort: 80, cidrIp: 0.0.0.0/0}]
  - groupName: tasks
    ipPermissions:
      - {ipProtocol: tcp, fromPort: 3000, toPort: 3000, userIdGroupPairs: [{groupName: alb}]}
targetGroups:
  - name: web
    protocol: HTTP
    port: 3000
    targetType: ip
    healthCheckPath: /health
    attributes:
      deregistration_delay.timeout_seconds: 5
loadBalancers:
  - name: front
    securityGroups: [alb]
    listeners:
      - port: 80
        protocol: HTTP
        defaultActions:
          - {type: fixed-response, fixedResponseConfig: {statusCode: "404"}}
        rules:
          - priority: 1
            conditions: [{field: path-pattern, values: [/api/*]}]
            actions: [{type: forward, targetGroup: web}]
taskDefinitions:
  - family: web
    networkMode: awsvpc
    cpu: 256
    memory: "512"
    requiresCompatibilities: [FARGATE]
    containerDefinitions:
      - name: app
        image: shop/web:1
        portMappings: [{containerPort: 3000}]
        environment:
          - {name: ALB, value: "http://${loadBalancer.front.dnsName}"}
          - {name: SHELL, value: "${HOME} stays"}
services:
  - serviceName: web
    taskDefinition: web
    desiredCount: 2
    networkConfiguration:
      awsvpcConfiguration: {subnets: default, securityGroups: [tasks]}
    loadBalancers: [{targetGroup: web, containerName: app, containerPort: 3000}]
`

func TestReadStack_MapsNamesOntoAWSShapes(t *testing.T) {
	s, err := readStack(filepath.Join(writeStack(t, goodStack), stackFile))
	if err != nil {
		t.Fatal(err)
	}
	service := s.services[0].input
	for got, want := range map[string]string{
		s.clusterName():                                                                                           "shop",
		deref(s.taskDefinitions[0].input.Cpu):                                                                     "256",
		deref(service.TaskDefinition):                                                                             "${taskDefinition.web.arn}",
		deref(service.LoadBalancers[0].TargetGroupArn):                                                            "${targetGroup.web.arn}",
		service.NetworkConfiguration.AwsvpcConfiguration.Subnets[0]:                                               "${subnets.default}",
		service.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups[0]:                                        "${securityGroup.tasks.id}",
		deref(s.securityGroups[1].ingress[0].UserIdGroupPairs[0].GroupId):                                         "${securityGroup.alb.id}",
		deref(s.securityGroups[0].ingress[0].IpRanges[0].CidrIp):                                                  "0.0.0.0/0",
		deref(s.loadBalancers[0].listeners[0].rules[0].input.Actions[0].TargetGroupArn):                           "${targetGroup.web.arn}",
		s.targetGroups[0].attributes[0].String():                                                                  "deregistration_delay.timeout_seconds=5",
		deref(s.taskDefinitions[0].input.ContainerDefinitions[0].Environment[1].Value):                            "${HOME} stays",
		strings.Join(s.loadBalancers[0].input.Subnets, ","):                                                       defaultSubnets,
		deref(s.loadBalancers[0].listeners[0].input.DefaultActions[0].FixedResponseConfig.StatusCode) + " string": "404 string",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReadStack_TheShopExample(t *testing.T) {
	s, err := readStack("../../examples/shop/" + stackFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.services) != 3 || len(s.images) == 0 || len(s.loadBalancers) != 1 || len(s.loadBalancers[0].listeners[0].rules) != 4 {
		t.Errorf("got %d services, %d images", len(s.services), len(s.images))
	}
}

func TestReadStack_ReportsMistakesWithTheirLine(t *testing.T) {
	for _, test := range []struct{ replace, with, want string }{
		{"healthCheckPath: /health", "healthChekPath: /health", "drydock.yaml:13: targetGroups[0].healthChekPath: there is no such field in TargetGroup: did you mean healthCheckPath?"},
		{"services:\n", "servces:\n", "drydock.yaml:41: servces: there is no such section in a stack file: did you mean services?"},
		{"port: 3000\n    targetType", "port: 70000\n    targetType", "drydock.yaml:11: targetGroups[0].port: 70000 is out of range: choose from 1 to 65535"},
		{"port: 3000\n    targetType", "port: three\n    targetType", `drydock.yaml:11: targetGroups[0].port: "three" is not a whole number`},
		{"    protocol: HTTP\n    port: 3000\n", "    port: 3000\n", "drydock.yaml:9: targetGroups[0].protocol: is missing: write `protocol: HTTP`"},
		{"targetType: ip", "targetType: ips", `drydock.yaml:12: targetGroups[0].targetType: "ips" is not one of its values: did you mean ip?`},
		{"targetType: ip", "targetType:", "drydock.yaml:12: targetGroups[0].targetType: has no value: give it one or remove the line"},
		{"    targetType: ip\n", "", "drydock.yaml:46: services[0].loadBalancers[0]: The provided target group web has target type instance, which is incompatible with the awsvpc network mode"},
		{"forward, targetGroup: web", "forward, targetGroup: wbe", "drydock.yaml:27: loadBalancers[0].listeners[0].rules[0].actions[0].targetGroup: there is no targetGroup \"wbe\" in this stack: did you mean web?"},
		{"forward, targetGroup: web", "redirect", "drydock.yaml:27: loadBalancers[0].listeners[0].rules[0].actions[0]: a redirect action has no redirectConfig"},
		{"{type: forward, targetGroup: web}", "{type: fixed-response, fixedResponseConfig: {statusCode: \"200\"}}", "The target group with targetGroupArn web does not have an associated load balancer: forward to it"},
		{"securityGroups: [tasks]", "securityGroups: [task]", "drydock.yaml:46: services[0].networkConfiguration.awsvpcConfiguration.securityGroups: there is no securityGroup \"task\" in this stack: did you mean tasks?"},
		{"taskDefinition: web", "taskDefinition: wep", "drydock.yaml:43: services[0].taskDefinition: there is no taskDefinition \"wep\" in this stack: did you mean web?"},
		{"desiredCount: 2", "desiredCount: two", `drydock.yaml:44: services[0].desiredCount: "two" is not a whole number`},
		{"    desiredCount: 2\n", "", "drydock.yaml:42: services[0].desiredCount: is missing"},
		{"containerPort: 3000}]\n        env", "containerPort: 3001}]\n        env", "services[0].loadBalancers[0].containerPort: The container app did not have a container port 3000 defined"},
		{"containerName: app", "containerName: ap", "services[0].loadBalancers[0].containerName: The container ap does not exist in the task definition: did you mean app?"},
		{"loadBalancer.front.dnsName", "loadBalancer.frnt.dnsName", "drydock.yaml:39: taskDefinitions[0].containerDefinitions[0].environment[0].value: there is no loadBalancer \"frnt\" in this stack: did you mean front?"},
		{"loadBalancer.front.dnsName", "loadBalancer.front.name", "drydock.yaml:39: taskDefinitions[0].containerDefinitions[0].environment[0].value: ${loadBalancer.front.name}: a loadBalancer has no \"name\": it has dnsName, arn, url"},
		{"    image: shop/web:1\n    ", "", "taskDefinitions[0]"},
		{"memory: \"512\"", "memory: \"77\"", "drydock.yaml:29: taskDefinitions[0]: No Fargate configuration exists for given values"},
		{"  - family: web\n", "  - family: web\n    family: web\n", "drydock.yaml:30: taskDefinitions[0].family: is given twice: remove one"},
		{"name: front", "name: [front]", "drydock.yaml:17: loadBalancers[0].name: is a list, not a single value"},
		{"listeners:\n      - port: 80", "listeners:\n      - port: 80\n        protocol: HTTP\n        defaultActions: []\n      - port: 80", "drydock.yaml:20: loadBalancers[0].listeners[0].defaultActions: is empty"},
		{"rules:\n", "rules:\n          - {priority: 1, conditions: [{field: path-pattern, values: [/a]}], actions: [{type: forward, targetGroup: web}]}\n", "Priority '1' is currently in use"},
		{"cluster: shop", "cluster: shop\nimages: {shop/web: {build: {context: nowhere}}}", "drydock.yaml:2: images.shop/web.build.context"},
		{"cluster: shop", "cluster: shop\nimages: {shop/web: {biuld: .}}", "drydock.yaml:2: images.shop/web.biuld: there is no such field of an image: did you mean build?"},
		{"subnets: default, ", "", "drydock.yaml:46: services[0].networkConfiguration.awsvpcConfiguration.subnets: is missing: AWS requires it"},
		{"networkConfiguration:\n      awsvpcConfiguration: {subnets: default, securityGroups: [tasks]}\n    ", "", "Network Configuration must be provided when networkMode 'awsvpc' is specified"},
		{"cluster: shop", "cluster: shop\n\tbad", "drydock.yaml: yaml: line 2"},
		{"        protocol: HTTP\n", "        protocol: HTTPS\n", "drydock.yaml:20: loadBalancers[0].listeners[0].certificate: is missing: an HTTPS listener needs one: write `certificate: shop.localhost`"},
		{"        protocol: HTTP\n", "        protocol: HTTP\n        certificate: shop.localhost\n", "drydock.yaml:22: loadBalancers[0].listeners[0].certificate: is for HTTPS listeners: write `protocol: HTTPS`"},
		{"        protocol: HTTP\n", "        protocol: HTTPS\n        certificate: shop\n", `drydock.yaml:22: loadBalancers[0].listeners[0].certificate: "shop" is not a name that ACM issues certificates for: it takes two parts at least`},
		{"        protocol: HTTP\n", "        protocol: HTTPS\n        certificate: [a.test, [b]]\n", "drydock.yaml:22: loadBalancers[0].listeners[0].certificate[1]: is a list, not a certificate"},
		{"        protocol: HTTP\n", "        protocol: HTTPS\n        certificate: {domainNam: a.test}\n", "drydock.yaml:22: loadBalancers[0].listeners[0].certificate.domainNam: there is no such field in RequestCertificate: did you mean domainName?"},
		{"        protocol: HTTP\n", "        protocol: HTTPS\n        certificate: a.test\n        certificates: [{certificateArn: \"arn:x\"}]\n", "loadBalancers[0].listeners[0].certificate: stands beside certificates: give one of the two"},
	} {
		if !strings.Contains(goodStack, test.replace) {
			t.Errorf("%q is not in the stack", test.replace)
			continue
		}
		dir := writeStack(t, strings.Replace(goodStack, test.replace, test.with, 1))
		code, _, stderr := runCLI(t, "up", dir, "--endpoint", closedEndpoint(t))
		if code != exitUsage || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "nothing was created") {
			t.Errorf("%q → %q: exit %d, got\n%s\nwant\n%s", test.replace, test.with, code, stderr, test.want)
		}
	}
}

func TestReadStack_TaskDefinitionFiles(t *testing.T) {
	stack := "taskDefinitions: [{file: web.json}]\n"
	for _, test := range []struct{ name, document, want string }{
		{"what register takes", `{"family": "web", "containerDefinitions": [{"name": "app", "image": "a", "memory": 64}]}`, ""},
		{"what describe answers", `{"taskDefinition": {"family": "web", "revision": 3, "status": "ACTIVE", "taskDefinitionArn": "arn:x", "containerDefinitions": [{"name": "app", "image": "a", "memory": 64}]}, "tags": []}`, ""},
		{"a mistake", "{\"family\": \"web\",\n\"containerDefinitions\": [{\"name\": \"app\",\n\"imge\": \"a\"}]}", "web.json:3: containerDefinitions[0].imge: there is no such field in ContainerDefinition: did you mean image?"},
		{"not JSON", "{", "web.json is neither JSON nor YAML"},
	} {
		dir := writeStack(t, stack)
		if err := os.WriteFile(filepath.Join(dir, "web.json"), []byte(test.document), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := readStack(filepath.Join(dir, stackFile))
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want == "" && s.taskDefinitions[0].family() != "web":
			t.Errorf("%s: got %q", test.name, s.taskDefinitions[0].family())
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	_, err := readStack(filepath.Join(writeStack(t, stack), stackFile))
	if err == nil || !strings.Contains(err.Error(), "drydock.yaml:1: taskDefinitions[0].file:") {
		t.Errorf("missing file: %v", err)
	}
}

func TestReadStack_AliasBombsEnd(t *testing.T) {
	bomb := "x-a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb += "x-" + string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 10), ",") + "]\n"
	}
	_, err := readStack(filepath.Join(writeStack(t, bomb+"images: {a: {build: {run: *j}}}\n"), stackFile))
	if err == nil {
		t.Error("accepted")
	}
}

func TestReadStack_MergeKeysAndMappings(t *testing.T) {
	s, err := readStack(filepath.Join(writeStack(t, `
x-group: &group {protocol: HTTP, port: 3000, targetType: ip}
targetGroups:
  users: {<<: *group}
  orders: {<<: *group, port: 3001}
`), stackFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.targetGroups) != 2 || s.targetGroups[0].name() != "users" || *s.targetGroups[1].input.Port != 3001 || *s.targetGroups[1].input.Protocol != "HTTP" {
		t.Errorf("got %+v", s.targetGroups)
	}
}

func TestSameDocument_DefaultsMakeNoDifference(t *testing.T) {
	read := func(document string) stackTaskDefinition {
		s, err := readStack(filepath.Join(writeStack(t, "taskDefinitions:\n- "+document+"\n"), stackFile))
		if err != nil {
			t.Fatal(err)
		}
		return s.taskDefinitions[0]
	}
	short := read(`{family: web, cpu: 1 vCPU, memory: 2 GB, containerDefinitions: [{name: app, image: a, portMappings: [{containerPort: 80}], environment: [{name: A, value: b}, {name: C, value: d}]}]}`)
	long := read(`{family: web, cpu: "1024", memory: "2048", volumes: [], containerDefinitions: [{name: app, image: a, cpu: 0, essential: true, mountPoints: [], volumesFrom: [], portMappings: [{containerPort: 80, hostPort: 80, protocol: tcp}], environment: [{name: C, value: d}, {name: A, value: b}]}]}`)
	other := read(`{family: web, cpu: "1024", memory: "2048", containerDefinitions: [{name: app, image: b, portMappings: [{containerPort: 80}], environment: [{name: A, value: b}, {name: C, value: d}]}]}`)
	if !sameDocument(short.input, long.input) {
		t.Error("defaults make a difference")
	}
	if sameDocument(short.input, other.input) {
		t.Error("another image makes no difference")
	}
}
