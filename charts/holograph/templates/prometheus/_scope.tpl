{{/*
Selectors of the series that rules, dashboard and console use: those of this release and of the releases in
servedNamespaces. A shared Prometheus has other series of the same names, so each selector names its release. The names
of this release's objects are known; objects of other releases are matched by the end of their names.
*/}}

{{/*
The namespaces whose renderers this release serves, as a list in JSON: its own first. servedNamespaces may have the own one
too, for other releases in it.
*/}}
{{- define "holograph.scope.served" -}}
{{- prepend .Values.servedNamespaces (include "holograph.namespace" .) | uniq | toJson }}
{{- end }}

{{/*
Matcher of the namespaces. Takes dict "context" $ "label" name of the label that holds them.
*/}}
{{- define "holograph.scope.namespaces" -}}
{{- $namespaces := include "holograph.scope.served" .context | fromJsonArray -}}
{{ .label }}{{ ternary "=~" "=" (gt (len $namespaces) 1) }}{{ join "|" $namespaces | quote }}
{{- end }}

{{/*
A query once for each of the namespaces: what is absent in one of them says nothing of the others, and absent() keeps the
namespace as a label only if it is the only one. Takes dict "context" $ "query" text that has the matcher of all namespaces.
*/}}
{{- define "holograph.scope.inEachNamespace" -}}
{{- $queries := list -}}
{{- range $namespace := include "holograph.scope.served" .context | fromJsonArray -}}
{{- $query := $.query -}}
{{- range list $.context.Values.signals.labels.namespace $.context.Values.kubeStateMetrics.namespaceLabel | uniq -}}
{{- $query = replace (include "holograph.scope.namespaces" (dict "context" $.context "label" .)) (printf "%s=%q" . $namespace) $query -}}
{{- end -}}
{{- $queries = append $queries $query -}}
{{- end -}}
{{ join " or " $queries }}
{{- end }}

{{/*
The characters of the names that Kubernetes generates, among which are no vowels.
*/}}
{{- define "holograph.scope.generated" -}}
[bcdfghjklmnpqrstvwxz2456789]
{{- end }}

{{/*
Regular expression of the ReplicaSets of a Deployment: its name, and the hash of its template. Takes the Deployment's name.
*/}}
{{- define "holograph.scope.replicaSets" -}}
{{ . }}-{{ include "holograph.scope.generated" . }}{1,10}
{{- end }}

{{/*
Regular expression of a pod's own five characters, with which its name ends.
*/}}
{{- define "holograph.scope.podSuffix" -}}
{{ include "holograph.scope.generated" . }}{5}
{{- end }}

{{/*
Regular expression of the pods of a Deployment. Kubernetes truncates the part before a pod's own five characters to
58 characters, so a long name loses the dash and a part of the hash. Takes the Deployment's name.
*/}}
{{- define "holograph.scope.podNames" -}}
{{ include "holograph.scope.replicaSets" . }}-?{{ include "holograph.scope.podSuffix" . }}
{{- end }}

{{/*
Regular expression of the names of the renderers of several releases.
*/}}
{{- define "holograph.scope.otherRenderers" -}}
.+-renderer
{{- end }}

{{/*
Regular expression of the pods of this release's workload. The pods of a StatefulSet are numbered; those of a Rollout are
pods of ReplicaSets that are named like a Deployment's. Of a name of 57 characters or more, Kubernetes leaves nothing of
the hash.
*/}}
{{- define "holograph.scope.targetPods" -}}
{{- $name := include "holograph.target.name" . -}}
{{- if eq (include "holograph.target.kind" .) "StatefulSet" -}}
{{ replace "." "[.]" $name }}-[0-9]+
{{- else if ge (len $name) 57 -}}
{{ printf "%s-" $name | trunc 58 | replace "." "[.]" }}{{ include "holograph.scope.podSuffix" . }}
{{- else -}}
{{ replace "." "[.]" $name | include "holograph.scope.podNames" }}
{{- end }}
{{- end }}

{{/*
Regular expression of the owners of the renderers' pods, as kind;name, those of served releases included.
*/}}
{{- define "holograph.scope.owners" -}}
{{- $name := include "holograph.target.name" . | replace "." "[.]" -}}
{{- if .Values.servedNamespaces -}}
ReplicaSet;{{ include "holograph.scope.replicaSets" (include "holograph.scope.otherRenderers" .) }}
{{- else if eq (include "holograph.target.kind" .) "StatefulSet" -}}
StatefulSet;{{ $name }}
{{- else -}}
ReplicaSet;{{ include "holograph.scope.replicaSets" $name }}
{{- end }}
{{- end }}

{{/*
Matchers of the renderer's pods.
*/}}
{{- define "holograph.scope.pods" -}}
{{- $labels := .Values.signals.labels -}}
{{- $others := include "holograph.scope.otherRenderers" . | include "holograph.scope.podNames" -}}
{{ include "holograph.scope.namespaces" (dict "context" $ "label" $labels.namespace) }},{{ $labels.pod }}=~{{ ternary $others (include "holograph.scope.targetPods" .) (not (empty .Values.servedNamespaces)) | quote }}
{{- end }}

