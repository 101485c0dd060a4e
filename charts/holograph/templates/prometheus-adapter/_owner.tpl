{{/*
Stops an installation that would take custom.metrics.k8s.io from another adapter: a cluster has one, and
everything that scales on the other adapter's metrics would stop scaling.

Another owner has an APIService if neither its Service is this release's adapter nor Helm's annotations name
this release; the second holds while an upgrade renames the adapter. Without access to the cluster (`helm
template`, Argo CD) lookups find nothing, and the chart refuses nothing.
*/}}
{{- define "holograph.prometheusAdapter.refuseOtherOwner" -}}
{{- $remedy := "or set prometheusAdapter.apiService.ownerCheck to false to take it over" }}
{{- range $version := list "v1beta1" "v1beta2" }}
{{- $name := printf "%s.custom.metrics.k8s.io" $version }}
{{- $found := default dict (lookup "apiregistration.k8s.io/v1" "APIService" "" $name) }}
{{- $service := dig "spec" "service" dict $found | default dict }}
{{- $annotations := dig "metadata" "annotations" dict $found | default dict }}
{{- $release := get $annotations "meta.helm.sh/release-name" }}
{{- $releaseNamespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- $ourService := and (eq $service.name (include "holograph.prometheusAdapter.name" $)) (eq $service.namespace (include "holograph.namespace" $)) }}
{{- $ourRelease := and (eq $release $.Release.Name) (eq $releaseNamespace $.Release.Namespace) }}
{{- if and $service (not $ourService) (not $ourRelease) }}
{{- $owner := printf "the Service %s/%s" $service.namespace $service.name }}
{{- if $release }}
{{- $owner = printf "%s of the Helm release %s in namespace %s" $owner $release $releaseNamespace }}
{{- end }}
{{- if hasPrefix (printf "%s-" $.Chart.Name) (dig "metadata" "labels" "helm.sh/chart" "" $found) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.enabled: must be false (got true), because %s belongs to %s already, which is another release of this chart: set prometheusAdapter.enabled to false and list %s in servedNamespaces of that release, %s." $name $owner (include "holograph.namespace" $) $remedy) }}
{{- end }}
{{- include "holograph.refuse" (printf "prometheusAdapter.enabled: must be false (got true), because %s belongs to %s already: set prometheusAdapter.enabled to false and prometheusAdapter.existing.namespace to %s, %s." $name $owner $service.namespace $remedy) }}
{{- end }}
{{- end }}
{{- end }}
