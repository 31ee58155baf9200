package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
	"drydock/awsapi/ecs"
	"drydock/orchestrator/enginetest"
)

// records lists the service deployments of web.
func (w *world) records(more string) []ecs.ServiceDeploymentBrief {
	w.t.Helper()
	return call[ecs.ListServiceDeploymentsResponse](w, "ListServiceDeployments", `{"service":"web"`+more+`}`).ServiceDeployments
}

func (w *world) serviceDeployment(arn string) ecs.ServiceDeployment {
	w.t.Helper()
	out := call[ecs.DescribeServiceDeploymentsResponse](w, "DescribeServiceDeployments", fmt.Sprintf(`{"serviceDeploymentArns":[%q]}`, arn))
	if len(out.ServiceDeployments) != 1 {
		w.t.Fatalf("DescribeServiceDeployments = %s", w.raw)
	}
	return out.ServiceDeployments[0]
}

// TestServiceDeployments_History: list with its filters and pages, describe, revisions.
func TestServiceDeployments_History(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		s := w.create("web", 1, balanced, `"deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":true,"rollback":true}}`)
		if s.CurrentServiceDeployment == nil || len(s.CurrentServiceRevisions) != 1 {
			t.Fatalf("created: %s", w.raw)
		}
		w.stable("web")
		between := time.Now()
		w.register("web")
		time.Sleep(time.Second)
		w.update(`"taskDefinition":"web"`)
		w.until("both run", func() bool { return *w.describe("web").RunningCount == 2 })
		s2 := w.describe("web")
		if len(s2.CurrentServiceRevisions) != 2 || *s2.CurrentServiceRevisions[0].RunningTaskCount != 1 || *s2.CurrentServiceDeployment == *s.CurrentServiceDeployment {
			t.Errorf("in the middle: %s", w.raw)
		}
		d := w.serviceDeployment(*s2.CurrentServiceDeployment)
		w.golden("describe-service-deployments")
		if *d.Status != "IN_PROGRESS" || len(d.SourceServiceRevisions) != 1 || *d.SourceServiceRevisions[0].RunningTaskCount != 1 || *d.DeploymentCircuitBreaker.Threshold != 3 || *d.Alarms.Status != "DISABLED" {
			t.Errorf("in progress: %s", w.raw)
		}
		if got := w.records(`,"status":["IN_PROGRESS"]`); len(got) != 1 || *got[0].ServiceDeploymentArn != *s2.CurrentServiceDeployment {
			t.Errorf("IN_PROGRESS: %s", w.raw)
		}
		if got := w.records(fmt.Sprintf(`,"createdAt":{"after":%d}`, between.Unix())); len(got) != 1 {
			t.Errorf("after %s: %s", between, w.raw)
		}
		w.stable("web")
		first := call[ecs.ListServiceDeploymentsResponse](w, "ListServiceDeployments", `{"service":"web","maxResults":1}`)
		rest := w.records(fmt.Sprintf(`,"nextToken":%q,"maxResults":1`, *first.NextToken))
		if *first.ServiceDeployments[0].TargetServiceRevisionArn == *rest[0].TargetServiceRevisionArn || *rest[0].Status != "SUCCESSFUL" {
			t.Errorf("pages: %s", w.raw)
		}
		revisions := call[ecs.DescribeServiceRevisionsResponse](w, "DescribeServiceRevisions",
			fmt.Sprintf(`{"serviceRevisionArns":[%q,"arn:aws:ecs:us-east-1:123456789012:service-revision/default/web/1"]}`, *first.ServiceDeployments[0].TargetServiceRevisionArn))
		w.golden("describe-service-revisions")
		r := revisions.ServiceRevisions[0]
		if !strings.HasSuffix(*r.TaskDefinition, "web:2") || *r.ContainerImages[0].Image != "app:1" || r.ContainerImages[0].ImageDigest == nil || *revisions.Failures[0].Reason != "MISSING" {
			t.Errorf("revisions: %s", w.raw)
		}
		w.refused("ListServiceDeployments", `{"service":"nothing"}`, "ServiceNotFoundException: Service not found.")
		w.refused("DescribeServiceDeployments", `{"serviceDeploymentArns":[]}`, "InvalidParameterException: Service deployment ARNs cannot be empty.")
	})
}

// TestImages_ShowTheRegistrysDigest: of a task's container and of the revision; an image that was
// built here has its id (ECS-445).
func TestImages_ShowTheRegistrysDigest(t *testing.T) {
	const pulled = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	inWorld(t, func(w *world) {
		w.register("web")
		for name, want := range map[string]string{"built": "", "pulled": pulled} {
			w.engine.Script("app", enginetest.Script{RepoDigest: want})
			w.create(name, 1)
			w.stable(name)
			task := w.task(w.tasks(fmt.Sprintf(`{"serviceName":%q}`, name))[0])
			shown := *task.Containers[0].ImageDigest
			if !strings.HasPrefix(shown, "sha256:") || (shown == pulled) != (want != "") {
				t.Errorf("%s: the container has %s", name, shown)
			}
			arn := *w.describe(name).CurrentServiceRevisions[0].Arn
			out := call[ecs.DescribeServiceRevisionsResponse](w, "DescribeServiceRevisions", fmt.Sprintf(`{"serviceRevisionArns":[%q]}`, arn))
			if got := *out.ServiceRevisions[0].ContainerImages[0].ImageDigest; got != shown {
				t.Errorf("%s: the revision has %s, the container %s", name, got, shown)
			}
		}
	})
}

