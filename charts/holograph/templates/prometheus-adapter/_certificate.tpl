{{/*
The certificate that the adapter serves with, as YAML:

  secretName  Secret that holds it
  generated   whether this chart issued it, and so renders the Secret
  kept        whether it was found in the Secret of an earlier upgrade
  ca          PEM of the CA with which the API server verifies it; empty where cert-manager writes it
  injection   annotations of the APIServices that have cert-manager write it
  cert, key   PEM, when generated
  inputs      the inputs for which it was issued, when generated
  notAfter    Unix time in seconds of its end, when generated

The next upgrade finds a generated certificate in its Secret and keeps it. It issues a new one if there is none, if the
inputs have changed (names, validityDays, generation), or if less than a third of its time is left. The CA signs only
this certificate, and its key is not stored; a renewal makes a new CA. The caBundle also keeps the previous CA, because
a running adapter serves the old certificate until it has read the new one. It has at most two CAs: the key of the
only certificate that the older one verifies is in the same namespace.

Each call would issue another certificate. So the first call of a rendering stores its result in .Release, which all
templates share and Helm does not save.
*/}}
{{- define "holograph.prometheusAdapter.certificate" -}}
{{- $values := .Values.prometheusAdapter.certificate }}
{{- if $values.existingSecret }}
{{- dict "secretName" $values.existingSecret "generated" false "ca" (include "holograph.pem" $values.caBundle) "injection" dict | toYaml }}
{{- else if $values.certManager.enabled }}
{{- $name := include "holograph.prometheusAdapter.certManagerName" . }}
{{- dict "secretName" $name "generated" false "ca" "" "injection" (dict "cert-manager.io/inject-ca-from" (printf "%s/%s" (include "holograph.namespace" .) $name)) | toYaml }}
{{- else }}
{{- $service := include "holograph.prometheusAdapter.name" . }}
{{- $namespace := include "holograph.namespace" . }}
{{- $secretName := printf "%s-certificate" $service }}
{{- $key := printf "%s/%s" $namespace $secretName }}
{{- if not (hasKey .Release $key) }}
{{- $dnsNames := include "holograph.prometheusAdapter.dnsNames" . | fromYamlArray }}
{{- $inputs := printf "%s/%v/%v" (index $dnsNames 0) $values.validityDays $values.generation }}
{{- $found := default dict (lookup "v1" "Secret" $namespace $secretName) }}
{{- $data := default dict $found.data }}
{{- $annotations := default dict (default dict $found.metadata).annotations }}
{{- $foundCA := default "" (get $data "ca.crt") | b64dec }}
{{- $foundInputs := default "" (get $annotations "holograph/certificate-inputs") }}
{{- $foundNotAfter := default "0" (get $annotations "holograph/certificate-not-after") }}
{{- $now := now | unixEpoch | int64 }}
{{- $validity := mul $values.validityDays 86400 }}
{{- $complete := and $foundCA (get $data "tls.crt") (get $data "tls.key") }}
{{- if and $complete (eq $foundInputs $inputs) (gt (sub (int64 $foundNotAfter) $now) (div $validity 3)) }}
{{- $_ := set .Release $key (dict "secretName" $secretName "generated" true "kept" true "ca" $foundCA "injection" dict "cert" (get $data "tls.crt" | b64dec) "key" (get $data "tls.key" | b64dec) "inputs" $inputs "notAfter" $foundNotAfter) }}
{{- else }}
{{- $days := int $values.validityDays }}
{{- $ca := genCAWithKey (printf "%s-ca" $service) $days (genPrivateKey "ecdsa") }}
{{- $cert := genSignedCertWithKey $service nil $dnsNames $days $ca (genPrivateKey "ecdsa") }}
{{- $previous := regexFind "(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----" $foundCA }}
{{- $bundle := ternary (printf "%s%s\n" $ca.Cert $previous) $ca.Cert (ne $previous "") }}
{{- $_ := set .Release $key (dict "secretName" $secretName "generated" true "kept" false "ca" $bundle "injection" dict "cert" $cert.Cert "key" $cert.Key "inputs" $inputs "notAfter" (add $now $validity | toString)) }}
{{- end }}
{{- end }}
{{- get .Release $key | toYaml }}
{{- end }}
{{- end }}

{{/*
The names by which the API server and others reach the adapter, as a YAML list. The first is that of the aggregator.
*/}}
{{- define "holograph.prometheusAdapter.dnsNames" -}}
{{- $service := include "holograph.prometheusAdapter.name" . }}
{{- $namespace := include "holograph.namespace" . }}
{{- list (printf "%s.%s.svc" $service $namespace) (printf "%s.%s" $service $namespace) $service | toYaml }}
{{- end }}

{{/*
Name of the Certificate of cert-manager and of its Secret. It is not that of the generated Secret, which Helm deletes
when cert-manager replaces it.
*/}}
{{- define "holograph.prometheusAdapter.certManagerName" -}}
{{- include "holograph.prometheusAdapter.name" . }}-tls
{{- end }}
