package acm

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"drydock/timeline"
)

// Store keeps the rows and events of an Authority.
type Store interface {
	// NextSeq returns the sequence number for the next event; it never returns the same number twice.
	NextSeq() int64
	// Load calls each for every row of a kind.
	Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error
	// Commit makes rows and events durable in one transaction. Keys of rows are "kind/key"; a nil
	// document deletes the row; other values are stored as JSON.
	Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error
}

// Config holds the settings of an Authority.
type Config struct {
	Region    string // us-east-1
	Account   string // 123456789012
	Directory string // where the local authority's key and certificate lie; made if need be
	// Users returns the ARNs of the load balancers that use a certificate; nil: nobody does. It is
	// called without a lock held.
	Users func(arn string) []string
}

// Authority is the state of ACM in one region. Its methods are safe for concurrent use.
type Authority struct {
	store   Store
	config  Config
	root    *root
	changed chan struct{} // size 1: a served document changed
	wake    chan struct{} // size 1: look at the deadlines again

	mu   sync.RWMutex
	rows map[string]*Certificate // never changed in place
}

// kind is the kind of row.
const kind = "certificate"

// Open loads the certificates, and makes the local authority if the directory has none.
func Open(ctx context.Context, store Store, config Config) (*Authority, error) {
	config.Region = cmp.Or(config.Region, "us-east-1")
	config.Account = cmp.Or(config.Account, "123456789012")
	a := &Authority{
		store: store, config: config, rows: map[string]*Certificate{},
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	err := store.Load(ctx, kind, func(key string, doc []byte) error {
		row := new(Certificate)
		a.rows[key] = row
		return json.Unmarshal(doc, row)
	})
	if err != nil {
		return nil, fmt.Errorf("load certificates: %w", err)
	}
	root, made, err := openRoot(config.Directory, time.Now())
	if err != nil {
		return nil, fmt.Errorf("open the local certificate authority: %w", err)
	}
	if a.root = root; made {
		err = a.update(ctx, func(tx *tx) error {
			tx.event(0, "certificate authority", "the local certificate authority was made: `drydock trust` says how to trust it",
				map[string]string{"fingerprint": a.Root().Fingerprint})
			return nil
		})
	}
	return a, err
}

// Certificate returns what a listener serves: the certificate's chain, its own document
// first, and its private key, as PEM.
func (a *Authority) Certificate(arn string) (chain, key string, err error) {
	c, err := a.find(arn)
	if err != nil {
		return "", "", err
	}
	chain = c.Body
	if c.Type == Imported {
		chain += c.Chain // the local root is trusted by its own document, not by what a server says
	}
	return chain, c.Key, nil
}

// Changed returns a channel that holds a token whenever a certificate was added, changed or
// removed since it was last received from. There is one, for one reader.
func (a *Authority) Changed() <-chan struct{} { return a.changed }

// find returns a certificate, or the refusal of an unknown one.
func (a *Authority) find(arn string) (*Certificate, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if c := a.rows[arn]; c != nil {
		return c, nil
	}
	return nil, a.notFound(arn)
}

// all returns the certificates, oldest first.
func (a *Authority) all() []*Certificate {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.SortedFunc(maps.Values(a.rows), func(x, y *Certificate) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.ARN, y.ARN))
	})
}

func (a *Authority) users(arn string) []string {
	if a.config.Users == nil {
		return nil
	}
	return a.config.Users(arn)
}

// tx is one change. Its rows are published when they are durable.
type tx struct {
	*Authority
	ctx    context.Context
	now    time.Time
	next   map[string]*Certificate // nil values are deletions
	events []timeline.Event
}

// update runs one change under the mutex and commits it.
func (a *Authority) update(ctx context.Context, change func(*tx) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &tx{Authority: a, ctx: ctx, now: time.Now().UTC(), next: map[string]*Certificate{}}
	if err := change(t); err != nil {
		return err
	}
	if len(t.next) == 0 && len(t.events) == 0 {
		return nil
	}
	rows := map[string]any{}
	for arn, c := range t.next {
		if rows[kind+"/"+arn] = nil; c != nil {
			rows[kind+"/"+arn] = c
		}
	}
	if err := a.store.Commit(ctx, rows, t.events); err != nil {
		return fmt.Errorf("commit certificate change: %w", err)
	}
	for arn, c := range t.next {
		if delete(a.rows, arn); c != nil {
			a.rows[arn] = c
		}
	}
	poke(a.changed)
	poke(a.wake)
	return nil
}

// get returns a certificate as the change sees it.
func (t *tx) get(arn string) (*Certificate, error) {
	if c := t.rows[arn]; c != nil {
		return c, nil
	}
	return nil, t.notFound(arn)
}

func (t *tx) put(c Certificate) { t.next[c.ARN] = &c }

// event records what the change did, and returns its number. Without a cause it is caused by
// what the context carries.
func (t *tx) event(cause int64, subject, message string, data map[string]string) int64 {
	seq := t.store.NextSeq()
	t.events = append(t.events, timeline.Event{
		Seq: seq, Time: t.now, Kind: timeline.Config, Subject: subject,
		Cause: cmp.Or(cause, timeline.CauseFrom(t.ctx)), Message: message, Data: data,
	})
	return seq
}

func (a *Authority) newARN() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("arn:aws:acm:%s:%s:certificate/%x-%x-%x-%x-%x",
		a.config.Region, a.config.Account, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
