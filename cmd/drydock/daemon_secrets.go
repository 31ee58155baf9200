package main

import (
	"fmt"

	"drydock/orchestrator"
	"drydock/secrets"
)

// openSecrets returns the secrets that the daemon was given, nil if none: then a task that
// wants one says how to give them.
func (d *daemon) openSecrets() (orchestrator.Secrets, error) {
	if d.config.Secrets == "" {
		return nil, nil
	}
	local, err := secrets.Open(d.config.Secrets)
	if err != nil {
		return nil, fmt.Errorf("--secrets: %w; it is a directory with ssm/NAME, secretsmanager/NAME and s3/BUCKET/KEY, or a YAML or JSON file of names and values", err)
	}
	return local, nil
}
