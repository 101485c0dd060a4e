{{/*
Refuses descriptions of a renderer's metrics of which nothing, or a wrong number, would come.
*/}}
{{- define "holograph.validate.sources" -}}
{{- include "holograph.validate.lateFrames" . }}
{{- include "holograph.validate.query" . }}
{{- include "holograph.validate.demand" . }}
{{- include "holograph.validate.seriesNames" . }}
{{- include "holograph.validate.matchers" . }}
{{- end }}

{{/*
Late frames have one definition, and all frames have another one.
*/}}
{{- define "holograph.validate.lateFrames" -}}
{{- $frames := .Values.signals.frames }}
{{- $overruns := .Values.signals.overruns }}
{{- $form := include "holograph.signals.overruns.form" . }}
{{- if and $overruns.metric $overruns.histogram.metric }}
{{- include "holograph.refuse" (printf "signals.overruns.histogram.metric: must be empty with signals.overruns.metric (got %s, with %s), because late frames are measured in one way: leave one of them empty." $overruns.histogram.metric $overruns.metric) }}
{{- end }}
{{- if and (eq $form "classic") (regexMatch "_(bucket|count|sum)$" $overruns.histogram.metric) }}
{{- include "holograph.refuse" (printf "signals.overruns.histogram.metric: must be the name of the histogram without _bucket, _count or _sum (got %s), because the chart appends them: write %s." $overruns.histogram.metric (regexReplaceAll "_(bucket|count|sum)$" $overruns.histogram.metric "")) }}
{{- end }}
{{- if and $overruns.query (or $overruns.metric $overruns.histogram.metric) }}
{{- include "holograph.refuse" (printf "signals.overruns.query: must be empty with signals.overruns.%s (got a query, with %s), because late frames are measured in one way: leave one of them empty." (ternary "metric" "histogram.metric" (ne $overruns.metric "")) (default $overruns.histogram.metric $overruns.metric)) }}
{{- end }}
{{- if and $overruns.query $overruns.selector }}
{{- include "holograph.refuse" "signals.overruns.selector: must be empty with signals.overruns.query (got labels), because it is for a counter or a histogram: write the labels in the query." }}
{{- end }}
{{- if and (not $frames.name) (not $overruns.histogram.metric) }}
{{- include "holograph.refuse" "signals.frames.name: must be a counter without signals.overruns.histogram.metric (got none), because nothing else counts all frames: write the counter of all frames." }}
{{- end }}
{{- $found := include "holograph.signals.found" (dict "context" $ "key" "overruns") | fromJson }}
{{- if or (and (eq $form "counter") (eq $found.name $frames.name)) (and (eq $form "part") (eq (toJson $frames.selector) (toJson (merge (dict) $overruns.selector $frames.selector)))) }}
{{- include "holograph.refuse" (printf "signals.frames.name: must differ from the counter of late frames (got %s for both), because every frame would count as late: write the counter of all frames, or in signals.overruns.selector the label that late ones have." $frames.name) }}
{{- end }}
{{- if has .Values.signals.refused.name (list (include "holograph.signals.frames" . | fromJson).name $found.name) }}
{{- include "holograph.refuse" (printf "signals.refused.name: must differ from the counters of frames and of late frames (got %s), because every frame would count as a refused request: write the counter of refused requests, or leave it empty where there is none." .Values.signals.refused.name) }}
{{- end }}
{{- end }}

