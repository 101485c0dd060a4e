package server

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxAhead and maxBehind bound what a client may say of its clock and be believed: a scene is planned a few
	// frames ahead at most, and nobody waits longer than that for a picture. What lies beyond, and the budget, is
	// a wrong clock or a wrong unit.
	maxAhead  = time.Second
	maxBehind = 10 * time.Second
	// maxQuoted is how much of a wrong parameter is quoted back.
	maxQuoted = 40
)

// request is what a client asks for.
type request struct {
	scheduled time.Time // by the client's clock
}

// parseRequest reads the query of GET /frame. The error is one sentence for the client.
func parseRequest(rawQuery string) (request, error) {
	const example = "write scheduled=<Unix time in microseconds>"
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return request{}, fmt.Errorf("the query cannot be read (%w); write /frame?scheduled=<Unix time in microseconds>", err)
	}
	for name, values := range query {
		if name != "scheduled" {
			return request{}, fmt.Errorf("the parameter %s is unknown; a frame has the parameter scheduled alone", quote(name))
		}
		if len(values) > 1 {
			return request{}, fmt.Errorf("the parameter %s is given %d times; write it once", name, len(values))
		}
	}

	text := query.Get("scheduled")
	if !query.Has("scheduled") {
		return request{}, fmt.Errorf("scheduled is missing; %s", example)
	}
	microseconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return request{}, fmt.Errorf("scheduled is %s, which is not a whole number; %s", quote(text), example)
	}
	return request{scheduled: time.UnixMicro(microseconds)}, nil
}

// skew judges a client's clock by a frame that arrived at the given time: "ahead" or "behind" where the two clocks
// cannot both be right, and "" otherwise.
func (r request) skew(arrived time.Time, budget time.Duration) string {
	switch {
	case r.scheduled.After(arrived.Add(maxAhead)):
		return "ahead"
	case r.scheduled.Before(arrived.Add(-maxBehind - budget)):
		return "behind"
	}
	return ""
}

// quote quotes the beginning of what a client wrote.
func quote(text string) string {
	if len(text) > maxQuoted {
		return strconv.Quote(text[:maxQuoted]) + "..."
	}
	return strconv.Quote(text)
}
