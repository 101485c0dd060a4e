{{/*
A quantity (500m, 1.5, 64Mi) as a number.
*/}}
{{- define "holograph.quantity" -}}
{{- $factors := dict "m" 0.001 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 }}
{{- $text := toString . }}
{{- mulf (regexFind "^[0-9.]+(e[-+]?[0-9]+)?" $text | float64) (get $factors (regexFind "[A-Za-z]*$" $text)) }}
{{- end }}
