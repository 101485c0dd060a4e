package supply

import (
	"fmt"
	"maps"
	"slices"

	"holograph/ci/image"
	"holograph/ci/program"
)

// tools are the programs that run on this machine, not in the cluster.
var tools = []program.Program{program.Kind, program.Helm, program.Prometheus}

// Set is the name of what the stories of a folder need in addition to what every cluster has. It is the name of the folder;
// Bench and Scale are measurements.
type Set string

// The sets. The stories of ./test need none.
const (
	// Faults is for test/faults, with a browser, an enforcer of NetworkPolicies, and an Alertmanager with its pager.
	Faults Set = "faults"
	// Sources is for test/sources, with the other ways to serve the metric.
	Sources Set = "sources"
	// Lifecycle is for test/lifecycle, with Helm 4, a registry, and helm-docs, which generates the chart's README.
	Lifecycle Set = "lifecycle"
	// Promises is for test/promises.
	Promises Set = "promises"
	// Nodes is for test/promises/nodes, with two workers beside the control plane, and Karpenter.
	Nodes Set = "nodes"
	// Bench is for `make bench`, with the other autoscalers that it compares.
	Bench Set = "bench"
	// Scale is for `make scale`, with nodes and pods that have no processes, and KEDA beside the adapter.
	Scale Set = "scale"
)

// content is what a set adds.
type content struct {
	// images are loaded into the cluster.
	images []func() (image.Image, error)
	// tools run on this machine.
	tools []program.Program
	// browser says that Chromium is needed on this machine.
	browser bool
	// workers is the number of nodes beside the control plane. Without workers, the control plane runs everything.
	workers int
}

var sets = map[Set]content{
	Faults:    {images: []func() (image.Image, error){image.KubeNetworkPolicies, image.Alertmanager, image.Pager}, browser: true},
	Sources:   {images: []func() (image.Image, error){image.PrometheusOperator, image.ConfigReloader, image.KEDAOperator, image.KEDAMetricsServer, image.AuthProxy, image.OtherRenderer, image.CertManagerController, image.CertManagerWebhook, image.CertManagerInjector}},
	Lifecycle: {tools: []program.Program{program.Helm4, program.Distribution, program.HelmDocs}},
	Promises:  {images: []func() (image.Image, error){image.KEDAOperator, image.KEDAMetricsServer, image.OtherRenderer}},
	Nodes:     {images: []func() (image.Image, error){image.OtherRenderer}, tools: []program.Program{program.Kwok, program.Karpenter}, workers: 2},
	Bench:     {images: []func() (image.Image, error){image.MetricsServer, image.KEDAOperator, image.KEDAMetricsServer}},
	Scale:     {images: []func() (image.Image, error){image.Crowd, image.KEDAOperator, image.KEDAMetricsServer}, tools: []program.Program{program.Kwok}},
}

// contents returns what the named sets add in all.
func contents(names []Set) (content, error) {
	var all content
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		set, known := sets[name]
		if !known {
			return all, fmt.Errorf("the set is %q, want one of %q", name, slices.Sorted(maps.Keys(sets)))
		}
		all.images = append(all.images, set.images...)
		all.tools = append(all.tools, set.tools...)
		all.browser = all.browser || set.browser
		all.workers = max(all.workers, set.workers)
	}
	return all, nil
}

// Workers returns the number of nodes that a cluster for the sets has beside its control plane.
func Workers(names ...Set) (int, error) {
	all, err := contents(names)
	return all.workers, err
}

// Images returns the images of the chart and of the load, which every cluster has, and the images of the sets.
func Images(names ...Set) ([]image.Image, error) {
	extra, err := contents(names)
	if err != nil {
		return nil, err
	}
	images, err := image.Chart()
	if err != nil {
		return nil, err
	}
	for _, describe := range slices.Concat([]func() (image.Image, error){image.K6}, extra.images) {
		img, err := describe()
		if err != nil {
			return nil, err
		}
		// Two sets may have the same image.
		if !slices.ContainsFunc(images, func(other image.Image) bool { return other.Ref == img.Ref }) {
			images = append(images, img)
		}
	}
	return images, nil
}
