package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/doctor/description"
	"holograph/test/doctor/report"
)

// The credentials that a doctor may be given. Each differs from the others, so that a failure says which one leaked.
const (
	markedToken    = "S3CR3T-cluster-token"
	markedPassword = "S3CR3T pass/word+\"1"
	markedHeader   = "S3CR3T-header-value"
	markedBearer   = "S3CR3T.prometheus.bearer-token"
)

// No output contains a credential in any encoding, whatever is wrong, even if a server repeats
// what it received.
func TestNothingPrintsACredential(t *testing.T) {
	t.Parallel()
	var forms []string
	for _, secret := range []string{markedToken, markedPassword, markedHeader, markedBearer, "admin:" + markedPassword} {
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String(),
			strings.Trim(fmt.Sprintf("%q", secret), `"`))
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
			forms = append(forms, encoding.EncodeToString([]byte(secret)))
		}
	}
	clean := func(t *testing.T, output string) {
		t.Helper()
		for _, form := range forms {
			assert.NotContains(t, output, form)
		}
		assert.NotContains(t, output, "S3CR3T")
	}
	// echo is a Prometheus that repeats the credentials that it received, in all encodings.
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		user, password, _ := r.BasicAuth()
		for _, shown := range []string{password, r.Header.Get("X-Api-Key"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), user + ":" + password} {
			fmt.Fprintf(w, "%s, %q, %s, %s, %s\n", shown, shown, url.QueryEscape(shown), url.PathEscape(shown), base64.StdEncoding.EncodeToString([]byte(shown)))
		}
	}))
	t.Cleanup(echo.Close)
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	login := write("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+markedPassword))+"\n")
	token := write("token", markedBearer+"\n")
	host := strings.TrimPrefix(echo.URL, "http://")
	for title, prometheus := range map[string]string{
		"headers and a login":   fmt.Sprintf(`{url: %q, scrapeInterval: 15s, headers: {X-Api-Key: %q}, authorizationFile: %q}`, echo.URL, markedHeader, login),
		"a token":               fmt.Sprintf(`{url: %q, scrapeInterval: 15s, tokenFile: %q}`, echo.URL, token),
		"an address with login": fmt.Sprintf(`{url: %q, scrapeInterval: 15s}`, "http://"+url.UserPassword("admin", markedPassword).String()+"@"+host+"?key="+markedHeader),
		"nobody there":          fmt.Sprintf(`{url: %q, scrapeInterval: 15s}`, "http://"+url.UserPassword("admin", markedPassword).String()+"@127.0.0.1:1"),
		"a token for a name":    fmt.Sprintf(`{url: %q, scrapeInterval: 15s}`, "http://"+markedBearer+"@127.0.0.1:1"),
		"no address":            fmt.Sprintf(`{url: %q, scrapeInterval: 15s}`, "http://admin:"+markedPassword+"@127.0.0.1:1"),
		"no port":               `{url: "http://admin:S3CR3T-word", scrapeInterval: 15s}`,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := healthy(t, "")
			p, err := description.Decode([]byte(c.configMap("holograph-doctor").Data[description.File]))
			require.NoError(t, err)
			text := strings.Replace(c.configMap("holograph-doctor").Data[description.File], "\nprometheus:\n", "\nbefore:\n", 1)
			before, rest, _ := strings.Cut(text, "\nbefore:\n")
			_, after, _ := strings.Cut(rest, "\nadapter:\n")
			require.NotNil(t, p.Prometheus)
			file := write(strings.ReplaceAll(title, " ", "-")+".yaml", before+"\nprometheus: "+prometheus+"\nadapter:\n"+after)
			for _, output := range []string{"text", "json"} {
				code, stdout, stderr := doctor(t, c, "--path", file, "--output", output)
				assert.NotEqual(t, exitHealthy, code)
				assert.NotEqual(t, exitUsage, code, stderr)
				assert.Contains(t, stdout, "prometheus")
				clean(t, stdout+stderr)
			}
		})
	}
	for title, fault := range faults {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := healthy(t, fault.values)
			fault.wrong(t, c)
			c.token = markedToken
			for _, output := range []string{"text", "json"} {
				_, stdout, stderr := doctor(t, c, "--output", output)
				clean(t, stdout+stderr)
			}
		})
	}
}

// A release's description must not make the doctor send a file of this machine to an address
// that the description names.
func TestADescriptionReadsNoFileHere(t *testing.T) {
	t.Parallel()
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(file, []byte(markedToken), 0o600))
	for _, key := range []string{"tokenFile", "authorizationFile"} {
		c := healthy(t, "prometheus: {enabled: false, url: http://prometheus.example}")
		data := c.configMap("holograph-doctor").Data
		data[description.File] = strings.Replace(data[description.File], `url: "http://prometheus.example"`, fmt.Sprintf("url: %q\n  %s: %q", server.URL, key, file), 1)
		require.Contains(t, data[description.File], file)
		found := examine(t, c)
		assert.Equal(t, report.CouldNotLook, found.Verdict, found.Text())
		assert.Contains(t, found.Unseen().Cause, "it wants credentials that are files of the doctor's pod")
		assert.False(t, asked, "the server received a request, want none: it would have had the content of a file of this machine")
	}
}

