package store

import (
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// WriteError is a change that could not be made durable, so that nothing of it was done. Its
// words are for the caller of the API: nobody else can make room.
type WriteError struct {
	Path string // of the database
	Err  error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("commit: %s cannot be written (%v): nothing was changed; make room on its disk, then try again", e.Path, e.Err)
}

func (e *WriteError) Unwrap() error { return e.Err }

// AWSError returns the code and message as they go on the wire.
func (e *WriteError) AWSError() (code, message string) { return "ServerException", e.Error() }

// explainCommit names the remedy where the disk is what is wrong.
func explainCommit(path string, err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && (e.Code == sqlite3.ErrFull || e.Code == sqlite3.ErrIoErr || e.Code == sqlite3.ErrReadonly) {
		return &WriteError{path, err}
	}
	return fmt.Errorf("commit: %w", err)
}
