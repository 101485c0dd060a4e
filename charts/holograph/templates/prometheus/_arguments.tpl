{{/*
The arguments of Prometheus as YAML. One in prometheus.extraArgs takes the place of the chart's of the same name, because
Prometheus does not start with one that is there twice.
*/}}
{{- define "holograph.prometheus.arguments" -}}
{{- $extra := .Values.prometheus.extraArgs }}
{{- $arguments := list }}
{{- range include "holograph.prometheus.ownArguments" . | fromYamlArray }}
{{- $name := regexFind "^--[^=]+" . }}
{{- $replaced := false }}
{{- range $extra }}
{{- $replaced = or $replaced (eq $name (regexFind "^--[^=]+" .)) }}
{{- end }}
{{- if not $replaced }}
{{- $arguments = append $arguments . }}
{{- end }}
{{- end }}
{{- toYaml (concat $arguments $extra) }}
{{- end }}

{{- define "holograph.prometheus.ownArguments" -}}
- --config.file=/etc/prometheus/prometheus.yaml
- --config.auto-reload
- {{ printf "--config.auto-reload-interval=%s" .Values.prometheus.reloadInterval | quote }}
- --storage.tsdb.path=/prometheus
- --web.console.templates=/etc/prometheus/consoles
- --web.listen-address=:9090
# An external URL with a path, for links, must not move the pages and the API.
- --web.route-prefix=/
# Prometheus reads it for each request, so a new login needs no restart.
- --web.config.file={{ include "holograph.prometheus.loginPath" . }}/web.yaml
# Bounds the memory for requests before their login is checked. Go allows 1 MB for the headers of each request.
- {{ printf "--web.max-connections=%s" (include "holograph.prometheus.connections" .) | quote }}
# Longer than the 15 s between two requests of the autoscaler, so that the adapter's connection stays open even when other
# clients use up the connections.
- --web.read-timeout=30s
# No page of another origin may query Prometheus with the login of a browser.
- --web.cors.origin=none
# Bounds the memory for the samples of queries: four queries of 5 million samples with 16 bytes each fit into the limit. The
# largest query of the chart has 172,800 samples, of 30 days. Nothing bounds the steps of a subquery, so only those who have
# the login may query.
- --query.max-concurrency=4
- --query.max-samples=5000000
- --query.timeout=30s
{{- end }}
