package iam

import "fmt"

// Error is a refusal in IAM's words.
type Error struct {
	Code    string
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and message for the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

func errorf(code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// IAM-001
func noRole(name string) *Error {
	return errorf("NoSuchEntity", "The role with name %s cannot be found.", name)
}

func noPolicy(arn string) *Error {
	return errorf("NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
}

func exists(kind, name string) *Error {
	return errorf("EntityAlreadyExists", "%s with name %s already exists.", kind, name)
}

func conflict(message string) *Error { return &Error{"DeleteConflict", message} }
