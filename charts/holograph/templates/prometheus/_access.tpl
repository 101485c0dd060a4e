{{/*
How clients reach Prometheus, as YAML. Every client takes all of its settings from here:

  url          its address
  headers      sent with every request: a map, perhaps empty
  headersFrom  headers that are secret: a map of {name, key} of Secrets, perhaps empty
  ca           PEM of the CA that signed its certificate: {kind, name, key} of a ConfigMap or Secret; absent where
               clients use their own CAs
  clientSecret Secret of type kubernetes.io/tls with the client certificate; absent without
  bearerToken  {name, key} of a Secret; absent without
  basicAuth    Secret with the keys username, password and authorization (the whole header); absent without

No credential is in a value, and none is in a rendered object except the Secret with the login of the embedded
Prometheus. Everything else has only names of Secrets.
*/}}
{{- define "holograph.prometheus.access" -}}
{{- $prometheus := .Values.prometheus }}
{{- $access := dict "headers" dict "headersFrom" dict }}
{{- if $prometheus.enabled }}
{{- $_ := set $access "url" (printf "http://%s.%s.svc:%v" (include "holograph.prometheus.name" .) (include "holograph.namespace" .) $prometheus.service.port) }}
{{- $_ := set $access "basicAuth" (include "holograph.prometheus.loginName" .) }}
{{- else }}
{{- $_ := set $access "url" $prometheus.url }}
{{- $_ := set $access "headers" $prometheus.headers }}
{{- $_ := set $access "headersFrom" $prometheus.headersFrom }}
{{- if $prometheus.tls.ca }}
{{- $_ := set $access "ca" (dict "kind" "ConfigMap" "name" (include "holograph.prometheus.caName" .) "key" "ca.crt") }}
{{- else if $prometheus.tls.caSecret.name }}
{{- $_ := set $access "ca" (dict "kind" "Secret" "name" $prometheus.tls.caSecret.name "key" $prometheus.tls.caSecret.key) }}
{{- end }}
{{- with $prometheus.tls.clientSecret }}
{{- $_ := set $access "clientSecret" . }}
{{- end }}
{{- with $prometheus.auth.bearerToken }}
{{- if .existingSecret }}
{{- $_ := set $access "bearerToken" (dict "name" .existingSecret "key" .key) }}
{{- end }}
{{- end }}
{{- with $prometheus.auth.basicAuth.existingSecret }}
{{- $_ := set $access "basicAuth" . }}
{{- end }}
{{- end }}
{{- toYaml $access }}
{{- end }}

{{/*
URL of Prometheus: the embedded one, or the one in prometheus.url.
*/}}
{{- define "holograph.prometheus.url" -}}
{{- (include "holograph.prometheus.access" . | fromYaml).url }}
{{- end }}

{{- define "holograph.prometheus.caName" -}}
{{- include "holograph.fullname" . }}-prometheus-ca
{{- end }}

{{/*
Folder of the files with which a pod reaches Prometheus: those of ca.crt, tls.crt, tls.key and token that are configured.
For a client that cannot read environment variables, also authorization and each header of headersFrom, by its name.
*/}}
{{- define "holograph.prometheus.accessPath" -}}
/etc/prometheus-access
{{- end }}

{{/*
Those files as `projected.sources` of a volume; empty where there are none.
*/}}
{{- define "holograph.prometheus.accessSources" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- with $access.ca }}
- {{ ternary "configMap" "secret" (eq .kind "ConfigMap") }}:
    name: {{ .name | quote }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- with $access.clientSecret }}
- secret:
    name: {{ . | quote }}
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- end }}
{{- with $access.bearerToken }}
- secret:
    name: {{ .name | quote }}
    items:
      - key: {{ .key | quote }}
        path: token
{{- end }}
{{- end }}

{{/*
The same as a kubeconfig, the only form in which prometheus-adapter takes a CA, a client certificate and a token
together. It reads this token every minute; the flag --prometheus-token-file reads one once, with its line break. The
adapter does not take the URL from it. Empty where nothing is configured.
*/}}
{{- define "holograph.prometheus.kubeconfig" -}}
{{- $access := include "holograph.prometheus.access" . | fromYaml }}
{{- $path := include "holograph.prometheus.accessPath" . }}
{{- if include "holograph.prometheus.accessSources" . }}
{{- $cluster := dict "server" $access.url }}
{{- if $access.ca }}
{{- $_ := set $cluster "certificate-authority" (printf "%s/ca.crt" $path) }}
{{- end }}
{{- $user := dict }}
{{- if $access.clientSecret }}
{{- $_ := set $user "client-certificate" (printf "%s/tls.crt" $path) }}
{{- $_ := set $user "client-key" (printf "%s/tls.key" $path) }}
{{- end }}
{{- if $access.bearerToken }}
{{- $_ := set $user "tokenFile" (printf "%s/token" $path) }}
{{- end }}
{{- dict "apiVersion" "v1" "kind" "Config" "current-context" "prometheus"
  "contexts" (list (dict "name" "prometheus" "context" (dict "cluster" "prometheus" "user" "adapter")))
  "clusters" (list (dict "name" "prometheus" "cluster" $cluster))
  "users" (list (dict "name" "adapter" "user" $user)) | toYaml }}
{{- end }}
{{- end }}

{{/*
Name of the environment variable that holds a header of headersFrom. Takes the header's name.
*/}}
{{- define "holograph.prometheus.headerVariable" -}}
PROMETHEUS_HEADER_{{ upper . | replace "-" "_" }}
{{- end }}
