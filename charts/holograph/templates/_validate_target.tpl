{{/*
Refuses values for the workload and its metrics that Kubernetes accepts, and with which nothing is scaled or measured.
*/}}
{{- define "holograph.validate.target" -}}
{{- if .Values.renderer.enabled }}
{{- include "holograph.validate.ownRenderer" . }}
{{- else }}
{{- include "holograph.validate.otherWorkload" . }}
{{- end }}
{{- end }}

{{- define "holograph.validate.ownRenderer" -}}
{{- $renderer := .Values.renderer }}
{{- $metrics := $renderer.metrics }}
{{- with .Values.autoscaling.target.name }}
{{- include "holograph.refuse" (printf "autoscaling.target.name: must be empty with renderer.enabled (got %s), because the release scales its own renderer: set renderer.enabled to false, or leave the name empty." .) }}
{{- end }}
{{- if $metrics.container }}
{{- $sidecar := include "holograph.metrics.sidecar" . | fromJson }}
{{- $port := include "holograph.metrics.namedPort" $sidecar | int }}
{{- $ends := false }}
{{- range $renderer.initContainers }}
{{- $ends = or $ends (and (eq (toString .name) $metrics.container) (ne (toString .restartPolicy) "Always")) }}
{{- end }}
{{- if not $sidecar }}
{{- include "holograph.refuse" (printf "renderer.metrics.container: must be a container of renderer.extraContainers or renderer.initContainers (got %s), because nothing else runs in the renderer's pods: write its name, or leave this empty where the renderer exports the metrics itself." $metrics.container) }}
{{- else if $ends }}
{{- include "holograph.refuse" (printf "renderer.metrics.container: must be a container that runs as long as the renderer (got %s, an init container that ends before the renderer starts), because nobody could read its metrics: write restartPolicy: Always for it in renderer.initContainers." $metrics.container) }}
{{- else if not (or $port $metrics.port) }}
{{- include "holograph.refuse" (printf "renderer.metrics.port: must be the port of container %s (got 0), because it has no port named metrics: write the port." $metrics.container) }}
{{- else if and $port $metrics.port (ne $port (int $metrics.port)) }}
{{- include "holograph.refuse" (printf "renderer.metrics.port: must be 0 or the port named metrics of container %s, which is %d (got %v), because Prometheus reads that one: write 0." $metrics.container $port $metrics.port) }}
{{- else if and $metrics.port (not $port) }}
{{- $name := include "holograph.metrics.nameOfPort" (dict "container" $sidecar "port" $metrics.port) }}
{{- if not (has $name (list "" "-")) }}
{{- include "holograph.refuse" (printf "renderer.metrics.port: must be the port of container %s that is named metrics (got %v, which is named %s), because Prometheus finds the port by that name: rename the port to metrics." $metrics.container $metrics.port $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $renderer.httpRoute.enabled (not $renderer.httpRoute.parentRefs) }}
{{- include "holograph.refuse" "renderer.httpRoute.parentRefs: must name a Gateway (got none), because no Gateway would serve the HTTPRoute: write it like [{name: gateway, namespace: gateways}]." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.otherWorkload" -}}
{{- range $key := list "ingress" "httpRoute" }}
{{- if (get $.Values.renderer $key).enabled }}
{{- include "holograph.refuse" (printf "renderer.%s.enabled: must be false where renderer.enabled is false (got true), because the release has no Service to lead to: write false, and lead your own to the Service of your workload." $key) }}
{{- end }}
{{- end }}
{{- $target := .Values.autoscaling.target }}
{{- if not $target.name }}
{{- include "holograph.refuse" "autoscaling.target.name: must be the name of a workload where renderer.enabled is false (got none), because the release has nothing to scale and to measure: write the name of your Deployment, StatefulSet or Rollout." }}
{{- end }}
{{- if not $target.podLabels }}
{{- include "holograph.refuse" "autoscaling.target.podLabels: must be labels of the workload's pods where renderer.enabled is false (got none), because Prometheus and the doctor find the pods by them: write the workload's spec.selector.matchLabels." }}
{{- end }}
{{- if not .Values.renderer.metrics.container }}
{{- include "holograph.refuse" "renderer.metrics.container: must be the name of the workload's container where renderer.enabled is false (got none), because Prometheus scrapes that container of its pods: write the one that exports the metrics." }}
{{- end }}
{{- if not .Values.renderer.metrics.port }}
{{- include "holograph.refuse" "renderer.metrics.port: must be the port of the metrics that the workload's container declares where renderer.enabled is false (got 0), because Prometheus and the doctor find it by its number, whatever its name is: write it, like 9102." }}
{{- end }}
{{- $group := ternary "argoproj.io/" "apps/" (eq $target.kind "Rollout") }}
{{- if not (hasPrefix $group $target.apiVersion) }}
{{- include "holograph.refuse" (printf "autoscaling.target.apiVersion: must be one of %s for a %s (got %s), because the autoscaler would find no such workload: write %s." (trimSuffix "/" $group) $target.kind $target.apiVersion (ternary "argoproj.io/v1alpha1" "apps/v1" (eq $target.kind "Rollout"))) }}
{{- end }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- if and (ne $target.kind "Deployment") (not (include "holograph.autoscaling.keda" $)) (include "holograph.signals.isTotal" (dict "context" $ "key" $key)) }}
{{- include "holograph.refuse" (printf "signals.%s.metricType: must be Pods where autoscaling.target.kind is %s (got Object), because the adapter's rule makes one number of the pods of a Deployment only: write Pods." $key $target.kind) }}
{{- end }}
{{- end }}
{{- if and (eq $target.kind "Rollout") (include "holograph.autoscaling.scalesToZero" .) }}
{{- include "holograph.refuse" "autoscaling.target.kind: must be Deployment or StatefulSet where the autoscaler may remove all pods (got Rollout), because kube-state-metrics shows nothing of a Rollout, and a Rollout without pods looks like a loss of all samples: write an autoscaling.minReplicas of 1 or more, and null for keda.idleReplicaCount." }}
{{- end }}
{{- with .Values.servedNamespaces }}
{{- include "holograph.refuse" (printf "servedNamespaces: must be empty where renderer.enabled is false (got %s), because one scrape job finds all renderers, by the chart's labels and the name of their port: serve them from a release with the chart's renderer." (join ", " .)) }}
{{- end }}
{{- if .Values.scrapeAnnotations.enabled }}
{{- include "holograph.refuse" "scrapeAnnotations.enabled: must be false where renderer.enabled is false (got true), because the chart does not write the workload's pods: write prometheus.io/scrape, port and path into its pod template, and signals.labels.container: \"\", because such a job sets no label for the container." }}
{{- end }}
{{- end }}
