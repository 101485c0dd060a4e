package chart_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	helmchart "helm.sh/helm/v3/pkg/chart"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/internal/promtool"
)

// TestPagesShowYAMLThatWorks: each YAML block of the pages is what it looks like: values that the chart accepts, an object that
// Kubernetes accepts, or a configuration that its program accepts.
func TestPagesShowYAMLThatWorks(t *testing.T) {
	t.Parallel()
	blocks := chart.Blocks(t, "yaml")
	require.NotEmpty(t, blocks, "YAML blocks in the pages")
	for _, block := range blocks {
		t.Run(fmt.Sprintf("%s:%d", block.Page, block.Line), func(t *testing.T) {
			t.Parallel()
			for _, document := range regexp.MustCompile(`(?m)^---$`).Split(block.Text, -1) {
				// A list is a part of a configuration, and is shown without the key that it stands below.
				if regexp.MustCompile(`(?m)\A(?:#.*\n|\s*\n)*- job_name:`).MatchString(document) {
					document = "scrape_configs:\n" + document
				}
				content := map[string]any{}
				require.NoError(t, yaml.UnmarshalStrict([]byte(document), &content), "the block is not YAML:\n%s", document)
				checkShown(t, content, document)
			}
		})
	}
}

// checkShown checks one document by what it is.
func checkShown(t *testing.T, content map[string]any, text string) {
	t.Helper()
	switch {
	case installers[fmt.Sprintf("%v/%v", content["apiVersion"], content["kind"])] != nil:
		checkInstaller(t, content, text)
	case content["apiVersion"] != nil && content["kind"] != nil && content["name"] == nil:
		assert.NoError(t, chart.Newest.Validate(chart.Object(content)), "the block is no %v that Kubernetes accepts:\n%s", content["kind"], text)
	case content["scrape_configs"] != nil:
		directory := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(directory, "prometheus.yaml"), []byte(text), 0o644))
		assert.NoError(t, promtool.Run(t.Context(), directory, "check", "config", "--syntax-only", "prometheus.yaml"), "the block is no configuration that Prometheus accepts:\n%s", text)
	case content["dependencies"] != nil:
		var metadata helmchart.Metadata
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &metadata), "the block is no Chart.yaml:\n%s", text)
		for _, dependency := range metadata.Dependencies {
			assert.NoError(t, dependency.Validate())
			if dependency.Name == "holograph" {
				assert.Equal(t, chartVersion(t), dependency.Version, "version of the dependency holograph in the block: want the chart's, because users copy it")
			}
		}
	default:
		_, err := chart.Template(chart.Options{Values: []chart.Values{content}})
		assert.NoError(t, err, "the chart refuses the values that the block shows:\n%s", text)
	}
}

// installers are objects of other projects that install the chart, by "apiVersion/Kind", each with where it holds the chart's
// values. Their definitions are not in the repository.
var installers = map[string][]string{
	"argoproj.io/v1alpha1/Application":      {"spec", "source", "helm", "valuesObject"},
	"helm.toolkit.fluxcd.io/v2/HelmRelease": {"spec", "values"},
}

// checkInstaller checks the values that an object installs the chart with, its version, and that what it names is installed.
func checkInstaller(t *testing.T, content map[string]any, text string) {
	t.Helper()
	path := installers[fmt.Sprintf("%v/%v", content["apiVersion"], content["kind"])]
	values, _, err := unstructured.NestedMap(content, path...)
	require.NoError(t, err, "%s of the block:\n%s", strings.Join(path, "."), text)
	rendered, err := chart.Template(chart.Options{Values: []chart.Values{values}})
	if !assert.NoError(t, err, "the chart refuses the values that the block shows:\n%s", text) {
		return
	}
	if version, shown, _ := unstructured.NestedString(content, "spec", "source", "targetRevision"); shown {
		assert.Equal(t, chartVersion(t), version, "version of the chart in the block: want the chart's, because users copy it")
	}
	installed := map[string][]string{}
	for _, object := range rendered.Objects {
		installed[object.Kind()] = append(installed[object.Kind()], object.Name())
	}
	var check func(value any)
	check = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, item := range value {
				check(item)
			}
		case map[string]any:
			kind, _ := value["kind"].(string)
			if name, named := value["name"].(string); named && installed[kind] != nil {
				assert.Contains(t, installed[kind], name, "%s that the block names: want one that it installs", kind)
			}
			for _, item := range value {
				check(item)
			}
		}
	}
	check(content["spec"])
}

