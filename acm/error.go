package acm

import "fmt"

// Error is a refusal in ACM's words.
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

// ErrNotFound matches, with errors.Is, the refusal of an unknown certificate.
var ErrNotFound error = &Error{Code: "ResourceNotFoundException"}

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *Error {
	return refuse("ValidationException", format, args...)
}

// ACM-010
func (a *Authority) notFound(arn string) *Error {
	return refuse("ResourceNotFoundException", "Could not find certificate %s in account %s.", arn, a.config.Account)
}

// ACM-011
func (a *Authority) inUse(arn string) *Error {
	return refuse("ResourceInUseException", "Certificate %s in account %s is in use.", arn, a.config.Account)
}

func unsupported(member string) *Error {
	return refuse("InvalidParameterException", "%s is not supported by drydock yet; leave it out", member)
}
