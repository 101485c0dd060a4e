package chart_test

// refusalsOfPods are the cases of what the parts of a pod demand of each other.
var refusalsOfPods = map[string]refusal{
	"service that begins with a digit": {
		`fullnameOverride: 1up`,
		`The release's name makes objects named 1up-*, and the name of a Service begins with a letter: write fullnameOverride, like holograph.`},
	"image without a version": {
		`prometheus: {image: {tag: ""}}`,
		`prometheus.image has neither a tag nor a digest, and the chart's appVersion (0.1.0), which the renderer's falls back on, is no version of it: write the tag.`},
	"memory request above its limit": {
		`renderer: {resources: {requests: {memory: 1Gi}}}`,
		`renderer.resources.requests.memory (1Gi) is above the limit (256Mi), so that no pod could start: write at most the limit.`},
	"CPU request above its limit, in other units": {
		`prometheusAdapter: {resources: {requests: {cpu: 1001m}, limits: {cpu: 1}}}`,
		`prometheusAdapter.resources.requests.cpu (1001m) is above the limit (1), so that no pod could start: write at most the limit.`},
	"request above its limit in a container of one's own": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, resources: {requests: {memory: 1G}, limits: {memory: 953Mi}}}]}`,
		`renderer.extraContainers[0].resources.requests.memory (1G) is above the limit (953Mi), so that no pod could start: write at most the limit.`},
	"half a GPU": {
		`renderer: {resources: {limits: {nvidia.com/gpu: 500m}}}`,
		`renderer.resources.limits.nvidia.com/gpu (500m) is a part of something that is handed out whole: write a whole number.`},
	"fewer GPUs than the limit": {
		`renderer: {resources: {requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}}}`,
		`renderer.resources.requests.nvidia.com/gpu (1) is not the limit (2), and Kubernetes hands as much out as is asked for: write the limit alone.`},
	"GPU without a limit": {
		`renderer: {resources: {requests: {nvidia.com/gpu: 1}}}`,
		`renderer.resources.requests.nvidia.com/gpu (1) has no limit, and Kubernetes takes a request for it only with one: write it under limits.`},
	"huge pages alone": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, resources: {limits: {hugepages-2Mi: 4Mi}}}]}`,
		`renderer.extraContainers[0].resources.limits.hugepages-2Mi (4Mi) stands alone, and Kubernetes gives huge pages only to a container that asks for CPU or memory too: write requests for those.`},
	"half a huge page": {
		`renderer: {resources: {limits: {hugepages-2Mi: 3Mi}}}`,
		`renderer.resources.limits.hugepages-2Mi: must be a multiple of a page's size (got 3Mi), because Kubernetes hands out whole pages: write one, like 2Mi.`},
	"claim of nothing": {
		`renderer: {resources: {claims: [{name: gpu}]}}`,
		`renderer.resources.claims names gpu, which is none of renderer.resourceClaims: add it there.`},
	"variable set twice": {
		`renderer: {env: [{name: A, value: "1"}, {name: A, value: "2"}]}`,
		`renderer.env sets A twice, and which one counts is chance: remove one.`},
	"mount of no volume": {
		`renderer: {extraVolumeMounts: [{name: scratch, mountPath: /scratch}]}`,
		`renderer.extraVolumeMounts mounts the volume scratch, which is none of renderer.extraVolumes: add it there.`},
	"mount of no volume in a container of one's own": {
		`renderer: {initContainers: [{name: fetch, image: fetch, volumeMounts: [{name: scratch, mountPath: /scratch}]}]}`,
		`renderer.initContainers[0].volumeMounts mounts the volume scratch, which is none of renderer.extraVolumes: add it there.`},
	"two mounts at one path": {
		`renderer: {extraVolumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}], extraVolumeMounts: [{name: a, mountPath: /scratch}, {name: b, mountPath: /scratch}]}`,
		`renderer.extraVolumeMounts mounts two volumes at /scratch: write another path for one of them.`},
	"two handlers": {
		`renderer: {lifecycle: {preStop: {exec: {command: [drain]}}}}`,
		"renderer.lifecycle.preStop has 2 handlers (exec, sleep) and may have one: write `null` for the others."},
	"two handlers in a probe": {
		`renderer: {readinessProbe: {tcpSocket: {port: http}}}`,
		"renderer.readinessProbe has 2 handlers (httpGet, tcpSocket) and may have one: write `null` for the others."},
	"probe of nothing": {
		`renderer: {livenessProbe: {httpGet: null}}`,
		"renderer.livenessProbe has nothing to do: write one of exec, httpGet, tcpSocket, grpc, or `null` for no probe."},
	"hook of nothing": {
		`renderer: {lifecycle: {preStop: {sleep: null}}}`,
		"renderer.lifecycle.preStop has nothing to do: write one of exec, httpGet, tcpSocket, sleep, or `null` for no hook."},
	"probe of no port": {
		`renderer: {readinessProbe: {httpGet: {port: web}}}`,
		`renderer.readinessProbe asks the port web, which the container does not have: write the name of one of its ports, or its number.`},
	"probe of another container's port": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, readinessProbe: {tcpSocket: {port: http}}}]}`,
		`renderer.extraContainers[0].readinessProbe asks the port http, which the container does not have: write the name of one of its ports, or its number.`},
	"privileged, and not": {
		`renderer: {securityContext: {privileged: true}}`,
		`renderer.securityContext is privileged or adds SYS_ADMIN, and allowPrivilegeEscalation: false forbids both: set that to null as well.`},
	"administrator, and not": {
		`renderer: {securityContext: {capabilities: {add: [SYS_ADMIN]}}}`,
		`renderer.securityContext is privileged or adds SYS_ADMIN, and allowPrivilegeEscalation: false forbids both: set that to null as well.`},
	"root, and not": {
		`renderer: {podSecurityContext: {runAsUser: 0}}`,
		`renderer runs as user 0, which runAsNonRoot forbids, so that the container would never start: write another runAsUser, or set runAsNonRoot to false.`},
	"container of the renderer's name": {
		`renderer: {extraContainers: [{name: renderer, image: proxy}]}`,
		`renderer.extraContainers[0].name (renderer) is the name of another container of the pod: write another.`},
	"two containers of one name": {
		`renderer: {extraContainers: [{name: proxy, image: proxy}], initContainers: [{name: proxy, image: proxy}]}`,
		`renderer.initContainers[0].name (proxy) is the name of another container of the pod: write another.`},
	"two listeners on one port": {
		`renderer: {port: 9000, extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000}]}]}`,
		`renderer.extraContainers[0].ports has 9000/TCP, on which another container of the pod listens already: write another port.`},
	"another port named http": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: http}]}]}`,
		`renderer.extraContainers[0].ports names a port http, as the renderer's is named, and the Service would send frames to either: write another name.`},
	"two ports of one name": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: web}, {containerPort: 9001, name: web}]}]}`,
		`renderer.extraContainers[0].ports gives the name web to two ports of the pod: write another.`},
	"two volumes of one name": {
		`renderer: {extraVolumes: [{name: scratch, emptyDir: {}}, {name: scratch, emptyDir: {}}]}`,
		`renderer.extraVolumes has two entries named scratch: write another name for one of them.`},
	"one spread twice": {
		`renderer: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}`,
		`renderer.topologySpreadConstraints has two entries with rack and DoNotSchedule: remove one.`},
	"rollout that cannot move": {
		`renderer: {updateStrategy: {rollingUpdate: {maxSurge: 0%}}}`,
		`renderer.updateStrategy.rollingUpdate has no maxUnavailable and no maxSurge, so that no pod could ever be replaced: write a maxSurge above 0.`},
}
