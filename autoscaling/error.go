package autoscaling

import "fmt"

// Error is a refusal in Application Auto Scaling's words.
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

func invalid(format string, args ...any) *Error {
	return refuse("ValidationException", format, args...)
}

// AAS-002
func noTarget(resource string) *Error {
	return refuse("ObjectNotFoundException", "No scalable target registered for service namespace: ecs, resource ID: %s, scalable dimension: %s", resource, Dimension)
}

func noPolicy(resource, name string) *Error {
	return refuse("ObjectNotFoundException", "No scaling policy found for service namespace: ecs, resource ID: %s, scalable dimension: %s, policy name: %s", resource, Dimension, name)
}

func noAction(resource, name string) *Error {
	return refuse("ObjectNotFoundException", "No scheduled action found for service namespace: ecs, resource ID: %s, scalable dimension: %s, scheduled action name: %s", resource, Dimension, name)
}
