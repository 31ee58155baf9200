package secrets

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"go.yaml.in/yaml/v3"
)

const (
	errNotDir = syscall.ENOTDIR
	errIsDir  = syscall.EISDIR
)

// readFile reads a file of secrets: names and ARNs, each with a text or an object.
func readFile(path string) (map[string][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil {
		// The parser's own words may quote what stands there.
		return nil, fmt.Errorf("read secrets %s: it is neither YAML nor JSON", path)
	}
	values := map[string][]byte{}
	if len(document.Content) == 0 {
		return values, nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read secrets %s: it is not an object of names and values", path)
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name := top.Content[i].Value
		if values[name], err = valueOf(top.Content[i+1]); err != nil {
			return nil, fmt.Errorf("read secrets %s: line %d: %s: %w", path, top.Content[i+1].Line, name, err)
		}
	}
	return values, nil
}

// valueOf returns a text as it is written, 007 too, and anything else as JSON.
func valueOf(n *yaml.Node) ([]byte, error) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			return nil, nil
		}
		return []byte(n.Value), nil
	}
	plain, err := plainOf(n, 0)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

const maxDepth = 32 // of objects in objects; an alias may lead back into itself

// plainOf turns a node into what encodes as JSON, numbers as they are written.
func plainOf(n *yaml.Node, depth int) (any, error) {
	switch {
	case depth > maxDepth:
		return nil, fmt.Errorf("more than %d objects in one another", maxDepth)
	case n.Kind == yaml.AliasNode:
		return plainOf(n.Alias, depth+1)
	case n.Kind == yaml.SequenceNode:
		return plainList(n, depth)
	case n.Kind == yaml.MappingNode:
		return plainObject(n, depth)
	case n.Tag != "!!str" && json.Valid([]byte(n.Value)):
		return json.RawMessage(n.Value), nil
	case n.Tag == "!!null":
		return nil, nil
	}
	return n.Value, nil
}

func plainList(n *yaml.Node, depth int) (any, error) {
	list := []any{}
	for _, item := range n.Content {
		plain, err := plainOf(item, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, plain)
	}
	return list, nil
}

func plainObject(n *yaml.Node, depth int) (any, error) {
	object := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		plain, err := plainOf(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		object[n.Content[i].Value] = plain
	}
	return object, nil
}
