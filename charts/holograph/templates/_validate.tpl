{{/*
Refuses values that would install and then not work. Each refusal is one sentence: the key, what it must be, what it
is, why, and what to write. The schema checks keys, types and ranges of numbers, and files/forms.yaml has the forms of
single texts. These templates check what neither can express, and durations, because the other checks compute with them.

A check writes its refusals as lines. The first of each key is shown, so that one run of Helm is enough to fix all keys.
Texts and durations are refused before everything else, because the other checks read them.
*/}}
{{- define "holograph.validate" -}}
{{- include "holograph.validate.stage" (dict "context" . "checks" (list "characters" "forms")) }}
{{- include "holograph.validate.stage" (dict "context" . "checks" (list "text" "receivers" "durations")) }}
{{- include "holograph.validate.stage" (dict "context" . "checks" (list "signals" "sources" "autoscaling" "scaling" "deletionCost" "keda" "takeBack" "names" "target" "renderer" "pods" "warmCapacity" "servedNamespaces" "pipeline" "networkPolicy" "queriers" "extraObjects" "access" "scraping" "existing" "alerts" "alerting" "cluster")) }}
{{- end }}

{{/*
Takes dict "context" $ "checks" the names of templates below holograph.validate.
*/}}
{{- define "holograph.validate.stage" -}}
{{- $refusals := list }}
{{- $keys := list }}
{{- range .checks }}
{{- range include (printf "holograph.validate.%s" .) $.context | trim | splitList "\n" | compact }}
{{- $key := splitList ": " . | first }}
{{- if not (has $key $keys) }}
{{- $refusals = append $refusals . }}
{{- $keys = append $keys $key }}
{{- end }}
{{- end }}
{{- end }}
{{- with $refusals }}
{{- fail (join "\n" .) }}
{{- end }}
{{- end }}

{{/*
One refusal. Takes the sentence.
*/}}
{{- define "holograph.refuse" -}}
{{ . | replace "\n" " " }}{{ "\n" }}
{{- end }}

