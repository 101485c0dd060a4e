// Package chart renders charts/holograph in process, as `helm template` does, and decodes what comes out.
package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/ignore"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
)

// Defaults of a rendering. The version is that of Newest.
const (
	DefaultRelease     = "holograph"
	DefaultNamespace   = "holograph"
	DefaultKubeVersion = "v1.37.0"
)

// Values are chart values, as a values file holds them.
type Values = map[string]any

// Options say how to render. The zero value is `helm template holograph charts/holograph`.
type Options struct {
	// Directory is the chart's folder; empty is charts/holograph.
	Directory string
	// Release and Namespace; empty is DefaultRelease and DefaultNamespace.
	Release, Namespace string
	// KubeVersion is the version that the chart is told the cluster has, such as "v1.30.0";
	// empty is DefaultKubeVersion.
	KubeVersion string
	// Values are laid over each other in order, over values.yaml; null removes.
	Values []Values
	// SkipSchema leaves values.schema.json out, for the messages of the templates behind it.
	SkipSchema bool
	// Cluster holds the objects that the chart's lookups find, as an upgrade finds what an earlier
	// release left. Without them lookups find nothing, as in `helm template`.
	Cluster []Object
}

// Rendered is what one rendering gave.
type Rendered struct {
	// Manifest is the stream of all documents.
	Manifest string
	// Notes is the text that `helm install` prints.
	Notes string
	// Objects are the documents, decoded without a schema, in installation order.
	Objects []Object

	// typed decodes Objects into their Go types, once: Of is called a hundred times for the defaults alone.
	typed func() ([]runtime.Object, error)
}

// Directory returns the chart's folder.
func Directory() (string, error) {
	return repo.Path("charts", "holograph")
}

// renderings holds what Render has rendered, by its values as JSON.
var renderings sync.Map

// Render renders with values laid over each other and fails the test where Helm refuses them. Tests that give the same
// values share one rendering, so they must not change it: a rendering takes 0.15 s of CPU time, and most tests begin
// with one of a few. A test that needs a certificate and a password of its own calls RenderWith.
func Render(t testing.TB, values ...Values) *Rendered {
	t.Helper()
	merged := Merge(values...)
	key, err := json.Marshal(merged)
	require.NoError(t, err)
	render, _ := renderings.LoadOrStore(string(key), sync.OnceValues(func() (*Rendered, error) {
		return Template(Options{Values: []Values{merged}})
	}))
	rendered, err := render.(func() (*Rendered, error))()
	require.NoError(t, err)
	return rendered
}

// RenderWith renders anew with Options and fails the test where Helm refuses them.
func RenderWith(t testing.TB, options Options) *Rendered {
	t.Helper()
	rendered, err := Template(options)
	require.NoError(t, err)
	return rendered
}

// Template renders as `helm template` does: schema, kubeVersion and NOTES included. The error is Helm's own.
func Template(options Options) (*Rendered, error) {
	files, err := options.files()
	if err != nil {
		return nil, err
	}
	// Helm changes a chart while it renders it, so each rendering loads its own.
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	var manifest, notes string
	if options.Cluster == nil {
		manifest, notes, err = options.install(loaded)
	} else {
		manifest, notes, err = options.upgrade(loaded)
	}
	if err != nil {
		return nil, err
	}
	objects, err := decode(manifest)
	if err != nil {
		return nil, err
	}
	rendered := &Rendered{Manifest: manifest, Notes: notes, Objects: objects}
	rendered.typed = sync.OnceValues(func() ([]runtime.Object, error) { return typed(rendered.Objects) })
	return rendered, nil
}

// files reads the chart's files.
func (o Options) files() ([]*loader.BufferedFile, error) {
	if o.Directory != "" {
		return readFiles(o.Directory)
	}
	return chartFiles()
}

// install renders as Helm's client-only dry run.
func (o Options) install(loaded *chart.Chart) (manifest, notes string, err error) {
	kubeVersion, err := chartutil.ParseKubeVersion(orDefault(o.KubeVersion, DefaultKubeVersion))
	if err != nil {
		return "", "", err
	}
	install := action.NewInstall(new(action.Configuration))
	install.DryRun = true
	install.ClientOnly = true
	install.Replace = true
	install.ReleaseName = orDefault(o.Release, DefaultRelease)
	install.Namespace = orDefault(o.Namespace, DefaultNamespace)
	install.KubeVersion = kubeVersion
	install.SkipSchemaValidation = o.SkipSchema
	release, err := install.Run(loaded, Merge(o.Values...))
	if err != nil {
		return "", "", err
	}
	manifest = strings.TrimSpace(release.Manifest) + "\n"
	for _, hook := range release.Hooks {
		manifest += document(hook.Path, hook.Manifest)
	}
	return manifest, release.Info.Notes, nil
}

