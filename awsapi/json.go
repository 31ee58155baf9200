package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sort"
	"strconv"
	"time"
)

// decodeJSON fills the struct that in points to and returns the paths of members that
// it does not have. An empty body is an empty object.
func decodeJSON(body []byte, in any) (unknown []string, err error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return nil, errSerialization("The request body is not valid JSON: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errSerialization("The request body has something after its JSON document.")
	}
	r := jsonReader{}
	err = r.value(reflect.ValueOf(in).Elem(), document, "")
	sort.Strings(r.unknown)
	return r.unknown, err
}

// jsonReader reads documents of JSON, and of CBOR, which has a few more types.
type jsonReader struct{ unknown []string }

func (r *jsonReader) value(v reflect.Value, x any, path string) error {
	if x == nil { // null is absent
		return nil
	}
	switch v.Type() {
	case rawT:
		return r.document(v, x)
	case timeT:
		return r.time(v, x)
	case blobT:
		return r.blob(v, x)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem(), x, path)
	case reflect.Struct:
		return r.structure(v, x, path)
	case reflect.Slice:
		return r.list(v, x, path)
	case reflect.Map:
		return r.dictionary(v, x, path)
	}
	return r.scalar(v, x)
}

func (r *jsonReader) structure(v reflect.Value, x any, path string) error {
	object, ok := x.(map[string]any)
	if !ok {
		return errJSONType(x, "Structure")
	}
	p := planOf(v.Type())
	for name, member := range object {
		i, ok := p.byName[name]
		if !ok {
			r.unknown = append(r.unknown, join(path, name))
			continue
		}
		if err := r.value(v.Field(p.fields[i].index), member, join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func (r *jsonReader) list(v reflect.Value, x any, path string) error {
	items, ok := x.([]any)
	if !ok {
		return errJSONType(x, "List")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := r.value(v.Index(i), item, join(path, strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	return nil
}

func (r *jsonReader) dictionary(v reflect.Value, x any, path string) error {
	object, ok := x.(map[string]any)
	if !ok {
		return errJSONType(x, "Map")
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(object)))
	for key, member := range object {
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(elem, member, join(path, key)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), elem)
	}
	return nil
}

func (r *jsonReader) scalar(v reflect.Value, x any) error {
	switch v.Kind() {
	case reflect.String:
		if s, ok := x.(string); ok {
			v.SetString(s)
			return nil
		}
		return errJSONType(x, "String")
	case reflect.Bool:
		if b, ok := x.(bool); ok {
			v.SetBool(b)
			return nil
		}
		return errJSONType(x, "Boolean")
	case reflect.Int64:
		if i, ok := integer(x); ok {
			v.SetInt(i)
			return nil
		}
		return errJSONType(x, "Integer")
	case reflect.Float64:
		if f, ok := float(x); ok {
			v.SetFloat(f)
			return nil
		}
		return errJSONType(x, "Double")
	}
	return fmt.Errorf("awsapi: type %s is not a shape", v.Type())
}

// float reads a number of JSON or CBOR.
func float(x any) (float64, bool) {
	switch n := x.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	}
	return 0, false
}

// integer reads a number without a fraction, also if it is written 3.0 or 3e2.
func integer(x any) (int64, bool) {
	switch n := x.(type) {
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i, true
		}
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	}
	f, ok := float(x)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func (r *jsonReader) document(v reflect.Value, x any) error {
	raw, err := marshal(x)
	v.SetBytes(raw)
	return err
}

// time reads epoch seconds with a fraction (WIRE-004), to the millisecond.
func (r *jsonReader) time(v reflect.Value, x any) error {
	if t, ok := x.(time.Time); ok { // CBOR has a type for it
		v.Set(reflect.ValueOf(t.Round(time.Millisecond).UTC()))
		return nil
	}
	if s, ok := x.(string); ok {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return errJSONType(x, "Timestamp")
		}
		v.Set(reflect.ValueOf(t.UTC()))
		return nil
	}
	seconds, ok := float(x)
	if !ok || math.Abs(seconds) > 1<<40 {
		return errJSONType(x, "Timestamp")
	}
	v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()))
	return nil
}

func (r *jsonReader) blob(v reflect.Value, x any) error {
	if b, ok := x.([]byte); ok { // CBOR has a type for it
		v.SetBytes(b)
		return nil
	}
	s, ok := x.(string)
	if !ok {
		return errJSONType(x, "Blob")
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return errJSONType(x, "Blob")
	}
	v.SetBytes(b)
	return nil
}

// errJSONType words a value of the wrong type as AWS does (WIRE-014).
func errJSONType(x any, want string) error {
	var got string
	switch x := x.(type) {
	case string:
		got = "STRING_VALUE"
	case json.Number, float64, int64, uint64:
		got = "NUMBER_VALUE"
	case bool:
		got = map[bool]string{true: "TRUE_VALUE", false: "FALSE_VALUE"}[x]
	case []any:
		return errSerialization("Start of list found where not expected")
	default:
		return errSerialization("Start of structure or map found where not expected.")
	}
	article := "a "
	if want == "Integer" {
		article = "an "
	}
	return errSerialization(got + " can not be converted to " + article + want)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// encodeJSON returns the JSON document of a shape, or of whatever marshals itself.
func encodeJSON(out any) ([]byte, error) {
	v := reflect.ValueOf(out)
	if !v.IsValid() || absent(v) {
		return []byte("{}"), nil
	}
	return appendJSON(nil, v)
}

func appendJSON(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Type() {
	case timeT:
		return appendEpoch(b, v.Interface().(time.Time)), nil
	case rawT:
		return append(b, v.Bytes()...), nil
	case blobT:
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes())), nil
	}
	if v.Kind() == reflect.Pointer && v.Type().Elem() == timeT {
		return appendJSON(b, v.Elem()) // a *time.Time marshals itself, but not as AWS does
	}
	if v.Type().Implements(encodeT) {
		raw, err := v.Interface().(json.Marshaler).MarshalJSON()
		return append(b, raw...), err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return appendJSON(b, v.Elem())
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.Slice:
		return appendList(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.String:
		return appendString(b, v.String()), nil
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.Int, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Float64:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64), nil
	}
	return nil, fmt.Errorf("awsapi: type %s is not a shape", v.Type())
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	first := true
	for _, f := range planOf(v.Type()).fields {
		member := v.Field(f.index)
		if absent(member) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, f.name), ':')
		if b, err = appendJSON(b, member); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, v reflect.Value) (_ []byte, err error) {
	b = append(b, '{')
	for i, key := range sortedMapKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key.String()), ':')
		if b, err = appendJSON(b, v.MapIndex(key)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func sortedMapKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	return keys
}

// appendEpoch appends epoch seconds to the millisecond, without trailing zeros.
func appendEpoch(b []byte, t time.Time) []byte {
	return strconv.AppendFloat(b, float64(t.UnixMilli())/1000, 'f', -1, 64)
}

// appendString appends a JSON string. Unlike encoding/json's, it leaves <, > and & alone.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	raw, _ := marshal(s) // a string always encodes
	return append(b, raw...)
}

// marshal is json.Marshal without HTML escapes.
func marshal(x any) ([]byte, error) {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	err := e.Encode(x)
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), err
}
