module holograph/ci/modules/cert-manager

go 1.26.0

// Read, never built: the definitions of Certificate and Issuer stand in it.
require github.com/cert-manager/cert-manager v1.21.2