func TestStopServiceDeployment_RollsBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 1, balanced)
		w.stable("web")
		w.register("web")
		arn := *w.update(`"taskDefinition":"web"`).CurrentServiceDeployment
		stop := fmt.Sprintf(`{"serviceDeploymentArn":%q}`, arn)
		if out := call[ecs.StopServiceDeploymentResponse](w, "StopServiceDeployment", stop); *out.ServiceDeploymentArn != arn {
			t.Errorf("stop: %s", w.raw)
		}
		w.until("rolled back", func() bool { return *w.serviceDeployment(arn).Status == "ROLLBACK_SUCCESSFUL" })
		d := w.serviceDeployment(arn)
		if d.Rollback == nil || *d.Rollback.ServiceRevisionArn != *d.SourceServiceRevisions[0].Arn {
			t.Errorf("rollback: %s", w.raw)
		}
		if s := w.describe("web"); !strings.HasSuffix(*s.TaskDefinition, "web:1") {
			t.Errorf("left at %s", *s.TaskDefinition)
		}
		w.refused("StopServiceDeployment", stop, "ConflictException: The service deployment can't be stopped because its status is ROLLBACK_SUCCESSFUL.")
		w.refused("StopServiceDeployment", `{"serviceDeploymentArn":"arn:aws:ecs:us-east-1:123456789012:service-deployment/default/web/none"}`,
			"ServiceDeploymentNotFoundException: Service deployment not found.")
	})
}

// TestDeploymentConfiguration_FailureDetection: alarms and thresholds are obeyed, and shown as
// far as the API's shapes have them.
func TestDeploymentConfiguration_FailureDetection(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		s := w.create("web", 0, `"deploymentConfiguration":{"alarms":{"alarmNames":["a"],"enable":true,"rollback":true},
			"deploymentCircuitBreaker":{"enable":true,"rollback":false,"resetOnHealthyTask":false,"thresholdConfiguration":{"type":"COUNT","value":7}}}`)
		if a := s.DeploymentConfiguration.Alarms; len(a.AlarmNames) != 1 || !*a.Enable || !*a.Rollback {
			t.Errorf("alarms: %s", w.raw)
		}
		row, err := w.scheduler.Service("", "web")
		if err != nil || row.Config.Threshold(100) != 7 || !row.Config.BreakerCumulative {
			t.Errorf("%+v, %v", row.Config, err)
		}
		w.refused("CreateService", `{"serviceName":"x","taskDefinition":"web","desiredCount":0,`+inVPC+`,"deploymentConfiguration":{"alarms":{"alarmNames":[],"enable":true,"rollback":true}}}`,
			"InvalidParameterException: alarmNames can not be empty when deployment alarms are enabled.")
	})
}

func TestTaskProtection(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register("web")
		w.create("web", 1)
		w.stable("web")
		task := w.tasks(`{"serviceName":"web"}`)[0]
		in := fmt.Sprintf(`{"cluster":"default","tasks":[%q,"0123456789abcdef0123456789abcdef"],"protectionEnabled":true,"expiresInMinutes":60}`, task)
		out := call[ecs.UpdateTaskProtectionResponse](w, "UpdateTaskProtection", in)
		if p := out.ProtectedTasks; len(p) != 1 || *p[0].TaskArn != task || !*p[0].ProtectionEnabled || time.Until(*p[0].ExpirationDate) != time.Hour {
			t.Errorf("protected: %s", w.raw)
		}
		if f := out.Failures; len(f) != 1 || *f[0].Reason != "MISSING" {
			t.Errorf("failures: %s", w.raw)
		}
		got := call[ecs.GetTaskProtectionResponse](w, "GetTaskProtection", `{"cluster":"default"}`)
		if len(got.ProtectedTasks) != 1 || !*got.ProtectedTasks[0].ProtectionEnabled {
			t.Errorf("get: %s", w.raw)
		}
		w.do("UpdateTaskProtection", fmt.Sprintf(`{"cluster":"default","tasks":[%q],"protectionEnabled":false}`, task))
		got = call[ecs.GetTaskProtectionResponse](w, "GetTaskProtection", fmt.Sprintf(`{"cluster":"default","tasks":[%q]}`, task))
		if p := got.ProtectedTasks; len(p) != 1 || *p[0].ProtectionEnabled || p[0].ExpirationDate != nil {
			t.Errorf("ended: %s", w.raw)
		}
		w.refused("UpdateTaskProtection", `{"cluster":"nowhere","tasks":["a"],"protectionEnabled":true}`, "ClusterNotFoundException: Cluster not found.")
		w.refused("UpdateTaskProtection", `{"cluster":"default","tasks":["a"],"protectionEnabled":true,"expiresInMinutes":3000}`,
			"InvalidParameterException: expiresInMinutes must be between 1 and 2880.")
	})
}

// TestStartTask: on the one container instance; any other is missing.
func TestStartTask(t *testing.T) {
	inWorld(t, func(w *world) {
		w.do("RegisterTaskDefinition", `{"family":"job","networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"app:1","memory":64}]}`)
		arn := w.scheduler.ContainerInstanceARN("")
		out := call[ecs.StartTaskResponse](w, "StartTask", fmt.Sprintf(`{"taskDefinition":"job","containerInstances":[%q,"other"],%s}`, arn, inVPC))
		if len(out.Tasks) != 1 || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || awsapi.Value(out.Tasks[0].LaunchType) != "EC2" {
			t.Errorf("started: %s", w.raw)
		}
	})
}