// chartVersion is the version in Chart.yaml.
func chartVersion(t *testing.T) string {
	t.Helper()
	var metadata helmchart.Metadata
	require.NoError(t, yaml.Unmarshal(chart.File(t, "Chart.yaml"), &metadata))
	return metadata.Version
}

// command is one command of a page, as somebody types it, without its comment.
type command struct {
	page string
	line int
	text string
}

func (c command) String() string { return fmt.Sprintf("%s:%d: %s", c.page, c.line, c.text) }

// comment is the end of a line that a shell does not read.
var comment = regexp.MustCompile(`(^|\s+)#.*$`)

// hereDocument matches the beginning of a text that stands in the lines behind a command.
var hereDocument = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)

// commands are those of all blocks of shell, a continued line with the lines that it continues on.
func commands(t *testing.T) []command {
	t.Helper()
	var found []command
	for _, block := range chart.Blocks(t, "sh") {
		var open command
		end := ""
		for i, line := range strings.Split(block.Text, "\n") {
			line = strings.TrimSpace(line)
			if end != "" {
				// The text that the command before it reads.
				if line == end {
					end = ""
				}
				continue
			}
			if match := hereDocument.FindStringSubmatch(line); match != nil {
				end = match[1]
			}
			if open.text == "" {
				line = comment.ReplaceAllString(line, "")
			}
			if line == "" {
				continue
			}
			if open.text == "" {
				open = command{block.Page, block.Line + i, ""}
			}
			if continued, more := strings.CutSuffix(line, `\`); more {
				open.text += continued
				continue
			}
			open.text += line
			found = append(found, open)
			open.text = ""
		}
		require.Empty(t, open.text, "%s:%d: the last line of the block continues nowhere", block.Page, block.Line)
	}
	require.NotEmpty(t, found, "commands in the pages")
	return found
}

// knownCommand is a kind of command that needs a cluster, or more than these tests have, and who runs it: a file that has a text,
// or nobody, for a reason.
type knownCommand struct {
	pattern    string
	file, text string
	reason     string
}

// knownCommands are all of them.
var knownCommands = []knownCommand{
	{pattern: `^helm test holograph\b`, file: "test/internal/harness/helm.go", text: `"test", s.Release.Name`},
	{pattern: `^helm uninstall holograph\b`, file: "test/internal/harness/helm.go", text: `helm.DeleteContextE`},
	{pattern: `^kubectl delete pod holograph-doctor\b`, file: "test/internal/harness/helm.go", text: `s.Selector(chart.Doctor)`},
	{pattern: `^helm upgrade adapter prometheus-community/prometheus-adapter\b.* rules\.existing=holograph-adapter-rules`, file: "test/sources/sources_test.go", text: `settings["rules.existing"] = "holograph-adapter-rules"`},
	{pattern: `^kubectl --namespace holograph create secret generic prometheus-login\b`, reason: "Prometheus and its clients read the four forms in TestPrometheusRequiresItsLogin; the command makes them of a name and a password"},
	{pattern: `^ask '`, file: "test/faults/observability_test.go", text: "chart.RunbookExpressions"},
	{pattern: `^(login=|ask\(\) )`, reason: "the runbook's own helpers, with which a person asks"},
	{pattern: `^kubectl `, reason: "a person reads what it prints; TestPagesNameObjectsThatExist has the objects that it names"},
	{pattern: `^podman `, reason: "about the machine that runs the tests"},
	{pattern: `^(cd test/sim && )?go run \. `, reason: "the simulator's own tests run it; TestPagesRunWhatIsThere has its flags"},
	{pattern: `^cd test/sim$`, reason: "the commands behind it are run there"},
}

// Commands that these tests check without a cluster.
var (
	// helmOffline matches what helm does without a cluster.
	helmOffline = regexp.MustCompile(`^helm (template|lint|package|show|dependency)\b`)
	// helmInstalls matches an installation of this chart, from its folder, its package or a registry.
	helmInstalls = regexp.MustCompile(`^helm (install|upgrade)\b.*\s(\S*charts/holograph|\S*holograph-\d\S*\.tgz)(\s|$)`)
	// ofCheckout matches what runs a target, a program or a test of this repository.
	ofCheckout = regexp.MustCompile(`^([A-Z_]+=\S+ )*(make [a-z]|go (run|test) (.* )?\./)`)
)

// TestPagesShowCommandsThatSomebodyRuns: each command of the pages is run by a test, or is known to a story or for a reason.
func TestPagesShowCommandsThatSomebodyRuns(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, command := range commands(t) {
		if helmOffline.MatchString(command.text) || helmInstalls.MatchString(command.text) || ofCheckout.MatchString(command.text) {
			continue
		}
		i := slices.IndexFunc(knownCommands, func(known knownCommand) bool { return regexp.MustCompile(known.pattern).MatchString(command.text) })
		if assert.GreaterOrEqual(t, i, 0, "%v: no test and no story runs the command, and knownCommands has no reason", command) {
			used[knownCommands[i].pattern] = true
		}
	}
	for _, known := range knownCommands {
		assert.True(t, used[known.pattern], "%s: no page has such a command: remove it from knownCommands", known.pattern)
		assert.NotEqual(t, known.file == "", known.reason == "", "%s: want a file or a reason", known.pattern)
		if known.file == "" {
			continue
		}
		path, err := repo.Path(known.file)
		require.NoError(t, err)
		source, err := os.ReadFile(path)
		if assert.NoError(t, err) {
			assert.Contains(t, string(source), known.text, "%s, which runs what the pages say to run: %s", known.file, known.pattern)
		}
	}
}

// ofTheCluster are the flags of `helm install` and `helm upgrade` that say what to do with a cluster or with what is there. `helm
// template` does not have them.
var ofTheCluster = []string{"--install", "-i", "--reset-values", "--reuse-values", "--reset-then-reuse-values", "--server-side=true", "--force-conflicts", "--cleanup-on-fail"}

// copies are the values files that the pages say to copy from values-examples, by the name of the copy.
var copies = map[string]string{"my-renderer.yaml": "own-renderer.yaml"}

// TestPagesShowHelmCommandsThatWork runs each helm command of the pages that needs no cluster, and renders what each installation
// installs, with its values.
func TestPagesShowHelmCommandsThatWork(t *testing.T) {
	t.Parallel()
	root, err := repo.Root()
	require.NoError(t, err)
	helm, err := program.Helm.Binary(t.Context(), "helm")
	require.NoError(t, err)
	for _, command := range commands(t) {
		installs := helmInstalls.MatchString(command.text)
		if !installs && !helmOffline.MatchString(command.text) {
			continue
		}
		t.Run(fmt.Sprintf("%s:%d", command.page, command.line), func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			for _, name := range []string{"charts", "values-examples"} {
				require.NoError(t, os.Symlink(filepath.Join(root, name), filepath.Join(directory, name)))
			}
			for copied, example := range copies {
				text, err := os.ReadFile(filepath.Join(root, "values-examples", example))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(directory, copied), text, 0o644))
			}
			for _, arguments := range helmArguments(t, command.text) {
				if installs {
					arguments = asTemplate(t, arguments)
				}
				run := exec.CommandContext(t.Context(), helm, arguments...)
				run.Dir = directory
				output, err := run.CombinedOutput()
				assert.NoError(t, err, "%v: helm %s\n%s", command, strings.Join(arguments, " "), output)
			}
		})
	}
}

