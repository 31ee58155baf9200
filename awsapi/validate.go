package awsapi

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// violation is one constraint of the model that an input does not meet.
type violation struct {
	path    string // as the service family names members
	member  string // wire name of the member itself
	value   string // as text, for scalars
	missing bool
	scalar  bool
	rule    string // Member must …
}

// validate checks an input against the constraints of the service model: required
// members, lengths, ranges, enums and, where AWS checks them, patterns.
func validate(s *Service, operation string, in any) error {
	c := checker{protocol: s.Protocol, patterns: s.Protocol == Query || s.Name == "acm" || s.Name == "cloudwatch"}
	c.structure(reflect.ValueOf(in).Elem(), "")
	if len(c.found) == 0 {
		return nil
	}
	switch {
	case s.Protocol == EC2:
		return ec2Violation(c.found[0])
	case s.Name == "ecs":
		return ecsViolation(operation, c.found)
	case s.Protocol == JSON && s.Name != "cloudwatch": // which keeps Query's codes (WIRE-025)
		return &Error{Code: "ValidationException", Message: describeViolations(c.found)} // WIRE-021
	}
	return &Error{Code: "ValidationError", Message: describeViolations(c.found)}
}

type checker struct {
	protocol Protocol
	patterns bool // AWS checks them
	found    []violation
}

func (c *checker) structure(v reflect.Value, path string) {
	for _, f := range planOf(v.Type()).fields {
		member, at := v.Field(f.index), join(path, c.name(f))
		if absent(member) {
			if f.required {
				c.found = append(c.found, violation{path: at, member: f.name, missing: true, rule: "Member must not be null"})
			}
			continue
		}
		c.limits(member, f, f.limits, at)
		c.nested(member, f, at)
	}
}

// name returns how the family calls a member in error messages.
func (c *checker) name(f field) string {
	if c.protocol == EC2 {
		return f.form
	}
	return strings.ToLower(f.name[:1]) + f.name[1:]
}

// nested checks what a present member contains.
func (c *checker) nested(v reflect.Value, f field, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if e := v.Elem(); e.Kind() == reflect.Struct && e.Type() != timeT {
			c.structure(e, path)
		}
	case reflect.Slice:
		if t := v.Type(); t == rawT || t == blobT {
			return
		}
		for i := range v.Len() {
			at := path + "." + strconv.Itoa(i+1)
			if c.protocol != EC2 {
				at += ".member"
			}
			c.element(v.Index(i), f, at)
		}
	case reflect.Map:
		for _, key := range sortedMapKeys(v) {
			c.element(v.MapIndex(key), f, path+"."+key.String()+".member")
		}
	}
}

func (c *checker) element(v reflect.Value, f field, path string) {
	if v.Kind() == reflect.Struct && v.Type() != timeT {
		c.structure(v, path)
		return
	}
	c.limits(v, f, f.elem, path)
}

func (c *checker) limits(v reflect.Value, f field, l limits, path string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	rule := ""
	switch v.Kind() {
	case reflect.String:
		rule = c.textRule(v.String(), l)
	case reflect.Slice, reflect.Map:
		rule = outside(float64(v.Len()), l, "length")
	case reflect.Int64:
		rule = outside(float64(v.Int()), l, "value")
	case reflect.Float64:
		rule = outside(v.Float(), l, "value")
	}
	if rule == "" {
		return
	}
	bad := violation{path: path, member: f.name, rule: rule}
	if value, err := text(v); err == nil {
		bad.value, bad.scalar = value, true
	}
	c.found = append(c.found, bad)
}

func (c *checker) textRule(s string, l limits) string {
	if rule := outside(float64(utf8.RuneCountInString(s)), l, "length"); rule != "" {
		return rule
	}
	if l.enum != nil && !slices.Contains(l.enum, s) {
		return "Member must satisfy enum value set: [" + strings.Join(l.enum, ", ") + "]"
	}
	if c.patterns && l.pattern != nil && !l.pattern.MatchString(s) {
		return "Member must satisfy regular expression pattern: " + l.source
	}
	return ""
}

func outside(n float64, l limits, what string) string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case n < l.min:
		return "Member must have " + what + " greater than or equal to " + number(l.min)
	case n > l.max:
		return "Member must have " + what + " less than or equal to " + number(l.max)
	}
	return ""
}

// describeViolations words violations as AWS's own framework does (WIRE-011).
func describeViolations(found []violation) string {
	var texts []string
	for _, v := range found {
		value := "null"
		if v.scalar {
			value = "'" + v.value + "'"
		} else if !v.missing {
			value = "'[...]'"
		}
		texts = append(texts, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, v.path, v.rule))
	}
	noun := " validation errors detected: "
	if len(texts) == 1 {
		noun = " validation error detected: "
	}
	return strconv.Itoa(len(texts)) + noun + strings.Join(texts, "; ")
}

// ec2Violation words a violation as EC2 does: one at a time (WIRE-013).
func ec2Violation(v violation) error {
	if v.missing {
		return &Error{Code: "MissingParameter", Message: "The request must contain the parameter " + v.path}
	}
	return &Error{Code: "InvalidParameterValue", Message: fmt.Sprintf("Value (%s) for parameter %s is invalid. %s", v.value, v.path, v.rule)}
}

// ecsViolation words a missing member of the request itself in ECS's own way, the rest in
// the framework's. RegisterTaskDefinition blames the client, other operations the parameter (WIRE-012).
func ecsViolation(operation string, found []violation) error {
	code, blank := "InvalidParameterException", " can not be blank."
	if operation == "RegisterTaskDefinition" {
		code, blank = "ClientException", " should not be null or empty."
	}
	if v := found[0]; v.missing && v.path == v.member {
		return &Error{Code: code, Message: strings.ToUpper(v.member[:1]) + v.member[1:] + blank}
	}
	return &Error{Code: code, Message: describeViolations(found)}
}
