package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxStackNodes bounds what aliases can make of a small file.
const maxStackNodes = 200_000

// stackDecoder fills AWS input shapes from YAML nodes. It collects mistakes instead of
// stopping at the first.
type stackDecoder struct {
	file   string
	errs   stackErrors
	nodes  int
	strict bool           // unknown members are mistakes
	lines  map[string]int // line of each path

	// extra handles a member that the shape does not have; it reports whether it knew it.
	extra func(d *stackDecoder, shape reflect.Value, key, value *yaml.Node, path string) bool
	// member handles a member of a shape in a way of its own; it reports whether it did.
	member func(d *stackDecoder, shape reflect.Value, name string, value *yaml.Node, path string) bool
	// text sees every string that is read.
	text func(file string, line int, path, value string)
}

func (d *stackDecoder) fail(n *yaml.Node, path, reason, remedy string) {
	d.errs = append(d.errs, &stackError{d.file, n.Line, path, reason, remedy})
}

// entry is one member of a mapping.
type entry struct{ key, value *yaml.Node }

// entries returns the members of a mapping, with merge keys (<<) resolved. Double keys
// are mistakes.
func (d *stackDecoder) entries(n *yaml.Node, path string) []entry {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "is "+describeNode(n)+", not a mapping of fields", "write it as `field: value` lines, indented")
		return nil
	}
	var all []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if key.Tag == "!!merge" {
			continue
		}
		if seen[key.Value] {
			d.fail(key, join(path, key.Value), "is given twice", "remove one")
			continue
		}
		seen[key.Value] = true
		all = append(all, entry{key, value})
	}
	for _, merged := range d.merged(n, path) {
		if !seen[merged.key.Value] {
			seen[merged.key.Value] = true
			all = append(all, merged)
		}
	}
	return all
}

func (d *stackDecoder) merged(n *yaml.Node, path string) []entry {
	var all []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" || !d.spend(n, path) {
			continue
		}
		source := resolve(n.Content[i+1])
		if source.Kind != yaml.SequenceNode {
			all = append(all, d.entries(source, path)...)
			continue
		}
		for _, one := range source.Content {
			all = append(all, d.entries(one, path)...)
		}
	}
	return all
}

// items returns the elements of a sequence.
func (d *stackDecoder) items(n *yaml.Node, path string) []*yaml.Node {
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "is "+describeNode(n)+", not a list", "write each element on a line that starts with `- `")
		return nil
	}
	return n.Content
}

// shape fills the struct that into is.
func (d *stackDecoder) shape(n *yaml.Node, into reflect.Value, path string) {
	if !d.spend(n, path) {
		return
	}
	n = resolve(n)
	for _, e := range d.entries(n, path) {
		d.shapeMember(e, into, join(path, e.key.Value))
	}
	d.required(n, into, path)
}

func (d *stackDecoder) shapeMember(e entry, into reflect.Value, path string) {
	d.lines[path] = e.key.Line
	field, ok := memberOf(into.Type(), e.key.Value)
	switch {
	case d.extra != nil && d.extra(d, into, e.key, e.value, path):
	case !ok && d.strict:
		d.fail(e.key, path, "there is no such field in "+shapeName(into.Type()), didYouMean(e.key.Value, memberNames(into.Type())))
	case !ok:
	case d.member != nil && d.member(d, into, field.Name, e.value, path):
	default:
		d.value(e.value, into.FieldByIndex(field.Index), field.Tag, path)
	}
}

// required reports the members that the API requires and the file lacks. Members
// that are resolved later hold a placeholder by now.
func (d *stackDecoder) required(n *yaml.Node, into reflect.Value, path string) {
	for i := range into.NumField() {
		f := into.Type().Field(i)
		_, options, _ := strings.Cut(f.Tag.Get("aws"), ",")
		field := into.Field(i)
		switch {
		case !strings.HasPrefix(options, "req"):
		case field.IsZero() && !given(n, f.Name):
			d.fail(n, join(path, memberName(f)), "is missing", "AWS requires it")
		case field.Kind() == reflect.Slice && !field.IsNil() && field.Len() == 0:
			d.fail(n, join(path, memberName(f)), "is empty", "AWS requires at least one")
		}
	}
}

// given reports whether a mapping has a member, right or wrong.
func given(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, name) {
			return true
		}
	}
	return false
}

// value fills one member, list element or map value.
func (d *stackDecoder) value(n *yaml.Node, into reflect.Value, tag reflect.StructTag, path string) {
	n = resolve(n)
	if !d.spend(n, path) {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.fail(n, path, "has no value", "give it one or remove the line")
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(n, into.Elem(), tag, path)
	case reflect.Struct:
		if into.Type() == reflect.TypeFor[time.Time]() {
			d.time(n, into, path)
			return
		}
		d.shape(n, into, path)
	case reflect.Slice:
		d.list(n, into, tag, path)
	case reflect.Map:
		d.mapping(n, into, path)
	default:
		d.scalar(n, into, tag, path)
	}
}

func (d *stackDecoder) list(n *yaml.Node, into reflect.Value, tag reflect.StructTag, path string) {
	if into.Type() == reflect.TypeFor[json.RawMessage]() {
		d.document(n, into, path)
		return
	}
	items := d.items(n, path)
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item, list.Index(i), elementTag(tag), fmt.Sprintf("%s[%d]", path, i))
	}
	if lowest, _ := limitsOf(tag); len(items) > 0 || lowest == nil || *lowest == 0 {
		into.Set(list)
	} else {
		d.fail(n, path, "is empty", "give at least one element or remove it")
	}
}

