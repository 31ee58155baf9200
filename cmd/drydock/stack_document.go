package main

import (
	"encoding/json"
	"reflect"
	"strings"
)

// documentOf returns a shape as the JSON document that AWS has for it: members by their
// wire names, absent ones left out.
func documentOf(shape any) any { return documentValue(reflect.ValueOf(shape)) }

func documentValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return documentValue(v.Elem())
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return v.Interface()
		}
		return documentStruct(v)
	case reflect.Slice:
		return documentSlice(v)
	case reflect.Map:
		m := map[string]any{}
		for _, key := range v.MapKeys() {
			m[key.String()] = documentValue(v.MapIndex(key))
		}
		return m
	}
	return v.Interface()
}

func documentStruct(v reflect.Value) map[string]any {
	m := map[string]any{}
	for i := range v.NumField() {
		wire, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
		field := v.Field(i)
		absent := (field.Kind() == reflect.Pointer || field.Kind() == reflect.Slice || field.Kind() == reflect.Map) && field.IsNil()
		if wire != "" && !absent {
			m[wire] = documentValue(field)
		}
	}
	return m
}

func documentSlice(v reflect.Value) any {
	if raw, ok := v.Interface().(json.RawMessage); ok {
		return raw
	}
	list := make([]any, v.Len())
	for i := range list {
		list[i] = documentValue(v.Index(i))
	}
	return list
}

// copyMembers fills a shape from another by the names of their members. What only one of
// them has is passed over.
func copyMembers(from, to any) {
	source, target := reflect.ValueOf(from), reflect.ValueOf(to).Elem()
	if source.Kind() == reflect.Pointer {
		source = source.Elem()
	}
	for i := range target.NumField() {
		value := source.FieldByName(target.Type().Field(i).Name)
		if value.IsValid() && value.Type() == target.Field(i).Type() {
			target.Field(i).Set(value)
		}
	}
}

// covers reports whether what exists has everything that is wanted: every member that is
// given in want is the same in have. What want leaves open may be anything.
func covers(have, want any) bool {
	return coversValue(reflect.ValueOf(have), reflect.ValueOf(want))
}

func coversValue(have, want reflect.Value) bool {
	switch want.Kind() {
	case reflect.Pointer:
		if want.IsNil() {
			return true
		}
		if have.Kind() != reflect.Pointer || have.IsNil() {
			return want.Elem().Kind() != reflect.Struct && want.Elem().IsZero()
		}
		return coversValue(have.Elem(), want.Elem())
	case reflect.Struct:
		for i := range want.NumField() {
			member := have.FieldByName(want.Type().Field(i).Name)
			if member.IsValid() && !coversValue(member, want.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		return want.IsNil() || coversSlice(have, want)
	case reflect.Map:
		return want.IsNil() || reflect.DeepEqual(have.Interface(), want.Interface())
	}
	return have.Interface() == want.Interface()
}

// coversSlice compares lists as sets where they hold plain values, else in order.
func coversSlice(have, want reflect.Value) bool {
	if have.Len() != want.Len() {
		return false
	}
	if wanted, ok := want.Interface().([]string); ok {
		return sameSet(have.Interface().([]string), wanted)
	}
	for i := range want.Len() {
		if !coversValue(have.Index(i), want.Index(i)) {
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, v := range a {
		count[v]++
	}
	for _, v := range b {
		count[v]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
