// Package chart renders a chart in process, as `helm template` does, and decodes what comes out. Without another chart
// it is charts/holograph.
package chart

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/ignore"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
)

// Defaults of a rendering.
const (
	DefaultRelease   = "holograph"
	DefaultNamespace = "holograph"
)

// KubeVersion returns the version of Kubernetes that charts are rendered for, such as "v1.37.0": the one that the
// tests' clusters run.
var KubeVersion = sync.OnceValues(program.Kubernetes.Version)

// Values are chart values, as a values file holds them.
type Values = map[string]any

// Options say how to render. The zero value is `helm template holograph charts/holograph`.
type Options struct {
	// Release and Namespace; empty is DefaultRelease and DefaultNamespace.
	Release, Namespace string
	// KubeVersion is the version that the chart is told the cluster has, such as "v1.30.0"; empty is [KubeVersion].
	KubeVersion string
	// APIVersions are those that the cluster serves beside Kubernetes' own, such as "security.openshift.io/v1" or
	// "keda.sh/v1alpha1/ScaledObject".
	APIVersions []string
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
	// Documents are the texts of Objects.
	Documents []Document

	// typed decodes Objects into their Go types, once: Of is called a hundred times for the defaults alone.
	typed func() ([]runtime.Object, error)
}

// Document is the text of one rendered object.
type Document struct {
	// Template is the file that it comes from, such as "holograph/templates/extraobjects.yaml".
	Template, Text string
}

// Chart is a chart that can be rendered many times.
type Chart struct{ files []*loader.BufferedFile }

// Load reads the chart in a folder.
func Load(folder string) (*Chart, error) {
	return LoadFS(os.DirFS(folder))
}

// LoadFS reads the chart at the root of a file system. Reading its files for each rendering would take longer than
// rendering.
func LoadFS(files fs.FS) (*Chart, error) {
	rules := ignore.Empty()
	if file, err := files.Open(ignore.HelmIgnore); err == nil {
		defer file.Close()
		if rules, err = ignore.Parse(file); err != nil {
			return nil, err
		}
	}
	rules.AddDefaults()
	c := &Chart{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case rules.Ignore(name, info) && entry.IsDir():
			return fs.SkipDir
		case rules.Ignore(name, info) || entry.IsDir():
			return nil
		}
		data, err := fs.ReadFile(files, name)
		c.files = append(c.files, &loader.BufferedFile{Name: name, Data: data})
		return err
	})
	if err != nil {
		return nil, err
	}
	_, err = c.load()
	return c, err
}

// load parses the files. Helm changes a chart while it renders it, so each rendering has its own.
func (c *Chart) load() (*chart.Chart, error) { return loader.LoadFiles(c.files) }

// Edit returns the chart with another text of one file.
func (c *Chart) Edit(name string, edit func(string) string) *Chart {
	edited := &Chart{files: slices.Clone(c.files)}
	for i, file := range edited.files {
		if file.Name == name {
			edited.files[i] = &loader.BufferedFile{Name: name, Data: []byte(edit(string(file.Data)))}
		}
	}
	return edited
}

// Values returns the chart's own values with others laid over them in order; null removes.
func (c *Chart) Values(values ...Values) (Values, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	return chartutil.CoalesceValues(loaded, Merge(values...))
}

// Directory returns the chart's folder.
func Directory() (string, error) {
	return repo.Path("charts", "holograph")
}

// Render renders with values laid over each other and fails the test where Helm refuses them.
func Render(t testing.TB, values ...Values) *Rendered {
	t.Helper()
	return RenderWith(t, Options{Values: values})
}

// RenderWith is Render with Options.
func RenderWith(t testing.TB, options Options) *Rendered {
	t.Helper()
	rendered, err := Template(options)
	require.NoError(t, err)
	return rendered
}

// Template renders charts/holograph as [Chart.Template] does.
func Template(options Options) (*Rendered, error) {
	c, err := holograph()
	if err != nil {
		return nil, err
	}
	return c.Template(options)
}

// Template renders as `helm template` does: schema, kubeVersion and NOTES included. The error is Helm's own.
//
// Helm's actions answer lookups from real clusters only, so this does what they do with Helm's engine.
func (c *Chart) Template(options Options) (*Rendered, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, err
	}
	capabilities, err := options.capabilities()
	if err != nil {
		return nil, err
	}
	values := Merge(options.Values...)
	if err := chartutil.ProcessDependenciesWithMerge(loaded, values); err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{
		Name:      cmp.Or(options.Release, DefaultRelease),
		Namespace: cmp.Or(options.Namespace, DefaultNamespace),
		Revision:  1,
		IsInstall: options.Cluster == nil,
		IsUpgrade: options.Cluster != nil,
	}
	if release.IsUpgrade {
		release.Revision = 2
	}
	top, err := chartutil.ToRenderValuesWithSchemaValidation(loaded, values, release, capabilities, options.SkipSchema)
	if err != nil {
		return nil, err
	}
	if wanted, has := loaded.Metadata.KubeVersion, capabilities.KubeVersion.String(); wanted != "" && !chartutil.IsCompatibleRange(wanted, has) {
		return nil, fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", wanted, has)
	}
	var files map[string]string
	if options.Cluster == nil {
		files, err = engine.Render(loaded, top)
	} else {
		files, err = engine.RenderWithClientProvider(loaded, top, lookups(options.Cluster))
	}
	if err != nil {
		return nil, err
	}
	notes := path.Join(loaded.Name(), "templates", "NOTES.txt")
	rendered := &Rendered{Notes: files[notes]}
	rendered.typed = sync.OnceValues(func() ([]runtime.Object, error) { return typed(rendered.Objects) })
	delete(files, notes)
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		err = errors.Join(err, rendered.add(m.Name, m.Content))
	}
	for _, hook := range hooks {
		err = errors.Join(err, rendered.add(hook.Path, hook.Manifest))
	}
	return rendered, err
}

// capabilities are those of a cluster without custom resources, except APIVersions.
func (o Options) capabilities() (*chartutil.Capabilities, error) {
	version := o.KubeVersion
	if version == "" {
		var err error
		if version, err = KubeVersion(); err != nil {
			return nil, err
		}
	}
	parsed, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *parsed
	capabilities.APIVersions = slices.Concat(capabilities.APIVersions, o.APIVersions)
	return capabilities, nil
}

// add appends a document to the stream, headed as Helm heads it. A document of comments alone holds no object.
func (r *Rendered) add(template, text string) error {
	r.Manifest += fmt.Sprintf("---\n# Source: %s\n%s\n", template, strings.TrimSpace(text))
	object := Object{}
	// Helm cuts off the line break at the end, which a block scalar there needs.
	if err := yaml.UnmarshalStrict([]byte(text+"\n"), &object); err != nil {
		return fmt.Errorf("%s renders what is not YAML: %w\n%s", template, err, text)
	}
	if len(object) > 0 {
		r.Objects = append(r.Objects, object)
		r.Documents = append(r.Documents, Document{template, text})
	}
	return nil
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

// holograph is charts/holograph.
var holograph = sync.OnceValues(func() (*Chart, error) {
	directory, err := Directory()
	if err != nil {
		return nil, err
	}
	return Load(directory)
})

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
	c, err := holograph()
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, file := range c.files {
		files[file.Name] = file.Data
	}
	return files
}

// Defaults returns the chart's own values.
func Defaults(t testing.TB) Values {
	t.Helper()
	return Parse(t, string(File(t, "values.yaml")))
}
