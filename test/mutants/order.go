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
	// lasts is how long each takes by itself, and took the same, but with the defaults only, of a test that has a subtest for them.
	lasts, took map[string]time.Duration
}

// defaults is the subtest that renders without values, of each test that renders several.
const defaults = "/defaults"

// newSuite takes how long each test and subtest took, and leaves out the tests that took longer than longest.
func newSuite(took map[string]time.Duration, longest time.Duration) (s *suite, never []string) {
	s = &suite{lasts: totals(took), took: map[string]time.Duration{}}
	for _, test := range slices.Sorted(maps.Keys(s.lasts)) {
		if s.lasts[test] > longest {
			never = append(never, test)
			continue
		}
		s.whole = append(s.whole, test)
		name := test
		if _, found := took[test+defaults]; found {
			name += defaults
		}
		s.took[name] = s.lasts[test]
	}
	return s, never
}

// measured takes how long the tests took in a run of those of s.took alone. A test may do as much for the subtest of the defaults
// as for all.
func (s *suite) measured(took map[string]time.Duration) {
	alone := totals(took)
	for name := range s.took {
		test, _, _ := strings.Cut(name, "/")
		s.took[name] = alone[test]
	}
}

// totals returns how long each test took with its subtests. Its own time has them, unless they are parallel.
func totals(took map[string]time.Duration) map[string]time.Duration {
	took, below := maps.Clone(took), map[string]time.Duration{}
	for name := range took {
		// The name of a subtest may have a slash, so it has parents that are no tests.
		for at := strings.LastIndex(name, "/"); at >= 0; at = strings.LastIndex(name, "/") {
			name = name[:at]
			took[name] += 0
		}
	}
	names := slices.Collect(maps.Keys(took))
	// The deepest first.
	slices.SortFunc(names, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	all := map[string]time.Duration{}
	for _, name := range names {
		total := max(took[name], below[name])
		if at := strings.LastIndex(name, "/"); at >= 0 {
			below[name[:at]] += total
		} else {
			all[name] = total
		}
	}
	return all
}

// budget is what the tests may take that a mutant meets alone.
const budget = time.Second

// quickest returns the tests that notice the most faults a second, as many as the budget allows.
func (s *suite) quickest(noticed map[string]int) (chosen []string) {
	worth := func(name string) float64 {
		test, _, _ := strings.Cut(name, "/")
		// One fault more, so that the quickest are first as long as nothing is known.
		return float64(noticed[test]+1) / (s.took[name] + 20*time.Millisecond).Seconds()
	}
	left := budget
	for _, name := range slices.SortedFunc(maps.Keys(s.took), func(a, b string) int { return cmp.Or(cmp.Compare(worth(b), worth(a)), cmp.Compare(a, b)) }) {
		if s.took[name] <= left {
			left -= s.took[name]
			chosen = append(chosen, name)
		}
	}
	return chosen
}

// suspects returns the tests that failed, each by itself, the quickest first; all tests where the binary ended without a failure.
func (s *suite) suspects(got outcome) (suspects [][]string) {
	for _, test := range slices.SortedFunc(slices.Values(got.failed), func(a, b string) int { return cmp.Compare(s.lasts[a], s.lasts[b]) }) {
		suspects = append(suspects, []string{test})
	}
	if len(suspects) == 0 {
		return [][]string{s.whole}
	}
	return suspects
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
const batchSize = 48

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
