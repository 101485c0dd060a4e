package chart_test

// refusalsOfSignals are descriptions of a renderer's metrics that give no number, or a wrong one.
var refusalsOfSignals = map[string]refusal{
	"one series of a histogram": {
		`signals: {overruns: {histogram: {metric: frame_duration_seconds_bucket}}}`,
		`signals.overruns.histogram.metric: must be the name of the histogram without _bucket, _count or _sum (got frame_duration_seconds_bucket), because the chart appends them: write frame_duration_seconds.`},
	"label of a namespace that the embedded Prometheus does not set": {
		`kubeStateMetrics: {namespaceLabel: exported_namespace}`,
		`kubeStateMetrics.namespaceLabel: must be namespace where the chart configures the scrape of kube-state-metrics, with prometheus.enabled or podMonitor.enabled (got exported_namespace), because that scrape keeps the label: write namespace.`},
	"a counter and a histogram of late frames": {
		`signals: {overruns: {metric: late_total, histogram: {metric: frame_seconds}}}`,
		`signals.overruns.histogram.metric: must be empty with signals.overruns.metric (got frame_seconds, with late_total), because late frames are measured in one way: leave one of them empty.`},
	"a query and a histogram of late frames": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (a{<<.LabelMatchers>>})", histogram: {metric: frame_seconds}}}`,
		`signals.overruns.query: must be empty with signals.overruns.histogram.metric (got a query, with frame_seconds), because late frames are measured in one way: leave one of them empty.`},
	"a query and labels for a counter": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (a{<<.LabelMatchers>>})", selector: {late: "true"}}}`,
		`signals.overruns.selector: must be empty with signals.overruns.query (got labels), because it is for a counter or a histogram: write the labels in the query.`},
	"a query of all pods": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(late_total[2m]))"}}`,
		`signals.overruns.query: must contain <<.LabelMatchers>> (got a query without it), because each user of the query asks for other pods: write it like sum by (<<.GroupBy>>) (rate(dropped_total{<<.LabelMatchers>>}[2m])).`},
	"a query with templates of its own": {
		`signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(<<.Series>>{<<.LabelMatchers>>}[2m]))"}}`,
		"signals.overruns.query: must have no other << and >>, no {{, no backtick and no # (got one of them), because adapter and console read them as their own, and a comment would hide the rest of a line: remove it."},
	"a query with an open bracket": {
		`signals: {overruns: {query: 'sum by (<<.GroupBy>>) (rate(late_total{<<.LabelMatchers>>,path!=")"}[2m])'}}`,
		`signals.overruns.query: must have as many ( as ) (got 3 and 2), because Prometheus could not parse it: write the missing one.`},
	"a query over a range too short": {
		`{prometheus: {scrapeInterval: 30s}, signals: {overruns: {query: "sum by (<<.GroupBy>>) (rate(late_total{<<.LabelMatchers>>}[1m]))"}}}`,
		`signals.overruns.query: must have no range shorter than 4 times prometheus.scrapeInterval (got 1m, with an interval of 30s), because one lost scrape would leave pods without a value: write 2m or more, or scrape more often.`},
	"late frames without all frames": {
		`signals: {frames: {name: ""}}`,
		`signals.frames.name: must be a counter without signals.overruns.histogram.metric (got none), because nothing else counts all frames: write the counter of all frames.`},
	"one counter for frames and late frames": {
		`signals: {frames: {name: holograph_frames_over_budget_total}}`,
		`signals.frames.name: must differ from the counter of late frames (got holograph_frames_over_budget_total for both), because every frame would count as late: write the counter of all frames, or in signals.overruns.selector the label that late ones have.`},
	"one part for frames and late frames": {
		`signals: {frames: {name: frames_total, selector: {kind: video}}, overruns: {metric: frames_total, selector: {kind: video}}}`,
		`signals.frames.name: must differ from the counter of late frames (got frames_total for both), because every frame would count as late: write the counter of all frames, or in signals.overruns.selector the label that late ones have.`},
	"one counter for frames and refused requests": {
		`signals: {refused: {name: holograph_frames_total}}`,
		`signals.refused.name: must differ from the counters of frames and of late frames (got holograph_frames_total), because every frame would count as a refused request: write the counter of refused requests, or leave it empty where there is none.`},
	"demand without a capacity": {
		`signals: {demand: {capacity: {metric: ""}}}`,
		`signals.demand.capacity.metric: must be a gauge without signals.demand.capacity.value (got none), because demand is the offered work divided by what a pod can do: write one of the two, like value: "45" for 45 frames per second.`},
	"a capacity of nothing": {
		`signals: {demand: {capacity: {value: "0.0"}}}`,
		`signals.demand.capacity.value: must be above 0 (got 0.0), because a pod that can do nothing has no demand: write what a pod can do, in the unit of signals.demand.offered.metric.`},
	"one metric for capacity and offered work": {
		`signals: {demand: {capacity: {metric: holograph_offered_cpu_seconds_total}}}`,
		`signals.demand.capacity.metric: must differ from signals.demand.offered.metric (got holograph_offered_cpu_seconds_total for both), because demand is one divided by the other: write the gauge of what the pod can do, or a constant in capacity.value.`},
	"a recording rule's name for a renderer's metric": {
		`signals: {overruns: {metric: "holograph:frames_over_budget:rate"}}`,
		`signals.overruns.metric: must not be a name of kube-state-metrics, of Prometheus or of the recording rules (got holograph:frames_over_budget:rate), because a renderer could then export metrics under it: write the renderer's own.`},
	"a label that the queries set": {
		`signals: {overruns: {selector: {pod: mine}}}`,
		`signals.overruns.selector: must not have pod (got a value for it), because the queries match that label already: remove it.`},
	"clusters of the embedded Prometheus": {
		`signals: {matchers: {cluster: eu}}`,
		`signals.matchers: must be empty with prometheus.enabled (got cluster), because the embedded Prometheus holds one cluster, and no series there has these labels: remove them, or write the Prometheus that holds several in prometheus.url.`},
	"a cluster by a label of alerts": {
		`{prometheus: {enabled: false, url: http://prometheus.example}, signals: {matchers: {severity: eu}}}`,
		`signals.matchers: must not have severity (got a value for it), because queries and alerts use that label for something else: write the label that tells clusters apart, like cluster.`},
}
