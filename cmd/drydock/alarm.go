package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	cloudwatchapi "drydock/awsapi/cloudwatch"
	"drydock/awsapi/elbv2"
	"drydock/cloudwatch"
)

func alarmCommand() *cli.Command {
	return &cli.Command{
		Name:      "alarm",
		Usage:     "put, list, set and delete CloudWatch alarms",
		ArgsUsage: "put|list|set-state|delete [NAME]",
		Description: "Alarms watch the metrics of load balancers and services. Deployments can be told to fail, and\n" +
			"services to scale, when one goes off. `aws cloudwatch put-metric-alarm` makes the same alarms.\n\n" +
			"Example:\n  drydock alarm put errors --metric HTTPCode_ELB_5XX_Count --load-balancer web --threshold 5 --period 10s\n" +
			"  drydock alarm list\n  drydock alarm set-state errors ALARM",
		Flags:  alarmFlags(),
		Action: alarmAction,
	}
}

func alarmAction(c *cli.Context) error {
	does := map[string]func(*cli.Context, *client, []string) error{"put": alarmPut, "list": alarmList, "set-state": alarmSetState, "delete": alarmDelete}[c.Args().First()]
	if does == nil {
		return usagef("alarm needs one of put, list, set-state and delete: `drydock alarm list`")
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	return does(c, api, c.Args().Tail())
}

func alarmFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "metric", EnvVars: twin("metric"), Usage: "`NAME` of the metric: HTTPCode_ELB_5XX_Count, CPUUtilization"},
		&cli.StringFlag{Name: "load-balancer", EnvVars: twin("load-balancer"), Usage: "`NAME` of the load balancer it is about"},
		&cli.StringFlag{Name: "target-group", EnvVars: twin("target-group"), Usage: "`NAME` of the target group it is about"},
		&cli.StringFlag{Name: "service", EnvVars: twin("service"), Usage: "`NAME` of the service it is about"},
		&cli.StringFlag{Name: "cluster", Value: "default", EnvVars: twin("cluster"), Usage: "`NAME` of the service's cluster"},
		&cli.StringFlag{Name: "namespace", EnvVars: twin("namespace"), Usage: "`NAME` of the namespace, for metrics that you put yourself"},
		&cli.StringSliceFlag{Name: "dimension", EnvVars: twin("dimension"), Usage: "`NAME=VALUE` of a further dimension"},
		&cli.Float64Flag{Name: "threshold", EnvVars: twin("threshold"), Usage: "`NUMBER` that the metric is compared with"},
		&cli.StringFlag{Name: "comparison", Value: ">=", EnvVars: twin("comparison"), Usage: "`SIGN`: >=, >, < or <="},
		&cli.StringFlag{Name: "statistic", EnvVars: twin("statistic"), Usage: "`NAME`: Sum, Average, Maximum, p99 (Sum for what is counted, else Average)"},
		&cli.DurationFlag{Name: "period", Value: time.Minute, EnvVars: twin("period"), Usage: "10s, 20s, 30s or whole minutes"},
		&cli.IntFlag{Name: "evaluations", Value: 1, EnvVars: twin("evaluations"), Usage: "how many periods are looked at"},
		&cli.IntFlag{Name: "datapoints", EnvVars: twin("datapoints"), Usage: "how many of them must be over the threshold (all)"},
		&cli.StringFlag{Name: "missing", EnvVars: twin("missing"), Usage: "what missing data are: missing, ignore, breaching, notBreaching (notBreaching for what load balancers count, else missing)"},
		&cli.StringFlag{Name: "reason", Value: "set by drydock alarm set-state", EnvVars: twin("reason"), Usage: "why, for set-state"},
		outputFlag(), endpointFlag(),
	}
}

var alarmSigns = map[string]string{">=": "GreaterThanOrEqualToThreshold", ">": "GreaterThanThreshold", "<": "LessThanThreshold", "<=": "LessThanOrEqualToThreshold"}

func alarmPut(c *cli.Context, api *client, args []string) error {
	if len(args) != 1 || c.String("metric") == "" || !c.IsSet("threshold") {
		return usagef("alarm put needs a name, --metric and --threshold: `drydock alarm put errors --metric HTTPCode_ELB_5XX_Count --load-balancer web --threshold 5`")
	}
	comparison, ok := alarmSigns[c.String("comparison")]
	if !ok {
		return usagef("--comparison %q is none of >=, >, < and <=", c.String("comparison"))
	}
	in := &cloudwatchapi.PutMetricAlarmInput{
		AlarmName: &args[0], MetricName: new(c.String("metric")), Threshold: new(c.Float64("threshold")), ComparisonOperator: &comparison,
		Period: new(int64(c.Duration("period") / time.Second)), EvaluationPeriods: new(int64(c.Int("evaluations"))), TreatMissingData: optional(c.String("missing")),
	}
	if n := int64(c.Int("datapoints")); n > 0 {
		in.DatapointsToAlarm = &n
	}
	if err := alarmMetric(c, api, in); err != nil {
		return err
	}
	if _, err := call[cloudwatchapi.PutMetricAlarmOutput](c.Context, api, "cloudwatch", "PutMetricAlarm", in); err != nil {
		return fmt.Errorf("put alarm %s: %w", *in.AlarmName, err)
	}
	fmt.Fprintf(c.App.Writer, "alarm %s watches %s\n", *in.AlarmName, *in.MetricName)
	return nil
}

