package stories

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// programs takes the place of `go test` and of what obtains images: each writes a line into the log that it returns. The
// images of the first folder are there only when ./test has run, or never.
func programs(t *testing.T) (log func() []string) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "log")
	for name, script := range map[string]string{
		"go": `echo "$@" >> ` + file + `; test "$3" != ./test/fails`,
		"nice": `for i in $(seq 500); do grep -q 'test -v ./test$' ` + file + ` && break; sleep 0.02; done
grep -q 'test -v ./test$' ` + file + ` && echo "images $5" >> ` + file + ` && test "$5" != missing`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() []string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

func TestStoriesRunWhileTheImagesOfLaterOnesAreObtained(t *testing.T) {
	log := programs(t)
	require.NoError(t, Run(t.Context(), io.Discard, io.Discard, []string{"-v"}, []string{"first", "second"}))
	lines := log()
	assert.ElementsMatch(t, []string{"test -v ./test", "images first", "test -v ./test/first", "images second", "test -v ./test/second"}, lines)
	for _, folder := range []string{"first", "second"} {
		assert.Less(t, slices.Index(lines, "images "+folder), slices.Index(lines, "test -v ./test/"+folder), "the images of %s, before its stories", folder)
	}
}

// TestImagesYieldToStories: what obtains images has the lowest priority among the sessions of the machine too.
func TestImagesYieldToStories(t *testing.T) {
	mine, err := os.ReadFile("/proc/self/autogroup")
	want := `^/autogroup-\d+ nice 19\n19\n$`
	if errors.Is(err, fs.ErrNotExist) {
		// A kernel without autogroups compares the processes.
		want = `^19\n$`
	}
	out := &strings.Builder{}
	require.NoError(t, yield(t.Context(), out, "sh", "-c", `cd /proc/self || exit; test ! -e autogroup || for i in $(seq 500); do grep -q "nice 19" autogroup && break; sleep 0.02; done
test ! -e autogroup || cat autogroup; nice`))
	assert.Regexp(t, want, out.String(), "the priority of its session, and its own")
	after, _ := os.ReadFile("/proc/self/autogroup")
	assert.Equal(t, string(mine), string(after), "the session of the stories")
}

func TestAFailureLeavesOutNoOtherFolder(t *testing.T) {
	log := programs(t)
	err := Run(t.Context(), io.Discard, io.Discard, []string{"-v"}, []string{"fails", "missing", "last"})
	assert.ErrorContains(t, err, "go test ./test/fails: exit status 1")
	assert.ErrorContains(t, err, "images of test/missing: exit status 1")
	lines := log()
	assert.NotContains(t, lines, "test -v ./test/missing", "stories without their images")
	assert.Contains(t, lines, "test -v ./test/last", "stories after those that failed")
}
