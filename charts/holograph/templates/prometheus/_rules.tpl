{{/*
Recording rules: what the autoscalers of this namespace did, one series each.

Scaling events are counted by comparing the desired replicas of now with those that this group recorded
at its evaluation before. Prometheus evaluates a group's rules in order, so the counters stand first and
holograph:hpa_replicas:desired, which they are compared with, is overwritten after them. Each change is thus
seen by exactly one evaluation, whatever the phase between scrapes and evaluations, and is counted once.

  - First sample: a counter starts at 0 with the autoscaler's first sample, so that increase() sees event one.
  - 0 desired replicas is an autoscaler that has not decided yet (or whose Deployment was scaled to 0 by hand):
    leaving or reaching it is no event.
  - Gaps, restarts: last_over_time reaches back over failed scrapes and over a restart of Prometheus, past the
    staleness markers that either leaves, so counters go on from where they were; a change that happened in the
    gap is counted, as one.
  - Deleted and created anew: the new autoscaler's first replicas are no change of the old one's. The creation
    time, recorded likewise, must be the same on both sides of a change.

`max by` drops the labels of the scrape, so that two kube-state-metrics pods during a rollout count once.
*/}}
{{- define "holograph.prometheus.rules" -}}
{{- $by := "namespace, horizontalpodautoscaler" }}
{{- $desired := printf "max by (%s) (kube_horizontalpodautoscaler_status_desired_replicas)" $by }}
{{- $created := printf "max by (%s) (kube_horizontalpodautoscaler_created)" $by -}}
groups:
  - name: holograph-scaling
    interval: {{ .Values.kubeStateMetrics.scrapeInterval }}
    rules:
      {{- range $direction, $operator := dict "up" ">" "down" "<" }}
      - record: holograph:hpa_scale_{{ $direction }}_events:total
        expr: |-
          (
              last_over_time(holograph:hpa_scale_{{ $direction }}_events:total[1h])
            or
              0 * {{ $desired }}
          )
          + on ({{ $by }})
          (
              (
                  ({{ $desired }} > 0)
                {{ $operator }} bool on ({{ $by }})
                  (last_over_time(holograph:hpa_replicas:desired[1h]) > 0)
              )
              and on ({{ $by }})
                {{ $created }} == last_over_time(holograph:hpa_created:timestamp_seconds[1h])
            or
              0 * {{ $desired }}
          )
      {{- end }}
      - record: holograph:hpa_created:timestamp_seconds
        expr: {{ $created }}
      - record: holograph:hpa_replicas:desired
        expr: {{ $desired }}
      - record: holograph:hpa_replicas:current
        expr: max by ({{ $by }}) (kube_horizontalpodautoscaler_status_current_replicas)
      - record: holograph:hpa_condition:status
        expr: max by ({{ $by }}, condition, status) (kube_horizontalpodautoscaler_status_condition)
{{- end }}
