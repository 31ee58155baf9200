package cloudwatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	api "drydock/awsapi/cloudwatch"
	"drydock/cloudwatch"
)

func newServer(t *testing.T) (*awsapi.Server, *apitest.Store) {
	store := &apitest.Store{}
	m, err := cloudwatch.Open(context.Background(), store, cloudwatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	api.Register(s, m)
	return s, store
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
}

// TestAlarm_WholeLife walks an alarm through its life with the AWS CLI, which speaks CBOR.
func TestAlarm_WholeLife(t *testing.T) {
	s, store := newServer(t)
	cli := apitest.NewCLI(t, s)
	put := func(more ...string) []string {
		return append(strings.Fields("cloudwatch put-metric-alarm --alarm-name high --namespace AWS/ApplicationELB --metric-name HTTPCode_ELB_5XX_Count --statistic Sum "+
			"--dimensions Name=LoadBalancer,Value=app/web/1 --period 10 --evaluation-periods 1 --threshold 5 --comparison-operator GreaterThanOrEqualToThreshold"), more...)
	}
	cli.Run(put("--treat-missing-data", "notBreaching", "--tags", "Key=team,Value=a")...)
	described := cli.Run("cloudwatch", "describe-alarms", "--alarm-names", "high", "--output", "json")
	wantIn(t, described, `"StateValue": "INSUFFICIENT_DATA"`, `"StateReason": "Unchecked: Initial alarm creation"`, `"Threshold": 5`, `"Period": 10`,
		`"AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high"`, `"TreatMissingData": "notBreaching"`, `"Value": "app/web/1"`, `"CompositeAlarms": []`)
	cli.Run("cloudwatch", "set-alarm-state", "--alarm-name", "high", "--state-value", "ALARM", "--state-reason", "a drill")
	wantIn(t, cli.Run("cloudwatch", "describe-alarms", "--state-value", "ALARM"), `"StateReason": "a drill"`)
	wantIn(t, cli.Run("cloudwatch", "describe-alarms-for-metric", "--namespace", "AWS/ApplicationELB", "--metric-name", "HTTPCode_ELB_5XX_Count",
		"--dimensions", "Name=LoadBalancer,Value=app/web/1"), `"AlarmName": "high"`)
	cli.Run("cloudwatch", "disable-alarm-actions", "--alarm-names", "high")
	wantIn(t, cli.Run("cloudwatch", "describe-alarms"), `"ActionsEnabled": false`)
	arn := "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high"
	cli.Run("cloudwatch", "tag-resource", "--resource-arn", arn, "--tags", "Key=env,Value=b")
	cli.Run("cloudwatch", "untag-resource", "--resource-arn", arn, "--tag-keys", "team")
	if tags := cli.Run("cloudwatch", "list-tags-for-resource", "--resource-arn", arn); !strings.Contains(tags, `"env"`) || strings.Contains(tags, `"team"`) {
		t.Error("tags:", tags)
	}
	wantIn(t, cli.Run("cloudwatch", "describe-alarm-history", "--alarm-name", "high"), `"HistorySummary": "Alarm updated from INSUFFICIENT_DATA to ALARM"`, `"ConfigurationUpdate"`)
	cli.Run("cloudwatch", "delete-alarms", "--alarm-names", "high")
	if got := cli.Run("cloudwatch", "describe-alarms"); strings.Contains(got, "high") {
		t.Error("still there:", got)
	}
	texts, _ := json.Marshal(store.Events)
	wantIn(t, string(texts), "alarm high went from INSUFFICIENT_DATA to ALARM: a drill", "alarm high deleted")
}

// TestAlarm_RefusesInAWSsWords has the refusals of PutMetricAlarm and its like (CW-010, CW-011, CW-016).
func TestAlarm_RefusesInAWSsWords(t *testing.T) {
	s, _ := newServer(t)
	server := httptest.NewServer(s)
	defer server.Close()
	put := func(change func(in *api.PutMetricAlarmInput)) *api.PutMetricAlarmInput {
		in := &api.PutMetricAlarmInput{AlarmName: new("a"), Namespace: new("n"), MetricName: new("m"), Statistic: new("Sum"), Threshold: new(1.0),
			ComparisonOperator: new("GreaterThanThreshold"), Period: new(int64(60)), EvaluationPeriods: new(int64(1))}
		change(in)
		return in
	}
	for _, c := range []struct {
		operation string
		in        any
		want      string
	}{
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.Period = new(int64(15)) }), "ValidationError: The parameter Period must be either 10, 20, 30"},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.Period, in.EvaluationPeriods = new(int64(3600)), new(int64(25)) }), "Metrics cannot be checked across more than a day"},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.DatapointsToAlarm = new(int64(2)) }), "DatapointsToAlarm must be less than or equal to EvaluationPeriods"},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.TreatMissingData = new("ok") }), "InvalidParameterValue: "},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.ExtendedStatistic = new("p90") }), "InvalidParameterCombination: "},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.Statistic, in.ExtendedStatistic = nil, new("p101") }), "InvalidParameterValue: "},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.ComparisonOperator = new("GreaterThanUpperThreshold") }), "InvalidParameterValue: "},
		{"PutMetricAlarm", put(func(in *api.PutMetricAlarmInput) { in.Statistic = new("Median") }), "ValidationError: 1 validation error detected"},
		{"DeleteAlarms", &api.DeleteAlarmsInput{AlarmNames: []string{"nobody"}}, "ResourceNotFound: "},
		{"SetAlarmState", &api.SetAlarmStateInput{AlarmName: new("x"), StateValue: new("OK"), StateReason: new("y")}, "ResourceNotFound: "},
		{"DescribeAlarms", &api.DescribeAlarmsInput{NextToken: new("zzz")}, "InvalidNextToken: "},
		{"PutMetricData", &api.PutMetricDataInput{Namespace: new("AWS/ECS"), MetricData: []api.MetricDatum{{MetricName: new("m"), Value: new(1.0)}}}, "InvalidParameterValue: "},
		{"PutMetricData", &api.PutMetricDataInput{Namespace: new("n")}, "MissingParameter: "},
		{"ListTagsForResource", &api.ListTagsForResourceInput{ResourceARN: new("arn:aws:cloudwatch:x:y:alarm:z")}, "ResourceNotFoundException: "},
	} {
		for _, protocol := range []awsapi.Protocol{awsapi.CBOR, awsapi.JSON, awsapi.Query} {
			client := &awsapi.Client{Endpoint: server.URL, Protocol: protocol}
			if err := client.Do(context.Background(), "cloudwatch", c.operation, c.in, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s by %s: %v, want %s", c.operation, protocol, err, c.want)
			}
		}
	}
}

