{{/*
Times that follow from prometheus.scrapeInterval where the values leave them empty. What is written is used as written,
and checked by _validate.tpl.
*/}}

{{/*
A duration, or a number of scrape intervals if that is longer. Takes dict "context" $ "least" duration "scrapes" number.
*/}}
{{- define "holograph.derived.scrapes" -}}
{{- $scrapes := mul .scrapes (include "holograph.milliseconds" .context.Values.prometheus.scrapeInterval | int64) }}
{{- if gt $scrapes (include "holograph.milliseconds" .least | int64) }}
{{- include "holograph.duration" $scrapes }}
{{- else }}
{{- .least }}
{{- end }}
{{- end }}

{{/*
Time over which a signal's rate is taken. At least 4 scrapes, so that one lost scrape leaves enough samples for a rate.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.window" -}}
{{- $least := get (dict "overruns" "2m" "demand" "1m") .key }}
{{- default (include "holograph.derived.scrapes" (dict "context" .context "least" $least "scrapes" 4)) (get .context.Values.signals .key).window }}
{{- end }}

{{/*
How long a new fleet has no value of a signal, in milliseconds: until its first scrape, and then for one more, which a rate
takes, or until the window of demand is full: holograph.signals.measured. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.young" -}}
{{- $scrape := include "holograph.milliseconds" .context.Values.prometheus.scrapeInterval | int64 }}
{{- if include "holograph.signals.isFull" . }}
{{- mul 1000 (divf (add $scrape (include "holograph.signals.window" . | include "holograph.signals.before" | int64)) 1000 | ceil | int64) }}
{{- else }}
{{- mul 2 $scrape }}
{{- end }}
{{- end }}

{{/*
How long a new fleet lacks a value of one of its signals, in milliseconds.
*/}}
{{- define "holograph.signals.incomplete" -}}
{{- $longest := 0 }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $longest = max $longest (include "holograph.signals.young" (dict "context" $ "key" $key) | int64) }}
{{- end }}
{{- $longest }}
{{- end }}

{{/*
How long a new fleet waits for the first decision of its autoscaler, in milliseconds: until it has all metrics, and 45 s for
the decision.
*/}}
{{- define "holograph.autoscaling.undecided" -}}
{{- add (include "holograph.signals.incomplete" . | int64) (include "holograph.prometheusAdapter.relistInterval" . | include "holograph.milliseconds" | int64) 45000 }}
{{- end }}

{{/*
How long the doctor waits for a broken link to recover.
*/}}
{{- define "holograph.doctor.wait" -}}
{{- default (include "holograph.autoscaling.undecided" . | int64 | max 180000 | include "holograph.duration") .Values.doctor.wait }}
{{- end }}

{{/*
Time within which reversals are counted, where alerts.autoscalerFlapping.window is empty, in milliseconds: it has room for 24
of the fastest, and is one hour by default.
*/}}
{{- define "holograph.alerts.flappingWindow" -}}
{{- include "holograph.autoscaling.reversals" . | int64 | mul 12 | max 3600000 }}
{{- end }}

{{/*
Times of the alerts that follow from other values where they are left empty, by their keys below alerts, as YAML.

  autoscalerInactive   The first pods start, and the autoscaler makes its first decision.
  autoscalerAtMaximum  A spike is over, but its pods stay for the stabilization window, and its late frames for theirs.
  replicasMismatch     A rollout without spare pods, a tenth of them at a time, takes ten starts, and pods end between them.
*/}}
{{- define "holograph.alerts.times" -}}
{{- $alerts := .Values.alerts }}
{{- $start := include "holograph.milliseconds" .Values.autoscaling.podStart | int64 }}
{{- $undecided := include "holograph.autoscaling.undecided" . | int64 | add $start }}
{{- $down := include "holograph.autoscaling.stabilization" (dict "context" . "direction" "scaleDown") | int64 -}}
autoscalerInactive.for: {{ default (max 300000 $undecided | include "holograph.duration") $alerts.autoscalerInactive.for }}
autoscalerAtMaximum.for: {{ default (add 600000 $down | max 900000 | include "holograph.duration") $alerts.autoscalerAtMaximum.for }}
autoscalerFlapping.window: {{ default (include "holograph.alerts.flappingWindow" . | int64 | include "holograph.duration") $alerts.autoscalerFlapping.window }}
replicasMismatch.for: {{ default (mul 15 $start | max 900000 | include "holograph.duration") $alerts.replicasMismatch.for }}
{{- end }}

{{/*
How long before now a sample must be there for a window to be full, in milliseconds. Takes the window.
*/}}
{{- define "holograph.signals.before" -}}
{{- mul 5 (div (include "holograph.milliseconds" . | int64) 4) }}
{{- end }}

