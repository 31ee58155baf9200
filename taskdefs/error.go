package taskdefs

import "fmt"

// Error is a refusal in AWS's own words.
type Error struct {
	Code    string // ClientException, InvalidParameterException or SerializationException
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns what goes over the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

func clientError(format string, args ...any) error {
	return &Error{Code: "ClientException", Message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) error {
	return &Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) error {
	return &Error{Code: "SerializationException", Message: fmt.Sprintf(format, args...)}
}
