package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// weather is how disturbed the proxies' core was: what the hypervisor took of it and what
// other processes used.
type weather struct {
	core           int
	stolen, others []float64 // % of each round

	began time.Time
	at    coreTime
	own   time.Duration
}

// coreTime is what a core has spent since the machine started.
type coreTime struct{ busy, stolen time.Duration }

func (w *weather) begin(core int) error {
	w.core = core
	_, err := readCore(core)
	return err
}

// look begins a round of the proxy's processes.
func (w *weather) look(pids []int) {
	w.began = time.Now()
	w.at, _ = readCore(w.core) // begin has seen that it can be read
	u, _ := usageOf(pids)      // the round fails where it can't be read
	w.own = u.all
}

// note ends a round.
func (w *weather) note(pids []int) {
	now, err1 := readCore(w.core)
	u, err2 := usageOf(pids)
	if err1 != nil || err2 != nil {
		return
	}
	took := time.Since(w.began).Seconds()
	w.stolen = append(w.stolen, 100*(now.stolen-w.at.stolen).Seconds()/took)
	others := (now.busy - w.at.busy) - (u.all - w.own)
	w.others = append(w.others, 100*max(0, others.Seconds())/took)
}

// readCore reads a line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
func readCore(core int) (coreTime, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return coreTime{}, err
	}
	return parseCore(string(text), core)
}

func parseCore(text string, core int) (coreTime, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != fmt.Sprintf("cpu%d", core) {
			continue
		}
		var n [8]time.Duration
		for i := range n {
			v, err := strconv.Atoi(fields[i+1])
			if err != nil {
				return coreTime{}, fmt.Errorf("read /proc/stat: %w", err)
			}
			n[i] = time.Duration(v) * tick
		}
		return coreTime{busy: n[0] + n[1] + n[2] + n[5] + n[6], stolen: n[7]}, nil
	}
	return coreTime{}, fmt.Errorf("/proc/stat has no core %d", core)
}

func (w *weather) String() string {
	return fmt.Sprintf("proxy: of core %d the hypervisor took %.0f %% and others used %.0f %% (medians of %d loads)",
		w.core, median(w.stolen), median(w.others), len(w.stolen))
}
