// Package storetest has a store in memory, of the shape that every room asks for. Only tests import it.
package storetest

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"

	"drydock/timeline"
)

// Memory is a store in memory. Its zero value is empty and ready. It keeps rows as JSON, so that
// what is loaded went through it.
type Memory struct {
	sync.Mutex // guards what follows

	Seq    int64 // the last number given
	Rows   map[string][]byte
	Events []timeline.Event
	Fail   error // what the next Commits answer; they keep nothing then
}

// NextSeq returns 1, 2, 3 and so on.
func (m *Memory) NextSeq() int64 {
	m.Lock()
	defer m.Unlock()
	m.Seq++
	return m.Seq
}

// Load calls each for every row of a kind.
func (m *Memory) Load(_ context.Context, kind string, each func(key string, doc []byte) error) error {
	m.Lock()
	rows := maps.Clone(m.Rows)
	m.Unlock()
	for key, doc := range rows {
		if name, ok := strings.CutPrefix(key, kind+"/"); ok {
			if err := each(name, doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// Commit keeps rows and events.
func (m *Memory) Commit(_ context.Context, rows map[string]any, events []timeline.Event) error {
	m.Lock()
	defer m.Unlock()
	if m.Fail != nil {
		return m.Fail
	}
	if m.Rows == nil {
		m.Rows = map[string][]byte{}
	}
	for key, row := range rows {
		if row == nil {
			delete(m.Rows, key)
			continue
		}
		doc, err := json.Marshal(row)
		if err != nil {
			return err
		}
		m.Rows[key] = doc
	}
	m.Events = append(m.Events, events...)
	return nil
}

// Told returns the events of a kind.
func (m *Memory) Told(kind timeline.Kind) []timeline.Event {
	m.Lock()
	defer m.Unlock()
	var found []timeline.Event
	for _, e := range m.Events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}
