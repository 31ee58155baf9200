package elbv2

import (
	"drydock/alb"
	"drydock/awsapi"
)

func conditionOf(shape RuleCondition) alb.Condition {
	c := alb.Condition{Field: awsapi.Value(shape.Field), Values: shape.Values, RegexValues: shape.RegexValues}
	if h := shape.HostHeaderConfig; h != nil {
		c.HostHeaderConfig = &alb.ValuesConfig{Values: h.Values, RegexValues: h.RegexValues}
	}
	if p := shape.PathPatternConfig; p != nil {
		c.PathPatternConfig = &alb.ValuesConfig{Values: p.Values, RegexValues: p.RegexValues}
	}
	if h := shape.HttpHeaderConfig; h != nil {
		c.HTTPHeaderConfig = &alb.HTTPHeaderConfig{HTTPHeaderName: awsapi.Value(h.HttpHeaderName), Values: h.Values, RegexValues: h.RegexValues}
	}
	if m := shape.HttpRequestMethodConfig; m != nil {
		c.HTTPRequestMethodConfig = &alb.ValuesConfig{Values: m.Values}
	}
	if s := shape.SourceIpConfig; s != nil {
		c.SourceIPConfig = &alb.ValuesConfig{Values: s.Values}
	}
	if q := shape.QueryStringConfig; q != nil {
		c.QueryStringConfig = &alb.QueryStringConfig{Values: awsapi.List(q.Values, func(p QueryStringKeyValuePair) alb.QueryStringKeyValue {
			return alb.QueryStringKeyValue{Key: awsapi.Value(p.Key), Value: awsapi.Value(p.Value)}
		})}
	}
	return c
}

func conditionShape(c alb.Condition) RuleCondition {
	shape := RuleCondition{Field: &c.Field, Values: c.Values, RegexValues: c.RegexValues}
	if c.HostHeaderConfig != nil {
		shape.HostHeaderConfig = &HostHeaderConditionConfig{Values: c.HostHeaderConfig.Values, RegexValues: c.HostHeaderConfig.RegexValues}
	}
	if c.PathPatternConfig != nil {
		shape.PathPatternConfig = &PathPatternConditionConfig{Values: c.PathPatternConfig.Values, RegexValues: c.PathPatternConfig.RegexValues}
	}
	if h := c.HTTPHeaderConfig; h != nil {
		shape.HttpHeaderConfig = &HttpHeaderConditionConfig{HttpHeaderName: &h.HTTPHeaderName, Values: h.Values, RegexValues: h.RegexValues}
	}
	if c.HTTPRequestMethodConfig != nil {
		shape.HttpRequestMethodConfig = &HttpRequestMethodConditionConfig{Values: c.HTTPRequestMethodConfig.Values}
	}
	if c.SourceIPConfig != nil {
		shape.SourceIpConfig = &SourceIpConditionConfig{Values: c.SourceIPConfig.Values}
	}
	if q := c.QueryStringConfig; q != nil {
		shape.QueryStringConfig = &QueryStringConditionConfig{Values: awsapi.List(q.Values, func(p alb.QueryStringKeyValue) QueryStringKeyValuePair {
			return QueryStringKeyValuePair{Key: awsapi.NonZero(p.Key), Value: &p.Value}
		})}
	}
	return shape
}
