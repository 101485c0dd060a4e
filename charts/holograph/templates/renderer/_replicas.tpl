{{/*
Name of the renderer's container.
*/}}
{{- define "holograph.renderer.container" -}}
renderer
{{- end }}

{{/*
The cluster autoscaler keeps a node whose pods have files on its disk, unless they say that those may be lost.
*/}}
{{- define "holograph.renderer.tmpAnnotations" -}}
{{- if .Values.renderer.tmp.enabled -}}
cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: tmp
{{- end }}
{{- end }}

{{/*
The number of renderer pods that the manifest must hold, or nothing where an autoscaler sets
the number.

A field that leaves the manifest is reset by Helm, not left alone: Helm 3 patches it with null, and server-side
apply removes what no other manager has set. Kubernetes then uses its default, one replica. So a release that is
switched to autoscaling keeps `replicas`, with the number that runs, for as long as Helm could still reset it.
That ends under server-side apply once the autoscaler has set the number itself, and never under Helm 3.
*/}}
{{- define "holograph.renderer.replicas" -}}
{{- if not .Values.autoscaling.enabled }}
{{- .Values.renderer.replicaCount }}
{{- else }}
{{- $live := lookup "apps/v1" "Deployment" (include "holograph.namespace" .) (include "holograph.renderer.name" .) }}
{{- if hasKey (dig "metadata" "annotations" dict $live) (include "holograph.renderer.replicasAnnotation" .) }}
{{- $applied := false }}
{{- $othersToo := false }}
{{- $annotation := printf "f:%s" (include "holograph.renderer.replicasAnnotation" .) }}
{{- range dig "metadata" "managedFields" list $live }}
{{- /* Flux, Argo CD and a renamed Helm apply under other names. The manager that applied the annotation also applied the manifest. */}}
{{- if and (eq .operation "Apply") (hasKey (dig "fieldsV1" "f:metadata" "f:annotations" dict .) $annotation) }}
{{- $applied = true }}
{{- else if hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas" }}
{{- $othersToo = true }}
{{- end }}
{{- end }}
{{- if not (and $applied $othersToo) }}
{{- max (dig "spec" "replicas" 0 $live) .Values.autoscaling.minReplicas }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Annotation of a Deployment whose manifest has `replicas`. The next upgrade reads it.
*/}}
{{- define "holograph.renderer.replicasAnnotation" -}}
holograph/replicas-in-manifest
{{- end }}

{{/*
The part of the pod's grace period that is left when the renderer gets the signal to end: the period includes the
preStop hook. How long a hook other than a sleep takes is not known.
*/}}
{{- define "holograph.renderer.gracePeriod" -}}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 (default dict .Values.renderer.lifecycle) | int -}}
{{ max 1 (sub (int .Values.renderer.terminationGracePeriodSeconds) $sleep) }}s
{{- end }}
