{{/*
Refuses what the parts of a pod demand of each other and a schema of each part cannot say: names that are used
twice or not at all, amounts that contradict, handlers and ports that are not there. The API server would refuse
most of it when the release is half installed; the rest would start and then not work.
*/}}
{{- define "holograph.validate.pods" -}}
{{- include "holograph.validate.images" . }}
{{- range $component, $values := .Values }}
{{- if kindIs "map" $values }}
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
The containers that the values add, by where they stand in them.
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
{{- fail (printf "%s.image has neither a tag nor a digest, and the chart's appVersion (%s), which the renderer's falls back on, is no version of it: write the tag." $component $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Takes dict "context" $ "key" where the container stands "container" the container, of which only resources count.
*/}}
{{- define "holograph.validate.resources" -}}
{{- $resources := default dict .container.resources }}
{{- $limits := default dict $resources.limits }}
{{- $requests := default dict $resources.requests }}
{{- range $name, $amount := $limits }}
{{- $whole := not (has $name (list "cpu" "memory" "ephemeral-storage")) }}
{{- $limit := include "holograph.quantity" $amount | float64 }}
{{- if and $whole (ne $limit (floor $limit)) }}
{{- fail (printf "%s.resources.limits.%s (%v) is a part of something that is handed out whole: write a whole number." $.key $name $amount) }}
{{- end }}
{{- if hasPrefix "hugepages-" $name }}
{{- $pages := divf $limit (include "holograph.quantity" (trimPrefix "hugepages-" $name) | float64) }}
{{- if ne $pages (floor $pages) }}
{{- fail (printf "%s.resources.limits.%s: must be a multiple of a page's size (got %v), because Kubernetes hands out whole pages: write one, like %s." $.key $name $amount (trimPrefix "hugepages-" $name)) }}
{{- end }}
{{- end }}
{{- if hasKey $requests $name }}
{{- $request := get $requests $name }}
{{- if gt (include "holograph.quantity" $request | float64) $limit }}
{{- fail (printf "%s.resources.requests.%s (%v) is above the limit (%v), so that no pod could start: write at most the limit." $.key $name $request $amount) }}
{{- end }}
{{- if and $whole (ne (include "holograph.quantity" $request | float64) $limit) }}
{{- fail (printf "%s.resources.requests.%s (%v) is not the limit (%v), and Kubernetes hands as much out as is asked for: write the limit alone." $.key $name $request $amount) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $amount := $requests }}
{{- if not (or (hasKey $limits $name) (has $name (list "cpu" "memory" "ephemeral-storage"))) }}
{{- fail (printf "%s.resources.requests.%s (%v) has no limit, and Kubernetes takes a request for it only with one: write it under limits." $.key $name $amount) }}
{{- end }}
{{- end }}
{{- range $name, $amount := $limits }}
{{- if and (hasPrefix "hugepages-" $name) (not (or $requests.cpu $requests.memory $limits.cpu $limits.memory)) }}
{{- fail (printf "%s.resources.limits.%s (%v) stands alone, and Kubernetes gives huge pages only to a container that asks for CPU or memory too: write requests for those." $.key $name $amount) }}
{{- end }}
{{- end }}
{{- $claims := list }}
{{- range .context.Values.renderer.resourceClaims }}
{{- $claims = append $claims .name }}
{{- end }}
{{- range $resources.claims }}
{{- if not (has .name $claims) }}
{{- fail (printf "%s.resources.claims names %s, which is none of renderer.resourceClaims: add it there." $.key .name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Takes dict "context" $ "key" where the container stands "container" the container.
*/}}
{{- define "holograph.validate.container" -}}
{{- $container := .container }}
{{- $names := list }}
{{- range $container.env }}
{{- if has .name $names }}
{{- fail (printf "%s.env sets %s twice, and which one counts is chance: remove one." $.key .name) }}
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
{{- fail (printf "%s.%s mounts the volume %s, which is none of renderer.extraVolumes: add it there." $.key $mounts .name) }}
{{- end }}
{{- $path := get . $field }}
{{- if has $path $paths }}
{{- fail (printf "%s.%s mounts two volumes at %s: write another path for one of them." $.key $mounts $path) }}
{{- end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- end }}
{{- /* Helm merges maps, so a handler of one's own arrives beside the default one, and Kubernetes refuses the pair. */}}
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
{{- fail (printf "%s.%s has %d handlers (%s) and may have one: write `null` for the others." $.key $name (len $kinds) (join ", " $kinds)) }}
{{- end }}
{{- if and (not (kindIs "invalid" $value)) (not $kinds) (or $value (hasPrefix "lifecycle" $name) (ne $.key "renderer")) }}
{{- fail (printf "%s.%s has nothing to do: write one of exec, httpGet, tcpSocket, %s, or `null` for no %s." $.key $name (hasPrefix "lifecycle" $name | ternary "sleep" "grpc") (hasPrefix "lifecycle" $name | ternary "hook" "probe")) }}
{{- end }}
{{- $ports := list "http" }}
{{- range $container.ports }}
{{- $ports = append $ports (default "" .name) }}
{{- end }}
{{- range $kind := list "httpGet" "tcpSocket" }}
{{- with (default dict (get (default dict $value) $kind)).port }}
{{- if and (kindIs "string" .) (not (has . (ternary (list "http") (rest $ports) (eq $.key "renderer")))) }}
{{- fail (printf "%s.%s asks the port %s, which the container does not have: write the name of one of its ports, or its number." $.key $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $pod := .context.Values.renderer.podSecurityContext }}
{{- $security := default dict $container.securityContext }}
{{- if and (hasKey $security "allowPrivilegeEscalation") (not $security.allowPrivilegeEscalation) }}
{{- if or $security.privileged (has "SYS_ADMIN" (default list (default dict $security.capabilities).add)) (has "CAP_SYS_ADMIN" (default list (default dict $security.capabilities).add)) }}
{{- fail (printf "%s.securityContext is privileged or adds SYS_ADMIN, and allowPrivilegeEscalation: false forbids both: set that to null as well." .key) }}
{{- end }}
{{- end }}
{{- $user := ternary $security.runAsUser $pod.runAsUser (hasKey $security "runAsUser") }}
{{- $nonRoot := ternary $security.runAsNonRoot $pod.runAsNonRoot (hasKey $security "runAsNonRoot") }}
{{- if and $nonRoot (not (kindIs "invalid" $user)) (eq (int64 $user) 0) }}
{{- fail (printf "%s runs as user 0, which runAsNonRoot forbids, so that the container would never start: write another runAsUser, or set runAsNonRoot to false." .key) }}
{{- end }}
{{- end }}

{{/*
What the containers of the renderer's pod share: names, ports, volumes. Takes dict "context" $ "containers" the
containers that the values add.
*/}}
{{- define "holograph.validate.together" -}}
{{- $renderer := .context.Values.renderer }}
{{- $names := list (include "holograph.container" .context) }}
{{- $ports := list (printf "%v/TCP" $renderer.port) }}
{{- range $key, $container := .containers }}
{{- if has $container.name $names }}
{{- fail (printf "%s.name (%s) is the name of another container of the pod: write another." $key $container.name) }}
{{- end }}
{{- $names = append $names $container.name }}
{{- range $container.ports }}
{{- $port := printf "%v/%s" .containerPort (default "TCP" .protocol) }}
{{- if has $port $ports }}
{{- fail (printf "%s.ports has %s, on which another container of the pod listens already: write another port." $key $port) }}
{{- end }}
{{- $ports = append $ports $port }}
{{- if .name }}
{{- if eq .name "http" }}
{{- fail (printf "%s.ports names a port http, as the renderer's is named, and the Service would send frames to either: write another name." $key) }}
{{- end }}
{{- $name := printf "port %s" .name }}
{{- if has $name $names }}
{{- fail (printf "%s.ports gives the name %s to two ports of the pod: write another." $key .name) }}
{{- end }}
{{- $names = append $names $name }}
{{- end }}
{{- end }}
{{- end }}
{{- range $list := list "extraVolumes" "resourceClaims" }}
{{- $found := list }}
{{- range get $renderer $list }}
{{- if has .name $found }}
{{- fail (printf "renderer.%s has two entries named %s: write another name for one of them." $list .name) }}
{{- end }}
{{- $found = append $found .name }}
{{- end }}
{{- end }}
{{- if and $renderer.resourceClaims (semverCompare "<1.34.0-0" .context.Capabilities.KubeVersion.Version) }}
{{- fail (printf "renderer.resourceClaims has been a field of Kubernetes since 1.34, and this cluster is %s: ask for devices under renderer.resources.limits." .context.Capabilities.KubeVersion.Version) }}
{{- end }}
{{- $found := list }}
{{- range $renderer.topologySpreadConstraints }}
{{- $spread := printf "%s and %s" .topologyKey .whenUnsatisfiable }}
{{- if has $spread $found }}
{{- fail (printf "renderer.topologySpreadConstraints has two entries with %s: remove one." $spread) }}
{{- end }}
{{- $found = append $found $spread }}
{{- end }}
{{- $rolling := $renderer.updateStrategy.rollingUpdate }}
{{- if and $rolling (ne $renderer.updateStrategy.type "Recreate") (regexMatch "^0+%?$" (toString (default 0 $rolling.maxUnavailable))) (regexMatch "^0+%?$" (toString (ternary $rolling.maxSurge 1 (hasKey $rolling "maxSurge")))) }}
{{- fail "renderer.updateStrategy.rollingUpdate has no maxUnavailable and no maxSurge, so that no pod could ever be replaced: write a maxSurge above 0." }}
{{- end }}
{{- end }}
