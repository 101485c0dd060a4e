{{/*
Those to whom the embedded Prometheus sends alerts and samples, and the Secrets that it needs for that.
*/}}

{{/*
One Alertmanager of Prometheus' configuration. Takes an entry of prometheus.alertmanagers.

A headless Service has an address for each of its pods. The replicas of an Alertmanager expect every alert at each of them,
and DNS finds them without permissions. Their certificate is that of the Service, so its name is verified.
*/}}
{{- define "holograph.prometheus.alertmanager" -}}
{{- $parsed := urlParse .url }}
{{- $path := include "holograph.prometheus.secretsPath" . }}
{{- $alertmanager := dict "scheme" $parsed.scheme }}
{{- with trimSuffix "/" $parsed.path }}
{{- $_ := set $alertmanager "path_prefix" . }}
{{- end }}
{{- $tls := dict }}
{{- if .headless }}
{{- $_ := set $alertmanager "dns_sd_configs" (list (dict "names" (list $parsed.hostname) "type" "A" "port" (include "holograph.prometheus.receiverPort" .url | int))) }}
{{- if eq $parsed.scheme "https" }}
{{- $_ := set $tls "server_name" $parsed.hostname }}
{{- end }}
{{- else }}
{{- $_ := set $alertmanager "static_configs" (list (dict "targets" (list $parsed.host))) }}
{{- end }}
{{- with .caSecret }}
{{- $_ := set $tls "ca_file" (printf "%s/%s/%s" $path .name (default "ca.crt" .key)) }}
{{- end }}
{{- with .clientSecret }}
{{- $_ := set $tls "cert_file" (printf "%s/%s/tls.crt" $path .) }}
{{- $_ := set $tls "key_file" (printf "%s/%s/tls.key" $path .) }}
{{- end }}
{{- with $tls }}
{{- $_ := set $alertmanager "tls_config" . }}
{{- end }}
{{- with .bearerToken }}
{{- $_ := set $alertmanager "authorization" (dict "credentials_file" (printf "%s/%s/%s" $path .existingSecret (default "token" .key))) }}
{{- end }}
{{- with .basicAuth }}
{{- $_ := set $alertmanager "basic_auth" (dict "username_file" (printf "%s/%s/username" $path .existingSecret) "password_file" (printf "%s/%s/password" $path .existingSecret)) }}
{{- end }}
{{- toYaml $alertmanager }}
{{- end }}

{{/*
Port of a URL. Takes the URL.
*/}}
{{- define "holograph.prometheus.receiverPort" -}}
{{- $parsed := urlParse . }}
{{- regexFind ":[0-9]+$" $parsed.host | trimPrefix ":" | default (ternary "443" "80" (eq $parsed.scheme "https")) }}
{{- end }}

{{/*
URLs that Prometheus connects to for its receivers, each once, as a list in JSON: those of Alertmanagers and remote_write
endpoints, and of the proxies and token endpoints on the way, also of a proxy that the environment names.
*/}}
{{- define "holograph.prometheus.receivers" -}}
{{- $urls := list }}
{{- range .Values.prometheus.alertmanagers }}
{{- $urls = append $urls .url }}
{{- end }}
{{- range .Values.prometheus.remoteWrite }}
{{- $urls = concat $urls (include "holograph.prometheus.urlsIn" . | fromJsonArray) }}
{{- end }}
{{- if .Values.prometheus.remoteWrite }}
{{- range .Values.prometheus.extraEnv }}
{{- if and .value (has (upper .name) (list "HTTP_PROXY" "HTTPS_PROXY")) }}
{{- /* Without its login, which may have characters that no URL has. */}}
{{- $urls = append $urls (regexReplaceAll "//.*@" (ternary .value (printf "http://%s" .value) (contains "://" .value)) "//") }}
{{- end }}
{{- end }}
{{- end }}
{{- uniq $urls | toJson }}
{{- end }}

{{/*
Whether a remote_write endpoint is told who Prometheus is by the cloud that its pod runs in, "true" or "".
*/}}
{{- define "holograph.prometheus.hasIdentity" -}}
{{- $has := false }}
{{- range $endpoint := .Values.prometheus.remoteWrite }}
{{- range $field := list "azuread" "google_iam" "sigv4" }}
{{- $has = or $has (hasKey $endpoint $field) }}
{{- end }}
{{- end }}
{{- ternary "true" "" $has }}
{{- end }}

{{/*
Values of the keys url, proxy_url and token_url at any depth, as a list in JSON. Takes a map.
*/}}
{{- define "holograph.prometheus.urlsIn" -}}
{{- $urls := list }}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}
{{- $urls = concat $urls (include "holograph.prometheus.urlsIn" $value | fromJsonArray) }}
{{- else if and $value (has $key (list "url" "proxy_url" "token_url")) }}
{{- $urls = append $urls $value }}
{{- end }}
{{- end }}
{{- toJson $urls }}
{{- end }}

{{/*
Folder of the Secrets in the embedded Prometheus' pod: each is a folder of its name.
*/}}
{{- define "holograph.prometheus.secretsPath" -}}
/etc/prometheus-secrets
{{- end }}

{{/*
Names of those Secrets, each once, as a list in JSON: prometheus.secrets and those that prometheus.alertmanagers names.
*/}}
{{- define "holograph.prometheus.secrets" -}}
{{- $names := .Values.prometheus.secrets }}
{{- range .Values.prometheus.alertmanagers }}
{{- $names = concat $names (list (default dict .caSecret).name .clientSecret (default dict .bearerToken).existingSecret (default dict .basicAuth).existingSecret | compact) }}
{{- end }}
{{- uniq $names | toJson }}
{{- end }}

{{/*
Name of the claim for the embedded Prometheus' history.
*/}}
{{- define "holograph.prometheus.claimName" -}}
{{- default (include "holograph.prometheus.name" .) .Values.prometheus.persistence.existingClaim }}
{{- end }}
