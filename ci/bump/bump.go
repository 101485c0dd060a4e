// Package bump moves a foreign program to another version, in every file that pins it by
// hand. What is written from those files is left to `make update`.
package bump

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"holograph/ci/command"
	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/repo"
)

// besides are the folders whose go.mod may require a program's module as a library: this
// repository's own and the simulator's, which must be of the version that the clusters run.
var besides = []string{"", "test/sim"}

// Bump moves the program of that name to a version of its module, such as "v0.12.0" or
// "latest", and tells on out what it changed. The version of Prometheus may be that of its
// image, such as "v3.14.0".
func Bump(ctx context.Context, out io.Writer, name, version string) error {
	p, err := find(name)
	if err != nil {
		return err
	}
	pinned, err := p.Module()
	if err != nil {
		return err
	}
	wanted, err := resolve(ctx, p, pinned, p.ModuleVersion(version))
	if err != nil {
		return err
	}
	if wanted.Version == pinned.Version {
		fmt.Fprintf(out, "%s is at %s already.\n", name, pinned.Version)
		return nil
	}
	images, err := imagesOf(p)
	if err != nil {
		return err
	}
	folders, err := foldersOf(p, pinned)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := changeModule(ctx, out, folder, pinned, wanted); err != nil {
			return err
		}
	}
	for _, img := range images {
		if err := retag(out, img, p.Tag(wanted.Version)); err != nil {
			return err
		}
	}
	return nil
}

// find returns the foreign program of that name.
func find(name string) (program.Program, error) {
	all, err := program.All()
	if err != nil {
		return program.Program{}, err
	}
	var names []string
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return program.Program{}, fmt.Errorf("there is no program %q; the programs are %s", name, strings.Join(names, ", "))
}

// resolve asks the module proxy for a version of the pinned module.
func resolve(ctx context.Context, p program.Program, pinned module.Version, version string) (module.Version, error) {
	if version == "" {
		return pinned, fmt.Errorf("no version of %s is given; write VERSION=v1.2.3 or VERSION=latest", p.Name)
	}
	out, err := goTool(ctx, p.Folder, "list", "-mod=mod", "-m", "-f", "{{.Version}}", pinned.Path+"@"+version)
	if err == nil {
		return module.Version{Path: pinned.Path, Version: strings.TrimSpace(out)}, nil
	}
	versions, listErr := goTool(ctx, p.Folder, "list", "-mod=mod", "-m", "-versions", "-f", `{{join .Versions " "}}`, pinned.Path)
	if listErr != nil {
		return pinned, listErr
	}
	newest := strings.Fields(versions)
	newest = newest[max(0, len(newest)-5):]
	if len(newest) == 0 {
		return pinned, fmt.Errorf("the module proxy has no %s@%s: %w", pinned.Path, version, err)
	}
	return pinned, fmt.Errorf("the module proxy has no %s@%s; its newest versions are %s", pinned.Path, version, strings.Join(newest, ", "))
}

// foldersOf returns the folders whose go.mod must be changed: the program's own, and those
// that require its module as a library.
func foldersOf(p program.Program, pinned module.Version) ([]string, error) {
	folders := []string{p.Folder}
	for _, folder := range besides {
		required, err := repo.Required(folder)
		if err != nil {
			return nil, err
		}
		if folder != p.Folder && slices.Contains(required, pinned) {
			folders = append(folders, folder)
		}
	}
	return folders, nil
}

