{{/*
What is scraped, as a list in JSON: the pods of components of this release. Each has "component", "container" and "path",
"workload", a regular expression of the names of its Deployments, "interval" where it is not the renderers', "pods":
whether its samples are about the pod itself and have its name, and "limits", as fields of a Prometheus
scrape job.

A pod is a target only as one of its Deployment's ReplicaSet. Anyone who may create a pod can copy the labels.
If the pod also names a ReplicaSet as its owner, that ReplicaSet has one pod too many and deletes one.

Prometheus takes a scrape whole or not at all: one that exceeds a limit sets `up` to 0, and Prometheus' page /targets has
the reason. Other targets are not affected. Prometheus counts samples after relabeling has dropped the unused ones, which
for kube-state-metrics leaves 35 per autoscaler and Deployment. The page of kube-state-metrics grows with all objects in
its namespaces; it runs out of memory before the page reaches its limit.

No job has a target_limit: with one target too many, Prometheus fails all targets of the job. Anyone who may create pods
in a served namespace could then stop the metrics of all releases.
*/}}
{{- define "holograph.prometheus.targets" -}}
{{- $limits := .Values.prometheus.scrapeLimits }}
{{- $labels := dict "label_limit" 40 "label_name_length_limit" 200 "label_value_length_limit" 1000 }}
{{- $targets := list (dict "component" "renderer" "container" (include "holograph.container" .) "pods" true
  "path" .Values.renderer.metricsPath
  "workload" (include "holograph.scope.renderers" .)
  "limits" (merge (dict "sample_limit" $limits.samples "body_size_limit" $limits.bodySize) $labels)
  "keep" (list (dict "from" (list "__name__") "regex" (include "holograph.prometheus.rendererMetrics" .)))) }}
{{- if .Values.kubeStateMetrics.enabled }}
{{- $renderer := include "holograph.scope.renderers" . }}
{{- $targets = append $targets (dict "component" "kube-state-metrics" "container" "kube-state-metrics" "pods" false
  "path" "/metrics"
  "interval" .Values.kubeStateMetrics.scrapeInterval
  "workload" (include "holograph.kubeStateMetrics.name" .)
  "limits" (merge (dict "sample_limit" 10000 "body_size_limit" "64MB") $labels)
  "keep" (list
    (dict "from" (list "__name__") "regex" "kube_(horizontalpodautoscaler|deployment)_.+")
    (dict "from" (list "namespace" "horizontalpodautoscaler" "deployment") "regex" (printf "(%s);(%s;|;%s|;%s)"
      (prepend .Values.servedNamespaces (include "holograph.namespace" .) | join "|") $renderer $renderer (include "holograph.prometheusAdapter.name" .))))) }}
{{- end }}
{{- toJson $targets }}
{{- end }}

{{/*
Regular expression of the metric names that Prometheus keeps from a renderer: those of signals and signals.otherMetrics.
Otherwise a renderer could export the series of kube-state-metrics, of Prometheus or of the recording rules.
*/}}
{{- define "holograph.prometheus.rendererMetrics" -}}
{{- $signals := .Values.signals }}
{{- $names := list $signals.frames.name $signals.overruns.name }}
{{- if $signals.demand.enabled }}
{{- $names = append (append $names $signals.demand.offeredMetric) $signals.demand.capacityMetric }}
{{- end }}
{{- with $signals.refused.name }}
{{- $names = append $names . }}
{{- end }}
{{- range $signals.otherMetrics }}
{{- $names = append $names (printf "%s_.+" .) }}
{{- end }}
{{- uniq $names | join "|" }}
{{- end }}

{{/*
One scrape job. Takes dict "context" $ "target" an entry of holograph.prometheus.targets, "self" where it is Prometheus itself,
and optionally "served": whether the pods of other releases in servedNamespaces are scraped too.
*/}}
{{- define "holograph.prometheus.job" -}}
{{- $labels := .context.Values.signals.labels -}}
{{- $component := dict "context" .context "component" .target.component -}}
job_name: {{ .target.component | quote }}
{{- with .target.interval }}
scrape_interval: {{ . | quote }}
scrape_timeout: {{ include "holograph.prometheus.scrapeTimeout" . | quote }}
{{- end }}
metrics_path: {{ .target.path | quote }}
{{- if .target.self }}
{{ include "holograph.prometheus.loginClient" .context }}
{{- end }}
{{- range $limit, $value := .target.limits }}
{{ $limit }}: {{ ternary $value (int64 $value) (kindIs "string" $value) }}
{{- end }}
# The time of a sample is the time of its scrape. A timestamp from the target is ignored.
honor_timestamps: false
kubernetes_sd_configs:
  - role: pod
    namespaces:
      names:
        - {{ include "holograph.namespace" .context | quote }}
    selectors:
      - role: pod
        label: {{ include "holograph.selectorLabels" $component | fromYaml | include "holograph.prometheus.selector" | quote }}
  {{- if and .served .context.Values.servedNamespaces }}
  - role: pod
    namespaces:
      names:
        {{- toYaml .context.Values.servedNamespaces | nindent 8 }}
    selectors:
      - role: pod
        # Releases there may have any name.
        label: {{ omit (include "holograph.selectorLabels" $component | fromYaml) "app.kubernetes.io/instance" | include "holograph.prometheus.selector" | quote }}
  {{- end }}
