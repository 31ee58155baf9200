package iam

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"drydock/awsapi"
	"drydock/iam"
)

// api holds what the handlers need.
type api struct{ directory *iam.Directory }

// Register registers the handlers of IAM.
func Register(s *awsapi.Server, d *iam.Directory) {
	a := api{d}
	awsapi.Handle(s, "iam", "CreateRole", a.createRole)
	awsapi.Handle(s, "iam", "GetRole", a.getRole)
	awsapi.Handle(s, "iam", "ListRoles", a.listRoles)
	awsapi.Handle(s, "iam", "UpdateRole", a.updateRole)
	awsapi.Handle(s, "iam", "UpdateRoleDescription", a.updateRoleDescription)
	awsapi.Handle(s, "iam", "UpdateAssumeRolePolicy", a.updateAssumeRolePolicy)
	awsapi.Handle(s, "iam", "DeleteRole", a.deleteRole)
	awsapi.Handle(s, "iam", "TagRole", a.tagRole)
	awsapi.Handle(s, "iam", "UntagRole", a.untagRole)
	awsapi.Handle(s, "iam", "ListRoleTags", a.listRoleTags)
	awsapi.Handle(s, "iam", "PutRolePolicy", a.putRolePolicy)
	awsapi.Handle(s, "iam", "GetRolePolicy", a.getRolePolicy)
	awsapi.Handle(s, "iam", "ListRolePolicies", a.listRolePolicies)
	awsapi.Handle(s, "iam", "DeleteRolePolicy", a.deleteRolePolicy)
	awsapi.Handle(s, "iam", "AttachRolePolicy", a.attachRolePolicy)
	awsapi.Handle(s, "iam", "DetachRolePolicy", a.detachRolePolicy)
	awsapi.Handle(s, "iam", "ListAttachedRolePolicies", a.listAttachedRolePolicies)
	awsapi.Handle(s, "iam", "ListInstanceProfilesForRole", a.listInstanceProfilesForRole)
	awsapi.Handle(s, "iam", "CreateServiceLinkedRole", a.createServiceLinkedRole)
	awsapi.Handle(s, "iam", "CreatePolicy", a.createPolicy)
	awsapi.Handle(s, "iam", "GetPolicy", a.getPolicy)
	awsapi.Handle(s, "iam", "DeletePolicy", a.deletePolicy)
	awsapi.Handle(s, "iam", "CreatePolicyVersion", a.createPolicyVersion)
	awsapi.Handle(s, "iam", "GetPolicyVersion", a.getPolicyVersion)
	awsapi.Handle(s, "iam", "ListPolicyVersions", a.listPolicyVersions)
	awsapi.Handle(s, "iam", "DeletePolicyVersion", a.deletePolicyVersion)
	awsapi.Handle(s, "iam", "TagPolicy", a.tagPolicy)
	awsapi.Handle(s, "iam", "UntagPolicy", a.untagPolicy)
}

// pageSize is how many items IAM returns at once unless it is asked for fewer (IAM-007).
const pageSize = 100

// page is [awsapi.Page] in IAM's words; truncated says that there is more.
func page[T any](items []T, marker *string, size *int64) (part []T, truncated *bool, next *string, err error) {
	part, next, err = awsapi.Page(items, marker, size, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		err = &iam.Error{Code: "InvalidInput", Message: "Invalid Marker: " + *marker}
	}
	return part, new(next != nil), next, err
}

// encoded is a policy document as IAM returns it: URL-encoded by RFC 3986 (IAM-008).
func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

func tagShapes(tags map[string]string) []Tag {
	shapes := []Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		shapes = append(shapes, Tag{Key: &key, Value: new(tags[key])})
	}
	return shapes
}

func tagMap(shapes []Tag) map[string]string {
	tags := map[string]string{}
	for _, tag := range shapes {
		tags[awsapi.Value(tag.Key)] = awsapi.Value(tag.Value)
	}
	return tags
}
