module holograph/ci/modules/kubernetes-oldest

go 1.26.0

// The oldest Kubernetes that Chart.yaml claims. Read, never built: its API's description stands in it.
require k8s.io/kubernetes v1.30.14
