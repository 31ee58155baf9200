package ecs_test

import (
	"fmt"
	"slices"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
)

func TestEveryListedOperationIsServed(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, operation := range awsapi.LookupService("ecs").Operations() {
			if !w.server.Handles("ecs", operation) {
				t.Errorf("%s has no handler", operation)
			}
		}
	})
}

func TestCluster_Life(t *testing.T) {
	inWorld(t, func(w *world) {
		made := call[ecs.CreateClusterResponse](w, "CreateCluster", `{"clusterName":"shop","tags":[{"key":"a","value":"b"}],
			"settings":[{"name":"containerInsights","value":"enhanced"}],"capacityProviders":["FARGATE","FARGATE_SPOT"],
			"defaultCapacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1}],"configuration":{"executeCommandConfiguration":{"logging":"NONE"}}}`).Cluster
		if *made.Status != "ACTIVE" || *made.Settings[0].Value != "enhanced" || len(made.Tags) != 1 || *made.RunningTasksCount != 0 {
			t.Errorf("created: %s", w.raw)
		}
		if again := call[ecs.CreateClusterResponse](w, "CreateCluster", `{"clusterName":"shop"}`).Cluster; *again.ClusterArn != *made.ClusterArn || len(again.Tags) != 1 {
			t.Errorf("created twice: %s", w.raw)
		}
		plain := call[ecs.DescribeClustersResponse](w, "DescribeClusters", fmt.Sprintf(`{"clusters":[%q]}`, *made.ClusterArn)).Clusters[0]
		if len(plain.Tags)+len(plain.Settings)+len(plain.Statistics) != 0 || plain.Configuration != nil || len(plain.CapacityProviders) != 2 || len(plain.DefaultCapacityProviderStrategy) != 1 {
			t.Errorf("without include: %s", w.raw)
		}
		full := call[ecs.DescribeClustersResponse](w, "DescribeClusters", `{"clusters":["shop"],"include":["TAGS","SETTINGS","STATISTICS","CONFIGURATIONS"]}`).Clusters[0]
		if len(full.Tags) != 1 || len(full.Settings) != 1 || len(full.Statistics) == 0 || *full.Configuration.ExecuteCommandConfiguration.Logging != "NONE" {
			t.Errorf("with include: %s", w.raw)
		}
		gone := call[ecs.DeleteClusterResponse](w, "DeleteCluster", `{"cluster":"shop"}`).Cluster
		if *gone.Status != "INACTIVE" || len(call[ecs.ListClustersResponse](w, "ListClusters", `{}`).ClusterArns) != 0 {
			t.Errorf("deleted: %s", w.raw)
		}
		w.refused("DeleteCluster", `{"cluster":"nowhere"}`, "ClusterNotFoundException: Cluster not found.")
		w.refused("DeleteCluster", `{}`, "InvalidParameterException: Cluster can not be blank.")
	})
}

// TestCluster_DefaultIsAlwaysThere: no call needs to create it.
func TestCluster_DefaultIsAlwaysThere(t *testing.T) {
	inWorld(t, func(w *world) {
		if c := call[ecs.DescribeClustersResponse](w, "DescribeClusters", `{}`).Clusters; len(c) != 1 || *c[0].ClusterName != "default" {
			t.Errorf("clusters: %s", w.raw)
		}
		if arns := w.tasks(`{}`); arns == nil || len(arns) != 0 {
			t.Errorf("tasks: %s", w.raw)
		}
	})
}

func TestCluster_Counts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 2)
		w.stable("web")
		c := call[ecs.DescribeClustersResponse](w, "DescribeClusters", `{"include":["STATISTICS"]}`).Clusters[0]
		n := map[string]string{}
		for _, s := range c.Statistics {
			n[*s.Name] = *s.Value
		}
		if *c.RunningTasksCount != 2 || *c.ActiveServicesCount != 1 || n["runningFargateTasksCount"] != "2" || n["activeFargateServiceCount"] != "1" || n["runningEC2TasksCount"] != "0" {
			t.Errorf("counts: %s", w.raw)
		}
		w.refused("DeleteCluster", `{"cluster":"default"}`, "ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.")
	})
}

