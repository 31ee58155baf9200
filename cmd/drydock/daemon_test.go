package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDaemonFlags_Refusals: what cannot work is said before anything is opened, with the
// flag, the value and what to give instead.
func TestDaemonFlags_Refusals(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte("[sso]\nregion = eu-west-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ flag, value, want string }{
		{"listen", "0.0.0.0:4566", "is not a loopback address"},
		{"listen", "4566", "it looks like 127.0.0.1:4566"},
		{"alb-address", "front", "it looks like 127.0.0.1"},
		{"vpc-cidr", "10.0.0.0/8", "/16 to /27"},
		{"port-offset", "70000", "between 0 and 65000"},
		{"warm-pool", "-1", "between 0 and 200"},
		{"pace", "slow", "neither fast nor aws"},
		{"lag", "nothing=1s", "there are "},
		{"fault", "nothing", "stale-connection"},
		{"credentials", "keys", "profile:NAME"},
		{"credentials", "profile:nope", "there is no such profile"},
		{"credentials", "profile:sso", "has no keys"},
		{"hooks", "/nowhere/hooks", "is not a directory"},
		{"hooks", filepath.Join(home, ".aws", "credentials"), "is not a directory"},
	} {
		state := filepath.Join(t.TempDir(), "state")
		code, _, stderr := runCLI(t, "daemon", "--state-dir", state, "--"+test.flag, test.value)
		if code != exitUsage || !strings.Contains(stderr, "--"+test.flag) || !strings.Contains(stderr, test.value) && test.flag != "lag" || !strings.Contains(stderr, test.want) {
			t.Errorf("--%s %s: exit %d, %q, want %q", test.flag, test.value, code, stderr, test.want)
		}
		if _, err := os.Stat(state); err == nil {
			t.Errorf("--%s %s: the state directory was made", test.flag, test.value)
		}
	}
}

// TestDaemonFlags_HooksMayBeRelative: commands are compared with the whole path.
func TestDaemonFlags_HooksMayBeRelative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	got, err := hookDir(".")
	if want, _ := filepath.EvalSymlinks(dir); err != nil || got != want && got != dir {
		t.Errorf("%q, %v; want %q", got, err, dir)
	}
}