func (d *stackDecoder) mapping(n *yaml.Node, into reflect.Value, path string) {
	m := reflect.MakeMap(into.Type())
	for _, e := range d.entries(n, path) {
		v := reflect.New(into.Type().Elem()).Elem()
		d.value(e.value, v, "", join(path, e.key.Value))
		m.SetMapIndex(reflect.ValueOf(e.key.Value), v)
	}
	into.Set(m)
}

func (d *stackDecoder) document(n *yaml.Node, into reflect.Value, path string) {
	var v any
	err := n.Decode(&v)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(v); err == nil {
			into.SetBytes(data)
			return
		}
	}
	d.fail(n, path, err.Error(), "write it as JSON would have it")
}

func (d *stackDecoder) time(n *yaml.Node, into reflect.Value, path string) {
	at, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		d.fail(n, path, quote(n)+" is not a time", "write it as 2026-01-31T12:00:00Z")
		return
	}
	into.Set(reflect.ValueOf(at))
}

func (d *stackDecoder) scalar(n *yaml.Node, into reflect.Value, tag reflect.StructTag, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "is "+describeNode(n)+", not a single value", "")
		return
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(n.Value)
		d.limitText(n, tag, path)
		if d.text != nil {
			d.text(d.file, n.Line, path, n.Value)
		}
	case reflect.Bool:
		v, err := strconv.ParseBool(strings.ToLower(n.Value))
		if err != nil {
			d.fail(n, path, quote(n)+" is neither true nor false", "")
		}
		into.SetBool(v)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil {
			d.fail(n, path, quote(n)+" is not a whole number", "")
			return
		}
		into.SetInt(v)
		d.limitNumber(n, float64(v), tag, path)
	case reflect.Float32, reflect.Float64:
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			d.fail(n, path, quote(n)+" is not a number", "")
			return
		}
		into.SetFloat(v)
		d.limitNumber(n, v, tag, path)
	default:
		d.fail(n, path, "cannot be given in a stack file", "remove it")
	}
}

func (d *stackDecoder) limitText(n *yaml.Node, tag reflect.StructTag, path string) {
	if isPlaceholder(n.Value) {
		return
	}
	if enum := tag.Get("enum"); enum != "" {
		allowed := strings.Split(enum, "|")
		for _, a := range allowed {
			if a == n.Value {
				return
			}
		}
		d.fail(n, path, quote(n)+" is not one of its values", didYouMean(n.Value, allowed))
		return
	}
	lowest, highest := limitsOf(tag)
	length := float64(utf8.RuneCountInString(n.Value))
	switch {
	case lowest != nil && length < *lowest:
		d.fail(n, path, quote(n)+" is too short", fmt.Sprintf("it needs at least %g characters", *lowest))
	case highest != nil && length > *highest:
		d.fail(n, path, quote(n)+" is too long", fmt.Sprintf("it may have %g characters", *highest))
	}
}

func (d *stackDecoder) limitNumber(n *yaml.Node, v float64, tag reflect.StructTag, path string) {
	lowest, highest := limitsOf(tag)
	if (lowest == nil || v >= *lowest) && (highest == nil || v <= *highest) {
		return
	}
	switch {
	case lowest != nil && highest != nil:
		d.fail(n, path, n.Value+" is out of range", fmt.Sprintf("choose from %g to %g", *lowest, *highest))
	case lowest != nil:
		d.fail(n, path, n.Value+" is too small", fmt.Sprintf("choose at least %g", *lowest))
	default:
		d.fail(n, path, n.Value+" is too big", fmt.Sprintf("choose at most %g", *highest))
	}
}

// spend counts a node and reports whether there may be more.
func (d *stackDecoder) spend(n *yaml.Node, path string) bool {
	d.nodes++
	if d.nodes == maxStackNodes {
		d.fail(n, path, "the file has too many values", "look for aliases that contain each other")
	}
	return d.nodes < maxStackNodes
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// memberOf finds the field of a shape by AWS's name for it; the case of the first letter
// does not matter, so that lower-first and upper-first services read alike.
func memberOf(shape reflect.Type, name string) (reflect.StructField, bool) {
	for i := range shape.NumField() {
		f := shape.Field(i)
		wire, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
		if lowerFirst(f.Name) == lowerFirst(name) || lowerFirst(wire) == lowerFirst(name) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func memberNames(shape reflect.Type) []string {
	var names []string
	for i := range shape.NumField() {
		names = append(names, memberName(shape.Field(i)))
	}
	return names
}

func memberName(f reflect.StructField) string { return lowerFirst(f.Name) }

// shapeName is what users call a shape: without what makes it an input.
func shapeName(shape reflect.Type) string {
	name := strings.TrimPrefix(shape.Name(), "Register")
	name = strings.TrimPrefix(name, "Create")
	return strings.TrimSuffix(strings.TrimSuffix(name, "Request"), "Input")
}

func limitsOf(tag reflect.StructTag) (lowest, highest *float64) {
	for part := range strings.SplitSeq(tag.Get("limits"), ",") {
		key, text, _ := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		if key == "min" {
			lowest = &v
		} else {
			highest = &v
		}
	}
	return lowest, highest
}

// elementTag returns the tag that the elements of a list go by.
func elementTag(tag reflect.StructTag) reflect.StructTag {
	return reflect.StructTag(fmt.Sprintf("enum:%q limits:%q", tag.Get("elemenum"), tag.Get("elemlimits")))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func quote(n *yaml.Node) string { return strconv.Quote(n.Value) }

func describeNode(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "empty"
	}
	return "the single value " + quote(n)
}
