package chart_test

import (
	"testing"

	"holograph/test/internal/chart"
)

// everything turns on what the defaults leave off, so that each template's every branch is rendered once.
const everything = `
nameOverride: hologram
commonLabels: {team: graphics}
commonAnnotations: {contact: graphics}
global:
  imageRegistry: registry.example:5000
  imagePullSecrets: [{name: registry}]
renderer:
  image: {tag: "1.2.3"}
  command: [/renderer]
  args: [--queue-size=4]
  env: [{name: HOLOGRAPH_CONCURRENCY, value: "2"}]
  envFrom: [{configMapRef: {name: scene}}]
  podLabels: {scene: city}
  podAnnotations: {scene: city}
  annotations: {reload: "true"}
  nodeSelector: {gpu: "true"}
  tolerations: [{key: gpu, operator: Exists}]
  affinity: {nodeAffinity: {}}
  topologySpreadConstraints:
    - {maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {scene: city}}}
  priorityClassName: frames
  runtimeClassName: nvidia
  resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]
  resources: {claims: [{name: gpu}]}
  service: {type: LoadBalancer, port: 80, annotations: {scheme: internal}}
  serviceAccount: {annotations: {role: renderer}}
  podDisruptionBudget: {maxUnavailable: null, minAvailable: 50%}
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
  extraContainers: [{name: proxy, image: proxy}]
  initContainers: [{name: fetch, image: fetch}]
autoscaling:
  annotations: {contact: graphics}
  behavior: {scaleDown: {tolerance: 0.2}}
prometheus:
  service: {type: NodePort, annotations: {scheme: internal}}
  podLabels: {part: metrics}
  podAnnotations: {part: metrics}
  nodeSelector: {pool: system}
prometheusAdapter:
  replicaCount: 2
  image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
  podAnnotations: {part: metrics}
  tolerations: [{key: system, operator: Exists}]
kubeStateMetrics:
  priorityClassName: system
  affinity: {nodeAffinity: {}}
dashboard: {enabled: true, namespace: grafana, labels: {folder: graphics}, annotations: {k8s-sidecar-target-directory: graphics}}
networkPolicy:
  enabled: true
  clients: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {role: gateway}}}]
  scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  queriers: [{podSelector: {matchLabels: {role: dashboard}}, namespaceSelector: {}}]
  rendererEgress: [{ports: [{port: 443, protocol: TCP}]}]
  apiServer: {peers: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [443]}
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-scene"}, data: {scene: city}}
doctor:
  podLabels: {part: checks}
  podAnnotations: {part: checks}
  nodeSelector: {pool: system}
`

// renderings are the values that every rendered object is checked under.
func renderings(t *testing.T) map[string]chart.Values {
	t.Helper()
	all := map[string]chart.Values{
		"defaults":              {},
		"everything":            chart.Parse(t, everything),
		"without autoscaling":   chart.Set("autoscaling.enabled", false),
		"without adapter":       chart.Set("prometheusAdapter.enabled", false),
		"without events":        chart.Set("kubeStateMetrics.enabled", false),
		"with other Prometheus": chart.Parse(t, "prometheus: {enabled: false, url: https://prometheus.example/team}"),
		"with policies":         chart.Set("networkPolicy.enabled", true),
		"renderer alone": chart.Parse(t, `
autoscaling: {enabled: false}
prometheus: {enabled: false}
prometheusAdapter: {enabled: false}
kubeStateMetrics: {enabled: false}
doctor: {enabled: false}
renderer: {serviceAccount: {create: false}, podDisruptionBudget: {enabled: false}}`),
		"with KEDA":                chart.Parse(t, kedaValues),
		"with the operator":        chart.Parse(t, withOperator),
		"with annotations":         chart.Set("scrapeAnnotations.enabled", true),
		"with an existing adapter": chart.Parse(t, existingAdapter),
		"with a token":             chart.Parse(t, withToken),
		"with a login":             chart.Parse(t, withLogin),
		"with served namespaces":   chart.Parse(t, "servedNamespaces: [film, games]"),
		"with a certificate": chart.Parse(t, `
prometheusAdapter: {certificate: {existingSecret: mine, caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`),
	}
	for _, name := range chart.Examples(t) {
		all[name+".yaml"] = chart.Example(t, name)
	}
	return all
}
