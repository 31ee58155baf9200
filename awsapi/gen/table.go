package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// printTable writes the listed operations as Markdown, each with whether a handler is registered.
func printTable(w io.Writer, room string, ops list) error {
	fmt.Fprintln(w, "| service | operation | implemented |")
	fmt.Fprintln(w, "|---|---|---|")
	for _, service := range ops.services {
		handled, err := handledIn(filepath.Join(room, packageName(service)))
		if err != nil {
			return err
		}
		for _, op := range ops.operations[service] {
			mark := "not yet"
			if handled[op] {
				mark = "yes"
			}
			fmt.Fprintf(w, "| %s | %s | %s |\n", service, op, mark)
		}
	}
	return nil
}

// handledIn returns the operations that a package's source registers with awsapi.Handle.
func handledIn(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	handled := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if op := handledBy(n); op != "" {
				handled[op] = true
			}
			return true
		})
	}
	return handled, nil
}

// handledBy returns the operation that a call such as awsapi.Handle(s, "ecs", "RunTask", f) registers.
func handledBy(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 4 {
		return ""
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "Handle" {
		return ""
	}
	literal, ok := call.Args[2].(*ast.BasicLit)
	if !ok {
		return ""
	}
	op, _ := strconv.Unquote(literal.Value)
	return op
}
