package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"drydock/timeline"
)

// accountSettings are the settings of an account and their defaults (ECS-250). None has an
// effect here but what is shown.
var accountSettings = map[string]string{
	"serviceLongArnFormat": "enabled", "taskLongArnFormat": "enabled", "containerInstanceLongArnFormat": "enabled",
	"awsvpcTrunking": "disabled", "containerInsights": "disabled", "fargateFIPSMode": "disabled",
	"tagResourceAuthorization": "on", "fargateTaskRetirementWaitPeriod": "7", "guardDutyActivate": "off",
	"defaultLogDriverMode": "non-blocking", "fargateEventWindows": "disabled",
}

// settingValues are the values that a setting can have; others take anything.
var settingValues = map[string][]string{
	"awsvpcTrunking": {"enabled", "disabled"}, "containerInsights": {"enhanced", "enabled", "disabled"}, "fargateFIPSMode": {"enabled", "disabled"},
	"tagResourceAuthorization": {"on", "off"}, "fargateTaskRetirementWaitPeriod": {"0", "7", "14"}, "defaultLogDriverMode": {"blocking", "non-blocking"},
	"serviceLongArnFormat": {"enabled"}, "taskLongArnFormat": {"enabled"}, "containerInstanceLongArnFormat": {"enabled"}, // ECS-251
	"fargateEventWindows": {"enabled", "disabled"},
}

// AccountSetting is a setting of the account.
type AccountSetting struct {
	Name, Value string
	Default     bool // it was not set
}

// settingsRow holds what was set, by name.
const settingsRow = "accountsettings/all"

// AccountSettings returns every setting of the account, by name.
func (c *Controller) AccountSettings() []AccountSetting {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []AccountSetting
	for _, name := range slices.Sorted(maps.Keys(accountSettings)) {
		value, set := c.settings[name]
		if !set {
			value = accountSettings[name]
		}
		list = append(list, AccountSetting{name, value, !set})
	}
	return list
}

// PutAccountSetting sets a setting of the account.
func (c *Controller) PutAccountSetting(ctx context.Context, name, value string) error {
	if allowed := settingValues[name]; allowed != nil && !slices.Contains(allowed, value) {
		return invalid("Invalid value %q for setting %s. Valid values are: %v", value, name, allowed)
	}
	return c.putSettings(ctx, fmt.Sprintf("account setting %s is %s", name, value), func(all map[string]string) { all[name] = value })
}

// DeleteAccountSetting gives a setting of the account its default again.
func (c *Controller) DeleteAccountSetting(ctx context.Context, name string) error {
	return c.putSettings(ctx, fmt.Sprintf("account setting %s has its default again", name), func(all map[string]string) { delete(all, name) })
}

func (c *Controller) putSettings(ctx context.Context, message string, alter func(map[string]string)) error {
	return c.update(ctx, func(x *change) error {
		all := maps.Clone(c.settings)
		alter(all)
		x.rows[settingsRow] = all
		x.commit = append(x.commit, func() { c.settings = all })
		x.event(timeline.Config, "account", message, nil)
		return nil
	})
}

// UpdateCluster replaces settings of a cluster; those that are not given stay.
func (c *Controller) UpdateCluster(ctx context.Context, ref string, settings map[string]string) (*Cluster, error) {
	var updated Cluster
	err := c.update(ctx, func(x *change) error {
		row, err := x.cluster(ref)
		if err != nil {
			return err
		}
		updated = *row
		if updated.Settings = maps.Clone(row.Settings); updated.Settings == nil {
			updated.Settings = map[string]string{}
		}
		maps.Copy(updated.Settings, settings)
		x.putCluster(&updated)
		x.event(timeline.Config, row.ARN, fmt.Sprintf("cluster %s updated", row.Name), map[string]string{"cluster": row.Name})
		return nil
	})
	return &updated, err
}
