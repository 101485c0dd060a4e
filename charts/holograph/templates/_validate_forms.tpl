{{/*
Refuses texts that have not the form that files/forms.yaml has for their key.
*/}}
{{- define "holograph.validate.forms" -}}
{{- range $form := .Files.Get "files/forms.yaml" | fromYamlArray }}
{{- range $form.keys }}
{{- include "holograph.validate.form" (dict "form" $form "key" "" "path" (splitList "." .) "value" $.Values) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Takes dict "form" the form "key" a key "value" what it holds "path" the rest of the way to the texts with that form.
*/}}
{{- define "holograph.validate.form" -}}
{{- $step := first .path }}
{{- $below := dict }}
{{- if and (kindIs "map" .value) (eq $step "*") }}
{{- range $name, $value := .value }}
{{- $_ := set $below (printf "%s.%s" $.key $name) $value }}
{{- end }}
{{- else if and (kindIs "map" .value) (hasKey .value $step) }}
{{- $_ := set $below (printf "%s.%s" .key $step) (get .value $step) }}
{{- else if and (kindIs "slice" .value) (eq $step "*") }}
{{- range $index, $value := .value }}
{{- $_ := set $below (printf "%s[%d]" $.key $index) $value }}
{{- end }}
{{- end }}
{{- range $key, $value := $below }}
{{- if rest $.path }}
{{- include "holograph.validate.form" (dict "form" $.form "key" $key "value" $value "path" (rest $.path)) }}
{{- else if and (kindIs "string" $value) (or (not (regexMatch $.form.pattern $value)) (gt (len $value) (int (default 1000 $.form.longest)))) }}
{{- include "holograph.refuse" (printf "%s: must be %s (got %s), because %s: write it like %s." (trimPrefix "." $key) $.form.must (default "an empty text" $value) $.form.because (join " or " $.form.like)) }}
{{- end }}
{{- end }}
{{- end }}
