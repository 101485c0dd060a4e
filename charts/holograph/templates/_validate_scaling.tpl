{{/*
Refuses additions to the autoscaler that Kubernetes accepts and that do not scale.
*/}}
{{- define "holograph.validate.scaling" -}}
{{- $autoscaling := .Values.autoscaling }}
{{- $hpa := include "holograph.autoscaling.hpa" . }}
{{- $keda := include "holograph.autoscaling.keda" . }}
{{- if and $keda $autoscaling.metrics }}
{{- include "holograph.refuse" (printf "autoscaling.metrics: must be empty with autoscaling.provider keda (got %d), because KEDA makes the metrics of its autoscaler from triggers: write them as keda.triggers." (len $autoscaling.metrics)) }}
{{- end }}
{{- range $key := list "triggers" "scalingModifiers" "metadata" "pollingInterval" "cooldownPeriod" "initialCooldownPeriod" "idleReplicaCount" }}
{{- $value := get $.Values.keda $key }}
{{- if and $hpa (or $value (kindIs "float64" $value) (kindIs "int64" $value)) }}
{{- include "holograph.refuse" (printf "keda.%s: must be empty with autoscaling.provider hpa (got a value), because only KEDA uses it: write autoscaling.provider: keda, or remove it." $key) }}
{{- end }}
{{- end }}
{{- if and $hpa .Values.keda.authenticationRef.name }}
{{- include "holograph.refuse" (printf "keda.authenticationRef.name: must be empty with autoscaling.provider hpa (got %s), because only KEDA uses it: write autoscaling.provider: keda, or prometheus.auth for the adapter." .Values.keda.authenticationRef.name) }}
{{- end }}
{{- if and $hpa .Values.renderer.enabled }}
{{- $containers := list (include "holograph.renderer.container" .) }}
{{- range concat .Values.renderer.extraContainers .Values.renderer.initContainers }}
{{- $containers = append $containers .name }}
{{- end }}
{{- range $index, $metric := $autoscaling.metrics }}
{{- $container := dig "containerResource" "container" "" $metric }}
{{- if and $container (not (has $container $containers)) }}
{{- include "holograph.refuse" (printf "autoscaling.metrics[%d].containerResource.container: must be a container of the renderer's pods (got %s), because the autoscaler would have no value for it, and would remove no pod: write %s." $index $container (join " or " $containers)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.renderer.enabled }}
{{- include "holograph.validate.requests" . }}
{{- end }}
{{- if $keda }}
{{- include "holograph.validate.triggers" . }}
{{- end }}
{{- $names := include "holograph.signals" . | splitList " " }}
{{- range $index, $trigger := .Values.keda.triggers }}
{{- if and $trigger.name (has $trigger.name $names) }}
{{- include "holograph.refuse" (printf "keda.triggers[%d].name: must be unique (got %s, which another trigger has), because KEDA refuses a ScaledObject with one name twice and does not scale: write another name." $index $trigger.name) }}
{{- end }}
{{- with $trigger.name }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- if and (include "holograph.autoscaling.scalesToZero" .) (gt (float64 $autoscaling.headroom) 0.0) }}
{{- include "holograph.refuse" (printf "autoscaling.headroom: must be 0 where the autoscaler may remove all pods (got %v), because it asks for spare pods without any load too, and would never remove the last one: write 0, or an autoscaling.minReplicas of 1 or more and null for keda.idleReplicaCount." $autoscaling.headroom) }}
{{- end }}
{{- if $keda }}
{{- $key := ternary "autoscaling.minReplicas" "keda.idleReplicaCount" (eq (int $autoscaling.minReplicas) 0) }}
{{- $idle := not (kindIs "invalid" .Values.keda.idleReplicaCount) }}
{{- if and $idle (eq (int $autoscaling.minReplicas) 0) }}
{{- include "holograph.refuse" "keda.idleReplicaCount: must be below autoscaling.minReplicas (got 0 for both), because KEDA does not scale otherwise: write null for it, or a higher autoscaling.minReplicas." }}
{{- end }}
{{- $wakes := false }}
{{- range .Values.keda.triggers }}
{{- $wakes = or $wakes (not (has .type (list "cpu" "memory"))) }}
{{- end }}
{{- if and (include "holograph.autoscaling.scalesToZero" .) (not $wakes) }}
{{- include "holograph.refuse" (printf "%s: must be %s without an entry in keda.triggers that has a value without pods (got 0), because without pods nothing counts frames or uses CPU and memory, and the first pod would never start: write such a trigger, like cron." $key (ternary "1 or more" "null" (eq $key "autoscaling.minReplicas"))) }}
{{- end }}
{{- if and (include "holograph.autoscaling.scalesToZero" .) (not (include "holograph.scope.objects" .)) }}
{{- include "holograph.refuse" "kubeStateMetrics.enabled: must be true where KEDA scales to 0 pods (got false), because the queries could not tell a Deployment without pods from a loss of all samples: write true, or a higher minimum." }}
{{- end }}
{{- end }}
{{- if and $hpa (eq (int $autoscaling.minReplicas) 0) }}
{{- $wakes := false }}
{{- range $autoscaling.metrics }}
{{- $wakes = or $wakes (has .type (list "External" "Object")) }}
{{- end }}
{{- if not $wakes }}
{{- include "holograph.refuse" "autoscaling.minReplicas: must be 1 or more without an External or Object metric in autoscaling.metrics (got 0), because the signals have no value without pods, and the first pod would never start: write 1, or a metric that has a value without pods." }}
{{- else if semverCompare "<1.37.0-0" .Capabilities.KubeVersion.Version }}
{{- include "holograph.refuse" (printf "autoscaling.minReplicas: must be 1 or more before Kubernetes 1.37 (got 0), because this cluster is %s, which does not scale to 0 by default: write 1, or autoscaling.provider: keda." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A utilization is a share of what containers request, and Kubernetes has no value for it where one of them requests nothing.
*/}}
{{- define "holograph.validate.requests" -}}
{{- $renderer := .Values.renderer }}
{{- $containers := list (dict "key" "renderer" "name" (include "holograph.renderer.container" .) "resources" $renderer.resources) }}
{{- range $list := list "extraContainers" "initContainers" }}
{{- range $index, $container := get $renderer $list }}
{{- if or (eq $list "extraContainers") (eq (default "" $container.restartPolicy) "Always") }}
{{- $containers = append $containers (dict "key" (printf "renderer.%s[%d]" $list $index) "name" $container.name "resources" $container.resources) }}
{{- end }}
{{- end }}
{{- end }}
{{- $measured := list }}
{{- if include "holograph.autoscaling.hpa" . }}
{{- range $index, $metric := .Values.autoscaling.metrics }}
{{- $source := default dict (default $metric.resource $metric.containerResource) }}
{{- if eq (dig "target" "type" "" $source) "Utilization" }}
{{- $measured = append $measured (dict "key" (printf "autoscaling.metrics[%d]" $index) "resource" $source.name "container" $source.container) }}
{{- end }}
{{- end }}
{{- else if include "holograph.autoscaling.keda" . }}
{{- range $index, $trigger := .Values.keda.triggers }}
{{- if and (has $trigger.type (list "cpu" "memory")) (eq (default "" $trigger.metricType) "Utilization") }}
{{- $measured = append $measured (dict "key" (printf "keda.triggers[%d]" $index) "resource" $trigger.type "container" (default dict $trigger.metadata).containerName) }}
{{- end }}
{{- end }}
{{- end }}
{{- $pod := default dict $renderer.extraPodSpec.resources }}
{{- range $metric := $measured }}
{{- $ofPod := or (hasKey (default dict $pod.requests) $metric.resource) (hasKey (default dict $pod.limits) $metric.resource) }}
{{- range $container := $containers }}
{{- $resources := default dict $container.resources }}
{{- $requests := or (hasKey (default dict $resources.requests) $metric.resource) (hasKey (default dict $resources.limits) $metric.resource) }}
{{- if and (not $requests) (ternary (eq (toString $container.name) (toString $metric.container)) (not $ofPod) (not (empty $metric.container))) }}
{{- include "holograph.refuse" (printf "%s.resources.requests.%s: must be set with the Utilization in %s (got none), because that is a share of what the containers request, and the autoscaler would have no value for it and would remove no pod: write what the container needs." $container.key $metric.resource $metric.key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What KEDA refuses of a ScaledObject. Its webhook may not be there, and then KEDA takes the object and does not scale.
*/}}
{{- define "holograph.validate.triggers" -}}
{{- range $index, $trigger := .Values.keda.triggers }}
{{- $own := has $trigger.type (list "cpu" "memory") }}
{{- $types := ternary (list "Utilization" "AverageValue") (list "" "AverageValue" "Value") $own }}
{{- $type := default "" $trigger.metricType }}
{{- if not (has $type $types) }}
{{- include "holograph.refuse" (printf "keda.triggers[%d].metricType: must be %s for a trigger of type %s (got %s), because KEDA has no other for it, and would scale by none of the triggers: write %s." $index (compact $types | join " or ") $trigger.type (default "none" $type) (first (compact $types))) }}
{{- end }}
{{- if and $trigger.useCachedMetrics (or $own (eq $trigger.type "cron")) }}
{{- include "holograph.refuse" (printf "keda.triggers[%d].useCachedMetrics: must be false for a trigger of type %s (got true), because KEDA refuses a ScaledObject with it: remove it." $index $trigger.type) }}
{{- end }}
{{- end }}
{{- with .Values.keda.scalingModifiers }}
{{- if not .formula }}
{{- include "holograph.refuse" "keda.scalingModifiers.formula: must be set with keda.scalingModifiers (got none), because KEDA does not scale without it: write a formula over the names of the triggers, like max([overruns, demand])." }}
{{- end }}
{{- if le (default "" .target | toString | float64) 0.0 }}
{{- include "holograph.refuse" (printf "keda.scalingModifiers.target: must be a number above 0 (got %s), because KEDA divides the formula by it to get the number of pods, and does not scale without it: write it like \"0.75\"." (toString .target | default "none" | replace "<nil>" "none")) }}
{{- end }}
{{- if eq (default "" .metricType) "Utilization" }}
{{- include "holograph.refuse" "keda.scalingModifiers.metricType: must be AverageValue or Value (got Utilization), because KEDA has no other for a formula, and does not scale: write AverageValue." }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Refuses a writer of deletion costs that has nothing to read, or that nothing would follow.
*/}}
{{- define "holograph.validate.deletionCost" -}}
{{- $annotation := "controller.kubernetes.io/pod-deletion-cost" }}
{{- if .Values.deletionCost.enabled }}
{{- if not .Values.autoscaling.enabled }}
{{- include "holograph.refuse" "deletionCost.enabled: must be false where autoscaling.enabled is false (got true), because no autoscaler removes pods, and a rollout removes all old ones: write false." }}
{{- else if not .Values.signals.demand.enabled }}
{{- include "holograph.refuse" "deletionCost.enabled: must be false where signals.demand.enabled is false (got true), because late frames do not say what a pod holds: write false, or set signals.demand.enabled to true." }}
{{- else if eq (include "holograph.target.kind" .) "StatefulSet" }}
{{- include "holograph.refuse" "deletionCost.enabled: must be false where autoscaling.target.kind is StatefulSet (got true), because a StatefulSet removes the pod with the highest number, whatever its cost: write false." }}
{{- end }}
{{- with .Values.keda.authenticationRef.name }}
{{- include "holograph.refuse" (printf "deletionCost.enabled: must be false with keda.authenticationRef (got true, with %s), because the writer of deletion costs does not have the identity of KEDA's pods, and Prometheus would not answer it: write false, or credentials in prometheus.auth in place of keda.authenticationRef." .) }}
{{- end }}
{{- if and .Values.renderer.enabled (hasKey .Values.renderer.podAnnotations $annotation) }}
{{- include "holograph.refuse" (printf "renderer.podAnnotations: must not have %s with deletionCost.enabled (got %v), because every pod would keep that cost: remove it, or set deletionCost.enabled to false." $annotation (get .Values.renderer.podAnnotations $annotation)) }}
{{- end }}
{{- end }}
{{- end }}