{{/*
Matchers of the pods of this release's own workload, without those that it serves.
*/}}
{{- define "holograph.scope.ownPods" -}}
{{- $labels := .Values.signals.labels -}}
{{ printf "%s=%q,%s=~%q" $labels.namespace (include "holograph.namespace" .) $labels.pod (include "holograph.scope.targetPods" .) }}
{{- end }}

{{/*
Matchers of the renderer's samples.
*/}}
{{- define "holograph.scope.frames" -}}
{{ include "holograph.scope.pods" . }}{{ include "holograph.signals.matchers" . }}
{{- end }}

{{/*
A selector of one of the renderer's series. Takes dict "context" $ "name" text, optionally "selector" map and "matchers" text.
*/}}
{{- define "holograph.scope.series" -}}
{{- $matchers := printf "%s%s%s" (include "holograph.scope.frames" .context) (include "holograph.signals.selector" (default dict .selector)) (default "" .matchers) -}}
{{ include "holograph.signals.series" (dict "name" .name "matchers" $matchers) }}
{{- end }}

{{/*
A selector of what is recorded of a namespace.
*/}}
{{- define "holograph.scope.recorded" -}}
{ {{- include "holograph.scope.namespaces" (dict "context" $ "label" .Values.signals.labels.namespace) }}{{ include "holograph.signals.selector" .Values.signals.matchers -}} }
{{- end }}

{{/*
A query of the adapter for all renderers at once, by namespace and pod, in one line.
Takes dict "context" $ "query" text, and "series" the name of the one that the adapter finds.
*/}}
{{- define "holograph.scope.query" -}}
{{- $labels := .context.Values.signals.labels -}}
{{- $query := .query
  | replace "<<.GroupBy>>" (include "holograph.signals.by" (dict "context" .context "labels" (list $labels.namespace $labels.pod)))
  | replace "<<.LabelMatchers>>" (include "holograph.scope.pods" .context)
  | replace "<<.Series>>" (default "" .series) -}}
{{- regexReplaceAll "\\s+" $query " " | trim }}
{{- end }}

{{/*
A signal of each pod. Takes dict "context" $ "signal" its key below `signals`.
*/}}
{{- define "holograph.scope.signal" -}}
{{- $found := include "holograph.signals.found" (dict "context" .context "key" .signal) | fromJson -}}
{{- include "holograph.scope.query" (dict "context" .context
  "query" (include (printf "holograph.signals.%s.query" .signal) .context)
  "series" $found.name) }}
{{- end }}

{{/*
The frames of each pod.
*/}}
{{- define "holograph.scope.frameRates" -}}
{{- include "holograph.scope.query" (dict "context" $ "query" (include "holograph.signals.frames.query" $)) }}
{{- end }}

{{/*
Matchers of kube-state-metrics' series of the renderer, and of what is recorded of them. Their labels do not depend on
signals.labels. Takes dict "context" $ "kind" horizontalpodautoscaler, deployment or statefulset, optionally "label" another
name of the label namespace.
*/}}
{{- define "holograph.scope.renderer" -}}
{{ include "holograph.scope.namespaces" (dict "context" .context "label" (default "namespace" .label)) }},{{ .kind }}{{ ternary "=~" "=" (not (empty .context.Values.servedNamespaces)) }}{{ include "holograph.scope.objectNames" . | quote }}{{ include "holograph.signals.selector" .context.Values.signals.matchers }}
{{- end }}

{{/*
Matchers of kube-state-metrics' series of this release's own autoscaler. Takes dict "context" $ "label" the name of the label
namespace.
*/}}
{{- define "holograph.scope.ownAutoscaler" -}}
{{ .label }}={{ include "holograph.namespace" .context | quote }},horizontalpodautoscaler={{ include "holograph.renderer.name" .context | quote }}{{ include "holograph.signals.selector" .context.Values.signals.matchers }}
{{- end }}

{{/*
Matchers of kube-state-metrics' series of a Deployment that supports the renderers. Takes dict "context" $ "deployment" its
name "label" the name of the label namespace.
*/}}
{{- define "holograph.scope.support" -}}
{{ .label }}={{ include "holograph.namespace" .context | quote }},deployment={{ .deployment | quote }}{{ include "holograph.signals.selector" .context.Values.signals.matchers }}
{{- end }}

{{/*
How many pods of such a Deployment are available. Takes dict "context" $ "deployment" its name.
*/}}
{{- define "holograph.scope.available" -}}
{{- include "holograph.scope.object" (merge (dict "name" "kube_deployment_status_replicas_available" "of" "holograph.scope.support") .) }}
{{- end }}

