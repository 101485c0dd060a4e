{{/*
Refuses what does not work on the cluster at hand.
*/}}
{{- define "holograph.validate.cluster" -}}
{{- range $key := list "prometheus" "prometheusAdapter" "kubeStateMetrics" "deletionCost" "doctor" "warmCapacity" }}
{{- $component := get $.Values $key }}
{{- include "holograph.validate.container" (dict "context" $ "key" $key "podSecurityContext" $component.podSecurityContext "container" (dict
  "securityContext" $component.securityContext)) }}
{{- end }}
{{- $generatedLogin := printf "%s-login" (include "holograph.prometheus.name" .) }}
{{- if and .Values.prometheus.enabled (eq .Values.prometheus.auth.basicAuth.existingSecret $generatedLogin) }}
{{- include "holograph.refuse" (printf "prometheus.auth.basicAuth.existingSecret: must be another name than that of the Secret that Helm generates (got %s), because Helm deletes that Secret when existingSecret takes its place: create yours with another name, like prometheus-login." $generatedLogin) }}
{{- end }}
{{- $generatedCertificate := printf "%s-certificate" (include "holograph.prometheusAdapter.name" .) }}
{{- if and .Values.prometheusAdapter.enabled (eq .Values.prometheusAdapter.certificate.existingSecret $generatedCertificate) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.certificate.existingSecret: must be another name than that of the Secret that Helm generates (got %s), because Helm deletes that Secret when existingSecret takes its place: create yours with another name, like adapter-certificate." $generatedCertificate) }}
{{- end }}
{{- $persistence := .Values.prometheus.persistence }}
{{- if and .Values.prometheus.enabled $persistence.existingClaim (not $persistence.enabled) }}
{{- include "holograph.refuse" (printf "prometheus.persistence.existingClaim: must be empty without prometheus.persistence.enabled (got %s), because Prometheus would not use the claim, and its history would end with its pod: set prometheus.persistence.enabled to true, or leave existingClaim empty." $persistence.existingClaim) }}
{{- end }}
{{- $adapter := .Values.prometheusAdapter }}
{{- $certificate := $adapter.certificate }}
{{- if $adapter.enabled }}
{{- if and $certificate.existingSecret $certificate.certManager.enabled }}
{{- include "holograph.refuse" (printf "prometheusAdapter.certificate.certManager.enabled: must be false with prometheusAdapter.certificate.existingSecret (got true, with the Secret %s), because the adapter serves with one certificate: set it to false, or leave existingSecret empty." $certificate.existingSecret) }}
{{- end }}
{{- if and $adapter.hostNetwork (has (int $adapter.port) (list 10248 10249 10250 10256)) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.port: must be free on the nodes with prometheusAdapter.hostNetwork (got %d), because the kubelet or kube-proxy listens there and the adapter could not start: write another port, like 6443, or set hostNetwork to false." (int $adapter.port)) }}
{{- end }}
{{- if and $adapter.hostNetwork (lt (int $adapter.port) 1024) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.port: must be 1024 or higher with prometheusAdapter.hostNetwork (got %d), because on a node only root may listen on a lower port, and the adapter is not root: write another port, like 6443." (int $adapter.port)) }}
{{- end }}
{{- $admitsNodes := false }}
{{- range .Values.networkPolicy.queriers }}
{{- $admitsNodes = or $admitsNodes (hasKey . "ipBlock") }}
{{- end }}
{{- if and $adapter.hostNetwork .Values.networkPolicy.enabled .Values.prometheus.enabled (include "holograph.prometheusAdapter.runs" .) (not $admitsNodes) }}
{{- include "holograph.refuse" "networkPolicy.queriers: must have the addresses of the nodes with prometheusAdapter.hostNetwork (got no ipBlock), because the adapter then queries the embedded Prometheus from the address of its node, which the policy does not admit otherwise, and nothing would scale: write them, like {ipBlock: {cidr: 10.0.0.0/16}}." }}
{{- end }}
{{- $injected := or (hasKey $adapter.apiService.annotations "cert-manager.io/inject-ca-from") (hasKey $adapter.apiService.annotations "cert-manager.io/inject-ca-from-secret") }}
{{- if and $certificate.existingSecret (not $certificate.caBundle) (not $injected) }}
{{- include "holograph.refuse" (printf "prometheusAdapter.certificate.caBundle: must be set with existingSecret (got none, with the Secret %s), because the API server could not verify the certificate: write the PEM of the CA that signed it, or the annotation cert-manager.io/inject-ca-from in prometheusAdapter.apiService.annotations." $certificate.existingSecret) }}
{{- end }}
{{- if and $certificate.caBundle (not $certificate.existingSecret) }}
{{- include "holograph.refuse" "prometheusAdapter.certificate.caBundle: must be empty without existingSecret (got a value), because it verifies a certificate of your own: write prometheusAdapter.certificate.existingSecret, or leave caBundle empty." }}
{{- end }}
{{- if and $certificate.caBundle $injected }}
{{- include "holograph.refuse" "prometheusAdapter.certificate.caBundle: must be empty with an annotation cert-manager.io/inject-ca-from in prometheusAdapter.apiService.annotations (got a value), because cert-manager replaces it: leave caBundle empty, or remove the annotation." }}
{{- end }}
{{- end }}
{{- end }}
