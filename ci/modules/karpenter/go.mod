module holograph/ci/modules/karpenter

go 1.26.0

// Read, never built: the definition of a CapacityBuffer stands in it.
require sigs.k8s.io/karpenter v1.14.0
