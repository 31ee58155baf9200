package iam_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/apitest"
	api "drydock/awsapi/iam"
	"drydock/iam"
)

func newServer(t *testing.T) *awsapi.Server {
	t.Helper()
	d, err := iam.Open(t.Context(), &apitest.Store{}, iam.Config{Account: awsapi.DefaultAccount})
	if err != nil {
		t.Fatal(err)
	}
	s := awsapi.NewServer()
	api.Register(s, d)
	return s
}

func TestRegister_ServesEveryListedOperation(t *testing.T) {
	s := newServer(t)
	for _, operation := range awsapi.LookupService("iam").Operations() {
		if !s.Handles("iam", operation) {
			t.Errorf("%s has no handler", operation)
		}
	}
}

func TestRole_OverTheWire(t *testing.T) {
	server := httptest.NewServer(newServer(t))
	t.Cleanup(server.Close)
	c := &awsapi.Client{Endpoint: server.URL, HTTP: server.Client()}
	do := func(operation string, in, out any) {
		t.Helper()
		if err := c.Do(t.Context(), "iam", operation, in, out); err != nil {
			t.Fatal(err)
		}
	}
	const document = `{"Statement": [{"Effect": "Allow"}]}`
	do("CreateRole", &api.CreateRoleRequest{RoleName: new("web"), AssumeRolePolicyDocument: new(document), Tags: []api.Tag{{Key: new("a"), Value: new("b")}}}, nil)
	var got api.GetRoleResponse
	do("GetRole", &api.GetRoleRequest{RoleName: new("web")}, &got)
	if text, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument); err != nil || text != document || len(got.Role.Tags) != 1 { // IAM-008
		t.Errorf("got %q, %v, %+v", text, err, got.Role)
	}
	do("PutRolePolicy", &api.PutRolePolicyRequest{RoleName: new("web"), PolicyName: new("inline"), PolicyDocument: new(document)}, nil)
	do("AttachRolePolicy", &api.AttachRolePolicyRequest{RoleName: new("web"), PolicyArn: new("arn:aws:iam::aws:policy/ReadOnlyAccess")}, nil)
	var attached api.ListAttachedRolePoliciesResponse
	do("ListAttachedRolePolicies", &api.ListAttachedRolePoliciesRequest{RoleName: new("web")}, &attached)
	if len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyName != "ReadOnlyAccess" {
		t.Errorf("attached %+v", attached)
	}
	var linked api.CreateServiceLinkedRoleResponse
	do("CreateServiceLinkedRole", &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("ecs.amazonaws.com")}, &linked)
	if *linked.Role.Arn != "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" { // IAM-009
		t.Errorf("linked %s", *linked.Role.Arn)
	}
	var page api.ListRolesResponse
	do("ListRoles", &api.ListRolesRequest{MaxItems: new(int64(1))}, &page)
	if len(page.Roles) != 1 || !*page.IsTruncated { // IAM-007
		t.Errorf("page %+v", page)
	}
	do("ListRoles", &api.ListRolesRequest{MaxItems: new(int64(1)), Marker: page.Marker}, &page)
	if len(page.Roles) != 1 || *page.IsTruncated || *page.Roles[0].RoleName != "web" {
		t.Errorf("page %+v", page)
	}
	err := c.Do(t.Context(), "iam", "DeleteRole", &api.DeleteRoleRequest{RoleName: new("web")}, nil)
	if e := (*awsapi.Error)(nil); !errors.As(err, &e) || e.Code != "DeleteConflict" {
		t.Errorf("deleted: %v", err)
	}
}

func TestCommandLine_Policies(t *testing.T) {
	aws := apitest.NewCLI(t, newServer(t))
	arn := aws.Run("iam", "create-policy", "--policy-name", "read", "--policy-document", `{"Statement":[]}`, "--query", "Policy.Arn", "--output", "text")
	aws.Run("iam", "create-policy-version", "--policy-arn", arn, "--policy-document", `{"Statement":["b"]}`, "--set-as-default")
	got := aws.Run("iam", "get-policy-version", "--policy-arn", arn, "--version-id", "v2", "--query", "PolicyVersion.Document.Statement[0]", "--output", "text")
	if got != "b" {
		t.Errorf("got %q", got)
	}
}
