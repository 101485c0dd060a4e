{{/*
A duration (15s, 2m, 1m30s, 30d) in milliseconds; 0 for a text that is not a duration. Sprig
parses only the forms that its `duration` prints, so this template adds up the parts.
*/}}
{{- define "holograph.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $total := 0 }}
{{- if regexMatch "^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" (toString .) }}
{{- range regexFindAll "[0-9]+(ms|[smhdwy])" (toString .) -1 }}
{{- $total = add $total (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- end }}
{{- $total }}
{{- end }}

{{/*
A duration as Go writes it (33ms, 1.5s, 1m0.5s) as a pattern, and in milliseconds.
*/}}
{{- define "holograph.goDurationPattern" -}}
^([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$
{{- end }}

{{- define "holograph.goMilliseconds" -}}
{{- $units := dict "ns" 0.000001 "us" 0.001 "µs" 0.001 "μs" 0.001 "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 }}
{{- $total := 0.0 }}
{{- range regexFindAll "[0-9.]+(ns|us|µs|μs|ms|s|m|h)" (toString .) -1 }}
{{- $total = addf $total (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[a-zµμ]+$" .))) }}
{{- end }}
{{- $total }}
{{- end }}

{{/*
Milliseconds as a duration in one unit, the largest that fits: 2m, 90s, 500ms.
*/}}
{{- define "holograph.duration" -}}
{{- if mod . 1000 }}
{{- printf "%dms" (int64 .) }}
{{- else if mod . 60000 }}
{{- printf "%ds" (div . 1000) }}
{{- else if mod . 3600000 }}
{{- printf "%dm" (div . 60000) }}
{{- else }}
{{- printf "%dh" (div . 3600000) }}
{{- end }}
{{- end }}
