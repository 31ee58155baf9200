package secrets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	secretARN    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
	parameterARN = "arn:aws:ssm:us-east-1:123456789012:parameter"
)

// directory makes a directory of secrets.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, path string) *Local {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// both returns the same secrets as a directory and as a file.
func both(t *testing.T) map[string]*Local {
	dir := directory(t, map[string]string{
		"ssm/shop/db/url":                    "postgres://db\n",
		"ssm/plain":                          "p",
		"secretsmanager/prod/db":             `{"user":"admin","port":5432,"tls":true,"more":{"a":1},"none":null,"empty":""}` + "\n",
		"secretsmanager/prod/db@AWSPREVIOUS": `{"user":"old"}`,
		"secretsmanager/token":               "two\nlines\n\n",
		"secretsmanager/full-AbCdEf":         "with suffix",
		"s3/conf/app/web.env":                "A=1\n",
	})
	file := filepath.Join(directory(t, map[string]string{"secrets.yaml": `
/shop/db/url: postgres://db
plain: p
prod/db: {user: admin, port: 5432, tls: true, more: {a: 1}, none: null, empty: ""}
prod/db@AWSPREVIOUS:
  user: old
token: "two\nlines\n"
` + secretARN + `full-AbCdEf: with suffix
s3://conf/app/web.env: A=1
arn:aws:s3:::conf/second.env: B=2
`}), "secrets.yaml")
	return map[string]*Local{"directory": open(t, dir), "file": open(t, file)}
}

func TestSecret_References(t *testing.T) {
	for name, l := range both(t) {
		for ref, want := range map[string]string{
			"/shop/db/url":                                 "postgres://db",
			parameterARN + "/shop/db/url":                  "postgres://db",
			"plain":                                        "p",
			parameterARN + "/plain":                        "p",
			secretARN + "prod/db:user::":                   "admin",
			secretARN + "prod/db-AbCdEf:user::":            "admin",
			secretARN + "prod/db:user:AWSCURRENT:":         "admin",
			secretARN + "prod/db:user:AWSPREVIOUS:":        "old",
			secretARN + "prod/db:port::":                   "5432",
			secretARN + "prod/db:tls::":                    "true",
			secretARN + "prod/db:more::":                   `{"a":1}`,
			secretARN + "prod/db:empty::":                  "",
			secretARN + "token":                            "two\nlines\n",
			secretARN + "full-AbCdEf":                      "with suffix",
			"/aws/reference/secretsmanager/token":          "two\nlines\n",
			secretARN + "prod/db-XyZ123:user:AWSPREVIOUS:": "old",
		} {
			got, err := l.Secret(t.Context(), ref)
			if err != nil || got != want {
				t.Errorf("%s: %s: got %q, %v", name, ref, got, err)
			}
		}
	}
}

