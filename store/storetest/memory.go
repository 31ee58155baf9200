// Package storetest has a store in memory, of the shape that every room asks for. Only tests import it.
package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"drydock/timeline"
)

// Memory is a store in memory. Its zero value is empty and ready.
type Memory struct {
	mu     sync.Mutex
	seq    int64
	rows   map[string][]byte
	Events []timeline.Event
}

// NextSeq returns 1, 2, 3 and so on.
func (m *Memory) NextSeq() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	return m.seq
}

// Load calls each for every row of a kind.
func (m *Memory) Load(_ context.Context, kind string, each func(key string, doc []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, doc := range m.rows {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[string][]byte{}
	}
	for key, row := range rows {
		if row == nil {
			delete(m.rows, key)
			continue
		}
		doc, err := json.Marshal(row)
		if err != nil {
			return err
		}
		m.rows[key] = doc
	}
	m.Events = append(m.Events, events...)
	return nil
}
