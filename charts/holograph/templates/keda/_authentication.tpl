{{/*
How KEDA authenticates to Prometheus, as fields of a TriggerAuthentication; empty where nothing is configured. It refers
to Secrets by name and never copies them.
*/}}
{{- define "holograph.keda.authentication" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $secrets := list }}
{{- $configMaps := list }}
{{- with $access.ca }}
{{- $ca := dict "parameter" "ca" "name" .name "key" .key }}
{{- if eq .kind "Secret" }}
{{- $secrets = append $secrets $ca }}
{{- else }}
{{- $configMaps = append $configMaps $ca }}
{{- end }}
{{- end }}
{{- with $access.clientSecret }}
{{- $secrets = append $secrets (dict "parameter" "cert" "name" . "key" "tls.crt") }}
{{- $secrets = append $secrets (dict "parameter" "key" "name" . "key" "tls.key") }}
{{- end }}
{{- with $access.bearerToken }}
{{- $secrets = append $secrets (dict "parameter" "bearerToken" "name" .name "key" .key) }}
{{- end }}
{{- with $access.basicAuth }}
{{- $secrets = append $secrets (dict "parameter" "username" "name" . "key" "username") }}
{{- $secrets = append $secrets (dict "parameter" "password" "name" . "key" "password") }}
{{- end }}
{{- range $header, $from := $access.headersFrom }}
{{- $configMaps = append $configMaps (dict "parameter" "customAuthHeader" "name" (include "holograph.keda.headerName" $) "key" "header") }}
{{- $secrets = append $secrets (dict "parameter" "customAuthValue" "name" $from.name "key" $from.key) }}
{{- end }}
{{- with $secrets }}
secretTargetRef:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $configMaps }}
configMapTargetRef:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
The `authModes` that go with it, as KEDA lists them: comma-separated. KEDA uses the CA only together
with one of them, so the chart refuses a CA alone (holograph.validate.keda).
*/}}
{{- define "holograph.keda.authModes" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $modes := list }}
{{- if $access.clientSecret }}
{{- $modes = append $modes "tls" }}
{{- end }}
{{- if $access.bearerToken }}
{{- $modes = append $modes "bearer" }}
{{- end }}
{{- if $access.basicAuth }}
{{- $modes = append $modes "basic" }}
{{- end }}
{{- if $access.headersFrom }}
{{- $modes = append $modes "custom" }}
{{- end }}
{{- join "," $modes }}
{{- end }}

{{/*
ConfigMap with the name of the header that headersFrom takes from a Secret: KEDA reads the name by reference, too.
*/}}
{{- define "holograph.keda.headerName" -}}
{{- include "holograph.fullname" . }}-prometheus-header
{{- end }}
