{{/*
The container whose series count; the Deployment, the rule and the scrape job all use it.
*/}}
{{- define "holograph.container" -}}
renderer
{{- end }}

{{/*
The signals that scale, as their keys below `signals`, in the order in which everything lists them.
*/}}
{{- define "holograph.signals" -}}
overruns{{ if .Values.signals.demand.enabled }} demand{{ end }}
{{- end }}

{{/*
Matcher of the container whose series count. It stands in every query, because the adapter does not
carry it from a rule's seriesQuery into its metricsQuery.
*/}}
{{- define "holograph.signals.container" -}}
{{ printf "%s=%q" .Values.signals.labels.container (include "holograph.container" .) }}
{{- end }}

{{/*
One value per pod of one counter or gauge. Takes dict "context" $ "function" name "series" name "window" duration.

The function is applied to each scraped series first, so that `rate` sees a counter reset. Then `max without`
the scrapers' labels makes one of the series that two scrapers made of the same measurement, and `sum by`
adds the series that a pod has on purpose (one per view, eye or GPU).
*/}}
{{- define "holograph.signals.perPod" -}}
{{- $scrapeLabels := join ", " .context.Values.signals.scrapeLabels -}}
sum by (<<.GroupBy>>) (max without ({{ $scrapeLabels }}) ({{ .function }}({{ .series }}{<<.LabelMatchers>>,{{ include "holograph.signals.container" .context }}}[{{ .window }}])))
{{- end }}

{{/*
A query's values that can be true: at least 0 and at most a bound. NaN, the infinities, histograms and what a counter
that jumps or turns negative gives are none, and the pod has no value then, as if its scrape had failed; those of other
pods stand. It stands around each value of a pod before anything adds pods up, because one NaN makes a sum NaN, the
adapter serves NaN as 0, an idle pod, and Inf as a number below zero. Takes dict "query" text "most" number.
*/}}
{{- define "holograph.signals.sound" -}}
(0 <= {{ .query }} <= {{ .most }})
{{- end }}

{{/*
Frames per second that a counter counts. Takes dict "context" $ "series" name.
*/}}
{{- define "holograph.signals.counted" -}}
{{- $query := include "holograph.signals.perPod" (dict "context" .context "function" "rate" "series" .series "window" .context.Values.signals.overruns.window) -}}
{{ include "holograph.signals.sound" (dict "query" $query "most" .context.Values.signals.frames.maxRate) }}
{{- end }}

{{/*
Frames over budget per second.
*/}}
{{- define "holograph.signals.overruns.query" -}}
{{ include "holograph.signals.counted" (dict "context" $ "series" "<<.Series>>") }}
{{- end }}

{{/*
Work offered per second over the work that can be done per second.

A pod of which this cannot be told has no value. The bounds in brackets drop what is no capacity: 0, and -1, +Inf and
NaN, with which programs write "no limit".

A pod counts for at most ten times what it can do, so that one that is wrong brings no more pods than ten full ones
need. Load above it is followed as fast as without the bound: a fleet of which every pod is at it asks for ten times its
pods and more, and one step of the chart's scaleUp or Kubernetes' own leads to twice them or to four beyond them.
A thousand times is no load, and drops the pod: the reference renderer would have to refuse 200,000 frames a second on
each core.

The capacity is the last one of the window rather than that of this moment: a failed scrape ends a series at once,
and scrapes fail when a pod has the most to do.
*/}}
{{- define "holograph.signals.demand.query" -}}
{{- $demand := .Values.signals.demand -}}
{{- $offered := include "holograph.signals.perPod" (dict "context" $ "function" "rate" "series" "<<.Series>>" "window" $demand.window) -}}
{{- $capacity := include "holograph.signals.perPod" (dict "context" $ "function" "last_over_time" "series" $demand.capacityMetric "window" $demand.window) -}}
clamp_max({{ include "holograph.signals.sound" (dict "query" (printf "%s\n/ (0 < %s < +Inf)" $offered $capacity) "most" 1000) }}, 10)
{{- end }}

{{/*
The counter that a signal begins from. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.series" -}}
{{- $signal := get .context.Values.signals .key }}
{{- default $signal.name $signal.offeredMetric }}
{{- end }}

{{/*
The adapter's rules, one per signal. Each begins from a series of its own and gives a name of its own.
*/}}
{{- define "holograph.signals.rules" -}}
{{- $labels := .Values.signals.labels }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $signal := get $.Values.signals $key }}
{{- $series := include "holograph.signals.series" (dict "context" $ "key" $key) }}
- seriesQuery: {{ printf "%s{%s!=\"\",%s!=\"\",%s}" $series $labels.namespace $labels.pod (include "holograph.signals.container" $) | quote }}
  seriesFilters: []
  resources:
    # Exactly these two: a template would also turn `job`, `service` or `node` labels into Kubernetes resources.
    overrides:
      {{ $labels.namespace | quote }}:
        resource: namespace
      {{ $labels.pod | quote }}:
        resource: pod
  name:
    matches: {{ printf "^%s$" $series | quote }}
    as: {{ $signal.name | quote }}
  metricsQuery: >-
    {{- include (printf "holograph.signals.%s.query" $key) $ | nindent 4 }}
{{- end }}
{{- end }}

{{/*
The adapter's configuration file.
*/}}
{{- define "holograph.prometheusAdapter.config" -}}
rules:
  {{- include "holograph.signals.rules" . | trim | nindent 2 }}
{{- end }}

{{/*
Checksum of the adapter's configuration files. Its pods carry that of those that they started with.
*/}}
{{- define "holograph.prometheusAdapter.checksum" -}}
{{- printf "%s%s" (include "holograph.prometheusAdapter.config" .) (include "holograph.prometheus.kubeconfig" .) | sha256sum }}
{{- end }}
