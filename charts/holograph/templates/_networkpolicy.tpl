{{/*
The beginning of one component's NetworkPolicy, which denies everything that is not listed after it. Probes need no rule,
because a node always reaches its own pods. Takes dict "context" $ "component" name "name" name.
*/}}
{{- define "holograph.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "holograph.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "holograph.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/*
The renderer's other ports, and those that the Service opens, such as one of a sidecar, each once.
*/}}
{{- define "holograph.networkPolicy.extraPorts" -}}
{{- $ports := list }}
{{- $names := list "http" }}
{{- range .Values.renderer.extraPorts }}
{{- $ports = append $ports (dict "port" (int .containerPort) "protocol" (default "TCP" .protocol)) }}
{{- $names = append $names .name }}
{{- end }}
{{- range .Values.renderer.service.extraPorts }}
{{- $target := default .port .targetPort }}
{{- if not (has $target $names) }}
{{- $target = ternary $target (int $target) (regexMatch "[a-z]" (toString $target)) }}
{{- $ports = append $ports (dict "port" $target "protocol" (default "TCP" .protocol)) }}
{{- end }}
{{- end }}
{{- uniq $ports | toYaml }}
{{- end }}

{{/*
The pods of one component of this release as a peer. Takes dict "context" $ "component" name.
*/}}
{{- define "holograph.networkPolicy.peer" -}}
- podSelector:
    matchLabels:
      {{- include "holograph.selectorLabels" . | nindent 6 }}
{{- end }}

{{/*
Who reads the metrics of the renderers, as peers.
*/}}
{{- define "holograph.networkPolicy.metricsReaders" -}}
{{ include "holograph.networkPolicy.scrapers" . }}
{{- if .Values.prometheus.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "prometheus") }}
{{- end }}
{{- if .Values.doctor.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "doctor") }}
{{- end }}
{{- end }}

{{/*
Whether the renderers have the addresses of their nodes, "true" or "". No label selects these, so a rule for them has no peers.
*/}}
{{- define "holograph.networkPolicy.renderersOnNodes" -}}
{{- if and .Values.renderer.enabled .Values.renderer.extraPodSpec.hostNetwork }}true{{ end }}
{{- end }}

{{/*
The pods of this release's workload as a peer.
*/}}
{{- define "holograph.networkPolicy.ownRenderers" -}}
- podSelector:
    matchLabels:
      {{- include "holograph.target.podLabels" . | trim | nindent 6 }}
{{- end }}

{{/*
The renderers of this release and of those in servedNamespaces as peers.
*/}}
{{- define "holograph.networkPolicy.renderers" -}}
{{- $renderer := dict "context" $ "component" "renderer" }}
{{- include "holograph.networkPolicy.ownRenderers" . }}
{{- with .Values.servedNamespaces }}
{{ include "holograph.networkPolicy.foreignPeer" (merge (dict "namespaces" .) $renderer) }}
{{- end }}
{{- end }}

{{/*
The pods of one component of other releases, in some namespaces, as a peer. Takes dict "context" $ "component" name
"namespaces" list.
*/}}
{{- define "holograph.networkPolicy.foreignPeer" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values:
          {{- toYaml .namespaces | nindent 10 }}
  podSelector:
    matchLabels:
      {{- omit (include "holograph.selectorLabels" . | fromYaml) "app.kubernetes.io/instance" | toYaml | nindent 6 }}
{{- end }}

{{/*
Pods with a label in another namespace as a peer. Takes dict "namespace" name, and optionally "label" and "value".
*/}}
{{- define "holograph.networkPolicy.inNamespace" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .namespace | quote }}
  {{- if .label }}
  podSelector:
    matchLabels:
      {{ .label }}: {{ .value | quote }}
  {{- end }}
{{- end }}

{{/*
Peers that query the embedded Prometheus: those that the chart knows of, and networkPolicy.queriers. KEDA's operator and
prometheus-adapter have the labels of their own manifests and charts.
*/}}
{{- define "holograph.networkPolicy.queriers" -}}
{{- if include "holograph.prometheusAdapter.runs" . }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "prometheus-adapter") }}
{{- end }}
{{- if .Values.doctor.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "doctor") }}
{{- end }}
{{- if .Values.deletionCost.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "deletion-cost") }}
{{- end }}
{{- with .Values.servedNamespaces }}
{{- range $component := list "doctor" "deletion-cost" }}
{{ include "holograph.networkPolicy.foreignPeer" (dict "context" $ "component" $component "namespaces" $.Values.servedNamespaces) }}
{{- end }}
{{- end }}
{{- if include "holograph.autoscaling.keda" . }}
{{ include "holograph.networkPolicy.inNamespace" (dict "namespace" "keda" "label" "app" "value" "keda-operator") }}
{{- end }}
{{- if include "holograph.prometheusAdapter.writesRules" . }}
{{ include "holograph.networkPolicy.inNamespace" (dict "namespace" .Values.prometheusAdapter.existing.namespace "label" "app.kubernetes.io/name" "value" "prometheus-adapter") }}
{{- end }}
{{- with .Values.networkPolicy.queriers }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Peers that scrape in place of the embedded Prometheus: networkPolicy.scrapers, or those that are the Prometheus of
prometheus.url, as far as the values say.
*/}}
{{- define "holograph.networkPolicy.scrapers" -}}
{{- $policy := .Values.networkPolicy }}
{{- $service := regexFind "^https?://[^/:]+[.][-a-z0-9]+[.]svc([./:]|$)" .Values.prometheus.url }}
{{- if $policy.scrapers }}
{{- toYaml $policy.scrapers }}
{{- else if and (not .Values.prometheus.enabled) $policy.prometheus.peers }}
{{- toYaml $policy.prometheus.peers }}
{{- else if and (not .Values.prometheus.enabled) $service }}
{{- include "holograph.networkPolicy.inNamespace" (dict "namespace" (regexReplaceAll "^.*[.]([-a-z0-9]+)[.]svc[./:]?$" $service "${1}")) }}
{{- end }}
{{- end }}

