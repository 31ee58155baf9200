package sts

import (
	"context"

	"drydock/awsapi"
)

// Register registers the handlers of STS.
func Register(s *awsapi.Server) {
	awsapi.Handle(s, "sts", "GetCallerIdentity", getCallerIdentity)
}

// getCallerIdentity answers that everybody is the account's root user: signatures are not verified (WIRE-018).
func getCallerIdentity(ctx context.Context, _ *GetCallerIdentityRequest) (*GetCallerIdentityResponse, error) {
	account := awsapi.CallFrom(ctx).Account
	return &GetCallerIdentityResponse{Account: &account, UserId: &account, Arn: new("arn:aws:iam::" + account + ":root")}, nil
}
