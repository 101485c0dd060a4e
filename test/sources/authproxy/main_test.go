package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestOnlyCredentialAndTenantTogetherAreForwarded tries requests that lack one of them.
func TestOnlyCredentialAndTenantTogetherAreForwarded(t *testing.T) {
	handler := required{authorization: "Bearer right", tenant: "film"}.before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, test := range []struct {
		authorization, tenant string
		want                  int
	}{
		{"Bearer right", "film", http.StatusNoContent},
		{"", "film", http.StatusUnauthorized},
		{"Bearer wrong", "film", http.StatusUnauthorized},
		{"Bearer right\n", "film", http.StatusUnauthorized},
		{"Bearer right", "", http.StatusForbidden},
		{"Bearer right", "games", http.StatusForbidden},
	} {
		request := httptest.NewRequest(http.MethodPost, "/api/v1/query", nil)
		request.Header.Set("Authorization", test.authorization)
		request.Header.Set(tenantHeader, test.tenant)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		assert.Equal(t, test.want, answer.Code, "status for the credential %q and the tenant %q", test.authorization, test.tenant)
	}
}
