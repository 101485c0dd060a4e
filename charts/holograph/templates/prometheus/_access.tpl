{{/*
How the Prometheus that is asked is reached, as YAML. Whatever asks it takes everything from here:

  url          its address
  headers      sent with every request: a map, perhaps empty
  headersFrom  headers that are secret: a map of {name, key} of Secrets, perhaps empty
  ca           PEM of the authority that signed its certificate: {kind, name, key} of a ConfigMap or Secret; absent where
               the client's own authorities are to do
  clientSecret Secret of type kubernetes.io/tls to show it; absent without
  bearerToken  {name, key} of a Secret; absent without
  basicAuth    Secret with the keys username, password and authorization (the whole header); absent without

No credential is ever in a value, and none in a rendered object but the Secret of the embedded Prometheus' own login:
only names of Secrets are.
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
{{- $_ := set $access "ca" (dict "kind" "ConfigMap" "name" (include "holograph.prometheus.authorityName" .) "key" "ca.crt") }}
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
URL of the Prometheus that is asked: the embedded one, or the one in prometheus.url.
*/}}
{{- define "holograph.prometheus.url" -}}
{{- (include "holograph.prometheus.access" . | fromYaml).url }}
{{- end }}

{{- define "holograph.prometheus.authorityName" -}}
{{- include "holograph.fullname" . }}-prometheus-authority
{{- end }}

{{/*
Where a pod that asks Prometheus finds the files: ca.crt, tls.crt, tls.key and token, as far as there are any; where
it takes a secret from no other place, authorization and the headers of headersFrom, each by its name, too.
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
The same as a kubeconfig, the only form in which prometheus-adapter takes authority, client certificate and token
together; of its flags, --prometheus-token-file reads a token once, line break included, and this one every
minute. Only the way there is taken from it, not the URL. Empty where there is nothing to say.
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

{{/*
A file of a ConfigMap as a YAML text, which ends in one line break. Takes the file. As `toYaml` writes it, a text that
a block cannot hold is put in quotes.
*/}}
{{- define "holograph.file" -}}
{{- printf "%s\n" (trim .) | toYaml | indent 2 | trim }}
{{- end }}
