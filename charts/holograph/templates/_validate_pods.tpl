{{/*
Refuses what Kubernetes accepts of a pod and then does not run: an image that is nowhere, a probe of no port, two listeners
on one port, a root user that may not be root. What the API server refuses by itself is left to it, because it knows more:
`helm install --dry-run=server` shows that before anything is installed. The two handlers are here, because Helm makes
them out of one.
*/}}
{{- define "holograph.validate.pods" -}}
{{- include "holograph.validate.images" . }}
{{- include "holograph.validate.unpublished" . }}
{{- if .Values.renderer.enabled }}
{{- $renderer := .Values.renderer }}
{{- $ports := list (dict "name" "http" "containerPort" $renderer.port) }}
{{- if and (include "holograph.metrics.own" .) (not $renderer.metrics.container) }}
{{- $ports = append $ports (dict "name" "metrics" "containerPort" (include "holograph.metrics.port" .)) }}
{{- end }}
{{- $containers := dict "renderer" (dict
  "env" $renderer.env "securityContext" $renderer.securityContext "ports" (concat $ports $renderer.extraPorts)
  "startupProbe" $renderer.startupProbe "readinessProbe" $renderer.readinessProbe
  "livenessProbe" $renderer.livenessProbe "lifecycle" $renderer.lifecycle) }}
{{- range $list := list "extraContainers" "initContainers" }}
{{- range $index, $container := include "holograph.renderer.containers" (dict "context" $ "containers" (get $renderer $list)) | fromYamlArray }}
{{- $_ := set $containers (printf "renderer.%s[%d]" $list $index) $container }}
{{- end }}
{{- end }}
{{- range $key, $container := $containers }}
{{- include "holograph.validate.container" (dict "context" $ "key" $key "container" $container) }}
{{- end }}
{{- include "holograph.validate.ports" (dict "containers" $containers "service" $renderer.service.extraPorts) }}
{{- $elsewhere := dict "automountServiceAccountToken" "renderer.serviceAccount.automount" "containers" "renderer.extraContainers" "imagePullSecrets" "global.imagePullSecrets"
  "securityContext" "renderer.podSecurityContext" "serviceAccount" "renderer.serviceAccount.name" "serviceAccountName" "renderer.serviceAccount.name" "volumes" "renderer.extraVolumes" }}
{{- /* `resources` of a pod is another field than that of its container. */}}
{{- range $field, $value := omit $renderer.extraPodSpec "resources" }}
{{- if or (hasKey $elsewhere $field) (hasKey $renderer $field) (eq $field "enableServiceLinks") }}
{{- $fix := ternary "remove it" (printf "write %s" (default (printf "renderer.%s" $field) (get $elsewhere $field))) (eq $field "enableServiceLinks") }}
{{- include "holograph.refuse" (printf "renderer.extraPodSpec.%s: must not be set (got a value), because the chart writes that field itself: %s." $field $fix) }}
{{- end }}
{{- end }}
{{- $deadline := ternary 600 $renderer.progressDeadlineSeconds (kindIs "invalid" $renderer.progressDeadlineSeconds) | int }}
{{- if ge (int $renderer.minReadySeconds) $deadline }}
{{- include "holograph.refuse" (printf "renderer.minReadySeconds: must be less than renderer.progressDeadlineSeconds (got %d, with a deadline of %d), because no rollout could end in time, and Kubernetes takes no such Deployment: write less, or a higher renderer.progressDeadlineSeconds." (int $renderer.minReadySeconds) $deadline) }}
{{- end }}
{{- if and $renderer.resourceClaims (semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version) }}
{{- include "holograph.refuse" (printf "renderer.resourceClaims: must be empty before Kubernetes 1.34 (got claims), because this cluster is %s, which does not have the field: request devices under renderer.resources.limits." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holograph.validate.images" -}}
{{- range $component := list "renderer" "prometheus" "prometheusAdapter" "kubeStateMetrics" "doctor" "warmCapacity" }}
{{- $image := (get $.Values $component).image }}
{{- $tag := regexFind "(:[^/]*|@.*)$" $image.repository }}
{{- if $tag }}
{{- include "holograph.refuse" (printf "%s.image.repository: must not have a tag or a digest (got %s), because these have keys of their own: write %s.image.repository: %s and %s.image.%s: %s." $component $image.repository $component (regexReplaceAll "(:[^/@]*)?(@.*)?$" $image.repository "") $component (ternary "digest" "tag" (contains "@" $tag)) (regexReplaceAll "^(.*@|:)" $tag "")) }}
{{- end }}
{{- if not (or $image.tag $image.digest (has $component (list "renderer" "doctor"))) }}
{{- include "holograph.refuse" (printf "%s.image: must have a tag or a digest (got neither), because the chart's appVersion (%s) is the default of the renderer and the doctor only: write the tag." $component $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
An image of the host localhost is in no registry: it is on the nodes, or its pods never start. A node lists what it holds,
up to 50 images and half a minute late, so pullPolicy Never, with which nodes pull nothing, says more than the lists do. Then
nodes are not looked up, for which Helm needs the right to list them.
*/}}
{{- define "holograph.validate.unpublished" -}}
{{- $image := .Values.renderer.image }}
{{- $reference := include "holograph.image" (dict "context" . "image" $image) }}
{{- if and .Values.renderer.enabled (eq (include "holograph.image.host" $reference) "localhost") (ne $image.pullPolicy "Never") }}
{{- $nodes := dig "items" list (default dict (lookup "v1" "Node" "" "")) }}
{{- $held := false }}
{{- range $nodes }}
{{- range dig "status" "images" list . }}
{{- $held = or $held (has $reference (default list .names)) }}
{{- end }}
{{- end }}
{{- if and $nodes (not $held) }}
{{- include "holograph.refuse" (printf "renderer.image.repository: must name an image that nodes can pull or hold (got %s), because it is in no registry and no node of this cluster lists it: write your own renderer's image there, as values-examples/own-renderer.yaml does, or build this one with `make images`, load it into every node and write renderer.image.pullPolicy: Never." $reference) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Takes dict "context" $ "key" the container's key "container" the container.
*/}}
{{- define "holograph.validate.container" -}}
{{- $container := .container }}
{{- $names := list }}
{{- range $container.env }}
{{- if has .name $names }}
{{- include "holograph.refuse" (printf "%s.env: must have each name once (got %s twice), because which of the two applies is not defined: remove one." $.key .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- /* Helm merges maps, so a handler in the values is added to the default one, and Kubernetes refuses both together. */}}
{{- $handlers := dict
  "startupProbe" $container.startupProbe
  "readinessProbe" $container.readinessProbe
  "livenessProbe" $container.livenessProbe
  "lifecycle.preStop" (default dict $container.lifecycle).preStop
  "lifecycle.postStart" (default dict $container.lifecycle).postStart }}
{{- $ports := list }}
{{- range $container.ports }}
{{- $ports = append $ports (default "" .name) }}
{{- end }}
{{- range $name, $value := $handlers }}
{{- $kinds := list }}
{{- range $kind := list "exec" "grpc" "httpGet" "sleep" "tcpSocket" }}
{{- if get (default dict $value) $kind }}
{{- $kinds = append $kinds $kind }}
{{- end }}
{{- end }}
{{- if gt (len $kinds) 1 }}
{{- include "holograph.refuse" (printf "%s.%s: must have one handler (got %d: %s), because Kubernetes refuses more: write `null` for the others." $.key $name (len $kinds) (join ", " $kinds)) }}
{{- end }}
{{- range $kind := list "httpGet" "tcpSocket" }}
{{- with (default dict (get (default dict $value) $kind)).port }}
{{- if and (kindIs "string" .) (not (has . $ports)) }}
{{- include "holograph.refuse" (printf "%s.%s: must use a port of its container (got %s), because no other name can be resolved: write the name of one of its ports, or its number." $.key $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $pod := default .context.Values.renderer.podSecurityContext .podSecurityContext }}
{{- $security := default dict $container.securityContext }}
{{- $user := ternary $security.runAsUser $pod.runAsUser (hasKey $security "runAsUser") }}
{{- $nonRoot := ternary $security.runAsNonRoot $pod.runAsNonRoot (hasKey $security "runAsNonRoot") }}
{{- if and $nonRoot (not (kindIs "invalid" $user)) (eq (int64 $user) 0) }}
{{- include "holograph.refuse" (printf "%s: must not run as user 0 with runAsNonRoot (got both), because the container would never start: write another runAsUser, or set runAsNonRoot to false." .key) }}
{{- end }}
{{- end }}

{{/*
What containers of one pod must not both have: a listener on a port, because they share an address, and a port of one name.
A port of the Service that leads to a name needs one of that name. Takes dict "containers" the containers by their keys, of
which "renderer" is the first, and "service" the other ports of the Service.
*/}}
{{- define "holograph.validate.ports" -}}
{{- $ports := list }}
{{- $own := list }}
{{- $names := list }}
{{- range $key := keys (omit .containers "renderer") | sortAlpha | concat (list "renderer") }}
{{- $container := get $.containers $key }}
{{- $list := ternary "extraPorts" "ports" (eq $key "renderer") }}
{{- range $container.ports }}
{{- $port := printf "%v/%s" .containerPort (default "TCP" .protocol) }}
{{- $named := printf "%s, %s" (default "" .name) $port }}
{{- if and (eq $key "renderer") (has $named $own) }}
{{- include "holograph.refuse" (printf "renderer.extraPorts: must have no port twice (got %s), because the chart adds renderer.port and renderer.metrics.port itself: remove it." $named) }}
{{- else if has $port $ports }}
{{- include "holograph.refuse" (printf "%s.%s: must be ports that nothing else in the pod uses (got %s), because containers of a pod share its address: write another port." $key $list $port) }}
{{- end }}
{{- $ports = append $ports $port }}
{{- $own = append $own $named }}
{{- with .name }}
{{- if has . $names }}
{{- include "holograph.refuse" (printf "%s.%s: must have names that are unique in the pod (got %s twice), because probes, Services and Prometheus find ports by name, and the chart names its own http and metrics: write another name." $key $list .) }}
{{- end }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $port := .service }}
{{- if and (kindIs "string" $port.targetPort) (not (regexMatch "^[0-9]+$" $port.targetPort)) (not (has $port.targetPort $names)) }}
{{- include "holograph.refuse" (printf "renderer.service.extraPorts[%d].targetPort: must be a port of the renderer's pods (got %s), because the Service would lead nowhere: write the name of one in renderer.extraPorts or of a container, or its number." $index $port.targetPort) }}
{{- end }}
{{- end }}
{{- end }}
