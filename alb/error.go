package alb

import (
	"errors"
	"fmt"
)

// Error is a refusal in ELBv2's words.
type Error struct {
	Code    string // as on the wire: TargetGroupNotFound
	Message string
}

// Error returns "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and the message for the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

// IsCode reports whether err is, or wraps, an [Error] with this code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *Error {
	return refuse("ValidationError", format, args...)
}

// constraint is the message of the API model's own checks (ALB-201).
func constraint(value any, member, rule string) *Error {
	return invalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: Member must %s", value, member, rule)
}

func loadBalancersNotFound() *Error {
	return refuse("LoadBalancerNotFound", "One or more load balancers not found")
}

func loadBalancerNotFound(arn string) *Error {
	return refuse("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

func targetGroupsNotFound() *Error {
	return refuse("TargetGroupNotFound", "One or more target groups not found")
}

func listenersNotFound() *Error {
	return refuse("ListenerNotFound", "One or more listeners not found")
}

func rulesNotFound() *Error {
	return refuse("RuleNotFound", "One or more rules not found")
}

// unsupported is the one place for what AWS has and drydock refuses for now.
func unsupported(code, what, instead string) *Error {
	return refuse(code, "%s is not supported by drydock yet; %s", what, instead)
}

func unsupportedListenerProtocol(protocol string) *Error {
	switch protocol {
	case "TLS", "TCP", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC":
		return refuse("UnsupportedProtocol", "Listener protocol '%s' is not supported by load balancers of type 'application'", protocol)
	}
	return constraint(protocol, "protocol", "satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]")
}

func unsupportedAction(kind string) *Error {
	return unsupported("InvalidLoadBalancerAction", fmt.Sprintf("The action type '%s'", kind), "use forward, redirect or fixed-response")
}
