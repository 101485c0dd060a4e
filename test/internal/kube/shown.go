package kube

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// maxShown bounds, in characters, a text that holds what a server said.
	maxShown = 600
	// maxAdvice bounds one that says what to do, in which names are what others wrote. With names of 63 characters it has 900.
	maxAdvice = 2000
	// minSecret is the length from which on a secret is looked for in a text. A shorter
	// one is a part of too many words.
	minSecret = 6
	// minSegment is that for a part of a signed token.
	minSegment = 20
	// maxFile bounds a file that is read whole, as Kubernetes bounds a ConfigMap.
	maxFile = 1 << 20
)

// redacted is shown in a secret's place.
const redacted = "[redacted]"

// secrets are what must not be shown, in all forms.
type secrets struct {
	mutex sync.Mutex
	forms map[string]bool
}

// Hide makes Shown replace the secrets, also in the encodings in which a server may
// repeat them.
func (s *secrets) Hide(texts ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.forms == nil {
		s.forms = map[string]bool{}
	}
	for _, text := range texts {
		text = strings.TrimSpace(text)
		for _, secret := range partsOf(text) {
			if len(secret) < minSecret {
				continue
			}
			quoted := strconv.Quote(secret)
			for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword(secret, "").String(), quoted[1 : len(quoted)-1]} {
				s.forms[strings.TrimSuffix(form, ":")] = true
			}
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
				s.forms[encoding.EncodeToString([]byte(secret))] = true
			}
		}
	}
}

// partsOf lists a secret and those that it holds: of an Authorization header what
// follows its scheme, of a login the password, of a signed token its parts.
func partsOf(text string) []string {
	parts := []string{text}
	if _, credentials, found := strings.Cut(text, " "); found {
		parts = append(parts, partsOf(strings.TrimSpace(credentials))...)
		if login, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials)); err == nil {
			_, password, _ := strings.Cut(string(login), ":")
			parts = append(parts, string(login), password)
		}
	}
	// A short one is a word.
	if segments := strings.Split(text, "."); len(segments) == 3 && min(len(segments[1]), len(segments[2])) >= minSegment {
		parts = append(parts, segments[1:]...)
	}
	return parts
}

// hideURL hides what an address gives to log in with.
func (s *secrets) hideURL(address string) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.User == nil {
		return
	}
	password, has := parsed.User.Password()
	if !has {
		// A token, which stands in the name's place.
		password = parsed.User.Username()
	}
	s.Hide(password, parsed.User.Username()+":"+password)
}

// hideConfig hides what a cluster is shown.
func (s *secrets) hideConfig(config *rest.Config) {
	s.Hide(config.BearerToken, config.Password)
	s.hideURL(config.Host)
	s.hideFile(config.BearerTokenFile)
	s.hideEnvironment()
}

// hideFile hides what a file holds. One that cannot be read holds nothing that is shown.
func (s *secrets) hideFile(name string) {
	if name == "" {
		return
	}
	if text, err := ReadFile(name); err == nil {
		s.Hide(string(text))
	}
}

// hideEnvironment hides the credentials in the proxy variables: Go quotes a proxy's
// address that it cannot parse.
func (s *secrets) hideEnvironment() {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		s.hideURL(os.Getenv(name))
	}
}

// userinfo is what stands before the host in an address.
var userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s"'<>]*@`)

// Shown returns a text as it is shown to a person: without secrets, in one line in
// which nothing moves a terminal's cursor, and no longer than is read.
func (s *secrets) Shown(text string) string { return s.shown(text, maxShown) }

// ShownAdvice is Shown for what a person is to do.
func (s *secrets) ShownAdvice(text string) string { return s.shown(text, maxAdvice) }

func (s *secrets) shown(text string, longest int) string {
	s.mutex.Lock()
	forms := make([]string, 0, len(s.forms))
	for form := range s.forms {
		forms = append(forms, form)
	}
	s.mutex.Unlock()
	// A secret may hold another.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, redacted)
	}
	text = userinfo.ReplaceAllString(text, "${1}"+redacted+"@")
	var shown strings.Builder
	length := 0
	for i, r := range text {
		if length == longest {
			fmt.Fprintf(&shown, "... (%d bytes more)", len(text)-i)
			break
		}
		length++
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			escaped := strconv.QuoteToASCII(string(r))
			shown.WriteString(escaped[1 : len(escaped)-1])
			continue
		}
		shown.WriteRune(r)
	}
	return shown.String()
}

// Shown returns a text as it is shown, of which nothing is known to be secret.
func Shown(text string) string {
	var s secrets
	s.hideEnvironment()
	return s.Shown(text)
}

// Address is a server's address as it is shown: without what logs in there, which may
// be a part of the path's query too.
func Address(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "an address that is no URL"
	}
	parsed.User, parsed.RawQuery, parsed.ForceQuery, parsed.Fragment = nil, "", false, ""
	return parsed.String()
}

// ShownWith returns a text as it is shown, without what a kubeconfig holds.
func ShownWith(config clientcmdapi.Config, text string) string {
	var s secrets
	for _, user := range config.AuthInfos {
		s.Hide(user.Token, user.Password)
		s.hideFile(user.TokenFile)
		if user.AuthProvider != nil {
			for _, value := range user.AuthProvider.Config {
				s.Hide(value)
			}
		}
		if user.Exec != nil {
			for _, variable := range user.Exec.Env {
				s.Hide(variable.Value)
			}
		}
	}
	for _, cluster := range config.Clusters {
		s.hideURL(cluster.Server)
		s.hideURL(cluster.ProxyURL)
	}
	s.hideEnvironment()
	return s.Shown(text)
}

// CheckFile refuses a file that is larger than what is read of one, and a device, which
// has no end. A file that does not exist is not refused.
func CheckFile(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil
	case info.Mode()&os.ModeDevice != 0:
		return fmt.Errorf("%s is a device and no file", name)
	case info.Mode().IsRegular() && info.Size() > maxFile:
		return fmt.Errorf("%s holds more than %d MiB, which is more than is read of one file", name, maxFile>>20)
	}
	return nil
}

// ReadFile reads a file that is no larger than a ConfigMap.
func ReadFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s holds more than %d MiB, which is more than is read of one file", name, maxFile>>20)
	}
	return text, err
}
