package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// model is a botocore service model, the part that we use.
type model struct {
	name     string   // as in ops.txt
	listed   []string // operations to generate, sorted
	Metadata struct {
		APIVersion      string
		EndpointPrefix  string
		Protocol        string
		Protocols       []string
		ServiceFullName string
		SigningName     string
		TargetPrefix    string
		XMLNamespace    string
	}
	Operations map[string]*operation
	Shapes     map[string]*shape
}

type operation struct {
	Name          string
	Input, Output *shapeRef
	Errors        []shapeRef
}

type shapeRef struct {
	Shape         string
	LocationName  string
	QueryName     string
	ResultWrapper string
	Flattened     bool
	XMLAttribute  bool
	Location      string
}

type shape struct {
	Type            string
	Members         members
	Member          *shapeRef // of a list
	Key, Value      *shapeRef // of a map
	Required        []string
	Enum            []string
	Min, Max        *json.Number
	Pattern         string
	Document        bool
	Exception       bool
	Fault           bool
	Flattened       bool
	TimestampFormat string
	Error           *struct {
		Code           string
		HTTPStatusCode int
	}
}

// packageName returns the name of the service's Go package and folder.
func (m *model) packageName() string { return packageName(m.name) }

func packageName(service string) string { return strings.ReplaceAll(service, "-", "") }

// members keeps the order of the model.
type members struct {
	names []string
	refs  map[string]shapeRef
}

// UnmarshalJSON reads an object without losing its order.
func (m *members) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &m.refs); err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		m.names = append(m.names, name.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}

// dataDir returns botocore's data directory, which BOTOCORE_DATA overrides.
func dataDir() (string, error) {
	if dir := os.Getenv("BOTOCORE_DATA"); dir != "" {
		return dir, nil
	}
	out, err := exec.Command("python3", "-c", "import botocore; print(botocore.__path__[0])").Output()
	if err != nil {
		return "", fmt.Errorf("find the botocore package (pip install botocore): %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "data"), nil
}

// readModel reads the newest version of a service's model.
func readModel(data, service string) (*model, error) {
	versions, err := filepath.Glob(filepath.Join(data, service, "*", "service-2.json.gz"))
	if err != nil || len(versions) == 0 {
		return nil, fmt.Errorf("no model of %s in %s", service, data)
	}
	sort.Strings(versions)
	f, err := os.Open(versions[len(versions)-1])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	m := &model{name: service}
	if err := json.NewDecoder(unzipped).Decode(m); err != nil {
		return nil, fmt.Errorf("model of %s: %w", service, err)
	}
	m.chooseProtocol()
	return m, nil
}

// chooseProtocol takes JSON for a service that speaks it too: its shapes are those of CBOR.
func (m *model) chooseProtocol() {
	if m.Metadata.Protocol == "smithy-rpc-v2-cbor" && slices.Contains(m.Metadata.Protocols, "json") {
		m.Metadata.Protocol = "json"
	}
}

// check refuses what the codec does not know, so that it can't be silently wrong.
func (m *model) check() error {
	switch m.Metadata.Protocol {
	case "json", "query", "ec2":
	default:
		return fmt.Errorf("protocol %s is not supported", m.Metadata.Protocol)
	}
	for _, name := range m.listed {
		op := m.Operations[name]
		if op == nil {
			return fmt.Errorf("the model has no operation %s", name)
		}
		if op.Output != nil && op.Output.ResultWrapper != "" && op.Output.ResultWrapper != name+"Result" {
			return fmt.Errorf("%s: result wrapper %s is not supported", name, op.Output.ResultWrapper)
		}
	}
	for _, name := range m.reachable() {
		if err := m.checkShape(name); err != nil {
			return fmt.Errorf("shape %s: %w", name, err)
		}
	}
	return nil
}

func (m *model) checkShape(name string) error {
	s := m.Shapes[name]
	if s.Flattened || s.TimestampFormat != "" {
		return fmt.Errorf("a trait is not supported")
	}
	for _, ref := range s.refs() {
		if ref.Flattened || ref.XMLAttribute || ref.Location != "" {
			return fmt.Errorf("a trait of a member of type %s is not supported", ref.Shape)
		}
	}
	return nil
}

// refs returns the shapes that a shape refers to, in the order of the model.
func (s *shape) refs() []shapeRef {
	var refs []shapeRef
	for _, name := range s.Members.names {
		refs = append(refs, s.Members.refs[name])
	}
	for _, ref := range []*shapeRef{s.Member, s.Key, s.Value} {
		if ref != nil {
			refs = append(refs, *ref)
		}
	}
	return refs
}

// reachable returns the names of all shapes that the listed operations use, sorted.
func (m *model) reachable() []string {
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, ref := range m.Shapes[name].refs() {
			visit(ref.Shape)
		}
	}
	for _, name := range m.listed {
		if op := m.Operations[name]; op.Input != nil {
			visit(op.Input.Shape)
		}
		if op := m.Operations[name]; op.Output != nil {
			visit(op.Output.Shape)
		}
	}
	return sortedKeys(seen)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