// mutation is how an answer is changed.
type mutation struct {
	// at is a part of the path of the requests that are answered in this way.
	at     string
	status int
	media  string
	// body is the answer; if it is empty, from is replaced by to in the true one.
	body, from, to string
	// cut is how many bytes of the answer are sent.
	cut int
}

// hostile answers as the cluster does, with the mutation.
func (m mutation) hostile(c *cluster) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, m.at) {
			c.ServeHTTP(w, r)
			return
		}
		recorded := httptest.NewRecorder()
		c.ServeHTTP(recorded, r)
		body := recorded.Body.String()
		switch {
		case m.body != "":
			body = m.body
		case m.from != "":
			body = strings.ReplaceAll(body, m.from, m.to)
		}
		if m.cut > 0 && m.cut < len(body) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			body = body[:m.cut]
		}
		w.Header().Set("Content-Type", m.media)
		if m.status >= 200 && m.status <= 999 {
			w.WriteHeader(m.status)
		}
		w.Write([]byte(body))
	})
}

// asks are parts of the paths that the doctor requests: at least one for each link.
var asks = []string{"", "/configmaps", "/deployments/", "/pods", ":8080/proxy", "/services/", "/services/http:holograph-prometheus:9090/proxy/api/v1/targets",
	"/apiservices/", "/apis/custom.metrics.k8s.io", "/apis/custom.metrics.k8s.io/v1beta2", "/pods/*/", "/horizontalpodautoscalers/", "/scaledobjects/", "/apis/external.metrics.k8s.io"}

// FuzzAnswers lets each server answer anything. The doctor must end with one of its exit codes, and
// with one cause and one remedy that can be printed on a terminal.
func FuzzAnswers(f *testing.F) {
	for at, asked := range asks {
		// The requests that the doctor sends only where KEDA scales.
		keda := slices.Contains([]string{"/horizontalpodautoscalers/", "/scaledobjects/", "/apis/external.metrics.k8s.io", "/apiservices/"}, asked)
		for _, seed := range []struct{ body, from, to string }{
			{body: "null"}, {body: "{}"}, {body: "[]"}, {body: `""`}, {body: "\x00\xff"}, {body: "k8s\x00\x0a\x0a"},
			{body: `{"kind":"Status","apiVersion":"v1"}`}, {body: `{"items":[null]}`}, {body: `{"items":[{"value":"-1e309"},{"value":"1e999999999"}]}`},
			{body: `{"status":"success","data":null}`}, {body: `{"status":"success","data":{"resultType":"vector","result":[null]}}`},
			{body: `{"status":"success","data":{"resultType":"vector","result":[{"metric":null,"value":[0,"NaN"]}]}}`},
			{body: `{"status":"success","data":{"resultType":"scalar","result":null}}`},
			{body: `{"status":"success","data":{"activeTargets":[null]}}`},
			{from: `"replicas":2,`}, {from: `"metadata"`, to: `"_"`}, {from: `"status"`, to: `"_"`}, {from: `"spec"`, to: `"_"`},
			{from: `"31m"`, to: `"1e-1000000000"`}, {from: `"pods":`, to: `"_":`}, {from: `"external":`, to: `"_":`},
		} {
			f.Add(false, uint8(at), 200, "application/json", seed.body, seed.from, seed.to, 0)
			if keda {
				f.Add(true, uint8(at), 200, "application/json", seed.body, seed.from, seed.to, 0)
			}
		}
		for _, status := range []int{101, 204, 301, 401, 403, 404, 429, 500, 503, 600, 999} {
			f.Add(false, uint8(at), status, "text/html", "<html>", "", "", 0)
		}
		f.Add(false, uint8(at), 200, "application/json", "", "", "", 17)
		f.Add(false, uint8(at), 200, "application/vnd.kubernetes.protobuf", "", "", "", 0)
		f.Add(false, uint8(at), 200, ";", "", "", "", 0)
	}
	f.Fuzz(func(t *testing.T, keda bool, at uint8, status int, media, body, from, to string, cut int) {
		var c *cluster
		if keda {
			c = healthyUnderKEDA(t)
		} else {
			c = healthy(t, "")
		}
		mutated := mutation{at: asks[int(at)%len(asks)], status: status, media: media, body: body, from: from, to: to, cut: cut}
		server := httptest.NewServer(mutated.hostile(c))
		defer server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var stdout, stderr bytes.Buffer
		code := run(ctx, []string{"--kubeconfig", kubeconfigFor(t, server.URL, "fake")}, &stdout, &stderr)
		said := stdout.String()
		if code != exitHealthy && code != exitBroken && code != exitCouldNotLook {
			t.Fatalf("the exit code is %d, want 0, 1 or 3: %s", code, stderr.String())
		}
		if code != exitHealthy && (strings.Count(said, "\ncause:  ") != 1 || strings.Count(said, "\nremedy: ") != 1) {
			t.Fatalf("the report does not have one cause and one remedy:\n%s", said)
		}
		for _, r := range said {
			if r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) {
				t.Fatalf("the report contains %q, which moves a terminal's cursor or is no character:\n%q", r, said)
			}
		}
		if len(said) > 16<<10 {
			t.Fatalf("the report has %d bytes, want at most 16 KiB", len(said))
		}
	})
}
