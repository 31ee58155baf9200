package orchestrator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"drydock/taskdefs"
)

// Secrets reads what task definitions name but don't hold. It is asked at each task's start;
// its errors are in AWS's words and hold no value.
type Secrets interface {
	// Secret returns the value of a container secret's valueFrom: the ARN of a secret, or the
	// name or ARN of a parameter. A value that is missing is an error.
	Secret(ctx context.Context, valueFrom string) (string, error)
	// EnvironmentFile returns the content of the environment file with this S3 ARN.
	EnvironmentFile(ctx context.Context, arn string) ([]byte, error)
}

// errNoSecrets and errNoFiles are what a task finds that wants secrets of a daemon without any.
var (
	errNoSecrets = errors.New("unable to pull secrets or registry auth: this daemon was started without secrets: give it a directory or a file with --secrets PATH (or DRYDOCK_SECRETS)")
	errNoFiles   = errors.New("failed to download env files: this daemon was started without any: give it a directory or a file with --secrets PATH (or DRYDOCK_SECRETS)")
)

// withEnvironment returns the containers with the variables of their secrets and environment
// files. The error is a *[StartError] that names the container.
func (c *Controller) withEnvironment(ctx context.Context, containers []taskdefs.ContainerDefinition) ([]taskdefs.ContainerDefinition, error) {
	full := slices.Clone(containers)
	for n := range full {
		env, err := c.environmentOf(ctx, full[n])
		if err != nil {
			return nil, &StartError{Container: full[n].Name, Name: "ResourceInitializationError", Err: err}
		}
		full[n].Environment = env
	}
	return full, nil
}

// environmentOf is a container's environment. A secret wins over a plain variable, both win
// over the environment files, and an earlier file over a later one (ECS-260).
func (c *Controller) environmentOf(ctx context.Context, def taskdefs.ContainerDefinition) ([]taskdefs.KeyValue, error) {
	if len(def.Secrets)+len(def.EnvironmentFiles) == 0 {
		return def.Environment, nil
	}
	env, err := c.secretsOf(ctx, def)
	if err != nil {
		return nil, err
	}
	env = adding(env, def.Environment)
	for _, file := range def.EnvironmentFiles {
		text, err := c.environmentFile(ctx, file.Value)
		if err != nil {
			return nil, err
		}
		env = adding(env, parseEnvironmentFile(text))
	}
	return env, nil
}

func (c *Controller) secretsOf(ctx context.Context, def taskdefs.ContainerDefinition) ([]taskdefs.KeyValue, error) {
	var env []taskdefs.KeyValue
	for _, s := range def.Secrets {
		if c.config.Secrets == nil {
			return nil, errNoSecrets
		}
		value, err := c.config.Secrets.Secret(ctx, s.ValueFrom)
		if err != nil {
			return nil, err
		}
		env = append(env, taskdefs.KeyValue{Name: s.Name, Value: value})
	}
	return env, nil
}

func (c *Controller) environmentFile(ctx context.Context, arn string) ([]byte, error) {
	if c.config.Secrets == nil {
		return nil, errNoFiles
	}
	return c.config.Secrets.EnvironmentFile(ctx, arn)
}

// adding adds variables to an environment, but for those that it has.
func adding(env, more []taskdefs.KeyValue) []taskdefs.KeyValue {
	for _, kv := range more {
		if !slices.ContainsFunc(env, func(e taskdefs.KeyValue) bool { return e.Name == kv.Name }) {
			env = append(env, kv)
		}
	}
	return env
}

// parseEnvironmentFile reads lines of NAME=VALUE. A line that begins with # is a comment;
// quotes and spaces belong to the value; a line without a name or a value sets nothing; of
// a name that comes twice the last counts (ECS-261).
func parseEnvironmentFile(text []byte) []taskdefs.KeyValue {
	var env []taskdefs.KeyValue
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		if strings.HasPrefix(name, "#") || name == "" || value == "" {
			continue
		}
		env = slices.DeleteFunc(env, func(e taskdefs.KeyValue) bool { return e.Name == name })
		env = append(env, taskdefs.KeyValue{Name: name, Value: value})
	}
	return env
}
