{{/*
Refuses what a schema of each part of a pod cannot check: names that are used twice or do not exist, amounts that
contradict each other, missing handlers and ports. The API server would refuse most of it when the release is half
installed. The rest would start and then not work.
*/}}
{{- define "holograph.validate.pods" -}}
{{- include "holograph.validate.images" . }}
{{- range $component, $values := .Values }}
{{- if and (kindIs "map" $values) (not (hasPrefix "x-" $component)) }}
{{- include "holograph.validate.resources" (dict "context" $ "key" $component "container" $values) }}
{{- end }}
{{- end }}
{{- $containers := include "holograph.validate.ownContainers" . | fromYaml }}
{{- range $key, $container := $containers }}
{{- include "holograph.validate.resources" (dict "context" $ "key" $key "container" $container) }}
{{- include "holograph.validate.container" (dict "context" $ "key" $key "container" $container) }}
{{- end }}
{{- include "holograph.validate.container" (dict "context" $ "key" "renderer" "container" (dict
  "env" .Values.renderer.env "volumeMounts" .Values.renderer.extraVolumeMounts "securityContext" .Values.renderer.securityContext
  "startupProbe" .Values.renderer.startupProbe "readinessProbe" .Values.renderer.readinessProbe
  "livenessProbe" .Values.renderer.livenessProbe "lifecycle" .Values.renderer.lifecycle)) }}
{{- include "holograph.validate.together" (dict "context" $ "containers" $containers) }}
{{- end }}

{{/*
The containers that the values add, by their key.
*/}}
{{- define "holograph.validate.ownContainers" -}}
{{- $containers := dict }}
{{- range $list := list "extraContainers" "initContainers" }}
{{- range $index, $container := get $.Values.renderer $list }}
{{- $_ := set $containers (printf "renderer.%s[%d]" $list $index) $container }}
{{- end }}
{{- end }}
{{- toYaml $containers }}
{{- end }}

