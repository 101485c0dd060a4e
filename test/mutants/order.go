package main

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// suite is what is known of the tests.
type suite struct {
	// whole are all tests that are run.
	whole []string
	// took is how long each takes by itself; of a test that renders several values, only that with the defaults.
	took map[string]time.Duration
}

// defaults is the subtest that renders without values, of each test that renders several.
const defaults = "/defaults"

// newSuite takes how long each test and subtest took, and leaves out the tests that took longer than longest.
func newSuite(took map[string]time.Duration, longest time.Duration) (s *suite, never []string) {
	s = &suite{took: map[string]time.Duration{}}
	whole := map[string]time.Duration{}
	below := map[string]time.Duration{}
	for name, duration := range took {
		if test, sub, found := strings.Cut(name, "/"); !found {
			whole[test] = duration
		} else if !strings.Contains(sub, "/") {
			below[test] += duration
		}
	}
	for _, test := range slices.Sorted(maps.Keys(whole)) {
		// A test counts its subtests, unless they are parallel.
		whole[test] = max(whole[test], below[test])
		if whole[test] > longest {
			never = append(never, test)
			continue
		}
		s.whole = append(s.whole, test)
		if quick, found := took[test+defaults]; found {
			s.took[test+defaults] = quick
		} else {
			s.took[test] = whole[test]
		}
	}
	return s, never
}

// budgets are what the tests of the first rounds may take.
var budgets = []time.Duration{500 * time.Millisecond, 4 * time.Second}

// rounds returns the tests that notice the most faults a second, as many as each budget allows.
func (s *suite) rounds(noticed map[string]int) [][]string {
	worth := func(name string) float64 {
		test, _, _ := strings.Cut(name, "/")
		// One fault more, so that the quickest are first as long as nothing is known.
		return float64(noticed[test]+1) / (s.took[name] + 20*time.Millisecond).Seconds()
	}
	waiting := slices.SortedFunc(maps.Keys(s.took), func(a, b string) int { return cmp.Or(cmp.Compare(worth(b), worth(a)), cmp.Compare(a, b)) })
	var rounds [][]string
	for _, left := range budgets {
		var chosen, rest []string
		for _, name := range waiting {
			if s.took[name] <= left {
				left -= s.took[name]
				chosen = append(chosen, name)
			} else {
				rest = append(rest, name)
			}
		}
		if len(chosen) > 0 {
			rounds = append(rounds, chosen)
		}
		waiting = rest
	}
	return rounds
}

// pattern returns what -test.run takes for tests and subtests.
func pattern(names []string) string {
	var patterns []string
	for _, name := range names {
		var parts []string
		for part := range strings.SplitSeq(name, "/") {
			parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
		}
		patterns = append(patterns, strings.Join(parts, "/"))
	}
	return strings.Join(patterns, "|")
}

// batchSize is how many mutants are tested at once that the best tests have not noticed: few of them are noticed at all,
// and all tests take minutes.
const batchSize = 24

// split takes a batch from mutants, no two of which are in one line, and returns the rest too.
func split(mutants []mutant) (batch, rest []mutant) {
	type place struct {
		file string
		line int
	}
	taken := map[place]bool{}
	for _, m := range mutants {
		if at := (place{m.file, m.line}); len(batch) < batchSize && !taken[at] {
			taken[at] = true
			batch = append(batch, m)
		} else {
			rest = append(rest, m)
		}
	}
	return batch, rest
}
