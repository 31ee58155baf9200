package logs

import "fmt"

// Error is a refusal in CloudWatch Logs' words.
type Error struct {
	Code    string
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and message for the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

// Is makes an Error without a message match every Error of its code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// ErrNotFound matches, with errors.Is, the refusal of an unknown group or stream.
var ErrNotFound error = &Error{Code: "ResourceNotFoundException"}

// CWL-001
var (
	errNoGroup      = &Error{"ResourceNotFoundException", "The specified log group does not exist."}
	errNoStream     = &Error{"ResourceNotFoundException", "The specified log stream does not exist."}
	errGroupExists  = &Error{"ResourceAlreadyExistsException", "The specified log group already exists"}
	errStreamExists = &Error{"ResourceAlreadyExistsException", "The specified log stream already exists"}
	errToken        = &Error{"InvalidParameterException", "The specified nextToken is invalid."}
)

func invalid(format string, args ...any) *Error {
	return &Error{"InvalidParameterException", fmt.Sprintf(format, args...)}
}
