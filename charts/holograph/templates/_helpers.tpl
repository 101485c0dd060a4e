{{/*
Chart name, as `app.kubernetes.io/name`.
*/}}
{{- define "holograph.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Common part of all object names. 43 characters: a Service name holds 63, and the
longest suffix, -kube-state-metrics or -prometheus-adapter, takes 19 and its dash.
*/}}
{{- define "holograph.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- /* The name of a release may have dots, the name of a Service may not. */}}
{{- $release := replace "." "-" .Release.Name }}
{{- if contains $name $release }}
{{- $release | trunc 43 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" $release $name | trunc 43 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "holograph.renderer.name" -}}
{{- include "holograph.fullname" . }}-renderer
{{- end }}

{{- define "holograph.prometheus.name" -}}
{{- include "holograph.fullname" . }}-prometheus
{{- end }}

{{- define "holograph.prometheusAdapter.name" -}}
{{- include "holograph.fullname" . }}-prometheus-adapter
{{- end }}

{{/*
Name of the ConfigMap with the rules for an adapter of the cluster's own.
*/}}
{{- define "holograph.prometheusAdapter.existingName" -}}
{{- default (printf "%s-adapter-rules" (include "holograph.fullname" .)) .Values.prometheusAdapter.existing.configMap }}
{{- end }}

{{- define "holograph.kubeStateMetrics.name" -}}
{{- include "holograph.fullname" . }}-kube-state-metrics
{{- end }}

{{- define "holograph.doctor.name" -}}
{{- include "holograph.fullname" . }}-doctor
{{- end }}

{{- define "holograph.deletionCost.name" -}}
{{- include "holograph.fullname" . }}-deletion-cost
{{- end }}

{{- define "holograph.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Labels that select the pods of one component. Never change: a Deployment's selector is immutable.
Takes dict "context" $ "component" name.
*/}}
{{- define "holograph.selectorLabels" -}}
app.kubernetes.io/name: {{ include "holograph.name" .context | quote }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end }}

{{/*
Labels of every object. Takes dict "context" $ "component" name, optionally "labels": the object's own, which take the place
of commonLabels.
*/}}
{{- define "holograph.labels" -}}
{{- $own := include "holograph.selectorLabels" . | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (include "holograph.chart" .context) }}
{{- $_ := set $own "app.kubernetes.io/version" .context.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .context.Release.Service }}
{{- /* A platform says itself what its parts belong to. */}}
{{- merge $own (default dict .labels) .context.Values.commonLabels (dict "app.kubernetes.io/part-of" (include "holograph.name" .context)) | toYaml }}
{{- end }}

{{/*
name, namespace, labels and annotations of one object.
Takes dict "context" $ "component" name "name" name, optionally "annotations" and
"namespace": another than the release's, or "-" for a cluster-scoped object.
*/}}
{{- define "holograph.metadata" -}}
name: {{ .name | quote }}
{{- if ne (default "" .namespace) "-" }}
namespace: {{ default (include "holograph.namespace" .context) .namespace | quote }}
{{- end }}
labels:
  {{- include "holograph.labels" . | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .context.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
A file of a ConfigMap as a YAML text, which ends in one line break. Takes the file. As `toYaml` writes it, a text that
a block cannot hold is put in quotes.
*/}}
{{- define "holograph.file" -}}
{{- printf "%s\n" (trim .) | toYaml | indent 2 | trim }}
{{- end }}

{{/*
Name of an object outside the release's namespace. It contains the namespace, so that it is unique to the release.
Takes dict "context" $ "name" name.
*/}}
{{- define "holograph.foreignName" -}}
{{ include "holograph.namespace" .context }}:{{ .name }}
{{- end }}

{{/*
Permissions of a component in the release's namespace and in each of servedNamespaces: a Role and its RoleBinding.
Takes dict "context" $ "component" name "name" name of the service account "rules" list.
*/}}
{{- define "holograph.roles" -}}
{{- $own := include "holograph.namespace" .context }}
{{- range $index, $namespace := include "holograph.scope.served" .context | fromJsonArray }}
{{- $role := merge (dict "namespace" $namespace "name" (ternary (include "holograph.foreignName" $) $.name (ne $namespace $own))) $ }}
{{- if $index }}
---
{{ end -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "holograph.metadata" $role | nindent 2 }}
rules:
  {{- toYaml $.rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "holograph.metadata" $role | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $role.name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ $.name | quote }}
    namespace: {{ $own | quote }}
{{- end }}
{{- end }}

{{/*
Labels of a component's pods. Takes dict "context" $ "component" name "podLabels" map.
They have no version, so that a chart upgrade that changes nothing else restarts no pods.
*/}}
{{- define "holograph.podLabels" -}}
{{- $own := include "holograph.selectorLabels" . | fromYaml }}
{{- merge (dict) $own (default dict .podLabels) .context.Values.commonLabels | toYaml }}
{{- end }}

{{/*
The registry in a repository: the part before the first slash, where it has a dot or a port or is localhost. Otherwise
it is a part of the repository's name, as in acme/renderer. Takes the repository.
*/}}
{{- define "holograph.image.host" -}}
{{- regexFind "^(localhost|[^/]*[.:][^/]*)/" . | trimSuffix "/" }}
{{- end }}

{{/*
Reference of an image. Takes dict "context" $ "image" values.
*/}}
{{- define "holograph.image" -}}
{{- $registry := default .image.registry .context.Values.global.imageRegistry }}
{{- $repository := .image.repository }}
{{- if $registry }}
{{- $repository = printf "%s/%s" $registry (trimPrefix (printf "%s/" (include "holograph.image.host" $repository)) $repository) }}
{{- end }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .context.Chart.AppVersion .image.tag) }}
{{- end }}
{{- end }}

{{/*
What is to be done for an image that no registry has, because it was built for the nodes; empty for every other image.
Takes dict "context" $ "component" renderer or doctor.
*/}}
{{- define "holograph.image.unpublished" -}}
{{- $image := (get .context.Values .component).image }}
{{- $reference := include "holograph.image" (dict "context" .context "image" $image) }}
{{- $build := ternary "Build it with `make images`" "Build it" (eq (base $image.repository) (printf "holograph-%s" .component)) }}
{{- if eq (include "holograph.image.host" $reference) "localhost" }}
{{- $reference }} is in no registry. {{ $build }} and load it into every node
{{- /* Who writes a registry of this image has pushed it there; that of all images came from elsewhere. */}}
{{- else if eq (default (include "holograph.image.host" $image.repository) $image.registry) "localhost" }}
{{- $reference }} is in no registry until you push it. {{ $build }} and push it to {{ .context.Values.global.imageRegistry }}
{{- end }}
{{- end }}

{{/*
The scheduling fields of a component's pod. Its own nodeSelector and tolerations replace the global ones, and
global.tolerationSeconds is added for the taints that neither names.
Takes dict "context" $ "values" values of the component.
*/}}
{{- define "holograph.scheduling" -}}
{{- $pod := dict }}
{{- range $key := list "priorityClassName" "nodeSelector" "affinity" "tolerations" }}
{{- with get $.values $key | default (get $.context.Values.global $key) }}
{{- $_ := set $pod $key . }}
{{- end }}
{{- end }}
{{- $seconds := .context.Values.global.tolerationSeconds }}
{{- if not (kindIs "invalid" $seconds) }}
{{- $tolerations := default list $pod.tolerations }}
{{- /* Kubernetes takes the shortest of several times for a taint, so one in the values would be overruled. */}}
{{- range $taint := list "node.kubernetes.io/not-ready" "node.kubernetes.io/unreachable" }}
{{- $named := false }}
{{- range $pod.tolerations }}
{{- $named = or $named (has (default "" .key) (list "" $taint)) }}
{{- end }}
{{- if not $named }}
{{- $tolerations = append $tolerations (dict "key" $taint "operator" "Exists" "effect" "NoExecute" "tolerationSeconds" (int $seconds)) }}
{{- end }}
{{- end }}
{{- $_ := set $pod "tolerations" $tolerations }}
{{- end }}
{{- range .context.Values.global.imagePullSecrets }}
{{- /* Other charts of the same parent take their names alone. */}}
{{- $_ := set $pod "imagePullSecrets" (append (default list $pod.imagePullSecrets) (ternary (dict "name" .) . (kindIs "string" .))) }}
{{- end }}
{{- with $pod }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/*
The security context of a pod or a container, without user IDs where the cluster assigns them.
Takes dict "context" $ "securityContext" the values.
*/}}
{{- define "holograph.securityContext" -}}
{{- $security := .securityContext }}
{{- if eq (include "holograph.userIDs" .context) "assigned" }}
{{- $security = omit $security "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $security }}
{{- end }}

{{/*
Who chooses user IDs: fixed or assigned. OpenShift assigns each namespace a range of them, and admits no pod that names
another one.
*/}}
{{- define "holograph.userIDs" -}}
{{- $userIDs := .Values.global.security.userIDs }}
{{- if eq $userIDs "auto" }}
{{- ternary "assigned" "fixed" (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
{{- else }}
{{- $userIDs }}
{{- end }}
{{- end }}

{{/*
Annotations of the renderer's pods for a Prometheus that finds its targets by them.
*/}}
{{- define "holograph.renderer.scrapeAnnotations" -}}
{{- if .Values.scrapeAnnotations.enabled -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ include "holograph.metrics.port" . | quote }}
prometheus.io/path: {{ .Values.renderer.metrics.path | quote }}
{{- end }}
{{- end }}

{{- define "holograph.renderer.serviceAccountName" -}}
{{- if .Values.renderer.serviceAccount.create }}
{{- default (include "holograph.renderer.name" .) .Values.renderer.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.renderer.serviceAccount.name }}
{{- end }}
{{- end }}
