package awsapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
)

// maxFormDepth bounds the dots in a form key; no AWS shape comes near.
const maxFormDepth = 32

// formNode is a form as a tree: "Tags.member.1.Key=a" is four levels deep.
type formNode struct {
	value    *string
	children map[string]*formNode
	used     bool
}

func newFormTree(form url.Values) (*formNode, error) {
	root := &formNode{}
	for key, values := range form {
		if strings.Count(key, ".") > maxFormDepth {
			return nil, errMalformed("A parameter name has too many levels.")
		}
		n := root
		for part := range strings.SplitSeq(key, ".") {
			n = n.add(part)
		}
		n.value = &values[0]
	}
	return root, nil
}

func (n *formNode) add(name string) *formNode {
	child := n.children[name]
	if child == nil {
		child = &formNode{}
		if n.children == nil {
			n.children = map[string]*formNode{}
		}
		n.children[name] = child
	}
	return child
}

// items returns the members of a list in the order of their numbers.
func (n *formNode) items() []*formNode {
	var numbers []int
	for name := range n.children {
		if i, err := strconv.Atoi(name); err == nil && strconv.Itoa(i) == name {
			numbers = append(numbers, i)
		}
	}
	sort.Ints(numbers)
	items := make([]*formNode, len(numbers))
	for i, number := range numbers {
		items[i] = n.children[strconv.Itoa(number)]
	}
	return items
}

// decodeForm fills the struct that in points to from a Query or EC2 form and returns the
// parameters that it does not have.
func decodeForm(p Protocol, form url.Values, in any) (unknown []string, err error) {
	tree, err := newFormTree(form)
	if err != nil {
		return nil, err
	}
	r := formReader{protocol: p}
	err = r.structure(reflect.ValueOf(in).Elem(), tree, "")
	tree.unused("", &unknown)
	sort.Strings(unknown)
	return unknown, err
}

// unused collects the parameters that nothing has read. Those that belong to the
// protocol, not to the operation, are not told.
func (n *formNode) unused(path string, into *[]string) {
	if n.value != nil && !n.used && !protocolParameter(path) {
		*into = append(*into, path)
	}
	for name, child := range n.children {
		child.unused(join(path, name), into)
	}
}

func protocolParameter(name string) bool {
	switch name {
	case "Action", "Version", "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-")
}

type formReader struct{ protocol Protocol }

// value reads n into v; path is the parameter's name for error messages.
func (r formReader) value(v reflect.Value, n *formNode, path string) error {
	switch v.Type() {
	case timeT, blobT, rawT:
		return r.scalar(v, n, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem(), n, path)
	case reflect.Struct:
		return r.structure(v, n, path)
	case reflect.Slice:
		return r.list(v, n, path)
	case reflect.Map:
		return r.dictionary(v, n, path)
	}
	return r.scalar(v, n, path)
}

func (r formReader) structure(v reflect.Value, n *formNode, path string) error {
	if n.value != nil && *n.value == "" {
		n.used = true // an empty structure is sent like an empty list
	}
	for _, f := range planOf(v.Type()).fields {
		child := n.children[f.form]
		if child == nil {
			continue
		}
		if err := r.value(v.Field(f.index), child, join(path, f.form)); err != nil {
			return err
		}
	}
	return nil
}

