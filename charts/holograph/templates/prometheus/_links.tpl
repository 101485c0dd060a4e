{{/*
The links from a late frame to a new pod that Prometheus can check: a list as JSON, in order from the renderers to the
replicas. Each has a name, an expression that is 1 where the link works and 0 where it is broken, and a series whose
newest sample gives the time of the last data.
*/}}
{{- define "holograph.links" -}}
{{- $labels := .Values.signals.labels }}
{{- $frames := include "holograph.scope.frames" . | printf "{%s}" }}
{{- $autoscaler := include "holograph.scope.renderer" (dict "context" $ "kind" "horizontalpodautoscaler") }}
{{- $pods := printf "count(count by (%s, %s) (%%s))" $labels.namespace $labels.pod }}
{{- $counted := include "holograph.signals.exports" (dict "context" $ "key" "overruns") | fromJsonArray | last }}
{{- $late := include "holograph.scope.series" (dict "context" $ "name" $counted.name "selector" $counted.selector "matchers" $counted.matchers) }}
{{- $links := list
  (dict "name" "Renderers are scraped"
    "expr" (printf "min(up%s)" $frames)
    "series" (printf "up%s" $frames))
  (dict "name" "Each counts its late frames"
    "expr" (printf "(%s or vector(0)) >= bool %s" (printf $pods $late) (printf $pods (printf "up%s" $frames)))
    "series" $late) }}
{{- if include "holograph.scope.objects" . }}
{{- if include "holograph.prometheusAdapter.runs" . }}
{{- $adapter := include "holograph.scope.available" (dict "context" $ "deployment" (include "holograph.prometheusAdapter.name" .)) }}
{{- $links = append $links (dict "name" "The adapter is available"
    "expr" (printf "max(%s) > bool 0" $adapter)
    "series" $adapter) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- $conditions := printf "holograph:hpa_condition:status{%s,condition=~\"AbleToScale|ScalingActive\",status=\"true\"}" $autoscaler }}
{{- $links = append $links (dict "name" "The autoscaler can scale"
    "expr" (printf "min(%s and on (%s) holograph:hpa_replicas:current{%s} > 0)" $conditions (include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" "horizontalpodautoscaler"))) $autoscaler)
    "series" $conditions) }}
{{- end }}
{{- range include "holograph.scope.workloads" . | fromJsonArray }}
{{- $links = append $links (dict "name" "The wanted pods are Ready"
    "expr" (printf "min(max by (namespace, %s) (%s) >= bool on (namespace, %s) max by (namespace, %s) (%s))" .kind .ready .kind .kind .wanted)
    "series" .ready) }}
{{- end }}
{{- end }}
{{- toJson $links }}
{{- end }}
