// Package repo knows where things stand in this repository.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"sigs.k8s.io/yaml"
)

// Root returns the absolute path of the repository, found by walking up from
// the working directory to the folder that holds charts/holograph.
var Root = sync.OnceValues(func() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "charts", "holograph", "Chart.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the holograph repository: run this from a checkout of it", start)
		}
	}
})

// Enter makes the repository's root the working directory.
func Enter() error {
	root, err := Root()
	if err != nil {
		return err
	}
	return os.Chdir(root)
}

// Path joins elem to the repository's root.
func Path(elem ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root}, elem...)...), nil
}

// Required returns the modules that the go.mod in folder (relative to the root) requires.
func Required(folder string) ([]module.Version, error) {
	file, err := goMod(folder)
	if err != nil {
		return nil, err
	}
	var required []module.Version
	for _, require := range file.Require {
		required = append(required, require.Mod)
	}
	return required, nil
}

// Tools returns the packages that the go.mod in folder (relative to the root) names as
// tools.
func Tools(folder string) ([]string, error) {
	file, err := goMod(folder)
	if err != nil {
		return nil, err
	}
	var tools []string
	for _, tool := range file.Tool {
		tools = append(tools, tool.Path)
	}
	return tools, nil
}

// Toolchain returns the Go toolchain that builds every program that goes into an
// image, such as "go1.26.11": the one that the root's go.mod names, whichever Go the
// machine has.
func Toolchain() (string, error) {
	file, err := goMod("")
	if err != nil {
		return "", err
	}
	if file.Toolchain == nil {
		return "", fmt.Errorf("%s has no toolchain line", file.Syntax.Name)
	}
	return file.Toolchain.Name, nil
}

// goMod parses the go.mod in folder, relative to the root.
func goMod(folder string) (*modfile.File, error) {
	path, err := Path(folder, "go.mod")
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(path, data, nil)
}

// AppVersion returns the version of this repository's own programs: the chart's
// appVersion.
func AppVersion() (string, error) {
	path, err := Path("charts", "holograph", "Chart.yaml")
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var chart struct{ AppVersion string }
	if err := yaml.Unmarshal(data, &chart); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return chart.AppVersion, nil
}
