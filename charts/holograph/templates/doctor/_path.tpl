{{/*
APIServices under which the autoscaler may find its metrics, as a YAML list; [] where nothing uses any.
*/}}
{{- define "holograph.doctor.apiServices" -}}
{{- if .Values.keda.enabled }}
{{- list "v1beta1.external.metrics.k8s.io" | toYaml }}
{{- else if or .Values.autoscaling.enabled .Values.prometheusAdapter.enabled }}
{{- list "v1beta1.custom.metrics.k8s.io" "v1beta2.custom.metrics.k8s.io" | toYaml }}
{{- else }}
{{- list | toYaml }}
{{- end }}
{{- end }}

{{/*
The ConfigMap that this release renders the adapter's rules into, as YAML: namespace and name; {} where
the autoscaler's metrics do not come from such a ConfigMap.
*/}}
{{- define "holograph.doctor.rules" -}}
{{- $existing := .Values.prometheusAdapter.existing }}
{{- if .Values.keda.enabled }}
{{- dict | toYaml }}
{{- else if .Values.prometheusAdapter.enabled }}
{{- dict "namespace" (include "holograph.namespace" .) "name" (include "holograph.prometheusAdapter.name" .) | toYaml }}
{{- else if $existing.namespace }}
{{- dict "namespace" $existing.namespace "name" (include "holograph.prometheusAdapter.existingName" .) | toYaml }}
{{- else }}
{{- dict | toYaml }}
{{- end }}
{{- end }}

{{/*
The description that the doctor reads (test/doctor/description): the names of all objects from the renderer to the
autoscaler, each by the helper that the object itself uses.
*/}}
{{- define "holograph.doctor.path" -}}
{{- $adapter := .Values.prometheusAdapter }}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $files := include "holograph.prometheus.accessPath" . }}
{{- $rules := include "holograph.doctor.rules" . | fromYaml -}}
release: {{ .Release.Name | quote }}
namespace: {{ include "holograph.namespace" . | quote }}
signals:
  {{- range $key := include "holograph.signals" . | splitList " " }}
  {{- $signal := get $.Values.signals $key }}
  - metric: {{ $signal.name | quote }}
    resource: {{ include "holograph.signals.resource" (dict "context" $ "key" $key) | quote }}
    series:
      {{- if $signal.offeredMetric }}
      - name: {{ $signal.offeredMetric | quote }}
        value: {{ printf "signals.%s.offeredMetric" $key | quote }}
      - name: {{ $signal.capacityMetric | quote }}
        value: {{ printf "signals.%s.capacityMetric" $key | quote }}
      {{- else }}
      - name: {{ $signal.name | quote }}
        value: {{ printf "signals.%s.name" $key | quote }}
      {{- end }}
  {{- end }}
labels:
  {{- toYaml .Values.signals.labels | nindent 2 }}
renderer:
  deployment: {{ include "holograph.renderer.name" . | quote }}
  selector: {{ include "holograph.selectorLabels" (dict "context" $ "component" "renderer") | fromYaml | include "holograph.prometheus.selector" | quote }}
  container: {{ include "holograph.container" . | quote }}
  port: {{ .Values.renderer.port | int }}
  metricsPath: {{ .Values.renderer.metricsPath | quote }}
{{- if $access.url }}
prometheus:
  url: {{ $access.url | quote }}
  {{- if .Values.prometheus.enabled }}
  deployment: {{ include "holograph.prometheus.name" . | quote }}
  {{- end }}
  scrapeInterval: {{ .Values.prometheus.scrapeInterval | quote }}
  {{- if ne .Values.prometheus.verb "POST" }}
  verb: {{ .Values.prometheus.verb | quote }}
  {{- end }}
  {{- with $access.headers }}
  headers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $access.ca }}
  caFile: {{ printf "%s/ca.crt" $files | quote }}
  {{- end }}
  {{- if $access.clientSecret }}
  certFile: {{ printf "%s/tls.crt" $files | quote }}
  keyFile: {{ printf "%s/tls.key" $files | quote }}
  {{- end }}
  {{- if $access.bearerToken }}
  tokenFile: {{ printf "%s/token" $files | quote }}
  {{- end }}
  {{- if $access.basicAuth }}
  authorizationFile: {{ printf "%s/authorization" $files | quote }}
  {{- if hasPrefix "http://" $access.url }}
  login:
    namespace: {{ include "holograph.namespace" . | quote }}
    name: {{ $access.basicAuth | quote }}
  {{- end }}
  {{- end }}
  {{- with $access.headersFrom }}
  headerFiles:
    {{- range $name, $from := . }}
    {{ $name | quote }}: {{ printf "%s/%s" $files $name | quote }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if $rules }}
adapter:
  configMap:
    namespace: {{ $rules.namespace | quote }}
    name: {{ $rules.name | quote }}
    key: config.yaml
  {{- if $adapter.enabled }}
  deployment: {{ include "holograph.prometheusAdapter.name" . | quote }}
  service: {{ include "holograph.prometheusAdapter.name" . | quote }}
  selector: {{ include "holograph.selectorLabels" (dict "context" $ "component" "prometheus-adapter") | fromYaml | include "holograph.prometheus.selector" | quote }}
  checksum: {{ include "holograph.prometheusAdapter.checksum" . | quote }}
  {{- end }}
  relistInterval: {{ $adapter.relistInterval | quote }}
  rules:
    {{- include "holograph.signals.rules" . | trim | nindent 4 }}
{{- end }}
apiServices:
  {{- include "holograph.doctor.apiServices" . | nindent 2 }}
{{- if .Values.keda.enabled }}
autoscaler:
  horizontalPodAutoscaler: {{ include "holograph.renderer.name" . | quote }}
  scaledObject: {{ include "holograph.renderer.name" . | quote }}
{{- else if .Values.autoscaling.enabled }}
autoscaler:
  horizontalPodAutoscaler: {{ include "holograph.renderer.name" . | quote }}
{{- end }}
{{- end }}