{{- define "holograph.prometheusAdapter.relistInterval" -}}
{{- default (include "holograph.derived.scrapes" (dict "context" $ "least" "30s" "scrapes" 1)) .Values.prometheusAdapter.relistInterval }}
{{- end }}

{{/*
Requests a second that the adapter may send to the API server. It lists the pods once for each Pods metric of each decision,
and each autoscaler decides every 15 s. Twice that leaves room for decisions at one time. Each of servedNamespaces is taken to
have one autoscaler, with the metrics of this release. At least 50: the adapter's own default is 5, which a namespace with
many releases exceeds, and API Priority and Fairness protects the API server.
*/}}
{{- define "holograph.prometheusAdapter.requests" -}}
{{- $metrics := 0 }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- if not (include "holograph.signals.isTotal" (dict "context" $ "key" $key)) }}
{{- $metrics = add1 $metrics }}
{{- end }}
{{- end }}
{{- divf (mul 2 $metrics (len .Values.servedNamespaces | add1)) 15 | ceil | max 50 }}
{{- end }}

{{/*
Connections that the embedded Prometheus accepts. KEDA keeps one open for each trigger, and there is one for each signal.
Each of servedNamespaces is taken to have two renderers that KEDA scales, and 40 are for all other clients. Without a free
connection the liveness probe fails too, and Prometheus is restarted again and again.
*/}}
{{- define "holograph.prometheus.connections" -}}
{{- $triggers := include "holograph.signals" . | splitList " " | len }}
{{- len .Values.servedNamespaces | add1 | mul 2 $triggers | add 40 | max 100 }}
{{- end }}

{{/*
How old a metric's last sample may be for the metric to exist. The adapter does not start with less than its relist interval.
*/}}
{{- define "holograph.prometheusAdapter.maxAge" -}}
{{- if .Values.prometheusAdapter.maxAge }}
{{- .Values.prometheusAdapter.maxAge }}
{{- else }}
{{- $relist := include "holograph.prometheusAdapter.relistInterval" . }}
{{- $age := include "holograph.derived.scrapes" (dict "context" $ "least" "2m" "scrapes" 4) }}
{{- ternary $relist $age (gt (include "holograph.milliseconds" $relist | int64) (include "holograph.milliseconds" $age | int64)) }}
{{- end }}
{{- end }}

{{/*
slo.objective as a number; the values may have it as a text, because `helm --set` does.
*/}}
{{- define "holograph.slo.objective" -}}
{{ .Values.slo.objective | float64 }}
{{- end }}

{{/*
The entries of alerts.errorBudgetBurn.fast or slow, as a list in JSON; an empty one where there are no such alerts.

An empty list of the values stands for the burn rates of the SRE workbook: 14.4 and 6 times the rate at which the error
budget lasts exactly slo.window page a person, and 1 time opens a ticket. Each is an entry like a written one. Left out is
an entry that is longer than slo.window or than the embedded Prometheus keeps samples, and one that could not fire if every
frame were late. Takes dict "context" $ "pace" fast or slow.
*/}}
{{- define "holograph.alerts.burns" -}}
{{- $values := .context.Values }}
{{- $written := index $values.alerts.errorBudgetBurn .pace }}
{{- $burns := list }}
{{- if or (not $values.alerts.enabled) (kindIs "invalid" $written) }}
{{- else if $written }}
{{- $burns = $written }}
{{- else }}
{{- $window := include "holograph.milliseconds" $values.slo.window | int64 }}
{{- $budget := include "holograph.slo.budget" .context | float64 }}
{{- $most := $window }}
{{- if $values.prometheus.enabled }}
{{- $most = min $window (include "holograph.milliseconds" $values.prometheus.retention.time | int64) }}
{{- end }}
{{- $table := dict
  "fast" (list (dict "rate" 14.4 "long" "1h" "short" "5m") (dict "rate" 6.0 "long" "6h" "short" "30m"))
  "slow" (list (dict "rate" 1.0 "long" "3d" "short" "6h")) }}
{{- range get $table .pace }}
{{- $long := include "holograph.milliseconds" .long | int64 }}
{{- if and (le $long $most) (lt (mulf .rate $budget) 1.0) }}
{{- $burns = append $burns (dict "percent" (divf (mulf 100 .rate $long) $window) "long" .long "short" .short) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $burns }}
{{- end }}

{{/*
All entries of alerts.errorBudgetBurn, as a list in JSON.
*/}}
{{- define "holograph.alerts.allBurns" -}}
{{- $fast := include "holograph.alerts.burns" (dict "context" $ "pace" "fast") | fromJsonArray }}
{{- concat $fast (include "holograph.alerts.burns" (dict "context" $ "pace" "slow") | fromJsonArray) | toJson }}
{{- end }}
