package awsapi

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// ErrToken is returned by [Page] for a token that it did not make.
var ErrToken = errors.New("the pagination token is not valid")

// Page returns the part of items that a token and a size ask for, and the token of the part
// that follows, nil if there is none. Without a token it begins at the first item; without
// a size a part has at most most items. items must have a stable order.
func Page[T any](items []T, token *string, size *int64, most int) (page []T, next *string, err error) {
	from := 0
	if t := Value(token); t != "" {
		if from, err = parseToken(t); err != nil {
			return nil, nil, err
		}
	}
	from = min(from, len(items)) // there may be fewer items than there were
	if size != nil && *size > 0 && *size < int64(most) {
		most = int(*size)
	}
	to := min(from+most, len(items))
	if to < len(items) {
		next = new(base64.RawURLEncoding.EncodeToString([]byte("from:" + strconv.Itoa(to))))
	}
	return items[from:to], next, nil
}

func parseToken(token string) (from int, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, ErrToken
	}
	number, ok := strings.CutPrefix(string(text), "from:")
	if from, err = strconv.Atoi(number); !ok || err != nil || from < 0 {
		return 0, ErrToken
	}
	return from, nil
}
