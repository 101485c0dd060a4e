{{/*
The workload that is scaled: the chart's own renderer, or the one of autoscaling.target. Everything that speaks of the
workload or of its pods uses these templates.
*/}}
{{- define "holograph.target.name" -}}
{{- if .Values.renderer.enabled }}
{{- include "holograph.renderer.name" . }}
{{- else }}
{{- .Values.autoscaling.target.name }}
{{- end }}
{{- end }}

{{- define "holograph.target.kind" -}}
{{ ternary "Deployment" .Values.autoscaling.target.kind .Values.renderer.enabled }}
{{- end }}

{{/*
The workload as an autoscaler refers to it.
*/}}
{{- define "holograph.target.reference" -}}
apiVersion: {{ ternary "apps/v1" .Values.autoscaling.target.apiVersion .Values.renderer.enabled | quote }}
kind: {{ include "holograph.target.kind" . | quote }}
name: {{ include "holograph.target.name" . | quote }}
{{- end }}

{{/*
Labels that select the pods of the workload, as YAML.
*/}}
{{- define "holograph.target.podLabels" -}}
{{- if .Values.renderer.enabled }}
{{- include "holograph.selectorLabels" (dict "context" $ "component" "renderer") }}
{{- else }}
{{- range $key, $value := .Values.autoscaling.target.podLabels }}
{{ $key | quote }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The container that exports the metrics where that is not the renderer's own, as JSON; {} where it is.
*/}}
{{- define "holograph.metrics.sidecar" -}}
{{- $name := .Values.renderer.metrics.container }}
{{- $found := dict }}
{{- if .Values.renderer.enabled }}
{{- range concat .Values.renderer.extraContainers .Values.renderer.initContainers }}
{{- if eq (toString .name) $name }}
{{- $found = . }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/*
Number of the port named `metrics` of a container; 0 where it has none. Takes the container.
*/}}
{{- define "holograph.metrics.namedPort" -}}
{{- $port := 0 }}
{{- range .ports }}
{{- if eq (default "" .name) "metrics" }}
{{- $port = .containerPort }}
{{- end }}
{{- end }}
{{- $port | int }}
{{- end }}

{{/*
Number of the port of the metrics.
*/}}
{{- define "holograph.metrics.port" -}}
{{- $renderer := .Values.renderer }}
{{- $named := include "holograph.metrics.sidecar" . | fromJson | include "holograph.metrics.namedPort" | int }}
{{- $renderer.metrics.port | default $named | default $renderer.port | int }}
{{- end }}

{{/*
Name of the port of the metrics. It is empty for a workload that exists already, whose ports may have any name.
*/}}
{{- define "holograph.metrics.portName" -}}
{{- if not .Values.renderer.enabled }}
{{- else if include "holograph.metrics.own" . }}metrics
{{- else }}http
{{- end }}
{{- end }}

{{/*
Whether the metrics have a port of their own, "true" or "".
*/}}
{{- define "holograph.metrics.own" -}}
{{- if or .Values.renderer.metrics.container (ne (include "holograph.metrics.port" .) (toString (int .Values.renderer.port))) }}true{{ end }}
{{- end }}

{{/*
Name of the port of a container that has a number; empty where that port has no name, and "-" where the container does not
list it. Takes dict "container" the container "port" number.
*/}}
{{- define "holograph.metrics.nameOfPort" -}}
{{- $name := "-" }}
{{- range .container.ports }}
{{- if and (eq (int .containerPort) (int $.port)) (eq (default "TCP" .protocol) "TCP") }}
{{- $name = default "" .name }}
{{- end }}
{{- end }}
{{- $name }}
{{- end }}

{{/*
Containers of the renderer's pod that the values add, as a YAML list. The one that exports the metrics has a port named
`metrics`. Takes dict "context" $ "containers" list.
*/}}
{{- define "holograph.renderer.containers" -}}
{{- $metrics := .context.Values.renderer.metrics }}
{{- range .containers }}
{{- $container := . }}
{{- if and $metrics.port (eq (toString .name) $metrics.container) (eq (include "holograph.metrics.namedPort" .) "0") }}
{{- $name := include "holograph.metrics.nameOfPort" (dict "container" . "port" $metrics.port) }}
{{- $ports := list }}
{{- range .ports }}
{{- $same := and (eq $name "") (eq (int .containerPort) (int $metrics.port)) (eq (default "TCP" .protocol) "TCP") }}
{{- $ports = append $ports (ternary (merge (dict "name" "metrics") .) . $same) }}
{{- end }}
{{- if eq $name "-" }}
{{- $ports = append $ports (dict "name" "metrics" "containerPort" (int $metrics.port) "protocol" "TCP") }}
{{- end }}
{{- $container = merge (dict "ports" $ports) . }}
{{- end }}
- {{ toYaml $container | nindent 2 | trim }}
{{- end }}
{{- end }}
