package chart_test

// refusalsOfPods are the cases of what the parts of a pod demand of each other.
var refusalsOfPods = map[string]refusal{
	"service that begins with a digit": {
		`fullnameOverride: 1up`,
		`fullnameOverride: must begin with a letter (got names 1up-*), because the name of a Service does: write fullnameOverride, like holograph.`},
	"image without a version": {
		`prometheus: {image: {tag: ""}}`,
		`prometheus.image: must have a tag or a digest (got neither), because the chart's appVersion (0.1.0) is the default of the renderer and the doctor only: write the tag.`},
	"memory request above its limit": {
		`renderer: {resources: {requests: {memory: 1Gi}}}`,
		`renderer.resources.requests.memory: must be at most the limit (got 1Gi, with a limit of 256Mi), because Kubernetes refuses such a pod: lower the request or raise the limit.`},
	"CPU request above its limit, in other units": {
		`prometheusAdapter: {resources: {requests: {cpu: 1001m}, limits: {cpu: 1}}}`,
		`prometheusAdapter.resources.requests.cpu: must be at most the limit (got 1001m, with a limit of 1), because Kubernetes refuses such a pod: lower the request or raise the limit.`},
	"request above its limit in a container of one's own": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, resources: {requests: {memory: 1G}, limits: {memory: 953Mi}}}]}`,
		`renderer.extraContainers[0].resources.requests.memory: must be at most the limit (got 1G, with a limit of 953Mi), because Kubernetes refuses such a pod: lower the request or raise the limit.`},
	"half a GPU": {
		`renderer: {resources: {limits: {nvidia.com/gpu: 500m}}}`,
		`renderer.resources.limits.nvidia.com/gpu: must be a whole number (got 500m), because Kubernetes allocates whole devices: write a whole number.`},
	"fewer GPUs than the limit": {
		`renderer: {resources: {requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}}}`,
		`renderer.resources.requests.nvidia.com/gpu: must equal the limit (got 1, with a limit of 2), because Kubernetes does not overcommit this resource: write only the limit.`},
	"GPU without a limit": {
		`renderer: {resources: {requests: {nvidia.com/gpu: 1}}}`,
		`renderer.resources.requests.nvidia.com/gpu: must have a limit (got 1 without one), because Kubernetes accepts a request for this resource only with a limit: write it under limits.`},
	"huge pages alone": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, resources: {limits: {hugepages-2Mi: 4Mi}}}]}`,
		`renderer.extraContainers[0].resources.limits.hugepages-2Mi: must come with requests for CPU or memory (got 4Mi alone), because Kubernetes gives huge pages to no other container: write those requests.`},
	"half a huge page": {
		`renderer: {resources: {limits: {hugepages-2Mi: 3Mi}}}`,
		`renderer.resources.limits.hugepages-2Mi: must be a multiple of a page's size (got 3Mi), because Kubernetes allocates whole pages: write one, like 2Mi.`},
	"claim of nothing": {
		`renderer: {resources: {claims: [{name: gpu}]}}`,
		`renderer.resources.claims: must be names of renderer.resourceClaims (got gpu), because a container can use only claims of its pod: add it there.`},
	"variable set twice": {
		`renderer: {env: [{name: A, value: "1"}, {name: A, value: "2"}]}`,
		`renderer.env: must have each name once (got A twice), because which of the two applies is not defined: remove one.`},
	"mount of no volume": {
		`renderer: {extraVolumeMounts: [{name: scratch, mountPath: /scratch}]}`,
		`renderer.extraVolumeMounts: must be names of renderer.extraVolumes (got scratch), because a container can mount only volumes of its pod: add it there.`},
	"mount of no volume in a container of one's own": {
		`renderer: {initContainers: [{name: fetch, image: fetch, volumeMounts: [{name: scratch, mountPath: /scratch}]}]}`,
		`renderer.initContainers[0].volumeMounts: must be names of renderer.extraVolumes (got scratch), because a container can mount only volumes of its pod: add it there.`},
	"two mounts at one path": {
		`renderer: {extraVolumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}], extraVolumeMounts: [{name: a, mountPath: /scratch}, {name: b, mountPath: /scratch}]}`,
		`renderer.extraVolumeMounts: must have each path once (got /scratch twice), because a path holds one volume: write another path for one of them.`},
	"two handlers": {
		`renderer: {lifecycle: {preStop: {exec: {command: [drain]}}}}`,
		"renderer.lifecycle.preStop: must have one handler (got 2: exec, sleep), because Kubernetes refuses more: write `null` for the others."},
	"two handlers in a probe": {
		`renderer: {readinessProbe: {tcpSocket: {port: http}}}`,
		"renderer.readinessProbe: must have one handler (got 2: httpGet, tcpSocket), because Kubernetes refuses more: write `null` for the others."},
	"probe of nothing": {
		`renderer: {livenessProbe: {httpGet: null}}`,
		"renderer.livenessProbe: must have a handler (got none), because Kubernetes refuses it without one: write exec, httpGet, tcpSocket or grpc, or `null` for no probe."},
	"hook of nothing": {
		`renderer: {lifecycle: {preStop: {sleep: null}}}`,
		"renderer.lifecycle.preStop: must have a handler (got none), because Kubernetes refuses it without one: write exec, httpGet, tcpSocket or sleep, or `null` for no hook."},
	"probe of no port": {
		`renderer: {readinessProbe: {httpGet: {port: web}}}`,
		`renderer.readinessProbe: must use a port of its container (got web), because no other name can be resolved: write the name of one of its ports, or its number.`},
	"probe of another container's port": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, readinessProbe: {tcpSocket: {port: http}}}]}`,
		`renderer.extraContainers[0].readinessProbe: must use a port of its container (got http), because no other name can be resolved: write the name of one of its ports, or its number.`},
	"privileged, and not": {
		`renderer: {securityContext: {privileged: true}}`,
		`renderer.securityContext: must not be privileged or add SYS_ADMIN with allowPrivilegeEscalation: false (got both), because Kubernetes refuses the combination: set allowPrivilegeEscalation to null as well.`},
	"administrator, and not": {
		`renderer: {securityContext: {capabilities: {add: [SYS_ADMIN]}}}`,
		`renderer.securityContext: must not be privileged or add SYS_ADMIN with allowPrivilegeEscalation: false (got both), because Kubernetes refuses the combination: set allowPrivilegeEscalation to null as well.`},
	"root, and not": {
		`renderer: {podSecurityContext: {runAsUser: 0}}`,
		`renderer: must not run as user 0 with runAsNonRoot (got both), because the container would never start: write another runAsUser, or set runAsNonRoot to false.`},
	"container of the renderer's name": {
		`renderer: {extraContainers: [{name: renderer, image: proxy}]}`,
		`renderer.extraContainers[0].name: must be unique in the pod (got renderer, which another container has), because Kubernetes refuses a second one: write another name.`},
	"two containers of one name": {
		`renderer: {extraContainers: [{name: proxy, image: proxy}], initContainers: [{name: proxy, image: proxy}]}`,
		`renderer.initContainers[0].name: must be unique in the pod (got proxy, which another container has), because Kubernetes refuses a second one: write another name.`},
	"two listeners on one port": {
		`renderer: {port: 9000, extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000}]}]}`,
		`renderer.extraContainers[0].ports: must be ports that no other container of the pod uses (got 9000/TCP), because containers of a pod share its address: write another port.`},
	"another port named http": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: http}]}]}`,
		`renderer.extraContainers[0].ports: must not have a port named http, because the renderer's port has that name, and the Service could send frames to either: write another name.`},
	"two ports of one name": {
		`renderer: {extraContainers: [{name: proxy, image: proxy, ports: [{containerPort: 9000, name: web}, {containerPort: 9001, name: web}]}]}`,
		`renderer.extraContainers[0].ports: must have names that are unique in the pod (got web twice), because probes and Services find ports by name: write another name.`},
	"two volumes of one name": {
		`renderer: {extraVolumes: [{name: scratch, emptyDir: {}}, {name: scratch, emptyDir: {}}]}`,
		`renderer.extraVolumes: must have each name once (got scratch twice), because containers refer to entries by name: write another name for one of them.`},
	"one spread twice": {
		`renderer: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}`,
		`renderer.topologySpreadConstraints: must have each pair of topologyKey and whenUnsatisfiable once (got rack and DoNotSchedule twice), because Kubernetes refuses a second one: remove one.`},
	"rollout that cannot move": {
		`renderer: {updateStrategy: {rollingUpdate: {maxSurge: 0%}}}`,
		`renderer.updateStrategy.rollingUpdate: must have a maxUnavailable or a maxSurge above 0 (got neither), because no pod could be replaced: write a maxSurge above 0.`},
}
