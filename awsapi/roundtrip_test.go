package awsapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"drydock/awsapi"
)

// filler makes values for every member of a shape. It obeys the model's limits, so that
// the server's validation lets them through.
type filler struct {
	number func(min, max int) int // a number in [min, max]
	depth  int
}

func (f filler) fill(v reflect.Value, tag reflect.StructTag, prefix string) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(int64(f.number(0, 1<<40))).UTC()))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes(fmt.Appendf(nil, `{"a":[%d,"<é>"]}`, f.number(0, 1000)))
		return
	case reflect.TypeFor[[]byte]():
		v.SetBytes([]byte{0, 255, byte(f.number(0, 255))})
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), tag, prefix)
	case reflect.Struct:
		f.structure(v)
	case reflect.Slice:
		low, high := bounds(tag, prefix, 0, 3)
		v.Set(reflect.MakeSlice(v.Type(), 0, 3))
		for range max(low, f.number(1, max(1, min(3, high)))) {
			elem := reflect.New(v.Type().Elem()).Elem()
			f.fill(elem, tag, "elem")
			v.Set(reflect.Append(v, elem))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range f.number(1, 3) {
			elem := reflect.New(v.Type().Elem()).Elem()
			f.fill(elem, tag, "elem")
			v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key.%d \"<&", i)), elem)
		}
	default:
		f.scalar(v, tag, prefix)
	}
}

func (f filler) structure(v reflect.Value) {
	f.depth++
	for i := range v.NumField() {
		if f.depth > 12 {
			return // shapes that contain themselves
		}
		f.fill(v.Field(i), v.Type().Field(i).Tag, "")
	}
}

func (f filler) scalar(v reflect.Value, tag reflect.StructTag, prefix string) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.number(0, 1) == 1)
	case reflect.Int64:
		low, high := bounds(tag, prefix, 0, 1<<30)
		v.SetInt(int64(f.number(low, high)))
	case reflect.Float64:
		low, high := bounds(tag, prefix, 0, 100)
		v.SetFloat(float64(f.number(low*4, high*4)) / 4)
	case reflect.String:
		v.SetString(f.text(tag, prefix))
	default:
		panic("no value for " + v.Type().String())
	}
}

func (f filler) text(tag reflect.StructTag, prefix string) string {
	if enum := tag.Get(prefix + "enum"); enum != "" {
		values := strings.Split(enum, "|")
		return values[f.number(0, len(values)-1)]
	}
	switch pattern := tag.Get(prefix + "pattern"); {
	case pattern == "":
	case strings.HasPrefix(pattern, "^(ipv4pool"):
		return "ipv4pool-coip-12345678"
	case strings.HasPrefix(pattern, "^(ipam-pool"):
		return "ipam-pool-0123456789abcdef0"
	case strings.HasPrefix(pattern, "^(2|4|5)"):
		return "404"
	case strings.HasPrefix(pattern, "^(HTTPS?"):
		return "HTTPS"
	case strings.Contains(pattern, ":acm-pca:"):
		return "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/x"
	case strings.Contains(pattern, ":acm:"):
		return "arn:aws:acm:us-east-1:123456789012:certificate/x"
	case strings.HasPrefix(pattern, "v[1-9]"): // IAM: a policy's version
		return "v1"
	case strings.HasPrefix(pattern, "((/"): // IAM: a policy's path
		return "/a/"
	default:
		low, high := bounds(tag, prefix, 0, 30)
		return strings.Repeat("a", max(low, min(high, 20)))
	}
	low, high := bounds(tag, prefix, 0, 30)
	alphabet := []rune("aZ0 <>&\"'\\é語\n%+=.;😀")
	s := make([]rune, f.number(low, max(low, min(high, 30))))
	for i := range s {
		s[i] = alphabet[f.number(0, len(alphabet)-1)]
	}
	return string(s)
}

func bounds(tag reflect.StructTag, prefix string, low, high int) (int, int) {
	for word := range strings.SplitSeq(tag.Get(prefix+"limits"), ",") {
		key, value, _ := strings.Cut(word, "=")
		var n int
		if _, err := fmt.Sscan(value, &n); err != nil {
			continue
		}
		if key == "min" {
			low = n
		} else {
			high = n
		}
	}
	return low, high
}

// roundTrip sends in to an operation whose handler answers out, and checks both ends.
func roundTrip(t *testing.T, service, operation string, protocol awsapi.Protocol, in, out any) {
	var got any
	s := awsapi.NewServer()
	awsapi.HandleAny(s, service, operation, reflect.TypeOf(in).Elem(), func(_ context.Context, in any) (any, error) {
		got = in
		return out, nil
	})
	server := httptest.NewServer(s)
	defer server.Close()
	answer := reflect.New(reflect.TypeOf(out).Elem()).Interface()
	c := &awsapi.Client{Endpoint: server.URL, HTTP: server.Client(), Protocol: protocol}
	if err := c.Do(context.Background(), service, operation, in, answer); err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	if !reflect.DeepEqual(got, in) {
		t.Fatalf("%s: input changed:\nsent %s\ngot  %s", operation, show(in), show(got))
	}
	if !reflect.DeepEqual(answer, out) {
		t.Fatalf("%s: output changed:\nsent %s\ngot  %s", operation, show(out), show(answer))
	}
}

func show(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestCodec_LosslessForEveryOperation fills every member of every listed operation and
// sends it through client and server, both ways (WIRE-002).
func TestCodec_LosslessForEveryOperation(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.service+"/"+shape.operation, func(t *testing.T) {
			for seed := range uint64(3) {
				r := rand.New(rand.NewPCG(seed, 0))
				f := filler{number: func(low, high int) int { return low + r.IntN(high-low+1) }}
				in, out := reflect.New(reflect.TypeOf(shape.in)), reflect.New(reflect.TypeOf(shape.out))
				f.fill(in.Elem(), "", "")
				f.fill(out.Elem(), "", "")
				roundTrip(t, shape.service, shape.operation, "", in.Interface(), out.Interface())
				for _, other := range []awsapi.Protocol{awsapi.CBOR, awsapi.Query} {
					if s := awsapi.LookupService(shape.service); s.Speaks(other) && s.Protocol != other {
						roundTrip(t, shape.service, shape.operation, other, in.Interface(), out.Interface())
					}
				}
			}
		})
	}
}
