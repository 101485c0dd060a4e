{{/*
Alerts on renderers whose metrics do not reach Prometheus while those of others do. HolographMetricAbsent is for all of
them. The autoscaler takes a pod without a value for one without load, so these pods hold back scaling down and hide late
frames.
*/}}
{{- define "holograph.alerts.scrapes" -}}
{{- $signals := .Values.signals }}
{{- $labels := $signals.labels }}
{{- $for := .Values.alerts.podUnseen.for }}
{{- $pod := printf "%s, %s" $labels.namespace $labels.pod }}
{{- $who := printf "{{ $labels.%s }} in {{ $labels.%s }}" $labels.pod $labels.namespace }}
{{- $frames := include "holograph.scope.frames" . | printf "{%s}" }}
    - alert: HolographScrapeFailing
      expr: max by ({{ $pod }}) (up{{ $frames }}) == 0
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "Prometheus cannot scrape %s." $who | quote }}
        description: {{ printf "Its scrapes have failed for %s. Its frames are not counted, and the autoscaler does not know its load." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographScrapeFailing") }}
    {{- $metrics := list $signals.overruns.name }}
    {{- if $signals.demand.enabled }}
    {{- $metrics = append (append $metrics $signals.demand.offeredMetric) $signals.demand.capacityMetric }}
    {{- end }}
    {{- range $metrics | uniq }}
    - alert: HolographPodSilent
      expr: |-
        max by ({{ $pod }}) (up{{ $frames }}) == 1
        and on ({{ $labels.namespace }})
          {{ . }}{{ $frames }}
        unless on ({{ $pod }})
          {{ . }}{{ $frames }}
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning" "labels" (dict "metric" .)) | nindent 6 }}
      annotations:
        summary: {{ printf "%s reports no %s." $who . | quote }}
        description: {{ printf "Prometheus has scraped it for %s, and other pods report the metric. The autoscaler does not know the load of this pod." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographPodSilent") }}
    {{- end }}
    {{- if include "holograph.scope.objects" . }}
    {{- $ready := include "holograph.scope.renderer" (dict "context" $ "kind" "deployment") | printf "sum by (namespace) (max by (namespace, deployment) (kube_deployment_status_replicas_ready{%s}))" }}
    {{- $targets := printf "count by (%s) (up%s)" $labels.namespace $frames }}
    {{- if ne $labels.namespace "namespace" }}
    {{- $targets = printf "sum by (namespace) (label_replace(%s, \"namespace\", \"$1\", %q, \"(.*)\"))" $targets $labels.namespace }}
    {{- end }}
    - alert: HolographPodsUnscraped
      expr: |-
        {{ $ready }}
        > on (namespace)
          {{ $targets }}
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ "Prometheus does not know all renderers in {{ $labels.namespace }}." | quote }}
        description: {{ printf "{{ $value }} pods are Ready, and for %s fewer have been targets of Prometheus. The frames of the others are not counted." $for | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographPodsUnscraped") }}
    {{- end }}
{{- end }}
