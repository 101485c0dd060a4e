// Package values holds values files of `make scale`.
package values

import _ "embed"

// Fleet is fleet.yaml: a fleet whose growth no policy holds back.
//
//go:embed fleet.yaml
var Fleet []byte
