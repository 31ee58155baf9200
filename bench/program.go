package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// program is somebody else's server that runs for us in the foreground.
type program struct {
	*os.Process
	name   string
	log    string        // file with what it said
	exited chan struct{} // closed when it has
}

// startProgram starts a server on a core; its output goes to a file in dir.
func startProgram(core int, dir, name string, args ...string) (*program, error) {
	p := &program{name: filepath.Base(name), exited: make(chan struct{})}
	log, err := os.CreateTemp(dir, p.name+".*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.log = log.Name()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for us: we stop it in order
	if err := onCore(core, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.Process = cmd.Process
	go func() {
		cmd.Wait() // how it ends does not matter
		close(p.exited)
	}()
	return p, nil
}

// awaitAnswer returns when the server answers a GET with 200.
func (p *program) awaitAnswer(ctx context.Context, at netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := answers(ctx, at); err != nil {
		text, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s: %w: %.500s", p.name, err, text)
	}
	return nil
}

// stop ends the server.
func (p *program) stop(context.Context) error {
	p.Signal(syscall.SIGTERM) // it may have exited already
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
	}
	p.Kill()
	<-p.exited
	return fmt.Errorf("%s had to be killed", p.name)
}

// find returns where a program is; those for administrators are often not in PATH.
func find(name string) (string, error) {
	if file, err := exec.LookPath(name); err == nil {
		return file, nil
	}
	file, err := exec.LookPath(filepath.Join("/usr/sbin", name))
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %w", name, errors.Unwrap(err))
	}
	return file, nil
}
