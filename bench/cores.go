package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cores says who runs where: the proxy that is measured has a core to itself, everything
// else shares the other one.
type cores struct{ proxy, rest int }

// chooseCores takes the first two cores that this process may use; on a machine with one
// core all share it.
func chooseCores() (cores, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return cores{}, fmt.Errorf("ask which cores there are: %w", err)
	}
	var first []int
	for core := 0; core < 1024 && len(first) < 2; core++ {
		if allowed.IsSet(core) {
			first = append(first, core)
		}
	}
	if len(first) == 0 {
		return cores{}, errors.New("this process may run on no core")
	}
	return cores{proxy: first[0], rest: first[len(first)-1]}, nil
}

// anyCore leaves the choice to the kernel.
const anyCore = -1

// onCore calls f on a thread that is bound to a core: the processes that f starts are too.
func onCore(core int, f func() error) error {
	if core == anyCore {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := bind(0, core); err != nil {
		return err
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &before))
}

// move binds all threads of a process, and those they will start, to a core. It looks twice:
// a thread that is not bound yet may start another one meanwhile.
func move(pid, core int) error {
	for range 2 {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, dir := range threads {
			thread, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				return err
			}
			if err := bind(thread, core); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

func bind(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(thread, &set))
}
