{{/*
Name of the container that exports the metrics. The rule, the queries and the scrape job use it.
*/}}
{{- define "holograph.container" -}}
{{ default (include "holograph.renderer.container" .) .Values.renderer.metrics.container }}
{{- end }}

{{/*
The signals that scale, as their keys below `signals`, in the order in which everything lists them.
*/}}
{{- define "holograph.signals" -}}
overruns{{ if .Values.signals.demand.enabled }} demand{{ end }}
{{- end }}

{{/*
Matcher of the renderer's container. Every query has it, because the adapter does not copy it from a rule's seriesQuery
to its metricsQuery.
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
Keeps only plausible values of a query: at least 0 and at most a bound. It drops NaN, infinities, histograms and the rate
of a counter that jumps or is negative; the pod then has no value, as if its scrape had failed. Values of other pods do
not change. It applies to each pod before pods are added up, because one NaN makes a sum NaN, and the adapter serves NaN
as 0 and Inf as a number below zero. Takes dict "query" text "most" number.
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
Work offered per second, divided by the work that the pod can do per second.

A pod without both has no value. The bounds in brackets drop invalid capacities: 0, and -1, +Inf and NaN, which programs
use for "no limit".

A pod counts for at most ten times its capacity, so that one wrong pod adds no more pods than ten full ones need. The
bound does not slow scaling: a fleet in which every pod is at the bound requests ten times its pods, and one step of
scaleUp at most doubles them or adds four. More than a thousand times the capacity is not plausible and drops the pod:
the reference renderer would have to refuse 200,000 frames a second on each core.

The capacity is the last sample of the window, not the current one: a failed scrape ends a series at once, and scrapes
fail most often under high load.
*/}}
{{- define "holograph.signals.demand.query" -}}
{{- $demand := .Values.signals.demand -}}
{{- $offered := include "holograph.signals.perPod" (dict "context" $ "function" "rate" "series" "<<.Series>>" "window" $demand.window) -}}
{{- $capacity := include "holograph.signals.perPod" (dict "context" $ "function" "last_over_time" "series" $demand.capacityMetric "window" $demand.window) -}}
clamp_max({{ include "holograph.signals.sound" (dict "query" (printf "%s\n/ (0 < %s < +Inf)" $offered $capacity) "most" 1000) }}, {{ include "holograph.signals.most" (dict "context" $ "key" "demand") }})
{{- end }}

{{/*
The counter from which a signal is computed. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.series" -}}
{{- $signal := get .context.Values.signals .key }}
{{- default $signal.name $signal.offeredMetric }}
{{- end }}

{{/*
The adapter's rules, one per signal. Each has its own series and its own name.
*/}}
{{- define "holograph.signals.rules" -}}
{{- $labels := .Values.signals.labels }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $signal := get $.Values.signals $key }}
{{- $series := include "holograph.signals.series" (dict "context" $ "key" $key) }}
- seriesQuery: {{ printf "%s{%s!=\"\",%s!=\"\",%s}" $series $labels.namespace $labels.pod (include "holograph.signals.container" $) | quote }}
  seriesFilters: []
  resources:
    # Only these two: a template would also map `job`, `service` or `node` labels to Kubernetes resources.
    overrides:
      {{ $labels.namespace | quote }}:
        resource: namespace
      {{- /* For a total, the resource is the Deployment whose pods these are: the adapter looks only whether the label is there. */}}
      {{ $labels.pod | quote }}:
        {{- if include "holograph.signals.isTotal" (dict "context" $ "key" $key) }}
        group: apps
        resource: deployment
        {{- else }}
        resource: pod
        {{- end }}
  name:
    matches: {{ printf "^%s$" $series | quote }}
    as: {{ $signal.name | quote }}
  metricsQuery: >-
    {{- if include "holograph.signals.isTotal" (dict "context" $ "key" $key) }}
    {{- include "holograph.signals.objectQuery" (dict "context" $ "key" $key) | nindent 4 }}
    {{- else }}
    {{- include (printf "holograph.signals.%s.query" $key) $ | nindent 4 }}
    {{- end }}
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
Checksum of the adapter's configuration files. The adapter's pods have it as an annotation.
*/}}
{{- define "holograph.prometheusAdapter.checksum" -}}
{{- printf "%s%s" (include "holograph.prometheusAdapter.config" .) (include "holograph.prometheus.kubeconfig" .) | sha256sum }}
{{- end }}
