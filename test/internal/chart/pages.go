package chart

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

// Block is a fenced block of a page.
type Block struct {
	// Page is its path in the repository, Line that of its first line.
	Page string
	Line int
	// Language is what stands behind the fence: sh, yaml, or nothing.
	Language, Text string
}

// Pages returns the paths of all pages in the repository.
func Pages(t testing.TB) []string {
	t.Helper()
	root, err := repo.Root()
	require.NoError(t, err)
	pages := []string{"README.md", "CONTRIBUTING.md", filepath.Join("charts", "holograph", "README.md")}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			path, err = filepath.Rel(root, path)
			pages = append(pages, path)
		}
		return err
	}))
	return pages
}

// Blocks returns the fenced blocks of all pages in one language.
func Blocks(t testing.TB, language string) []Block {
	t.Helper()
	var found []Block
	for _, page := range Pages(t) {
		path, err := repo.Path(page)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found = append(found, blocks(page, string(text), language)...)
	}
	return found
}

// blocks are the fenced blocks of a text in one language. A fence in a list is indented, and so is its text.
func blocks(page, text, language string) []Block {
	var found []Block
	var open *Block
	indent := ""
	line := 0
	for row := range strings.Lines(text) {
		line++
		trimmed := strings.TrimSpace(row)
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			indent = row[:strings.Index(row, "```")]
			open = &Block{Page: page, Line: line + 1, Language: strings.TrimPrefix(trimmed, "```")}
		case open != nil && trimmed == "```":
			if open.Language == language {
				found = append(found, *open)
			}
			open = nil
		case open != nil:
			open.Text += strings.TrimPrefix(row, indent)
		}
	}
	return found
}
