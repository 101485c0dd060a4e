{{/*
The lists of the values, and the maps of which a user writes the keys, all empty. Helm removes a value that is null, and
`concat`, `merge` and `len` take no null: with these, null is no entry, in each template.
*/}}
{{- define "holograph.collections" -}}
commonLabels: {}
commonAnnotations: {}
global:
  imagePullSecrets: []
  nodeSelector: {}
  tolerations: []
signals:
  matchers: {}
  scrapeLabels: []
  otherMetrics: []
  frames:
    selector: {}
  overruns:
    selector: {}
  demand:
    offered:
      selector: {}
    capacity:
      selector: {}
autoscaling:
  annotations: {}
  metrics: []
  target:
    podLabels: {}
warmCapacity:
  prePull:
    resources: {}
  podSecurityContext: {}
  securityContext: {}
  annotations: {}
  podLabels: {}
  podAnnotations: {}
keda:
  annotations: {}
  triggers: []
  metadata: {}
  scalingModifiers: {}
renderer:
  command: []
  args: []
  env: []
  envFrom: []
  resources: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  topologySpreadConstraints: []
  podSecurityContext: {}
  securityContext: {}
  service:
    extraPorts: []
    loadBalancerSourceRanges: []
    annotations: {}
  serviceAccount:
    annotations: {}
  extraVolumes: []
  extraVolumeMounts: []
  extraContainers: []
  initContainers: []
  annotations: {}
  resourceClaims: []
  extraPorts: []
  dnsConfig: {}
  hostAliases: []
  extraPodSpec: {}
  strategy: {}
  ingress:
    annotations: {}
    hosts: []
    tls: []
  httpRoute:
    annotations: {}
    parentRefs: []
    hostnames: []
    rules: []
servedNamespaces: []
prometheus:
  headers: {}
  headersFrom: {}
  persistence:
    accessModes: []
    annotations: {}
  alertmanagers: []
  externalLabels: {}
  remoteWrite: []
  secrets: []
  resources: {}
  service:
    annotations: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  extraEnv: []
  serviceAccount:
    annotations: {}
  extraArgs: []
  annotations: {}
  podSecurityContext: {}
  securityContext: {}
podMonitor:
  labels: {}
  annotations: {}
  relabelings: []
  metricRelabelings: []
prometheusRule:
  labels: {}
  annotations: {}
prometheusAdapter:
  extraRules: []
  apiService:
    annotations: {}
  resources: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  annotations: {}
  podSecurityContext: {}
  securityContext: {}
  extraArgs: []
  extraEnv: []
  service:
    annotations: {}
kubeStateMetrics:
  resources: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  annotations: {}
  podSecurityContext: {}
  securityContext: {}
  extraArgs: []
  extraEnv: []
  service:
    annotations: {}
deletionCost:
  resources: {}
  podSecurityContext: {}
  securityContext: {}
  extraEnv: []
  annotations: {}
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
doctor:
  resources: {}
  extraEnv: []
  podLabels: {}
  podAnnotations: {}
  nodeSelector: {}
  tolerations: []
  affinity: {}
  podSecurityContext: {}
  securityContext: {}
alerts:
  labels: {}
  disabled: []
dashboard:
  annotations: {}
networkPolicy:
  clients: []
  scrapers: []
  queriers: []
  prometheus:
    peers: []
    ports: []
  rendererEgress: []
  apiServer:
    peers: []
    ports: []
extraObjects: []
{{- end }}