{{/*
A query stands inside others, on one line, and is expanded by the adapter's templates and in Prometheus' console.
*/}}
{{- define "holograph.validate.query" -}}
{{- with .Values.signals.overruns.query }}
{{- range list "<<.LabelMatchers>>" "<<.GroupBy>>" }}
{{- if not (contains . $.Values.signals.overruns.query) }}
{{- include "holograph.refuse" (printf "signals.overruns.query: must contain %s (got a query without it), because each user of the query asks for other pods: write it like sum by (<<.GroupBy>>) (rate(dropped_total{<<.LabelMatchers>>}[2m]))." .) }}
{{- end }}
{{- end }}
{{- if regexMatch "<<|>>|[`#]|\\{\\{|\\}\\}" (. | replace "<<.LabelMatchers>>" "" | replace "<<.GroupBy>>" "") }}
{{- include "holograph.refuse" "signals.overruns.query: must have no other << and >>, no {{, no backtick and no # (got one of them), because adapter and console read them as their own, and a comment would hide the rest of a line: remove it." }}
{{- end }}
{{- $bare := regexReplaceAll "\"([^\"\\\\]|\\\\.)*\"|'([^'\\\\]|\\\\.)*'" . "" }}
{{- range $pair := list "()" "[]" "{}" }}
{{- $opened := regexFindAll (substr 0 1 $pair | regexQuoteMeta) $bare -1 | len }}
{{- $closed := regexFindAll (substr 1 2 $pair | regexQuoteMeta) $bare -1 | len }}
{{- if ne $opened $closed }}
{{- include "holograph.refuse" (printf "signals.overruns.query: must have as many %s as %s (got %d and %d), because Prometheus could not parse it: write the missing one." (substr 0 1 $pair) (substr 1 2 $pair) $opened $closed) }}
{{- end }}
{{- end }}
{{- $interval := $.Values.prometheus.scrapeInterval }}
{{- $least := mul 4 (include "holograph.milliseconds" $interval | int64) }}
{{- range regexFindAll "\\[\\s*[0-9a-z]+" $bare -1 }}
{{- $range := regexFind "[0-9a-z]+$" . }}
{{- $milliseconds := include "holograph.milliseconds" $range | int64 }}
{{- if and (gt $milliseconds 0) (lt $milliseconds $least) }}
{{- include "holograph.refuse" (printf "signals.overruns.query: must have no range shorter than 4 times prometheus.scrapeInterval (got %s, with an interval of %s), because one lost scrape would leave pods without a value: write %s or more, or scrape more often." $range $interval (include "holograph.duration" $least)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.demand" -}}
{{- $demand := .Values.signals.demand }}
{{- if $demand.enabled }}
{{- $value := toString $demand.capacity.value }}
{{- if and (not $value) (not $demand.capacity.metric) }}
{{- include "holograph.refuse" "signals.demand.capacity.metric: must be a gauge without signals.demand.capacity.value (got none), because demand is the offered work divided by what a pod can do: write one of the two, like value: \"45\" for 45 frames per second." }}
{{- end }}
{{- if and $value (le (include "holograph.quantity" $value | float64) 0.0) }}
{{- include "holograph.refuse" (printf "signals.demand.capacity.value: must be above 0 (got %s), because a pod that can do nothing has no demand: write what a pod can do, in the unit of signals.demand.offered.metric." $value) }}
{{- end }}
{{- if and (not $value) (eq $demand.capacity.metric $demand.offered.metric) (eq (toJson $demand.capacity.selector) (toJson $demand.offered.selector)) }}
{{- include "holograph.refuse" (printf "signals.demand.capacity.metric: must differ from signals.demand.offered.metric (got %s for both), because demand is one divided by the other: write the gauge of what the pod can do, or a constant in capacity.value." $demand.capacity.metric) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Series that are not a renderer's. What is named in signals is kept from a scrape of the renderers.
*/}}
{{- define "holograph.validate.seriesNames" -}}
{{- range $key, $name := include "holograph.signals.seriesNames" . | fromJson }}
{{- if regexMatch (include "holograph.prometheus.notRenderers" $) $name }}
{{- include "holograph.refuse" (printf "signals.%s: must not be a name of kube-state-metrics, of Prometheus or of the recording rules (got %s), because a renderer could then export metrics under it: write the renderer's own." $key $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Labels that the queries set or add by themselves.
*/}}
{{- define "holograph.validate.matchers" -}}
{{- $signals := .Values.signals }}
{{- $own := list $signals.labels.namespace $signals.labels.pod $signals.labels.container "__name__" "le" }}
{{- range $key, $selector := dict
  "frames.selector" $signals.frames.selector
  "overruns.selector" $signals.overruns.selector
  "demand.offered.selector" $signals.demand.offered.selector
  "demand.capacity.selector" $signals.demand.capacity.selector }}
{{- range $label, $value := $selector }}
{{- if has $label (concat $own (keys $signals.matchers)) }}
{{- include "holograph.refuse" (printf "signals.%s: must not have %s (got a value for it), because the queries match that label already: remove it." $key $label) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $signals.matchers .Values.prometheus.enabled }}
{{- include "holograph.refuse" (printf "signals.matchers: must be empty with prometheus.enabled (got %s), because the embedded Prometheus holds one cluster, and no series there has these labels: remove them, or write the Prometheus that holds several in prometheus.url." (keys $signals.matchers | sortAlpha | join ", ")) }}
{{- end }}
{{- $own = concat $own $signals.scrapeLabels (list .Values.kubeStateMetrics.namespaceLabel "namespace" "horizontalpodautoscaler" "deployment" "condition" "status" "reason" "alertname" "alertstate" "severity" "metric") }}
{{- range $label, $value := $signals.matchers }}
{{- if has $label $own }}
{{- include "holograph.refuse" (printf "signals.matchers: must not have %s (got a value for it), because queries and alerts use that label for something else: write the label that tells clusters apart, like cluster." $label) }}
{{- end }}
{{- end }}
{{- end }}
