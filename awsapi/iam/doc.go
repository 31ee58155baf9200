// Package iam serves the part of AWS IAM that deployments by Terraform and the like need: roles
// and managed policies.
//
// The shapes are generated; the handlers turn them into the words of package drydock/iam and
// back. All state is iam's; no policy is ever evaluated.
package iam