// asTemplate makes `helm template` of the arguments of an installation: it renders the same.
func asTemplate(t *testing.T, arguments []string) []string {
	t.Helper()
	arguments = slices.Clone(arguments)
	arguments[0] = "template"
	arguments = slices.DeleteFunc(arguments, func(argument string) bool { return slices.Contains(ofTheCluster, argument) })
	for i, argument := range arguments {
		if argument == "--version" {
			assert.Equal(t, chartVersion(t), arguments[i+1], "version that the page installs: want the chart's, because users copy it")
		}
		packed := regexp.MustCompile(`(?:^|/)holograph-(\d.*)\.tgz$`).FindStringSubmatch(argument)
		if packed != nil {
			assert.Equal(t, chartVersion(t), packed[1], "version of the package that the page installs: want the chart's, because users copy it")
		}
		if packed != nil || strings.HasPrefix(argument, "oci://") {
			arguments[i] = "charts/holograph"
		}
	}
	return arguments
}

// helmArguments are those that a shell gives to each helm of a line.
func helmArguments(t *testing.T, line string) [][]string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Nothing but helm is run: what a pipe ends in may need a cluster.
	shell := exec.CommandContext(ctx, "bash", "-c", `helm() { printf '%s\0' "$@" >&3; printf '\0' >&3; }; kubectl() { :; }; exec 3>&1 >/dev/null; `+line)
	output, err := shell.Output()
	require.NoError(t, err, "%s", line)
	var all [][]string
	for one := range bytes.SplitSeq(output, []byte("\x00\x00")) {
		if len(one) > 0 {
			all = append(all, strings.Split(string(one), "\x00"))
		}
	}
	require.NotEmpty(t, all, "%s", line)
	return all
}

