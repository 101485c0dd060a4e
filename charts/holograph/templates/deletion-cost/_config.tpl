{{/*
The configuration of the writer of deletion costs (test/doctor/deletioncost). How busy a pod is, is its demand.
*/}}
{{- define "holograph.deletionCost.config" -}}
{{- $labels := .Values.signals.labels }}
{{- $found := include "holograph.signals.found" (dict "context" $ "key" "demand") | fromJson }}
{{- $query := include "holograph.signals.values" (dict "context" $ "key" "demand" "matchers" (include "holograph.scope.ownPods" .))
  | replace "<<.Series>>" $found.name | replace "<<.GroupBy>>" $labels.pod -}}
namespace: {{ include "holograph.namespace" . | quote }}
selector: {{ include "holograph.target.podLabels" . | fromYaml | include "holograph.prometheus.selector" | quote }}
query: {{ regexReplaceAll "\\s+" $query " " | trim | quote }}
podLabel: {{ $labels.pod | quote }}
prometheus:
  {{- include "holograph.doctor.prometheus" . | nindent 2 }}
{{- end }}
