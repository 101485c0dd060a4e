package bom

import (
	"archive/tar"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// self is a Go program whose build information is known: this test binary.
func self(t *testing.T) (path string, info *debug.BuildInfo) {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	info, err = buildinfo.ReadFile(path)
	require.NoError(t, err)
	return path, info
}

func decode(t *testing.T, path string) cyclonedx.BOM {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var bill cyclonedx.BOM
	require.NoError(t, cyclonedx.NewBOMDecoder(file, cyclonedx.BOMFileFormatJSON).Decode(&bill))
	return bill
}

func TestWrite(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	program, info := self(t)
	path := PathOf(filepath.Join(t.TempDir(), "renderer-1.tar"))
	assert.Equal(t, "renderer-1.cdx.json", filepath.Base(path))
	img := Image{
		Ref: "localhost:5000/holograph-renderer:0.1.0", Version: "0.1.0", Programs: []string{program, program},
		Packages: []Package{{"libc6", "2.36-9+deb12u13", "amd64"}},
	}
	require.NoError(t, Write(path, img))

	bill := decode(t, path)
	assert.Equal(t, "localhost:5000/holograph-renderer", bill.Metadata.Component.Name)
	assert.Equal(t, "0.1.0", bill.Metadata.Component.Version)
	components := map[string]cyclonedx.Component{}
	for _, component := range *bill.Components {
		assert.NotContains(t, components, component.BOMRef, "a component is listed twice")
		components[component.BOMRef] = component
	}
	// The program, Go, every module in it and the package, and nothing else.
	assert.Len(t, components, 1+1+len(info.Deps)+1)
	for _, dep := range info.Deps {
		component, listed := components["pkg:golang/"+dep.Path+"@"+strings.ReplaceAll(dep.Version, "+", "%2B")]
		if assert.True(t, listed, "the bill of materials lacks %s", dep.Path) && assert.NotNil(t, component.Hashes, "hashes of %s", dep.Path) {
			assert.Equal(t, dep.Version, component.Version)
			assert.Regexp(t, "^[0-9a-f]{64}$", (*component.Hashes)[0].Value)
		}
	}
	assert.Contains(t, components, "pkg:golang/std@"+strings.TrimPrefix(info.GoVersion, "go"))
	assert.Contains(t, components, "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64")
	own := components["pkg:golang/holograph@0.1.0#ci/bom.test"]
	assert.Equal(t, cyclonedx.ComponentTypeApplication, own.Type)
	assert.Contains(t, *own.Properties, cyclonedx.Property{Name: "cdx:gomod:build:env:GOOS", Value: "linux"})

	first, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotRegexp(t, regexp.MustCompile(`(?i)serialNumber|timestamp|urn:uuid`), string(first))
	require.NoError(t, Write(path, img))
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(first), string(again))
}

// What replaces a module is what is in the program.
func TestReplacedModule(t *testing.T) {
	component := module(&debug.Module{Path: "example.com/a", Version: "v1.0.0", Replace: &debug.Module{
		Path: "example.com/fork", Version: "v2.0.0+incompatible", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	}})
	assert.Equal(t, "pkg:golang/example.com/fork@v2.0.0%2Bincompatible", component.PackageURL)
	assert.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", (*component.Hashes)[0].Value)
}

func TestWhatIsNoGoProgramIsAnError(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh"), 0o700))
	path := filepath.Join(t.TempDir(), "x.cdx.json")
	assert.ErrorContains(t, Write(path, Image{Ref: "x:1", Programs: []string{script}}), "script")
	assert.NoFileExists(t, path)
}

func TestDebian(t *testing.T) {
	rootfs := filepath.Join(t.TempDir(), "rootfs.tar")
	write := func(name, content string) {
		file, err := os.Create(rootfs)
		require.NoError(t, err)
		archive := tar.NewWriter(file)
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err = archive.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, archive.Close())
		require.NoError(t, file.Close())
	}
	write("./var/lib/dpkg/status", `Package: adduser
Status: install ok installed
Architecture: all
Version: 3.134
Description: add and remove users
 Version: of the description, not of the package

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13.dfsg-1
`)
	packages, err := Debian(rootfs)
	require.NoError(t, err)
	assert.Equal(t, []Package{{"adduser", "3.134", "all"}, {"zlib1g", "1:1.2.13.dfsg-1", "amd64"}}, packages)
	write("./etc/passwd", "")
	_, err = Debian(rootfs)
	assert.ErrorContains(t, err, "has no list of Debian packages")
}
