package ecs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
)

// TestGolden shows whole answers: a service as it is created, in the middle of a
// deployment, its tasks and its task definition.
func TestGolden(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.do("DescribeTaskDefinition", `{"taskDefinition":"web:1","include":["TAGS"]}`)
		w.golden("describe-task-definition")
		w.do("CreateService", `{"serviceName":"web","taskDefinition":"web","desiredCount":1,"launchType":"FARGATE",`+balanced+`,
			"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-0a"],"securityGroups":["sg-0a"],"assignPublicIp":"ENABLED"}},
			"tags":[{"key":"team","value":"shop"}],"enableECSManagedTags":true}`)
		w.golden("create-service")
		w.stable("web")
		w.register("web")
		w.update(`"taskDefinition":"web"`)
		w.until("the new task runs", func() bool { return *w.describe("web").RunningCount == 2 })
		w.do("DescribeServices", `{"services":["web","nothing"],"include":["TAGS"]}`)
		w.golden("describe-services")
		old := w.tasks(`{"serviceName":"web"}`)[0]
		w.do("DescribeTasks", fmt.Sprintf(`{"tasks":[%q,"0123456789abcdef0123456789abcdef"],"include":["TAGS"]}`, old))
		w.golden("describe-tasks")
		w.until("the old task stopped", func() bool { return *w.task(old).LastStatus == "STOPPED" })
		w.golden("describe-tasks-stopped")
		w.stable("web")
	})
}

// TestDescribeServices_MidDeployment: the counts are sums over all deployments, and a
// superseded one wants nothing while its tasks still run (trace T5).
func TestDescribeServices_MidDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 2, balanced)
		w.stable("web")
		w.update(`"forceNewDeployment":true`)
		w.until("the new tasks run", func() bool { return *w.describe("web").RunningCount == 4 })
		s := w.describe("web")
		var got []string
		for _, d := range s.Deployments {
			got = append(got, fmt.Sprint(*d.Status, *d.DesiredCount, *d.RunningCount, *d.RolloutState))
		}
		if want := []string{"PRIMARY22IN_PROGRESS", "ACTIVE02COMPLETED"}; !slices.Equal(compact(got), want) {
			t.Errorf("deployments %q, want %q", compact(got), want)
		}
		if !slices.IsSortedFunc(s.Events, func(a, b ecs.ServiceEvent) int { return b.CreatedAt.Compare(*a.CreatedAt) }) {
			t.Error("events are not newest first")
		}
	})
}

func compact(texts []string) []string {
	for i, text := range texts {
		texts[i] = strings.ReplaceAll(text, " ", "")
	}
	return texts
}

func TestCreateService_Defaults(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		s := w.create("plain", 0)
		if s.RoleArn != nil || s.HealthCheckGracePeriodSeconds != nil {
			t.Errorf("without load balancer: role %v, grace %v", s.RoleArn, s.HealthCheckGracePeriodSeconds)
		}
		if d := s.Deployments[0]; *d.DesiredCount != 0 || *d.PlatformVersion != "1.4.0" || *s.PlatformVersion != "LATEST" {
			t.Errorf("deployment %+v of platform %s", d, *s.PlatformVersion)
		}
		s = w.create("balanced", 0, balanced)
		if *s.RoleArn != "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" || *s.HealthCheckGracePeriodSeconds != 0 {
			t.Errorf("with load balancer: role %s, grace %d", *s.RoleArn, *s.HealthCheckGracePeriodSeconds)
		}
		if s = w.create("own", 0, balanced, `"role":"mine"`); *s.RoleArn != "arn:aws:iam::123456789012:role/mine" {
			t.Errorf("own role: %s", *s.RoleArn)
		}
	})
}