// changeModule changes the go.mod in folder, and go.sum with it.
func changeModule(ctx context.Context, out io.Writer, folder string, pinned, wanted module.Version) error {
	required, err := repo.Required(folder)
	if err != nil {
		return err
	}
	edit := []string{"mod", "edit"}
	for _, r := range required {
		switch {
		case r == pinned:
			edit = append(edit, "-require="+wanted.String())
		case pinned.Path == "k8s.io/kubernetes" && strings.HasPrefix(r.Path, "k8s.io/") && r.Version == staging(pinned.Version):
			// Kubernetes' libraries are published beside it, as v0.37.0 with v1.37.0.
			edit = append(edit, "-require="+r.Path+"@"+staging(wanted.Version))
		}
	}
	if _, err := goTool(ctx, folder, edit...); err != nil {
		return err
	}
	tools, err := repo.Tools(folder)
	if err != nil {
		return err
	}
	if len(tools) > 0 || slices.Contains(besides, folder) {
		_, err = goTool(ctx, folder, "mod", "tidy")
	} else {
		// Nothing is imported from a module that is only read: tidying would drop it.
		_, err = goTool(ctx, folder, "mod", "download", wanted.Path)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s, was %s\n", path.Join(folder, "go.mod"), wanted, pinned.Version)
	return nil
}

// staging is the version of Kubernetes' libraries that belongs to a version of Kubernetes.
func staging(version string) string { return "v0" + strings.TrimPrefix(version, "v1") }

// imagesOf returns the images that values.yaml names with a tag and that hold the program.
func imagesOf(p program.Program) ([]image.Image, error) {
	all, err := image.Chart()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(img image.Image) bool { return img.Program.Name != p.Name }), nil
}

// retag changes the tag in values.yaml, and removes the digest of the old tag's image.
func retag(out io.Writer, img image.Image, tag string) error {
	at := strings.LastIndex(img.Ref, ":")
	repository, old := img.Ref[:at], img.Ref[at+1:]
	_, name, _ := strings.Cut(repository, "/")
	if err := edit("charts/holograph/values.yaml", func(text []byte) ([]byte, error) {
		return replaceTag(text, name, old, tag)
	}); err != nil {
		return err
	}
	fmt.Fprintf(out, "charts/holograph/values.yaml: tag %s of %s, was %s\n", tag, repository, old)
	const catalogue = "ci/image/catalogue.go"
	if img.Digest == "" {
		return nil
	}
	if err := edit(catalogue, func(text []byte) ([]byte, error) { return dropDigest(text, img.Ref) }); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: the digest of %s is removed; add that of %s:%s where two independent sources name the same\n", catalogue, img.Ref, repository, tag)
	return nil
}

// replaceTag changes the line `tag:` that follows `repository: name`.
func replaceTag(text []byte, name, old, tag string) ([]byte, error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	at := slices.IndexFunc(lines, func(line []byte) bool { return string(bytes.TrimSpace(line)) == "repository: "+name })
	for i := at + 1; at >= 0 && i < len(lines); i++ {
		if key, _, _ := strings.Cut(string(bytes.TrimSpace(lines[i])), ":"); key != "tag" {
			continue
		}
		if changed := bytes.Replace(lines[i], []byte(" "+old), []byte(" "+tag), 1); !bytes.Equal(changed, lines[i]) {
			lines[i] = changed
			return bytes.Join(lines, nil), nil
		}
		break
	}
	return nil, fmt.Errorf("no line `tag: %s` follows `repository: %s`", old, name)
}

// dropDigest removes the line of an image from the table of digests.
func dropDigest(text []byte, ref string) ([]byte, error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	rest := slices.DeleteFunc(slices.Clone(lines), func(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte(`"`+ref+`":`)) })
	if len(rest) != len(lines)-1 {
		return nil, fmt.Errorf("want one line for %s, found %d", ref, len(lines)-len(rest))
	}
	return format.Source(bytes.Join(rest, nil))
}

// edit rewrites a file of the repository.
func edit(file string, change func([]byte) ([]byte, error)) error {
	path, err := repo.Path(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := change(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(path, changed, 0o644)
}

// goTool runs the go command in a folder of the repository.
func goTool(ctx context.Context, folder string, args ...string) (string, error) {
	dir, err := repo.Path(folder)
	if err != nil {
		return "", err
	}
	out, err := command.Command{Dir: dir, Env: []string{"GOWORK=off", "GOFLAGS="}, Log: "bump", Args: append([]string{"go"}, args...)}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("in %s: %w", path.Join(folder, "go.mod"), err)
	}
	return out, nil
}
