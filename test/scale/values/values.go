// Package values holds what the fleets of `make scale` are, for the programs that play or simulate them.
package values

import _ "embed"

const (
	// FullRate is what a full pod renders, in frames per second.
	FullRate = 30
	// MostLoad is the most that a pod is offered, as a multiple of its capacity: 9,000 frames per second. The queries drop a pod
	// with more than 10,000 or a thousand times its capacity as broken, and a step to thousands of pods' worth would offer two pods
	// more than that.
	MostLoad = 300
)

// Fleet is fleet.yaml: a fleet whose growth no policy holds back.
//
//go:embed fleet.yaml
var Fleet []byte