// alarmMetric sets namespace, dimensions and statistic.
func alarmMetric(c *cli.Context, api *client, in *cloudwatchapi.PutMetricAlarmInput) error {
	add := func(name, value string) {
		in.Dimensions = append(in.Dimensions, cloudwatchapi.Dimension{Name: &name, Value: &value})
	}
	namespace := cloudwatch.ApplicationELB
	if c.String("service") != "" {
		namespace = cloudwatch.ECS
		add("ClusterName", c.String("cluster"))
		add("ServiceName", c.String("service"))
	}
	if name := c.String("load-balancer"); name != "" {
		id, err := balancerDimension(c, api, name)
		if err != nil {
			return err
		}
		add("LoadBalancer", id)
	}
	if name := c.String("target-group"); name != "" {
		id, err := groupDimension(c, api, name)
		if err != nil {
			return err
		}
		add("TargetGroup", id)
	}
	for _, d := range c.StringSlice("dimension") {
		name, value, ok := strings.Cut(d, "=")
		if !ok {
			return usagef("--dimension %q is not NAME=VALUE", d)
		}
		add(name, value)
	}
	in.Namespace = new(cmp.Or(c.String("namespace"), namespace))
	alarmDefaults(in, c.String("statistic"))
	return nil
}

// alarmDefaults chooses what suits the metric where nothing was said.
func alarmDefaults(in *cloudwatchapi.PutMetricAlarmInput, statistic string) {
	counted := strings.HasSuffix(*in.MetricName, "Count") && !strings.HasSuffix(*in.MetricName, "HostCount") || *in.MetricName == "RequestCountPerTarget"
	if counted && *in.Namespace == cloudwatch.ApplicationELB && in.TreatMissingData == nil {
		in.TreatMissingData = new(cloudwatch.TreatNotBreaching)
	}
	if statistic == "" {
		statistic = map[bool]string{true: "Sum", false: "Average"}[counted]
	}
	if strings.HasPrefix(statistic, "p") {
		in.ExtendedStatistic = &statistic
		return
	}
	in.Statistic = &statistic
}

// balancerDimension returns a load balancer's dimension, app/name/id, by its name.
func balancerDimension(c *cli.Context, api *client, name string) (string, error) {
	out, err := call[elbv2.DescribeLoadBalancersOutput](c.Context, api, "elbv2", "DescribeLoadBalancers", &elbv2.DescribeLoadBalancersInput{Names: []string{name}})
	if err != nil {
		return "", fmt.Errorf("find load balancer %s: %w", name, err)
	}
	_, id, _ := strings.Cut(*out.LoadBalancers[0].LoadBalancerArn, ":loadbalancer/")
	return id, nil
}

// groupDimension returns a target group's dimension, targetgroup/name/id, by its name.
func groupDimension(c *cli.Context, api *client, name string) (string, error) {
	out, err := call[elbv2.DescribeTargetGroupsOutput](c.Context, api, "elbv2", "DescribeTargetGroups", &elbv2.DescribeTargetGroupsInput{Names: []string{name}})
	if err != nil {
		return "", fmt.Errorf("find target group %s: %w", name, err)
	}
	arn := *out.TargetGroups[0].TargetGroupArn
	return arn[strings.Index(arn, "targetgroup/"):], nil
}

func alarmList(c *cli.Context, api *client, args []string) error {
	all := []cloudwatchapi.MetricAlarm{}
	for in := (&cloudwatchapi.DescribeAlarmsInput{MaxRecords: new(int64(100))}); ; {
		out, err := call[cloudwatchapi.DescribeAlarmsOutput](c.Context, api, "cloudwatch", "DescribeAlarms", in)
		if err != nil {
			return fmt.Errorf("list alarms: %w", err)
		}
		if all = append(all, out.MetricAlarms...); out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if wantsJSON(c) {
		return printJSON(c.App.Writer, all)
	}
	for _, a := range all {
		fmt.Fprintf(c.App.Writer, "%-17s  %s  %s\n", *a.StateValue, *a.AlarmName, *a.StateReason)
	}
	return nil
}

func alarmSetState(c *cli.Context, api *client, args []string) error {
	if len(args) != 2 {
		return usagef("alarm set-state needs a name and a state: `drydock alarm set-state errors ALARM`")
	}
	in := &cloudwatchapi.SetAlarmStateInput{AlarmName: &args[0], StateValue: &args[1], StateReason: new(c.String("reason"))}
	if _, err := call[cloudwatchapi.SetAlarmStateOutput](c.Context, api, "cloudwatch", "SetAlarmState", in); err != nil {
		return fmt.Errorf("set the state of alarm %s: %w", *in.AlarmName, err)
	}
	return nil
}

func alarmDelete(c *cli.Context, api *client, args []string) error {
	if len(args) == 0 {
		return usagef("alarm delete needs the names of alarms: `drydock alarm delete errors`")
	}
	in := &cloudwatchapi.DeleteAlarmsInput{AlarmNames: args}
	if _, err := call[cloudwatchapi.DeleteAlarmsOutput](c.Context, api, "cloudwatch", "DeleteAlarms", in); err != nil {
		return fmt.Errorf("delete alarms: %w", err)
	}
	return nil
}