// TestCreateService_LaunchType: ECS-307, ECS-308.
func TestCreateService_LaunchType(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.do("RegisterTaskDefinition", `{"family":"old","networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"app:1","memory":64}]}`)
		strategy := `"capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1}]`
		launch := func(name, definition, more string) string {
			out := call[ecs.CreateServiceResponse](w, "CreateService", fmt.Sprintf(`{"serviceName":%q,"taskDefinition":%q,"desiredCount":0,%s%s}`, name, definition, inVPC, more))
			d := out.Service.Deployments[0]
			return awsapi.Value(out.Service.LaunchType) + " " + awsapi.Value(d.LaunchType) + " " + awsapi.Value(out.Service.PlatformVersion) + " " + awsapi.Value(d.PlatformVersion)
		}
		for _, c := range []struct{ name, definition, more, want string }{
			{"fargate", "web", "", "FARGATE FARGATE LATEST 1.4.0"},
			{"ec2", "old", "", "EC2 EC2  "},
			{"strategy", "web", "," + strategy, "  LATEST 1.4.0"},
			{"platform", "web", `,"platformVersion":"1.3.0"`, "FARGATE FARGATE 1.3.0 1.3.0"},
		} {
			if got := launch(c.name, c.definition, c.more); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
		w.refused("CreateService", `{"serviceName":"both","taskDefinition":"web","desiredCount":1,"launchType":"FARGATE",`+inVPC+`,`+strategy+`}`,
			"InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
		s := w.describe("strategy")
		if len(s.CapacityProviderStrategy) != 1 || *s.CapacityProviderStrategy[0].CapacityProvider != "FARGATE_SPOT" || len(s.Deployments[0].CapacityProviderStrategy) != 1 {
			t.Errorf("strategy: %s", w.raw)
		}
	})
}

// TestCreateService_Repeated: the same call, whatever its token and order, answers the same
// service; another one does not (ECS-301).
func TestCreateService_Repeated(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		first := w.create("web", 1, `"clientToken":"one"`)
		again := call[ecs.CreateServiceResponse](w, "CreateService",
			`{`+inVPC+`, "launchType":"FARGATE","clientToken":"two","desiredCount":1,"taskDefinition":"web","serviceName":"web"}`).Service
		if *again.ServiceArn != *first.ServiceArn || *again.Deployments[0].Id != *first.Deployments[0].Id {
			t.Errorf("a repeated call answered %s", w.raw)
		}
		other := `{"serviceName":"web","taskDefinition":"web","desiredCount":2,"launchType":"FARGATE",` + inVPC + `}`
		w.refused("CreateService", other, "InvalidParameterException: Creation of service was not idempotent.")
		w.stable("web")
		w.do("DeleteService", `{"service":"web","force":true}`)
		w.refused("CreateService", other, "InvalidParameterException: Unable to Start a service that is still Draining.")
		w.until("INACTIVE", func() bool { return *w.describe("web").Status == "INACTIVE" })
		w.create("web", 1)
	})
}

func TestCreateService_Refusals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		lb := func(group, container string, port int) string {
			return fmt.Sprintf(`%s,"loadBalancers":[{"targetGroupArn":%q,"containerName":%q,"containerPort":%d}]`, inVPC, group, container, port)
		}
		for _, c := range []struct{ more, want string }{
			{lb(loneGroup, "app", 80), "InvalidParameterException: The target group with targetGroupArn " + loneGroup + " does not have an associated load balancer."},
			{lb(ec2Group, "app", 80), "InvalidParameterException: The provided target group " + ec2Group + " has target type instance, which is incompatible with the awsvpc network mode specified in the task definition."},
			{lb(group, "app", 81), "InvalidParameterException: The container app did not have a container port 81 defined."},
			{lb(group, "nginx", 80), "InvalidParameterException: The container nginx does not exist in the task definition."},
			{`"launchType":"FARGATE"`, "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified."},
			{`"networkConfiguration":{"awsvpcConfiguration":{"subnets":[]}}`, "InvalidParameterException: subnets can not be empty."},
			{inVPC + `,"cluster":"nowhere"`, "ClusterNotFoundException: Cluster not found."},
			{inVPC + `,"tags":[{"key":"aws:x","value":""}]`, "InvalidParameterException: Tag keys must not start with 'aws:': aws:x"},
		} {
			w.refused("CreateService", `{"serviceName":"web","taskDefinition":"web","desiredCount":1,`+c.more+`}`, c.want)
		}
		w.refused("CreateService", `{"taskDefinition":"web"}`, "InvalidParameterException: ServiceName can not be blank.")
		w.registerBridged()
		notFargate := "InvalidParameterException: Task definition does not support launch_type FARGATE." // ECS-440
		w.refused("CreateService", `{"serviceName":"web","taskDefinition":"bridged","desiredCount":1,"launchType":"FARGATE"}`, notFargate)
		w.refused("CreateService", `{"serviceName":"web","taskDefinition":"nothing","desiredCount":1,`+inVPC+`}`, "ClientException: TaskDefinition not found.")
		w.do("DeregisterTaskDefinition", `{"taskDefinition":"web:1"}`)
		w.refused("CreateService", `{"serviceName":"web","taskDefinition":"web:1","desiredCount":1,`+inVPC+`}`, "ClientException: TaskDefinition is inactive")
	})
}

