package chart_test

// refusalsOfPods are the cases of what Kubernetes accepts of a pod and then does not run. What the API server refuses is
// left to it.
var refusalsOfPods = map[string]refusal{
	"pods that are available after the end of their rollout": {
		`renderer: {minReadySeconds: 600}`,
		`renderer.minReadySeconds: must be less than renderer.progressDeadlineSeconds (got 600, with a deadline of 600), because no rollout could end in time, and Kubernetes takes no such Deployment: write less, or a higher renderer.progressDeadlineSeconds.`},
	"field of the pods that has a value of its name": {
		`renderer: {extraPodSpec: {affinity: {}}}`,
		`renderer.extraPodSpec.affinity: must not be set (got a value), because the chart writes that field itself: write renderer.affinity.`},
	"field of the pods that has no value": {
		`renderer: {extraPodSpec: {enableServiceLinks: true}}`,
		`renderer.extraPodSpec.enableServiceLinks: must not be set (got a value), because the chart writes that field itself: remove it.`},
	"field of the pods that has a value": {
		`renderer: {extraPodSpec: {volumes: []}}`,
		`renderer.extraPodSpec.volumes: must not be set (got a value), because the chart writes that field itself: write renderer.extraVolumes.`},
	"port of a Service that leads nowhere": {
		`renderer: {service: {extraPorts: [{name: media, port: 40000, targetPort: media}]}}`,
		`renderer.service.extraPorts[0].targetPort: must be a port of the renderer's pods (got media), because the Service would lead nowhere: write the name of one in renderer.extraPorts or of a container, or its number.`},
	"service that begins with a digit": {
		`fullnameOverride: 1up`,
		`fullnameOverride: must begin with a letter (got names 1up-*), because the name of a Service does: write fullnameOverride, like holograph.`},
	"image without a version": {
		`prometheus: {image: {tag: ""}}`,
		`prometheus.image: must have a tag or a digest (got neither), because the chart's appVersion (0.1.0) is the default of the renderer and the doctor only: write the tag.`},
	"variable set twice": {
		`renderer: {env: [{name: A, value: "1"}, {name: A, value: "2"}]}`,
		`renderer.env: must have each name once (got A twice), because which of the two applies is not defined: remove one.`},
	"two handlers": {
		`renderer: {lifecycle: {preStop: {exec: {command: [drain]}}}}`,
		"renderer.lifecycle.preStop: must have one handler (got 2: exec, sleep), because Kubernetes refuses more: write `null` for the others."},
	"two handlers in a probe": {
		`renderer: {readinessProbe: {tcpSocket: {port: http}}}`,
		"renderer.readinessProbe: must have one handler (got 2: httpGet, tcpSocket), because Kubernetes refuses more: write `null` for the others."},
	"probe of no port": {
		`renderer: {readinessProbe: {httpGet: {port: web}}}`,
		`renderer.readinessProbe: must use a port of its container (got web), because no other name can be resolved: write the name of one of its ports, or its number.`},
	"probe of another container's port": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, readinessProbe: {tcpSocket: {port: http}}}]}`,
		`renderer.extraContainers[0].readinessProbe: must use a port of its container (got http), because no other name can be resolved: write the name of one of its ports, or its number.`},
	"root, and not": {
		`renderer: {podSecurityContext: {runAsUser: 0}}`,
		`renderer: must not run as user 0 with runAsNonRoot (got both), because the container would never start: write another runAsUser, or set runAsNonRoot to false.`},
	"two listeners on one port": {
		`renderer: {port: 9000, extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000}]}]}`,
		`renderer.extraContainers[0].ports: must be ports that nothing else in the pod uses (got 9000/TCP), because containers of a pod share its address: write another port.`},
	"another port named http": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: http}]}]}`,
		`renderer.extraContainers[0].ports: must have names that are unique in the pod (got http twice), because probes, Services and Prometheus find ports by name, and the chart names its own http and metrics: write another name.`},
	"two ports of one name": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: web}, {containerPort: 9001, name: web}]}]}`,
		`renderer.extraContainers[0].ports: must have names that are unique in the pod (got web twice), because probes, Services and Prometheus find ports by name, and the chart names its own http and metrics: write another name.`},
	"tag in the repository": {
		`renderer: {image: {repository: "ghcr.io/acme/renderer:1.2.3"}}`,
		`renderer.image.repository: must not have a tag or a digest (got ghcr.io/acme/renderer:1.2.3), because these have keys of their own: write renderer.image.repository: ghcr.io/acme/renderer and renderer.image.tag: 1.2.3.`},
	"digest in the repository": {
		`doctor: {image: {repository: "registry.example:5000/doctor:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}`,
		`doctor.image.repository: must not have a tag or a digest (got registry.example:5000/doctor:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855), because these have keys of their own: write doctor.image.repository: registry.example:5000/doctor and doctor.image.digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.`},
	"extra port of the metrics' number": {
		`renderer: {metrics: {port: 9102}, extraPorts: [{name: media, containerPort: 9102}]}`,
		`renderer.extraPorts: must be ports that nothing else in the pod uses (got 9102/TCP), because containers of a pod share its address: write another port.`},
	"extra port that is the metrics'": {
		`renderer: {metrics: {port: 9102}, extraPorts: [{name: metrics, containerPort: 9102}]}`,
		`renderer.extraPorts: must have no port twice (got metrics, 9102/TCP), because the chart adds renderer.port and renderer.metrics.port itself: remove it.`},
	"extra port of the metrics' name": {
		`renderer: {metrics: {port: 9102}, extraPorts: [{name: metrics, containerPort: 9103}]}`,
		`renderer.extraPorts: must have names that are unique in the pod (got metrics twice), because probes, Services and Prometheus find ports by name, and the chart names its own http and metrics: write another name.`},
}
