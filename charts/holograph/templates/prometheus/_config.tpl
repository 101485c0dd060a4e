{{/*
What is scraped, as a list in JSON: the pods of components of this release. Each has "component", "container" and "path",
"port", the name of its port, or its number where the chart does not write the pod, "job", the name of its job where that is
not the component's, "owners", a regular expression of what the pods belong to, "labels", which select the pods where they
are not the component's own, "interval" where it is not the renderers', "pods": whether its samples are about the pod itself
and have its name, and "limits", as fields of a Prometheus scrape job. "native" asks for native histograms. "scraped" are the
labels that may be the renderer's own.

A pod is a target only as one of its workload's ReplicaSet or StatefulSet. Anyone who may create a pod can copy the labels.
If the pod also names a ReplicaSet as its owner, that ReplicaSet has one pod too many and deletes one. A StatefulSet does
not take a pod whose name is not one of its own, so the queries select its pods by name too.

Prometheus takes a scrape whole or not at all: one that exceeds a limit sets `up` to 0, and Prometheus' page /targets has
the reason. Other targets are not affected. Prometheus counts samples after relabeling has dropped the unused ones, which
for kube-state-metrics leaves 20 per autoscaler and Deployment. Two jobs scrape it, one for the release's own namespace and
one for servedNamespaces: who may create objects there could otherwise exceed the limit, and end the series of the
release's own autoscaler too. The limit of the second job allows for 50 autoscalers in each namespace. The page of
kube-state-metrics grows with all objects in its namespaces; it runs out of memory before the page reaches its limit.

No job has a target_limit: with one target too many, Prometheus fails all targets of the job. Anyone who may create pods
in a served namespace could then stop the metrics of all releases.
*/}}
{{- define "holograph.prometheus.targets" -}}
{{- $limits := .Values.prometheus.scrapeLimits }}
{{- $labels := dict "label_limit" 40 "label_name_length_limit" 200 "label_value_length_limit" 1000 }}
{{- $targets := list (dict "component" "renderer" "container" (include "holograph.container" .) "pods" true
  "path" .Values.renderer.metrics.path
  "port" (include "holograph.metrics.portName" . | default (include "holograph.metrics.port" . | int))
  "native" (include "holograph.signals.frames" . | fromJson).native
  "scraped" .Values.signals.scrapeLabels
  "owners" (include "holograph.scope.owners" .)
  "labels" (include "holograph.target.podLabels" . | fromYaml)
  "limits" (merge (dict "sample_limit" $limits.samples "body_size_limit" $limits.bodySize) $labels)
  "keep" (list (dict "from" (list "__name__") "regex" (include "holograph.prometheus.rendererMetrics" .)))) }}
{{- if .Values.kubeStateMetrics.enabled }}
{{- $own := include "holograph.namespace" . }}
{{- $served := without .Values.servedNamespaces $own }}
{{- range $job, $namespaces := dict "kube-state-metrics" (list $own) "kube-state-metrics-served" $served }}
{{- if $namespaces }}
{{- $targets = append $targets (dict "component" "kube-state-metrics" "container" "kube-state-metrics" "pods" false
  "job" $job
  "path" "/metrics"
  "interval" $.Values.kubeStateMetrics.scrapeInterval
  "port" "http"
  "owners" (include "holograph.scope.replicaSets" (include "holograph.kubeStateMetrics.name" $) | printf "ReplicaSet;%s")
  "limits" (merge (dict "sample_limit" (mul 1000 (len $namespaces) | max 10000) "body_size_limit" "64MB") $labels)
  "keep" (list
    (include "holograph.prometheus.objects" $ | fromJson)
    (include "holograph.prometheus.objectsOfReleases" (dict "context" $ "namespaces" $namespaces) | fromJson))) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $targets }}
{{- end }}

{{/*
What Prometheus keeps of kube-state-metrics: the series of autoscalers and workloads, and of those the releases' own. Each
series has one of the labels, and the others are empty. objectsOfReleases takes dict "context" $ "namespaces" list.
*/}}
{{- define "holograph.prometheus.objects" -}}
{{- $kinds := list "horizontalpodautoscaler" "deployment" }}
{{- if eq (include "holograph.target.kind" .) "StatefulSet" }}
{{- $kinds = append $kinds "statefulset" }}
{{- end }}
{{- dict "from" (list "__name__") "kinds" $kinds "regex" (printf "kube_(%s)_.+" (join "|" $kinds)) | toJson }}
{{- end }}

{{- define "holograph.prometheus.objectsOfReleases" -}}
{{- $root := .context }}
{{- $kinds := (include "holograph.prometheus.objects" $root | fromJson).kinds }}
{{- $names := list }}
{{- range $index, $kind := $kinds }}
{{- $found := list (include "holograph.scope.objectNames" (dict "context" $root "kind" $kind) | replace "." "[.]") }}
{{- if $root.Values.servedNamespaces }}
{{- $found = list (include "holograph.scope.otherRenderers" $root) }}
{{- end }}
{{- if eq $kind "deployment" }}
{{- $found = append $found (include "holograph.prometheusAdapter.name" $root) }}
{{- if $root.Values.deletionCost.enabled }}
{{- $found = append $found (include "holograph.deletionCost.name" $root) }}
{{- end }}
{{- end }}
{{- range compact $found }}
{{- $names = append $names (printf "%s%s%s" (repeat $index ";") . (repeat (sub (len $kinds) (add1 $index) | int) ";")) }}
{{- end }}
{{- end }}
{{- dict "from" (prepend $kinds "namespace") "regex" (printf "(%s);(%s)" (join "|" .namespaces) (join "|" $names)) | toJson }}
{{- end }}

