{{/*
Name of the StatefulSet of the placeholder pods. It ends with a checksum of their template, so that another template comes with
another StatefulSet: its update strategy replaces no pods. Kubernetes appends 11 characters to it in a label, which holds 63.
*/}}
{{- define "holograph.placeholder.name" -}}
{{- $fullname := include "holograph.fullname" . }}
{{- $checksum := printf "%s\n%s" $fullname (include "holograph.placeholder.template" .) | sha256sum }}
{{- printf "%s-placeholder-%s" ($fullname | trunc 34 | trimSuffix "-") (trunc 5 $checksum) }}
{{- end }}

{{/*
Priority class of the placeholder pods. The chart's own has no namespace, so its name contains the release's, before a dot,
which no namespace has.
*/}}
{{- define "holograph.placeholder.priorityClass" -}}
{{- default (printf "%s.%s-placeholder" (include "holograph.namespace" .) (include "holograph.fullname" .)) .Values.warmCapacity.placeholders.priorityClassName }}
{{- end }}

{{/*
The resources of containers as a list in JSON, without those that request nothing. Each has the restartPolicy of its container.
Takes the list of containers.
*/}}
{{- define "holograph.placeholder.resources" -}}
{{- $all := list }}
{{- range . }}
{{- $resources := default dict .resources }}
{{- if or $resources.requests $resources.limits }}
{{- $all = append $all (dict "resources" (pick $resources "requests" "limits") "restartPolicy" (default "" .restartPolicy)) }}
{{- end }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/*
Template of the placeholder pods. Each container of a renderer pod has one here with the same resources, in the same order, from
which Kubernetes computes the same room: an init container may need more than all that run after it. Here it ends at once,
which pause does with -v.
*/}}
{{- define "holograph.placeholder.template" -}}
{{- $renderer := .Values.renderer }}
{{- $scheduling := set (pick $renderer "nodeSelector" "tolerations" "affinity") "priorityClassName" (include "holograph.placeholder.priorityClass" .) }}
{{- include "holograph.warmCapacity.template" (dict "context" $ "component" "placeholder" "scheduling" $scheduling) }}
  {{- with $renderer.schedulerName }}
  schedulerName: {{ . | quote }}
  {{- end }}
  {{- with $renderer.extraPodSpec.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "holograph.placeholder.resources" $renderer.initContainers | fromJsonArray }}
  initContainers:
    {{- range $index, $container := . }}
    - name: {{ printf "init-%d" $index | quote }}
      {{- if eq $container.restartPolicy "Always" }}
      restartPolicy: Always
      {{- else }}
      args: ["-v"]
      {{- end }}
      {{- include "holograph.warmCapacity.container" (dict "context" $ "resources" $container.resources) | nindent 6 }}
    {{- end }}
  {{- end }}
  containers:
    {{- range $index, $container := concat (list $renderer) $renderer.extraContainers | include "holograph.placeholder.resources" | fromJsonArray | default (list (dict "resources" (dict))) }}
    - name: {{ printf "placeholder-%d" $index | quote }}
      {{- include "holograph.warmCapacity.container" (dict "context" $ "resources" $container.resources) | nindent 6 }}
    {{- end }}
{{- end }}

{{- define "holograph.prePull.name" -}}
{{- include "holograph.fullname" . }}-pre-pull
{{- end }}

{{/*
The images of a renderer pod, each once, as `image` volume sources in JSON.
*/}}
{{- define "holograph.prePull.images" -}}
{{- $renderer := .Values.renderer }}
{{- $first := include "holograph.image" (dict "context" $ "image" $renderer.image) }}
{{- $references := list $first }}
{{- $sources := list (dict "reference" $first "pullPolicy" $renderer.image.pullPolicy) }}
{{- range concat $renderer.initContainers $renderer.extraContainers }}
{{- if not (has .image $references) }}
{{- $references = append $references .image }}
{{- $source := dict "reference" .image }}
{{- with .imagePullPolicy }}
{{- $_ := set $source "pullPolicy" . }}
{{- end }}
{{- $sources = append $sources $source }}
{{- end }}
{{- end }}
{{- toJson $sources }}
{{- end }}

{{/*
Template of the pre-pull pods. The kubelet pulls the image of a volume as it pulls that of a container, and its collection of
garbage leaves an image that is mounted. Nothing of the images runs, so they need no shell.
*/}}
{{- define "holograph.prePull.template" -}}
{{- $renderer := .Values.renderer }}
{{- $images := include "holograph.prePull.images" . | fromJsonArray }}
{{- /* The DaemonSet's own tolerations, without an end: global.tolerationSeconds would end its pods on a lost node, and it would make them anew. */}}
{{- $tolerations := default .Values.global.tolerations $renderer.tolerations }}
{{- range $taint := list "node.kubernetes.io/not-ready" "node.kubernetes.io/unreachable" }}
{{- $tolerations = append $tolerations (dict "key" $taint "operator" "Exists" "effect" "NoExecute") }}
{{- end }}
{{- /* Without podAffinity and podAntiAffinity: they keep renderers apart, and an image is wanted on every node. */}}
{{- $scheduling := dict "nodeSelector" $renderer.nodeSelector "tolerations" $tolerations "affinity" (pick $renderer.affinity "nodeAffinity") }}
{{- include "holograph.warmCapacity.template" (dict "context" $ "component" "pre-pull" "scheduling" $scheduling) }}
  containers:
    - name: pre-pull
      {{- include "holograph.warmCapacity.container" (dict "context" $ "resources" .Values.warmCapacity.prePull.resources) | nindent 6 }}
      volumeMounts:
        {{- range $index, $image := $images }}
        - name: {{ printf "image-%d" $index | quote }}
          mountPath: {{ printf "/images/%d" $index | quote }}
          readOnly: true
        {{- end }}
  volumes:
    {{- range $index, $image := $images }}
    - name: {{ printf "image-%d" $index | quote }}
      image:
        {{- toYaml $image | nindent 8 }}
    {{- end }}
{{- end }}

{{/*
What both kinds of pods have. Takes dict "context" $ "component" name "scheduling" the values that choose the nodes.
*/}}
{{- define "holograph.warmCapacity.template" -}}
{{- $warm := .context.Values.warmCapacity -}}
metadata:
  labels:
    {{- include "holograph.podLabels" (merge (dict "podLabels" $warm.podLabels) .) | nindent 4 }}
  {{- with $warm.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "holograph.scheduling" (dict "context" .context "values" .scheduling) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .context.Values.renderer.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # A renderer that needs the room does not wait for the end of a pod that does nothing.
  terminationGracePeriodSeconds: 0
  securityContext:
    {{- include "holograph.securityContext" (dict "context" .context "securityContext" $warm.podSecurityContext) | nindent 4 }}
{{- end }}

{{/*
The fields of a container that does nothing, except its name, which the caller writes. Takes dict "context" $ "resources" map.
*/}}
{{- define "holograph.warmCapacity.container" -}}
{{- $warm := .context.Values.warmCapacity -}}
image: {{ include "holograph.image" (dict "context" .context "image" $warm.image) | quote }}
imagePullPolicy: {{ $warm.image.pullPolicy | quote }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "holograph.securityContext" (dict "context" .context "securityContext" $warm.securityContext) | nindent 2 }}
{{- end }}