// TestPagesRunWhatIsThere: each target of make, program, test and flag of the simulator that a command of the pages names exists.
func TestPagesRunWhatIsThere(t *testing.T) {
	t.Parallel()
	read := func(elements ...string) string {
		path, err := repo.Path(elements...)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	makefile, simulator := read("Makefile"), read("test", "sim", "simulate.go")
	target := regexp.MustCompile(`\bmake ([a-z-]+)`)
	folder := regexp.MustCompile(`\bgo (?:run|test) (?:.* )?\./(\S*)`)
	named := regexp.MustCompile(`-run '?(Test\w+)`)
	flag := regexp.MustCompile(`(?:^|\s)--([a-z-]+)`)
	for _, command := range commands(t) {
		for _, match := range target.FindAllStringSubmatch(command.text, -1) {
			assert.Contains(t, makefile, "\n"+match[1]+":", "%v: the Makefile has no such target", command)
		}
		if match := folder.FindStringSubmatch(command.text); match != nil {
			path, err := repo.Path(match[1])
			require.NoError(t, err)
			assert.DirExists(t, path, "%v", command)
			if test := named.FindStringSubmatch(command.text); test != nil {
				assert.True(t, hasTest(t, path, test[1]), "%v: %s has no such test", command, match[1])
			}
		}
		if strings.Contains(command.text, "go run . ") || strings.HasPrefix(command.text, "make simulate") {
			for _, match := range flag.FindAllStringSubmatch(strings.ReplaceAll(command.text, `"`, " "), -1) {
				assert.True(t, match[1] == "help" || strings.Contains(simulator, `"`+match[1]+`"`), "%v: the simulator has no flag --%s", command, match[1])
			}
		}
	}
}

// hasTest is whether a folder has a test.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	return slices.ContainsFunc(files, func(file string) bool {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		return bytes.Contains(source, []byte("\nfunc "+name+"("))
	})
}

