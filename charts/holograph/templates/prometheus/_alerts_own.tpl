{{/*
Rule groups about the embedded Prometheus itself and about who queries it. A Prometheus of your own has no such series
under these labels, and alerts of its own, so the PrometheusRule does not have them.

What is not here: prometheus-adapter serves its own metrics only over TLS to callers that the API server authorizes, so
Prometheus does not scrape them; HolographAutoscalerInactive and HolographAdapterUnavailable show its failures. KEDA's own
metrics are in KEDA's namespace, where this Prometheus has no rights.
*/}}
{{- define "holograph.prometheus.ownRuleGroups" -}}
{{- if .Values.alerts.enabled }}
{{- include "holograph.alerts.enabled" (dict "context" . "groups" (include "holograph.prometheus.rules.own" .)) }}
{{- end }}
{{- end }}

{{- define "holograph.prometheus.rules.own" -}}
{{- $namespace := .Values.signals.labels.namespace }}
{{- $own := printf "%s=%q,job=\"prometheus\"" $namespace (include "holograph.namespace" .) }}
{{- $window := include "holograph.alerts.window" . }}
{{- $prometheus := printf "%s in %s" (include "holograph.prometheus.name" .) (include "holograph.namespace" .) }}
- name: holograph-prometheus
  rules:
    # Always fires. A service outside the cluster that expects it notices when Prometheus, its rules or the way to it fail.
    - alert: HolographWatchdog
      expr: vector(1)
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "none" "labels" (dict "namespace" (include "holograph.namespace" .))) | nindent 6 }}
      annotations:
        summary: {{ printf "%s evaluates its alerts." $prometheus | quote }}
        description: This alert always fires. If it stops arriving, no other alert arrives either.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographWatchdog") }}
    - alert: HolographReloadFailing
      expr: min by ({{ $namespace }}) (prometheus_config_last_reload_successful{ {{- $own -}} }) == 0
      for: 5m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "%s cannot load its configuration." $prometheus | quote }}
        description: It runs on with the configuration before. After its next restart it would not start.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographReloadFailing") }}
    - alert: HolographRulesFailing
      expr: sum by ({{ $namespace }}, rule_group) (increase(prometheus_rule_evaluation_failures_total{ {{- $own -}} }[{{ $window }}])) > 0
      for: 10m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "%s cannot evaluate rules." $prometheus | quote }}
        description: {{ "Rules of the group {{ $labels.rule_group }} fail: what they record is missing, and their alerts cannot fire." | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographRulesFailing") }}
    # Without its own series no other alert here can fire, such as HolographKedaSilent.
    # HolographAutoscalerUnseen forgets after a day that a served namespace had an autoscaler.
    {{- $for := .Values.alerts.podUnseen.for }}
    {{- $jobs := "prometheus" }}
    {{- $mute := "on Prometheus itself" }}
    {{- if .Values.kubeStateMetrics.enabled }}
    {{- $jobs = "prometheus|kube-state-metrics(-served)?" }}
    {{- $mute = "on Prometheus itself for the job prometheus, and otherwise on the autoscalers and Deployments that the job is for" }}
    {{- end }}
    - alert: HolographScrapeFailing
      expr: max by (job) (up{job=~{{ quote $jobs }}}) == 0
      for: {{ $for | quote }}
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning" "labels" (dict "namespace" (include "holograph.namespace" .))) | nindent 6 }}
      annotations:
        summary: {{ printf "%s cannot scrape the job {{ $labels.job }}." $prometheus | quote }}
        description: {{ printf "Its scrapes have failed for %s. No other alert can fire that needs them: %s." $for $mute | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographScrapeFailing") }}
    {{- if include "holograph.autoscaling.keda" . }}
    # While KEDA gets no value it scales to keda.fallback, and the autoscaler's conditions stay good.
    - alert: HolographKedaSilent
      expr: sum by ({{ $namespace }}) (increase(prometheus_http_requests_total{ {{- $own -}} ,handler="/api/v1/query",code="200"}[10m])) == 0
      for: 5m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "critical") | nindent 6 }}
      annotations:
        summary: {{ printf "KEDA gets no answer from %s." $prometheus | quote }}
        description: No query has been answered for 10 minutes. KEDA runs on its fallback, and the replicas do not follow the load.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographKedaSilent") }}
    {{- end }}
    {{- if .Values.prometheus.alertmanagers }}
    - alert: HolographNotificationsFailing
      expr: sum by ({{ $namespace }}, alertmanager) (increase(prometheus_notifications_errors_total{ {{- $own -}} }[{{ $window }}])) > 0
      for: 10m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "%s cannot send alerts." $prometheus | quote }}
        description: {{ "Alerts to {{ $labels.alertmanager }} fail. Nobody is told of them if no other Alertmanager gets them." | quote }}
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographNotificationsFailing") }}
    - alert: HolographAlertmanagerUnseen
      expr: max by ({{ $namespace }}) (prometheus_notifications_alertmanagers_discovered{ {{- $own -}} }) < 1
      for: 10m
      {{- include "holograph.alerts.labels" (dict "context" $ "severity" "warning") | nindent 6 }}
      annotations:
        summary: {{ printf "%s finds no Alertmanager." $prometheus | quote }}
        description: The names in prometheus.alertmanagers have no addresses. Nobody is told of any alert.
        {{- include "holograph.alerts.runbook" (dict "context" $ "alert" "HolographAlertmanagerUnseen") }}
    {{- end }}
{{- end }}
