package taskdefs

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"drydock/store/storetest"
)

// golden compares an answer with a file, indented.
func golden(t *testing.T, file string, answer json.RawMessage) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, answer, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	got.WriteByte('\n')
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s: got\n%s", file, got.Bytes())
	}
}

func TestDescribe_FillsInDefaults(t *testing.T) {
	c := open(t, &storetest.Memory{})
	r, err := c.Register(t.Context(), doc(t, func(d object) {
		d["tags"] = []any{object{"key": "team", "value": "shop"}}
		first(d)["healthCheck"] = object{"command": []any{"CMD-SHELL", "curl -f http://localhost:3000/health || exit 1"}, "retries": 5}
		first(d)["entryPoint"] = []any{}
	}), nil, "arn:aws:iam::123456789012:user/dev", noon)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := Describe(r)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/describe-fargate.json", answer)
}

func TestDescribe_BridgeAndVolumes(t *testing.T) {
	c := open(t, &storetest.Memory{})
	r, err := c.Register(t.Context(), doc(t, ec2, func(d object) {
		d["volumes"] = []any{object{"name": "scratch"}, object{"name": "efs", "efsVolumeConfiguration": object{"fileSystemId": "fs-1"}}}
		first(d)["portMappings"] = []any{object{"containerPort": 3000}, object{"containerPortRange": "8000-8010"}, object{"containerPort": 53, "hostPort": 53, "protocol": "udp"}}
		add(d, object{"name": "side", "image": "i", "essential": false, "cpu": 10})
	}), nil, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	r, err = c.Deregister(t.Context(), r.ARN, noon)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := Describe(r)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/describe-bridge.json", answer)
}

func TestDescribe_HostPortZeroIsTheContainerPortWithItsOwnNetwork(t *testing.T) {
	d, err := Parse(doc(t, func(d object) {
		first(d)["portMappings"] = []any{object{"containerPort": 3000, "hostPort": 0}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := Describe(Registered{Document: *d})
	if err != nil || !bytes.Contains(answer, []byte(`"portMappings":[{"containerPort":3000,"hostPort":3000,"protocol":"tcp"}]`)) {
		t.Errorf("%v: %s", err, answer)
	}
}

// TestDescribe_CanBeRegisteredAgain: what deploy tools do: describe, change the image, register.
func TestDescribe_CanBeRegisteredAgain(t *testing.T) {
	c := open(t, &storetest.Memory{})
	answer, err := Describe(register(t, c, "web"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Register(t.Context(), answer, nil, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if again.Name() != "web:2" {
		t.Errorf("got %s", again.Name())
	}
}
