{{/*
Whether the autoscaler asks for a signal as one number for all pods, "true" or "".
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.isTotal" -}}
{{- if eq (get .context.Values.signals .key).metricType "Object" }}true{{ end }}
{{- end }}

{{/*
What a signal is a metric of on the custom metrics API. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.resource" -}}
{{ ternary "deployments.apps" "pods" (eq "true" (include "holograph.signals.isTotal" .)) }}
{{- end }}

{{/*
The most that one pod can have of a signal: what the query that the autoscaler gets lets through.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.most" -}}
{{- $overruns := .context.Values.signals.overruns -}}
{{- if eq .key "demand" -}}
10
{{- else if $overruns.maxRatio -}}
{{ mulf (float64 $overruns.maxRatio) (include "holograph.quantity" $overruns.target | float64) }}
{{- else -}}
{{ .context.Values.signals.frames.maxRate }}
{{- end }}
{{- end }}

{{/*
A signal as one number for all pods of a Deployment. The autoscaler divides it by the target, and has the number of pods.
Takes dict "context" $ "key" the signal's key below `signals`, "known", "targets" and "pods", which are the queries below,
"values" the signal of each pod, and selectors: "up" of the pods' up, "seen" of a series that each pod exports, and
"replicas" of kube_deployment_spec_replicas.

  sum         the values of the pods.
  headroom    pods that are always spare, as what they hold at the target.
  clamp_min   what cannot be known of a total: pods have no value if their scrapes failed, they have just started or
              their values are nonsense. Each of them may have anything from nothing to the most that a pod can have.
              While that leaves open whether all pods are needed, the total asks for all of them. So a missing value
              never removes a pod that full knowledge would keep, it never adds one, and a pod that never reports holds
              back no more pods than its own most could need.

Prometheus evaluates the values of all pods wherever they stand in the query, which is most of what a total costs. They
stand here twice.

Where no pod has a value there is no total, and the autoscaler keeps the pods that it has.

A Prometheus that is sent its samples has no up. If it may be such a one and has none, the pods that have a value are added
up, and each pod that the Deployment is to have and that is not seen may have the most that a pod can have.
*/}}
{{- define "holograph.signals.total" -}}
{{- $signal := get .context.Values.signals .key -}}
{{- $target := include "holograph.quantity" $signal.target -}}
{{- $most := include "holograph.signals.most" . -}}
{{- $sum := printf "sum(%s)" .known -}}
{{- $possible := printf "sum(%s or 0 * %s + %s)" .known .targets $most -}}
{{- $sent := printf "sum(%s)" .values -}}
{{- $headroom := .context.Values.autoscaling.headroom | float64 -}}
{{- if and (eq .key "demand") (gt $headroom 0.0) }}
{{- $spare := mulf $headroom ($target | float64) -}}
{{- $sum = printf "(%s + %v)" $sum $spare -}}
{{- $possible = printf "%s + %v" $possible $spare -}}
{{- $sent = printf "(%s + %v)" $sent $spare -}}
{{- end }}
clamp_min({{ $sum }}, scalar(clamp_max({{ $target }} * {{ .pods }}, scalar({{ $possible }}))))
{{- if not (or .context.Values.prometheus.enabled .context.Values.podMonitor.enabled .context.Values.scrapeAnnotations.enabled) }}
{{- $wanted := printf "(max(%s) or vector(0))" .replicas }}
or ({{ $sent }} + clamp({{ $target }} * {{ $wanted }} - {{ $sent }}, 0, {{ $most }} * scalar(clamp_min({{ $wanted }} - count(count by (<<.GroupBy>>) ({{ .seen }})), 0)))) unless on () {{ .up }}
{{- end }}
{{- end }}

{{/*
Prometheus' own sample of each target: 0 after a failed scrape, and gone with the target.
Takes dict "context" $ "matchers" those of the pods.
*/}}
{{- define "holograph.signals.up" -}}
up{ {{- .matchers }}{{ include "holograph.signals.matchers" .context -}} }
{{- end }}

{{/*
A series that each pod exports. Takes dict "context" $ "key" the signal's key below `signals` "matchers" those of the pods.
*/}}
{{- define "holograph.signals.seen" -}}
{{- $found := include "holograph.signals.found" . | fromJson -}}
{{ include "holograph.signals.series" (dict "name" $found.name "matchers" (printf "%s%s%s" .matchers (include "holograph.signals.matchers" .context) (include "holograph.signals.selector" $found.selector))) }}
{{- end }}

