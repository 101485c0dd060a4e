// Command sim simulates Holograph's autoscaling: the real HPA controller on virtual time around a
// model of the fleet. `go run . --help` lists what it does.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"

	"holograph/test/sim/cli"
)

// testdata holds the policies that the report compares and the chart that renders them. It is part
// of the program, which then runs from any folder.
//
//go:embed testdata
var testdata embed.FS

func main() {
	err := cli.Main(testdata, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
