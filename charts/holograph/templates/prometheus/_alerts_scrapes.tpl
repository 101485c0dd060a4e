{{/*
Alerts on renderers whose metrics do not reach Prometheus while those of others do. HolographMetricAbsent is for all of
them. The autoscaler takes a pod without a value for one without load, so these pods hold back scaling down and hide late
frames.
*/}}
{{- define "holograph.alerts.scrapes" -}}
{{- $signals := .Values.signals }}
{{- $labels := $signals.labels }}
{{- $for := .Values.alerts.podUnseen.for }}
{{- $pod := include "holograph.signals.by" (dict "context" $ "labels" (list $labels.namespace $labels.pod)) }}
{{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list $labels.namespace)) }}
{{- $who := printf "{{ $labels.%s }} in {{ $labels.%s }}" $labels.pod $labels.namespace }}
{{- $up := include "holograph.scope.series" (dict "context" $ "name" "up") }}
    - alert: HolographScrapeFailing
      expr: max by ({{ $pod }}) ({{ $up }}) == 0
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "Prometheus cannot scrape %s." $who | quote }}
        description: {{ printf "Its scrapes have failed for %s. Its frames are not counted, and the autoscaler does not know its load." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographScrapeFailing") }}
    {{- range include "holograph.signals.exported" . | fromJsonArray }}
    {{- if .scales }}
    {{- $series := include "holograph.scope.series" (dict "context" $ "name" .name "selector" .selector "matchers" .matchers) }}
    - alert: HolographPodSilent
      expr: |-
        max by ({{ $pod }}) ({{ $up }}) == 1
        and on ({{ $by }})
          {{ $series }}
        unless on ({{ $pod }})
          {{ $series }}
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning" "labels" (dict "metric" .text)) | nindent 6 }}
      annotations:
        summary: {{ printf "%s reports no %s." $who .text | quote }}
        description: {{ printf "Prometheus has scraped it for %s, and other pods report the metric. The autoscaler does not know the load of this pod." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographPodSilent") }}
    {{- end }}
    {{- end }}
    {{- range include "holograph.scope.workloads" . | fromJsonArray }}
    {{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" .kind)) }}
    - alert: HolographPodsUnscraped
      expr: |-
        max by ({{ $by }}) ({{ .ready }})
        > on ({{ $by }})
          {{ include "holograph.scope.targets" (dict "context" $ "kind" .kind) }}
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "Prometheus does not know all pods of {{ $labels.%s }} in {{ $labels.namespace }}." .kind | quote }}
        description: {{ printf "{{ $value }} pods are Ready, and for %s fewer have been targets of Prometheus. The frames of the others are not counted." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographPodsUnscraped") }}
    {{- end }}
{{- end }}