// upgrade renders with lookups answered from Cluster. Helm's actions look into real clusters only, so this
// goes through its engine.
func (o Options) upgrade(loaded *chart.Chart) (manifest, notes string, err error) {
	capabilities := chartutil.DefaultCapabilities.Copy()
	kubeVersion, err := chartutil.ParseKubeVersion(orDefault(o.KubeVersion, DefaultKubeVersion))
	if err != nil {
		return "", "", err
	}
	capabilities.KubeVersion = *kubeVersion
	values := Merge(o.Values...)
	if err := chartutil.ProcessDependenciesWithMerge(loaded, values); err != nil {
		return "", "", err
	}
	top, err := chartutil.ToRenderValuesWithSchemaValidation(loaded, values, chartutil.ReleaseOptions{
		Name:      orDefault(o.Release, DefaultRelease),
		Namespace: orDefault(o.Namespace, DefaultNamespace),
		Revision:  2,
		IsUpgrade: true,
	}, capabilities, o.SkipSchema)
	if err != nil {
		return "", "", err
	}
	files, err := engine.RenderWithClientProvider(loaded, top, lookups(o.Cluster))
	if err != nil {
		return "", "", err
	}
	notesPath := path.Join(loaded.Name(), "templates", "NOTES.txt")
	notes = files[notesPath]
	delete(files, notesPath)
	hooks, manifests, err := releaseutil.SortManifests(files, capabilities.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return "", "", err
	}
	for _, m := range manifests {
		manifest += document(m.Name, m.Content)
	}
	for _, hook := range hooks {
		manifest += document(hook.Path, hook.Manifest)
	}
	return manifest, notes, nil
}

// document is one document of a stream, headed as Helm heads it.
func document(source, content string) string {
	return fmt.Sprintf("---\n# Source: %s\n%s\n", source, strings.TrimSpace(content))
}

// Merge lays values over each other as repeated --values do: maps are merged, everything else replaced.
// The arguments are left as they are.
func Merge(values ...Values) Values {
	merged := Values{}
	for _, layer := range values {
		for key, value := range layer {
			below, isMap := merged[key].(map[string]any)
			above, alsoMap := value.(map[string]any)
			if isMap && alsoMap {
				value = Merge(below, above)
			} else if alsoMap {
				value = Merge(above)
			}
			merged[key] = value
		}
	}
	return merged
}

// Set returns values that hold one value at a path of dots, "prometheus.scrapeInterval".
func Set(path string, value any) Values {
	keys := strings.Split(path, ".")
	slices.Reverse(keys)
	for _, key := range keys {
		value = Values{key: value}
	}
	return value.(Values)
}

// Parse reads values written as YAML.
func Parse(t testing.TB, text string) Values {
	t.Helper()
	values := Values{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &values), "values are not YAML:\n%s", text)
	return values
}

// Example reads one file of values-examples, by its name without extension.
func Example(t testing.TB, name string) Values {
	t.Helper()
	path, err := repo.Path("values-examples", name+".yaml")
	require.NoError(t, err)
	values, err := chartutil.ReadValuesFile(path)
	require.NoError(t, err)
	return values
}

// Examples lists the files of values-examples, by their names without extension.
func Examples(t testing.TB) []string {
	t.Helper()
	pattern, err := repo.Path("values-examples", "*.yaml")
	require.NoError(t, err)
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, "values-examples holds no values files")
	var names []string
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".yaml"))
	}
	return names
}

// generated matches what differs from one rendering to the next: the certificate, its end and its checksum, and the login
// of Prometheus.
var generated = regexp.MustCompile(`(?m)^(\s*(?:ca\.crt|tls\.crt|tls\.key|caBundle|checksum/certificate|holograph/certificate-not-after|checksum/login|username|password|authorization|web\.yaml): ).*$`)

// Stable returns the manifest with everything masked that differs from one rendering to the next.
func (r *Rendered) Stable() string {
	return generated.ReplaceAllString(r.Manifest, "${1}(generated)")
}

// chartFiles reads the chart's files once: reading them for each rendering would take longer than rendering.
var chartFiles = sync.OnceValues(func() ([]*loader.BufferedFile, error) {
	directory, err := Directory()
	if err != nil {
		return nil, err
	}
	return readFiles(directory)
})

// readFiles reads the files of a chart's folder that Helm would read.
func readFiles(directory string) ([]*loader.BufferedFile, error) {
	rules := ignore.Empty()
	if parsed, err := ignore.ParseFile(filepath.Join(directory, ignore.HelmIgnore)); err == nil {
		rules = parsed
	}
	rules.AddDefaults()
	var files []*loader.BufferedFile
	err := filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if rules.Ignore(name, info) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, &loader.BufferedFile{Name: filepath.ToSlash(name), Data: data})
		return err
	})
	return files, err
}

// File returns one of the chart's files by its path in the chart.
func File(t testing.TB, name string) []byte {
	t.Helper()
	text, found := Files(t)[name]
	require.True(t, found, "the chart has no file %s", name)
	return text
}

// Files returns the chart's files by their paths in the chart.
func Files(t testing.TB) map[string][]byte {
	t.Helper()
	buffered, err := chartFiles()
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, file := range buffered {
		files[file.Name] = file.Data
	}
	return files
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Defaults returns the chart's own values.
func Defaults(t testing.TB) Values {
	t.Helper()
	return Parse(t, string(File(t, "values.yaml")))
}