{{- define "holograph.validate.durations" -}}
{{- $durations := dict
  "slo.window" .Values.slo.window
  "prometheus.scrapeInterval" .Values.prometheus.scrapeInterval
  "prometheus.reloadInterval" .Values.prometheus.reloadInterval
  "prometheus.retention.time" .Values.prometheus.retention.time
  "prometheusAdapter.relistInterval" (include "holograph.prometheusAdapter.relistInterval" .)
  "prometheusAdapter.maxAge" (include "holograph.prometheusAdapter.maxAge" .)
  "autoscaling.podStart" .Values.autoscaling.podStart
  "kubeStateMetrics.scrapeInterval" .Values.kubeStateMetrics.scrapeInterval
  "doctor.wait" (include "holograph.doctor.wait" .) }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $_ := set $durations (printf "signals.%s.window" $key) (include "holograph.signals.window" (dict "context" $ "key" $key)) }}
{{- end }}
{{- if .Values.alerts.enabled }}
{{- range $key, $alert := omit .Values.alerts "labels" }}
{{- if and (kindIs "map" $alert) (hasKey $alert "for") }}
{{- $_ := set $durations (printf "alerts.%s.for" $key) $alert.for }}
{{- end }}
{{- end }}
{{- range $key, $time := include "holograph.alerts.times" . | fromYaml }}
{{- $_ := set $durations (printf "alerts.%s" $key) $time }}
{{- end }}
{{- range $pace, $burns := .Values.alerts.errorBudgetBurn }}
{{- range $index, $burn := default list $burns }}
{{- $_ := set $durations (printf "alerts.errorBudgetBurn.%s[%d].long" $pace $index) $burn.long }}
{{- $_ := set $durations (printf "alerts.errorBudgetBurn.%s[%d].short" $pace $index) $burn.short }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $value := $durations }}
{{- if le (include "holograph.milliseconds" $value | int64) 0 }}
{{- include "holograph.refuse" (printf "%s: must be a duration above zero (got %v), because nothing is measured or kept within no time: write it like 15s, 2m or 1m30s." $key $value) }}
{{- end }}
{{- end }}
{{- if not (regexMatch "[1-9]" (toString .Values.frame.budget)) }}
{{- include "holograph.refuse" (printf "frame.budget: must be above zero (got %v), because every frame would be late: write the time that one frame may take, like 33ms." .Values.frame.budget) }}
{{- end }}
{{- $budget := include "holograph.goMilliseconds" .Values.frame.budget | float64 }}
{{- if or (lt $budget 1.0) (gt $budget 60000.0) }}
{{- include "holograph.refuse" (printf "frame.budget: must be from 1ms to 1m (got %v), because a renderer measures milliseconds and accepts a frame at most a minute before it is late: write the time that one frame may take, like 33ms." .Values.frame.budget) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.signals" -}}
{{- include "holograph.validate.words" . }}
{{- $labels := .Values.signals.labels }}
{{- $used := list $labels.namespace $labels.pod $labels.container | compact }}
{{- if lt (uniq $used | len) (len $used) }}
{{- include "holograph.refuse" (printf "signals.labels: must be different names (got namespace: %s, pod: %s, container: %s), because a label holds one value: rename the label that is there twice." $labels.namespace $labels.pod $labels.container) }}
{{- end }}
{{- range $key, $value := $labels }}
{{- if has $value $.Values.signals.scrapeLabels }}
{{- include "holograph.refuse" (printf "signals.labels.%s: must not be in signals.scrapeLabels (got %s), because the queries drop those before they tell pods apart: remove it from one of them." $key $value) }}
{{- end }}
{{- end }}
{{- $shown := .Values.kubeStateMetrics }}
{{- if and (ne $shown.namespaceLabel "namespace") (or .Values.prometheus.enabled (and $shown.enabled .Values.podMonitor.enabled)) }}
{{- include "holograph.refuse" (printf "kubeStateMetrics.namespaceLabel: must be namespace where the chart configures the scrape of kube-state-metrics, with prometheus.enabled or podMonitor.enabled (got %s), because that scrape keeps the label: write namespace." $shown.namespaceLabel) }}
{{- end }}
{{- $demand := .Values.signals.demand }}
{{- if and $demand.enabled (eq $demand.name .Values.signals.overruns.name) }}
{{- include "holograph.refuse" (printf "signals.demand.name: must differ from signals.overruns.name (got %s for both), because the adapter would serve only one of the two signals: write another name, like holograph_demand." $demand.name) }}
{{- end }}
{{- if and (gt (float64 .Values.autoscaling.headroom) 0.0) (not $demand.enabled) }}
{{- include "holograph.refuse" (printf "autoscaling.headroom: must be 0 where signals.demand.enabled is false (got %v), because late frames do not say how many pods a load needs: write 0, or set signals.demand.enabled to true." .Values.autoscaling.headroom) }}
{{- end }}
{{- if and (gt (float64 .Values.autoscaling.headroom) 0.0) (include "holograph.autoscaling.hpa" .) (ne "true" (include "holograph.signals.isTotal" (dict "context" $ "key" "demand"))) }}
{{- include "holograph.refuse" (printf "autoscaling.headroom: must be 0 where signals.demand.metricType is Pods (got %v), because the autoscaler then uses the mean of the pods, to which no pods can be added: write 0%s." .Values.autoscaling.headroom (ternary ", or signals.demand.metricType: Object" "" (eq .Values.autoscaling.target.kind "Deployment"))) }}
{{- end }}
{{- range .Values.signals.otherMetrics }}
{{- if regexMatch "^(kube|scrape|ALERTS)(_|$)" . }}
{{- include "holograph.refuse" (printf "signals.otherMetrics: must not have kube, scrape or ALERTS (got %s), because a renderer could then export metrics under the names of kube-state-metrics and Prometheus: remove it." .) }}
{{- end }}
{{- end }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- include "holograph.validate.signal" (dict "context" $ "key" $key) }}
{{- end }}
{{- end }}

{{/*
Names that PromQL reserves, in upper or lower case, at the places where the chart's queries use them.
*/}}
{{- define "holograph.validate.words" -}}
{{- $signals := .Values.signals }}
{{- $names := include "holograph.signals.seriesNames" . | fromJson }}
{{- if eq $signals.overruns.histogram.type "classic" }}
{{- /* The series have endings behind that name. */}}
{{- $names = omit $names "overruns.histogram.metric" }}
{{- end }}
{{- range $name, $value := $signals.matchers }}
{{- $_ := set $names (printf "matchers.%s" $name) $name }}
{{- end }}
{{- range $key, $name := $signals.labels }}
{{- $_ := set $names (printf "labels.%s" $key) $name }}
{{- end }}
{{- range $index, $name := $signals.scrapeLabels }}
{{- $_ := set $names (printf "scrapeLabels[%d]" $index) $name }}
{{- end }}
{{- range $key, $name := $names }}
{{- if has (lower $name) (list "atan2" "bool" "group_left" "group_right" "ignoring" "inf" "nan" "on" "without") }}
{{- include "holograph.refuse" (printf "signals.%s: must not be a word that PromQL reserves (got %s), because Prometheus could not parse the queries that use it: write another name." $key $name) }}
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
{{- $thousandths := 0.0 }}
{{- if regexMatch "^[0-9]+([.][0-9]+)?(m|k)?$" $target }}
{{- $thousandths = mulf 1000 (include "holograph.quantity" $target | float64) }}
{{- end }}
{{- if lt $thousandths 1.0 }}
{{- include "holograph.refuse" (printf "signals.%s.target: must be a quantity of at least 1m (got %s), because the custom metrics API carries no smaller value: write %s." .key $target $wanted) }}
{{- end }}
{{- if and (eq .key "demand") (gt $thousandths 1000.0) }}
{{- include "holograph.refuse" (printf "signals.demand.target: must be at most 1, which is a full pod (got %s), because frames would be late before a pod is added: write %s." $target $wanted) }}
{{- end }}
{{- $most := float64 .context.Values.signals.frames.maxRate }}
{{- if and (eq .key "overruns") (gt $thousandths (mulf $most 1000)) }}
{{- include "holograph.refuse" (printf "signals.overruns.target: must be at most signals.frames.maxRate, which is %v (got %s), because the chart drops a value above that, and no pod would ever be added: write a lower target." $most $target) }}
{{- end }}
{{- $ratio := $signal.maxRatio }}
{{- $least := include "holograph.autoscaling.threshold" .context | float64 }}
{{- if and (not (kindIs "invalid" $ratio)) (le (float64 $ratio) $least) }}
{{- include "holograph.refuse" (printf "signals.%s.maxRatio: must be more than %v, which is 1 and the tolerance of scaleUp (got %v), because the autoscaler would never add a pod for late frames: write 3.5, or null for no limit." .key $least $ratio) }}
{{- end }}
{{- $text := include "holograph.signals.window" . }}
{{- $window := include "holograph.milliseconds" $text | int64 }}
{{- $scrape := include "holograph.milliseconds" $prometheus.scrapeInterval | int64 }}
{{- if lt $window (mul 4 $scrape) }}
{{- include "holograph.refuse" (printf "signals.%s.window: must be at least 4 times prometheus.scrapeInterval (got %s, with an interval of %s), because one lost scrape would leave pods without a value: write %s or more, leave it empty, or scrape more often." .key $text $prometheus.scrapeInterval (include "holograph.duration" (mul 4 $scrape))) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.autoscaling" -}}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- include "holograph.refuse" (printf "autoscaling.minReplicas: must be at most autoscaling.maxReplicas (got %v, with a maximum of %v), because Kubernetes takes no such autoscaler: lower the minimum or raise the maximum." .minReplicas .maxReplicas) }}
{{- end }}
{{- end }}
{{- range $direction, $rules := default dict .Values.autoscaling.behavior }}
{{- $tolerance := (default dict $rules).tolerance }}
{{- if and (not (kindIs "invalid" $tolerance)) (semverCompare "<1.35.0-0" $.Capabilities.KubeVersion.Version) }}
{{- include "holograph.refuse" (printf "autoscaling.behavior.%s.tolerance: must not be set before Kubernetes 1.35 (got %v), because this cluster is %s, which does not have the field: remove it." $direction $tolerance $.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.keda" -}}
{{- $keda := .Values.keda }}
{{- if include "holograph.autoscaling.keda" . }}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- if and $access.ca (not (include "holograph.keda.authModes" .)) (not (and $keda.authenticationRef.name (hasKey $keda.metadata "authModes"))) }}
{{- include "holograph.refuse" "prometheus.tls: must not have a CA without credentials where KEDA queries Prometheus (got a CA alone), because KEDA uses a CA only together with credentials: write prometheus.auth or prometheus.tls.clientSecret, or a TriggerAuthentication with the CA and credentials in keda.authenticationRef.name, and their kind in keda.metadata.authModes." }}
{{- end }}
{{- range $name, $value := $access.headers }}
{{- if or (contains "," $value) (contains "=" $value) }}
{{- include "holograph.refuse" (printf "prometheus.headers.%s: must be a value without , and = (got one with them), because KEDA splits headers at them: write a value without them." $name) }}
{{- end }}
{{- end }}
{{- $modes := include "holograph.keda.authModes" . }}
{{- with .Values.keda.authenticationRef.name }}
{{- if $.Values.prometheus.enabled }}
{{- include "holograph.refuse" (printf "keda.authenticationRef.name: must be empty where prometheus.enabled is true (got %s), because KEDA must show the embedded Prometheus its login, which the chart hands to KEDA: remove it." .) }}
{{- else if $modes }}
{{- include "holograph.refuse" (printf "keda.authenticationRef.name: must be empty with credentials in prometheus.auth, prometheus.tls.clientSecret or prometheus.headersFrom (got %s), because a trigger names only one authentication: remove one of the two." .) }}
{{- end }}
{{- end }}
{{- range $name := keys .Values.keda.metadata | sortAlpha }}
{{- $key := get (dict "serverAddress" "prometheus.url" "query" "signals" "threshold" "target of the signal" "customHeaders" "prometheus.headers") $name }}
{{- if $key }}
{{- include "holograph.refuse" (printf "keda.metadata.%s: must not be set (got a value), because the chart writes it itself: write %s." $name $key) }}
{{- else if and (eq $name "unsafeSsl") (ne (get $.Values.keda.metadata $name | toString) "false") }}
{{- include "holograph.refuse" "keda.metadata.unsafeSsl: must be false (got another value), because anyone on the way could pose as Prometheus, and so set the number of pods: remove it, and for a private CA write prometheus.tls together with credentials in prometheus.auth, or a TriggerAuthentication with the CA and credentials in keda.authenticationRef.name, and their kind in keda.metadata.authModes." }}
{{- else if eq $name "ignoreNullValues" }}
{{- include "holograph.refuse" "keda.metadata.ignoreNullValues: must not be set (got a value), because KEDA must not read a missing value as 0 and remove pods: remove it." }}
{{- else if and (eq $name "authModes") (not $.Values.keda.authenticationRef.name) }}
{{- include "holograph.refuse" "keda.metadata.authModes: must not be set without keda.authenticationRef.name (got a value), because the chart writes it for prometheus.auth: remove it, or name the TriggerAuthentication that holds the credentials." }}
{{- end }}
{{- end }}
{{- if gt (len $access.headersFrom) 1 }}
{{- include "holograph.refuse" (printf "prometheus.headersFrom: must be one header where KEDA queries Prometheus (got %s), because its scaler takes only one header from a Secret: keep one." (keys $access.headersFrom | sortAlpha | join ", ")) }}
{{- end }}
{{- if and $access.headersFrom (or $access.bearerToken $access.basicAuth) }}
{{- include "holograph.refuse" (printf "prometheus.headersFrom: must be empty with prometheus.auth where KEDA queries Prometheus (got %s), because its scaler sends either a login or a header from a Secret: remove one of them." (keys $access.headersFrom | sortAlpha | join ", ")) }}
{{- end }}
{{- $replicas := include "holograph.keda.fallbackReplicas" . | int }}
{{- if and (not (kindIs "invalid" .Values.keda.fallback.replicas)) (or (lt $replicas (int .Values.autoscaling.minReplicas)) (gt $replicas (int .Values.autoscaling.maxReplicas))) }}
{{- include "holograph.refuse" (printf "keda.fallback.replicas: must be from autoscaling.minReplicas to autoscaling.maxReplicas (got %d, with %v to %v), because KEDA could not scale to it: write a number between them, or null." $replicas .Values.autoscaling.minReplicas .Values.autoscaling.maxReplicas) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.renderer" -}}
{{- $renderer := .Values.renderer }}
{{- if $renderer.enabled }}
{{- $set := dict "HOLOGRAPH_FRAME_BUDGET" "frame.budget" "HOLOGRAPH_GRACE_PERIOD" "renderer.terminationGracePeriodSeconds" "HOLOGRAPH_LISTEN_ADDRESS" "renderer.port" }}
{{- range $renderer.env }}
{{- $name := toString .name }}
{{- with get $set $name }}
{{- include "holograph.refuse" (printf "renderer.env: must not have %s (got a value for it), because the chart sets it: write %s instead." $name .) }}
{{- end }}
{{- end }}
{{- include "holograph.validate.drain" . }}
{{- $budget := $renderer.podDisruptionBudget }}
{{- if $budget.enabled }}
{{- $hasMin := not (kindIs "invalid" $budget.minAvailable) }}
{{- $hasMax := not (kindIs "invalid" $budget.maxUnavailable) }}
{{- if and $hasMin $hasMax }}
{{- include "holograph.refuse" (printf "renderer.podDisruptionBudget: must have one of maxUnavailable and minAvailable (got %v and %v), because Kubernetes accepts only one: write null for the other." $budget.maxUnavailable $budget.minAvailable) }}
{{- end }}
{{- $scaled := .Values.autoscaling.enabled }}
{{- $key := ternary "autoscaling.minReplicas" "renderer.replicaCount" $scaled }}
{{- $pods := ternary .Values.autoscaling.minReplicas $renderer.replicaCount $scaled | int }}
{{- if and $hasMax (regexMatch "^0+%?$" (toString $budget.maxUnavailable)) }}
{{- include "holograph.refuse" (printf "renderer.podDisruptionBudget.maxUnavailable: must be 1 or more (got %v), because no pod could be evicted and no node drained: write 1 or more." $budget.maxUnavailable) }}
{{- end }}
{{- if $hasMin }}
{{- $percent := hasSuffix "%" (toString $budget.minAvailable) }}
{{- $number := trimSuffix "%" (toString $budget.minAvailable) | int }}
{{- /* Kubernetes rounds a percentage of pods up. */}}
{{- $kept := ternary (div (add (mul $number $pods) 99) 100) $number $percent | int }}
{{- if and (gt $pods 0) (ge $kept $pods) }}
{{- include "holograph.refuse" (printf "renderer.podDisruptionBudget.minAvailable: must leave a pod that may be evicted (got %v of the %d pods of %s), because no node could be drained: write a lower minAvailable, or null for maxUnavailable: 1." $budget.minAvailable $pods $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A pod that ends sleeps, then drains, then answers the frames in flight. The chart knows the drain of the reference
renderer, and that of another renderer if HOLOGRAPH_DRAIN_DELAY or --drain-delay sets it.
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
{{- include "holograph.refuse" (printf "renderer.%s: must set %s to a duration (got %q), because the renderer does not start otherwise: write it like 5s." (hasPrefix "--" $from | ternary "args" "env") $from $drain) }}
{{- end }}
{{- $needed := addf (mulf $sleep 1000) (include "holograph.goMilliseconds" $drain | float64) (include "holograph.goMilliseconds" .Values.frame.budget | float64) }}
{{- if and (or $sleep (ne $drain "0s")) (lt (mulf $renderer.terminationGracePeriodSeconds 1000) $needed) }}
{{- include "holograph.refuse" (printf "renderer.terminationGracePeriodSeconds: must be %v or more (got %v), because it must cover renderer.lifecycle.preStop.sleep.seconds (%d), %s (%s) and a last frame (%s), and frames in flight would be lost otherwise." (divf $needed 1000 | ceil) $renderer.terminationGracePeriodSeconds $sleep $from $drain .Values.frame.budget) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.servedNamespaces" -}}
{{- with .Values.servedNamespaces }}
{{- if not (or $.Values.prometheus.enabled $.Values.prometheusAdapter.enabled $.Values.kubeStateMetrics.enabled) }}
{{- include "holograph.refuse" (printf "servedNamespaces: must be empty where prometheus, prometheusAdapter and kubeStateMetrics are disabled (got %s), because this release has nothing to serve them with: enable one of the three, or write servedNamespaces: []." (join ", " .)) }}
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
{{- include "holograph.refuse" (printf "%s: must be empty with prometheus.enabled (got a value), because it is for a Prometheus of your own: leave it empty, or set prometheus.enabled to false and write prometheus.url." $key) }}
{{- end }}
{{- end }}
{{- /* The embedded Prometheus of another release gets its login in plain text, from pods of the same cluster. */}}
{{- if not (or $prometheus.enabled (regexMatch "^http://[-a-z0-9]+[.][-a-z0-9]+[.]svc([.]cluster[.]local)?(:[0-9]+)?/?$" $prometheus.url)) }}
{{- $_ := set $secured "prometheus.auth.basicAuth.existingSecret" $login }}
{{- end }}
{{- range $key, $value := $secured }}
{{- if and $value (not (hasPrefix "https://" $prometheus.url)) }}
{{- $write := "write such a URL" }}
{{- if eq $key "prometheus.auth.basicAuth.existingSecret" }}
{{- $write = "write such a URL, or that of another release's Prometheus in this cluster as http://<service>.<namespace>.svc:<port>" }}
{{- end }}
{{- include "holograph.refuse" (printf "%s: must have a prometheus.url that begins with https:// (got %s), because what it protects would cross the network in plain text: %s." $key $prometheus.url $write) }}
{{- end }}
{{- end }}
{{- if and $tls.ca $tls.caSecret.name }}
{{- include "holograph.refuse" (printf "prometheus.tls.caSecret.name: must be empty with prometheus.tls.ca (got %s), because both name the CA of one Prometheus: leave one of them empty." $tls.caSecret.name) }}
{{- end }}
{{- if and $token $login }}
{{- include "holograph.refuse" (printf "prometheus.auth: must have a bearer token or basic authentication (got %s and %s), because a request carries only one of the two: leave one of them empty." $token $login) }}
{{- end }}
{{- end }}

{{/*
Refuses relabelings that change a label by which rules and adapter find the samples.
*/}}
{{- define "holograph.validate.relabelings" -}}
{{- $labels := .Values.signals.labels }}
{{- $needed := compact (list $labels.namespace $labels.pod $labels.container) }}
{{- if .Values.kubeStateMetrics.enabled }}
{{- $needed = concat $needed (list "namespace" "condition" "status") (include "holograph.prometheus.objects" . | fromJson).kinds | uniq }}
{{- end }}
{{- range $list := list "relabelings" "metricRelabelings" }}
{{- range $index, $step := get $.Values.podMonitor $list }}
{{- range $field := keys $step | sortAlpha }}
{{- if contains "_" $field }}
{{- include "holograph.refuse" (printf "podMonitor.%s[%d].%s: must be a field in the PodMonitor's form (got one in Prometheus' own), because the API server drops what it does not know, and the step would do something else: write %s." $list $index $field (camelcase $field | untitle)) }}
{{- end }}
{{- end }}
{{- $action := default "replace" $step.action | toString | lower }}
{{- $regex := default ".*" $step.regex | toString | printf "^(?s:%s)$" }}
{{- range $label := $needed }}
{{- $written := and (has $action (list "replace" "hashmod" "lowercase" "uppercase")) (eq $label (toString $step.targetLabel)) }}
{{- $mapped := and (eq $action "labelmap") (eq $label (toString $step.replacement)) }}
{{- $dropped := or (and (eq $action "labeldrop") (regexMatch $regex $label)) (and (eq $action "labelkeep") (not (regexMatch $regex $label))) }}
{{- if or $written $mapped $dropped }}
{{- include "holograph.refuse" (printf "podMonitor.%s[%d]: must not change the label %s (got action %s), because the rules and the adapter find the samples by it: remove the step, or let it change another label." $list $index $label $action) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.scraping" -}}
{{- if .Values.podMonitor.enabled }}
{{- include "holograph.validate.relabelings" . }}
{{- end }}
{{- if and .Values.podMonitor.enabled .Values.scrapeAnnotations.enabled }}
{{- include "holograph.refuse" "scrapeAnnotations.enabled: must be false with podMonitor.enabled (got true for both), because a Prometheus that uses both scrapes each renderer twice: set one of them to false." }}
{{- end }}
{{- if and .Values.prometheusRule.enabled .Values.scrapeAnnotations.enabled .Values.prometheus.enabled .Values.signals.labels.container }}
{{- include "holograph.refuse" "prometheusRule.enabled: must be false with prometheus.enabled and scrapeAnnotations.enabled (got true), because its rules select a container, as the embedded Prometheus labels it, and a scrape by annotations sets no such label: set prometheus.enabled to false, or write podMonitor.enabled in place of scrapeAnnotations.enabled." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.existing" -}}
{{- $existing := .Values.prometheusAdapter.existing }}
{{- if and .Values.prometheusAdapter.enabled $existing.namespace }}
{{- include "holograph.refuse" (printf "prometheusAdapter.existing.namespace: must be empty with prometheusAdapter.enabled (got %s), because it is for an adapter of your own: leave it empty, or set prometheusAdapter.enabled to false." $existing.namespace) }}
{{- end }}
{{- if and (not $existing.namespace) $existing.configMap }}
{{- include "holograph.refuse" (printf "prometheusAdapter.existing.configMap: must be empty without prometheusAdapter.existing.namespace (got %s), because the rules are written only into that namespace: write the namespace of your adapter." $existing.configMap) }}
{{- end }}
{{- if and .Values.prometheusAdapter.extraRules (not (or (include "holograph.prometheusAdapter.runs" .) (include "holograph.prometheusAdapter.writesRules" .))) }}
{{- include "holograph.refuse" "prometheusAdapter.extraRules: must be empty where this release has no rules for an adapter (got rules), because nothing would serve them: write them into the configuration of your adapter." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.pipeline" -}}
{{- $prometheus := .Values.prometheus }}
{{- $adapter := .Values.prometheusAdapter }}
{{- $scrape := include "holograph.milliseconds" $prometheus.scrapeInterval | int64 }}
{{- $relistText := include "holograph.prometheusAdapter.relistInterval" . }}
{{- $maxAgeText := include "holograph.prometheusAdapter.maxAge" . }}
{{- $relist := include "holograph.milliseconds" $relistText | int64 }}
{{- $maxAge := include "holograph.milliseconds" $maxAgeText | int64 }}
{{- range $key, $own := dict
  "prometheus" (dict "storage.tsdb.retention.time" "prometheus.retention.time" "storage.tsdb.retention.size" "prometheus.retention.size" "web.config.file" "prometheus.auth.basicAuth.existingSecret" "config.auto-reload-interval" "prometheus.reloadInterval"
    "config.file" "" "config.auto-reload" "" "storage.tsdb.path" "" "web.console.templates" "" "web.listen-address" "" "web.route-prefix" "")
  "prometheusAdapter" (dict "secure-port" "prometheusAdapter.port" "prometheus-url" "prometheus.url" "metrics-relist-interval" "prometheusAdapter.relistInterval" "metrics-max-age" "prometheusAdapter.maxAge" "tls-cert-file" "prometheusAdapter.certificate.existingSecret" "tls-private-key-file" "prometheusAdapter.certificate.existingSecret" "config" "prometheusAdapter.extraRules" "prometheus-auth-config" "prometheus.auth")
  "kubeStateMetrics" (dict "namespaces" "servedNamespaces" "port" "" "telemetry-port" "") }}
{{- range (get $.Values $key).extraArgs }}
{{- $name := regexFind "^--?[^=]+" . | trimPrefix "-" | trimPrefix "-" }}
{{- if hasKey $own $name }}
{{- include "holograph.refuse" (printf "%s.extraArgs: must not have --%s (got it), because probes, volumes, clients and rules expect what the chart sets: %s." $key $name (ternary "remove it" (printf "write %s" (get $own $name)) (empty (get $own $name)))) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $prometheus.enabled $prometheus.url }}
{{- include "holograph.refuse" (printf "prometheus.url: must be empty with prometheus.enabled (got %s), because it is for a Prometheus of your own: leave it empty, or set prometheus.enabled to false." $prometheus.url) }}
{{- end }}
{{- range $key := list "prometheus" "kubeStateMetrics" }}
{{- $interval := (get $.Values $key).scrapeInterval }}
{{- if gt (include "holograph.milliseconds" $interval | int64) 150000 }}
{{- include "holograph.refuse" (printf "%s.scrapeInterval: must be at most 2m30s (got %s), because Prometheus ignores a sample that is older than 5m, and one lost scrape would leave a gap: write 2m30s or less." $key $interval) }}
{{- end }}
{{- end }}
{{- $adapterAsks := include "holograph.prometheusAdapter.runs" . }}
{{- $asking := "" }}
{{- if $adapterAsks }}
{{- $asking = "the adapter" }}
{{- else if include "holograph.autoscaling.keda" . }}
{{- $asking = "KEDA" }}
{{- else if .Values.deletionCost.enabled }}
{{- $asking = "the writer of deletion costs" }}
{{- end }}
{{- if and $asking (not (or $prometheus.enabled $prometheus.url)) }}
{{- include "holograph.refuse" (printf "prometheus.url: must be a URL where prometheus.enabled is false (got none), because %s has no Prometheus to query: write the URL of your Prometheus, like http://prometheus.monitoring.svc:9090." $asking) }}
{{- end }}
{{- if $adapterAsks }}
{{- if $adapter.apiService.ownerCheck }}
{{- include "holograph.prometheusAdapter.refuseOtherOwner" . }}
{{- end }}
{{- if lt $maxAge $relist }}
{{- include "holograph.refuse" (printf "prometheusAdapter.maxAge: must be at least prometheusAdapter.relistInterval (got %s, with an interval of %s), because the adapter does not start otherwise: write %s or more, or leave it empty." $maxAgeText $relistText $relistText) }}
{{- end }}
{{- if lt $maxAge (mul 2 $scrape) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.maxAge: must be at least twice prometheus.scrapeInterval (got %s, with an interval of %s), because one lost scrape would make the metric disappear: write %s or more, or leave it empty." $maxAgeText $prometheus.scrapeInterval (include "holograph.duration" (mul 2 $scrape))) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.flapping" -}}
{{- if .Values.autoscaling.enabled }}
{{- $windows := include "holograph.autoscaling.reversals" . | int64 }}
{{- $counted := get (include "holograph.alerts.times" . | fromYaml) "autoscalerFlapping.window" }}
{{- $twice := include "holograph.milliseconds" $counted | int64 | mul 2 }}
{{- $reversals := .Values.alerts.autoscalerFlapping.reversals | int64 }}
{{- if gt (mul $windows $reversals) $twice }}
{{- $most := div $twice $windows }}
{{- include "holograph.refuse" (printf "alerts.autoscalerFlapping.reversals: must be at most %d with an alerts.autoscalerFlapping.window of %s (got %d), because two reversals take at least the stabilization windows of autoscaling.behavior, %s together, and the alert could not fire: write fewer, or %s as the window." $most $counted $reversals (include "holograph.duration" $windows) (include "holograph.alerts.flappingWindow" . | int64 | max (mul $windows $reversals) | include "holograph.duration")) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.alerts" -}}
{{- if and .Values.dashboard.enabled (not .Values.prometheus.enabled) (not .Values.prometheusRule.enabled) }}
{{- include "holograph.refuse" "dashboard.enabled: must be false without prometheus.enabled and prometheusRule.enabled (got true), because no Prometheus evaluates the recording rules that the dashboard shows: set prometheusRule.enabled to true, or dashboard.enabled to false." }}
{{- end }}
{{- if .Values.alerts.enabled }}
{{- include "holograph.validate.flapping" . }}
{{- range $pace, $burns := .Values.alerts.errorBudgetBurn }}
{{- range $index, $burn := default list $burns }}
{{- $key := printf "alerts.errorBudgetBurn.%s[%d]" $pace $index }}
{{- $long := include "holograph.milliseconds" $burn.long | int64 }}
{{- if ge (include "holograph.milliseconds" $burn.short | int64) $long }}
{{- include "holograph.refuse" (printf "%s.short: must be shorter than long (got %s, with %s), because the alert would still fire after its cause has ended: write a twelfth of long, as 5m is of 1h." $key $burn.short $burn.long) }}
{{- end }}
{{- if gt $long (include "holograph.milliseconds" $.Values.slo.window | int64) }}
{{- include "holograph.refuse" (printf "%s.long: must be at most slo.window (got %s, with a window of %s), because the error budget is that of the window: write a shorter time." $key $burn.long $.Values.slo.window) }}
{{- end }}
{{- if and $.Values.prometheus.enabled (gt $long (include "holograph.milliseconds" $.Values.prometheus.retention.time | int64)) }}
{{- include "holograph.refuse" (printf "%s.long: must be at most prometheus.retention.time (got %s, with a retention of %s), because Prometheus has no older samples: raise the retention, or write a shorter time." $key $burn.long $.Values.prometheus.retention.time) }}
{{- end }}
{{- $most := divf (mulf 100 $long) (include "holograph.milliseconds" $.Values.slo.window | int64) (include "holograph.slo.budget" $) }}
{{- if ge (float64 $burn.percent) $most }}
{{- include "holograph.refuse" (printf "%s.percent: must be a share of the error budget that can be spent within long (got %v, with an slo.objective of %v and a long of %s), because the alert could not fire even if every frame were late: write less than %v." $key $burn.percent (include "holograph.slo.objective" $) $burn.long (round $most 1)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The change back from KEDA. KEDA's HorizontalPodAutoscaler has the name of the chart's own, so that KEDA can take that
one over. Kubernetes deletes it with the ScaledObject, after Helm has found it and created none.
*/}}
{{- define "holograph.validate.takeBack" -}}
{{- if include "holograph.autoscaling.hpa" . }}
{{- $namespace := include "holograph.namespace" . }}
{{- $name := include "holograph.renderer.name" . }}
{{- range dig "metadata" "ownerReferences" list (default dict (lookup "autoscaling/v2" "HorizontalPodAutoscaler" $namespace $name)) }}
{{- if eq .kind "ScaledObject" }}
{{- include "holograph.refuse" (printf "autoscaling.provider: must be keda while KEDA scales the renderers (got hpa), because HorizontalPodAutoscaler %s/%s belongs to ScaledObject %s and is deleted with it: first run kubectl --namespace %s delete scaledobject %s, which changes no pods, or write autoscaling.provider: keda." $namespace $name .name $namespace .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.names" -}}
{{- $name := include "holograph.fullname" . }}
{{- if not (regexMatch "^[a-z]" $name) }}
{{- include "holograph.refuse" (printf "fullnameOverride: must begin with a letter (got names %s-*), because the name of a Service does: write fullnameOverride, like holograph." $name) }}
{{- else if not (regexMatch "^[-a-z0-9]+$" $name) }}
{{- include "holograph.refuse" (printf "fullnameOverride: must be set where a parent chart gives this one an alias with other characters than lower-case letters, digits and dashes (got names %s-*), because Kubernetes takes no other name: write fullnameOverride, like holograph." $name) }}
{{- end }}
{{- end }}

{{- define "holograph.validate.networkPolicy" -}}
{{- $policy := .Values.networkPolicy }}
{{- $renderers := and .Values.renderer.enabled (or (not (empty $policy.clients)) (eq (include "holograph.metrics.own" .) "true")) }}
{{- if and $policy.enabled (not (include "holograph.networkPolicy.scrapers" . | fromYamlArray)) (not .Values.prometheus.enabled) (or $renderers .Values.kubeStateMetrics.enabled) }}
{{- include "holograph.refuse" (printf "networkPolicy.scrapers: must not be empty where prometheus.url does not name a Service with its namespace, like http://prometheus.monitoring.svc:9090 (got none), because no Prometheus could scrape %s: write the peers that are your Prometheus." (ternary "the renderers" "kube-state-metrics" $renderers)) }}
{{- end }}
{{- if and $policy.enabled .Values.prometheus.enabled (not $policy.scrapers) (or (and .Values.podMonitor.enabled (or $renderers .Values.kubeStateMetrics.enabled)) (and .Values.scrapeAnnotations.enabled $renderers)) }}
{{- include "holograph.refuse" (printf "networkPolicy.scrapers: must name your Prometheus with %s (got none), because the policies admit only the embedded one otherwise: write its pods as a peer, like {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}." (ternary "podMonitor.enabled" "scrapeAnnotations.enabled" .Values.podMonitor.enabled)) }}
{{- end }}
{{- range $index, $rule := $policy.rendererEgress }}
{{- range $position, $port := default list $rule.ports }}
{{- if and $port.endPort (or (not $port.port) (kindIs "string" $port.port) (lt (int $port.endPort) (int $port.port))) }}
{{- include "holograph.refuse" (printf "networkPolicy.rendererEgress[%d].ports[%d].endPort: must be at least the number of port (got %d, with %v), because Kubernetes takes no other range: write the first port as port and the last as endPort." $index $position (int $port.endPort) (default "none" $port.port)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $policy.enabled (not $policy.apiServer.ports) }}
{{- include "holograph.refuse" "networkPolicy.apiServer.ports: must not be empty (got none), because a rule without ports opens all of them: write the port on which your API server listens, or leave out the key, for 443 and 6443." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.queriers" -}}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled (not $policy.queriers) .Values.prometheus.enabled (include "holograph.prometheusAdapter.isForeign" .) (not .Values.prometheusAdapter.existing.namespace) }}
{{- include "holograph.refuse" "networkPolicy.queriers: must name the adapter that queries the embedded Prometheus (got none), because the policy does not admit it otherwise, and nothing would scale: write prometheusAdapter.existing.namespace, or its pods as a peer, like {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}." }}
{{- end }}
{{- end }}

{{- define "holograph.validate.extraObjects" -}}
{{- range $index, $object := .Values.extraObjects }}
{{- range regexSplit "(?m)^---$" (include "holograph.extraObject" (dict "context" $ "object" $object)) -1 }}
{{- $parsed := fromYaml . }}
{{- if $parsed.Error }}
{{- include "holograph.refuse" (printf "extraObjects[%d]: must be YAML after its templates are expanded (got %s), because Helm could not install it: fix it, or indent with nindent." $index $parsed.Error) }}
{{- end }}
{{- with dig "metadata" "generateName" "" $parsed }}
{{- include "holograph.refuse" (printf "extraObjects[%d]: must have metadata.name in place of metadata.generateName (got %s), because Helm finds an object by its name when it upgrades or uninstalls: write metadata.name." $index .) }}
{{- end }}
{{- if and $parsed (not (and $parsed.apiVersion $parsed.kind (default dict $parsed.metadata).name)) }}
{{- include "holograph.refuse" (printf "extraObjects[%d]: must have apiVersion, kind and metadata.name after its templates are expanded (got an object without one of them), because Kubernetes needs all three: write them." $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
