package network

import (
	"path"
	"strings"
)

// Filter is an EC2 Describe filter. Values are OR-ed, filters AND-ed; values may hold * and ?.
type Filter struct {
	Name   string
	Values []string
}

type filterable interface {
	// attribute returns what a filter of that name compares with; false if there is no such filter.
	attribute(name string) ([]string, bool)
}

// selectRows returns the rows that have one of ids and match all filters.
func selectRows[T filterable](rows map[string]T, ids []string, filters []Filter, unknown func(id string) error) ([]T, error) {
	var out []T
	keep := func(row T) error {
		ok, err := matches(row, filters)
		if ok {
			out = append(out, row)
		}
		return err
	}
	if len(ids) > 0 {
		for _, id := range ids {
			row, ok := rows[id]
			if !ok {
				return nil, unknown(id)
			}
			if err := keep(row); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	for _, row := range rows {
		if err := keep(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func matches(row filterable, filters []Filter) (bool, error) {
	all := true
	for _, f := range filters {
		have, known := row.attribute(f.Name)
		if !known {
			return false, invalidValue("The filter '%s' is invalid", f.Name)
		}
		all = all && anyMatch(f.Values, have)
	}
	return all, nil
}

func anyMatch(patterns, have []string) bool {
	for _, p := range patterns {
		for _, h := range have {
			if wildcard(p, h) {
				return true
			}
		}
	}
	return false
}

// wildcard matches * and ? as EC2 does: a * also spans slashes, brackets are plain text.
func wildcard(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	plain := strings.NewReplacer("/", "\x00", "[", `\[`)
	ok, err := path.Match(plain.Replace(pattern), strings.ReplaceAll(s, "/", "\x00"))
	return ok && err == nil
}

func tagAttribute(tags map[string]string, name string) ([]string, bool) {
	if name == "tag-key" {
		var keys []string
		for k := range tags {
			keys = append(keys, k)
		}
		return keys, true
	}
	key, ok := strings.CutPrefix(name, "tag:")
	if !ok {
		return nil, false
	}
	if v, has := tags[key]; has {
		return []string{v}, true
	}
	return nil, true
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// Matches reports whether what has these attributes, and no tags, passes the filters.
// Errors: InvalidParameterValue for a filter that is none of the attributes.
func Matches(attributes map[string][]string, filters []Filter) (bool, error) {
	return matches(attributeTable(attributes), filters)
}

type attributeTable map[string][]string

func (a attributeTable) attribute(name string) ([]string, bool) {
	if values, ok := a[name]; ok {
		return values, true
	}
	return tagAttribute(nil, name)
}
