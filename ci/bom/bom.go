// Package bom writes the bill of materials of an image: what its programs were built
// from, as the programs themselves say it, and its Debian packages. It is CycloneDX
// JSON, and the same for the same contents: no time and no random number is in it.
package bom

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"

	"holograph/ci/cache"
)

// Image is what the bill of an image is made from.
type Image struct {
	// Ref is the image's full name with its tag.
	Ref string
	// Version is that of the programs whose own information has none: those of this
	// repository.
	Version string
	// Programs are the paths of its Go programs.
	Programs []string
	// Packages are its Debian packages.
	Packages []Package
}

// Package is a Debian package.
type Package struct{ Name, Version, Architecture string }

// PathOf returns where the bill of an image archive is: beside it.
func PathOf(archive string) string {
	return strings.TrimSuffix(archive, filepath.Ext(archive)) + ".cdx.json"
}

// Write writes the image's bill to the cache's entry at path.
func Write(path string, img Image) error {
	bill, err := newBill(img)
	if err != nil {
		return err
	}
	return cache.Publish(path, func(temporary string) error {
		out, err := os.Create(temporary)
		if err != nil {
			return err
		}
		err = cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bill, cyclonedx.SpecVersion1_6)
		return errors.Join(err, out.Close())
	})
}

func newBill(img Image) (*cyclonedx.BOM, error) {
	bill := cyclonedx.NewBOM()
	repository, tag := img.Ref, ""
	if colon := strings.LastIndex(img.Ref, ":"); colon > strings.LastIndex(img.Ref, "/") {
		repository, tag = img.Ref[:colon], img.Ref[colon+1:]
	}
	bill.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: img.Ref, Type: cyclonedx.ComponentTypeContainer, Name: repository, Version: tag,
	}}
	components := map[string]cyclonedx.Component{}
	for _, path := range img.Programs {
		more, err := program(path, img.Version)
		if err != nil {
			return nil, err
		}
		for _, component := range more {
			components[component.BOMRef] = component
		}
	}
	for _, p := range img.Packages {
		purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", escape(p.Name), escape(p.Version), p.Architecture)
		components[purl] = cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: purl}
	}
	all := make([]cyclonedx.Component, 0, len(components))
	for _, component := range components {
		all = append(all, component)
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bill.Components = &all
	return bill, nil
}

// program returns the components of a Go program: itself, every module in it, and Go.
func program(path, version string) ([]cyclonedx.Component, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	content, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return nil, err
	}
	own := module(&info.Main)
	if info.Main.Version == "" || info.Main.Version == "(devel)" {
		own = module(&debug.Module{Path: info.Main.Path, Version: version})
	}
	own.Type, own.Name = cyclonedx.ComponentTypeApplication, filepath.Base(path)
	own.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum.Sum(nil))}}
	if inside := strings.TrimPrefix(strings.TrimPrefix(info.Path, info.Main.Path), "/"); inside != "" {
		own.PackageURL += "#" + inside
	}
	own.BOMRef = own.PackageURL
	settings := []cyclonedx.Property{}
	for _, setting := range info.Settings {
		if setting.Key == strings.ToUpper(setting.Key) && !strings.HasPrefix(setting.Key, "-") {
			settings = append(settings, cyclonedx.Property{Name: "cdx:gomod:build:env:" + setting.Key, Value: setting.Value})
		}
	}
	own.Properties = &settings
	components := []cyclonedx.Component{own, module(&debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")})}
	for _, dep := range info.Deps {
		components = append(components, module(dep))
	}
	return components, nil
}

// module is the component of a Go module, of what replaces it where something does.
func module(m *debug.Module) cyclonedx.Component {
	// A folder in place of a module is that module with files added.
	for m.Replace != nil && m.Replace.Version != "" {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + escape(m.Version)
	component := cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl}
	// go.sum's own hash, as cyclonedx-gomod gives it: of the module's files and their names.
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
		component.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	}
	return component
}

func escape(version string) string {
	return strings.ReplaceAll(url.PathEscape(version), "+", "%2B")
}

// Debian lists the packages that are installed in a root file system's archive.
func Debian(rootfs string) ([]Package, error) {
	file, err := os.Open(rootfs)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for archive := tar.NewReader(file); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("%s has no list of Debian packages", rootfs)
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == "var/lib/dpkg/status" {
			return packages(archive)
		}
	}
}

// packages reads dpkg's list: paragraphs of "Key: value" lines.
func packages(status io.Reader) ([]Package, error) {
	var all []Package
	fields := map[string]string{}
	end := func() {
		if fields["Status"] == "install ok installed" {
			all = append(all, Package{fields["Package"], fields["Version"], fields["Architecture"]})
		}
		clear(fields)
	}
	lines := bufio.NewScanner(status)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "" {
			end()
		} else if key, value, found := strings.Cut(lines.Text(), ": "); found && !strings.HasPrefix(key, " ") {
			fields[key] = value
		}
	}
	end()
	return all, lines.Err()
}
