{{/*
Name of the Secret with the login of the embedded Prometheus.
*/}}
{{- define "holograph.prometheus.loginName" -}}
{{- default (printf "%s-login" (include "holograph.prometheus.name" .)) .Values.prometheus.auth.basicAuth.existingSecret }}
{{- end }}

{{/*
The login of the embedded Prometheus, as YAML:

  generated   whether this chart generates it, and so renders the Secret
  kept        whether the Secret of an earlier upgrade was found
  generation  the value of generation for which it was generated
  data        the Secret's data, when generated: username, password, authorization (the whole header) and web.yaml,
              Prometheus' web configuration with the hash of the password

The next upgrade finds a generated login in its Secret and keeps it. It generates a new one if the Secret does not have
all keys, or if prometheus.auth.basicAuth.generation has changed.

The cost of the hash is 10, the only one that Helm's bcrypt has. For an unknown name Prometheus computes a hash of the
same cost, so the time of a refusal does not reveal which names exist. Prometheus caches 100 checks, of wrong passwords
too.

Each call would generate another login. So the first call of a rendering stores its result in .Release, which all
templates share and Helm does not save.
*/}}
{{- define "holograph.prometheus.login" -}}
{{- $values := .Values.prometheus.auth.basicAuth }}
{{- if $values.existingSecret }}
{{- dict "generated" false | toYaml }}
{{- else }}
{{- $name := include "holograph.prometheus.loginName" . }}
{{- $key := printf "%s/%s" (include "holograph.namespace" .) $name }}
{{- if not (hasKey .Release $key) }}
{{- $generation := toString $values.generation }}
{{- $found := default dict (lookup "v1" "Secret" (include "holograph.namespace" .) $name) }}
{{- $data := default dict $found.data }}
{{- $whole := and (get $data "username") (get $data "password") (get $data "authorization") (get $data "web.yaml") }}
{{- $kept := and (not (empty $whole)) (eq $generation (dig "annotations" "holograph/login-generation" "" (default dict $found.metadata))) }}
{{- if not $kept }}
{{- $username := "holograph" }}
{{- $password := randAlphaNum 40 }}
{{- $web := dict "basic_auth_users" (dict $username (bcrypt $password)) | toYaml }}
{{- $data = dict
  "username" ($username | b64enc)
  "password" ($password | b64enc)
  "authorization" (printf "%s:%s" $username $password | b64enc | printf "Basic %s" | b64enc)
  "web.yaml" ($web | b64enc) }}
{{- end }}
{{- $_ := set .Release $key (dict "generated" true "kept" $kept "generation" $generation "data" $data) }}
{{- end }}
{{- get .Release $key | toYaml }}
{{- end }}
{{- end }}

{{/*
Paths of the login in the embedded Prometheus' pod: of the web configuration, and of the client configuration for
queries from the same pod.
*/}}
{{- define "holograph.prometheus.loginPath" -}}
/etc/prometheus-login
{{- end }}

{{- define "holograph.prometheus.loginClient" -}}
basic_auth:
  username_file: {{ include "holograph.prometheus.loginPath" . }}/username
  password_file: {{ include "holograph.prometheus.loginPath" . }}/password
{{- end }}

{{/*
A check of the embedded Prometheus from its own pod, as a command. Takes ready or healthy.
*/}}
{{- define "holograph.prometheus.check" -}}
- /bin/promtool
- check
- {{ . }}
- --url=http://localhost:9090
- --http.config.file=/etc/prometheus/client.yaml
{{- end }}
