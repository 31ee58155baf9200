package cloudwatch

import "fmt"

// Error is a refusal in CloudWatch's words.
type Error struct {
	Code    string
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and message for the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid refuses a value, in what ValidationError says for CloudWatch's older operations.
func invalid(format string, args ...any) *Error { return refuse("ValidationError", format, args...) }

func badValue(format string, args ...any) *Error {
	return refuse("InvalidParameterValue", format, args...)
}

func badCombination(format string, args ...any) *Error {
	return refuse("InvalidParameterCombination", format, args...)
}