{{- define "holograph.validate.images" -}}
{{- range $component := list "prometheus" "prometheusAdapter" "kubeStateMetrics" }}
{{- $image := (get $.Values $component).image }}
{{- if not (or $image.tag $image.digest) }}
{{- include "holograph.refuse" (printf "%s.image: must have a tag or a digest (got neither), because the chart's appVersion (%s) is the default of the renderer and the doctor only: write the tag." $component $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Takes dict "context" $ "key" the container's key "container" the container, of which only resources are checked.
*/}}
{{- define "holograph.validate.resources" -}}
{{- $resources := default dict .container.resources }}
{{- $limits := default dict $resources.limits }}
{{- $requests := default dict $resources.requests }}
{{- range $name, $amount := $limits }}
{{- $whole := not (has $name (list "cpu" "memory" "ephemeral-storage")) }}
{{- $limit := include "holograph.quantity" $amount | float64 }}
{{- if and $whole (ne $limit (floor $limit)) }}
{{- include "holograph.refuse" (printf "%s.resources.limits.%s: must be a whole number (got %v), because Kubernetes allocates whole devices: write a whole number." $.key $name $amount) }}
{{- end }}
{{- if hasPrefix "hugepages-" $name }}
{{- $pages := divf $limit (include "holograph.quantity" (trimPrefix "hugepages-" $name) | float64) }}
{{- if ne $pages (floor $pages) }}
{{- include "holograph.refuse" (printf "%s.resources.limits.%s: must be a multiple of a page's size (got %v), because Kubernetes allocates whole pages: write one, like %s." $.key $name $amount (trimPrefix "hugepages-" $name)) }}
{{- end }}
{{- end }}
{{- if hasKey $requests $name }}
{{- $request := get $requests $name }}
{{- if gt (include "holograph.quantity" $request | float64) $limit }}
{{- include "holograph.refuse" (printf "%s.resources.requests.%s: must be at most the limit (got %v, with a limit of %v), because Kubernetes refuses such a pod: lower the request or raise the limit." $.key $name $request $amount) }}
{{- end }}
{{- if and $whole (ne (include "holograph.quantity" $request | float64) $limit) }}
{{- include "holograph.refuse" (printf "%s.resources.requests.%s: must equal the limit (got %v, with a limit of %v), because Kubernetes does not overcommit this resource: write only the limit." $.key $name $request $amount) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $amount := $requests }}
{{- if not (or (hasKey $limits $name) (has $name (list "cpu" "memory" "ephemeral-storage"))) }}
{{- include "holograph.refuse" (printf "%s.resources.requests.%s: must have a limit (got %v without one), because Kubernetes accepts a request for this resource only with a limit: write it under limits." $.key $name $amount) }}
{{- end }}
{{- end }}
{{- range $name, $amount := $limits }}
{{- if and (hasPrefix "hugepages-" $name) (not (or $requests.cpu $requests.memory $limits.cpu $limits.memory)) }}
{{- include "holograph.refuse" (printf "%s.resources.limits.%s: must come with requests for CPU or memory (got %v alone), because Kubernetes gives huge pages to no other container: write those requests." $.key $name $amount) }}
{{- end }}
{{- end }}
{{- $claims := list }}
{{- range .context.Values.renderer.resourceClaims }}
{{- $claims = append $claims .name }}
{{- end }}
{{- range $resources.claims }}
{{- if not (has .name $claims) }}
{{- include "holograph.refuse" (printf "%s.resources.claims: must be names of renderer.resourceClaims (got %s), because a container can use only claims of its pod: add it there." $.key .name) }}
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
{{- $volumes := list }}
{{- range .context.Values.renderer.extraVolumes }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $paths := list }}
{{- range $list, $field := dict "volumeMounts" "mountPath" "volumeDevices" "devicePath" }}
{{- range default list (get $container $list) }}
{{- $mounts := ternary "extraVolumeMounts" $list (eq $.key "renderer") }}
{{- if not (has .name $volumes) }}
{{- include "holograph.refuse" (printf "%s.%s: must be names of renderer.extraVolumes (got %s), because a container can mount only volumes of its pod: add it there." $.key $mounts .name) }}
{{- end }}
{{- $path := get . $field }}
{{- if has $path $paths }}
{{- include "holograph.refuse" (printf "%s.%s: must have each path once (got %s twice), because a path holds one volume: write another path for one of them." $.key $mounts $path) }}
{{- end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- end }}
{{- /* Helm merges maps, so a handler in the values is added to the default one, and Kubernetes refuses both together. */}}
{{- $handlers := dict
  "startupProbe" $container.startupProbe
  "readinessProbe" $container.readinessProbe
  "livenessProbe" $container.livenessProbe
  "lifecycle.preStop" (default dict $container.lifecycle).preStop
  "lifecycle.postStart" (default dict $container.lifecycle).postStart }}
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
{{- if and (not (kindIs "invalid" $value)) (not $kinds) (or $value (hasPrefix "lifecycle" $name) (ne $.key "renderer")) }}
{{- include "holograph.refuse" (printf "%s.%s: must have a handler (got none), because Kubernetes refuses it without one: write exec, httpGet, tcpSocket or %s, or `null` for no %s." $.key $name (hasPrefix "lifecycle" $name | ternary "sleep" "grpc") (hasPrefix "lifecycle" $name | ternary "hook" "probe")) }}
{{- end }}
{{- $ports := list "http" }}
{{- range $container.ports }}
{{- $ports = append $ports (default "" .name) }}
{{- end }}
{{- range $kind := list "httpGet" "tcpSocket" }}
{{- with (default dict (get (default dict $value) $kind)).port }}
{{- if and (kindIs "string" .) (not (has . (ternary (list "http") (rest $ports) (eq $.key "renderer")))) }}
{{- include "holograph.refuse" (printf "%s.%s: must use a port of its container (got %s), because no other name can be resolved: write the name of one of its ports, or its number." $.key $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $pod := default .context.Values.renderer.podSecurityContext .podSecurityContext }}
{{- $security := default dict $container.securityContext }}
{{- if and (hasKey $security "allowPrivilegeEscalation") (not $security.allowPrivilegeEscalation) }}
{{- if or $security.privileged (has "SYS_ADMIN" (default list (default dict $security.capabilities).add)) (has "CAP_SYS_ADMIN" (default list (default dict $security.capabilities).add)) }}
{{- include "holograph.refuse" (printf "%s.securityContext: must not be privileged or add SYS_ADMIN with allowPrivilegeEscalation: false (got both), because Kubernetes refuses the combination: set allowPrivilegeEscalation to null as well." .key) }}
{{- end }}
{{- end }}
{{- $user := ternary $security.runAsUser $pod.runAsUser (hasKey $security "runAsUser") }}
{{- $nonRoot := ternary $security.runAsNonRoot $pod.runAsNonRoot (hasKey $security "runAsNonRoot") }}
{{- if and $nonRoot (not (kindIs "invalid" $user)) (eq (int64 $user) 0) }}
{{- include "holograph.refuse" (printf "%s: must not run as user 0 with runAsNonRoot (got both), because the container would never start: write another runAsUser, or set runAsNonRoot to false." .key) }}
{{- end }}
{{- end }}

{{/*
What must be unique among the containers of the renderer's pod: names, ports, volumes. Takes dict "context" $ "containers" the
containers that the values add.
*/}}
{{- define "holograph.validate.together" -}}
{{- $renderer := .context.Values.renderer }}
{{- $names := list (include "holograph.container" .context) }}
{{- $ports := list (printf "%v/TCP" $renderer.port) }}
{{- range $key, $container := .containers }}
{{- if has $container.name $names }}
{{- include "holograph.refuse" (printf "%s.name: must be unique in the pod (got %s, which another container has), because Kubernetes refuses a second one: write another name." $key $container.name) }}
{{- end }}
{{- $names = append $names $container.name }}
{{- range $container.ports }}
{{- $port := printf "%v/%s" .containerPort (default "TCP" .protocol) }}
{{- if has $port $ports }}
{{- include "holograph.refuse" (printf "%s.ports: must be ports that no other container of the pod uses (got %s), because containers of a pod share its address: write another port." $key $port) }}
{{- end }}
{{- $ports = append $ports $port }}
{{- if .name }}
{{- if eq .name "http" }}
{{- include "holograph.refuse" (printf "%s.ports: must not have a port named http, because the renderer's port has that name, and the Service could send frames to either: write another name." $key) }}
{{- end }}
{{- $name := printf "port %s" .name }}
{{- if has $name $names }}
{{- include "holograph.refuse" (printf "%s.ports: must have names that are unique in the pod (got %s twice), because probes and Services find ports by name: write another name." $key .name) }}
{{- end }}
{{- $names = append $names $name }}
{{- end }}
{{- end }}
{{- end }}
{{- range $list := list "extraVolumes" "resourceClaims" }}
{{- $found := list }}
{{- range get $renderer $list }}
{{- if has .name $found }}
{{- include "holograph.refuse" (printf "renderer.%s: must have each name once (got %s twice), because containers refer to entries by name: write another name for one of them." $list .name) }}
{{- end }}
{{- $found = append $found .name }}
{{- end }}
{{- end }}
{{- if and $renderer.resourceClaims (semverCompare "<1.34.0-0" .context.Capabilities.KubeVersion.Version) }}
{{- include "holograph.refuse" (printf "renderer.resourceClaims: must be empty before Kubernetes 1.34, because this cluster is %s, which does not have the field: request devices under renderer.resources.limits." .context.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- $found := list }}
{{- range $renderer.topologySpreadConstraints }}
{{- $spread := printf "%s and %s" .topologyKey .whenUnsatisfiable }}
{{- if has $spread $found }}
{{- include "holograph.refuse" (printf "renderer.topologySpreadConstraints: must have each pair of topologyKey and whenUnsatisfiable once (got %s twice), because Kubernetes refuses a second one: remove one." $spread) }}
{{- end }}
{{- $found = append $found $spread }}
{{- end }}
{{- $rolling := $renderer.updateStrategy.rollingUpdate }}
{{- if and $rolling (ne $renderer.updateStrategy.type "Recreate") (regexMatch "^0+%?$" (toString (default 0 $rolling.maxUnavailable))) (regexMatch "^0+%?$" (toString (ternary $rolling.maxSurge 1 (hasKey $rolling "maxSurge")))) }}
{{- include "holograph.refuse" "renderer.updateStrategy.rollingUpdate: must have a maxUnavailable or a maxSurge above 0 (got neither), because no pod could be replaced: write a maxSurge above 0." }}
{{- end }}
{{- end }}