// link matches a link or a picture of Markdown, and what it leads to.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are those of a page's headings, as GitHub makes them.
func anchors(text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(strings.ToLower(match[1]), "")
		found = append(found, strings.ReplaceAll(words, " ", "-"))
	}
	return found
}

// TestPagesLinkToWhatIsThere: each link of the pages to a file of the repository leads to one, and each anchor to a heading.
func TestPagesLinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range chart.Pages(t) {
		path, err := repo.Path(page)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			file, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(file, ":") {
				continue
			}
			links++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			content, err := os.ReadFile(target)
			if info, failed := os.Stat(target); failed == nil && info.IsDir() {
				continue
			}
			if assert.NoError(t, err, "%s links to %s, which is not there", page, match[1]) && anchor != "" {
				assert.Contains(t, anchors(string(content)), anchor, "%s links to %s: the page has no such heading", page, match[1])
			}
		}
	}
	assert.Greater(t, links, 100, "links in the pages")
}

// TestPagesLoadWithTheImageOfTheCluster: a page's `kubectl run --image` names k6 as the local cluster holds it, which pulls nothing.
func TestPagesLoadWithTheImageOfTheCluster(t *testing.T) {
	t.Parallel()
	k6, err := image.K6()
	require.NoError(t, err)
	found := 0
	for _, command := range commands(t) {
		if match := regexp.MustCompile(`--image (\S*k6\S*)`).FindStringSubmatch(command.text); match != nil {
			found++
			assert.Equal(t, k6.Ref, match[1], "%v: the image, want the version of ci/modules/k6: a local cluster has no other", command)
		}
	}
	assert.Positive(t, found, "commands that send load")
}

// kindsOfObjects are the kinds that kubectl's commands name, as they write them.
var kindsOfObjects = map[string]string{
	"deployment": "Deployment", "service": "Service", "secret": "Secret", "configmap": "ConfigMap", "pod": "Pod",
	"horizontalpodautoscaler": "HorizontalPodAutoscaler", "scaledobject": "ScaledObject", "apiservices": "APIService",
}

// TestPagesNameObjectsThatExist: each object and each label that a command of kubectl names is of a default installation, or of
// one with KEDA or with deletion costs.
func TestPagesNameObjectsThatExist(t *testing.T) {
	t.Parallel()
	// KEDA brings this one.
	names := []string{"APIService v1beta1.external.metrics.k8s.io"}
	var pods []labels.Set
	for _, values := range []chart.Values{nil, chart.Example(t, "keda"), withCosts()} {
		rendered := chart.Render(t, values)
		for _, object := range rendered.Objects {
			names = append(names, object.Kind()+" "+object.Name())
		}
		for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
			pods = append(pods, deployment.Spec.Template.Labels)
		}
	}
	object := regexp.MustCompile(`\b(deployment|service|secret|configmap|pod|horizontalpodautoscaler|scaledobject|apiservices)((?:[/ ](?:holograph|v1beta)\S*)+)`)
	selector := regexp.MustCompile(`--selector '?([^\s']+)`)
	found := 0
	for _, command := range commands(t) {
		if !strings.Contains(command.text, "kubectl") {
			continue
		}
		for _, match := range object.FindAllStringSubmatch(command.text, -1) {
			for _, name := range strings.FieldsFunc(match[2], func(r rune) bool { return r == ' ' || r == '/' }) {
				found++
				assert.Contains(t, names, kindsOfObjects[match[1]]+" "+name, "%v: no installation has that %s", command, match[1])
			}
		}
		for _, match := range selector.FindAllStringSubmatch(command.text, -1) {
			found++
			parsed, err := labels.Parse(match[1])
			require.NoError(t, err, "%v", command)
			assert.True(t, slices.ContainsFunc(pods, func(set labels.Set) bool { return parsed.Matches(set) }), "%v: no pod of an installation has these labels", command)
		}
	}
	assert.Positive(t, found, "objects that commands name")
}