// TestUpdateService_EmptyClearsAbsentLeaves: ECS-303.
func TestUpdateService_EmptyClearsAbsentLeaves(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 0, balanced, `"placementStrategy":[{"type":"spread","field":"attribute:ecs.availability-zone"}],
			"serviceRegistries":[{"registryArn":"arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"}],
			"deploymentConfiguration":{"maximumPercent":150,"alarms":{"alarmNames":["5xx"],"enable":true,"rollback":false},"bakeTimeInMinutes":2}`)
		s := w.update(`"desiredCount":0`)
		if len(s.LoadBalancers) != 1 || len(s.PlacementStrategy) != 1 || len(s.ServiceRegistries) != 1 || *s.DeploymentConfiguration.MaximumPercent != 150 {
			t.Fatalf("absent members were changed: %s", w.raw)
		}
		s = w.update(`"loadBalancers":[],"placementStrategy":[],"serviceRegistries":null,"deploymentConfiguration":{"minimumHealthyPercent":50,"bakeTimeInMinutes":3}`)
		if len(s.LoadBalancers) != 0 || len(s.PlacementStrategy) != 0 || len(s.ServiceRegistries) != 1 {
			t.Errorf("empty lists did not clear: %s", w.raw)
		}
		d := s.DeploymentConfiguration
		if *d.MaximumPercent != 150 || *d.MinimumHealthyPercent != 50 || *d.BakeTimeInMinutes != 3 || d.Alarms == nil || d.Alarms.AlarmNames[0] != "5xx" {
			t.Errorf("deployment configuration: %s", w.raw)
		}
	})
}

// TestUpdateService_WhatDeploys: ECS-304.
func TestUpdateService_WhatDeploys(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 0, `"serviceConnectConfiguration":{"enabled":false}`)
		id := *w.describe("web").Deployments[0].Id
		for _, c := range []struct {
			members string
			deploys bool
		}{
			{`"desiredCount":0`, false},
			{inVPC, false},
			{`"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-0a","subnet-0b"],"securityGroups":["sg-0a"],"assignPublicIp":"DISABLED"}}`, false},
			{`"placementStrategy":[{"type":"random"}],"enableExecuteCommand":true,"propagateTags":"SERVICE"`, false},
			{`"serviceConnectConfiguration":{ "enabled" : false }`, false},
			{`"volumeConfigurations":[]`, false},
			{`"serviceConnectConfiguration":{"enabled":true,"namespace":"shop"}`, true},
			{`"forceNewDeployment":true`, true},
			{`"platformVersion":"1.4.0"`, true},
		} {
			now := *w.update(c.members).Deployments[0].Id
			if (now != id) != c.deploys {
				t.Errorf("%s: deployed %t, want %t", c.members, now != id, c.deploys)
			}
			id = now
		}
		if s := w.describe("web"); *s.Deployments[0].ServiceConnectConfiguration.Namespace != "shop" || *s.PropagateTags != "SERVICE" || !*s.EnableExecuteCommand {
			t.Errorf("not shown: %s", w.raw)
		}
	})
}

func TestUpdateService_Refusals(t *testing.T) {
	inWorld(t, func(w *world) {
		w.refused("UpdateService", `{"service":"web"}`, "ServiceNotFoundException: Service not found.")
		w.refused("UpdateService", `{"service":"web","cluster":"nowhere"}`, "ClusterNotFoundException: Cluster not found.")
		w.register("web")
		w.create("web", 1)
		w.refused("DeleteService", `{"service":"web"}`, "InvalidParameterException: The service cannot be stopped while it is scaled above 0.")
		w.stable("web")
		out := call[ecs.DeleteServiceResponse](w, "DeleteService", `{"service":"arn:aws:ecs:us-east-1:123456789012:service/default/web","force":true}`)
		if *out.Service.Status != "DRAINING" || *out.Service.DesiredCount != 0 {
			t.Errorf("deleted: %s", w.raw)
		}
		w.refused("UpdateService", `{"service":"web","desiredCount":1}`, "ServiceNotActiveException: Service was not ACTIVE.")
	})
}