{{/*
How many pods a workload is to have, as kube-state-metrics says, which has no series of a Rollout.
Takes dict "context" $ "matchers" those of the workload, optionally "kind" statefulset.
*/}}
{{- define "holograph.signals.replicas" -}}
{{ ternary "kube_statefulset_replicas" "kube_deployment_spec_replicas" (eq (default "deployment" .kind) "statefulset") }}{ {{- .matchers }}{{ include "holograph.signals.selector" .context.Values.signals.matchers -}} }
{{- end }}

{{/*
The pods that Prometheus has as targets. Takes the selector of their up.
*/}}
{{- define "holograph.signals.targets" -}}
max by (<<.GroupBy>>) ({{ . }})
{{- end }}

{{/*
How many pods there are to keep: those that the Deployment is to have, and no more than there are targets. The pods that a
rollout adds for a while are targets too, and would be asked for and kept. Without kube-state-metrics' word it is the targets.
Takes dict "replicas" and "targets", the queries above.
*/}}
{{- define "holograph.signals.pods" -}}
((max({{ .replicas }}) < count({{ .targets }})) or count({{ .targets }}))
{{- end }}

{{/*
A signal of each pod as the autoscaler gets it. Takes dict "context" $ "key" the signal's key below `signals` "matchers" those of the pods.
*/}}
{{- define "holograph.signals.values" -}}
{{ include "holograph.signals.asked" . | replace "<<.LabelMatchers>>" .matchers }}
{{- end }}

{{/*
The values that count: those of pods that are targets. A pod that is gone is none, though its rate lasts as long as the
window. Takes dict "values" and "targets", the queries above.
*/}}
{{- define "holograph.signals.known" -}}
({{ .values }} and {{ .targets }})
{{- end }}

{{/*
What the adapter asks Prometheus for a total, in the language of its templates. The pods are those that a Deployment of
the name that is asked for makes. The name comes with the request, and is quoted wherever it stands in the query. A long one is
cut, as in holograph.scope.targetPods.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.objectQuery" -}}
{{- $labels := .context.Values.signals.labels -}}
{{- $name := printf "(index .LabelValuesByName %q)" $labels.pod -}}
{{- $whole := printf "(print %s %q)" $name (include "holograph.scope.podNames" "") -}}
{{- $cut := printf `(print (slice (print %s "-") 0 58) %q)` $name (include "holograph.scope.podSuffix" .) -}}
{{- $pods := `<<template "pods" .>>` -}}
{{- $up := `<<template "up" .>>` -}}
{{- $targets := `<<template "targets" .>>` -}}
{{- $values := `<<template "values" .>>` -}}
{{- $replicas := `<<template "replicas" .>>` -}}
<<define "pods">>
{{- $labels.namespace }}=<<printf "%q" (index .LabelValuesByName {{ $labels.namespace | quote }})>>,
{{- $labels.pod }}=~<<if ge (len {{ $name }}) 57>><<printf "%q" {{ $cut }}>><<else>><<printf "%q" {{ $whole }}>><<end>><<end>>
<<define "up">>{{ include "holograph.signals.up" (dict "context" .context "matchers" $pods) }}<<end>>
<<define "targets">>{{ include "holograph.signals.targets" $up }}<<end>>
<<define "values">>{{ include "holograph.signals.values" (dict "context" .context "key" .key "matchers" $pods) }}<<end>>
<<define "known">>{{ include "holograph.signals.known" (dict "values" $values "targets" $targets) }}<<end>>
<<define "replicas">>{{ include "holograph.signals.replicas" (dict "context" .context "matchers" (printf `%s=<<printf "%%q" (index .LabelValuesByName %q)>>,deployment=<<printf "%%q" (index .LabelValuesByName %q)>>` .context.Values.kubeStateMetrics.namespaceLabel $labels.namespace $labels.pod)) }}<<end>>
label_replace({{ include "holograph.signals.total" (dict "context" .context "key" .key "known" `<<template "known" .>>` "values" $values "up" $up "targets" $targets "replicas" $replicas
  "seen" (include "holograph.signals.seen" (dict "context" .context "key" .key "matchers" $pods))
  "pods" (include "holograph.signals.pods" (dict "replicas" $replicas "targets" $targets))) }},
"<<.GroupBy>>", <<printf "%q" (index .LabelValuesByName {{ $labels.pod | quote }})>>, "", "")
{{- end }}
