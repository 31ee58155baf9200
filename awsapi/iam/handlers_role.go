package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/iam"
)

func (a api) createRole(ctx context.Context, in *CreateRoleRequest) (*CreateRoleResponse, error) {
	r, err := a.directory.CreateRole(ctx, iam.Role{
		Name: *in.RoleName, Path: awsapi.Value(in.Path), TrustPolicy: *in.AssumeRolePolicyDocument, Description: awsapi.Value(in.Description),
		MaxSessionDuration: awsapi.Value(in.MaxSessionDuration), Boundary: awsapi.Value(in.PermissionsBoundary), Tags: tagMap(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &CreateRoleResponse{Role: roleShape(r)}, nil
}

func roleShape(r iam.Role) *Role {
	shape := &Role{
		Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: &r.ARN, CreateDate: &r.CreatedAt, AssumeRolePolicyDocument: encoded(r.TrustPolicy),
		Description: awsapi.NonZero(r.Description), MaxSessionDuration: &r.MaxSessionDuration, Tags: tagShapes(r.Tags), RoleLastUsed: &RoleLastUsed{},
	}
	if r.Boundary != "" {
		shape.PermissionsBoundary = &AttachedPermissionsBoundary{PermissionsBoundaryType: new("Policy"), PermissionsBoundaryArn: &r.Boundary}
	}
	return shape
}

func (a api) getRole(ctx context.Context, in *GetRoleRequest) (*GetRoleResponse, error) {
	r, err := a.directory.Role(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	return &GetRoleResponse{Role: roleShape(r)}, nil
}

func (a api) listRoles(_ context.Context, in *ListRolesRequest) (*ListRolesResponse, error) {
	part, truncated, next, err := page(a.directory.Roles(awsapi.Value(in.PathPrefix)), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &ListRolesResponse{Roles: []Role{}, IsTruncated: truncated, Marker: next}
	for _, r := range part {
		shape := roleShape(r)
		shape.Tags, shape.RoleLastUsed, shape.PermissionsBoundary = nil, nil, nil
		out.Roles = append(out.Roles, *shape)
	}
	return out, nil
}

func (a api) updateRole(ctx context.Context, in *UpdateRoleRequest) (*UpdateRoleResponse, error) {
	_, err := a.directory.UpdateRole(ctx, *in.RoleName, in.Description, in.MaxSessionDuration)
	return &UpdateRoleResponse{}, err
}

func (a api) updateRoleDescription(ctx context.Context, in *UpdateRoleDescriptionRequest) (*UpdateRoleDescriptionResponse, error) {
	r, err := a.directory.UpdateRole(ctx, *in.RoleName, in.Description, nil)
	if err != nil {
		return nil, err
	}
	return &UpdateRoleDescriptionResponse{Role: roleShape(r)}, nil
}

func (a api) updateAssumeRolePolicy(ctx context.Context, in *UpdateAssumeRolePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.SetTrustPolicy(ctx, *in.RoleName, *in.PolicyDocument)
}

func (a api) deleteRole(ctx context.Context, in *DeleteRoleRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.DeleteRole(ctx, *in.RoleName)
}

func (a api) tagRole(ctx context.Context, in *TagRoleRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.TagRole(ctx, *in.RoleName, tagMap(in.Tags), nil)
}

func (a api) untagRole(ctx context.Context, in *UntagRoleRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.TagRole(ctx, *in.RoleName, nil, in.TagKeys)
}

func (a api) listRoleTags(ctx context.Context, in *ListRoleTagsRequest) (*ListRoleTagsResponse, error) {
	r, err := a.directory.Role(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	part, truncated, next, err := page(tagShapes(r.Tags), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListRoleTagsResponse{Tags: part, IsTruncated: truncated, Marker: next}, nil
}

func (a api) putRolePolicy(ctx context.Context, in *PutRolePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.PutInline(ctx, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (a api) getRolePolicy(ctx context.Context, in *GetRolePolicyRequest) (*GetRolePolicyResponse, error) {
	document, err := a.directory.Inline(ctx, *in.RoleName, *in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: encoded(document)}, nil
}

func (a api) listRolePolicies(ctx context.Context, in *ListRolePoliciesRequest) (*ListRolePoliciesResponse, error) {
	r, err := a.directory.Role(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	part, truncated, next, err := page(slices.Sorted(maps.Keys(r.Inline)), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListRolePoliciesResponse{PolicyNames: append([]string{}, part...), IsTruncated: truncated, Marker: next}, nil
}

func (a api) deleteRolePolicy(ctx context.Context, in *DeleteRolePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.DeleteInline(ctx, *in.RoleName, *in.PolicyName)
}

func (a api) attachRolePolicy(ctx context.Context, in *AttachRolePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.Attach(ctx, *in.RoleName, *in.PolicyArn)
}

func (a api) detachRolePolicy(ctx context.Context, in *DetachRolePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.Detach(ctx, *in.RoleName, *in.PolicyArn)
}

func (a api) listAttachedRolePolicies(ctx context.Context, in *ListAttachedRolePoliciesRequest) (*ListAttachedRolePoliciesResponse, error) {
	r, err := a.directory.Role(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	part, truncated, next, err := page(r.Attached, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListAttachedRolePoliciesResponse{IsTruncated: truncated, Marker: next, AttachedPolicies: awsapi.List(part, func(arn string) AttachedPolicy {
		return AttachedPolicy{PolicyArn: &arn, PolicyName: new(arn[strings.LastIndex(arn, "/")+1:])}
	})}, nil
}

// listInstanceProfilesForRole answers that there are none: there are no instances.
func (a api) listInstanceProfilesForRole(ctx context.Context, in *ListInstanceProfilesForRoleRequest) (*ListInstanceProfilesForRoleResponse, error) {
	if _, err := a.directory.Role(ctx, *in.RoleName); err != nil {
		return nil, err
	}
	return &ListInstanceProfilesForRoleResponse{InstanceProfiles: []InstanceProfile{}, IsTruncated: new(false)}, nil
}

// linkedNames are the roles that services make for themselves (IAM-009).
var linkedNames = map[string]string{
	"ecs.amazonaws.com":                         "AWSServiceRoleForECS",
	"elasticloadbalancing.amazonaws.com":        "AWSServiceRoleForElasticLoadBalancing",
	"ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
	"application-autoscaling.amazonaws.com":     "AWSServiceRoleForApplicationAutoScaling",
}

func (a api) createServiceLinkedRole(ctx context.Context, in *CreateServiceLinkedRoleRequest) (*CreateServiceLinkedRoleResponse, error) {
	service := *in.AWSServiceName
	name, known := linkedNames[service]
	if !known {
		return nil, &iam.Error{Code: "InvalidInput", Message: "drydock knows no service-linked role of " + service + "."}
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
	r, err := a.directory.CreateRole(ctx, iam.Role{Name: name, Path: "/aws-service-role/" + service + "/", TrustPolicy: trust, Description: awsapi.Value(in.Description)})
	if err != nil {
		return nil, err
	}
	return &CreateServiceLinkedRoleResponse{Role: roleShape(r)}, nil
}
