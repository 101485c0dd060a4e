// Command authproxy is the reverse proxy of a Prometheus that several teams share: it serves TLS only, and forwards a
// request that has the credential and the tenant of its flags.
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

// tenantHeader is the header in which Mimir, Cortex and Loki expect the tenant.
const tenantHeader = "X-Scope-OrgID"

func main() {
	listen := flag.String("listen", ":9443", "address to serve on")
	upstream := flag.String("upstream", "http://localhost:9090", "URL of the Prometheus")
	certificate := flag.String("cert", "", "file of the certificate to serve with")
	key := flag.String("key", "", "file of its key")
	clients := flag.String("client-ca", "", "file of the CA that must have signed a client's certificate; if empty, no client certificate is required")
	tenant := flag.String("tenant", "", "the tenant whose Prometheus this is")
	flag.Parse()
	server, err := newServer(*listen, *upstream, *clients, required{authorization: os.Getenv("AUTHORIZATION"), tenant: *tenant})
	if err == nil {
		err = server.ListenAndServeTLS(*certificate, *key)
	}
	log.Fatal(err)
}

// newServer returns a server that requires client certificates of the CA in the file clients, if there is one.
func newServer(listen, upstream, clients string, required required) (*http.Server, error) {
	target, err := url.Parse(upstream)
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
		Handler:           required.before(httputil.NewSingleHostReverseProxy(target)),
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
	}, nil
}

// required is what a request must have.
type required struct {
	// authorization is the whole Authorization header.
	authorization string
	tenant        string
}

// before returns a handler that calls next for a request that has what is required, and answers others with what is wrong.
func (c required) before(next http.Handler) http.Handler {
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
