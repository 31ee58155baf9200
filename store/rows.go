package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"drydock/timeline"
)

// NextSeq returns the sequence number for the next event. It never returns the same number twice.
func (db *DB) NextSeq() int64 { return db.seq.Add(1) }

// Load calls each for every row of a kind, in the order of their keys.
func (db *DB) Load(ctx context.Context, kind string, each func(key string, doc []byte) error) error {
	rows, err := db.read.QueryContext(ctx, `SELECT key, doc FROM rows WHERE kind = ? ORDER BY key`, kind)
	if err != nil {
		return fmt.Errorf("load %s: %w", kind, err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var doc []byte
		if err := rows.Scan(&key, &doc); err != nil {
			return fmt.Errorf("load %s: %w", kind, err)
		}
		if err := each(key, doc); err != nil {
			return fmt.Errorf("load %s %s: %w", kind, key, err)
		}
	}
	return rows.Err()
}

// Commit makes rows and events durable in one transaction. Keys of rows are
// "kind/key"; a nil document deletes the row; any other is stored as JSON.
func (db *DB) Commit(ctx context.Context, rows map[string]any, events []timeline.Event) error {
	if len(rows) == 0 && len(events) == 0 {
		return nil
	}
	// An acknowledged change is never left half done because a caller went away.
	ctx = context.WithoutCancel(ctx)
	if err := db.transact(ctx, rows, events); err != nil {
		return explainCommit(db.path, err)
	}
	if db.OnCommit != nil && len(events) > 0 {
		db.OnCommit(events)
	}
	return nil
}

func (db *DB) transact(ctx context.Context, rows map[string]any, events []timeline.Event) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := putRows(ctx, tx, rows); err != nil {
		return err
	}
	if err := putEvents(ctx, tx, events); err != nil {
		return err
	}
	return tx.Commit()
}

func putRows(ctx context.Context, tx *sql.Tx, rows map[string]any) error {
	for key, doc := range rows {
		kind, rest, err := splitKey(key)
		if err != nil {
			return err
		}
		if doc == nil {
			if _, err := tx.ExecContext(ctx, `DELETE FROM rows WHERE kind = ? AND key = ?`, kind, rest); err != nil {
				return fmt.Errorf("delete %s: %w", key, err)
			}
			continue
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("encode %s: %w", key, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO rows (kind, key, doc) VALUES (?, ?, ?)
			ON CONFLICT (kind, key) DO UPDATE SET doc = excluded.doc`, kind, rest, string(text)); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
	}
	return nil
}

func putEvents(ctx context.Context, tx *sql.Tx, events []timeline.Event) error {
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO events (seq, time, doc) VALUES (?, ?, ?)`, e.Seq, e.Time.UnixNano(), string(text)); err != nil {
			return fmt.Errorf("put event %d: %w", e.Seq, err)
		}
	}
	return nil
}
