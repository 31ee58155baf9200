package taskdefs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Document is a task definition as it was registered.
type Document struct {
	Raw        json.RawMessage // verbatim
	Definition TaskDefinition  // typed view, cpu and memory normalised
	Unknown    []string        // members that are not of the API, with their path
	Warnings   []string        // of the unknown members and of those without effect, in words

	tree map[string]any // Raw without unknown members and nulls
}

const maxDocumentSize = 64 << 10 // bytes (ECS-290)

// Parse reads and validates the request document of RegisterTaskDefinition.
// Errors are of type [*Error].
func Parse(doc []byte) (*Document, error) {
	if len(doc) > maxDocumentSize {
		return nil, clientError("The task definition is %d bytes long; it may have at most %d.", len(doc), maxDocumentSize)
	}
	d, err := read(doc)
	if err != nil {
		return nil, err
	}
	if err := validate(&d.Definition); err != nil {
		return nil, err
	}
	return d, nil
}

// read decodes a document without judging what it says.
func read(doc []byte) (*Document, error) {
	tree, err := decodeTree(doc)
	if err != nil {
		return nil, err
	}
	var r reader
	known, err := r.read("", tree, reflect.TypeFor[TaskDefinition](), "")
	if err != nil {
		return nil, err
	}
	d := &Document{Raw: slices.Clone(doc), tree: known.(map[string]any)}
	if err := d.decode(); err != nil {
		return nil, err
	}
	slices.Sort(r.unknown)
	d.Unknown, d.Warnings = r.unknown, warnings(r.unknown, d.Definition)
	return d, nil
}

func (d *Document) decode() error {
	text, err := json.Marshal(d.tree)
	if err != nil {
		return fmt.Errorf("encode task definition: %w", err)
	}
	if err := json.Unmarshal(text, &d.Definition); err != nil {
		return fmt.Errorf("decode task definition: %w", err)
	}
	return d.normaliseSizes()
}

// normaliseSizes writes cpu and memory as AWS answers them (ECS-102), in the typed view and the tree.
func (d *Document) normaliseSizes() error {
	cpu, err := normaliseCPU(d.Definition.CPU)
	if err != nil {
		return err
	}
	memory, err := normaliseMemory(d.Definition.Memory)
	if err != nil {
		return err
	}
	d.Definition.CPU, d.Definition.Memory = cpu, memory
	for name, size := range map[string]string{"cpu": cpu, "memory": memory} {
		if size != "" {
			d.tree[name] = size
		} else {
			delete(d.tree, name)
		}
	}
	return nil
}