{{/*
Regular expression of the beginnings of names that are not a renderer's: those of kube-state-metrics, of Prometheus and of the
recording rules.
*/}}
{{- define "holograph.prometheus.notRenderers" -}}
^((kube|scrape|ALERTS)(_|$)|holograph:|up$)
{{- end }}

{{/*
Regular expression of the metric names that Prometheus keeps from a renderer: those of signals, also of a query there, and
signals.otherMetrics.
Otherwise a renderer could export the series of kube-state-metrics, of Prometheus or of the recording rules.
*/}}
{{- define "holograph.prometheus.rendererMetrics" -}}
{{- $signals := .Values.signals }}
{{- $names := list }}
{{- range include "holograph.signals.exported" . | fromJsonArray }}
{{- $names = append $names (regexQuoteMeta .name) }}
{{- end }}
{{- with $signals.refused.name }}
{{- $names = append $names (regexQuoteMeta .) }}
{{- end }}
{{- range include "holograph.signals.queried" . | fromJsonArray }}
{{- if not (regexMatch (include "holograph.prometheus.notRenderers" $) .) }}
{{- $names = append $names (regexQuoteMeta .) }}
{{- end }}
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
{{- $own := include "holograph.namespace" .context -}}
{{- $served := ternary .context.Values.servedNamespaces list (default false .served) -}}
{{- $anyRelease := omit (include "holograph.selectorLabels" $component | fromYaml) "app.kubernetes.io/instance" | include "holograph.prometheus.selector" -}}
job_name: {{ default .target.component .target.job | quote }}
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
{{- if $served }}
# A pod of a served namespace sends Prometheus to no address that the pod itself does not reach.
follow_redirects: false
{{- end }}
# The time of a sample is the time of its scrape. A timestamp from the target is ignored.
honor_timestamps: false
{{- if .target.native }}
scrape_native_histograms: true
{{- end }}
{{- if and .target.scraped (not (include "holograph.prometheus.dotted" .context)) }}
# OpenTelemetry's names as /metrics shows them to people: with underscores.
metric_name_escaping_scheme: underscores
{{- end }}
kubernetes_sd_configs:
  - role: pod
    namespaces:
      names:
        - {{ $own | quote }}
    selectors:
      - role: pod
        {{- if has $own $served }}
        # Other releases in this namespace are served too.
        label: {{ $anyRelease | quote }}
        {{- else }}
        label: {{ default (include "holograph.selectorLabels" $component | fromYaml) .target.labels | include "holograph.prometheus.selector" | quote }}
        {{- end }}
  {{- with without $served $own }}
  - role: pod
    namespaces:
      names:
        {{- toYaml . | nindent 8 }}
    selectors:
      - role: pod
        # Releases there may have any name.
        label: {{ $anyRelease | quote }}
  {{- end }}
relabel_configs:
  - source_labels: [__meta_kubernetes_pod_container_name, __meta_kubernetes_pod_container_port_{{ ternary "name" "number" (kindIs "string" .target.port) }}]
    regex: {{ printf "%s;%v" .target.container .target.port | quote }}
    action: keep
  - source_labels: [__meta_kubernetes_pod_controller_kind, __meta_kubernetes_pod_controller_name]
    regex: {{ .target.owners | quote }}
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
  {{- with $labels.container }}
  - source_labels: [__meta_kubernetes_pod_container_name]
    target_label: {{ . | quote }}
  {{- end }}
  {{- end }}
metric_relabel_configs:
  {{- range .target.keep }}
  - source_labels: [{{ join ", " .from }}]
    regex: {{ .regex | quote }}
    action: keep
  {{- end }}
  {{- with without (default list .target.scraped) "job" "instance" }}
  # Where a scraper sets such a label, Prometheus renames the renderer's. This one does not set it, and the queries drop it.
  - regex: {{ join "|" . | quote }}
    replacement: exported_${0}
    action: labelmap
  - regex: {{ join "|" . | quote }}
    action: labeldrop
  {{- end }}
{{- end }}

{{/*
Whether a metric has a name that only a Prometheus has that stores names as they are, like OpenTelemetry's http.server.duration.
*/}}
{{- define "holograph.prometheus.dotted" -}}
{{- $names := list .Values.signals.refused.name }}
{{- range include "holograph.signals.exported" . | fromJsonArray }}
{{- $names = append $names .name }}
{{- end }}
{{- $names = include "holograph.signals.queried" . | fromJsonArray | concat $names }}
{{- if regexMatch "[./-]" (join " " $names) }}true{{ end }}
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
    {{ $name | quote }}: {{ replace "$" "$$" $value | quote }}
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
  # Prometheus itself: about a thousand samples, of which the alerts on it use a few.
  - {{ include "holograph.prometheus.job" (dict "context" $ "target" (dict "component" "prometheus" "container" "prometheus" "pods" true "self" true
      "path" "/metrics"
      "port" "http"
      "owners" (include "holograph.scope.replicaSets" (include "holograph.prometheus.name" .) | printf "ReplicaSet;%s")
      "limits" (dict "sample_limit" 5000 "body_size_limit" "4MB")
      "keep" (list (dict "from" (list "__name__") "regex" "(prometheus|promhttp|net|process|go)_.+")))) | nindent 4 | trim }}
{{- end }}

{{/*
Size of the embedded Prometheus' volume for a retention size (512MB): twice that, as a Kubernetes quantity.
Prometheus' MB is 1024 * 1024 bytes, as its MiB is.
*/}}
{{- define "holograph.prometheus.volumeSize" -}}
{{- $unit := regexFind "[KMGT]i?B$" . }}
{{- printf "%d%si" (mul 2 (regexFind "^[0-9]+" . | int64)) (substr 0 1 $unit) }}
{{- end }}
