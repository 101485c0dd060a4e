{{/*
Alerts. Each has a section of its name in docs/runbook.md; a test compares the two.
*/}}
{{- define "holograph.prometheus.rules.alerts" -}}
{{- $alerts := .Values.alerts }}
{{- $times := include "holograph.alerts.times" . | fromYaml }}
{{- $labels := .Values.signals.labels }}
{{- $signals := .Values.signals }}
{{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" "horizontalpodautoscaler")) }}
{{- $deployments := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" "deployment")) }}
{{- $autoscaler := include "holograph.scope.renderer" (dict "context" $ "kind" "horizontalpodautoscaler") | printf "{%s}" }}
{{- $where := printf "{{ $labels.%s }}" $labels.namespace }}
{{- $who := "{{ $labels.horizontalpodautoscaler }} in {{ $labels.namespace }}" }}
- name: holograph-alerts
  rules:
    {{- $of := include "holograph.scope.recorded" . }}
    {{- range $pace, $severity := dict "fast" "critical" "slow" "warning" }}
    {{- with include "holograph.alerts.burns" (dict "context" $ "pace" $pace) | fromJsonArray }}
    - alert: HolographErrorBudgetBurn{{ title $pace }}
      expr: |-
        {{- range $index, $burn := . }}
        {{- $bound := include "holograph.alerts.burnBound" (dict "context" $ "burn" $burn) }}
        {{- if $index }}
        or
        {{- end }}
        (
            holograph:frames_over_budget:ratio_rate{{ $burn.long }}{{ $of }} > {{ $bound }}
          and
            holograph:frames_over_budget:ratio_rate{{ $burn.short }}{{ $of }} > {{ $bound }}
        )
        {{- end }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" $severity) | nindent 6 }}
      annotations:
        summary: {{ printf "Frames in %s are late %s." $where (ternary "so often that the error budget will not last" "more often than the error budget allows for" (eq $pace "fast")) | quote }}
        description: {{ printf "{{ $value | humanizePercentage }} of the frames were over budget; the objective of %v %% over %s allows for %v %%." (include "holograph.slo.objective" $) $.Values.slo.window (subf 100 (include "holograph.slo.objective" $)) | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" (printf "HolographErrorBudgetBurn%s" (title $pace))) }}
    {{- end }}
    {{- end }}
    {{- $scales := or .Values.autoscaling.enabled .Values.servedNamespaces }}
    {{- $unlessEmpty := "" }}
    {{- if or (include "holograph.autoscaling.scalesToZero" .) .Values.servedNamespaces }}
    {{- /* An autoscaler that may remove all pods has removed the metric with them. That of another release may, too. */}}
    {{- range include "holograph.scope.workloads" . | fromJsonArray }}
    {{- $unlessEmpty = printf "%s unless on () max(%s) == 0" $unlessEmpty .wanted }}
    {{- end }}
    {{- end }}
    {{- $withoutValue := "and the replicas do not change" }}
    {{- if include "holograph.autoscaling.keda" . }}
    {{- $withoutValue = printf "and KEDA scales to keda.fallback: %s pods, behavior %s" (include "holograph.keda.fallbackReplicas" .) .Values.keda.fallback.behavior }}
    {{- end }}
    {{- range include "holograph.signals.exported" . | fromJsonArray }}
    - alert: HolographMetricAbsent
      expr: {{ include "holograph.scope.inEachNamespace" (dict "context" $ "query" (printf "absent(%s)%s" (include "holograph.scope.series" (dict "context" $ "name" .name "selector" .selector "matchers" .matchers)) $unlessEmpty)) }}
      for: {{ $alerts.metricAbsent.for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" (ternary "critical" "warning" (and .scales $scales | empty | not)) "labels" (dict "metric" .text)) | nindent 6 }}
      annotations:
        summary: {{ printf "Prometheus has no %s of any renderer in %s." .text $where | quote }}
        {{- if and .scales $.Values.autoscaling.enabled }}
        description: {{ printf "The autoscaler has no value for it, %s." $withoutValue | quote }}
        {{- else if and .scales $scales }}
        description: An autoscaler there that scales on it has no value for it, and the replicas do not change.
        {{- else }}
        description: What is computed from it is unknown, such as the share of frames in budget, and no alert on that can fire.
        {{- end }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographMetricAbsent") }}
    {{- end }}
    {{- with $signals.refused.name }}
    {{- $alert := $alerts.requestsRefused }}
    # The bounds drop a pod whose counter is NaN or infinite, which would otherwise make the sum of all pods so. A renderer with a new
    # reason for each request would otherwise fill the queue to the Alertmanagers, and other alerts would be dropped.
    - alert: HolographRequestsRefused
      expr: topk by ({{ include "holograph.signals.by" (dict "context" $ "labels" (list $labels.namespace)) }}) (10, sum by ({{ include "holograph.signals.by" (dict "context" $ "labels" (list $labels.namespace "reason")) }}) (max without ({{ join ", " $signals.scrapeLabels }}) (0 <= rate({{ include "holograph.scope.series" (dict "context" $ "name" .) }}[{{ include "holograph.alerts.window" $ }}]) < +Inf))) > {{ $alert.perSecond }}
      for: {{ $alert.for }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: Renderers in {{ $where }} refuse requests before they are frames.
        description: {{ printf "{{ $value | humanize }} a second for the reason {{ $labels.reason }}. They do not count as frames: their clients get no picture, and nothing scales for them." | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographRequestsRefused") }}
    {{- end }}
    {{- if include "holograph.scope.objects" . }}
    {{- $unseen := list }}
    {{- $others := .Values.servedNamespaces }}
    {{- if .Values.autoscaling.enabled }}
    {{- $others = without $others (include "holograph.namespace" .) }}
    {{- $unseen = append $unseen (include "holograph.scope.object" (dict "context" $ "name" "kube_horizontalpodautoscaler_status_desired_replicas" "of" "holograph.scope.ownAutoscaler" "format" "absent(%s)")) }}
    {{- end }}
    {{- with $others }}
    {{- /* A release there may have none on purpose. Of one that is no more, the alert rests after a day. */}}
    {{- $recorded := printf "holograph:hpa_replicas:desired{namespace=~%q,horizontalpodautoscaler=~%q%s}" (join "|" .) (include "holograph.scope.otherRenderers" $) (include "holograph.signals.selector" $signals.matchers) }}
    {{- $namespaces := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace")) }}
    {{- $unseen = append $unseen (printf "(count by (%s) (last_over_time(%s[1d])) unless on (%s) %s)" $namespaces $recorded $namespaces $recorded) }}
    {{- end }}
    {{- with $unseen }}
    - alert: HolographAutoscalerUnseen
      expr: |-
        {{- join "\nor\n" . | nindent 8 }}
      for: {{ $alerts.autoscalerUnseen.for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: kube-state-metrics shows no autoscaler of the renderers in {{ "{{ $labels.namespace }}" }}.
        description: It was deleted, or Prometheus does not get its series. No other alert on the autoscaler can fire.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAutoscalerUnseen") }}
    {{- end }}
    {{- if $scales }}
    # An autoscaler whose Deployment was scaled to 0 by hand is inactive on purpose.
    - alert: HolographAutoscalerInactive
      expr: |-
        holograph:hpa_condition:status{{ trimSuffix "}" $autoscaler }},condition=~"AbleToScale|ScalingActive",status="false"} == 1
        and on ({{ $by }})
          holograph:hpa_replicas:current{{ $autoscaler }} > 0
      for: {{ get $times "autoscalerInactive.for" | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "critical") | nindent 6 }}
      annotations:
        summary: {{ printf "The autoscaler %s does not scale." $who | quote }}
        description: {{ "Its condition {{ $labels.condition }} is False: the replicas do not change with the load." | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAutoscalerInactive") }}
    # With minReplicas equal to maxReplicas the autoscaler is always at its maximum.
    - alert: HolographAutoscalerAtMaximum
      expr: |-
        holograph:hpa_replicas:desired{{ $autoscaler }}
        >= on ({{ $by }})
          (holograph:hpa_replicas:max{{ $autoscaler }} > on ({{ $by }}) holograph:hpa_replicas:min{{ $autoscaler }})
      for: {{ get $times "autoscalerAtMaximum.for" | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "The autoscaler %s has been at its maximum for %s." $who (get $times "autoscalerAtMaximum.for") | quote }}
        description: {{ "It wants {{ $value }} replicas and may not create more, so more load causes late frames." | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAutoscalerAtMaximum") }}
    - alert: HolographAutoscalerFlapping
      expr: changes(holograph:hpa_scale_direction:last{{ $autoscaler }}[{{ get $times "autoscalerFlapping.window" }}]) >= {{ $alerts.autoscalerFlapping.reversals }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "The autoscaler %s reverses direction too often." $who | quote }}
        description: {{ printf "It reversed {{ $value }} times within %s. Each reversal removes pods that are needed again shortly after." (get $times "autoscalerFlapping.window") | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAutoscalerFlapping") }}
    {{- end }}
    {{- if include "holograph.prometheusAdapter.runs" . }}
    - alert: HolographAdapterUnavailable
      expr: max by ({{ $deployments }}) ({{ include "holograph.scope.available" (dict "context" $ "deployment" (include "holograph.prometheusAdapter.name" .)) }}) < 1
      for: {{ $alerts.adapterUnavailable.for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "critical") | nindent 6 }}
      annotations:
        summary: {{ printf "No pod of %s in %s is available." (include "holograph.prometheusAdapter.name" .) (include "holograph.namespace" .) | quote }}
        description: Nothing serves the custom metrics API of the cluster, and the replicas of all workloads that scale on it do not change.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAdapterUnavailable") }}
    {{- end }}
    {{- if .Values.deletionCost.enabled }}
    - alert: HolographDeletionCostsStale
      expr: max by ({{ $deployments }}) ({{ include "holograph.scope.available" (dict "context" $ "deployment" (include "holograph.deletionCost.name" .)) }}) < 1
      for: 15m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "No pod of %s in %s is available." (include "holograph.deletionCost.name" .) (include "holograph.namespace" .) | quote }}
        description: The deletion costs of the renderers are as old as that, so a pod that holds much may be removed before an idle one.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographDeletionCostsStale") }}
    {{- end }}
    {{- range include "holograph.scope.workloads" . | fromJsonArray }}
    - alert: HolographReplicasMismatch
      expr: |-
        {{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" .kind)) }}
        max by ({{ $by }}) ({{ .wanted }})
        > on ({{ $by }})
          max by ({{ $by }}) ({{ .ready }})
      for: {{ get $times "replicasMismatch.for" | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "Fewer pods of {{ $labels.%s }} in {{ $labels.namespace }} are Ready than are wanted." .kind | quote }}
        description: {{ printf "{{ $value }} are wanted, and for %s not all of them have been Ready: the missing pods add no capacity." (get $times "replicasMismatch.for") | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographReplicasMismatch") }}
    {{- end }}
    {{- end }}
    {{- include "holograph.alerts.scrapes" . }}
{{- end }}

{{/*
Share of frames over budget that spends a part of the error budget within a time: 2 percent of a month's budget
in an hour is 14.4 times the budget's share. Takes dict "context" $ "burn" an entry of alerts.errorBudgetBurn.
*/}}
{{- define "holograph.alerts.burnBound" -}}
{{- $times := divf (include "holograph.milliseconds" .context.Values.slo.window) (include "holograph.milliseconds" .burn.long) -}}
{{ round (mulf .burn.percent 0.01 $times) 4 }} * {{ include "holograph.slo.budget" .context }}
{{- end }}

{{/*
Labels of an alert. Takes dict "context" $ "severity" text, optionally "labels" map.
*/}}
{{- define "holograph.alerts.labels" -}}
labels:
  {{- merge (dict "severity" .severity) (default dict .labels) .context.Values.alerts.labels | toYaml | nindent 2 }}
{{- end }}

{{/*
Time over which an alert takes the increase of a counter: one lost scrape leaves enough samples for it.
*/}}
{{- define "holograph.alerts.window" -}}
{{ include "holograph.derived.scrapes" (dict "context" $ "least" "5m" "scrapes" 4) }}
{{- end }}

{{/*
The annotation with the URL of an alert's section of the runbook; nothing where no URL is known.
Takes dict "context" $ "alert" name.
*/}}
{{- define "holograph.alerts.runbook" -}}
{{- with .context.Values.alerts.runbook }}
{{ printf "%s#%s" . (lower $.alert) | quote | printf "runbook_url: %s" | indent 8 }}
{{- end }}
{{- end }}

{{/*
The names of all alerts that the chart can render, as a list in JSON.
*/}}
{{- define "holograph.alerts.names" -}}
{{- list
  "HolographErrorBudgetBurnFast"
  "HolographErrorBudgetBurnSlow"
  "HolographMetricAbsent"
  "HolographRequestsRefused"
  "HolographAutoscalerUnseen"
  "HolographAutoscalerInactive"
  "HolographAutoscalerAtMaximum"
  "HolographAutoscalerFlapping"
  "HolographAdapterUnavailable"
  "HolographDeletionCostsStale"
  "HolographReplicasMismatch"
  "HolographScrapeFailing"
  "HolographPodSilent"
  "HolographPodsUnscraped"
  "HolographWatchdog"
  "HolographReloadFailing"
  "HolographRulesFailing"
  "HolographKedaSilent"
  "HolographNotificationsFailing"
  "HolographAlertmanagerUnseen" | toJson }}
{{- end }}

{{/*
Rule groups without the alerts in alerts.disabled. Takes dict "context" $ "groups" a list in YAML.
*/}}
{{- define "holograph.alerts.enabled" -}}
{{- $disabled := .context.Values.alerts.disabled }}
{{- if $disabled }}
{{- $groups := list }}
{{- range fromYamlArray .groups }}
{{- $rules := list }}
{{- range .rules }}
{{- if not (has (default "" .alert) $disabled) }}
{{- $rules = append $rules . }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- $groups = append $groups (set . "rules" $rules) }}
{{- end }}
{{- end }}
{{- with $groups }}
{{ toYaml . }}
{{- end }}
{{- else }}
{{- .groups }}
{{- end }}
{{- end }}
