{{/*
Selectors of the series that rules, dashboard and console use: those of this release and of the releases in
servedNamespaces. A shared Prometheus has other series of the same names, so each selector names its release. The names
of this release's objects are known; objects of other releases are matched by the end of their names.
*/}}

{{/*
Matcher of the namespaces. Takes dict "context" $ "label" name of the label that holds them.
*/}}
{{- define "holograph.scope.namespaces" -}}
{{- $namespaces := prepend .context.Values.servedNamespaces (include "holograph.namespace" .context) -}}
{{ .label }}{{ ternary "=~" "=" (gt (len $namespaces) 1) }}{{ join "|" $namespaces | quote }}
{{- end }}

{{/*
Regular expression of the ReplicaSets of a Deployment: its name, and the hash of its template in the alphabet that
Kubernetes uses for generated names, which has no vowels. Takes the Deployment's name.
*/}}
{{- define "holograph.scope.replicaSets" -}}
{{ . }}-[bcdfghjklmnpqrstvwxz2456789]{1,10}
{{- end }}

{{/*
Regular expression of the pods of a Deployment. Kubernetes truncates the part before a pod's own five characters to
58 characters, so a long name loses the dash and a part of the hash. Takes the Deployment's name.
*/}}
{{- define "holograph.scope.podNames" -}}
{{ include "holograph.scope.replicaSets" . }}-?[bcdfghjklmnpqrstvwxz2456789]{5}
{{- end }}

{{/*
Regular expression of the renderers' names, those of served releases included.
*/}}
{{- define "holograph.scope.renderers" -}}
{{ ternary ".+-renderer" (include "holograph.renderer.name" .) (not (empty .Values.servedNamespaces)) }}
{{- end }}

{{/*
Matchers of the renderer's pods.
*/}}
{{- define "holograph.scope.pods" -}}
{{- $labels := .Values.signals.labels -}}
{{ include "holograph.scope.namespaces" (dict "context" $ "label" $labels.namespace) }},{{ $labels.pod }}=~"{{ include "holograph.scope.renderers" . | include "holograph.scope.podNames" }}"
{{- end }}

{{/*
Matchers of the renderer's samples.
*/}}
{{- define "holograph.scope.frames" -}}
{{ include "holograph.scope.pods" . }},{{ include "holograph.signals.container" . }}
{{- end }}

{{/*
A query of the adapter for all renderers at once, by namespace and pod, in one line.
Takes dict "context" $ "query" text, and "series" the name of its first one.
*/}}
{{- define "holograph.scope.query" -}}
{{- $labels := .context.Values.signals.labels -}}
{{- $query := .query
  | replace "<<.GroupBy>>" (printf "%s, %s" $labels.namespace $labels.pod)
  | replace "<<.LabelMatchers>>" (include "holograph.scope.pods" .context)
  | replace "<<.Series>>" .series -}}
{{- regexReplaceAll "\\s+" $query " " | trim }}
{{- end }}

{{/*
A signal of each pod. Takes dict "context" $ "signal" its key below `signals`.
*/}}
{{- define "holograph.scope.signal" -}}
{{- $signal := get .context.Values.signals .signal -}}
{{- include "holograph.scope.query" (dict "context" .context
  "query" (include (printf "holograph.signals.%s.query" .signal) .context)
  "series" (default $signal.name $signal.offeredMetric)) }}
{{- end }}

{{/*
Matchers of kube-state-metrics' series of the renderer. Its labels do not depend on signals.labels.
Takes dict "context" $ "kind" deployment or horizontalpodautoscaler.
*/}}
{{- define "holograph.scope.renderer" -}}
{{- $renderer := printf "=%q" (include "holograph.renderer.name" .context) -}}
{{- if .context.Values.servedNamespaces }}{{ $renderer = "=~\".+-renderer\"" }}{{ end -}}
{{ include "holograph.scope.namespaces" (dict "context" .context "label" "namespace") }},{{ .kind }}{{ $renderer }}
{{- end }}

{{/*
Whether Prometheus has kube-state-metrics' series: the embedded one has those of the bundled kube-state-metrics, and
your own Prometheus is assumed to have those of the cluster's kube-state-metrics.
*/}}
{{- define "holograph.scope.objects" -}}
{{- if or .Values.kubeStateMetrics.enabled (not .Values.prometheus.enabled) }}true{{ end }}
{{- end }}

{{/*
Whether an autoscaler changes the replicas: the chart's own, or the one that KEDA makes of the same name.
*/}}
{{- define "holograph.scope.autoscaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled }}true{{ end }}
{{- end }}

{{/*
This release's alerts in one state, without the one that always fires. Those on frames have the renderers' labels, those on objects kube-state-metrics'.
Takes dict "context" $ "state" firing or pending.
*/}}
{{- define "holograph.scope.alerts" -}}
{{- $selectors := list }}
{{- range list .context.Values.signals.labels.namespace "namespace" | uniq }}
{{- $selectors = append $selectors (printf "ALERTS{alertname=~\"Holograph.+\",alertname!=\"HolographWatchdog\",alertstate=%q,%s}" $.state (include "holograph.scope.namespaces" (dict "context" $.context "label" .))) }}
{{- end }}
{{- join " or " $selectors }}
{{- end }}
