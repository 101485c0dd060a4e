{{/*
The Grafana dashboard. It shows what the rules record, so that it asks for the same numbers as the alerts do.

Rows, from effect to cause: the objective, the frames, the signals of each pod, the replicas, the
links between them. Built from dicts and printed as JSON, so that every name is escaped.
*/}}
{{- define "holograph.dashboard" -}}
{{- $labels := .Values.signals.labels }}
{{- $namespaces := include "holograph.scope.recorded" . }}
{{- $autoscaler := include "holograph.scope.renderer" (dict "context" $ "kind" "horizontalpodautoscaler") | printf "{%s}" }}
{{- $objects := include "holograph.scope.objects" . }}
{{- $objective := divf (include "holograph.slo.objective" .) 100 }}
{{- $window := .Values.slo.window }}
{{- $where := printf "{{%s}}" $labels.namespace }}
{{- $panels := list }}

{{- $good := dict "mode" "absolute" "steps" (list (dict "color" "red" "value" nil) (dict "color" "green" "value" $objective)) }}
{{- $left := dict "mode" "absolute" "steps" (list (dict "color" "red" "value" nil) (dict "color" "orange" "value" 0) (dict "color" "green" "value" 0.25)) }}
{{- $none := dict "mode" "absolute" "steps" (list (dict "color" "green" "value" nil) (dict "color" "red" "value" 1)) }}

{{- $panels = append $panels (dict "type" "row" "title" (printf "Objective: %v %% of frames within %s, over %s" (include "holograph.slo.objective" .) .Values.frame.budget $window) "y" 0) }}
{{- $panels = append $panels (dict "type" "stat" "title" (printf "In budget, %s" $window) "x" 0 "y" 1 "w" 5 "h" 4 "unit" "percentunit" "decimals" 2 "thresholds" $good
  "description" "Share of the requested frames that were completed within their budget, as far back as Prometheus has samples."
  "targets" (list (dict "expr" (printf "1 - holograph:frames_over_budget:ratio_rate%s%s" $window $namespaces) "legend" $where))) }}
{{- $panels = append $panels (dict "type" "gauge" "title" "Error budget left" "x" 5 "y" 1 "w" 5 "h" 4 "unit" "percentunit" "decimals" 1 "min" 0 "max" 1 "thresholds" $left
  "description" "The share of the error budget that is left."
  "targets" (list (dict "expr" (printf "holograph:error_budget:remaining%s" $namespaces) "legend" $where))) }}
{{- $panels = append $panels (dict "type" "stat" "title" "In budget, now" "x" 10 "y" 1 "w" 5 "h" 4 "unit" "percentunit" "decimals" 2 "thresholds" $good
  "targets" (list (dict "expr" (printf "1 - holograph:frames_over_budget:rate%s / (holograph:frames:rate%s > 0)" $namespaces $namespaces) "legend" $where))) }}
{{- $panels = append $panels (dict "type" "stat" "title" "Frames per second" "x" 15 "y" 1 "w" 5 "h" 4 "unit" "short" "decimals" 1
  "targets" (list (dict "expr" (printf "holograph:frames:rate%s" $namespaces) "legend" $where))) }}
{{- if .Values.alerts.enabled }}
{{- $panels = append $panels (dict "type" "stat" "title" "Alerts firing" "x" 20 "y" 1 "w" 4 "h" 4 "unit" "none" "decimals" 0 "thresholds" $none
  "targets" (list (dict "expr" (printf "count(%s) or vector(0)" (include "holograph.scope.alerts" (dict "context" $ "state" "firing"))) "legend" "firing"))) }}
{{- end }}

{{- $panels = append $panels (dict "type" "row" "title" "Frames" "y" 5) }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Frames per second" "x" 0 "y" 6 "w" 12 "h" 8 "unit" "short" "min" 0 "fill" 10
  "targets" (list
    (dict "expr" (printf "holograph:frames:rate%s" $namespaces) "legend" (printf "asked for, %s" $where) "color" "blue")
    (dict "expr" (printf "holograph:frames_over_budget:rate%s" $namespaces) "legend" (printf "over budget, %s" $where) "color" "red"))) }}
{{- $burn := list }}
{{- range include "holograph.alerts.allBurns" . | fromJsonArray }}
{{- $burn = append $burn (dict "expr" (printf "holograph:frames_over_budget:ratio_rate%s%s / %s" .long $namespaces (include "holograph.slo.budget" $)) "legend" (printf "over %s, %s" .long $where)) }}
{{- end }}
{{- $burn = append $burn (dict "expr" (printf "holograph:frames_over_budget:ratio_rate%s%s / %s" $window $namespaces (include "holograph.slo.budget" $)) "legend" (printf "over %s, %s" $window $where)) }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Burn rate" "x" 12 "y" 6 "w" 12 "h" 8 "unit" "short" "min" 0 "line" 1
  "description" (printf "The share of late frames, divided by the share that the objective allows. At 1 the error budget lasts exactly %s." $window)
  "targets" $burn) }}

