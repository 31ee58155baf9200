package logs

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drydock/alb/node"
)

const crashDir = "DRYDOCK_TEST_CRASH_DIR" // set for the process that is killed

// TestDelivery_ShipsWhatAKilledProcessLeft starts this test in a process of its own, which
// logs until it is killed with SIGKILL.
func TestDelivery_ShipsWhatAKilledProcessLeft(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		logForEver(t, dir)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDelivery_ShipsWhatAKilledProcessLeft$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(out).ReadString('\n') // 1,000 lines are in the file
	cmd.Process.Kill()
	cmd.Wait()
	live := matching(t, dir, `\.drydock/.*\.log`)
	if len(live) != 1 {
		t.Fatalf("the killed process left %v", files(t, dir))
	}
	// The power failed, too: the last line is torn, and so is a compressed file.
	f, err := os.OpenFile(filepath.Join(dir, live[0]), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("http 2026-10-01T12")
	f.Close()
	os.WriteFile(filepath.Join(dir, ".drydock", "shipping-123"), []byte("half"), 0o600)

	o := newOffice(t, dir)
	o.run()
	o.flush()
	got := paths(t, shippedLines(t, dir))
	if len(got) < 1000 || got[0] != "0" || got[999] != "999" {
		t.Errorf("%d lines were shipped", len(got))
	}
	if left := files(t, filepath.Join(dir, ".drydock")); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	if want := filepath.Base(live[0]) + ".gz"; !strings.HasSuffix(strings.Join(files(t, dir), " "), want) {
		t.Errorf("it was not shipped as %s: %v", want, files(t, dir))
	}
}

func logForEver(t *testing.T, dir string) {
	o := newOffice(t, dir)
	o.Configure(web(&node.LogBucket{Bucket: "b"}, nil, nil))
	o.run()
	for n := 0; ; n++ {
		o.Finished(webRequest(n))
		if n%100 == 99 {
			o.do(t.Context(), func(k *desk) { k.drain() })
		}
		if n == 999 {
			os.Stdout.WriteString("\n")
		}
	}
}

// TestCreateLocked_BesideARecovery: a file that a recovery took for a left-over between its
// creation and its lock is made again: what is written stands in a file that has a name.
func TestCreateLocked_BesideARecovery(t *testing.T) {
	dir := t.TempDir()
	s := shipper{dir: dir, log: slog.New(slog.DiscardHandler)}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.recover(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for n := range 2000 {
		name := filepath.Join(dir, liveDir, "bucket", fmt.Sprintf("%d.log", n))
		f, err := createLocked(name)
		if err != nil {
			t.Fatal(err)
		}
		if !isStill(f, name) {
			t.Fatalf("file %d has no name any more", n)
		}
		f.Close()
	}
	close(stop)
	<-ended
}
