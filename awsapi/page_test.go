package awsapi_test

import (
	"errors"
	"slices"
	"testing"

	"drydock/awsapi"
)

func TestPage_WalksThroughEverything(t *testing.T) {
	items := []int{1, 2, 3, 4, 5}
	for size := int64(0); size < 7; size++ {
		var got []int
		var token *string
		for range 10 {
			page, next, err := awsapi.Page(items, token, &size, 3)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if token = next; token == nil {
				break
			}
		}
		if !slices.Equal(got, items) {
			t.Errorf("size %d: got %v", size, got)
		}
	}
}

func TestPage_RefusesForeignTokens(t *testing.T) {
	for _, token := range []string{"a", "!", "ZnJvbTotMQ", "ZnJvbTo"} { // the last two are from:-1 and from:
		if _, _, err := awsapi.Page([]int{1}, &token, nil, 10); !errors.Is(err, awsapi.ErrToken) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	if page, next, err := awsapi.Page([]int{}, new("ZnJvbTo5"), nil, 10); err != nil || next != nil || len(page) != 0 {
		t.Error("a token past the end is not an empty page")
	}
}
