package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drydock/timeline/timelinetest"
)

// TestNonsense_IsRefusedNotFailed calls every operation with input that fits its shape and means
// nothing, beside a stack that serves. What is refused is refused with a client error; the
// daemon lives on, and says what there is.
func TestNonsense_IsRefusedNotFailed(t *testing.T) {
	t.Parallel()
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("python3 with boto3 is not installed")
	}
	p := newProgram(t)
	p.Run("up", smallDir)
	rounds := "6"
	if timelinetest.Long {
		rounds = "200"
	}
	ops, err := filepath.Abs("../../awsapi/ops.txt")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("python3", "testdata/e2e/nonsense/nonsense.py", ops, "1", rounds)
	command.Env = p.AWS().env
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out[strings.LastIndex(strings.TrimSpace(string(out)), "\n")+1:])
	if s := p.Status(); s.Daemon.PID != p.process.command.Process.Pid {
		t.Errorf("another daemon answers: %+v", s.Daemon)
	}
}