{{/*
Egress for DNS, to any address, because a cluster's resolver may be a pod, a cache on the node or a server outside.
The resolver of OpenShift listens on 5353 behind its Service, and its network compares the port of the pod.
*/}}
{{- define "holograph.networkPolicy.dns" -}}
- ports:
    {{- range $port := ternary (list 53 5353) (list 53) (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
    - port: {{ $port }}
      protocol: UDP
    - port: {{ $port }}
      protocol: TCP
    {{- end }}
{{- end }}

{{/*
Egress to the API server.
*/}}
{{- define "holograph.networkPolicy.apiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - port: {{ . | int }}
      protocol: TCP
    {{- end }}
  {{- with .Values.networkPolicy.apiServer.peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
Egress to Prometheus.
*/}}
{{- define "holograph.networkPolicy.prometheus" -}}
{{- if .Values.prometheus.enabled }}
- ports:
    - port: 9090
      protocol: TCP
  to:
    {{- include "holograph.networkPolicy.peer" (dict "context" $ "component" "prometheus") | nindent 4 }}
{{- else }}
{{- $policy := .Values.networkPolicy }}
{{- $rule := dict }}
{{- with $policy.prometheus.peers }}
{{- $_ := set $rule "to" . }}
{{- end }}
{{- range $policy.prometheus.ports }}
{{- $_ := set $rule "ports" (append (default list $rule.ports) (dict "port" . "protocol" "TCP")) }}
{{- end }}
{{- list $rule | toYaml }}
{{- end }}
{{- end }}

{{/*
Egress to Alertmanagers and remote_write endpoints, which have no labels that the chart knows: to the port of each URL, and
to any port in the namespace of each that is a Service. Network plugins compare the port of the pod behind a Service, which
is not always the one in the URL. An endpoint that knows Prometheus by its pod's cloud identity needs the way to that too.
*/}}
{{- define "holograph.networkPolicy.receivers" -}}
{{- $ports := list }}
{{- $namespaces := list }}
{{- range include "holograph.prometheus.receivers" . | fromJsonArray }}
{{- $ports = append $ports (include "holograph.prometheus.receiverPort" . | int) }}
{{- $host := (urlParse .).hostname }}
{{- if regexMatch "^[^.]+[.][^.]+[.]svc([.]|$)" $host }}
{{- $namespaces = append $namespaces (index (splitList "." $host) 1) }}
{{- else if not (contains "." $host) }}
{{- $namespaces = append $namespaces (include "holograph.namespace" $) }}
{{- end }}
{{- end }}
{{- if include "holograph.prometheus.hasIdentity" . }}
{{- /* The clouds' token endpoints, and what hands out a pod's identity at an address of its node: port 988 is that of Google's. */}}
{{- $ports = append $ports 443 }}
- ports:
    - port: 80
      protocol: TCP
    - port: 988
      protocol: TCP
  to:
    - ipBlock:
        cidr: 169.254.0.0/16
{{- end }}
{{- with $ports }}
- ports:
    {{- range uniq . }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}
{{- with $namespaces }}
- to:
    {{- range uniq . }}
    {{- include "holograph.networkPolicy.inNamespace" (dict "namespace" .) | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