// TestTags_OfEveryKind tags a cluster, a service, a task and a task definition.
func TestTags_OfEveryKind(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		task := *w.run()[0].TaskArn
		w.create("web", 0)
		prefix := "arn:aws:ecs:us-east-1:123456789012:"
		for _, arn := range []string{prefix + "cluster/default", prefix + "service/default/web", task, prefix + "task-definition/web:1"} {
			w.do("TagResource", fmt.Sprintf(`{"resourceArn":%q,"tags":[{"key":"b","value":"2"},{"key":"a","value":""}]}`, arn))
			w.do("UntagResource", fmt.Sprintf(`{"resourceArn":%q,"tagKeys":["b"]}`, arn))
			tags := call[ecs.ListTagsForResourceResponse](w, "ListTagsForResource", fmt.Sprintf(`{"resourceArn":%q}`, arn)).Tags
			if len(tags) != 1 || *tags[0].Key != "a" || *tags[0].Value != "" {
				t.Errorf("%s: %s", arn, w.raw)
			}
			w.refused("TagResource", fmt.Sprintf(`{"resourceArn":%q,"tags":[{"key":"aws:a","value":""}]}`, arn), "InvalidParameterException: Tag keys must not start with 'aws:': aws:a")
		}
		if tags := w.describe("web").Tags; len(tags) != 1 {
			t.Errorf("tags of the service: %s", w.raw)
		}
		for _, arn := range []string{prefix + "service/default/api", prefix + "task-definition/api:1"} {
			w.refused("ListTagsForResource", fmt.Sprintf(`{"resourceArn":%q}`, arn), "InvalidParameterException: The specified resource "+arn+" was not found.")
		}
	})
}

func TestTaskDefinitions(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, family := range []string{"web", "web", "webby"} {
			w.register(family)
		}
		list := func(in string) []string {
			return call[ecs.ListTaskDefinitionsResponse](w, "ListTaskDefinitions", in).TaskDefinitionArns
		}
		prefix := "arn:aws:ecs:us-east-1:123456789012:task-definition/"
		if got := list(`{"familyPrefix":"web","sort":"DESC"}`); !slices.Equal(got, []string{prefix + "web:2", prefix + "web:1"}) {
			t.Errorf("list: %s", got)
		}
		out := call[ecs.DeregisterTaskDefinitionResponse](w, "DeregisterTaskDefinition", `{"taskDefinition":"web:2"}`)
		if *out.TaskDefinition.Status != "INACTIVE" || out.TaskDefinition.DeregisteredAt == nil {
			t.Errorf("deregistered: %s", w.raw)
		}
		if got := call[ecs.DescribeTaskDefinitionResponse](w, "DescribeTaskDefinition", `{"taskDefinition":"web"}`); *got.TaskDefinition.Revision != 1 || got.Tags != nil {
			t.Errorf("latest active: %s", w.raw)
		}
		if got := list(`{"status":"INACTIVE"}`); len(got) != 1 {
			t.Errorf("inactive: %s", got)
		}
		page := call[ecs.ListTaskDefinitionsResponse](w, "ListTaskDefinitions", `{"maxResults":1}`)
		if got := list(fmt.Sprintf(`{"nextToken":%q}`, *page.NextToken)); !slices.Equal(got, []string{prefix + "webby:1"}) {
			t.Errorf("second page: %s", got)
		}
		families := call[ecs.ListTaskDefinitionFamiliesResponse](w, "ListTaskDefinitionFamilies", `{"familyPrefix":"we"}`)
		if !slices.Equal(families.Families, []string{"web", "webby"}) {
			t.Errorf("families: %s", w.raw)
		}
		w.refused("DescribeTaskDefinition", `{"taskDefinition":"nothing"}`, "ClientException: Unable to describe task definition.")
		w.refused("DeregisterTaskDefinition", `{"taskDefinition":"web"}`, "ClientException: Revision is missing.")
		w.refused("DescribeTaskDefinition", `{"taskDefinition":"web:x"}`, "InvalidParameterException: Invalid revision number. Number: x")
	})
}

// TestRegisterTaskDefinition_KeepsTheDocument: the answer has what was written, in the
// API's order, and the tags beside it.
func TestRegisterTaskDefinition_KeepsTheDocument(t *testing.T) {
	inWorld(t, func(w *world) {
		out := call[ecs.RegisterTaskDefinitionResponse](w, "RegisterTaskDefinition", `{"family":"web","cpu":"1 vCPU","memory":"2GB","networkMode":"awsvpc",
			"containerDefinitions":[{"name":"app","image":"app:1","dockerLabels":{"a":"<b>"},"command":[]}],"tags":[{"key":"a","value":"b"}]}`)
		d := out.TaskDefinition
		if *d.Cpu != "1024" || *d.Memory != "2048" || d.ContainerDefinitions[0].DockerLabels["a"] != "<b>" || d.ContainerDefinitions[0].Command == nil || *out.Tags[0].Key != "a" {
			t.Errorf("registered: %s", w.raw)
		}
		if *d.RegisteredBy != "arn:aws:iam::123456789012:root" || d.Volumes == nil {
			t.Errorf("registered: %s", w.raw)
		}
		w.refused("RegisterTaskDefinition", `{"containerDefinitions":[]}`, "ClientException: Family should not be null or empty.")
	})
}
