package awsapi

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// plan is how the codec sees one struct type. It carries the names of all protocols, so
// one plan a type is enough.
type plan struct {
	fields []field
	byName map[string]int // index in fields by wire name
}

// field is one member of a shape. Its struct tags are
//
//	aws:"name[,req][,form=NAME][,item=NAME]"
//	limits:"min=N,max=N"  enum:"A|B"  pattern:"REGEXP"
//
// and the same three with the prefix elem for the members of a list or map.
type field struct {
	index    int
	name     string // in JSON and XML
	form     string // in forms, where EC2's names differ
	item     string // element of a list in XML, if it is not the protocol's usual one
	required bool
	limits   limits
	elem     limits
}

// limits are a shape's constraints. Length for strings, lists and maps; value for numbers.
type limits struct {
	min, max float64
	enum     []string
	pattern  *regexp.Regexp
	source   string // the pattern as the model has it
}

var (
	plans   sync.Map // reflect.Type → *plan
	timeT   = reflect.TypeFor[time.Time]()
	rawT    = reflect.TypeFor[json.RawMessage]()
	blobT   = reflect.TypeFor[[]byte]()
	encodeT = reflect.TypeFor[json.Marshaler]()
)

// planOf returns the plan of a struct type. It panics if a tag is wrong.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{byName: map[string]int{}}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("aws")
		if !ok {
			continue
		}
		p.byName[strings.Split(tag, ",")[0]] = len(p.fields)
		p.fields = append(p.fields, newField(i, tag, f.Tag))
	}
	plans.Store(t, p)
	return p
}

func newField(index int, tag string, all reflect.StructTag) field {
	words := strings.Split(tag, ",")
	f := field{index: index, name: words[0], form: words[0], limits: newLimits(all, ""), elem: newLimits(all, "elem")}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "req":
			f.required = true
		case "form":
			f.form = value
		case "item":
			f.item = value
		default:
			panic(fmt.Sprintf("awsapi: struct tag %q: unknown word %q", tag, word))
		}
	}
	return f
}

func newLimits(tags reflect.StructTag, prefix string) limits {
	l := limits{min: math.Inf(-1), max: math.Inf(1)}
	for _, word := range strings.FieldsFunc(tags.Get(prefix+"limits"), func(r rune) bool { return r == ',' }) {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			panic("awsapi: struct tag " + string(tags) + ": " + err.Error())
		}
		if key == "min" {
			l.min = n
		} else {
			l.max = n
		}
	}
	if enum := tags.Get(prefix + "enum"); enum != "" {
		l.enum = strings.Split(enum, "|")
	}
	if l.source = tags.Get(prefix + "pattern"); l.source != "" {
		// A pattern that Go does not know (Java has look-ahead) is not checked.
		l.pattern, _ = regexp.Compile("^(?:" + l.source + ")$")
	}
	return l
}

// absent reports whether a member was not sent: nil pointers, slices and maps.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	}
	return false
}
