package iptables

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// packages names the Debian package of every program that is needed.
var packages = map[string]string{
	"iptables":         "iptables",
	"iptables-restore": "iptables",
	"ipset":            "ipset",
	"ip":               "iproute2",
}

// need returns an error that names the remedy if a program is not there.
func need(program string) error {
	if installed(program) {
		return nil
	}
	return fmt.Errorf("%s is not installed: apt install %s", program, packages[program])
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// run runs a program with input and returns what it printed. The error holds what it said.
func run(ctx context.Context, input string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, firstLine(said.String()))
	}
	return out.String(), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
