package awsapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// cborDecode reads what smithy-rpc-v2-cbor allows, which is most of CBOR: indefinite lengths
// and every width of number included.
var cborDecode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DefaultMapType:  reflect.TypeFor[map[string]any](),
		IntDec:          cbor.IntDecConvertNone,
		MaxNestedLevels: 32, MaxArrayElements: 131072, MaxMapPairs: 131072,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()

var cborEncode = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical}.EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()

// decodeCBOR fills the struct that in points to and returns the paths of members that it does
// not have. An empty body is an empty structure.
func decodeCBOR(body []byte, in any) (unknown []string, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	var document any
	if err := cborDecode.Unmarshal(body, &document); err != nil {
		return nil, errSerialization("The request body is not valid CBOR: " + err.Error())
	}
	r := jsonReader{}
	err = r.value(reflect.ValueOf(in).Elem(), document, "")
	sort.Strings(r.unknown)
	return r.unknown, err
}

// encodeCBOR returns the CBOR document of a shape.
func encodeCBOR(out any) ([]byte, error) {
	v := reflect.ValueOf(out)
	if !v.IsValid() || absent(v) {
		return cborEncode.Marshal(map[string]any{})
	}
	document, err := cborValue(v)
	if err != nil {
		return nil, err
	}
	return cborEncode.Marshal(document)
}

// cborValue makes of a shape what the CBOR library knows how to write.
func cborValue(v reflect.Value) (any, error) {
	switch v.Type() {
	case timeT:
		return cborTime(v.Interface().(time.Time)), nil
	case rawT:
		var document any
		err := json.Unmarshal(v.Bytes(), &document)
		return document, err
	case blobT:
		return v.Bytes(), nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return cborValue(v.Elem())
	case reflect.Struct:
		return cborStruct(v)
	case reflect.Slice:
		return cborList(v)
	case reflect.Map:
		return cborMap(v)
	case reflect.String, reflect.Bool, reflect.Int64, reflect.Float64:
		return v.Interface(), nil
	}
	return nil, fmt.Errorf("awsapi: type %s is not a shape", v.Type())
}

func cborStruct(v reflect.Value) (any, error) {
	document := map[string]any{}
	for _, f := range planOf(v.Type()).fields {
		member := v.Field(f.index)
		if absent(member) {
			continue
		}
		value, err := cborValue(member)
		if err != nil {
			return nil, err
		}
		document[f.name] = value
	}
	return document, nil
}

func cborList(v reflect.Value) (any, error) {
	list := make([]any, v.Len())
	for i := range list {
		value, err := cborValue(v.Index(i))
		if err != nil {
			return nil, err
		}
		list[i] = value
	}
	return list, nil
}

func cborMap(v reflect.Value) (any, error) {
	document := make(map[string]any, v.Len())
	for _, key := range v.MapKeys() {
		value, err := cborValue(v.MapIndex(key))
		if err != nil {
			return nil, err
		}
		document[key.String()] = value
	}
	return document, nil
}

// cborTime is a timestamp: tag 1, epoch seconds to the millisecond (WIRE-024).
func cborTime(t time.Time) cbor.Tag {
	return cbor.Tag{Number: 1, Content: float64(t.UnixMilli()) / 1000}
}

// errorShapes are the names of error shapes that differ from the codes, which CBOR's __type
// has and X-Amzn-Query-Error has not (WIRE-025).
var errorShapes = map[string]string{
	"InternalServiceError":        "InternalServiceFault",
	"InvalidFormat":               "InvalidFormatFault",
	"InvalidParameterCombination": "InvalidParameterCombinationException",
	"InvalidParameterValue":       "InvalidParameterValueException",
	"LimitExceeded":               "LimitExceededFault",
	"MissingParameter":            "MissingRequiredParameterException",
}

func encodeCBORError(e *Error) []byte {
	shape := errorShapes[e.Code]
	if shape == "" {
		shape = e.Code
	}
	b, _ := cborEncode.Marshal(map[string]string{"__type": shape, "message": e.Message}) // strings always encode
	return b
}

func decodeCBORError(body []byte) (code, message string) {
	var document struct {
		Type    string `cbor:"__type"`
		Message string `cbor:"message"`
	}
	if err := cborDecode.Unmarshal(body, &document); err != nil {
		var unmatched *cbor.UnmarshalTypeError
		if !errors.As(err, &unmatched) {
			return "", ""
		}
	}
	code = document.Type[strings.LastIndex(document.Type, "#")+1:]
	for wire, shape := range errorShapes {
		if shape == code {
			code = wire
		}
	}
	return code, document.Message
}
