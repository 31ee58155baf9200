package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"drydock/timeline"
)

// Store makes roles, policies and events of the timeline durable.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Config holds the settings of a Directory.
type Config struct {
	Account string
	Strict  bool // unknown roles are refused, not adopted
}

// Directory keeps roles and policies. It is safe for concurrent use.
type Directory struct {
	store  Store
	config Config

	mu       sync.Mutex
	roles    map[string]*Role   // by name
	policies map[string]*Policy // by ARN
}

const (
	roleRow   = "iam-role"
	policyRow = "iam-policy"
)

// Open loads what the store has.
func Open(ctx context.Context, store Store, config Config) (*Directory, error) {
	d := &Directory{store: store, config: config, roles: map[string]*Role{}, policies: map[string]*Policy{}}
	err := store.Load(ctx, roleRow, func(_ string, doc []byte) error {
		r := &Role{}
		err := json.Unmarshal(doc, r)
		d.roles[r.Name] = r
		return err
	})
	if err == nil {
		err = store.Load(ctx, policyRow, func(_ string, doc []byte) error {
			p := &Policy{}
			err := json.Unmarshal(doc, p)
			d.policies[p.ARN] = p
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("load roles and policies: %w", err)
	}
	return d, nil
}

// newID returns an id as IAM makes them: a prefix and 17 letters and digits.
func newID(prefix string) string {
	var b [11]byte
	rand.Read(b[:]) // never fails
	return prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])[:17]
}

// keep makes a row durable, nil to delete it, and says what happened.
func (d *Directory) keep(ctx context.Context, kind, key string, row any, message string) error {
	var events []timeline.Event
	if message != "" {
		events = append(events, timeline.Event{Seq: d.store.NextSeq(), Time: time.Now(), Kind: timeline.Config, Subject: key, Cause: timeline.CauseFrom(ctx), Message: message})
	}
	if err := d.store.Commit(ctx, map[string]any{kind + "/" + key: row}, events); err != nil {
		return fmt.Errorf("keep %s %s: %w", kind, key, err)
	}
	return nil
}

// checkDocument refuses a policy that is no JSON object (IAM-002).
func checkDocument(document string) error {
	var object map[string]any
	if json.Unmarshal([]byte(document), &object) != nil {
		return errorf("MalformedPolicyDocument", "This policy contains invalid Json")
	}
	return nil
}

func retagged(have, add map[string]string, remove []string) map[string]string {
	tags := maps.Clone(have)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, add)
	maps.DeleteFunc(tags, func(key, _ string) bool { return slices.Contains(remove, key) })
	return tags
}
