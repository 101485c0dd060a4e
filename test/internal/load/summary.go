package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// summaryPrefix begins the line of k6's log that has the summary as JSON.
	summaryPrefix = "holograph-load-summary:"
	// maxFailures is the number of failed frames whose reason a summary keeps. The first ones show how a failure began.
	maxFailures = 5
)

// failure matches the reason of a failed frame in k6's log, as a quoted string.
var failure = regexp.MustCompile(`msg=("holograph-load-failure: .*") source=console`)

// Summary has the counts of k6. Every frame that was sent is in budget, late, refused or failed, except those without an
// answer when k6 was stopped.
type Summary struct {
	Sent         int // requested from the renderer
	InBudget     int // rendered, and within the budget both from the arrival and from the due time
	Late         int // rendered, and over budget from the arrival, which the renderer counts, or from the due time
	Refused      int // answered with 503
	Failed       int // anything else: no connection, no answer in time, another status, a clock that cannot be right
	NeverStarted int // due, but k6 was waiting for the answers of too many frames
	// Failures are the reasons of the first failed frames, each with the time since Start and the duration of the request.
	Failures []string

	LateAtClient int // rendered, but over budget when the answer reached k6
	// Latency is the time from the due time of a rendered frame until the answer reached k6; nil without rendered frames.
	Latency *Spread
	// Refusal is the time from the due time of a refused frame until the refusal reached k6; nil without refused frames.
	Refusal *Spread
	// Start is when the profile began, by k6's clock; zero if no frame was sent.
	Start time.Time
	// FirstOutOfBudget is the due time, since Start, of the first frame after the profile's mark that was not in budget; nil
	// without such a frame.
	FirstOutOfBudget *time.Duration
	// Slices are the counts of the profile's slices, from Start on.
	Slices []Slice

	// StartDelay is how late k6 itself sent the frames; nil if it sent none. If it is not much shorter than the budget, k6 was
	// short of CPU, and the load was not that of the profile.
	StartDelay *Spread
}

// Slice counts the frames that were due in one part of the load.
type Slice struct {
	Sent, InBudget int
}

// Spread has percentiles of a time, to a millisecond.
type Spread struct{ P50, P95, P99, Max time.Duration }

// Offered returns the number of frames that were due.
func (s Summary) Offered() int { return s.Sent + s.NeverStarted }

// InBudgetShare returns the share of all due frames that were in budget, from 0 to 1, or NaN if none was due. Frames that were
// refused, failed or never started lower it, because the viewer misses them.
func (s Summary) InBudgetShare() float64 {
	if s.Offered() == 0 {
		return math.NaN()
	}
	return float64(s.InBudget) / float64(s.Offered())
}

// String returns the summary in one line.
func (s Summary) String() string {
	text := fmt.Sprintf("%d frames offered: %d in budget, %d late, %d refused, %d failed, %d never started",
		s.Offered(), s.InBudget, s.Late, s.Refused, s.Failed, s.NeverStarted)
	if len(s.Failures) > 0 {
		text += "; the first failed " + strings.Join(s.Failures, "; ")
	}
	return text
}

// line is the summary as frames.js writes it.
type line struct {
	Sent         *int    `json:"sent"`
	InBudget     *int    `json:"in_budget"`
	Late         *int    `json:"late"`
	Refused      *int    `json:"refused"`
	Failed       *int    `json:"failed"`
	NeverStarted *int    `json:"never_started"`
	LateAtClient *int    `json:"late_at_client"`
	Latency      *spread `json:"latency_ms"`
	Refusal      *spread `json:"refusal_ms"`
	StartDelay   *spread `json:"start_delay_ms"`

	Start            *float64 `json:"start_ms"`
	FirstOutOfBudget *float64 `json:"first_out_of_budget_after_mark_ms"`
	Slices           [][2]int `json:"slices"`
}

type spread struct{ P50, P95, P99, Max float64 }

