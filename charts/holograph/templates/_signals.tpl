{{/*
Name of the container that exports the metrics. The rule, the queries and the scrape job use it.
*/}}
{{- define "holograph.container" -}}
{{ default (include "holograph.renderer.container" .) .Values.renderer.metrics.container }}
{{- end }}

{{/*
The signals that scale, as their keys below `signals`, in the order in which everything lists them.
*/}}
{{- define "holograph.signals" -}}
overruns{{ if .Values.signals.demand.enabled }} demand{{ end }}
{{- end }}

{{/*
Names of the renderer's series by their keys below `signals`, as JSON.
*/}}
{{- define "holograph.signals.seriesNames" -}}
{{- $signals := .Values.signals }}
{{- dict
  "frames.name" $signals.frames.name
  "refused.name" $signals.refused.name
  "overruns.name" $signals.overruns.name
  "overruns.metric" $signals.overruns.metric
  "overruns.histogram.metric" $signals.overruns.histogram.metric
  "demand.offered.metric" $signals.demand.offered.metric
  "demand.capacity.metric" $signals.demand.capacity.metric | toJson }}
{{- end }}

{{/*
The value of a label as text. Values files have numbers as floats, of which `toString` writes large ones with an exponent.
*/}}
{{- define "holograph.signals.labelValue" -}}
{{ ternary (printf "%.0f" (float64 .)) (toString .) (kindIs "float64" .) }}
{{- end }}

{{/*
Matchers of a map of labels, in the order of their names, each after a comma. Takes the map.
*/}}
{{- define "holograph.signals.selector" -}}
{{- range $label, $value := . }},{{ $label }}={{ include "holograph.signals.labelValue" $value | quote }}{{ end }}
{{- end }}

{{/*
Label of the container in the renderer's series; empty where there is none. The jobs that find pods by annotations, as those
of the community chart do, set none.
*/}}
{{- define "holograph.signals.containerLabel" -}}
{{- if or .Values.prometheus.enabled (not .Values.scrapeAnnotations.enabled) }}{{ .Values.signals.labels.container }}{{ end }}
{{- end }}

{{/*
Matchers that every query of the renderer's series has, each after a comma: the renderer's container and signals.matchers.
The adapter does not copy them from a rule's seriesQuery to its metricsQuery.
*/}}
{{- define "holograph.signals.matchers" -}}
{{- with include "holograph.signals.containerLabel" . -}}
{{ printf ",%s=%q" . (include "holograph.container" $) }}
{{- end }}
{{- include "holograph.signals.selector" .Values.signals.matchers }}
{{- end }}

{{/*
A selector of series. A name that is not of Prometheus' old form, like http.server.duration, stands in the braces.
Takes dict "name" text "matchers" text.
*/}}
{{- define "holograph.signals.series" -}}
{{- if and (regexMatch "[./-]" .name) (not (hasPrefix "<<" .name)) -}}
{ {{- quote .name }}{{ with trimPrefix "," .matchers }},{{ . }}{{ end -}} }
{{- else -}}
{{ .name }}{ {{- trimPrefix "," .matchers -}} }
{{- end }}
{{- end }}

{{/*
Labels by which queries of all renderers tell pods apart, and what is recorded of a namespace: those of signals.matchers too.
Takes dict "context" $ "labels" list.
*/}}
{{- define "holograph.signals.by" -}}
{{ concat .labels (keys .context.Values.signals.matchers | sortAlpha) | join ", " }}
{{- end }}

