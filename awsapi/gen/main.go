// Command gen writes the shapes of the operations listed in awsapi/ops.txt as Go
// structs, a package a service, and the service table of package awsapi.
//
// It reads the service models of the installed botocore package (Apache-2.0). Its
// output is committed, so that a build needs neither botocore nor Python.
//
//	go run ./awsapi/gen          write the files
//	go run ./awsapi/gen -table   print the supported operations as Markdown
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	table := flag.Bool("table", false, "print the supported operations as a Markdown table")
	flag.Parse()
	room, err := findRoom()
	if err != nil {
		log.Fatal(err)
	}
	ops, err := readOps(filepath.Join(room, "ops.txt"))
	if err != nil {
		log.Fatal(err)
	}
	if *table {
		err = printTable(os.Stdout, room, ops)
	} else {
		err = generate(room, ops)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// findRoom returns the directory of package awsapi, seen from anywhere in the module.
func findRoom() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "awsapi"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = up
	}
}

// list is ops.txt: services in the order of their first line, each with its operations.
type list struct {
	services   []string
	operations map[string][]string
}

func readOps(name string) (list, error) {
	f, err := os.Open(name)
	if err != nil {
		return list{}, err
	}
	defer f.Close()
	l := list{operations: map[string][]string{}}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return list{}, fmt.Errorf("%s:%d: want \"service operation\"", name, n)
		}
		service, operation := words[0], words[1]
		if l.operations[service] == nil {
			l.services = append(l.services, service)
		}
		l.operations[service] = append(l.operations[service], operation)
	}
	for _, operations := range l.operations {
		sort.Strings(operations)
	}
	return l, lines.Err()
}

func generate(room string, ops list) error {
	data, err := dataDir()
	if err != nil {
		return err
	}
	var models []*model
	for _, service := range ops.services {
		m, err := readModel(data, service)
		if err != nil {
			return err
		}
		m.listed = ops.operations[service]
		if err := m.check(); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
		models = append(models, m)
		dir := filepath.Join(room, m.packageName())
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := writeGo(filepath.Join(dir, "shapes_gen.go"), m.shapesFile()); err != nil {
			return err
		}
	}
	if err := writeGo(filepath.Join(room, "services_gen.go"), servicesFile(models)); err != nil {
		return err
	}
	return writeGo(filepath.Join(room, "shapes_gen_test.go"), shapesTestFile(models))
}