// ParseSummary reads the summary from the log of the Job's pod. If the log has none, the error quotes its last line, in which
// k6 says why it stopped.
func ParseSummary(log io.Reader) (Summary, error) {
	var summary *Summary
	var failures []string
	var last string
	reader := bufio.NewReader(log)
	for {
		text, err := reader.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return Summary{}, fmt.Errorf("reading the log of k6: %w", err)
		}
		if trimmed := strings.TrimSpace(text); trimmed != "" {
			last = trimmed
		}
		if found := failure.FindStringSubmatch(text); found != nil && len(failures) < maxFailures {
			reason, err := strconv.Unquote(found[1])
			if err != nil {
				return Summary{}, fmt.Errorf("reading the log of k6: the line %q: %w", text, err)
			}
			_, reason, _ = strings.Cut(reason, ": ")
			failures = append(failures, reason)
		}
		if encoded, found := strings.CutPrefix(strings.TrimSpace(text), summaryPrefix); found {
			if summary != nil {
				return Summary{}, errors.New("the log of k6 holds two summaries; read the log of one pod")
			}
			parsed, err := parseLine(encoded)
			if err != nil {
				return Summary{}, fmt.Errorf("the summary in the log of k6 %w", err)
			}
			summary = &parsed
		}
		if err != nil {
			break
		}
	}
	if summary == nil {
		return Summary{}, fmt.Errorf("the log of k6 holds no summary; its last line is %q", last)
	}
	summary.Failures = failures
	return *summary, nil
}

// parseLine's errors continue the sentence "the summary ...".
func parseLine(encoded string) (Summary, error) {
	var l line
	if err := json.Unmarshal([]byte(encoded), &l); err != nil {
		return Summary{}, fmt.Errorf("cannot be read: %w", err)
	}
	counts := []struct {
		name string
		n    *int
	}{
		{"sent", l.Sent}, {"in_budget", l.InBudget}, {"late", l.Late}, {"refused", l.Refused}, {"failed", l.Failed},
		{"never_started", l.NeverStarted}, {"late_at_client", l.LateAtClient},
	}
	for _, c := range counts {
		if c.n == nil {
			return Summary{}, fmt.Errorf("lacks the count %s", c.name)
		}
		// No run has this many, and below it the sums cannot overflow.
		if *c.n < 0 || *c.n > math.MaxInt32 {
			return Summary{}, fmt.Errorf("has %d as the count %s", *c.n, c.name)
		}
	}
	if answered := *l.InBudget + *l.Late + *l.Refused + *l.Failed; answered > *l.Sent {
		return Summary{}, fmt.Errorf("has more frames with an outcome (%d) than sent (%d)", answered, *l.Sent)
	}
	for name, s := range map[string]*spread{"latency_ms": l.Latency, "refusal_ms": l.Refusal, "start_delay_ms": l.StartDelay} {
		if s != nil && (min(s.P50, s.P95, s.P99, s.Max) < 0 || max(s.P50, s.P95, s.P99, s.Max) > math.MaxInt32) {
			return Summary{}, fmt.Errorf("has %v as %s", *s, name)
		}
	}
	summary := Summary{
		Sent: *l.Sent, InBudget: *l.InBudget, Late: *l.Late, Refused: *l.Refused, Failed: *l.Failed,
		NeverStarted: *l.NeverStarted, LateAtClient: *l.LateAtClient,
		Latency: l.Latency.durations(), Refusal: l.Refusal.durations(), StartDelay: l.StartDelay.durations(),
	}
	if l.Start != nil {
		summary.Start = time.UnixMilli(int64(*l.Start))
	}
	if l.FirstOutOfBudget != nil {
		summary.FirstOutOfBudget = new(time.Duration(*l.FirstOutOfBudget) * time.Millisecond)
	}
	sliced := 0
	for i, counts := range l.Slices {
		slice := Slice{Sent: counts[0], InBudget: counts[1]}
		if slice.InBudget < 0 || slice.Sent < slice.InBudget {
			return Summary{}, fmt.Errorf("has more frames in budget (%d) than sent (%d) in slice %d", slice.InBudget, slice.Sent, i)
		}
		summary.Slices = append(summary.Slices, slice)
		sliced += slice.Sent
	}
	if len(l.Slices) > 0 && sliced != *l.Sent {
		return Summary{}, fmt.Errorf("has %d frames in its slices and %d sent", sliced, *l.Sent)
	}
	return summary, nil
}

func (s *spread) durations() *Spread {
	if s == nil {
		return nil
	}
	ms := func(v float64) time.Duration { return time.Duration(math.Round(v)) * time.Millisecond }
	return &Spread{P50: ms(s.P50), P95: ms(s.P95), P99: ms(s.P99), Max: ms(s.Max)}
}
