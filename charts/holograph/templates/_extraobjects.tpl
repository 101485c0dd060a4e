{{/*
One of extraObjects as text, its templates expanded. Takes dict "context" $ "object" the map or string.
*/}}
{{- define "holograph.extraObject" -}}
{{- tpl (kindIs "string" .object | ternary .object (toYaml .object)) .context }}
{{- end }}