relabel_configs:
  - source_labels: [__meta_kubernetes_pod_container_name, __meta_kubernetes_pod_container_port_name]
    regex: {{ printf "%s;http" .target.container | quote }}
    action: keep
  - source_labels: [__meta_kubernetes_pod_controller_kind, __meta_kubernetes_pod_controller_name]
    regex: {{ include "holograph.scope.replicaSets" .target.workload | printf "ReplicaSet;%s" | quote }}
    action: keep
  # Pods that are not ready are scraped too, because their series must exist before they get load.
  - source_labels: [__meta_kubernetes_pod_phase]
    regex: Running
    action: keep
  {{- if .target.self }}
  # Only Prometheus itself gets the login, even if another pod has its labels.
  - target_label: __address__
    replacement: localhost:9090
  {{- end }}
  {{- if .target.pods }}
  - source_labels: [__meta_kubernetes_namespace]
    target_label: {{ $labels.namespace | quote }}
  - source_labels: [__meta_kubernetes_pod_name]
    target_label: {{ $labels.pod | quote }}
  - source_labels: [__meta_kubernetes_pod_container_name]
    target_label: {{ $labels.container | quote }}
  {{- end }}
metric_relabel_configs:
  {{- range .target.keep }}
  - source_labels: [{{ join ", " .from }}]
    regex: {{ .regex | quote }}
    action: keep
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
because Prometheus refuses a timeout longer than the interval.
*/}}
{{- define "holograph.prometheus.scrapeTimeout" -}}
{{- ternary . "10s" (lt (include "holograph.milliseconds" . | int64) 10000) }}
{{- end }}

{{/*
The embedded Prometheus' configuration file.
*/}}
{{- define "holograph.prometheus.config" -}}
global:
  scrape_interval: {{ .Values.prometheus.scrapeInterval | quote }}
  scrape_timeout: {{ include "holograph.prometheus.scrapeTimeout" .Values.prometheus.scrapeInterval | quote }}
  evaluation_interval: {{ .Values.prometheus.scrapeInterval | quote }}
  {{- with .Values.prometheus.externalLabels }}
  external_labels:
    {{- range $name, $value := . }}
    {{- /* Prometheus expands $NAME in them, and $$ is a dollar sign. */}}
    {{ $name }}: {{ replace "$" "$$" $value | quote }}
    {{- end }}
  {{- end }}
{{- with .Values.prometheus.alertmanagers }}
alerting:
  alertmanagers:
    {{- range . }}
    - {{ include "holograph.prometheus.alertmanager" . | nindent 6 | trim }}
    {{- end }}
{{- end }}
{{- with .Values.prometheus.remoteWrite }}
remote_write:
  {{- toYaml . | nindent 2 }}
{{- end }}
storage:
  tsdb:
    retention:
      time: {{ .Values.prometheus.retention.time | quote }}
      size: {{ .Values.prometheus.retention.size | quote }}
rule_files:
  - rules.yaml
scrape_configs:
  {{- range include "holograph.prometheus.targets" . | fromJsonArray }}
  - {{ include "holograph.prometheus.job" (dict "context" $ "target" . "served" (eq .component "renderer")) | nindent 4 | trim }}
  {{- end }}
  # Prometheus itself: about a thousand samples, none of which a rule uses.
  - {{ include "holograph.prometheus.job" (dict "context" $ "target" (dict "component" "prometheus" "container" "prometheus" "pods" true "self" true
      "path" "/metrics"
      "workload" (include "holograph.prometheus.name" .)
      "limits" (dict "sample_limit" 5000 "body_size_limit" "4MB")
      "keep" (list (dict "from" (list "__name__") "regex" "(prometheus|promhttp|net|process|go)_.+")))) | nindent 4 | trim }}
{{- end }}

{{/*
Size of the embedded Prometheus' volume for a retention size (512MB): twice that, as a Kubernetes quantity.
Prometheus' MB is 1024 * 1024 bytes.
*/}}
{{- define "holograph.prometheus.volumeSize" -}}
{{- $unit := regexFind "[KMGT]B$" . }}
{{- printf "%d%si" (mul 2 (regexFind "^[0-9]+" . | int64)) (trimSuffix "B" $unit) }}
{{- end }}
