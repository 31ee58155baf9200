package ecs_test

import (
	"strings"
	"testing"
	"time"

	"drydock/awsapi/ecs"
)

func TestAccountSettings(t *testing.T) {
	inWorld(t, func(w *world) {
		if set := call[ecs.ListAccountSettingsResponse](w, "ListAccountSettings", `{}`).Settings; len(set) != 0 {
			t.Errorf("nothing was set: %s", w.raw)
		}
		w.do("PutAccountSetting", `{"name":"containerInsights","value":"enhanced"}`)
		w.do("PutAccountSettingDefault", `{"name":"awsvpcTrunking","value":"enabled"}`)
		set := call[ecs.ListAccountSettingsResponse](w, "ListAccountSettings", `{}`).Settings
		if len(set) != 2 || *set[1].Name != "containerInsights" || *set[1].Value != "enhanced" || *set[1].PrincipalArn != "arn:aws:iam::123456789012:root" {
			t.Errorf("what was set: %s", w.raw)
		}
		one := call[ecs.ListAccountSettingsResponse](w, "ListAccountSettings", `{"name":"taskLongArnFormat","effectiveSettings":true}`).Settings
		if len(one) != 1 || *one[0].Value != "enabled" {
			t.Errorf("effective: %s", w.raw)
		}
		if back := call[ecs.DeleteAccountSettingResponse](w, "DeleteAccountSetting", `{"name":"containerInsights"}`).Setting; *back.Value != "disabled" {
			t.Errorf("deleted: %s", w.raw)
		}
		w.refused("PutAccountSetting", `{"name":"taskLongArnFormat","value":"disabled"}`, `InvalidParameterException: Invalid value "disabled" for setting taskLongArnFormat. Valid values are: [enabled]`)
		w.refused("ListAccountSettings", `{"value":"enabled"}`, "InvalidParameterException: You must specify a setting name when you specify a value.")
	})
}

func TestCapacityProviders(t *testing.T) {
	inWorld(t, func(w *world) {
		known := call[ecs.DescribeCapacityProvidersResponse](w, "DescribeCapacityProviders", `{"capacityProviders":["FARGATE_SPOT","mine"]}`)
		if len(known.CapacityProviders) != 1 || *known.CapacityProviders[0].Status != "ACTIVE" || len(known.Failures) != 1 || *known.Failures[0].Reason != "MISSING" {
			t.Errorf("providers: %s", w.raw)
		}
		c := call[ecs.PutClusterCapacityProvidersResponse](w, "PutClusterCapacityProviders",
			`{"cluster":"default","capacityProviders":["FARGATE"],"defaultCapacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1}]}`).Cluster
		if len(c.CapacityProviders) != 1 || len(c.DefaultCapacityProviderStrategy) != 1 {
			t.Errorf("put: %s", w.raw)
		}
		updated := call[ecs.UpdateClusterSettingsResponse](w, "UpdateClusterSettings", `{"cluster":"default","settings":[{"name":"containerInsights","value":"enabled"}]}`).Cluster
		if *updated.Settings[0].Value != "enabled" || len(updated.CapacityProviders) != 1 {
			t.Errorf("settings: %s", w.raw)
		}
		configured := call[ecs.UpdateClusterResponse](w, "UpdateCluster", `{"cluster":"default","configuration":{"executeCommandConfiguration":{"logging":"DEFAULT"}}}`).Cluster
		if *configured.Configuration.ExecuteCommandConfiguration.Logging != "DEFAULT" || *configured.Settings[0].Value != "enabled" {
			t.Errorf("configuration: %s", w.raw)
		}
		w.refused("PutClusterCapacityProviders", `{"cluster":"default","capacityProviders":["mine"],"defaultCapacityProviderStrategy":[]}`,
			"InvalidParameterException: The specified capacity provider 'mine' was not found. Specify a valid name or ARN and try again.")
		w.refused("UpdateCluster", `{"cluster":"nowhere"}`, "ClusterNotFoundException: Cluster not found.")
	})
}

func TestContainerInstances(t *testing.T) {
	inWorld(t, func(w *world) {
		if arns := call[ecs.ListContainerInstancesResponse](w, "ListContainerInstances", `{}`).ContainerInstanceArns; len(arns) != 0 {
			t.Errorf("no task runs: %v", arns)
		}
		w.do("RegisterTaskDefinition", `{"family":"job","networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"app:1","memory":64}]}`)
		w.do("RunTask", `{"taskDefinition":"job","launchType":"EC2","networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-1"]}}}`)
		time.Sleep(time.Minute)
		arns := call[ecs.ListContainerInstancesResponse](w, "ListContainerInstances", `{}`).ContainerInstanceArns
		if len(arns) != 1 || !strings.Contains(arns[0], ":container-instance/default/") {
			t.Fatalf("a task runs on EC2: %v", arns)
		}
		one := call[ecs.DescribeContainerInstancesResponse](w, "DescribeContainerInstances", `{"containerInstances":["`+arns[0]+`","other"]}`)
		if len(one.ContainerInstances) != 1 || *one.ContainerInstances[0].RunningTasksCount != 1 || len(one.Failures) != 1 {
			t.Errorf("described: %s", w.raw)
		}
	})
}

func TestServicesByNamespace(t *testing.T) {
	inWorld(t, func(w *world) {
		if arns := call[ecs.ListServicesByNamespaceResponse](w, "ListServicesByNamespace", `{"namespace":"shop"}`).ServiceArns; arns == nil || len(arns) != 0 {
			t.Errorf("services: %s", w.raw)
		}
	})
}
