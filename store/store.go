package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	sqlite3 "github.com/mattn/go-sqlite3"

	"drydock/timeline"
)

// File is the name of the database in the state directory.
const File = "drydock.db"

//go:embed migrations/*.sql
var migrations embed.FS

// DB is the state directory's database. It is safe for concurrent use.
type DB struct {
	write *sql.DB // one connection: writers queue here, not in SQLite
	read  *sql.DB
	lock  *os.File
	path  string // of the database
	seq   atomic.Int64

	// OnCommit, if set before the first Commit, sees the events of each transaction
	// once they are durable.
	OnCommit func([]timeline.Event)
}

// Open locks the state directory, makes it if need be, and opens its database.
// The errors name the directory, the reason and what to do.
func Open(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory %s: %w; name another with --state-dir", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, filepath.Join(dir, File))
	if err != nil {
		lock.Close()
		return nil, err
	}
	db.lock = lock
	return db, nil
}

func open(ctx context.Context, path string) (*DB, error) {
	if err := keepPrivate(path); err != nil {
		return nil, explainOpen(path, err)
	}
	// Every pragma stands in the DSN: run once on a pool, it would reach one connection only.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_foreign_keys=1&_txlock=immediate"
	write, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	db := &DB{write: write, path: path}
	if err := db.prepare(ctx, path); err != nil {
		write.Close()
		return nil, err
	}
	db.read, err = sql.Open("sqlite3", dsn+"&mode=ro&_query_only=1")
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("open %s for reading: %w", path, err)
	}
	db.read.SetMaxOpenConns(max(2, runtime.NumCPU()))
	return db, nil
}

// keepPrivate makes the database readable for its owner only, whatever the mode of its
// directory: it holds private keys of certificates and the environment of tasks. SQLite gives
// the files beside it the same mode.
func keepPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return f.Chmod(0o600)
}

// prepare migrates the schema, prunes what has grown old and finds the last sequence number.
func (db *DB) prepare(ctx context.Context, path string) error {
	if err := db.migrate(ctx); err != nil {
		return explainOpen(path, err)
	}
	if err := db.Prune(ctx); err != nil {
		return explainOpen(path, err)
	}
	var last sql.NullInt64
	if err := db.write.QueryRowContext(ctx, `SELECT max(seq) FROM events`).Scan(&last); err != nil {
		return explainOpen(path, err)
	}
	db.seq.Store(last.Int64)
	return nil
}

func explainOpen(path string, err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && (e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrCorrupt) {
		return fmt.Errorf("%s is damaged (%w): move it aside to start with an empty state, or put a copy back; drydock does not delete it", path, err)
	}
	unwritable := errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) ||
		errors.As(err, &e) && (e.Code == sqlite3.ErrReadonly || e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrPerm)
	if unwritable {
		return fmt.Errorf("%s cannot be written (%w): check the owner and mode of its directory", path, err)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// migrate runs the embedded migrations that the database has not seen. The number in
// user_version is how many it has.
func (db *DB) migrate(ctx context.Context) error {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	var version int
	if err := db.write.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("its schema is version %d and this drydock knows %d: use the newer drydock that wrote it, or another --state-dir", version, len(names))
	}
	for i := version; i < len(names); i++ {
		text, err := migrations.ReadFile("migrations/" + names[i].Name())
		if err != nil {
			return err
		}
		if err := db.migrateOne(ctx, i+1, string(text)); err != nil {
			return fmt.Errorf("migrate to version %d: %w", i+1, err)
		}
	}
	return nil
}

func (db *DB) migrateOne(ctx context.Context, version int, text string) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the database and gives the state directory free.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.write.Close(), db.lock.Close())
}

// splitKey splits "kind/key" at the first slash: keys are often ARNs and contain more.
func splitKey(key string) (kind, rest string, err error) {
	kind, rest, ok := strings.Cut(key, "/")
	if !ok || kind == "" || rest == "" {
		return "", "", fmt.Errorf("row key %q: want kind/key", key)
	}
	return kind, rest, nil
}