{{/*
One value per measurement: a function of each scraped series, and of the series that two scrapers made of the same
measurement one. `rate` stands inside, so that it sees a counter reset.
Takes dict "context" $ "function" text with %s for the range "series" name "selector" map "window" duration, optionally
"matchers", "without", a label that is dropped too, and "full": whether the window must be full.

A rate divides by the whole window, also where a series is younger or was not scraped for a part of it, and then it reads
low. A window is full if one of the pods has a sample from before it: from a quarter of a window earlier, as the other pods are
scraped up to a scrape interval later, or a half more, as scrapes may be lost. One pod is enough. If each young pod had to
wait, a fleet of 1,000 that grows would not see the load on its new pods: simulated, it had 1.40 in place of 1.30 times the
oracle's pods.
*/}}
{{- define "holograph.signals.measured" -}}
{{- $matchers := printf "<<.LabelMatchers>>%s%s%s" (include "holograph.signals.matchers" .context) (include "holograph.signals.selector" (default dict .selector)) (default "" .matchers) -}}
{{- $series := include "holograph.signals.series" (dict "name" .series "matchers" $matchers) -}}
{{- $value := replace "%s" (printf "%s[%s]" $series .window) .function -}}
{{- if .full -}}
{{- $half := mul 2 (div (include "holograph.milliseconds" .window | int64) 4) -}}
{{- $value = printf "%s\nand on () last_over_time(%s[%s] offset %s)" $value $series (include "holograph.duration" $half) (include "holograph.signals.before" .window | int64 | include "holograph.duration") -}}
{{- end -}}
max without ({{ concat .context.Values.signals.scrapeLabels (compact (list .without)) | join ", " }}) ({{ $value }})
{{- end }}

{{/*
One value per pod of one counter or gauge: the sum of the series that a pod has on purpose (one per view, eye or GPU).
Takes the same as holograph.signals.measured.
*/}}
{{- define "holograph.signals.perPod" -}}
sum by (<<.GroupBy>>) ({{ include "holograph.signals.measured" . }})
{{- end }}

{{/*
Keeps only plausible values of a query: at least 0 and at most a bound. It drops NaN, infinities, histograms and the rate
of a counter that jumps or is negative; the pod then has no value, as if its scrape had failed. Values of other pods do
not change. It applies to each pod before pods are added up, because one NaN makes a sum NaN, and the adapter serves NaN
as 0 and Inf as a number below zero. Takes dict "query" text "most" number.
*/}}
{{- define "holograph.signals.sound" -}}
(0 <= {{ .query }} <= {{ .most }})
{{- end }}

{{/*
How late frames are measured: counter, part, classic, native or query. A part is a counter of all frames of which a
selector picks those that were late: a pod that has the counter without that part has had no late frame yet.
*/}}
{{- define "holograph.signals.overruns.form" -}}
{{- $overruns := .Values.signals.overruns -}}
{{- if $overruns.query -}}
query
{{- else if $overruns.histogram.metric -}}
{{ $overruns.histogram.type }}
{{- else if and $overruns.selector (eq (default $overruns.name $overruns.metric) .Values.signals.frames.name) -}}
part
{{- else -}}
counter
{{- end }}
{{- end }}

{{/*
Names of the series that signals.overruns.query reads of each pod, as a list in JSON: those before a brace, and in the braces
the quoted ones and those of __name__.
*/}}
{{- define "holograph.signals.queried" -}}
{{- $names := list }}
{{- range regexFindAll "[a-zA-Z0-9_:]*\\s*[{][^{}]*<<[.]LabelMatchers>>[^{}]*[}]" .Values.signals.overruns.query -1 }}
{{- $names = append $names (regexFind "^[a-zA-Z_:][a-zA-Z0-9_:]*" .) }}
{{- range regexFindAll "([{,]\\s*|__name__\\s*=\\s*)(\"[^\"]+\"|'[^']+')\\s*[,}]" . -1 }}
{{- $names = append $names (regexFind "[\"'].+[\"']" . | trimAll "\"'") }}
{{- end }}
{{- end }}
{{- compact $names | uniq | toJson }}
{{- end }}

{{/*
The series that counts all frames, as JSON: "name", "selector" and "native", whether it is a native histogram.
Where frame times are a histogram, it counts the frames.
*/}}
{{- define "holograph.signals.frames" -}}
{{- $signals := .Values.signals -}}
{{- $form := include "holograph.signals.overruns.form" . -}}
{{- if has $form (list "classic" "native") -}}
{{ dict "name" (printf "%s%s" $signals.overruns.histogram.metric (ternary "_count" "" (eq $form "classic"))) "selector" $signals.overruns.selector "native" (eq $form "native") | toJson }}
{{- else -}}
{{ dict "name" $signals.frames.name "selector" $signals.frames.selector "native" false | toJson }}
{{- end }}
{{- end }}

