package orchestrator

import (
	"errors"
	"fmt"
)

// Error is a refusal in AWS's words.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the exception's type and message.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

func invalid(format string, args ...any) error {
	return &Error{"InvalidParameterException", fmt.Sprintf(format, args...)}
}

func clientError(format string, args ...any) error {
	return &Error{"ClientException", fmt.Sprintf(format, args...)}
}

var (
	errClusterNotFound  = &Error{"ClusterNotFoundException", "Cluster not found."}
	errServiceNotFound  = &Error{"ServiceNotFoundException", "Service not found."}
	errServiceNotActive = &Error{"ServiceNotActiveException", "Service was not ACTIVE."}
	errTaskNotFound     = &Error{"InvalidParameterException", "The referenced task was not found."}
)

// awsCode returns the AWS code of an error, empty if it has none.
func awsCode(err error) string {
	var coded interface{ AWSError() (string, string) }
	if !errors.As(err, &coded) {
		return ""
	}
	code, _ := coded.AWSError()
	return code
}
