{{/*
Refuses warm capacity that keeps no room, or the same room twice.
*/}}
{{- define "holograph.validate.warmCapacity" -}}
{{- $warm := .Values.warmCapacity }}
{{- $renderer := .Values.renderer }}
{{- $placeholders := $warm.placeholders }}
{{- $pods := int $placeholders.pods }}
{{- range $key, $kept := dict "placeholders" $pods "capacityBuffer" (int $warm.capacityBuffer.pods) }}
{{- if and (gt $kept 0) (not $.Values.autoscaling.enabled) }}
{{- include "holograph.refuse" (printf "warmCapacity.%s.pods: must be 0 where autoscaling.enabled is false (got %d), because no autoscaler adds a pod that would take that room: write 0." $key $kept) }}
{{- end }}
{{- end }}
{{- if gt $pods 0 }}
{{- if gt (int $warm.capacityBuffer.pods) 0 }}
{{- include "holograph.refuse" (printf "warmCapacity.capacityBuffer.pods: must be 0 with warmCapacity.placeholders.pods (got %v), because both would keep room for the same pods: write 0 for the placeholders where your node autoscaler has CapacityBuffers, and 0 here where it does not." $warm.capacityBuffer.pods) }}
{{- end }}
{{- if not $renderer.enabled }}
{{- include "holograph.refuse" (printf "warmCapacity.placeholders.pods: must be 0 where renderer.enabled is false (got %d), because the values do not say what the workload's pods request: write 0, or warmCapacity.capacityBuffer.pods, which takes it from the workload." $pods) }}
{{- else }}
{{- if $renderer.resourceClaims }}
{{- include "holograph.refuse" (printf "warmCapacity.placeholders.pods: must be 0 with renderer.resourceClaims (got %d), because the scheduler does not remove a pod for the device that it has claimed, and placeholders would keep the devices from the renderers: write 0, and keep pods ready with autoscaling.headroom." $pods) }}
{{- end }}
{{- if not (or $renderer.extraPodSpec.resources (concat (list $renderer) $renderer.extraContainers $renderer.initContainers | include "holograph.placeholder.resources" | fromJsonArray)) }}
{{- include "holograph.refuse" (printf "warmCapacity.placeholders.pods: must be 0 where the renderer's containers request nothing (got %d), because a placeholder would keep no room: write renderer.resources.requests." $pods) }}
{{- end }}
{{- $class := $placeholders.priorityClassName }}
{{- if and $class (or (eq $class $renderer.priorityClassName) (hasPrefix "system-" $class)) }}
{{- include "holograph.refuse" (printf "warmCapacity.placeholders.priorityClassName: must be a class below that of the renderer (got %s), because a pod takes the room of pods of a lower priority only: write a class of a negative value, or leave it empty." $class) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $warm.prePull.enabled }}
{{- if not $renderer.enabled }}
{{- include "holograph.refuse" "warmCapacity.prePull.enabled: must be false where renderer.enabled is false (got true), because the values do not say which images the workload's pods have: write false." }}
{{- else if eq $renderer.image.pullPolicy "Never" }}
{{- include "holograph.refuse" "warmCapacity.prePull.enabled: must be false with renderer.image.pullPolicy Never (got true), because nodes then pull nothing: write false, or another pull policy." }}
{{- end }}
{{- if semverCompare "<1.35.0-0" .Capabilities.KubeVersion.Version }}
{{- include "holograph.refuse" (printf "warmCapacity.prePull.enabled: must be false before Kubernetes 1.35 (got true), because this cluster is %s, which does not mount images as volumes by default: write false." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}
