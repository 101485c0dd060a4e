{{/*
The container whose series count; the Deployment, the rule and the scrape job all use it.
*/}}
{{- define "holograph.container" -}}
renderer
{{- end }}

{{/*
The adapter's rule for frames over budget, one element of `rules`.

The rate of each scraped series is taken first, so that a counter reset is seen. Then `max without`
the scrapers' labels makes one of the series that two scrapers made of the same counter, and `sum by`
adds the series that a pod has on purpose (one per view, eye or GPU). The container matcher stands in
both queries because the adapter does not carry it from the first into the second.
*/}}
{{- define "holograph.signals.overruns.rule" -}}
{{- $labels := .Values.signals.labels }}
{{- $overruns := .Values.signals.overruns }}
{{- $container := printf "%s=%q" $labels.container (include "holograph.container" .) -}}
seriesQuery: {{ printf "%s{%s!=\"\",%s!=\"\",%s}" $overruns.name $labels.namespace $labels.pod $container | squote }}
seriesFilters: []
resources:
  # Exactly these two: a template would also turn `job`, `service` or `node` labels into Kubernetes resources.
  overrides:
    {{ $labels.namespace }}:
      resource: namespace
    {{ $labels.pod }}:
      resource: pod
name:
  matches: {{ printf "^%s$" $overruns.name | squote }}
  as: {{ $overruns.name | squote }}
metricsQuery: >-
  sum by (<<.GroupBy>>) (max without ({{ join ", " .Values.signals.scrapeLabels }}) (rate(<<.Series>>{<<.LabelMatchers>>,{{ $container }}}[{{ $overruns.window }}])))
{{- end }}

{{/*
The adapter's configuration file.
*/}}
{{- define "holograph.prometheusAdapter.config" -}}
rules:
  - {{ include "holograph.signals.overruns.rule" . | nindent 4 | trim }}
{{- end }}