{{/*
The series by which the adapter finds a signal, as JSON like the one above: every pod has it, whether frames are late or not.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.found" -}}
{{- $signal := get .context.Values.signals .key -}}
{{- if eq .key "demand" -}}
{{- $frames := include "holograph.signals.frames" .context | fromJson -}}
{{ dict "name" $signal.offered.metric "selector" $signal.offered.selector "native" (and $frames.native (eq $signal.offered.metric $frames.name)) | toJson }}
{{- else if eq (include "holograph.signals.overruns.form" .context) "counter" -}}
{{ dict "name" (default $signal.name $signal.metric) "selector" $signal.selector "native" false | toJson }}
{{- else -}}
{{ include "holograph.signals.frames" .context }}
{{- end }}
{{- end }}

{{/*
How much of something a pod counts per second. Takes dict "context" $ "of" such a series "window" duration.
*/}}
{{- define "holograph.signals.counted" -}}
{{- include "holograph.signals.perPod" (dict "context" .context "function" (ternary "histogram_count(rate(%s))" "rate(%s)" .of.native) "series" .of.name "selector" .of.selector "window" .window) }}
{{- end }}

{{/*
Frames per second, of each pod.
*/}}
{{- define "holograph.signals.frames.query" -}}
{{- $counted := include "holograph.signals.counted" (dict "context" $ "of" (include "holograph.signals.frames" . | fromJson) "window" (include "holograph.signals.window" (dict "context" $ "key" "overruns"))) -}}
{{ include "holograph.signals.sound" (dict "query" $counted "most" .Values.signals.frames.maxRate) }}
{{- end }}

{{/*
Frames over budget per second as they are measured, sound or not.

  part     Late frames, or 0 for a pod that has counted none yet.
  classic  Frames that are not in the buckets up to the budget. Each measurement is subtracted from its own, because sums
           of the same numbers in another order differ in their last digit. One without a bucket that ends at the budget
           makes its pod's value NaN, which is none: the next bucket would give a wrong value.
  native   The share of a histogram above the budget. Between the bounds of its buckets Prometheus interpolates.
           Of no frames there is no share, but there is a count, which is 0.
*/}}
{{- define "holograph.signals.overruns.measured" -}}
{{- $overruns := .Values.signals.overruns -}}
{{- $window := include "holograph.signals.window" (dict "context" $ "key" "overruns") -}}
{{- $form := include "holograph.signals.overruns.form" . -}}
{{- $frames := include "holograph.signals.frames" . | fromJson -}}
{{- if eq $form "query" -}}
({{ $overruns.query | replace "<<.LabelMatchers>>" (printf "<<.LabelMatchers>>%s" (include "holograph.signals.matchers" .)) | trim }})
{{- else if eq $form "part" -}}
{{- $late := include "holograph.signals.perPod" (dict "context" $ "function" "rate(%s)" "series" $frames.name "selector" (merge (dict) $overruns.selector $frames.selector) "window" $window) -}}
({{ $late }}
or 0 * {{ include "holograph.signals.counted" (dict "context" $ "of" $frames "window" $window) }})
{{- else if eq $form "classic" -}}
{{- $count := include "holograph.signals.measured" (dict "context" $ "function" "rate(%s)" "series" $frames.name "selector" $frames.selector "window" $window) -}}
{{- $bucket := include "holograph.signals.measured" (dict "context" $ "function" "rate(%s)" "series" (printf "%s_bucket" $overruns.histogram.metric) "selector" $frames.selector "window" $window
  "matchers" (printf ",le=~%q" (include "holograph.signals.bound.pattern" .)) "without" "le") -}}
sum by (<<.GroupBy>>) ({{ $count }}
- ({{ $bucket }}
or NaN * {{ $count }}))
{{- else if eq $form "native" -}}
{{- include "holograph.signals.perPod" (dict "context" $ "series" $frames.name "selector" $frames.selector "window" $window
  "function" (printf "(histogram_count(rate(%%s)) > 0) * histogram_fraction(%s, +Inf, rate(%%s)) or histogram_count(rate(%%s))" (include "holograph.signals.bound" .))) }}
{{- else -}}
{{- include "holograph.signals.perPod" (dict "context" $ "function" "rate(%s)" "series" "<<.Series>>" "selector" $overruns.selector "window" $window) }}
{{- end }}
{{- end }}

