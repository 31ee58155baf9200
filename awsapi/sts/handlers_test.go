package sts_test

import (
	"net/http/httptest"
	"testing"

	"drydock/awsapi"
	"drydock/awsapi/sts"
)

func TestGetCallerIdentity_IsTheAccountsRootUser(t *testing.T) {
	s := awsapi.NewServer()
	s.Account = "111122223333"
	sts.Register(s)
	server := httptest.NewServer(s)
	defer server.Close()
	var out sts.GetCallerIdentityResponse
	c := &awsapi.Client{Endpoint: server.URL}
	if err := c.Do(t.Context(), "sts", "GetCallerIdentity", nil, &out); err != nil {
		t.Fatal(err)
	}
	if *out.Account != "111122223333" || *out.Arn != "arn:aws:iam::111122223333:root" {
		t.Errorf("got %+v", out)
	}
}
