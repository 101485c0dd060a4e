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
	// lasts is how long each takes by itself, and took the same; of a test that renders several values, only that with the defaults.
	lasts, took map[string]time.Duration
}

// defaults is the subtest that renders without values, of each test that renders several.
const defaults = "/defaults"

// newSuite takes how long each test and subtest took, and leaves out the tests that took longer than longest.
func newSuite(took map[string]time.Duration, longest time.Duration) (s *suite, never []string) {
	whole := map[string]time.Duration{}
	s = &suite{lasts: whole, took: map[string]time.Duration{}}
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

// budget is what the tests may take that a mutant meets alone.
const budget = 500 * time.Millisecond

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
