package ecs

import (
	"context"
	"slices"

	"drydock/awsapi"
	"drydock/orchestrator"
)

// principal is who owns the account's settings.
func principal(ctx context.Context) string {
	return "arn:aws:iam::" + awsapi.CallFrom(ctx).Account + ":root"
}

func (a api) listAccountSettings(ctx context.Context, in *ListAccountSettingsRequest) (*ListAccountSettingsResponse, error) {
	if in.Value != nil && in.Name == nil {
		return nil, invalid("You must specify a setting name when you specify a value.")
	}
	var list []Setting
	for _, s := range a.scheduler.AccountSettings() {
		effective := awsapi.Value(in.EffectiveSettings) || !s.Default
		if effective && matches(in.Name, s.Name) && matches(in.Value, s.Value) {
			list = append(list, setting(ctx, s))
		}
	}
	part, next, err := page(list, in.NextToken, in.MaxResults, 10)
	if err != nil {
		return nil, err
	}
	return &ListAccountSettingsResponse{Settings: slices.Concat([]Setting{}, part), NextToken: next}, nil
}

func matches(wanted *string, value string) bool { return wanted == nil || *wanted == value }

func setting(ctx context.Context, s orchestrator.AccountSetting) Setting {
	return Setting{Name: &s.Name, Value: &s.Value, PrincipalArn: new(principal(ctx)), Type: new("user")}
}

func (a api) putAccountSetting(ctx context.Context, in *PutAccountSettingRequest) (*PutAccountSettingResponse, error) {
	s, err := a.put(ctx, *in.Name, *in.Value)
	return &PutAccountSettingResponse{Setting: s}, err
}

func (a api) putAccountSettingDefault(ctx context.Context, in *PutAccountSettingDefaultRequest) (*PutAccountSettingDefaultResponse, error) {
	s, err := a.put(ctx, *in.Name, *in.Value)
	return &PutAccountSettingDefaultResponse{Setting: s}, err
}

func (a api) put(ctx context.Context, name, value string) (*Setting, error) {
	if err := a.scheduler.PutAccountSetting(ctx, name, value); err != nil {
		return nil, err
	}
	return new(setting(ctx, orchestrator.AccountSetting{Name: name, Value: value})), nil
}

func (a api) deleteAccountSetting(ctx context.Context, in *DeleteAccountSettingRequest) (*DeleteAccountSettingResponse, error) {
	if err := a.scheduler.DeleteAccountSetting(ctx, *in.Name); err != nil {
		return nil, err
	}
	for _, s := range a.scheduler.AccountSettings() {
		if s.Name == *in.Name {
			return &DeleteAccountSettingResponse{Setting: new(setting(ctx, s))}, nil
		}
	}
	return &DeleteAccountSettingResponse{}, nil
}
