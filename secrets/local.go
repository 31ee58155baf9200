package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Local is a directory or a file of secrets. It is safe for concurrent use.
type Local struct{ path string }

// Open returns the secrets at a path. It fails when nothing is there, or a file that cannot be
// understood; the values are read later.
func Open(path string) (*Local, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open secrets %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	if !info.IsDir() {
		if _, err := readFile(path); err != nil {
			return nil, fmt.Errorf("open secrets: %w", err)
		}
	}
	return &Local{path}, nil
}

// Secret returns the value that a container secret's valueFrom names. The error is a
// *[MissingError] when there is none; it never holds a value.
func (l *Local) Secret(_ context.Context, valueFrom string) (string, error) {
	r, ok := parseReference(valueFrom)
	if !ok {
		return "", &MissingError{Ref: valueFrom, Says: fromSSM + "invalid ssm parameters: " + valueFrom}
	}
	value, found, err := l.find(r.places())
	if err != nil {
		return "", fmt.Errorf("%s%w", r.from(), err)
	}
	if found == "" {
		return "", &MissingError{Ref: valueFrom, Says: r.missing(), Places: l.named(r.places())}
	}
	if r.key == "" {
		return r.whole(value, found)
	}
	return r.member(value, found)
}

// EnvironmentFile returns the content of the environment file that an S3 ARN names.
func (l *Local) EnvironmentFile(_ context.Context, arn string) ([]byte, error) {
	bucket, key, ok := parseObject(arn)
	if !ok {
		return nil, &MissingError{Ref: arn, Says: "failed to download env files: unable to parse bucket and key from s3 ARN specified in environmentFile " + arn}
	}
	places := []place{{"s3/" + bucket + "/" + key, "s3://" + bucket + "/" + key}, {"", "arn:aws:s3:::" + bucket + "/" + key}}
	value, found, err := l.find(places)
	if err != nil {
		return nil, fmt.Errorf("%s%w", fromS3, err)
	}
	if found == "" {
		return nil, &MissingError{Ref: arn, Says: fromS3 + "operation error S3: HeadObject, https response error StatusCode: 404, api error NotFound: Not Found", Places: l.named(places)}
	}
	return value, nil
}

// place is where a reference may be found: a path below the directory and a key of the file.
// An empty one is no place.
type place struct{ path, key string }

func (r reference) places() []place {
	at := ""
	if r.version != "" {
		at = "@" + r.version
	}
	folder := "ssm/"
	if r.secret {
		folder = "secretsmanager/"
	}
	var all []place
	if r.arn != "" {
		all = append(all, place{"", r.arn + at})
	}
	for _, name := range r.names {
		all = append(all, place{folder + name + at, name + at})
	}
	return all
}

// from begins what AWS says of a failure.
func (r reference) from() string {
	if r.secret {
		return fromASM
	}
	return fromSSM
}

// missing is what AWS says of a reference that leads nowhere.
func (r reference) missing() string {
	switch {
	case !r.secret:
		return fromSSM + "invalid ssm parameters: " + r.names[0]
	case r.version != "":
		return fmt.Sprintf("%sfailed to fetch secret %s from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: %s", fromASM, r.name(), r.version)
	}
	return fmt.Sprintf("%sfailed to fetch secret %s from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.", fromASM, r.name())
}

func (r reference) name() string {
	if r.arn != "" {
		return r.arn
	}
	return r.names[0]
}

// whole is the value of a reference without a JSON key. An empty one is a mistake: a container
// would start without knowing.
func (r reference) whole(value []byte, found string) (string, error) {
	if len(value) == 0 {
		return "", &MissingError{Ref: r.ref, Says: r.missing(), Places: []string{found}, Hint: "it is empty"}
	}
	return string(value), nil
}

// member is the value of one key of a JSON secret. Numbers and objects are taken as they are
// written (ECS-274).
func (r reference) member(value []byte, found string) (string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return "", &MissingError{Ref: r.ref, Says: fromASM + "invalid character looking for beginning of value", Places: []string{found},
			Hint: "it is not a JSON object, and the reference names its key " + r.key}
	}
	raw, ok := object[r.key]
	if !ok || string(raw) == "null" {
		return "", &MissingError{Ref: r.ref, Says: fromASM + "retrieved secret from Secrets Manager did not contain json key " + r.key, Places: []string{found}}
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return text, nil
}

// find returns the value at the first place that has one, and its name; "" if none has.
func (l *Local) find(places []place) (value []byte, found string, err error) {
	info, err := os.Stat(l.path)
	if err != nil {
		return nil, "", fmt.Errorf("read secrets: %w", err)
	}
	if !info.IsDir() {
		return l.findKey(places)
	}
	for _, p := range places {
		if p.path == "" || !filepath.IsLocal(p.path) {
			continue
		}
		value, err := os.ReadFile(filepath.Join(l.path, p.path))
		switch {
		case err == nil:
			return withoutBreak(value), filepath.Join(l.path, p.path), nil
		case !absent(err):
			return nil, "", fmt.Errorf("read secrets: %w", err)
		}
	}
	return nil, "", nil
}

func (l *Local) findKey(places []place) ([]byte, string, error) {
	values, err := readFile(l.path)
	if err != nil {
		return nil, "", err
	}
	for _, p := range places {
		if value, ok := values[p.key]; ok {
			return value, "key " + p.key + " of " + l.path, nil
		}
	}
	return nil, "", nil
}

// absent reports whether an error says that there is no such file; a directory on the way, or in
// its place, is none either.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) || errors.Is(err, errIsDir)
}

// named returns the places as a user would look for them.
func (l *Local) named(places []place) []string {
	info, err := os.Stat(l.path)
	directory := err == nil && info.IsDir()
	var all []string
	for _, p := range places {
		switch {
		case directory && p.path != "" && filepath.IsLocal(p.path):
			all = append(all, filepath.Join(l.path, p.path))
		case !directory:
			all = append(all, "key "+p.key+" of "+l.path)
		}
	}
	return slices.Compact(all)
}

// withoutBreak takes one line break off the end: editors and echo put it there.
func withoutBreak(value []byte) []byte {
	value, found := bytes.CutSuffix(value, []byte("\n"))
	if found {
		value = bytes.TrimSuffix(value, []byte("\r"))
	}
	return value
}
