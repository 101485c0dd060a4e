package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// machineUse notes how busy the machine's CPUs are.
type machineUse struct {
	times []time.Time
	busy  []float64
}

// followMachine reads the machine's CPU time once a second until ctx ends. Where the kernel has no /proc/stat
// it notes nothing.
func followMachine(ctx context.Context) *machineUse {
	m := &machineUse{}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	read := func() (used, total float64, err error) {
		text, err := os.ReadFile("/proc/stat")
		if err != nil {
			return 0, 0, err
		}
		return cpuTime(string(text))
	}
	used, total, err := read()
	for err == nil {
		select {
		case <-ctx.Done():
			return m
		case <-ticker.C:
		}
		before, sum := used, total
		if used, total, err = read(); err == nil && total > sum {
			m.times = append(m.times, time.Now())
			m.busy = append(m.busy, (used-before)/(total-sum))
		}
	}
	return m
}

// Since returns the share of CPU time used, second by second from start on, to a thousandth.
func (m *machineUse) Since(start time.Time) []float64 {
	var busy []float64
	for i, at := range m.times {
		if at.After(start) {
			busy = append(busy, float64(int(1000*m.busy[i]+0.5))/1000)
		}
	}
	return busy
}

// cpuTime reads the first line of /proc/stat: the ticks that all CPUs worked, and all their ticks. What the
// hypervisor gave to others counts as worked: it was not to be had.
func cpuTime(stat string) (used, total float64, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	// user nice system idle iowait irq softirq steal; guest time is in user and nice already.
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
		}
		total += ticks
		if i != 3 && i != 4 {
			used += ticks
		}
	}
	return used, total, nil
}