func TestSecret_WholeObjectIsJSON(t *testing.T) {
	for name, l := range both(t) {
		got, err := l.Secret(t.Context(), secretARN+"prod/db")
		if err != nil || !strings.Contains(got, `"port":5432`) || !strings.Contains(got, `"user":"admin"`) {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestSecret_MissingSaysWhereItWasLookedFor(t *testing.T) {
	for name, l := range both(t) {
		for ref, want := range map[string][]string{
			"/shop/none":                        {fromSSM + "invalid ssm parameters: /shop/none", "shop/none"},
			secretARN + "none-AbCdEf":           {fromASM + "failed to fetch secret " + secretARN + "none-AbCdEf from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.", "none-AbCdEf", ", then "},
			secretARN + "prod/db:password::":    {fromASM + "retrieved secret from Secrets Manager did not contain json key password", "prod/db"},
			secretARN + "prod/db:none::":        {"did not contain json key none"},
			secretARN + "token:user::":          {"it is not a JSON object"},
			secretARN + "prod/db:user:PENDING:": {"staging label: PENDING", "prod/db@PENDING"},
			"arn:aws:iam::123456789012:role/x":  {"invalid ssm parameters", "no reference"},
			secretARN:                           {"invalid ssm parameters"},
		} {
			value, err := l.Secret(t.Context(), ref)
			var missing *MissingError
			if !errors.As(err, &missing) || value != "" {
				t.Errorf("%s: %s: got %q, %v", name, ref, value, err)
				continue
			}
			for _, part := range want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %s: %q is not in %s", name, ref, part, err)
				}
			}
		}
	}
}

func TestSecret_EmptyIsMissing(t *testing.T) {
	l := open(t, directory(t, map[string]string{"ssm/a": "\n", "secretsmanager/b": ""}))
	for _, ref := range []string{"a", secretARN + "b"} {
		if _, err := l.Secret(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "it is empty") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestSecret_StaysInsideTheDirectory(t *testing.T) {
	dir := directory(t, map[string]string{"outside": "x", "in/ssm/a": "y"})
	l := open(t, filepath.Join(dir, "in"))
	for _, ref := range []string{"../../outside", "/../../outside", secretARN + "../../outside"} {
		if value, err := l.Secret(t.Context(), ref); err == nil {
			t.Errorf("%s: got %q", ref, value)
		}
	}
}

func TestSecret_ChangesReachTheNextCall(t *testing.T) {
	dir := directory(t, map[string]string{"ssm/a": "1"})
	l := open(t, dir)
	for _, want := range []string{"1", "2"} {
		if err := os.WriteFile(filepath.Join(dir, "ssm/a"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Secret(t.Context(), "a"); got != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestSecret_ErrorsHoldNoValue(t *testing.T) {
	path := filepath.Join(directory(t, map[string]string{"s.yaml": "a: ok\n"}), "s.yaml")
	l := open(t, path)
	for _, text := range []string{"a: hunter2\n b: [hunter2\n", "- hunter2\n", "a: &x {b: [*x, hunter2]}\n", `{"a": {"k": "hunter2"}}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := l.Secret(t.Context(), secretARN+"a:none::")
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSecret_TextStaysAsWritten(t *testing.T) {
	l := open(t, filepath.Join(directory(t, map[string]string{"s.yaml": "pin: 007\nyes: on\nempty:\nnested: {pin: 007, on: yes, n: 1.50}\n"}), "s.yaml"))
	for ref, want := range map[string]string{"pin": "007", "yes": "on", secretARN + "nested:pin::": "007", secretARN + "nested:on::": "yes", secretARN + "nested:n::": "1.50"} {
		if got, err := l.Secret(t.Context(), ref); got != want {
			t.Errorf("%s: got %q, %v", ref, got, err)
		}
	}
	if _, err := l.Secret(t.Context(), "empty"); err == nil {
		t.Error("a key without a value was taken")
	}
}

func TestEnvironmentFile_IsFoundByItsARN(t *testing.T) {
	for name, l := range both(t) {
		for _, ref := range []string{"arn:aws:s3:::conf/app/web.env", "s3://conf/app/web.env"} {
			got, err := l.EnvironmentFile(t.Context(), ref)
			if err != nil || string(got) != "A=1" {
				t.Errorf("%s: %s: got %q, %v", name, ref, got, err)
			}
		}
		_, err := l.EnvironmentFile(t.Context(), "arn:aws:s3:::conf/none.env")
		if err == nil || !strings.Contains(err.Error(), fromS3+"operation error S3") || !strings.Contains(err.Error(), "conf/none.env") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := l.EnvironmentFile(t.Context(), "conf/web.env"); err == nil {
			t.Errorf("%s: a reference that is no ARN was taken", name)
		}
	}
	if got, err := both(t)["file"].EnvironmentFile(t.Context(), "arn:aws:s3:::conf/second.env"); string(got) != "B=2" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOpen_Refusals(t *testing.T) {
	dir := directory(t, map[string]string{"bad.yaml": "a: [", "list.yaml": "- a", "empty.yaml": ""})
	for _, name := range []string{"none", "bad.yaml", "list.yaml"} {
		if _, err := Open(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := Open(filepath.Join(dir, "empty.yaml")); err != nil {
		t.Error(err)
	}
}
