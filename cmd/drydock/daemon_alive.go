package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// aliveName begins the names of the sockets that daemons hold as long as they run: they are in
// no file system, so that none is left of a daemon that was killed.
const aliveName = "@drydock/"

// holdInstance tells other programs on this machine that the instance has a daemon.
func holdInstance(instance string) (net.Listener, error) {
	l, err := net.Listen("unix", aliveName+instance)
	if err != nil {
		return nil, fmt.Errorf("another daemon has the instance %s: is the state directory a copy of that one's? Give this one a new --state-dir: %w", instance, err)
	}
	return l, nil
}

// aliveInstances returns the instances whose daemons run.
func aliveInstances() (map[string]bool, error) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("look which daemons run: %w", err)
	}
	defer f.Close()
	alive := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if _, instance, ok := strings.Cut(lines.Text(), " "+aliveName); ok {
			alive[instance] = true
		}
	}
	return alive, lines.Err()
}

// home says where an instance's state is: on which machine, and in which directory.
func home(stateDir string) string {
	if absolute, err := filepath.Abs(stateDir); err == nil {
		stateDir = absolute
	}
	return hostname() + ":" + stateDir
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
