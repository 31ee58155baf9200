package agent

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ParseProvider reads what the daemon is told about credentials: none, dummy, profile or
// profile:NAME. The provider is nil for none.
func ParseProvider(text string) (Provider, error) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case (kind == "" || kind == "none") && !named:
		return nil, nil
	case kind == "dummy" && !named:
		return dummy{}, nil
	case kind == "profile" && (!named || name != ""):
		return profile{name}, nil
	}
	return nil, fmt.Errorf("credentials %q are neither none, dummy, profile nor profile:NAME", text)
}

// dummy gives keys that no AWS account has. Our own API takes any.
type dummy struct{}

func (dummy) Retrieve(context.Context) (Credentials, error) {
	return Credentials{AccessKeyID: "ASIADRYDOCKDUMMY0000", SecretAccessKey: "drydock/dummy/secret/access/key/00000000", Token: "drydock-dummy-session-token"}, nil
}

// profile gives the user's own keys: those of a profile in the shared credentials file or, if no
// profile is named, of the daemon's environment.
type profile struct{ name string }

// String names the profile, and nothing of what is in it.
func (p profile) String() string { return "profile " + p.effective() }

func (p profile) effective() string { return cmp.Or(p.name, os.Getenv("AWS_PROFILE"), "default") }

func (p profile) Retrieve(context.Context) (Credentials, error) {
	if c, ok := fromEnvironment(); ok && p.name == "" {
		return c, nil
	}
	path := os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return Credentials{}, fmt.Errorf("find the shared credentials file: %w", err)
		}
		path = filepath.Join(home, ".aws", "credentials")
	}
	values, err := readProfile(path, p.effective())
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{AccessKeyID: values["aws_access_key_id"], SecretAccessKey: values["aws_secret_access_key"], Token: values["aws_session_token"]}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return Credentials{}, fmt.Errorf("profile %s in %s has no keys: profiles that log in or assume a role are not supported", p.effective(), path)
	}
	return c, nil
}

func fromEnvironment() (Credentials, bool) {
	c := Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN")}
	return c, c.AccessKeyID != "" && c.SecretAccessKey != ""
}

var errNoProfile = errors.New("there is no such profile")

// readProfile returns the settings of one section of an INI file.
func readProfile(path, name string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the shared credentials file: %w", err)
	}
	defer f.Close()
	var values map[string]string
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			inside = strings.Trim(line, "[] \t") == name
			if inside && values == nil {
				values = map[string]string{}
			}
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && inside && !strings.HasPrefix(line, "#") {
			values[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	if values == nil {
		return nil, fmt.Errorf("profile %s in %s: %w", name, path, errNoProfile)
	}
	return values, nil
}
