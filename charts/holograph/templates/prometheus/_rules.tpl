{{/*
All rules, in groups: for the embedded Prometheus' rule file and for a PrometheusRule alike.
*/}}
{{- define "holograph.prometheus.ruleGroups" -}}
{{- if include "holograph.scope.objects" . }}
{{- include "holograph.prometheus.rules.scaling" . }}
{{- end }}
{{- include "holograph.prometheus.rules.frames" . }}
{{- if .Values.alerts.enabled }}
{{- include "holograph.alerts.enabled" (dict "context" . "groups" (include "holograph.prometheus.rules.alerts" .)) }}
{{- end }}
{{- end }}

{{/*
Recording rules: the actions of the autoscalers.

Scaling events are counted by comparing the desired replicas of now with those that this group recorded
at its evaluation before. Prometheus evaluates a group's rules in order, so the counters stand first and
holograph:hpa_replicas:desired, which they are compared with, is overwritten after them. Each change is thus
seen by exactly one evaluation, independent of the phase between scrapes and evaluations, and counts once.

  - First sample: a counter starts at 0 with the autoscaler's first sample, so that increase() sees the first event.
  - 0 desired replicas is an autoscaler that has not decided yet (or whose Deployment was scaled to 0 by hand):
    leaving or reaching it is no event.
  - Gaps, restarts: last_over_time reaches back over failed scrapes and over a restart of Prometheus, past the
    staleness markers that either leaves, so counters continue from their last value. A change during the gap
    counts as one event.
  - Deleted and created again: the first replicas of the new autoscaler are not a change of the old one's. The creation
    time, which is recorded too, must be the same before and after a change.

The direction of the last event is 1 or -1, and no sample before the first one; its changes are the reversals.

`max by` drops the labels of the scrape, so that two kube-state-metrics pods during a rollout count once.
*/}}
{{- define "holograph.prometheus.rules.scaling" -}}
{{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" "horizontalpodautoscaler")) }}
{{- $of := include "holograph.scope.renderer" (dict "context" $ "kind" "horizontalpodautoscaler") | printf "{%s}" }}
{{- $shown := dict }}
{{- range $name := list "status_desired_replicas" "created" "status_current_replicas" "spec_min_replicas" "spec_max_replicas" "status_condition" }}
{{- $_ := include "holograph.scope.object" (dict "context" $ "name" (printf "kube_horizontalpodautoscaler_%s" $name) "of" "holograph.scope.renderer" "kind" "horizontalpodautoscaler") | set $shown $name }}
{{- end }}
{{- $desired := printf "max by (%s) (%s)" $by $shown.status_desired_replicas }}
{{- $created := printf "max by (%s) (%s)" $by $shown.created -}}
- name: holograph-scaling
  interval: {{ .Values.kubeStateMetrics.scrapeInterval | quote }}
  rules:
    {{- range $direction, $operator := dict "up" ">" "down" "<" }}
    - record: holograph:hpa_scale_{{ $direction }}_events:total
      expr: |-
        (
            last_over_time(holograph:hpa_scale_{{ $direction }}_events:total{{ $of }}[1h])
          or
            0 * {{ $desired }}
        )
        + on ({{ $by }})
        (
            (
                ({{ $desired }} > 0)
              {{ $operator }} bool on ({{ $by }})
                (last_over_time(holograph:hpa_replicas:desired{{ $of }}[1h]) > 0)
            )
            and on ({{ $by }})
              {{ $created }} == last_over_time(holograph:hpa_created:timestamp_seconds{{ $of }}[1h])
          or
            0 * {{ $desired }}
        )
    {{- end }}
    - record: holograph:hpa_scale_direction:last
      expr: |-
        (
            sgn(
                ({{ $desired }} > 0)
              - on ({{ $by }})
                (last_over_time(holograph:hpa_replicas:desired{{ $of }}[1h]) > 0)
            ) != 0
            and on ({{ $by }})
              {{ $created }} == last_over_time(holograph:hpa_created:timestamp_seconds{{ $of }}[1h])
          or
            last_over_time(holograph:hpa_scale_direction:last{{ $of }}[1h])
        )
        and on ({{ $by }})
          {{ $desired }}
    - record: holograph:hpa_created:timestamp_seconds
      expr: {{ $created }}
    - record: holograph:hpa_replicas:desired
      expr: {{ $desired }}
    - record: holograph:hpa_replicas:current
      expr: max by ({{ $by }}) ({{ $shown.status_current_replicas }})
    - record: holograph:hpa_replicas:min
      expr: max by ({{ $by }}) ({{ $shown.spec_min_replicas }})
    - record: holograph:hpa_replicas:max
      expr: max by ({{ $by }}) ({{ $shown.spec_max_replicas }})
    - record: holograph:hpa_condition:status
      expr: max by ({{ include "holograph.signals.by" (dict "context" $ "labels" (list "namespace" "horizontalpodautoscaler" "condition" "status")) }}) ({{ $shown.status_condition }})
{{- end }}

{{/*
Recording rules: the frames of a namespace, and what share of them was over budget.

Rates are taken per scraped series and then added up, like the signals, so that pods may be added and removed. Shares over
longer times use these rates and not the counters, because a month has the counters of every pod that ran in it. Both
rates are averaged before the division, so that each frame has the same weight. A time without frames has no share.

A pod whose counter of late frames has no plausible value is left out of both rates, because its frames would lower the
share of late frames of the others. The same applies to a pod without a plausible counter of frames. A pod counts at most
as many late frames as frames, so a jump of the counter spends no more error budget than the pod's own frames.
*/}}
{{- define "holograph.prometheus.rules.frames" -}}
{{- $by := include "holograph.signals.by" (dict "context" $ "labels" (list .Values.signals.labels.namespace)) }}
{{- $of := include "holograph.scope.recorded" . }}
{{- $frames := include "holograph.scope.frameRates" . }}
{{- $late := include "holograph.scope.signal" (dict "context" $ "signal" "overruns") }}
{{- $found := include "holograph.signals.found" (dict "context" $ "key" "overruns") | fromJson }}
{{- $measured := include "holograph.signals.query" (dict "context" $ "key" "overruns" "query" (include "holograph.signals.overruns.measured" .)) }}
{{- $counting := include "holograph.scope.query" (dict "context" $ "series" $found.name "query" $measured) }}
{{- $windows := list .Values.slo.window }}
{{- range include "holograph.alerts.allBurns" . | fromJsonArray }}
{{- $windows = append (append $windows .long) .short }}
{{- end }}
- name: holograph-frames
  rules:
    - record: holograph:frames:rate
      expr: |-
        sum by ({{ $by }}) (
            {{ $frames }}
          unless
            ({{ $counting }} unless {{ $late }})
        )
    - record: holograph:frames_over_budget:rate
      expr: |-
        sum by ({{ $by }}) (
            {{ $late }}
          <=
            {{ $frames }}
          or
            {{ $frames }}
          and
            {{ $late }}
        )
    {{- range uniq $windows }}
    - record: holograph:frames_over_budget:ratio_rate{{ . }}
      expr: |-
        avg_over_time(holograph:frames_over_budget:rate{{ $of }}[{{ . }}])
        / (avg_over_time(holograph:frames:rate{{ $of }}[{{ . }}]) > 0)
    {{- end }}
    # 1 is a full budget, 0 a spent one. Below 0 the objective is missed.
    - record: holograph:error_budget:remaining
      expr: 1 - holograph:frames_over_budget:ratio_rate{{ .Values.slo.window }}{{ $of }} / {{ include "holograph.slo.budget" . }}
{{- end }}

{{/*
The error budget as a share of all frames: 0.005 for an objective of 99.5 percent.
*/}}
{{- define "holograph.slo.budget" -}}
{{ divf (subf 100 (include "holograph.slo.objective" .)) 100 }}
{{- end }}
