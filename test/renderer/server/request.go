package server

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxAhead is how far ahead of its clock the server renders. A scene is planned a few frames
	// ahead at most; more is a wrong unit or a wrong clock.
	maxAhead = time.Second
	// maxBehind is the age from which a request is malformed rather than late, for the same reason.
	maxBehind = time.Minute
)

// request is what a client asks for.
type request struct {
	scheduled time.Time
	png       bool
}

// parseRequest reads the query of GET /frame. The error is one sentence for the client.
func parseRequest(rawQuery string, now time.Time) (request, error) {
	const example = "write scheduled=<Unix time in microseconds>"
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return request{}, fmt.Errorf("the query cannot be read (%w); write /frame?scheduled=<Unix time in microseconds>", err)
	}
	for name, values := range query {
		if name != "scheduled" && name != "format" {
			return request{}, fmt.Errorf("the parameter %q is unknown; a frame has the parameters scheduled and format", name)
		}
		if len(values) > 1 {
			return request{}, fmt.Errorf("the parameter %s is given %d times; write it once", name, len(values))
		}
	}

	var r request
	switch format := query.Get("format"); {
	case format == "png":
		r.png = true
	case format != "phase" && query.Has("format"):
		return request{}, fmt.Errorf("format is %q; write phase or png", format)
	}

	text := query.Get("scheduled")
	if !query.Has("scheduled") {
		return request{}, fmt.Errorf("scheduled is missing; %s", example)
	}
	microseconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return request{}, fmt.Errorf("scheduled is %q, which is not a whole number; %s", text, example)
	}
	r.scheduled = time.UnixMicro(microseconds)
	switch {
	case r.scheduled.After(now.Add(maxAhead)):
		return request{}, fmt.Errorf("scheduled is %d, more than %v ahead of the renderer's clock; %s", microseconds, maxAhead, example)
	case r.scheduled.Before(now.Add(-maxBehind)):
		return request{}, fmt.Errorf("scheduled is %d, more than %v behind the renderer's clock; %s", microseconds, maxBehind, example)
	}
	return r, nil
}