// TestDescribe_MissingOnesAreFailures: names and ARNs are accepted, failures carry ARNs.
func TestDescribe_MissingOnesAreFailures(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.do("CreateCluster", `{"clusterName":"shop"}`)
		arn := *w.create("web", 0, `"cluster":"shop"`).ServiceArn
		prefix := "arn:aws:ecs:us-east-1:123456789012:"
		out := call[ecs.DescribeServicesResponse](w, "DescribeServices",
			fmt.Sprintf(`{"cluster":"%scluster/shop","services":["web",%q,"api","%sservice/shop/old"]}`, prefix, arn, prefix))
		if len(out.Services) != 2 || len(out.Failures) != 2 || *out.Failures[0].Arn != prefix+"service/shop/api" || *out.Failures[1].Arn != prefix+"service/shop/old" || *out.Failures[0].Reason != "MISSING" {
			t.Errorf("services: %s", w.raw)
		}
		clusters := call[ecs.DescribeClustersResponse](w, "DescribeClusters", `{"clusters":["shop","nowhere"]}`)
		if len(clusters.Clusters) != 1 || *clusters.Failures[0].Arn != prefix+"cluster/nowhere" || *clusters.Clusters[0].ActiveServicesCount != 1 {
			t.Errorf("clusters: %s", w.raw)
		}
		tasks := call[ecs.DescribeTasksResponse](w, "DescribeTasks", `{"cluster":"shop","tasks":["0123"]}`)
		if tasks.Tasks == nil || *tasks.Failures[0].Arn != prefix+"task/shop/0123" {
			t.Errorf("tasks: %s", w.raw)
		}
		w.refused("DescribeServices", `{"cluster":"nowhere","services":["web"]}`, "ClusterNotFoundException: Cluster not found.")
	})
}

// TestDescribe_AtMost: ECS-305.
func TestDescribe_AtMost(t *testing.T) {
	inWorld(t, func(w *world) {
		names := func(n int) string { return `"` + strings.Join(slices.Repeat([]string{"a"}, n), `","`) + `"` }
		w.refused("DescribeServices", `{"services":[`+names(11)+`]}`, "InvalidParameterException: service names can have at most 10 items.")
		w.refused("DescribeServices", `{"services":[]}`, "InvalidParameterException: Services cannot be empty.")
		w.refused("DescribeTasks", `{"tasks":[`+names(101)+`]}`, "InvalidParameterException: tasks can have at most 100 items.")
		w.refused("DescribeTasks", `{"tasks":[]}`, "InvalidParameterException: Tasks cannot be empty.")
		w.refused("DescribeClusters", `{"clusters":[`+names(101)+`]}`, "InvalidParameterException: clusters can have at most 100 items.")
	})
}

// TestListServices_PagesOfTen: ECS-306.
func TestListServices_PagesOfTen(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		for i := range 12 {
			w.create(fmt.Sprintf("web-%02d", i), 0)
		}
		w.do("DeleteService", `{"service":"web-00"}`)
		first := call[ecs.ListServicesResponse](w, "ListServices", `{}`)
		second := call[ecs.ListServicesResponse](w, "ListServices", fmt.Sprintf(`{"nextToken":%q}`, awsapi.Value(first.NextToken)))
		if len(first.ServiceArns) != 10 || len(second.ServiceArns) != 1 || second.NextToken != nil {
			t.Errorf("pages of %d and %d", len(first.ServiceArns), len(second.ServiceArns))
		}
		for in, want := range map[string]int{`{"maxResults":100}`: 11, `{"launchType":"EC2"}`: 0, `{"schedulingStrategy":"DAEMON"}`: 0, `{"launchType":"FARGATE","schedulingStrategy":"REPLICA"}`: 10} {
			if got := len(call[ecs.ListServicesResponse](w, "ListServices", in).ServiceArns); got != want {
				t.Errorf("%s: %d services, want %d", in, got, want)
			}
		}
		w.refused("ListServices", `{"maxResults":101}`, "InvalidParameterException: maxResults must be between 1 and 100.")
		w.refused("ListServices", `{"nextToken":"x"}`, "InvalidParameterException: Invalid token.")
		w.refused("ListServices", `{"cluster":"nowhere"}`, "ClusterNotFoundException: Cluster not found.")
	})
}

// TestWaiters: what `aws ecs wait` looks for comes true.
func TestWaiters(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 1, balanced)
		w.stable("web")
		w.do("DeleteService", `{"service":"web","force":true}`)
		if *w.describe("web").Status != "DRAINING" {
			t.Errorf("after DeleteService: %s", w.raw)
		}
		w.until("INACTIVE", func() bool { return *w.describe("web").Status == "INACTIVE" })
		if s := w.describe("web"); len(s.Deployments) != 0 || *s.RunningCount != 0 {
			t.Errorf("INACTIVE: %s", w.raw)
		}
		time.Sleep(time.Second)
	})
}