{{- $panels = append $panels (dict "type" "row" "title" "Signals, pod by pod" "y" 14) }}
{{- $line := "The line is its target." }}
{{- with .Values.signals.overruns.maxRatio }}
{{- $line = printf "The line is its target. The autoscaler counts %v times the target of a pod at most." . }}
{{- end }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Frames over budget per second" "x" 0 "y" 15 "w" 12 "h" 8 "unit" "short" "min" 0 "line" (include "holograph.quantity" .Values.signals.overruns.target | float64)
  "description" (printf "The autoscaler's metric %s. %s" .Values.signals.overruns.name $line)
  "targets" (list (dict "expr" (include "holograph.scope.signal" (dict "context" $ "signal" "overruns")) "legend" (printf "{{%s}}" $labels.pod)))) }}
{{- if .Values.signals.demand.enabled }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Demand" "x" 12 "y" 15 "w" 12 "h" 8 "unit" "percentunit" "min" 0 "line" (include "holograph.quantity" .Values.signals.demand.target | float64)
  "description" (printf "Work offered to a pod divided by its capacity, the autoscaler's metric %s. The line is its target." .Values.signals.demand.name)
  "targets" (list (dict "expr" (include "holograph.scope.signal" (dict "context" $ "signal" "demand")) "legend" (printf "{{%s}}" $labels.pod)))) }}
{{- end }}

