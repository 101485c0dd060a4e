{{/*
Refuses values that would install and then not work. Each refusal is one sentence: the key, what is wrong
with it, what to write. What a single value may look like is the schema's business; here stand the things
that a schema cannot say, and durations, because everything else is computed from them.
*/}}
{{- define "holograph.validate" -}}
{{- include "holograph.validate.text" . }}
{{- include "holograph.validate.durations" . }}
{{- include "holograph.validate.signals" . }}
{{- include "holograph.validate.autoscaling" . }}
{{- include "holograph.validate.keda" . }}
{{- include "holograph.validate.takeBack" . }}
{{- include "holograph.validate.names" . }}
{{- include "holograph.validate.renderer" . }}
{{- include "holograph.validate.pods" . }}
{{- include "holograph.validate.servedNamespaces" . }}
{{- include "holograph.validate.pipeline" . }}
{{- include "holograph.validate.networkPolicy" . }}
{{- include "holograph.validate.queriers" . }}
{{- include "holograph.validate.extraObjects" . }}
{{- include "holograph.validate.access" . }}
{{- include "holograph.validate.scraping" . }}
{{- include "holograph.validate.existing" . }}
{{- include "holograph.validate.alerts" . }}
{{- end }}

{{- define "holograph.validate.durations" -}}
{{- $durations := dict
  "slo.window" .Values.slo.window
  "prometheus.scrapeInterval" .Values.prometheus.scrapeInterval
  "prometheus.reloadInterval" .Values.prometheus.reloadInterval
  "prometheus.retention.time" .Values.prometheus.retention.time
  "prometheusAdapter.relistInterval" .Values.prometheusAdapter.relistInterval
  "prometheusAdapter.maxAge" .Values.prometheusAdapter.maxAge
  "kubeStateMetrics.scrapeInterval" .Values.kubeStateMetrics.scrapeInterval
  "doctor.wait" .Values.doctor.wait }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $_ := set $durations (printf "signals.%s.window" $key) (get $.Values.signals $key).window }}
{{- end }}
{{- if .Values.alerts.enabled }}
{{- range $key := list "metricAbsent" "requestsRefused" "autoscalerUnseen" "autoscalerInactive" "autoscalerAtMaximum" "adapterUnavailable" "replicasMismatch" }}
{{- $_ := set $durations (printf "alerts.%s.for" $key) (get $.Values.alerts $key).for }}
{{- end }}
{{- $_ := set $durations "alerts.autoscalerFlapping.window" .Values.alerts.autoscalerFlapping.window }}
{{- range $pace, $burns := .Values.alerts.errorBudgetBurn }}
{{- range $index, $burn := $burns }}
{{- $_ := set $durations (printf "alerts.errorBudgetBurn.%s[%d].long" $pace $index) $burn.long }}
{{- $_ := set $durations (printf "alerts.errorBudgetBurn.%s[%d].short" $pace $index) $burn.short }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $value := $durations }}
{{- if le (include "holograph.milliseconds" $value | int64) 0 }}
{{- fail (printf "%s (%v) is not a duration above zero: write it like 15s, 2m or 1m30s." $key $value) }}
{{- end }}
{{- end }}
{{- if not (regexMatch "[1-9]" (toString .Values.frame.budget)) }}
{{- fail (printf "frame.budget (%v) leaves a frame no time at all: write the time that one frame may take, like 33ms." .Values.frame.budget) }}
{{- end }}
{{- $budget := include "holograph.goMilliseconds" .Values.frame.budget | float64 }}
{{- if or (lt $budget 1.0) (gt $budget 60000.0) }}
{{- fail (printf "frame.budget: must be from 1ms to 1m (got %v), because a renderer measures milliseconds, and a frame is asked for at most a minute before it is late: write the time that one frame may take, like 33ms." .Values.frame.budget) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.signals" -}}
{{- include "holograph.validate.words" . }}
{{- $labels := .Values.signals.labels }}
{{- if lt (list $labels.namespace $labels.pod $labels.container | uniq | len) 3 }}
{{- fail (printf "signals.labels gives one name to two labels (namespace: %s, pod: %s, container: %s): write three different names." $labels.namespace $labels.pod $labels.container) }}
{{- end }}
{{- range $key, $value := $labels }}
{{- if has $value $.Values.signals.scrapeLabels }}
{{- fail (printf "signals.labels.%s (%s) is also in signals.scrapeLabels, which are dropped before pods are told apart: remove it from one of them." $key $value) }}
{{- end }}
{{- end }}
{{- $demand := .Values.signals.demand }}
{{- if and $demand.enabled (eq $demand.name .Values.signals.overruns.name) }}
{{- fail (printf "signals.demand.name (%s) is also signals.overruns.name, and the adapter would serve one of the two in place of both: write another name, like holograph_demand." $demand.name) }}
{{- end }}
{{- if and $demand.enabled (eq $demand.capacityMetric $demand.offeredMetric) }}
{{- fail (printf "signals.demand.capacityMetric (%s) is also signals.demand.offeredMetric, and a metric over itself says nothing: write the gauge of what the pod can do." $demand.capacityMetric) }}
{{- end }}
{{- if eq .Values.signals.frames.name .Values.signals.overruns.name }}
{{- fail (printf "signals.frames.name (%s) is also signals.overruns.name, so that every frame would count as late: write the counter of all frames." .Values.signals.frames.name) }}
{{- end }}
{{- range .Values.signals.otherMetrics }}
{{- if regexMatch "^(kube|scrape|ALERTS)(_|$)" . }}
{{- fail (printf "signals.otherMetrics: must be without kube, scrape and ALERTS (got %s), because a renderer could say as these what only kube-state-metrics and Prometheus are to say." .) }}
{{- end }}
{{- end }}
{{- if has .Values.signals.refused.name (list .Values.signals.frames.name .Values.signals.overruns.name) }}
{{- fail (printf "signals.refused.name (%s) is also a counter of frames, so that every frame would count as a refused request: write the counter of refused requests, or nothing where there is none." .Values.signals.refused.name) }}
{{- end }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- include "holograph.validate.signal" (dict "context" $ "key" $key) }}
{{- end }}
{{- end }}

{{/*
Names that PromQL, whatever their case, takes for something else where the chart's queries have them.
*/}}
{{- define "holograph.validate.words" -}}
{{- $signals := .Values.signals }}
{{- $names := dict
  "frames.name" $signals.frames.name
  "overruns.name" $signals.overruns.name
  "demand.offeredMetric" $signals.demand.offeredMetric
  "demand.capacityMetric" $signals.demand.capacityMetric }}
{{- range $key, $name := $signals.labels }}
{{- $_ := set $names (printf "labels.%s" $key) $name }}
{{- end }}
{{- range $index, $name := $signals.scrapeLabels }}
{{- $_ := set $names (printf "scrapeLabels[%d]" $index) $name }}
{{- end }}
{{- range $key, $name := $names }}
{{- if has (lower $name) (list "atan2" "bool" "group_left" "group_right" "ignoring" "inf" "nan" "on" "without") }}
{{- fail (printf "signals.%s: must be a name that PromQL takes for one (got %s), because that is a word of its own, and no query with it could be read: write another." $key $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Target and window of one signal. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.validate.signal" -}}
{{- $signal := get .context.Values.signals .key }}
{{- $prometheus := .context.Values.prometheus }}
{{- $wanted := get (dict
  "overruns" "late frames per second and pod, like \"0.1\""
  "demand" "the part of a pod's capacity to use, like \"0.75\"") .key }}
{{- $target := toString $signal.target }}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $target | float64 }}
{{- $unit := regexFind "[a-z]*$" $target }}
{{- $thousandths := 0.0 }}
{{- if regexMatch "^[0-9]+([.][0-9]+)?(m|k)?$" $target }}
{{- $thousandths = mulf $number (get (dict "m" 1.0 "" 1000.0 "k" 1000000.0) $unit) }}
{{- end }}
{{- if lt $thousandths 1.0 }}
{{- fail (printf "signals.%s.target (%s) is not a quantity of at least 1m, the smallest value that the custom metrics API carries: write %s." .key $target $wanted) }}
{{- end }}
{{- if and (eq .key "demand") (gt $thousandths 1000.0) }}
{{- fail (printf "signals.demand.target (%s) is above 1, which is a full pod, so that frames would be late before a pod is added: write %s." $target $wanted) }}
{{- end }}
{{- $most := float64 .context.Values.signals.frames.maxRate }}
{{- if and (eq .key "overruns") (gt $thousandths (mulf $most 1000)) }}
{{- fail (printf "signals.overruns.target: must be at most signals.frames.maxRate, which is %v (got %s), because a pod with more late frames does not count, and none would ever be added." $most $target) }}
{{- end }}
{{- $window := include "holograph.milliseconds" $signal.window | int64 }}
{{- $scrape := include "holograph.milliseconds" $prometheus.scrapeInterval | int64 }}
{{- if lt $window (mul 4 $scrape) }}
{{- fail (printf "signals.%s.window (%s) is shorter than 4 times prometheus.scrapeInterval (%s), so lost scrapes would leave pods without a value: write %s or more, or scrape more often." .key $signal.window $prometheus.scrapeInterval (include "holograph.duration" (mul 4 $scrape))) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.autoscaling" -}}
{{- with .Values.autoscaling }}
{{- if and (include "holograph.scope.autoscaled" $) (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "autoscaling.minReplicas (%v) is above autoscaling.maxReplicas (%v): write a minimum that is at most the maximum." .minReplicas .maxReplicas) }}
{{- end }}
{{- end }}
{{- range $direction, $rules := default dict .Values.autoscaling.behavior }}
{{- $tolerance := (default dict $rules).tolerance }}
{{- if and (not (kindIs "invalid" $tolerance)) (semverCompare "<1.35.0-0" $.Capabilities.KubeVersion.Version) }}
{{- fail (printf "autoscaling.behavior.%s.tolerance (%v) is a field of Kubernetes 1.35 and later, and this cluster is %s: remove it." $direction $tolerance $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.keda" -}}
{{- $keda := .Values.keda }}
{{- if $keda.enabled }}
{{- if .Values.autoscaling.enabled }}
{{- fail "keda.enabled and autoscaling.enabled are both true, and two autoscalers of one Deployment undo each other's decisions: write autoscaling.enabled: false; its minReplicas, maxReplicas and behavior hold for KEDA too." }}
{{- end }}
{{- if .Values.prometheusAdapter.enabled }}
{{- fail "prometheusAdapter.enabled is true with keda.enabled, and nothing would ask that adapter, as KEDA asks Prometheus itself: write prometheusAdapter.enabled: false." }}
{{- end }}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- if and $access.ca (not (include "holograph.keda.authModes" .)) }}
{{- fail "prometheus.tls names an authority and prometheus.auth no credentials, and KEDA looks at an authority only beside credentials: write prometheus.auth or prometheus.tls.clientSecret, or give the authority to KEDA's operator and leave it out here." }}
{{- end }}
{{- range $name, $value := $access.headers }}
{{- if or (contains "," $value) (contains "=" $value) }}
{{- fail (printf "prometheus.headers.%s: must be a value without , and = (got one with them), because KEDA reads the end of a header or of its name there: write one without them." $name) }}
{{- end }}
{{- end }}
{{- if gt (len $access.headersFrom) 1 }}
{{- fail (printf "prometheus.headersFrom: must be one header where KEDA asks Prometheus (got %s), because its scaler takes one from a Secret: leave one." (keys $access.headersFrom | sortAlpha | join ", ")) }}
{{- end }}
{{- if and $access.headersFrom (or $access.bearerToken $access.basicAuth) }}
{{- fail (printf "prometheus.headersFrom: must be empty beside prometheus.auth where KEDA asks Prometheus (got %s), because its scaler sends a login or a header from a Secret, and not both: leave one of them." (keys $access.headersFrom | sortAlpha | join ", ")) }}
{{- end }}
{{- $replicas := int $keda.fallback.replicas }}
{{- if or (lt $replicas (int .Values.autoscaling.minReplicas)) (gt $replicas (int .Values.autoscaling.maxReplicas)) }}
{{- fail (printf "keda.fallback.replicas (%d) is not between autoscaling.minReplicas (%v) and autoscaling.maxReplicas (%v), so that KEDA could not scale to it: write a number between them." $replicas .Values.autoscaling.minReplicas .Values.autoscaling.maxReplicas) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.renderer" -}}
{{- $renderer := .Values.renderer }}
{{- $set := dict "HOLOGRAPH_FRAME_BUDGET" "frame.budget" "HOLOGRAPH_GRACE_PERIOD" "renderer.terminationGracePeriodSeconds" "HOLOGRAPH_LISTEN_ADDRESS" "renderer.port" }}
{{- range $renderer.env }}
{{- $name := toString .name }}
{{- with get $set $name }}
{{- fail (printf "renderer.env sets %s, which the chart sets already: write %s instead." $name .) }}
{{- end }}
{{- end }}
{{- include "holograph.validate.drain" . }}
{{- $budget := $renderer.podDisruptionBudget }}
{{- if $budget.enabled }}
{{- $hasMin := not (kindIs "invalid" $budget.minAvailable) }}
{{- $hasMax := not (kindIs "invalid" $budget.maxUnavailable) }}
{{- if eq $hasMin $hasMax }}
{{- fail (printf "renderer.podDisruptionBudget has %s maxUnavailable and minAvailable, and Kubernetes takes one: set the other to null." (ternary "both" "neither of" $hasMin)) }}
{{- end }}
{{- $scaled := include "holograph.scope.autoscaled" . | eq "true" }}
{{- $key := ternary "autoscaling.minReplicas" "renderer.replicaCount" $scaled }}
{{- $pods := ternary .Values.autoscaling.minReplicas $renderer.replicaCount $scaled | int }}
{{- if and $hasMax (regexMatch "^0+%?$" (toString $budget.maxUnavailable)) }}
{{- fail (printf "renderer.podDisruptionBudget.maxUnavailable (%v) forbids every eviction, so that no node could ever be drained: write 1 or more." $budget.maxUnavailable) }}
{{- end }}
{{- if $hasMin }}
{{- $percent := hasSuffix "%" (toString $budget.minAvailable) }}
{{- $number := trimSuffix "%" (toString $budget.minAvailable) | int }}
{{- /* Kubernetes rounds a percentage of pods up. */}}
{{- $kept := ternary (div (add (mul $number $pods) 99) 100) $number $percent | int }}
{{- if and (gt $pods 0) (ge $kept $pods) }}
{{- fail (printf "renderer.podDisruptionBudget.minAvailable (%v) keeps all of the %d pods of %s, so that no node could ever be drained: use maxUnavailable: 1, or keep fewer." $budget.minAvailable $pods $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A pod that is told to leave sleeps, then drains, then answers the frames in flight. How long the reference renderer
drains is known, and how long another does where HOLOGRAPH_DRAIN_DELAY or --drain-delay says so.
*/}}
{{- define "holograph.validate.drain" -}}
{{- $renderer := .Values.renderer }}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 (default dict $renderer.lifecycle) | int }}
{{- $reference := eq (base $renderer.image.repository) "holograph-renderer" }}
{{- $drain := ternary "5s" "0s" $reference }}
{{- $from := ternary "the reference renderer's own drain" "the renderer's own drain" $reference }}
{{- range $renderer.env }}
{{- if eq (toString .name) "HOLOGRAPH_DRAIN_DELAY" }}
{{- $drain = ternary (default "" .value) "0s" (hasKey . "value") }}
{{- $from = "HOLOGRAPH_DRAIN_DELAY" }}
{{- end }}
{{- end }}
{{- $flag := "" }}
{{- range $renderer.args }}
{{- if or (eq $flag "--drain-delay") (eq $flag "-drain-delay") (regexMatch "^--?drain-delay=" .) }}
{{- $drain = regexReplaceAll "^--?drain-delay=" . "" }}
{{- $from = "--drain-delay" }}
{{- end }}
{{- $flag = . }}
{{- end }}
{{- if not (or (eq $drain "0") (regexMatch (include "holograph.goDurationPattern" .) $drain)) }}
{{- fail (printf "renderer.%s: must set %s to a duration (got %q), because the renderer does not start with anything else: write it like 5s." (hasPrefix "--" $from | ternary "args" "env") $from $drain) }}
{{- end }}
{{- $needed := addf (mulf $sleep 1000) (include "holograph.goMilliseconds" $drain | float64) (include "holograph.goMilliseconds" .Values.frame.budget | float64) }}
{{- if and (or $sleep (ne $drain "0s")) (lt (mulf $renderer.terminationGracePeriodSeconds 1000) $needed) }}
{{- fail (printf "renderer.terminationGracePeriodSeconds: must be %v or more (got %v), because renderer.lifecycle.preStop.sleep.seconds (%d), %s (%s) and a last frame (%s) come before it is over, and frames in flight would be lost." (divf $needed 1000 | ceil) $renderer.terminationGracePeriodSeconds $sleep $from $drain .Values.frame.budget) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.servedNamespaces" -}}
{{- with .Values.servedNamespaces }}
{{- if has (include "holograph.namespace" $) . }}
{{- fail (printf "servedNamespaces lists %s, which is this release's own namespace and served without that: remove it." (include "holograph.namespace" $)) }}
{{- end }}
{{- if not (or $.Values.prometheus.enabled $.Values.prometheusAdapter.enabled $.Values.kubeStateMetrics.enabled) }}
{{- fail (printf "servedNamespaces (%s) are to use this release's Prometheus, adapter and kube-state-metrics, and all three are off: enable one of them, or write servedNamespaces: []." (join ", " .)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.access" -}}
{{- $prometheus := .Values.prometheus }}
{{- $tls := $prometheus.tls }}
{{- $token := $prometheus.auth.bearerToken.existingSecret }}
{{- $login := $prometheus.auth.basicAuth.existingSecret }}
{{- $secured := dict
  "prometheus.tls.ca" $tls.ca
  "prometheus.tls.caSecret.name" $tls.caSecret.name
  "prometheus.tls.clientSecret" $tls.clientSecret
  "prometheus.auth.bearerToken.existingSecret" $token
  "prometheus.headersFrom" $prometheus.headersFrom }}
{{- range $key, $value := merge (dict "prometheus.headers" $prometheus.headers) $secured }}
{{- if and $value $prometheus.enabled }}
{{- fail (printf "%s is for a Prometheus of your own, and prometheus.enabled is true: set prometheus.enabled to false and write prometheus.url, or leave it empty." $key) }}
{{- end }}
{{- end }}
{{- /* The embedded Prometheus of another release takes its login in plain text, from pods of the same cluster. */}}
{{- if not (or $prometheus.enabled (regexMatch "^http://[-a-z0-9]+[.][-a-z0-9]+[.]svc([.]cluster[.]local)?(:[0-9]+)?/?$" $prometheus.url)) }}
{{- $_ := set $secured "prometheus.auth.basicAuth.existingSecret" $login }}
{{- end }}
{{- range $key, $value := $secured }}
{{- if and $value (not (hasPrefix "https://" $prometheus.url)) }}
{{- fail (printf "%s is set, and prometheus.url (%s) is not encrypted, so that what it protects could be read on the way: write a URL that begins with https://." $key $prometheus.url) }}
{{- end }}
{{- end }}
{{- if and $tls.ca $tls.caSecret.name }}
{{- fail (printf "prometheus.tls.ca and prometheus.tls.caSecret.name (%s) both name the authority of one Prometheus: leave one of them empty." $tls.caSecret.name) }}
{{- end }}
{{- if and $token $login }}
{{- fail (printf "prometheus.auth has a bearer token (%s) and basic authentication (%s), and a request carries one of the two: leave one of them empty." $token $login) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.scraping" -}}
{{- if and .Values.podMonitor.enabled .Values.scrapeAnnotations.enabled }}
{{- fail "podMonitor.enabled and scrapeAnnotations.enabled are both true, and a Prometheus that follows both scrapes each renderer twice: set one of them to false." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.existing" -}}
{{- $existing := .Values.prometheusAdapter.existing }}
{{- if and .Values.prometheusAdapter.enabled $existing.namespace }}
{{- fail (printf "prometheusAdapter.existing.namespace (%s) is that of an adapter of your own, and prometheusAdapter.enabled is true: set prometheusAdapter.enabled to false, or leave the namespace empty." $existing.namespace) }}
{{- end }}
{{- if and (not $existing.namespace) (or $existing.configMap $existing.extraRules) }}
{{- fail (printf "prometheusAdapter.existing.%s is set, and prometheusAdapter.existing.namespace is empty, so that it is written nowhere: write the namespace of your adapter." (ternary "configMap" "extraRules" (ne $existing.configMap ""))) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.pipeline" -}}
{{- $prometheus := .Values.prometheus }}
{{- $adapter := .Values.prometheusAdapter }}
{{- $certificate := $adapter.certificate }}
{{- $scrape := include "holograph.milliseconds" $prometheus.scrapeInterval | int64 }}
{{- $relist := include "holograph.milliseconds" $adapter.relistInterval | int64 }}
{{- $maxAge := include "holograph.milliseconds" $adapter.maxAge | int64 }}
{{- if and $prometheus.enabled $prometheus.url }}
{{- fail (printf "prometheus.url (%s) is not asked while prometheus.enabled is true: set prometheus.enabled to false, or leave the URL empty." $prometheus.url) }}
{{- end }}
{{- if and $prometheus.enabled (not (regexMatch "^[1-9][0-9]*[KMGT]B$" $prometheus.retention.size)) }}
{{- fail (printf "prometheus.retention.size (%s) is not a size: write a whole number of KB, MB, GB or TB, like 512MB." $prometheus.retention.size) }}
{{- end }}
{{- range $key := list "prometheus" "kubeStateMetrics" }}
{{- $interval := (get $.Values $key).scrapeInterval }}
{{- if gt (include "holograph.milliseconds" $interval | int64) 150000 }}
{{- fail (printf "%s.scrapeInterval (%s) is longer than 2m30s, and Prometheus forgets a sample after 5m, so that one lost scrape would leave it without any: write 2m30s or less." $key $interval) }}
{{- end }}
{{- end }}
{{- if $adapter.enabled }}
{{- if $adapter.apiService.ownerCheck }}
{{- include "holograph.prometheusAdapter.refuseOtherOwner" . }}
{{- end }}
{{- if not (or $prometheus.enabled $prometheus.url) }}
{{- fail "prometheus.url is empty and prometheus.enabled is false, so the adapter has no Prometheus to ask: write your Prometheus' URL, like http://prometheus.monitoring.svc:9090." }}
{{- end }}
{{- if lt $relist $scrape }}
{{- fail (printf "prometheusAdapter.relistInterval (%s) is shorter than prometheus.scrapeInterval (%s), and nothing new can be found between two scrapes: write %s or more." $adapter.relistInterval $prometheus.scrapeInterval $prometheus.scrapeInterval) }}
{{- end }}
{{- if lt $maxAge $relist }}
{{- fail (printf "prometheusAdapter.maxAge (%s) is shorter than prometheusAdapter.relistInterval (%s), with which the adapter does not start: write %s or more." $adapter.maxAge $adapter.relistInterval $adapter.relistInterval) }}
{{- end }}
{{- if lt $maxAge (mul 2 $scrape) }}
{{- fail (printf "prometheusAdapter.maxAge (%s) is shorter than twice prometheus.scrapeInterval (%s), so one lost scrape would make the metric disappear: write %s or more." $adapter.maxAge $prometheus.scrapeInterval (include "holograph.duration" (mul 2 $scrape))) }}
{{- end }}
{{- if and $certificate.existingSecret (not $certificate.caBundle) }}
{{- fail (printf "prometheusAdapter.certificate.caBundle holds no certificate, so the API server could not verify the one in existingSecret (%s): write the PEM of the authority that signed it." $certificate.existingSecret) }}
{{- end }}
{{- if and $certificate.caBundle (not $certificate.existingSecret) }}
{{- fail "prometheusAdapter.certificate.caBundle verifies a certificate of your own, and none is named: write prometheusAdapter.certificate.existingSecret, or leave caBundle empty." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.alerts" -}}
{{- if and .Values.dashboard.enabled (not .Values.prometheus.enabled) (not .Values.prometheusRule.enabled) }}
{{- fail "dashboard.enabled shows what the recording rules record, and no Prometheus is given them: set prometheusRule.enabled to true, or dashboard.enabled to false." }}
{{- end }}
{{- if .Values.alerts.enabled }}
{{- range $pace, $burns := .Values.alerts.errorBudgetBurn }}
{{- range $index, $burn := $burns }}
{{- $key := printf "alerts.errorBudgetBurn.%s[%d]" $pace $index }}
{{- $long := include "holograph.milliseconds" $burn.long | int64 }}
{{- if ge (include "holograph.milliseconds" $burn.short | int64) $long }}
{{- fail (printf "%s.short (%s) is not shorter than its long (%s), so that the alert would outlast what it tells of: write a twelfth of it, as 5m is of 1h." $key $burn.short $burn.long) }}
{{- end }}
{{- if gt $long (include "holograph.milliseconds" $.Values.slo.window | int64) }}
{{- fail (printf "%s.long (%s) is longer than slo.window (%s), over which the budget is judged: write a shorter time." $key $burn.long $.Values.slo.window) }}
{{- end }}
{{- if and $.Values.prometheus.enabled (gt $long (include "holograph.milliseconds" $.Values.prometheus.retention.time | int64)) }}
{{- fail (printf "%s.long (%s) is longer than prometheus.retention.time (%s), so that nobody would remember it: keep more history, or write a shorter time." $key $burn.long $.Values.prometheus.retention.time) }}
{{- end }}
{{- $most := divf (mulf 100 $long) (include "holograph.milliseconds" $.Values.slo.window | int64) (include "holograph.slo.budget" $) }}
{{- if ge (float64 $burn.percent) $most }}
{{- fail (printf "%s.percent (%v) of the budget of slo.objective (%v) cannot be spent within %s, even if every frame is late: write less than %v." $key $burn.percent $.Values.slo.objective $burn.long (round $most 1)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The way back from KEDA: its HorizontalPodAutoscaler has the name of the chart's own, so that KEDA can take that one
over, and Kubernetes removes it with the ScaledObject, after Helm has found it in place.
*/}}
{{- define "holograph.validate.takeBack" -}}
{{- if .Values.autoscaling.enabled }}
{{- $namespace := include "holograph.namespace" . }}
{{- $name := include "holograph.renderer.name" . }}
{{- range dig "metadata" "ownerReferences" list (default dict (lookup "autoscaling/v2" "HorizontalPodAutoscaler" $namespace $name)) }}
{{- if eq .kind "ScaledObject" }}
{{- fail (printf "autoscaling.enabled is true, and HorizontalPodAutoscaler %s/%s belongs to ScaledObject %s and would go with it: run kubectl --namespace %s delete scaledobject %s before this, which leaves the pods as they are, or write keda.enabled: true and autoscaling.enabled: false." $namespace $name .name $namespace .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.names" -}}
{{- $name := include "holograph.fullname" . }}
{{- if not (regexMatch "^[a-z]" $name) }}
{{- fail (printf "The release's name makes objects named %s-*, and the name of a Service begins with a letter: write fullnameOverride, like holograph." $name) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.networkPolicy" -}}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled (not $policy.scrapers) (not .Values.prometheus.enabled) (or $policy.clients .Values.kubeStateMetrics.enabled) }}
{{- fail (printf "networkPolicy.scrapers is empty and prometheus.enabled is false, so that no Prometheus could scrape %s: write the peers that your Prometheus is." (ternary "the renderers" "kube-state-metrics" (gt (len $policy.clients) 0))) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.queriers" -}}
{{- $policy := .Values.networkPolicy }}
{{- $adapter := .Values.prometheusAdapter }}
{{- if and $policy.enabled (not $policy.queriers) .Values.prometheus.enabled (not $adapter.enabled) (or .Values.keda.enabled .Values.autoscaling.enabled) }}
{{- fail (printf "networkPolicy.queriers: must name %s (got none), because the embedded Prometheus lets only this release's pods in, and nothing would scale: write its pods as a peer, like {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}." (ternary "KEDA's operator" "the adapter that asks Prometheus" .Values.keda.enabled) (ternary "keda" (default "monitoring" $adapter.existing.namespace) .Values.keda.enabled)) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.extraObjects" -}}
{{- range $index, $object := .Values.extraObjects }}
{{- range regexSplit "(?m)^---$" (include "holograph.extraObject" (dict "context" $ "object" $object)) -1 }}
{{- $parsed := fromYaml . }}
{{- if $parsed.Error }}
{{- fail (printf "extraObjects[%d] is not YAML once its templates are expanded (%s): mend it, or indent with nindent." $index $parsed.Error) }}
{{- end }}
{{- if and $parsed (not (and $parsed.apiVersion $parsed.kind (default dict $parsed.metadata).name)) }}
{{- fail (printf "extraObjects[%d] is not a whole object once its templates are expanded: write apiVersion, kind and metadata.name." $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
