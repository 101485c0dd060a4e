{{/*
Whose series rules, dashboard and console speak of: this release's, and those of the releases in servedNamespaces.
A Prometheus of many has other series of the same names, and another release's rules beside these, so that each
selector says whose it is. Every object of a release is named after it; those of other releases are known by their
ending alone.
*/}}

{{/*
Matcher of the namespaces. Takes dict "context" $ "label" name of the label that holds them.
*/}}
{{- define "holograph.scope.namespaces" -}}
{{- $namespaces := prepend .context.Values.servedNamespaces (include "holograph.namespace" .context) -}}
{{ .label }}{{ ternary "=~" "=" (gt (len $namespaces) 1) }}{{ join "|" $namespaces | quote }}
{{- end }}

{{/*
Regular expression of the ReplicaSets of a Deployment: its name, and the number of its template in Kubernetes' alphabet
of names, which has no vowels and nothing that looks like one. Takes the Deployment's name.
*/}}
{{- define "holograph.scope.replicaSets" -}}
{{ . }}-[bcdfghjklmnpqrstvwxz2456789]{1,10}
{{- end }}

{{/*
Regular expression of the pods of a Deployment. Kubernetes cuts what stands before a pod's own five characters at 58,
so that a long name loses the dash and a part of the number. Takes the Deployment's name.
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
A query of the adapter's for all renderers at once, by namespace and pod, in one line.
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
Matchers of what kube-state-metrics says of the renderer. Its labels are its own, whatever signals.labels says.
Takes dict "context" $ "kind" deployment or horizontalpodautoscaler.
*/}}
{{- define "holograph.scope.renderer" -}}
{{- $renderer := printf "=%q" (include "holograph.renderer.name" .context) -}}
{{- if .context.Values.servedNamespaces }}{{ $renderer = "=~\".+-renderer\"" }}{{ end -}}
{{ include "holograph.scope.namespaces" (dict "context" .context "label" "namespace") }},{{ .kind }}{{ $renderer }}
{{- end }}

{{/*
Whether Prometheus has kube-state-metrics' series: the embedded one has those of the bundled kube-state-metrics, and
a cluster's own is taken to have the cluster's own.
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
This release's alerts in one state. Those on frames have the renderers' labels, those on objects kube-state-metrics'.
Takes dict "context" $ "state" firing or pending.
*/}}
{{- define "holograph.scope.alerts" -}}
{{- $selectors := list }}
{{- range list .context.Values.signals.labels.namespace "namespace" | uniq }}
{{- $selectors = append $selectors (printf "ALERTS{alertname=~\"Holograph.+\",alertstate=%q,%s}" $.state (include "holograph.scope.namespaces" (dict "context" $.context "label" .))) }}
{{- end }}
{{- join " or " $selectors }}
{{- end }}