{{/*
Frames over budget per second.
*/}}
{{- define "holograph.signals.overruns.query" -}}
{{- include "holograph.signals.query" (dict "context" $ "key" "overruns" "query" (include "holograph.signals.sound" (dict "query" (include "holograph.signals.overruns.measured" $) "most" .Values.signals.frames.maxRate))) }}
{{- end }}

{{/*
A signal of each pod as the autoscaler gets it. Late frames count up to signals.overruns.maxRatio targets: they say that
pods are missing, and not how many. Without a limit two pods ask for ten, because frames are late that one pod more would
have saved, and old late frames ask as long as the window lasts. With it, each late pod asks for a few more, the mean
falls as soon as these are ready, and only if their frames are late too do they ask for more. It also bounds what one pod
that counts wrongly can do. Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.asked" -}}
{{- $query := include (printf "holograph.signals.%s.query" .key) .context -}}
{{- if and (eq .key "overruns") .context.Values.signals.overruns.maxRatio -}}
{{- $query = printf "clamp_max(%s, %s)" $query (include "holograph.signals.most" .) -}}
{{- end -}}
{{ $query }}
{{- end }}

{{/*
A query of the adapter's. <<.Series>> is the series that it found, whose name the adapter puts before a brace. A name that
needs quotes is written out. Takes dict "context" $ "key" the signal's key below `signals` "query" text.
*/}}
{{- define "holograph.signals.query" -}}
{{- $found := include "holograph.signals.found" . | fromJson -}}
{{- if regexMatch "[./-]" $found.name -}}
{{ .query | replace "<<.Series>>{" (printf "{%q," $found.name) }}
{{- else -}}
{{ .query }}
{{- end }}
{{- end }}

{{/*
The frame budget in the unit of the histogram of frame times, as a plain decimal number.
*/}}
{{- define "holograph.signals.bound" -}}
{{- $milliseconds := include "holograph.goMilliseconds" .Values.frame.budget | float64 -}}
{{- $budget := ternary $milliseconds (divf $milliseconds 1000) (eq .Values.signals.overruns.histogram.unit "milliseconds") -}}
{{ regexReplaceAll "^[.]" (printf "%.9f" $budget | trimAll "0" | trimSuffix ".") "0." }}
{{- end }}

{{/*
Regular expression of that number as `le` may have it: 0.033, 0.0330 or 3.3e-02, and 1, 1.0 or 1e+00. Prometheus 3 and some
clients write 1.0 where others write 1.
*/}}
{{- define "holograph.signals.bound.pattern" -}}
{{- $number := include "holograph.signals.bound" . | splitList "." -}}
{{- $whole := first $number -}}
{{- $fraction := "" -}}
{{- if gt (len $number) 1 }}{{ $fraction = last $number }}{{ end -}}
{{- $digits := printf "%s%s" $whole $fraction | trimAll "0" -}}
{{- $exponent := sub (len $whole) 1 -}}
{{- if eq $whole "0" }}{{ $exponent = sub (len (regexReplaceAll "^0+" $fraction "")) (len $fraction | add1) }}{{ end -}}
{{- $plain := printf "%s([.]0*)?" $whole -}}
{{- if $fraction }}{{ $plain = printf "%s[.]%s0*" $whole $fraction }}{{ end -}}
{{- $rest := substr 1 (len $digits) $digits -}}
{{- $mantissa := printf "%s([.]0*)?" (substr 0 1 $digits) -}}
{{- if $rest }}{{ $mantissa = printf "%s[.]%s0*" (substr 0 1 $digits) $rest }}{{ end -}}
{{- $sign := ternary "-" "[+]?" (lt $exponent 0) -}}
{{ $plain }}|{{ $mantissa }}[eE]{{ $sign }}0*{{ ternary (sub 0 $exponent) $exponent (lt $exponent 0) }}
{{- end }}

