// Command sim simulates Holograph's autoscaling: the real HPA controller on virtual time around a
// model of the fleet. `go run . --help` lists what it does.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
)

// testdata holds the policies that the report compares and the chart that renders them.
//
//go:embed testdata
var testdata embed.FS

func main() {
	err := simulate(os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
