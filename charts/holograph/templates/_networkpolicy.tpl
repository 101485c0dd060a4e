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
{{- define "holograph.networkPolicy.scrapers" -}}
{{- with .Values.networkPolicy.scrapers }}
{{- toYaml . }}
{{- end }}
{{- if .Values.prometheus.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "prometheus") }}
{{- end }}
{{- if .Values.doctor.enabled }}
{{ include "holograph.networkPolicy.peer" (dict "context" $ "component" "doctor") }}
{{- end }}
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
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values:
          {{- toYaml . | nindent 10 }}
  podSelector:
    matchLabels:
      {{- omit (include "holograph.selectorLabels" $renderer | fromYaml) "app.kubernetes.io/instance" | toYaml | nindent 6 }}
{{- end }}
{{- end }}

{{/*
Egress for DNS, to any address, because a cluster's resolver may be a pod, a cache on the node or a server outside.
*/}}
{{- define "holograph.networkPolicy.dns" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
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