{{/*
One of kube-state-metrics' series, with the namespace of its object in the label namespace, whatever your Prometheus calls it.
Takes dict "context" $ "name" that of the series "of" the template of its matchers, those of that template, and optionally
"format" for a function of the series.
*/}}
{{- define "holograph.scope.object" -}}
{{- $label := .context.Values.kubeStateMetrics.namespaceLabel -}}
{{- $series := printf "%s{%s}" .name (include .of (merge (dict "label" $label) .)) | printf (default "%s" .format) -}}
{{- if eq $label "namespace" -}}
{{ $series }}
{{- else -}}
label_replace({{ $series }}, "namespace", "$1", {{ $label | quote }}, "(.*)")
{{- end }}
{{- end }}

{{/*
Name of the renderer's object of one kind, or with served releases a regular expression of all their names; empty where no
renderer is of that kind. The autoscaler has the chart's name for the renderer, whatever it scales.
Takes dict "context" $ "kind" horizontalpodautoscaler, deployment or statefulset.
*/}}
{{- define "holograph.scope.objectNames" -}}
{{- $autoscaler := eq .kind "horizontalpodautoscaler" -}}
{{- if not (or $autoscaler (eq .kind (include "holograph.target.kind" .context | lower))) -}}
{{- else if .context.Values.servedNamespaces -}}
{{ include "holograph.scope.otherRenderers" . }}
{{- else -}}
{{ include (ternary "holograph.renderer.name" "holograph.target.name" $autoscaler) .context }}
{{- end }}
{{- end }}

{{/*
How many pods of each workload are targets of Prometheus, with the labels that kube-state-metrics' series of it have. With
served releases, the name of a Deployment is that of its pods without what Kubernetes appends. Takes dict "context" $ "kind"
deployment or statefulset.
*/}}
{{- define "holograph.scope.targets" -}}
{{- $labels := .context.Values.signals.labels -}}
{{- $pods := printf "count by (%s) (%s)" (include "holograph.signals.by" (dict "context" .context "labels" (list $labels.namespace $labels.pod))) (include "holograph.scope.series" (dict "context" .context "name" "up")) -}}
{{- if ne $labels.namespace "namespace" -}}
{{- $pods = printf "label_replace(%s, \"namespace\", \"$1\", %q, \"(.*)\")" $pods $labels.namespace -}}
{{- end -}}
{{- if .context.Values.servedNamespaces -}}
{{- $pods = printf "label_replace(%s, %q, \"$1\", %q, %q)" $pods .kind $labels.pod (include "holograph.scope.otherRenderers" .context | printf "(%s)" | include "holograph.scope.podNames") -}}
{{- else -}}
{{- $pods = printf "label_replace(%s, %q, %q, \"\", \"\")" $pods .kind (include "holograph.target.name" .context) -}}
{{- end -}}
count by ({{ include "holograph.signals.by" (dict "context" .context "labels" (list "namespace" .kind)) }}) ({{ $pods }})
{{- end }}

{{/*
What kube-state-metrics shows of the renderers' workloads, as a list in JSON: an entry for each kind, with "kind", the
label of its name, and the series "wanted" and "ready". It shows nothing of a Rollout.
*/}}
{{- define "holograph.scope.workloads" -}}
{{- $workloads := list }}
{{- if include "holograph.scope.objects" . }}
{{- range $kind, $series := dict
  "deployment" (list "kube_deployment_spec_replicas" "kube_deployment_status_replicas_ready")
  "statefulset" (list "kube_statefulset_replicas" "kube_statefulset_status_replicas_ready") }}
{{- if include "holograph.scope.objectNames" (dict "context" $ "kind" $kind) }}
{{- $of := dict "context" $ "of" "holograph.scope.renderer" "kind" $kind }}
{{- $workloads = append $workloads (dict "kind" $kind
  "wanted" (include "holograph.scope.object" (merge (dict "name" (first $series)) $of))
  "ready" (include "holograph.scope.object" (merge (dict "name" (last $series)) $of))) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $workloads }}
{{- end }}

{{/*
Whether Prometheus has kube-state-metrics' series: the embedded one has those of the bundled kube-state-metrics, and
your own Prometheus is assumed to have those of the cluster's kube-state-metrics.
*/}}
{{- define "holograph.scope.objects" -}}
{{- if or .Values.kubeStateMetrics.enabled (not .Values.prometheus.enabled) }}true{{ end }}
{{- end }}

{{/*
This release's alerts in one state, without the one that always fires. Those on frames have the renderers' labels, those on objects kube-state-metrics'.
Takes dict "context" $ "state" firing or pending.
*/}}
{{- define "holograph.scope.alerts" -}}
{{- $selectors := list }}
{{- range list .context.Values.signals.labels.namespace "namespace" | uniq }}
{{- $selectors = append $selectors (printf "ALERTS{alertname=~\"Holograph.+\",alertname!=\"HolographWatchdog\",alertstate=%q,%s%s}" $.state (include "holograph.scope.namespaces" (dict "context" $.context "label" .)) (include "holograph.signals.selector" $.context.Values.signals.matchers)) }}
{{- end }}
{{- join " or " $selectors }}
{{- end }}
