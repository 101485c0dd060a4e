{{/*
One scrape job over the pods of one component of this release.
Takes dict "context" $ "component" name "container" name, optionally "path" and "interval",
"self" for Prometheus itself,
and "honorLabels" for an exporter whose namespace labels speak of other objects than itself, and "served": whether
the pods of other releases in servedNamespaces are scraped too.
*/}}
{{- define "holograph.prometheus.job" -}}
{{- $labels := .context.Values.signals.labels -}}
job_name: {{ .component }}
{{- with .interval }}
scrape_interval: {{ . }}
scrape_timeout: {{ include "holograph.prometheus.scrapeTimeout" . }}
{{- end }}
{{- with .path }}
metrics_path: {{ . | squote }}
{{- end }}
{{- if .self }}
{{ include "holograph.prometheus.loginClient" .context }}
{{- end }}
{{- if .honorLabels }}
honor_labels: true
{{- end }}
kubernetes_sd_configs:
  - role: pod
    namespaces:
      names:
        - {{ include "holograph.namespace" .context | quote }}
    selectors:
      - role: pod
        label: {{ include "holograph.selectorLabels" . | fromYaml | include "holograph.prometheus.selector" | squote }}
  {{- if and .served .context.Values.servedNamespaces }}
  - role: pod
    namespaces:
      names:
        {{- toYaml .context.Values.servedNamespaces | nindent 8 }}
    selectors:
      - role: pod
        # Whatever the releases there are called.
        label: {{ omit (include "holograph.selectorLabels" . | fromYaml) "app.kubernetes.io/instance" | include "holograph.prometheus.selector" | squote }}
  {{- end }}
relabel_configs:
  - source_labels: [__meta_kubernetes_pod_container_name, __meta_kubernetes_pod_container_port_name]
    regex: {{ .container }};http
    action: keep
  # A pod that is not ready is scraped all the same: its series must exist before it is sent work.
  - source_labels: [__meta_kubernetes_pod_phase]
    regex: Running
    action: keep
  {{- if .self }}
  # The login is shown to nobody else, whatever labels a pod may have.
  - target_label: __address__
    replacement: localhost:9090
  {{- end }}
  {{- if not .honorLabels }}
  - source_labels: [__meta_kubernetes_namespace]
    target_label: {{ $labels.namespace | quote }}
  - source_labels: [__meta_kubernetes_pod_name]
    target_label: {{ $labels.pod | quote }}
  - source_labels: [__meta_kubernetes_pod_container_name]
    target_label: {{ $labels.container | quote }}
  {{- end }}
{{- end }}

{{/*
Label selector in its text form. Takes the labels.
*/}}
{{- define "holograph.prometheus.selector" -}}
{{- $terms := list }}
{{- range $key, $value := . }}
{{- $terms = append $terms (printf "%s=%s" $key $value) }}
{{- end }}
{{- join "," $terms }}
{{- end }}

{{/*
Scrape timeout that goes with a scrape interval: Prometheus' own 10s, or the interval where that is shorter,
since Prometheus refuses a timeout longer than the interval.
*/}}
{{- define "holograph.prometheus.scrapeTimeout" -}}
{{- ternary . "10s" (lt (include "holograph.milliseconds" . | int64) 10000) }}
{{- end }}

{{/*
The embedded Prometheus' configuration file.
*/}}
{{- define "holograph.prometheus.config" -}}
global:
  scrape_interval: {{ .Values.prometheus.scrapeInterval }}
  scrape_timeout: {{ include "holograph.prometheus.scrapeTimeout" .Values.prometheus.scrapeInterval }}
  evaluation_interval: {{ .Values.prometheus.scrapeInterval }}
storage:
  tsdb:
    retention:
      time: {{ .Values.prometheus.retention.time }}
      size: {{ .Values.prometheus.retention.size }}
rule_files:
  - rules.yaml
scrape_configs:
  - {{ include "holograph.prometheus.job" (dict "context" $ "component" "renderer" "container" (include "holograph.container" .) "path" .Values.renderer.metricsPath "served" true) | nindent 4 | trim }}
  {{- if .Values.kubeStateMetrics.enabled }}
  - {{ include "holograph.prometheus.job" (dict "context" $ "component" "kube-state-metrics" "container" "kube-state-metrics" "interval" .Values.kubeStateMetrics.scrapeInterval "honorLabels" true) | nindent 4 | trim }}
  {{- end }}
  - {{ include "holograph.prometheus.job" (dict "context" $ "component" "prometheus" "container" "prometheus" "self" true) | nindent 4 | trim }}
{{- end }}

{{/*
Size of the embedded Prometheus' volume for a retention size (512MB): twice that, as a Kubernetes quantity.
Prometheus' MB is 1024 * 1024 bytes.
*/}}
{{- define "holograph.prometheus.volumeSize" -}}
{{- $unit := regexFind "[KMGT]B$" . }}
{{- printf "%d%si" (mul 2 (regexFind "^[0-9]+" . | int64)) (trimSuffix "B" $unit) }}
{{- end }}
