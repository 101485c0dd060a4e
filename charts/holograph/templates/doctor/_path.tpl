{{/*
APIServices under which the autoscaler may find its metrics, as a YAML list; [] where nothing uses any.
*/}}
{{- define "holograph.doctor.apiServices" -}}
{{- if include "holograph.autoscaling.keda" . }}
{{- list "v1beta1.external.metrics.k8s.io" | toYaml }}
{{- else if or (include "holograph.autoscaling.hpa" .) (include "holograph.prometheusAdapter.runs" .) }}
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
{{- if include "holograph.autoscaling.keda" . }}
{{- dict | toYaml }}
{{- else if include "holograph.prometheusAdapter.runs" . }}
{{- dict "namespace" (include "holograph.namespace" .) "name" (include "holograph.prometheusAdapter.name" .) | toYaml }}
{{- else if include "holograph.prometheusAdapter.writesRules" . }}
{{- dict "namespace" $existing.namespace "name" (include "holograph.prometheusAdapter.existingName" .) | toYaml }}
{{- else }}
{{- dict | toYaml }}
{{- end }}
{{- end }}

{{/*
How a program of the doctor's image reaches Prometheus (test/doctor/description). What is secret is in files of its pod:
holograph.doctor.accessSources.
*/}}
{{- define "holograph.doctor.prometheus" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $files := include "holograph.prometheus.accessPath" . -}}
url: {{ $access.url | quote }}
{{- if .Values.prometheus.enabled }}
deployment: {{ include "holograph.prometheus.name" . | quote }}
{{- end }}
scrapeInterval: {{ .Values.prometheus.scrapeInterval | quote }}
{{- if include "holograph.autoscaling.keda" . }}
{{- with .Values.keda.authenticationRef }}
{{- if .name }}
identity: {{ printf "%s %s" .kind .name | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if ne .Values.prometheus.verb "POST" }}
verb: {{ .Values.prometheus.verb | quote }}
{{- end }}
{{- with $access.headers }}
headers:
  {{- toYaml . | nindent 2 }}
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

{{/*
Those files as `projected.sources` of a volume; [] where there are none.
*/}}
{{- define "holograph.doctor.accessSources" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $sources := include "holograph.prometheus.accessSources" . | fromYamlArray }}
{{- with $access.basicAuth }}
{{- $login := dict "name" . "items" (list (dict "key" "authorization" "path" "authorization")) }}
{{- $sources = append $sources (dict "secret" $login) }}
{{- end }}
{{- range $name, $from := $access.headersFrom }}
{{- $header := dict "name" $from.name "items" (list (dict "key" $from.key "path" $name)) }}
{{- $sources = append $sources (dict "secret" $header) }}
{{- end }}
{{- toYaml $sources }}
{{- end }}

{{/*
The description that the doctor reads (test/doctor/description): the names of all objects from the renderer to the
autoscaler, each by the helper that the object itself uses.
*/}}
{{- define "holograph.doctor.path" -}}
{{- $adapter := .Values.prometheusAdapter }}
{{- $rules := include "holograph.doctor.rules" . | fromYaml -}}
release: {{ .Release.Name | quote }}
releaseNamespace: {{ .Release.Namespace | quote }}
namespace: {{ include "holograph.namespace" . | quote }}
signals:
  {{- range $key := include "holograph.signals" . | splitList " " }}
  {{- $signal := get $.Values.signals $key }}
  - metric: {{ $signal.name | quote }}
    resource: {{ include "holograph.signals.resource" (dict "context" $ "key" $key) | quote }}
    firstValue: {{ include "holograph.signals.young" (dict "context" $ "key" $key) | int64 | include "holograph.duration" | quote }}
    series:
      {{- range include "holograph.signals.exports" (dict "context" $ "key" $key) | fromJsonArray }}
      - name: {{ .name | quote }}
        value: {{ .value | quote }}
        {{- with .selector }}
        labels:
          {{- range $label, $value := . }}
          {{ $label | quote }}: {{ include "holograph.signals.labelValue" $value | quote }}
          {{- end }}
        {{- end }}
        {{- with .bound }}
        bound: {{ . | quote }}
        {{- end }}
        {{- if .native }}
        native: true
        {{- end }}
      {{- end }}
    {{- if and (eq $key "overruns") $signal.query }}
    query: {{ include "holograph.scope.signal" (dict "context" $ "signal" $key) | quote }}
    {{- end }}
  {{- end }}
labels:
  {{- set (deepCopy .Values.signals.labels) "container" (include "holograph.signals.containerLabel" .) | toYaml | nindent 2 }}
{{- with .Values.signals.matchers }}
matchers:
  {{- range $label, $value := . }}
  {{ $label | quote }}: {{ include "holograph.signals.labelValue" $value | quote }}
  {{- end }}
{{- end }}
{{- if not (or .Values.prometheus.enabled .Values.podMonitor.enabled) }}
scrapeLabels: {{ toJson .Values.signals.scrapeLabels }}
{{- end }}
renderer:
  {{- include "holograph.target.reference" . | nindent 2 }}
  own: {{ .Values.renderer.enabled | toJson }}
  selector: {{ include "holograph.target.podLabels" . | fromYaml | include "holograph.prometheus.selector" | quote }}
  container: {{ include "holograph.container" . | quote }}
  port: {{ include "holograph.metrics.port" . }}
  path: {{ .Values.renderer.metrics.path | quote }}
{{- if include "holograph.prometheus.url" . }}
prometheus:
  {{- include "holograph.doctor.prometheus" . | nindent 2 }}
{{- end }}
{{- if $rules }}
adapter:
  configMap:
    namespace: {{ $rules.namespace | quote }}
    name: {{ $rules.name | quote }}
    key: config.yaml
  {{- if include "holograph.prometheusAdapter.runs" . }}
  deployment: {{ include "holograph.prometheusAdapter.name" . | quote }}
  service: {{ include "holograph.prometheusAdapter.name" . | quote }}
  selector: {{ include "holograph.selectorLabels" (dict "context" $ "component" "prometheus-adapter") | fromYaml | include "holograph.prometheus.selector" | quote }}
  checksum: {{ include "holograph.prometheusAdapter.checksum" . | quote }}
  {{- end }}
  relistInterval: {{ include "holograph.prometheusAdapter.relistInterval" . | quote }}
  rules:
    {{- include "holograph.signals.rules" . | trim | nindent 4 }}
{{- end }}
apiServices:
  {{- include "holograph.doctor.apiServices" . | nindent 2 }}
{{- if include "holograph.autoscaling.keda" . }}
autoscaler:
  horizontalPodAutoscaler: {{ include "holograph.renderer.name" . | quote }}
  scaledObject: {{ include "holograph.renderer.name" . | quote }}
  {{- if include "holograph.autoscaling.scalesToZero" . }}
  scalesToZero: true
  {{- end }}
{{- else if include "holograph.autoscaling.hpa" . }}
autoscaler:
  horizontalPodAutoscaler: {{ include "holograph.renderer.name" . | quote }}
  {{- if include "holograph.autoscaling.scalesToZero" . }}
  scalesToZero: true
  {{- end }}
{{- end }}
{{- end }}
