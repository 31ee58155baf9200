package network

import (
	"fmt"
	"net/netip"
)

// Error is a refusal in EC2's words.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AWSError returns the code and message for the wire.
func (e *Error) AWSError() (code, message string) { return e.Code, e.Message }

// Is makes an Error without a message match every Error of its code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// ErrNoAddress matches, with errors.Is, the refusal of an address because the subnets are full.
var ErrNoAddress error = &Error{Code: "InsufficientFreeAddressesInSubnet"}

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// NET-010
func vpcNotFound(id string) *Error {
	return errorf("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
}

// NET-010
func subnetNotFound(id string) *Error {
	return errorf("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

// NET-010
func groupNotFound(id string) *Error {
	return errorf("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

func interfaceNotFound(id string) *Error {
	return errorf("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
}

// NET-011
func malformedID(code, id, prefix string) *Error {
	return errorf(code, `Invalid id: "%s" (expecting "%s...")`, id, prefix)
}

// NET-012
func groupDuplicate(name, vpcID string) *Error {
	return errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, vpcID)
}

// NET-014
func groupInUse(id string) *Error {
	return errorf("DependencyViolation", "resource %s has a dependent object", id)
}

// NET-015
func cannotDeleteDefault(g SecurityGroup) *Error {
	return errorf("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
}

// NET-020
func ruleDuplicate(r Rule) *Error {
	return errorf("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, r.describe())
}

// NET-021
func ruleNotFound() *Error {
	return errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

// NET-025
func ruleTwice() *Error {
	return invalidValue("The same permission must not appear multiple times")
}

func ruleIDNotFound(id string) *Error {
	return errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
}

// NET-023
func permissionMalformed(format string, args ...any) *Error {
	return errorf("InvalidPermission.Malformed", format, args...)
}

func invalidValue(format string, args ...any) *Error {
	return errorf("InvalidParameterValue", format, args...)
}

func missing(parameter string) *Error {
	return errorf("MissingParameter", "The request must contain the parameter %s", parameter)
}

func noAddress(subnets []Subnet) *Error {
	id, ranges := "", netip.Prefix{}
	if len(subnets) > 0 {
		id, ranges = subnets[0].ID, subnets[0].CIDR
	}
	return errorf("InsufficientFreeAddressesInSubnet",
		"There are not enough free addresses in subnet '%s' to satisfy the request. Its range is %s; released addresses are free again after a while.", id, ranges)
}
