{{/*
Refuses texts that their reader would misread, or that show a secret. Such a value may be a secret, and the schema's
messages print the value that they refuse. So the schema has no pattern for these values, and no message here prints
one.
*/}}
{{- define "holograph.validate.text" -}}
{{- include "holograph.validate.prometheusURL" . }}
{{- include "holograph.validate.headers" . }}
{{- include "holograph.validate.secretNames" . }}
{{- include "holograph.validate.runbook" . }}
{{- include "holograph.validate.alertLabels" . }}
{{- include "holograph.validate.certificates" (dict "key" "prometheus.tls.ca" "value" .Values.prometheus.tls.ca) }}
{{- include "holograph.validate.certificates" (dict "key" "prometheusAdapter.certificate.caBundle" "value" .Values.prometheusAdapter.certificate.caBundle) }}
{{- end }}

{{/*
Characters that no text needs. YAML also ends a line at a carriage return without a line feed, U+0085, U+2028 and U+2029. `nindent` does not indent after them
and `toYaml` does not escape them, so the text after one could become a key of the object. Terminals interpret control
characters. U+FFFD replaces bytes that are not UTF-8.

The first check reads all values at once, as JSON: checking them one by one takes 20 times as long.
*/}}
{{- define "holograph.validate.characters" -}}
{{- $own := set (omit .Values "global") "global" (pick .Values.global "imageRegistry" "imagePullSecrets" "nodeSelector" "tolerations") }}
{{- if regexMatch "[\\x{7f}-\\x{9f}\\x{feff}\\x{fffd}]|\\\\[bf]|\\\\r([^\\\\]|\\\\[^n])|\\\\u(00[01]|007f|2028|2029|fffd)" (toJson $own) }}
{{- include "holograph.validate.charactersBelow" (dict "key" "" "value" $own) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" .Release.Namespace) }}
{{- include "holograph.refuse" (printf "--namespace: must be a name of at most 63 lower-case letters, digits and dashes (got %q), because it is part of names and addresses." .Release.Namespace) }}
{{- end }}
{{- end }}

{{/*
Takes dict "key" its key "value" map, list or scalar.
*/}}
{{- define "holograph.validate.charactersBelow" -}}
{{- if kindIs "map" .value }}
{{- range $name, $value := .value }}
{{- include "holograph.validate.charactersBelow" (dict "key" (default "a key" $.key) "value" $name) }}
{{- $shown := ternary $name (printf "%q" $name) (regexMatch "^[ -~]*$" $name) }}
{{- include "holograph.validate.charactersBelow" (dict "key" (printf "%s.%s" $.key $shown | trimPrefix ".") "value" $value) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $index, $value := .value }}
{{- include "holograph.validate.charactersBelow" (dict "key" (printf "%s[%d]" $.key $index) "value" $value) }}
{{- end }}
{{- else if kindIs "string" .value }}
{{- with regexFind "\\r([^\\n]|$)|[\\x{0}-\\x{8}\\x{b}\\x{c}\\x{e}-\\x{1f}\\x{7f}-\\x{9f}\\x{2028}\\x{2029}\\x{feff}\\x{fffd}]" .value }}
{{- $character := printf "%+q" . }}
{{- include "holograph.refuse" (printf "%s: must be text without control characters, Unicode line separators, byte order marks and replacement characters (got %s), because YAML and terminals interpret them: remove it." $.key $character) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
URLs that net/url parses and that no client changes. Each client appends its own path.
*/}}
{{- define "holograph.validate.prometheusURL" -}}
{{- with .Values.prometheus.url }}
{{- if contains "@" . }}
{{- include "holograph.refuse" "prometheus.url: must be a URL without a login (got one with an @), because everyone who may read the release or a pod could read the password: write prometheus.auth.basicAuth.existingSecret, prometheus.auth.bearerToken.existingSecret or prometheus.headersFrom, which take it from a Secret." }}
{{- end }}
{{- if or (contains "?" .) (contains "#" .) }}
{{- include "holograph.refuse" "prometheus.url: must be a URL without ? and # (got one with them), because clients append a path to it, and everyone who may read the release could read a credential in it: write only the address, and a credential under prometheus.auth or prometheus.headersFrom, which take it from a Secret." }}
{{- end }}
{{- if not (regexMatch (printf "^https?://%s/?$" (include "holograph.urlPattern" $)) .) }}
{{- include "holograph.refuse" "prometheus.url: must be http:// or https://, a host, and optionally a port and a path (got something else), because clients of Prometheus read nothing else: write it like http://prometheus.monitoring.svc:9090 or https://metrics.example/prometheus." }}
{{- else if regexMatch "(/api/v1(/(query|query_range|series|labels|read|write|push))?|/graph)/?$" . }}
{{- include "holograph.refuse" (printf "prometheus.url: must be the address that clients append /api/v1 to (got one that ends with %s), because Prometheus has nothing at the path that results: write the URL without that end." (regexFind "(/api/v1(/(query|query_range|series|labels|read|write|push))?|/graph)/?$" .)) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Host, port and path of a URL as a regular expression. `$` is not allowed in the path, because the kubelet
expands $(NAME) in an argument as a variable.
*/}}
{{- define "holograph.urlPattern" -}}
{{- $label := "[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?" }}
{{- $h := "[0-9A-Fa-f]{1,4}" }}
{{- $six := list (printf "(%s:){7}%s" $h $h) (printf "(%s:){1,7}:" $h) (printf ":((:%s){1,7}|:)" $h) }}
{{- range $before := list 1 2 3 4 5 6 }}
{{- $six = append $six (printf "(%s:){1,%d}(:%s){1,%d}" $h $before $h (sub 7 $before)) }}
{{- end }}
{{- $port := "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})" }}
{{- printf "(%s([.]%s)*[.]?|\\[(%s)\\])(:%s)?(/([-A-Za-z0-9._~!&*+,;=:]|%%[0-9A-Fa-f]{2})*)*" $label $label (join "|" $six) $port }}
{{- end }}

{{/*
Headers that name a tenant. Names of headers ignore case.
*/}}
{{- define "holograph.tenantHeaders" -}}
X-Scope-OrgID, THANOS-TENANT, X-Tenant-ID, X-Org-ID, AccountID, ProjectID
{{- end }}

{{- define "holograph.isTenantHeader" -}}
{{- if has (lower .) (include "holograph.tenantHeaders" . | lower | splitList ", ") }}true{{ end }}
{{- end }}

{{/*
Headers in plain text may only name a tenant. Any other header may be a credential, which its name does not tell, so it
must come from a Secret.
*/}}
{{- define "holograph.validate.headers" -}}
{{- $tenants := include "holograph.tenantHeaders" . | splitList ", " }}
{{- $names := list }}
{{- range $name, $value := .Values.prometheus.headers }}
{{- if eq (lower $name) "authorization" }}
{{- include "holograph.refuse" (printf "prometheus.headers: must not have %s (got it), because everyone who may read the release or a pod could read the credential: write prometheus.auth.bearerToken.existingSecret or prometheus.auth.basicAuth.existingSecret, which take it from a Secret." $name) }}
{{- end }}
{{- if not (include "holograph.isTenantHeader" $name) }}
{{- include "holograph.refuse" (printf "prometheus.headers: must be headers that name a tenant, %s (got %s), because another header may be a credential, which everyone who may read the release or a pod could read: write prometheus.headersFrom.%s, which takes it from a Secret." (join ", " $tenants) $name $name) }}
{{- end }}
{{- if not (regexMatch "^[!-#%-~]([ -#%-~]*[!-#%-~])?$" $value) }}
{{- include "holograph.refuse" (printf "prometheus.headers.%s: must be printable ASCII without $ and without spaces around it (got something else), because an HTTP header holds nothing else, and the kubelet expands $(NAME) as a variable: remove the other characters." $name) }}
{{- end }}
{{- if has (lower $name) $names }}
{{- include "holograph.refuse" (printf "prometheus.headers.%s: must be set once (got it twice), because names of headers ignore case: remove one." $name) }}
{{- end }}
{{- $names = append $names (lower $name) }}
{{- end }}
{{- range $name, $from := .Values.prometheus.headersFrom }}
{{- if not (regexMatch "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$" $name) }}
{{- include "holograph.refuse" "prometheus.headersFrom: must have names of headers as its keys (got something else, which may be the secret itself), because HTTP allows no other names: write letters, digits and dashes, like X-Api-Key." }}
{{- end }}
{{- if has (lower $name) (list "host" "connection" "content-length" "content-type" "transfer-encoding" "trailer" "te" "upgrade") }}
{{- include "holograph.refuse" (printf "prometheus.headersFrom: must be headers that a client may choose (got %s), because HTTP clients set that one themselves: remove it." $name) }}
{{- end }}
{{- if has (lower $name) $names }}
{{- include "holograph.refuse" (printf "prometheus.headersFrom.%s: must be set once, here or in prometheus.headers (got it twice), because names of headers ignore case: remove one." $name) }}
{{- end }}
{{- $names = append $names (lower $name) }}
{{- if and (eq (lower $name) "authorization") (or $.Values.prometheus.auth.bearerToken.existingSecret $.Values.prometheus.auth.basicAuth.existingSecret) }}
{{- include "holograph.refuse" (printf "prometheus.headersFrom: must not have %s with prometheus.auth (got both), because a request carries only one of the two: remove one." $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Names and keys of Secrets, in case the secret itself was written there.
*/}}
{{- define "holograph.validate.secretNames" -}}
{{- $prometheus := .Values.prometheus }}
{{- $names := dict
  "prometheus.tls.caSecret.name" $prometheus.tls.caSecret.name
  "prometheus.tls.clientSecret" $prometheus.tls.clientSecret
  "prometheus.auth.bearerToken.existingSecret" $prometheus.auth.bearerToken.existingSecret
  "prometheus.auth.basicAuth.existingSecret" $prometheus.auth.basicAuth.existingSecret }}
{{- $keys := dict
  "prometheus.tls.caSecret.key" $prometheus.tls.caSecret.key
  "prometheus.auth.bearerToken.key" $prometheus.auth.bearerToken.key }}
{{- range $header, $from := $prometheus.headersFrom }}
{{- $_ := set $names (printf "prometheus.headersFrom.%s.name" $header) (default "-" $from.name) }}
{{- $_ := set $keys (printf "prometheus.headersFrom.%s.key" $header) $from.key }}
{{- end }}
{{- range $key, $value := $names }}
{{- include "holograph.validate.secretName" (dict "key" $key "name" $value) }}
{{- end }}
{{- range $key, $value := $keys }}
{{- include "holograph.validate.secretKey" (dict "key" $key "name" $value) }}
{{- end }}
{{- end }}

{{/*
Takes dict "key" its key "name" of a Secret or nothing.
*/}}
{{- define "holograph.validate.secretName" -}}
{{- if and .name (or (gt (len .name) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" .name))) }}
{{- include "holograph.refuse" (printf "%s: must be the name of a Secret (got something else, which may be the secret itself), because the values may hold only names of Secrets: create a Secret that holds it, and write its name." .key) }}
{{- end }}
{{- end }}

{{/*
Takes dict "key" its key "name" of a key in a Secret.
*/}}
{{- define "holograph.validate.secretKey" -}}
{{- if or (gt (len .name) 253) (not (regexMatch "^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$" .name)) }}
{{- include "holograph.refuse" (printf "%s: must be a key in the Secret (got something else, which may be the secret itself), because the values may hold only keys of Secrets: write the key, like token." .key) }}
{{- end }}
{{- end }}

{{/*
Words in the name of a parameter of a URL's query that holds a credential, as a part of a regular expression.
*/}}
{{- define "holograph.credentialWords" -}}
(key|token|secret|pass|auth|sig|cred|session)
{{- end }}

{{/*
The runbook's address, which every alert and the status page show.
*/}}
{{- define "holograph.validate.runbook" -}}
{{- with .Values.alerts.runbook }}
{{- if or (contains "@" .) (regexMatch (printf "(?i)[?&][^=&]*%s[^=&]*=" (include "holograph.credentialWords" $)) .) }}
{{- include "holograph.refuse" "alerts.runbook: must be a URL without a login and without a credential in its query (got one with it), because every alert shows it: write only the address." }}
{{- end }}
{{- if not (regexMatch (printf "^https?://%s([?]([-A-Za-z0-9._~!&*+,;=:/?]|%%[0-9A-Fa-f]{2})*)?$" (include "holograph.urlPattern" $)) .) }}
{{- include "holograph.refuse" "alerts.runbook: must be a URL that begins with http:// or https:// and has no #, or empty (got something else), because each alert appends # and its name to it: write it like https://wiki.example/holograph." }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Prometheus reads each value as a template, and refuses all rules of the file if it cannot parse one.
*/}}
{{- define "holograph.validate.alertLabels" -}}
{{- $own := list "alertname" "alertstate" "severity" "metric" "condition" "status" "deployment" "statefulset" "horizontalpodautoscaler" "namespace" .Values.signals.labels.namespace .Values.signals.labels.pod "rule_group" "alertmanager" "reason" }}
{{- $own = concat $own (keys .Values.signals.matchers | sortAlpha) | uniq }}
{{- range $name, $value := .Values.alerts.labels }}
{{- if or (hasPrefix "__" $name) (has $name $own) }}
{{- include "holograph.refuse" (printf "alerts.labels: must not be a label that alerts have already, which are %s and those that begin with __ (got %s), because routes, silences and the runbook use them: write another name." (join ", " $own) $name) }}
{{- end }}
{{- if contains "{{" $value }}
{{- include "holograph.refuse" (printf "alerts.labels.%s: must be plain text without {{ (got it), because Prometheus reads it as a template, and refuses all rules if it cannot: write the text itself." $name) }}
{{- end }}
{{- end }}
{{- range $key, $name := .Values.signals.labels }}
{{- if hasPrefix "__" $name }}
{{- include "holograph.refuse" (printf "signals.labels.%s: must not begin with __ (got %s), because Prometheus drops such labels before it stores a sample: write another name." $key $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
PEM with the line breaks that Kubernetes and Go write.
*/}}
{{- define "holograph.pem" -}}
{{- . | replace "\r\n" "\n" | trim }}
{{ end }}

{{/*
Takes dict "key" its key "value" PEM or nothing. Every certificate begins with MI in base64, because it is a sequence of
128 bytes or more.
*/}}
{{- define "holograph.validate.certificates" -}}
{{- if and .value (not (regexMatch "^(-----BEGIN CERTIFICATE-----\nMI[A-Za-z0-9+/\n]+={0,2}\n-----END CERTIFICATE-----\n+)+$" (include "holograph.pem" .value))) }}
{{- $got := "something else" }}
{{- if contains "PRIVATE KEY" .value }}
{{- $got = "a private key" }}
{{- else if contains "-----BEGIN CERTIFICATE-----" .value }}
{{- $got = "a certificate with something else in or around it" }}
{{- end }}
{{- include "holograph.refuse" (printf "%s: must be certificates in PEM and nothing else (got %s), because programs that verify with them read nothing else: write each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----." .key $got) }}
{{- end }}
{{- end }}
