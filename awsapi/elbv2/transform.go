package elbv2

import (
	"drydock/alb"
	"drydock/awsapi"
)

func transformOf(shape RuleTransform) alb.Transform {
	t := alb.Transform{Type: *shape.Type}
	if c := shape.HostHeaderRewriteConfig; c != nil {
		t.Rewrites = append(t.Rewrites, awsapi.List(c.Rewrites, rewriteOf)...)
	}
	if c := shape.UrlRewriteConfig; c != nil {
		t.Rewrites = append(t.Rewrites, awsapi.List(c.Rewrites, rewriteOf)...)
	}
	return t
}

// checkTransforms refuses the configuration of another type than a transform has.
func checkTransforms(shapes []RuleTransform) error {
	for _, shape := range shapes {
		kind, other := *shape.Type, ""
		switch {
		case kind != "host-header-rewrite" && shape.HostHeaderRewriteConfig != nil:
			other = "HostHeaderRewriteConfig"
		case kind != "url-rewrite" && shape.UrlRewriteConfig != nil:
			other = "UrlRewriteConfig"
		}
		if other != "" {
			return &awsapi.Error{Code: "ValidationError", Message: "You cannot specify '" + other + "' for a transform of type '" + kind + "'"}
		}
	}
	return nil
}

func rewriteOf(shape RewriteConfig) alb.Rewrite {
	return alb.Rewrite{Regex: *shape.Regex, Replace: *shape.Replace}
}

func transformShape(t alb.Transform) RuleTransform {
	rewrites := awsapi.List(t.Rewrites, func(r alb.Rewrite) RewriteConfig { return RewriteConfig{Regex: &r.Regex, Replace: &r.Replace} })
	shape := RuleTransform{Type: &t.Type}
	if t.Type == "host-header-rewrite" {
		shape.HostHeaderRewriteConfig = &HostHeaderRewriteConfig{Rewrites: rewrites}
	} else {
		shape.UrlRewriteConfig = &UrlRewriteConfig{Rewrites: rewrites}
	}
	return shape
}
