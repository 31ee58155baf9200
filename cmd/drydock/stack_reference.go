package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// A placeholder stands for what is known only once something exists:
// ${loadBalancer.NAME.dnsName}. Names such as `targetGroup: users` are turned into
// placeholders as they are read, so that there is one way to resolve them all.
// What does not begin with one of these kinds is left alone: shells use ${} too.
var placeholderPattern = regexp.MustCompile(`\$\{(loadBalancer|listenerRule|targetGroup|securityGroup|taskDefinition|vpc|subnets|cluster)((?:\.[^.{}$]+)*)\}`)

// placeholderAttributes are what can be asked of each kind.
var placeholderAttributes = map[string][]string{
	"loadBalancer":   {"dnsName", "arn", "url"},
	"listenerRule":   {"arn"},
	"targetGroup":    {"arn"},
	"securityGroup":  {"id"},
	"taskDefinition": {"arn"},
	"vpc":            {"id", "cidr"},
	"subnets":        {"default"},
	"cluster":        {"name"},
}

// unnamedKinds have no name between kind and attribute.
var unnamedKinds = map[string]bool{"vpc": true, "subnets": true, "cluster": true}

// defaultSubnets stands for all default subnets, in a list.
const defaultSubnets = "${subnets.default}"

func isPlaceholder(text string) bool { return placeholderPattern.MatchString(text) }

func placeholder(kind, name, attribute string) string {
	return "${" + kind + "." + name + "." + attribute + "}"
}

// reference is a placeholder and where it stands.
type reference struct {
	file                  string
	line                  int
	path                  string
	kind, name, attribute string
	text                  string
}

// findReferences returns the placeholders in a text.
func findReferences(file string, line int, path, text string) []reference {
	var found []reference
	for _, m := range placeholderPattern.FindAllStringSubmatch(text, -1) {
		r := reference{file: file, line: line, path: path, kind: m[1], text: m[0]}
		parts := strings.Split(strings.TrimPrefix(m[2], "."), ".")
		r.attribute = parts[len(parts)-1]
		if !unnamedKinds[r.kind] {
			r.name = strings.Join(parts[:len(parts)-1], ".")
		}
		found = append(found, r)
	}
	return found
}

// resolver returns the values of a placeholder; only subnets have several.
type resolver func(r reference) ([]string, error)

// expand replaces the placeholders in every string of a shape. shape is a pointer.
func expand(shape any, resolve resolver) error {
	return expandValue(reflect.ValueOf(shape), resolve)
}

func expandValue(v reflect.Value, resolve resolver) error {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return expandValue(v.Elem(), resolve)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if err := expandValue(v.Field(i), resolve); err != nil {
				return err
			}
		}
	case reflect.Slice:
		return expandSlice(v, resolve)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			copied := reflect.New(v.Type().Elem()).Elem()
			copied.Set(v.MapIndex(key))
			if err := expandValue(copied, resolve); err != nil {
				return err
			}
			v.SetMapIndex(key, copied)
		}
	case reflect.String:
		text, err := expandText(v.String(), resolve)
		if err != nil {
			return err
		}
		v.SetString(text)
	}
	return nil
}

func expandSlice(v reflect.Value, resolve resolver) error {
	if list, ok := v.Interface().([]string); ok {
		var out []string
		for _, text := range list {
			if text != defaultSubnets {
				out = append(out, text)
				continue
			}
			subnets, err := resolve(reference{kind: "subnets", attribute: "default", text: text})
			if err != nil {
				return err
			}
			out = append(out, subnets...)
		}
		if list != nil && out == nil {
			out = []string{}
		}
		v.Set(reflect.ValueOf(out))
	}
	for i := range v.Len() {
		if err := expandValue(v.Index(i), resolve); err != nil {
			return err
		}
	}
	return nil
}

func expandText(text string, resolve resolver) (string, error) {
	for _, r := range findReferences("", 0, "", text) {
		values, err := resolve(r)
		if err != nil {
			return "", fmt.Errorf("resolve %s: %w", r.text, err)
		}
		text = strings.ReplaceAll(text, r.text, strings.Join(values, ","))
	}
	return text, nil
}

// cloneShape returns a deep copy of a shape, so that expanding it leaves the file's own.
func cloneShape[T any](shape T) T {
	copied := reflect.New(reflect.TypeFor[T]()).Elem()
	cloneValue(reflect.ValueOf(shape), copied)
	return copied.Interface().(T)
}

func cloneValue(from, to reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			cloneValue(from.Elem(), to.Elem())
		}
	case reflect.Struct:
		to.Set(from)
		for i := range from.NumField() {
			if from.Type().Field(i).IsExported() {
				cloneValue(from.Field(i), to.Field(i))
			}
		}
	case reflect.Slice:
		if !from.IsNil() {
			to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
			for i := range from.Len() {
				cloneValue(from.Index(i), to.Index(i))
			}
		}
	case reflect.Map:
		if !from.IsNil() {
			to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
			for _, key := range from.MapKeys() {
				value := reflect.New(from.Type().Elem()).Elem()
				cloneValue(from.MapIndex(key), value)
				to.SetMapIndex(key, value)
			}
		}
	default:
		to.Set(from)
	}
}
