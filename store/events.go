package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"drydock/timeline"
)

// How many events and failed requests are kept.
const (
	keptEvents   = 200_000
	keptOutcomes = 20_000
)

// EventsAfter returns at most limit events with a sequence number above seq, oldest first.
func (db *DB) EventsAfter(ctx context.Context, seq int64, limit int) ([]timeline.Event, error) {
	return query[timeline.Event](ctx, db.read, `SELECT doc FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
}

// LastEvents returns the last n events, oldest first.
func (db *DB) LastEvents(ctx context.Context, n int) ([]timeline.Event, error) {
	return query[timeline.Event](ctx, db.read, `SELECT doc FROM (SELECT seq, doc FROM events ORDER BY seq DESC LIMIT ?) ORDER BY seq`, n)
}

// EventsBetween returns the events from from to to, both included, oldest first.
func (db *DB) EventsBetween(ctx context.Context, from, to time.Time) ([]timeline.Event, error) {
	return query[timeline.Event](ctx, db.read, `SELECT doc FROM events WHERE time BETWEEN ? AND ? ORDER BY seq`, from.UnixNano(), to.UnixNano())
}

// KeepOutcomes makes the outcomes of failed requests durable. Those that are there already,
// by their ids, stay as they are.
func (db *DB) KeepOutcomes(ctx context.Context, outcomes []timeline.Outcome) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep %d outcomes: %w", len(outcomes), err)
	}
	defer tx.Rollback()
	for _, o := range outcomes {
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("encode outcome %s: %w", o.ID, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO outcomes (time, doc) VALUES (?, ?)`, o.Start.UnixNano(), string(text)); err != nil {
			return fmt.Errorf("keep outcome %s: %w", o.ID, err)
		}
	}
	return tx.Commit()
}

// FollowOutcomes adds epilogues to the outcomes that they follow, as far as those are kept.
func (db *DB) FollowOutcomes(ctx context.Context, epilogues []timeline.Epilogue) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep %d epilogues: %w", len(epilogues), err)
	}
	defer tx.Rollback()
	for _, e := range epilogues {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode the epilogue of %s: %w", e.ID, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE outcomes SET doc = json_set(doc, '$.epilogue', json(?)) WHERE json_extract(doc, '$.id') = ?`, string(text), e.ID); err != nil {
			return fmt.Errorf("keep the epilogue of %s: %w", e.ID, err)
		}
	}
	return tx.Commit()
}

// LastOutcomes returns the last n outcomes that were kept, oldest first.
func (db *DB) LastOutcomes(ctx context.Context, n int) ([]timeline.Outcome, error) {
	return query[timeline.Outcome](ctx, db.read, `SELECT doc FROM (SELECT n, doc FROM outcomes ORDER BY n DESC LIMIT ?) ORDER BY n`, n)
}

// query decodes the one JSON column of a query.
func query[T any](ctx context.Context, db *sql.DB, text string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		var one T
		if err := json.Unmarshal(doc, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Prune drops the oldest events and outcomes beyond those that are kept.
func (db *DB) Prune(ctx context.Context) error {
	if _, err := db.write.ExecContext(ctx, `DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?`, keptEvents); err != nil {
		return err
	}
	_, err := db.write.ExecContext(ctx, `DELETE FROM outcomes WHERE n <= (SELECT max(n) FROM outcomes) - ?`, keptOutcomes)
	return err
}
