{{/*
Refuses Alertmanagers, remote_write endpoints and Secrets in which a credential is written as text. No message prints a
value, because it may be the credential.
*/}}
{{- define "holograph.validate.receivers" -}}
{{- $prometheus := .Values.prometheus }}
{{- range $index, $alertmanager := $prometheus.alertmanagers }}
{{- $key := printf "prometheus.alertmanagers[%d]" $index }}
{{- if not (regexMatch (printf "^https?://%s/?$" (include "holograph.urlPattern" $)) .url) }}
{{- include "holograph.refuse" (printf "%s.url: must be http:// or https://, a host, and optionally a port and a path (got something else, which may be a credential), because everyone who may read the release could read it: write it like http://alertmanager.monitoring.svc:9093, and a credential under bearerToken or basicAuth, which take it from a Secret." $key) }}
{{- else if regexMatch "/api/v[12](/alerts)?/?$" .url }}
{{- include "holograph.refuse" (printf "%s.url: must be the address that Prometheus appends /api/v2/alerts to (got one that ends with %s), because Alertmanager has nothing at the path that results: write the URL without that end." $key (regexFind "/api/v[12](/alerts)?/?$" .url)) }}
{{- end }}
{{- range $secret, $name := dict
  "caSecret.name" (default dict .caSecret).name
  "clientSecret" .clientSecret
  "bearerToken.existingSecret" (default dict .bearerToken).existingSecret
  "basicAuth.existingSecret" (default dict .basicAuth).existingSecret }}
{{- include "holograph.validate.secretName" (dict "key" (printf "%s.%s" $key $secret) "name" $name) }}
{{- end }}
{{- range $secret := list "caSecret" "bearerToken" }}
{{- $file := (default dict (get $alertmanager $secret)).key }}
{{- if $file }}
{{- include "holograph.validate.secretKey" (dict "key" (printf "%s.%s.key" $key $secret) "name" $file) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $index, $name := $prometheus.secrets }}
{{- include "holograph.validate.secretName" (dict "key" (printf "prometheus.secrets[%d]" $index) "name" $name) }}
{{- end }}
{{- range $index, $endpoint := $prometheus.remoteWrite }}
{{- include "holograph.validate.remoteWrite" (dict "key" (printf "prometheus.remoteWrite[%d]" $index) "value" $endpoint) }}
{{- $key := printf "prometheus.remoteWrite[%d]" $index }}
{{- if hasPrefix "http://" $endpoint.url }}
{{- range $field := list "authorization" "azuread" "basic_auth" "bearer_token_file" "google_iam" "http_headers" "oauth2" "sigv4" }}
{{- if get $endpoint $field }}
{{- include "holograph.refuse" (printf "%s.%s: must have a url that begins with https:// (got %s), because what it sends would cross the network in plain text: write such a URL." $key $field $endpoint.url) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (or (kindIs "invalid" $endpoint.headers) (kindIs "map" $endpoint.headers)) }}
{{- include "holograph.refuse" (printf "%s.headers: must be a map of headers (got a %s), because Prometheus would not start: write it like {X-Scope-OrgID: team}." $key (kindOf $endpoint.headers)) }}
{{- else }}
{{- range $name, $value := default dict $endpoint.headers }}
{{- if not (include "holograph.isTenantHeader" $name) }}
{{- include "holograph.refuse" (printf "%s.headers: must be headers that name a tenant (got %s), because another header may be a credential, which everyone who may read the release could read: write it to http_headers, with files: [/etc/prometheus-secrets/my-secret/header]." $key $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Fields of Prometheus' configuration that hold, or may hold, a credential as text. Prometheus reads each from a file, too.
Takes dict "key" its key "value" a map, list or scalar of an entry of prometheus.remoteWrite.
*/}}
{{- define "holograph.validate.remoteWrite" -}}
{{- $secrets := list "password" "bearer_token" "credentials" "client_secret" "client_certificate_key" "secret_key" "certificate_password" "key" "secrets" "values" "proxy_connect_header" "endpoint_params" }}
{{- if kindIs "map" .value }}
{{- range $name, $value := .value }}
{{- if has $name $secrets }}
{{- include "holograph.refuse" (printf "%s.%s: must not be set (got a value), because everyone who may read the release could read the credential in it: mount a Secret with prometheus.secrets, and write a field that reads a file, like password_file, or one for the pod's own identity, like azuread's managed_identity." $.key $name) }}
{{- else if and (regexMatch "[A-Z]" $name) (not (regexMatch "[.](headers|http_headers)$" $.key)) }}
{{- include "holograph.refuse" (printf "%s.%s: must be a field in Prometheus' own form, which has no capital letters (got this one), because Prometheus would not start: write it like %s." $.key $name (snakecase $name)) }}
{{- else }}
{{- include "holograph.validate.remoteWrite" (dict "key" (printf "%s.%s" $.key $name) "value" $value) }}
{{- end }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $index, $value := .value }}
{{- include "holograph.validate.remoteWrite" (dict "key" (printf "%s[%d]" $.key $index) "value" $value) }}
{{- end }}
{{- else if regexMatch "[.]insecure_skip_verify$" .key }}
{{- if eq (toString .value) "true" }}
{{- include "holograph.refuse" (printf "%s: must be false (got true), because anyone on the way could pose as the server and read what is sent to it: write false, and tls_config.ca_file for a private CA." .key) }}
{{- end }}
{{- else if and (not (kindIs "invalid" .value)) (regexMatch "[.](url|proxy_url|token_url)$" .key) }}
{{- $value := toString .value }}
{{- if or (not (regexMatch (printf "^https?://%s/?([?][^@#[:space:]]*)?$" (include "holograph.urlPattern" $)) $value)) (regexMatch (printf "(?i)[?&]([^=&]*%s[^=&]*|u|p)=" (include "holograph.credentialWords" $)) $value) }}
{{- include "holograph.refuse" (printf "%s: must be a URL that begins with http:// or https://, without a login and without a credential in its query (got something else), because everyone who may read the release could read it: write only the address, and the credential in a file, like basic_auth.password_file." .key) }}
{{- else if and (hasSuffix ".token_url" .key) (hasPrefix "http://" $value) }}
{{- include "holograph.refuse" (printf "%s: must begin with https:// (got %s), because the credential that is sent there would cross the network in plain text: write such a URL." .key $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Refuses what Prometheus would accept and then not do.
*/}}
{{- define "holograph.validate.alerting" -}}
{{- $prometheus := .Values.prometheus }}
{{- $persistence := $prometheus.persistence }}
{{- range $key, $value := dict
  "prometheus.alertmanagers" $prometheus.alertmanagers
  "prometheus.externalLabels" $prometheus.externalLabels
  "prometheus.remoteWrite" $prometheus.remoteWrite
  "prometheus.secrets" $prometheus.secrets
  "prometheus.persistence.enabled" $persistence.enabled }}
{{- if and $value (not $prometheus.enabled) }}
{{- include "holograph.refuse" (printf "%s: must be %s where prometheus.enabled is false (got %s), because it configures the embedded Prometheus: %s, and configure your own Prometheus." $key (ternary "false" "empty" (kindIs "bool" $value)) (ternary "true" "a value" (kindIs "bool" $value)) (ternary "write false" "remove it" (kindIs "bool" $value))) }}
{{- end }}
{{- end }}
{{- $mounted := include "holograph.prometheus.secrets" . | fromJsonArray }}
{{- range regexFindAll (printf "%s/[^/\"]+" (include "holograph.prometheus.secretsPath" .)) (toJson $prometheus.remoteWrite) -1 }}
{{- if not (has (base .) $mounted) }}
{{- include "holograph.refuse" (printf "prometheus.secrets: must have every Secret of which prometheus.remoteWrite reads a file (got a file of %s, which is not there), because it would not be mounted, and nothing would be sent: add %s." (base .) (base .)) }}
{{- end }}
{{- end }}
{{- range $index, $alertmanager := $prometheus.alertmanagers }}
{{- $key := printf "prometheus.alertmanagers[%d]" $index }}
{{- range $secret := list "caSecret" "clientSecret" "bearerToken" "basicAuth" }}
{{- if and (get $alertmanager $secret) (hasPrefix "http://" $alertmanager.url) }}
{{- include "holograph.refuse" (printf "%s.%s: must have a url that begins with https:// (got %s), because what it protects would cross the network in plain text: write such a URL." $key $secret $alertmanager.url) }}
{{- end }}
{{- end }}
{{- if and .bearerToken .basicAuth }}
{{- include "holograph.refuse" (printf "%s.basicAuth: must not be set with bearerToken (got both), because a request carries only one of the two: remove one." $key) }}
{{- end }}
{{- end }}
{{- if $persistence.existingClaim }}
{{- range $key := list "size" "storageClass" }}
{{- with get $persistence $key }}
{{- include "holograph.refuse" (printf "prometheus.persistence.%s: must be empty with prometheus.persistence.existingClaim (got %s), because a claim that exists already has its own: leave it empty." $key .) }}
{{- end }}
{{- end }}
{{- else if and $prometheus.enabled $persistence.enabled $persistence.size }}
{{- $kept := include "holograph.quantity" (regexReplaceAll "i?B$" $prometheus.retention.size "i") | float64 }}
{{- if lt (include "holograph.quantity" $persistence.size | float64) (mulf 1.25 $kept) }}
{{- include "holograph.refuse" (printf "prometheus.persistence.size: must be at least 1.25 times prometheus.retention.size (got %s, with a history of %s), because the write-ahead log needs space beside the history, and a full volume ends all scrapes: write %s, or leave it empty." $persistence.size $prometheus.retention.size (include "holograph.prometheus.volumeSize" $prometheus.retention.size)) }}
{{- end }}
{{- end }}
{{- range .Values.alerts.disabled }}
{{- $names := include "holograph.alerts.names" $ | fromJsonArray }}
{{- if not (has . $names) }}
{{- include "holograph.refuse" (printf "alerts.disabled: must be names of alerts (got %s), because the alert that you mean would still fire: write names of %s." . (join ", " $names)) }}
{{- end }}
{{- end }}
{{- end }}
