package sim

import (
	"fmt"
	"runtime"
	"sync"

	"holograph/test/sim/fleet"
	"holograph/test/sim/manifest"
	"holograph/test/sim/trace"
)

// Case is one policy under one trace.
type Case struct {
	Manifest *manifest.Manifest
	Trace    trace.Trace
	Fleet    fleet.Config
}

// Seeds runs every case with the seeds 1 to n, on all cores, and returns the summaries by case and
// seed. Of each case the first seed's timeline goes to keep, which may be nil; calls of keep come
// in any order but one at a time.
func Seeds(cases []Case, n int, keep func(c int, r Result)) ([][]Summary, error) {
	out := make([][]Summary, len(cases))
	for i := range out {
		out[i] = make([]Summary, n)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		next  int
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				job := next
				next++
				stop := first != nil
				mu.Unlock()
				if stop || job >= len(cases)*n {
					return
				}
				c, seed := job/n, job%n
				options := Options{Fleet: cases[c].Fleet}
				options.Fleet.Seed = uint64(seed + 1)
				result, err := Run(cases[c].Manifest, cases[c].Trace, options)
				mu.Lock()
				if err != nil && first == nil {
					first = fmt.Errorf("%s, seed %d: %w", cases[c].Trace.Name, seed+1, err)
				}
				out[c][seed] = result.Summary
				if seed == 0 && keep != nil && err == nil {
					keep(c, result)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out, first
}
