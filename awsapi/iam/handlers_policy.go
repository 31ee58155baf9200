package iam

import (
	"context"
	"slices"

	"drydock/awsapi"
	"drydock/iam"
)

func (a api) createPolicy(ctx context.Context, in *CreatePolicyRequest) (*CreatePolicyResponse, error) {
	p, err := a.directory.CreatePolicy(ctx, iam.Policy{
		Name: *in.PolicyName, Path: awsapi.Value(in.Path), Description: awsapi.Value(in.Description), Tags: tagMap(in.Tags),
	}, *in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	return &CreatePolicyResponse{Policy: policyShape(p)}, nil
}

func policyShape(p iam.Policy) *Policy {
	last := p.Versions[len(p.Versions)-1]
	return &Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: &p.ARN, Path: &p.Path, DefaultVersionId: &p.Default, AttachmentCount: new(int64(p.Attachments)),
		PermissionsBoundaryUsageCount: new(int64), IsAttachable: new(true), Description: awsapi.NonZero(p.Description),
		CreateDate: &p.CreatedAt, UpdateDate: &last.CreatedAt, Tags: tagShapes(p.Tags),
	}
}

func (a api) getPolicy(_ context.Context, in *GetPolicyRequest) (*GetPolicyResponse, error) {
	p, err := a.directory.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &GetPolicyResponse{Policy: policyShape(p)}, nil
}

func (a api) deletePolicy(ctx context.Context, in *DeletePolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.DeletePolicy(ctx, *in.PolicyArn)
}

func (a api) createPolicyVersion(ctx context.Context, in *CreatePolicyVersionRequest) (*CreatePolicyVersionResponse, error) {
	asDefault := awsapi.Value(in.SetAsDefault)
	v, err := a.directory.CreateVersion(ctx, *in.PolicyArn, *in.PolicyDocument, asDefault)
	if err != nil {
		return nil, err
	}
	shape := versionShape(v, asDefault)
	shape.Document = nil
	return &CreatePolicyVersionResponse{PolicyVersion: &shape}, nil
}

func versionShape(v iam.Version, isDefault bool) PolicyVersion {
	return PolicyVersion{Document: encoded(v.Document), VersionId: &v.ID, IsDefaultVersion: &isDefault, CreateDate: &v.CreatedAt}
}

func (a api) getPolicyVersion(_ context.Context, in *GetPolicyVersionRequest) (*GetPolicyVersionResponse, error) {
	p, err := a.directory.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := p.Version(*in.VersionId)
	if err != nil {
		return nil, err
	}
	return &GetPolicyVersionResponse{PolicyVersion: new(versionShape(v, v.ID == p.Default))}, nil
}

func (a api) listPolicyVersions(_ context.Context, in *ListPolicyVersionsRequest) (*ListPolicyVersionsResponse, error) {
	p, err := a.directory.Policy(*in.PolicyArn)
	if err != nil {
		return nil, err
	}
	newest := slices.Clone(p.Versions)
	slices.Reverse(newest)
	part, truncated, next, err := page(newest, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &ListPolicyVersionsResponse{IsTruncated: truncated, Marker: next, Versions: awsapi.List(part, func(v iam.Version) PolicyVersion {
		shape := versionShape(v, v.ID == p.Default)
		shape.Document = nil
		return shape
	})}, nil
}

func (a api) deletePolicyVersion(ctx context.Context, in *DeletePolicyVersionRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.DeleteVersion(ctx, *in.PolicyArn, *in.VersionId)
}

func (a api) tagPolicy(ctx context.Context, in *TagPolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.TagPolicy(ctx, *in.PolicyArn, tagMap(in.Tags), nil)
}

func (a api) untagPolicy(ctx context.Context, in *UntagPolicyRequest) (*struct{}, error) {
	return &struct{}{}, a.directory.TagPolicy(ctx, *in.PolicyArn, nil, in.TagKeys)
}