const botoScript = `
import boto3, datetime
cw = boto3.client("cloudwatch")
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
dims = [{"Name": "a", "Value": "1"}]
cw.put_metric_data(Namespace="mine", MetricData=[
    {"MetricName": "m", "Dimensions": dims, "Values": [1, 2, 3], "Counts": [1, 1, 2], "Unit": "Count"},
    {"MetricName": "m", "Dimensions": dims, "Value": 7.5, "Unit": "Count", "Timestamp": now},
    {"MetricName": "sets", "StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}}])
span = dict(StartTime=(now - datetime.timedelta(minutes=5)).replace(second=0), EndTime=now + datetime.timedelta(minutes=5))
stats = cw.get_metric_statistics(Namespace="mine", MetricName="m", Dimensions=dims, Period=600, Statistics=["Sum", "Maximum", "SampleCount"], **dict(span, StartTime=datetime.datetime.fromtimestamp(int(now.timestamp()) // 600 * 600, datetime.timezone.utc)))
points = stats["Datapoints"]
assert sum(p["Sum"] for p in points) == 16.5 and max(p["Maximum"] for p in points) == 7.5 and points[0]["Unit"] == "Count", stats
assert points[0]["Timestamp"].tzinfo is not None
data = cw.get_metric_data(MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": {"Namespace": "mine", "MetricName": "m", "Dimensions": dims}, "Period": 60, "Stat": "p50"}}], **span)
result = data["MetricDataResults"][0]
assert result["StatusCode"] == "Complete" and result["Label"] == "m" and result["Values"], data
assert [m["MetricName"] for m in cw.list_metrics(Namespace="mine")["Metrics"]] == ["m", "sets"]
assert [m["MetricName"] for m in cw.list_metrics(Dimensions=[{"Name": "a"}])["Metrics"]] == ["m"]
try:
    cw.delete_alarms(AlarmNames=["nobody"])
    raise SystemExit("no error")
except cw.exceptions.ResourceNotFound as e:
    assert e.response["Error"]["Code"] == "ResourceNotFound", e.response
cw.put_metric_alarm(AlarmName="q", EvaluationPeriods=1, Threshold=0.5, ComparisonOperator="LessThanThreshold",
    Metrics=[{"Id": "m1", "ReturnData": True, "MetricStat": {"Metric": {"Namespace": "mine", "MetricName": "m", "Dimensions": dims}, "Period": 60, "Stat": "Average"}}])
alarm = cw.describe_alarms()["MetricAlarms"][0]
assert alarm["Metrics"][0]["MetricStat"]["Stat"] == "Average" and alarm["AlarmConfigurationUpdatedTimestamp"].year >= 2025 and alarm["OKActions"] == [], alarm
print("all well")
`

func TestBoto3_SpeaksCBOR(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	s, _ := newServer(t)
	server := httptest.NewServer(s)
	defer server.Close()
	command := exec.Command("python3", "-c", botoScript)
	command.Env = apitest.Environment(server.URL, t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAlarms_ArePaged(t *testing.T) {
	s, _ := newServer(t)
	server := httptest.NewServer(s)
	defer server.Close()
	client := &awsapi.Client{Endpoint: server.URL}
	for i := range 60 {
		err := client.Do(context.Background(), "cloudwatch", "PutMetricAlarm", &api.PutMetricAlarmInput{AlarmName: new(fmt.Sprintf("alarm-%02d", i)), Namespace: new("n"), MetricName: new("m"),
			Statistic: new("Sum"), Threshold: new(1.0), ComparisonOperator: new("GreaterThanThreshold"), Period: new(int64(60)), EvaluationPeriods: new(int64(1))}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	var first, second api.DescribeAlarmsOutput
	if err := client.Do(context.Background(), "cloudwatch", "DescribeAlarms", &api.DescribeAlarmsInput{}, &first); err != nil {
		t.Fatal(err)
	}
	if err := client.Do(context.Background(), "cloudwatch", "DescribeAlarms", &api.DescribeAlarmsInput{NextToken: first.NextToken}, &second); err != nil {
		t.Fatal(err)
	}
	if len(first.MetricAlarms) != 50 || len(second.MetricAlarms) != 10 || second.NextToken != nil || *second.MetricAlarms[0].AlarmName != "alarm-50" {
		t.Errorf("pages of %d and %d alarms", len(first.MetricAlarms), len(second.MetricAlarms))
	}
}
