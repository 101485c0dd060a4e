{{/*
KEDA's query for one signal: the total for the pods of this release's Deployment, as in an Object metric. KEDA has one number
for all pods and divides it by the target. Where there is no total there is no result, which KEDA is told to take for an error.
Only a Deployment that is to have no pods, where KEDA may scale to 0, has the value 0: that is no failure, and must not start
the pods of keda.fallback. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.keda.query" -}}
{{- $labels := .context.Values.signals.labels }}
{{- $name := include "holograph.target.name" .context }}
{{- $kind := include "holograph.target.kind" .context | lower }}
{{- $namespace := include "holograph.namespace" .context }}
{{- $matchers := include "holograph.scope.ownPods" .context }}
{{- $up := include "holograph.signals.up" (dict "context" .context "matchers" $matchers) }}
{{- $targets := include "holograph.signals.targets" $up }}
{{- $replicas := include "holograph.signals.replicas" (dict "context" .context "kind" $kind "matchers" (printf "%s=%q,%s=%q" .context.Values.kubeStateMetrics.namespaceLabel $namespace $kind $name)) }}
{{- $values := include "holograph.signals.values" (dict "context" .context "key" .key "matchers" $matchers) }}
{{- $query := include "holograph.signals.total" (dict "context" .context "key" .key "values" $values "up" $up "targets" $targets "replicas" $replicas
  "seen" (include "holograph.signals.seen" (dict "context" .context "key" .key "matchers" $matchers))
  "known" (include "holograph.signals.known" (dict "values" $values "targets" $targets))
  "pods" (include "holograph.signals.pods" (dict "replicas" $replicas "targets" $targets))) }}
{{- if include "holograph.autoscaling.scalesToZero" .context }}
{{- $query = printf "(max(%s) == 0) or (%s)" $replicas $query }}
{{- end }}
{{- $found := include "holograph.signals.found" . | fromJson }}
{{- /* One line, because the query of a trigger is a string. */}}
{{- $query | replace "<<.Series>>" $found.name | replace "<<.GroupBy>>" $labels.pod | replace "\n" " " }}
{{- end }}

{{/*
One prometheus trigger a signal, and keda.triggers.
*/}}
{{- define "holograph.keda.triggers" -}}
{{- $headers := list }}
{{- range $name, $value := (include "holograph.prometheus.access" . | fromYaml).headers }}
{{- $headers = append $headers (printf "%s=%s" $name $value) }}
{{- end }}
{{- $modes := include "holograph.keda.authModes" . }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $signal := get $.Values.signals $key }}
- type: prometheus
  name: {{ $key | quote }}
  metricType: AverageValue
  metadata:
    {{- /* KEDA appends a path that begins with a slash. */}}
    serverAddress: {{ include "holograph.prometheus.url" $ | trimSuffix "/" | quote }}
    query: {{ include "holograph.keda.query" (dict "context" $ "key" $key) | quote }}
    threshold: {{ include "holograph.quantity" $signal.target | quote }}
    # An empty result is an error. KEDA's default reads it as 0, and removes pods when Prometheus fails.
    ignoreNullValues: "false"
    {{- with $headers }}
    customHeaders: {{ join "," . | quote }}
    {{- end }}
    {{- range $name, $value := $.Values.keda.metadata }}
    {{ $name | quote }}: {{ $value | quote }}
    {{- end }}
    {{- with $modes }}
    authModes: {{ . | quote }}
  authenticationRef:
    name: {{ include "holograph.renderer.name" $ | quote }}
    {{- end }}
  {{- with $.Values.keda.authenticationRef }}
  {{- if .name }}
  authenticationRef:
    name: {{ .name | quote }}
    kind: {{ .kind | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- with .Values.keda.triggers }}
{{ toYaml . }}
{{- end }}
{{- end }}