{{/*
Work offered per second, divided by the work that the pod can do per second; of a gauge its average, such as sessions,
divided by what the pod has room for.

A pod without both has no value. The bounds in brackets drop invalid capacities: 0, and -1, +Inf and NaN, which programs
use for "no limit".

A pod counts for at most ten times its capacity, so that one wrong pod adds no more pods than ten full ones need. The
bound does not slow scaling: a fleet in which every pod is at the bound requests ten times its pods, and one decision
at most quadruples them. More than a thousand times the capacity is not plausible and drops the pod:
the reference renderer would have to refuse 200,000 frames a second on each core.

The capacity is the last sample of the window, not the current one: a failed scrape ends a series at once, and scrapes
fail most often under high load.
*/}}
{{- define "holograph.signals.demand.query" -}}
{{- $demand := .Values.signals.demand -}}
{{- $window := include "holograph.signals.window" (dict "context" $ "key" "demand") -}}
{{- $capacity := "" -}}
{{- if toString $demand.capacity.value -}}
{{- $capacity = include "holograph.quantity" $demand.capacity.value -}}
{{- else -}}
{{- $capacity = printf "(0 < %s < +Inf)" (include "holograph.signals.perPod" (dict "context" $ "function" "last_over_time(%s)" "series" $demand.capacity.metric "selector" $demand.capacity.selector "window" $window)) -}}
{{- end -}}
{{- $query := printf "clamp_max(%s, %s)" (include "holograph.signals.sound" (dict "query" (printf "%s\n/ %s" (include "holograph.signals.offered" .) $capacity) "most" 1000)) (include "holograph.signals.most" (dict "context" $ "key" "demand")) -}}
{{- include "holograph.signals.query" (dict "context" $ "key" "demand" "query" $query) }}
{{- end }}

{{/*
Whether a signal has values only over a full window, "true" or "". Demand says how many pods the load needs, so one that
reads low would remove pods: after quick rollouts, and after an outage of scrapes. The average of a gauge does not read low.
Late frames must show soon, and while demand has no value, the autoscaler removes no pod for want of them.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.isFull" -}}
{{- if and (eq .key "demand") (ne .context.Values.signals.demand.offered.type "gauge") }}true{{ end }}
{{- end }}

{{/*
The work that is offered to a pod.
*/}}
{{- define "holograph.signals.offered" -}}
{{- $offered := .Values.signals.demand.offered -}}
{{- $found := include "holograph.signals.found" (dict "context" $ "key" "demand") | fromJson -}}
{{- $function := ternary "avg_over_time(%s)" "rate(%s)" (eq $offered.type "gauge") -}}
{{- include "holograph.signals.perPod" (dict "context" $ "function" (ternary "histogram_count(rate(%s))" $function $found.native) "full" (include "holograph.signals.isFull" (dict "context" $ "key" "demand")) "series" "<<.Series>>" "selector" $offered.selector "window" (include "holograph.signals.window" (dict "context" $ "key" "demand"))) }}
{{- end }}

{{/*
What the renderer exports for a signal, as JSON: a list of the series, each with "name", "selector", "matchers" that are no
label's value, "bound" and "native" of a histogram, "text" for people, and "value", the key of the values that names it.
Takes dict "context" $ "key" the signal's key below `signals`.
*/}}
{{- define "holograph.signals.exports" -}}
{{- $signal := get .context.Values.signals .key -}}
{{- $form := include "holograph.signals.overruns.form" .context -}}
{{- $found := include "holograph.signals.found" . | fromJson -}}
{{- $list := list -}}
{{- if eq .key "demand" -}}
{{- $list = append $list (merge (dict "value" "signals.demand.offered.metric") $found) -}}
{{- if not (toString $signal.capacity.value) -}}
{{- $list = append $list (dict "name" $signal.capacity.metric "selector" $signal.capacity.selector "value" "signals.demand.capacity.metric") -}}
{{- end -}}
{{- else -}}
{{- $value := get (dict "query" "signals.frames.name" "classic" "signals.overruns.histogram.metric" "native" "signals.overruns.histogram.metric") $form -}}
{{- $list = append $list (merge (dict "value" (default (printf "signals.overruns.%s" (ternary "metric" "name" (ne $signal.metric ""))) $value)) $found) -}}
{{- if eq $form "classic" -}}
{{- $list = append $list (dict "name" (printf "%s_bucket" $signal.histogram.metric) "selector" $signal.selector "value" $value
  "matchers" (printf ",le=~%q" (include "holograph.signals.bound.pattern" .context)) "bound" (include "holograph.signals.bound" .context)) -}}
{{- end -}}
{{- end -}}
{{- $texts := list -}}
{{- range $list -}}
{{- $labels := merge (dict) .selector (ternary (dict "le" .bound) dict (hasKey . "bound")) -}}
{{- $texts = append $texts (merge (dict "text" (printf "%s%s" .name (ternary (printf "{%s}" (include "holograph.signals.selector" $labels | trimPrefix ",")) "" (gt (len $labels) 0)))) .) -}}
{{- end -}}
{{- toJson $texts }}
{{- end }}

