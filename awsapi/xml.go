package awsapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// encodeXML returns the answer of a Query or EC2 operation.
func encodeXML(s *Service, operation, requestID string, out any) ([]byte, error) {
	w := xmlWriter{protocol: s.Protocol}
	w.WriteString(xml.Header)
	fmt.Fprintf(&w, "<%sResponse xmlns=%q>", operation, s.Namespace)
	if s.Protocol == EC2 {
		w.element("requestId", requestID)
	} else {
		fmt.Fprintf(&w, "<%sResult>", operation)
	}
	if v := reflect.ValueOf(out); v.IsValid() && !absent(v) {
		if err := w.content(v, ""); err != nil {
			return nil, err
		}
	}
	if s.Protocol != EC2 {
		fmt.Fprintf(&w, "</%sResult><ResponseMetadata>", operation)
		w.element("RequestId", requestID)
		w.WriteString("</ResponseMetadata>")
	}
	fmt.Fprintf(&w, "</%sResponse>\n", operation)
	return w.Bytes(), nil
}

type xmlWriter struct {
	bytes.Buffer
	protocol Protocol
}

// element writes an element that contains text.
func (w *xmlWriter) element(name, content string) {
	fmt.Fprintf(w, "<%s>", name)
	xml.EscapeText(w, []byte(content)) // a buffer never fails
	fmt.Fprintf(w, "</%s>", name)
}

// content writes what stands inside the element of v. item names the elements of a list.
func (w *xmlWriter) content(v reflect.Value, item string) error {
	switch v.Type() {
	case timeT, blobT, rawT:
		return w.scalar(v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return w.content(v.Elem(), item)
	case reflect.Struct:
		return w.structure(v)
	case reflect.Slice:
		return w.list(v, item)
	case reflect.Map:
		return w.dictionary(v)
	}
	return w.scalar(v)
}

func (w *xmlWriter) scalar(v reflect.Value) error {
	s, err := text(v)
	xml.EscapeText(w, []byte(s))
	return err
}

func (w *xmlWriter) structure(v reflect.Value) error {
	for _, f := range planOf(v.Type()).fields {
		member := v.Field(f.index)
		if absent(member) {
			continue
		}
		if err := w.wrapped(f.name, member, f.item); err != nil {
			return err
		}
	}
	return nil
}

func (w *xmlWriter) wrapped(name string, v reflect.Value, item string) error {
	fmt.Fprintf(w, "<%s>", name)
	err := w.content(v, item)
	fmt.Fprintf(w, "</%s>", name)
	return err
}

func (w *xmlWriter) list(v reflect.Value, item string) error {
	if item == "" {
		item = map[Protocol]string{Query: "member", EC2: "item"}[w.protocol]
	}
	for i := range v.Len() {
		if err := w.wrapped(item, v.Index(i), ""); err != nil {
			return err
		}
	}
	return nil
}

func (w *xmlWriter) dictionary(v reflect.Value) error {
	for _, key := range sortedMapKeys(v) {
		w.WriteString("<entry>")
		w.element("key", key.String())
		if err := w.wrapped("value", v.MapIndex(key), ""); err != nil {
			return err
		}
		w.WriteString("</entry>")
	}
	return nil
}

// xmlNode is one element of an answer.
type xmlNode struct {
	name     string
	text     strings.Builder
	children []*xmlNode
}

func (n *xmlNode) child(name string) *xmlNode {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (n *xmlNode) string() string {
	if n == nil {
		return ""
	}
	return n.text.String()
}

// parseXML returns the root element. Namespaces and attributes are dropped.
func parseXML(body []byte) (*xmlNode, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	root := &xmlNode{}
	open := []*xmlNode{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			n := &xmlNode{name: token.Name.Local}
			top.children = append(top.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text.Write(token)
		}
	}
	if len(root.children) == 0 {
		return nil, errors.New("no XML element")
	}
	return root.children[0], nil
}

// decodeXML fills the struct that out points to from the answer of a Query or EC2 operation.
func decodeXML(s *Service, operation string, body []byte, out any) error {
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	if s.Protocol != EC2 {
		if root = root.child(operation + "Result"); root == nil {
			return fmt.Errorf("no %sResult in the answer", operation)
		}
	}
	return readXML(reflect.ValueOf(out).Elem(), root)
}

func readXML(v reflect.Value, n *xmlNode) error {
	switch v.Type() {
	case timeT, blobT, rawT:
		return setText(v, n.string())
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return readXML(v.Elem(), n)
	case reflect.Struct:
		return readXMLStruct(v, n)
	case reflect.Slice:
		return readXMLList(v, n)
	case reflect.Map:
		return readXMLMap(v, n)
	}
	return setText(v, n.string())
}

func readXMLStruct(v reflect.Value, n *xmlNode) error {
	p := planOf(v.Type())
	for _, child := range n.children {
		i, ok := p.byName[child.name]
		if !ok {
			continue
		}
		if err := readXML(v.Field(p.fields[i].index), child); err != nil {
			return fmt.Errorf("%s: %w", child.name, err)
		}
	}
	return nil
}

func readXMLList(v reflect.Value, n *xmlNode) error {
	v.Set(reflect.MakeSlice(v.Type(), len(n.children), len(n.children)))
	for i, child := range n.children {
		if err := readXML(v.Index(i), child); err != nil {
			return err
		}
	}
	return nil
}

func readXMLMap(v reflect.Value, n *xmlNode) error {
	v.Set(reflect.MakeMap(v.Type()))
	for _, entry := range n.children {
		value := entry.child("value")
		if value == nil {
			return errors.New("a map entry has no value")
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := readXML(elem, value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(entry.child("key").string()), elem)
	}
	return nil
}
