{{/*
KEDA's query for one signal: the adapter's query, expanded for the pods of this release's Deployment and added up. KEDA
needs one number and divides it by the target, which gives the same number of pods as the mean of a Pods metric. KEDA
cannot see that a pod's value is missing from a sum. So the query adds a pod that is scraped but has no valid value as
one at its target, which is what the autoscaler assumes before it removes pods. Without any value there is no result. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.keda.query" -}}
{{- $signal := get .context.Values.signals .key }}
{{- $labels := .context.Values.signals.labels }}
{{- $pods := include "holograph.scope.targetPods" .context }}
{{- $matchers := printf "%s=%q,%s=~%q" $labels.namespace (include "holograph.namespace" .context) $labels.pod $pods }}
{{- $query := include (printf "holograph.signals.%s.query" .key) .context }}
{{- $counting := include "holograph.signals.perPod" (dict "context" .context "function" "rate" "series" "<<.Series>>" "window" $signal.window) }}
{{- $query = printf "sum(%s) + %s * (count(%s unless %s) or vector(0))" $query (include "holograph.keda.threshold" $signal.target) $counting $query }}
{{- $query = $query | replace "<<.Series>>" (include "holograph.signals.series" .) | replace "<<.LabelMatchers>>" $matchers | replace "<<.GroupBy>>" $labels.pod }}
{{- /* One line, because the query of a trigger is a string. */}}
{{- $query | replace "\n" " " }}
{{- end }}

{{/*
One prometheus trigger a signal.
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
    serverAddress: {{ include "holograph.prometheus.url" $ | quote }}
    query: {{ include "holograph.keda.query" (dict "context" $ "key" $key) | quote }}
    threshold: {{ include "holograph.keda.threshold" $signal.target | quote }}
    # An empty result is an error. KEDA's default reads it as 0, and removes pods when Prometheus fails.
    ignoreNullValues: "false"
    {{- with $headers }}
    customHeaders: {{ join "," . | quote }}
    {{- end }}
    {{- with $modes }}
    authModes: {{ . | quote }}
  authenticationRef:
    name: {{ include "holograph.renderer.name" $ | quote }}
    {{- end }}
{{- end }}
{{- end }}

{{/*
A quantity (750m, 0.1, 2k) as the plain number that KEDA parses.
*/}}
{{- define "holograph.keda.threshold" -}}
{{- $number := regexFind "^[0-9.]+" (toString .) | float64 }}
{{- $factor := get (dict "m" 0.001 "" 1.0 "k" 1000.0) (regexFind "[a-z]*$" (toString .)) }}
{{- mulf $number $factor }}
{{- end }}
