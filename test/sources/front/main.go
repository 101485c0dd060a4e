// Command front stands before a Prometheus as it does on platforms of many teams: it speaks TLS only, and
// passes on what carries the right credential and the right tenant.
package main

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// tenantHeader is how Mimir, Cortex and their like tell tenants apart.
const tenantHeader = "X-Scope-OrgID"

func main() {
	listen := flag.String("listen", ":9443", "address to serve on")
	upstream := flag.String("upstream", "http://localhost:9090", "URL of the Prometheus behind")
	certificate := flag.String("cert", "", "file of the certificate to serve with")
	key := flag.String("key", "", "file of its key")
	clients := flag.String("client-ca", "", "file of the CA that must have signed a client's certificate; if empty, no client certificate is required")
	tenant := flag.String("tenant", "", "the tenant whose Prometheus this is")
	flag.Parse()
	server, err := serve(*listen, *upstream, *clients, checks{authorization: os.Getenv("AUTHORIZATION"), tenant: *tenant})
	if err == nil {
		err = server.ListenAndServeTLS(*certificate, *key)
	}
	log.Fatal(err)
}

func serve(listen, upstream, clients string, checks checks) (*http.Server, error) {
	behind, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if clients != "" {
		text, err := os.ReadFile(clients)
		if err != nil {
			return nil, err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate", clients)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return &http.Server{
		Addr:              listen,
		Handler:           checks.before(httputil.NewSingleHostReverseProxy(behind)),
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
	}, nil
}

// checks is what a request must carry.
type checks struct {
	// authorization is the whole Authorization header.
	authorization string
	tenant        string
}

// before returns a handler that lets through to next what carries everything, and
// tells the rest what is missing.
func (c checks) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(c.authorization)) != 1:
			http.Error(w, "wrong credential", http.StatusUnauthorized)
		case r.Header.Get(tenantHeader) != c.tenant:
			http.Error(w, "wrong tenant", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
