{{/*
Whether the chart's own HorizontalPodAutoscaler scales the renderers, "true" or "".
*/}}
{{- define "holograph.autoscaling.hpa" -}}
{{- if and .Values.autoscaling.enabled (eq .Values.autoscaling.provider "hpa") }}true{{ end }}
{{- end }}

{{/*
Whether KEDA scales the renderers, "true" or "".
*/}}
{{- define "holograph.autoscaling.keda" -}}
{{- if and .Values.autoscaling.enabled (eq .Values.autoscaling.provider "keda") }}true{{ end }}
{{- end }}

{{/*
Whether the autoscaler may remove all pods, "true" or "".
*/}}
{{- define "holograph.autoscaling.scalesToZero" -}}
{{- $idle := and (include "holograph.autoscaling.keda" .) (not (kindIs "invalid" .Values.keda.idleReplicaCount)) }}
{{- if and .Values.autoscaling.enabled (or $idle (eq (int .Values.autoscaling.minReplicas) 0)) }}true{{ end }}
{{- end }}

{{/*
Whether something requests the custom metrics of this release's rules, "true" or "": its own HorizontalPodAutoscaler, those of
the releases that it serves, or those of other teams.
*/}}
{{- define "holograph.prometheusAdapter.asked" -}}
{{- if or (include "holograph.autoscaling.hpa" .) .Values.servedNamespaces .Values.prometheusAdapter.extraRules }}true{{ end }}
{{- end }}

{{/*
Whether this release runs an adapter and registers custom.metrics.k8s.io, "true" or "". A cluster has one such API, so it
is not taken where nothing would use it.
*/}}
{{- define "holograph.prometheusAdapter.runs" -}}
{{- if and .Values.prometheusAdapter.enabled (include "holograph.prometheusAdapter.asked" .) }}true{{ end }}
{{- end }}

{{/*
Whether another adapter is to serve this release's rules, "true" or "".
*/}}
{{- define "holograph.prometheusAdapter.isForeign" -}}
{{- if and (not .Values.prometheusAdapter.enabled) (include "holograph.prometheusAdapter.asked" .) }}true{{ end }}
{{- end }}

{{/*
Whether this release writes the rules into the namespace of another adapter, "true" or "".
*/}}
{{- define "holograph.prometheusAdapter.writesRules" -}}
{{- if and (include "holograph.prometheusAdapter.isForeign" .) .Values.prometheusAdapter.existing.namespace }}true{{ end }}
{{- end }}

{{/*
Seconds between two steps of an autoscaler, where a policy of autoscaling.behavior has no periodSeconds: until a step can
be seen in the signal. A new pod starts and is scraped, and the frames that were late before leave the window. Kubernetes
takes at most 1800.
*/}}
{{- define "holograph.autoscaling.step" -}}
{{- $milliseconds := add
  (include "holograph.signals.window" (dict "context" $ "key" "overruns") | include "holograph.milliseconds" | int64)
  (include "holograph.milliseconds" .Values.autoscaling.podStart | int64)
  (include "holograph.milliseconds" .Values.prometheus.scrapeInterval | int64) }}
{{- min 1800 (div (add $milliseconds 999) 1000) }}
{{- end }}

{{/*
How many times its target a signal must exceed for the autoscaler to add a pod: 1 and the tolerance of scaleUp.
*/}}
{{- define "holograph.autoscaling.threshold" -}}
{{- $tolerance := (default dict (default dict .Values.autoscaling.behavior).scaleUp).tolerance }}
{{- addf 1 (include "holograph.quantity" (ternary 0.1 $tolerance (kindIs "invalid" $tolerance)) | float64) }}
{{- end }}

{{/*
Milliseconds for which the autoscaler keeps to past recommendations. Without a number of its own, Kubernetes takes none for
scaleUp and five minutes for scaleDown. Takes dict "context" $ "direction" scaleUp or scaleDown.
*/}}
{{- define "holograph.autoscaling.stabilization" -}}
{{- $written := (get (default dict .context.Values.autoscaling.behavior) .direction | default dict).stabilizationWindowSeconds }}
{{- ternary (get (dict "scaleUp" 0 "scaleDown" 300) .direction) $written (kindIs "invalid" $written) | int64 | mul 1000 }}
{{- end }}

{{/*
Milliseconds that two reversals of the autoscaler take at least, one of each direction.
*/}}
{{- define "holograph.autoscaling.reversals" -}}
{{- add (include "holograph.autoscaling.stabilization" (dict "context" . "direction" "scaleUp") | int64) (include "holograph.autoscaling.stabilization" (dict "context" . "direction" "scaleDown") | int64) }}
{{- end }}

{{/*
autoscaling.behavior, with the periods that are derived. Where it is null, the caller leaves the field out.
*/}}
{{- define "holograph.autoscaling.behavior" -}}
{{- $behavior := deepCopy .Values.autoscaling.behavior }}
{{- $step := include "holograph.autoscaling.step" . | int }}
{{- range $direction, $rules := $behavior }}
{{- range (default dict $rules).policies }}
{{- if kindIs "invalid" .periodSeconds }}
{{- $_ := set . "periodSeconds" $step }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $behavior }}
{{- end }}

{{/*
Failed queries that KEDA ignores, where keda.fallback.failureThreshold is empty: at least 3, and as many as it makes for a
trigger while the pods of a new fleet start and have no values. The autoscaler makes one every 15 s. As long as it gets no
value, KEDA's own loop makes another every pollingInterval, of which KEDA's default is 30 s. Both may begin at once, and KEDA
counts them together.
*/}}
{{- define "holograph.keda.failureThreshold" -}}
{{- $written := .Values.keda.fallback.failureThreshold }}
{{- if kindIs "invalid" $written }}
{{- $new := add
  (include "holograph.milliseconds" .Values.autoscaling.podStart | int64)
  (include "holograph.signals.incomplete" . | int64) }}
{{- $polling := .Values.keda.pollingInterval }}
{{- if kindIs "invalid" $polling }}
{{- $polling = 30 }}
{{- end }}
{{- max 3 (add 1 (div $new 15000) 1 (div $new (mul 1000 (int64 $polling)))) }}
{{- else }}
{{- int $written }}
{{- end }}
{{- end }}

{{/*
Pods that KEDA runs while it gets no value, where keda.fallback.replicas is empty: 4, within the autoscaler's limits.
*/}}
{{- define "holograph.keda.fallbackReplicas" -}}
{{- $written := .Values.keda.fallback.replicas }}
{{- if kindIs "invalid" $written }}
{{- min (int .Values.autoscaling.maxReplicas) (max 4 (int .Values.autoscaling.minReplicas)) }}
{{- else }}
{{- int $written }}
{{- end }}
{{- end }}