// list reads "Name.member.1" in Query and "Name.1" in EC2. "Name=" is an empty list (WIRE-003).
func (r formReader) list(v reflect.Value, n *formNode, path string) error {
	if n.value != nil && *n.value == "" {
		n.used = true
	}
	holder := n
	if r.protocol == Query {
		if holder = n.children["member"]; holder == nil {
			holder = &formNode{}
		}
	}
	items := holder.items()
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := r.value(v.Index(i), item, r.itemPath(path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (r formReader) itemPath(path string, i int) string {
	if r.protocol == Query {
		path += ".member"
	}
	return path + "." + strconv.Itoa(i+1)
}

// dictionary reads "Name.entry.1.key" and "Name.entry.1.value".
func (r formReader) dictionary(v reflect.Value, n *formNode, path string) error {
	if n.value != nil && *n.value == "" {
		n.used = true
	}
	v.Set(reflect.MakeMap(v.Type()))
	entries := n.children["entry"]
	if entries == nil {
		return nil
	}
	for i, entry := range entries.items() {
		key, value := entry.children["key"], entry.children["value"]
		if key == nil || key.value == nil || value == nil {
			return errMalformed(fmt.Sprintf("%s.entry.%d needs a key and a value", path, i+1))
		}
		key.used = true
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(elem, value, path+"."+*key.value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(*key.value), elem)
	}
	return nil
}

func (r formReader) scalar(v reflect.Value, n *formNode, path string) error {
	if n.value == nil {
		return r.invalid("", path)
	}
	n.used = true
	if err := setText(v, *n.value); err != nil {
		return r.invalid(*n.value, path)
	}
	return nil
}

func (r formReader) invalid(value, path string) error {
	if r.protocol == EC2 {
		return &Error{Code: "InvalidParameterValue", Message: fmt.Sprintf("Value (%s) for parameter %s is invalid.", value, path)}
	}
	return errMalformed(fmt.Sprintf("Value '%s' at '%s' is malformed", value, path))
}

// setText sets a scalar from its text in forms and XML.
func setText(v reflect.Value, s string) (err error) {
	switch v.Type() {
	case timeT:
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, s)
		v.Set(reflect.ValueOf(t.UTC()))
		return err
	case blobT:
		var b []byte
		b, err = base64.StdEncoding.DecodeString(s)
		v.SetBytes(b)
		return err
	case rawT:
		v.SetBytes([]byte(s))
		if !json.Valid(v.Bytes()) {
			err = fmt.Errorf("not a JSON document")
		}
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(s)
		v.SetBool(b)
	case reflect.Int64:
		var i int64
		i, err = strconv.ParseInt(s, 10, 64)
		v.SetInt(i)
	case reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(s, 64)
		v.SetFloat(f)
	default:
		err = fmt.Errorf("awsapi: type %s is not a scalar", v.Type())
	}
	return err
}

// text returns a scalar's text in forms and XML; times are ISO 8601 (WIRE-004).
func text(v reflect.Value) (string, error) {
	switch v.Type() {
	case timeT:
		return v.Interface().(time.Time).UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case blobT:
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	case rawT:
		return string(v.Bytes()), nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	}
	return "", fmt.Errorf("awsapi: type %s is not a scalar", v.Type())
}

// encodeForm returns a shape as a Query or EC2 form, for the client.
func encodeForm(p Protocol, in any) (url.Values, error) {
	w := formWriter{protocol: p, form: url.Values{}}
	v := reflect.ValueOf(in)
	if !v.IsValid() || absent(v) {
		return w.form, nil
	}
	return w.form, w.value(v, "")
}

type formWriter struct {
	protocol Protocol
	form     url.Values
}

func (w formWriter) value(v reflect.Value, path string) error {
	switch v.Type() {
	case timeT, blobT, rawT:
		return w.scalar(v, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return w.value(v.Elem(), path)
	case reflect.Struct:
		return w.structure(v, path)
	case reflect.Slice:
		return w.list(v, path)
	case reflect.Map:
		return w.dictionary(v, path)
	}
	return w.scalar(v, path)
}

func (w formWriter) structure(v reflect.Value, path string) error {
	for _, f := range planOf(v.Type()).fields {
		member := v.Field(f.index)
		if absent(member) {
			continue
		}
		if err := w.value(member, join(path, f.form)); err != nil {
			return err
		}
	}
	return nil
}

func (w formWriter) list(v reflect.Value, path string) error {
	if v.Len() == 0 {
		w.form.Set(path, "")
	}
	for i := range v.Len() {
		if err := w.value(v.Index(i), formReader{w.protocol}.itemPath(path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (w formWriter) dictionary(v reflect.Value, path string) error {
	if v.Len() == 0 {
		w.form.Set(path, "")
	}
	for i, key := range sortedMapKeys(v) {
		entry := path + ".entry." + strconv.Itoa(i+1)
		w.form.Set(entry+".key", key.String())
		if err := w.value(v.MapIndex(key), entry+".value"); err != nil {
			return err
		}
	}
	return nil
}

func (w formWriter) scalar(v reflect.Value, path string) error {
	s, err := text(v)
	w.form.Set(path, s)
	return err
}
