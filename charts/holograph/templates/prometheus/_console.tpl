{{/*
The status page, files/console.html. It is a template of Prometheus, so the chart's own placeholders are written
<<name>> and replaced here. Parts that only some releases have are between <<if name>> and <<end name>>.
*/}}
{{- define "holograph.prometheus.console" -}}
{{- $signals := .Values.signals }}
{{- $labels := $signals.labels }}
{{- $links := list }}
{{- range include "holograph.links" . | fromJsonArray }}
{{- $links = append $links (printf "{{ template \"link\" (args %q `%s` `%s`) }}" .name .expr .series) }}
{{- end }}
{{- $frames := include "holograph.scope.frameRates" . }}
{{- $demand := "" }}
{{- if $signals.demand.enabled }}
{{- $demand = include "holograph.scope.signal" (dict "context" $ "signal" "demand") }}
{{- end }}
{{- $scales := and .Values.autoscaling.enabled (include "holograph.scope.objects" . | eq "true") }}
{{- $page := .Files.Get "files/console.html" }}
{{- range $name, $has := dict "alerts" .Values.alerts.enabled "noAlerts" (not .Values.alerts.enabled) "scales" $scales "demand" $signals.demand.enabled "runbook" (ne .Values.alerts.runbook "") }}
{{- $page = regexReplaceAll (printf "(?s)<<if %s>>(.*?)<<end %s>>\\n?" $name $name) $page (ternary "${1}" "" $has) }}
{{- end }}
{{- range $name, $text := dict
  "release" (include "holograph.fullname" .)
  "in" (include "holograph.namespace" .)
  "budget" .Values.frame.budget
  "objective" (include "holograph.slo.objective" .)
  "window" .Values.slo.window
  "namespace" $labels.namespace
  "pod" $labels.pod
  "namespaces" (include "holograph.scope.recorded" .)
  "autoscaler" (include "holograph.scope.renderer" (dict "context" $ "kind" "horizontalpodautoscaler") | printf "{%s}")
  "firing" (include "holograph.scope.alerts" (dict "context" $ "state" "firing"))
  "pending" (include "holograph.scope.alerts" (dict "context" $ "state" "pending"))
  "podFrames" $frames
  "podOverruns" (include "holograph.scope.signal" (dict "context" $ "signal" "overruns"))
  "podDemand" $demand
  "demandTarget" (include "holograph.quantity" $signals.demand.target)
  "demandFloat" (include "holograph.quantity" $signals.demand.target | float64 | printf "%f")
  "overrunsFloat" (include "holograph.quantity" $signals.overruns.target | float64 | printf "%f")
  "objectiveFloat" (include "holograph.slo.objective" . | float64 | printf "%f")
  "linksWidth" (ternary "five" "wide" $scales)
  "podsWidth" (ternary "eight" "wide" $scales)
  "overrunsWindow" (include "holograph.signals.window" (dict "context" $ "key" "overruns"))
  "runbook" .Values.alerts.runbook
  "links" (join "\n" $links) }}
{{- $page = replace (printf "<<%s>>" $name) (toString $text) $page }}
{{- end }}
{{- $page }}
{{- end }}