{{/*
What the renderer exports for all signals and for the share in budget, each once, as JSON like the above. "scales" says
whether the autoscaler uses it.
*/}}
{{- define "holograph.signals.exported" -}}
{{- $exported := list -}}
{{- $texts := list -}}
{{- range $key := include "holograph.signals" . | splitList " " -}}
{{- range include "holograph.signals.exports" (dict "context" $ "key" $key) | fromJsonArray -}}
{{- if not (has .text $texts) -}}
{{- $texts = append $texts .text -}}
{{- $exported = append $exported (merge (dict "scales" true) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $frames := include "holograph.signals.frames" . | fromJson -}}
{{- $text := printf "%s%s" $frames.name (ternary (printf "{%s}" (include "holograph.signals.selector" $frames.selector | trimPrefix ",")) "" (gt (len $frames.selector) 0)) -}}
{{- if not (has $text $texts) -}}
{{- $exported = append $exported (merge (dict "scales" false "text" $text) $frames) -}}
{{- end -}}
{{- toJson $exported }}
{{- end }}

{{/*
The adapter's rules, one per signal. Each has its own series and its own name.
*/}}
{{- define "holograph.signals.rules" -}}
{{- $labels := .Values.signals.labels }}
{{- range $key := include "holograph.signals" . | splitList " " }}
{{- $signal := get $.Values.signals $key }}
{{- $found := include "holograph.signals.found" (dict "context" $ "key" $key) | fromJson }}
{{- $matchers := printf "%s!=\"\",%s!=\"\"%s%s" $labels.namespace $labels.pod (include "holograph.signals.matchers" $) (include "holograph.signals.selector" $found.selector) }}
- seriesQuery: {{ include "holograph.signals.series" (dict "name" $found.name "matchers" $matchers) | quote }}
  seriesFilters: []
  resources:
    # Only these two: a template would also map `job`, `service` or `node` labels to Kubernetes resources.
    overrides:
      {{ $labels.namespace | quote }}:
        resource: namespace
      {{- /* For a total, the resource is the Deployment whose pods these are: the adapter looks only whether the label is there. */}}
      {{ $labels.pod | quote }}:
        {{- if include "holograph.signals.isTotal" (dict "context" $ "key" $key) }}
        group: apps
        resource: deployment
        {{- else }}
        resource: pod
        {{- end }}
  name:
    matches: {{ printf "^%s$" (regexQuoteMeta $found.name) | quote }}
    as: {{ $signal.name | quote }}
  metricsQuery: >-
    {{- if include "holograph.signals.isTotal" (dict "context" $ "key" $key) }}
    {{- include "holograph.signals.objectQuery" (dict "context" $ "key" $key) | nindent 4 }}
    {{- else }}
    {{- include "holograph.signals.asked" (dict "context" $ "key" $key) | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/*
The adapter's configuration file.
*/}}
{{- define "holograph.prometheusAdapter.config" -}}
rules:
  {{- with .Values.prometheusAdapter.extraRules }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "holograph.signals.rules" . | trim | nindent 2 }}
{{- end }}

{{/*
Checksum of the adapter's configuration files. The adapter's pods have it as an annotation.
*/}}
{{- define "holograph.prometheusAdapter.checksum" -}}
{{- printf "%s%s" (include "holograph.prometheusAdapter.config" .) (include "holograph.prometheus.kubeconfig" .) | sha256sum }}
{{- end }}
