package iam_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"drydock/awsapi/apitest"
	"drydock/iam"
)

const trust = `{"Version":"2012-10-17","Statement":[]}`

func open(t *testing.T, store iam.Store, strict bool) *iam.Directory {
	t.Helper()
	d, err := iam.Open(t.Context(), store, iam.Config{Account: "123456789012", Strict: strict})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestRole_WholeLife(t *testing.T) {
	store, ctx := &apitest.Store{}, context.Background()
	d := open(t, store, true)
	r, err := d.CreateRole(ctx, iam.Role{Name: "execution", Path: "/ecs/", TrustPolicy: trust, Tags: map[string]string{"a": "b"}})
	ok(t, err)
	if r.ARN != "arn:aws:iam::123456789012:role/ecs/execution" || r.MaxSessionDuration != 3600 || len(r.ID) != 21 { // IAM-003
		t.Errorf("made %+v", r)
	}
	const managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
	ok(t, d.PutInline(ctx, "execution", "secrets", trust), d.Attach(ctx, "execution", managed), d.Attach(ctx, "execution", managed),
		d.TagRole(ctx, "execution", map[string]string{"c": "d"}, []string{"a"}), d.SetTrustPolicy(ctx, "execution", "{}"))
	if _, err := d.UpdateRole(ctx, "execution", new("for tasks"), new(int64(7200))); err != nil {
		t.Fatal(err)
	}
	d = open(t, store, true) // the next daemon
	r, err = d.Role(ctx, "execution")
	ok(t, err)
	if !slices.Equal(r.Attached, []string{managed}) || r.Inline["secrets"] != trust || !maps.Equal(r.Tags, map[string]string{"c": "d"}) ||
		r.TrustPolicy != "{}" || r.Description != "for tasks" || r.MaxSessionDuration != 7200 {
		t.Errorf("kept %+v", r)
	}
	wantCode(t, d.DeleteRole(ctx, "execution"), "DeleteConflict")
	ok(t, d.Detach(ctx, "execution", managed))
	wantCode(t, d.DeleteRole(ctx, "execution"), "DeleteConflict")
	ok(t, d.DeleteInline(ctx, "execution", "secrets"), d.DeleteRole(ctx, "execution"))
	if left := open(t, store, true).Roles("/"); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}

func TestRole_Refusals(t *testing.T) {
	ctx := context.Background()
	d := open(t, &apitest.Store{}, false)
	_, err := d.CreateRole(ctx, iam.Role{Name: "a", TrustPolicy: "not json"})
	wantCode(t, err, "MalformedPolicyDocument") // IAM-002
	_, err = d.CreateRole(ctx, iam.Role{Name: "a", TrustPolicy: trust})
	ok(t, err)
	_, err = d.CreateRole(ctx, iam.Role{Name: "a", TrustPolicy: trust})
	wantCode(t, err, "EntityAlreadyExists")
	wantCode(t, d.PutInline(ctx, "a", "p", "["), "MalformedPolicyDocument")
	wantCode(t, d.SetTrustPolicy(ctx, "a", ""), "MalformedPolicyDocument")
	wantCode(t, d.Attach(ctx, "a", "arn:aws:iam::123456789012:policy/none"), "NoSuchEntity")
	wantCode(t, d.Detach(ctx, "a", "arn:aws:iam::aws:policy/none"), "NoSuchEntity")
	wantCode(t, d.DeleteInline(ctx, "a", "none"), "NoSuchEntity")
	_, err = d.Inline(ctx, "a", "none")
	wantCode(t, err, "NoSuchEntity")
	wantCode(t, d.DeleteRole(ctx, "none"), "NoSuchEntity")
}

func TestRole_AdoptedUnlessStrict(t *testing.T) {
	ctx := context.Background()
	_, err := open(t, &apitest.Store{}, true).Role(ctx, "ecsTaskExecutionRole")
	wantCode(t, err, "NoSuchEntity")
	d := open(t, &apitest.Store{}, false)
	first, err := d.Role(ctx, "ecsTaskExecutionRole")
	ok(t, err)
	again, err := d.Role(ctx, "ecsTaskExecutionRole")
	if ok(t, err); first.ID != again.ID || !first.Adopted {
		t.Errorf("adopted %+v, then %+v", first, again)
	}
	made, err := d.CreateRole(ctx, iam.Role{Name: "ecsTaskExecutionRole", TrustPolicy: trust})
	if ok(t, err); made.Adopted {
		t.Errorf("made %+v", made)
	}
}

func TestPolicy_WholeLife(t *testing.T) {
	store, ctx := &apitest.Store{}, context.Background()
	d := open(t, store, false)
	p, err := d.CreatePolicy(ctx, iam.Policy{Name: "read"}, trust)
	ok(t, err)
	_, err = d.CreatePolicy(ctx, iam.Policy{Name: "read"}, trust)
	wantCode(t, err, "EntityAlreadyExists")
	for range 4 {
		_, err = d.CreateVersion(ctx, p.ARN, "{}", true)
		ok(t, err)
	}
	_, err = d.CreateVersion(ctx, p.ARN, "{}", true)
	wantCode(t, err, "LimitExceeded") // IAM-005
	wantCode(t, d.DeleteVersion(ctx, p.ARN, "v5"), "DeleteConflict")
	ok(t, d.DeleteVersion(ctx, p.ARN, "v2"))
	v, err := d.CreateVersion(ctx, p.ARN, "{}", false)
	if ok(t, err); v.ID != "v6" {
		t.Errorf("made %+v", v)
	}
	ok(t, d.TagPolicy(ctx, p.ARN, map[string]string{"a": "b"}, nil), d.Attach(ctx, "tasks", p.ARN))
	d = open(t, store, false)
	p, err = d.Policy(p.ARN)
	if ok(t, err); p.Default != "v5" || p.Attachments != 1 || p.Tags["a"] != "b" || len(p.Versions) != 5 {
		t.Errorf("kept %+v", p)
	}
	wantCode(t, d.DeletePolicy(ctx, p.ARN), "DeleteConflict")
	ok(t, d.Detach(ctx, "tasks", p.ARN))
	wantCode(t, d.DeletePolicy(ctx, p.ARN), "DeleteConflict")
	for _, id := range []string{"v1", "v3", "v4", "v6"} {
		ok(t, d.DeleteVersion(ctx, p.ARN, id))
	}
	ok(t, d.DeletePolicy(ctx, p.ARN))
	_, err = d.Policy(p.ARN)
	wantCode(t, err, "NoSuchEntity")
}

func TestPolicy_AWSManaged(t *testing.T) {
	d := open(t, &apitest.Store{}, true)
	p, err := d.Policy("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")
	ok(t, err)
	if _, err := p.Version(p.Default); err != nil || p.Name != "AmazonECSTaskExecutionRolePolicy" || p.Path != "/service-role/" {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = d.CreateVersion(t.Context(), p.ARN, "{}", true)
	wantCode(t, err, "AccessDenied")
}