{{- if $objects }}
{{- $panels = append $panels (dict "type" "row" "title" "Replicas" "y" 23) }}
{{- $replicas := list }}
{{- range include "holograph.scope.workloads" . | fromJsonArray }}
{{- $replicas = append $replicas (dict "expr" (printf "max by (namespace, %s) (%s)" .kind .ready) "legend" "Ready, {{namespace}}" "color" "green" "fill" 20) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- range $series, $color := dict "current" "blue" "desired" "orange" "min" "#808080" "max" "#808080" }}
{{- $replicas = append $replicas (dict "expr" (printf "holograph:hpa_replicas:%s%s" $series $autoscaler) "legend" (printf "%s, {{namespace}}" $series) "color" $color "dash" (has $series (list "min" "max"))) }}
{{- end }}
{{- end }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Replicas" "x" 0 "y" 24 "w" 16 "h" 8 "unit" "none" "decimals" 0 "min" 0 "step" true "targets" $replicas) }}
{{- if .Values.autoscaling.enabled }}
{{- $panels = append $panels (dict "type" "timeseries" "title" "Scaling events within an hour" "x" 16 "y" 24 "w" 8 "h" 8 "unit" "none" "decimals" 0 "min" 0 "step" true
  "targets" (list
    (dict "expr" (printf "increase(holograph:hpa_scale_up_events:total%s[1h])" $autoscaler) "legend" "up, {{namespace}}" "color" "orange")
    (dict "expr" (printf "increase(holograph:hpa_scale_down_events:total%s[1h])" $autoscaler) "legend" "down, {{namespace}}" "color" "blue")
    (dict "expr" (printf "changes(holograph:hpa_scale_direction:last%s[1h])" $autoscaler) "legend" "reversals, {{namespace}}" "color" "red"))) }}
{{- end }}
{{- end }}

{{- $panels = append $panels (dict "type" "row" "title" "Links" "y" 32) }}
{{- $links := list }}
{{- range include "holograph.links" . | fromJsonArray }}
{{- $links = append $links (dict "expr" .expr "legend" .name) }}
{{- end }}
{{- $panels = append $panels (dict "type" "state-timeline" "title" "From a late frame to a new pod" "x" 0 "y" 33 "w" 24 "h" (add 3 (len $links)) "targets" $links
  "description" "The links in order, from the renderers to the replicas. Fix the first broken one: the ones after it depend on it.") }}

{{- $annotations := list }}
{{- if and $objects .Values.autoscaling.enabled }}
{{- range $direction, $color := dict "up" "orange" "down" "blue" }}
{{- $annotations = append $annotations (dict "name" (printf "Scaled %s" $direction) "datasource" (include "holograph.dashboard.datasource" $ | fromJson) "enable" true "iconColor" $color
  "expr" (printf "changes(holograph:hpa_scale_%s_events:total%s[1m]) > 0" $direction $autoscaler) "step" "60s" "titleFormat" (printf "Scaled %s" $direction) "textFormat" "{{horizontalpodautoscaler}}" "tagKeys" "namespace" "useValueForTime" false) }}
{{- end }}
{{- end }}

{{- $list := list }}
{{- range $index, $panel := $panels }}
{{- $list = append $list (include "holograph.dashboard.panel" (merge (dict "id" (add1 $index)) $panel) | fromJson) }}
{{- end }}
{{- dict
  "uid" (printf "holograph-%s" (printf "%s/%s" (include "holograph.namespace" .) (include "holograph.fullname" .) | sha256sum | trunc 16))
  "title" (printf "Holograph: %s in %s" (include "holograph.fullname" .) (include "holograph.namespace" .))
  "tags" (list "holograph")
  "schemaVersion" 39
  "version" 1
  "editable" true
  "graphTooltip" 1
  "refresh" "10s"
  "time" (dict "from" "now-1h" "to" "now")
  "templating" (dict "list" (list (dict "name" "datasource" "label" "Prometheus" "type" "datasource" "query" "prometheus" "current" dict "hide" 0 "options" list "refresh" 1 "regex" "" "multi" false "includeAll" false)))
  "annotations" (dict "list" $annotations)
  "panels" $list
  | toPrettyJson }}
{{- end }}

{{- define "holograph.dashboard.datasource" -}}
{{ dict "type" "prometheus" "uid" "${datasource}" | toJson }}
{{- end }}

{{/*
One panel as JSON. Takes dict "id" "type" "title" "x" "y" "w" "h" "targets" list of dict "expr" "legend", optionally
"description" "unit" "decimals" "min" "max" "thresholds" "line" "fill" "step", and for a target "color" "dash" "fill".
*/}}
{{- define "holograph.dashboard.panel" -}}
{{- if eq .type "row" }}
{{- dict "id" .id "type" "row" "title" .title "collapsed" false "panels" list "gridPos" (dict "x" 0 "y" .y "w" 24 "h" 1) | toJson }}
{{- else }}
{{- $datasource := include "holograph.dashboard.datasource" . | fromJson }}
{{- $targets := list }}
{{- $overrides := list }}
{{- range $index, $target := .targets }}
{{- $ref := printf "%c" (add 65 $index | int) }}
{{- $targets = append $targets (dict "refId" $ref "datasource" $datasource "expr" $target.expr "legendFormat" $target.legend "range" (not (has $.type (list "stat" "gauge"))) "instant" (has $.type (list "stat" "gauge"))) }}
{{- $properties := list }}
{{- with $target.color }}
{{- $properties = append $properties (dict "id" "color" "value" (dict "mode" "fixed" "fixedColor" .)) }}
{{- end }}
{{- if $target.dash }}
{{- $properties = append $properties (dict "id" "custom.lineStyle" "value" (dict "fill" "dash" "dash" (list 8 8))) }}
{{- end }}
{{- with $target.fill }}
{{- $properties = append $properties (dict "id" "custom.fillOpacity" "value" .) }}
{{- end }}
{{- with $properties }}
{{- $overrides = append $overrides (dict "matcher" (dict "id" "byFrameRefID" "options" $ref) "properties" .) }}
{{- end }}
{{- end }}
{{- $defaults := dict "color" (dict "mode" "palette-classic") "mappings" list "custom" dict "noValue" "no data" }}
{{- range $key := list "unit" "decimals" "min" "max" "thresholds" }}
{{- if hasKey $ $key }}
{{- $_ := set $defaults $key (get $ $key) }}
{{- end }}
{{- end }}
{{- $options := dict }}
{{- if eq .type "timeseries" }}
{{- $_ := set $defaults "custom" (dict "drawStyle" "line" "lineWidth" 2 "fillOpacity" (default 0 .fill) "showPoints" "never" "spanNulls" false
  "lineInterpolation" (ternary "stepAfter" "linear" (default false .step)) "thresholdsStyle" (dict "mode" (ternary "dashed" "off" (hasKey . "line")))) }}
{{- if hasKey . "line" }}
{{- $_ := set $defaults "thresholds" (dict "mode" "absolute" "steps" (list (dict "color" "transparent" "value" nil) (dict "color" "red" "value" .line))) }}
{{- end }}
{{- $options = dict "legend" (dict "displayMode" "list" "placement" "bottom" "showLegend" true) "tooltip" (dict "mode" "multi" "sort" "desc") }}
{{- else if eq .type "state-timeline" }}
{{- /* Without thresholds, for which Grafana's legend would say "< 1" and "1+" in place of the texts. */}}
{{- $_ := set $defaults "mappings" (list (dict "type" "value" "options" (dict "0" (dict "text" "broken" "color" "red" "index" 0) "1" (dict "text" "holds" "color" "green" "index" 1)))) }}
{{- $_ := set $defaults "custom" (dict "fillOpacity" 70 "lineWidth" 0 "spanNulls" false) }}
{{- $options = dict "showValue" "never" "mergeValues" true "rowHeight" 0.8 "legend" (dict "displayMode" "list" "placement" "bottom" "showLegend" true) "tooltip" (dict "mode" "single") }}
{{- else }}
{{- $_ := set $defaults "color" (dict "mode" (ternary "thresholds" "palette-classic" (hasKey . "thresholds"))) }}
{{- $options = dict "reduceOptions" (dict "calcs" (list "lastNotNull") "values" false "fields" "") }}
{{- if eq .type "stat" }}
{{- $options = merge $options (dict "graphMode" "none" "colorMode" (ternary "background" "value" (hasKey . "thresholds")) "textMode" "value" "justifyMode" "auto") }}
{{- end }}
{{- end }}
{{- dict "id" .id "type" .type "title" .title "description" (default "" .description) "datasource" $datasource
  "gridPos" (dict "x" .x "y" .y "w" .w "h" .h)
  "targets" $targets
  "fieldConfig" (dict "defaults" $defaults "overrides" $overrides)
  "options" $options | toJson }}
{{- end }}
{{- end }}
