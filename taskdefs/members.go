package taskdefs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decodeTree reads a JSON object, keeping numbers as they were written.
func decodeTree(doc []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, malformed("the task definition is not valid JSON: %s", describeSyntax(doc, err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, malformed("the task definition is followed by something else at line %d", lineAt(doc, d.InputOffset()))
	}
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, malformed("the task definition must be a JSON object, not %s", kindOf(v))
	}
	return tree, nil
}

func describeSyntax(doc []byte, err error) string {
	syntax, ok := err.(*json.SyntaxError)
	if !ok {
		return "it ends too early"
	}
	return fmt.Sprintf("line %d: %s", lineAt(doc, syntax.Offset), syntax)
}

func lineAt(doc []byte, offset int64) int {
	return 1 + bytes.Count(doc[:min(int(offset), len(doc))], []byte("\n"))
}

// reader compares a document with the typed view: it refuses values of the wrong type,
// outside an enumeration or a range, and collects what the API doesn't know.
type reader struct {
	unknown []string // paths
}

// read returns v without unknown members and nulls. AWS takes null as absent (ECS-103).
func (r *reader) read(path string, v any, t reflect.Type, tag reflect.StructTag) (any, error) {
	switch t.Kind() {
	case reflect.Pointer:
		return r.read(path, v, t.Elem(), tag)
	case reflect.Struct:
		return r.readStruct(path, v, t)
	case reflect.Slice:
		return r.readList(path, v, t, tag)
	case reflect.Map:
		return r.readMap(path, v, t)
	default:
		return v, checkScalar(path, v, t, tag)
	}
}

func (r *reader) readStruct(path string, v any, t reflect.Type) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, wrongType(path, "an object", v)
	}
	known := map[string]any{}
	for _, f := range members(t) {
		value := object[f.name]
		if value == nil {
			if f.tag.Get("required") == "true" {
				return nil, invalidParameter("%s is required.", join(path, f.name))
			}
			continue
		}
		read, err := r.read(join(path, f.name), value, f.typ, f.tag)
		if err != nil {
			return nil, err
		}
		known[f.name] = read
	}
	r.noteUnknown(path, object, t)
	return known, nil
}

func (r *reader) noteUnknown(path string, object map[string]any, t reflect.Type) {
	names := members(t)
	for name := range object {
		if !slices.ContainsFunc(names, func(m member) bool { return m.name == name }) {
			r.unknown = append(r.unknown, join(path, name))
		}
	}
}

func (r *reader) readList(path string, v any, t reflect.Type, tag reflect.StructTag) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, wrongType(path, "a list", v)
	}
	read := make([]any, 0, len(list))
	for i, item := range list {
		item, err := r.read(fmt.Sprintf("%s[%d]", path, i), item, t.Elem(), reflect.StructTag(itemTag(tag)))
		if err != nil {
			return nil, err
		}
		read = append(read, item)
	}
	return read, nil
}

// itemTag keeps of a list's tag what applies to its items.
func itemTag(tag reflect.StructTag) string {
	return fmt.Sprintf(`enum:%q`, tag.Get("enum"))
}

func (r *reader) readMap(path string, v any, t reflect.Type) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, wrongType(path, "an object", v)
	}
	for key, value := range object {
		if err := checkScalar(join(path, key), value, t.Elem(), ""); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func checkScalar(path string, v any, t reflect.Type, tag reflect.StructTag) error {
	switch t.Kind() {
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			return wrongType(path, "a string", v)
		}
		return checkEnum(path, s, tag.Get("enum"))
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return wrongType(path, "true or false", v)
		}
		return nil
	default:
		n, ok := v.(json.Number)
		if !ok {
			return wrongType(path, "an integer", v)
		}
		return checkInteger(path, n, t, tag.Get("range"))
	}
}

func checkEnum(path, s, enum string) error {
	if enum == "" || slices.Contains(strings.Split(enum, ","), s) {
		return nil
	}
	return invalidParameter("%s: '%s' is not one of %s.", path, s, strings.ReplaceAll(enum, ",", ", "))
}

func checkInteger(path string, n json.Number, t reflect.Type, bounds string) error {
	i, err := strconv.ParseInt(n.String(), 10, t.Bits())
	if err != nil {
		return malformed("%s: expected an integer, found %s", path, n)
	}
	if bounds == "" {
		return nil
	}
	var low, high int64
	fmt.Sscanf(bounds, "%d-%d", &low, &high)
	if i < low || i > high {
		return invalidParameter("%s: %d is not between %d and %d.", path, i, low, high)
	}
	return nil
}

func wrongType(path, want string, v any) error {
	return malformed("%s: expected %s, found %s", path, want, kindOf(v))
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("the string %q", v)
	case json.Number:
		return "the number " + v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// member is one member of a structure, in the API's order.
type member struct {
	name string
	typ  reflect.Type
	tag  reflect.StructTag
}

func members(t reflect.Type) []member {
	var all []member
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("input") == "-" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, member{name, f.Type, f.Tag})
	}
	return all
}
