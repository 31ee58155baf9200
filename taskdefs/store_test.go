package taskdefs

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"drydock/store/storetest"
)

var (
	noon    = time.Date(2026, 5, 4, 12, 0, 0, 250e6, time.UTC)
	errFull = errors.New("disk full")
)

func open(t *testing.T, store *storetest.Memory) *Catalogue {
	t.Helper()
	c, err := Open(t.Context(), store, "us-east-1", "123456789012")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func register(t *testing.T, c *Catalogue, family string) Registered {
	t.Helper()
	r, err := c.Register(t.Context(), doc(t, func(d object) { d["family"] = family }), nil, "arn:aws:iam::123456789012:root", noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type object = map[string]any

// doc is a Fargate document, changed as the test wants it.
func doc(t *testing.T, change ...func(object)) []byte {
	t.Helper()
	d := object{
		"family": "user-service", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
		"requiresCompatibilities": []any{"FARGATE"},
		"containerDefinitions": []any{object{
			"name": "app", "image": "shop/users:v1", "portMappings": []any{object{"containerPort": 3000}},
		}},
	}
	for _, c := range change {
		c(d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// first is the first container of a document.
func first(d object) object { return d["containerDefinitions"].([]any)[0].(object) }

// ec2 turns a document into one for EC2 in bridge mode.
func ec2(d object) {
	delete(d, "requiresCompatibilities")
	delete(d, "networkMode")
}

// add appends a container.
func add(d object, c object) {
	d["containerDefinitions"] = append(d["containerDefinitions"].([]any), c)
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal: %s", err, want)
	}
	if code, message := e.AWSError(); code+": "+message != want || e.Error() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
}
