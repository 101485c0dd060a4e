package kube

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Login names a Secret with the credentials of a Prometheus, for a client that may read
// the Secret and does not have them as a file.
type Login struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// authorizationKey is the key of such a Secret that holds the whole Authorization header.
const authorizationKey = "authorization"

// Withheld is the error of a login that is not sent to a Service of another namespace. Anyone who may write a release's
// description could otherwise have others send them a login that they may not read themselves.
type Withheld struct {
	Login Login
	// Namespace is the Service's.
	Namespace, Reason string
}

// Error implements error.
func (w *Withheld) Error() string {
	return fmt.Sprintf("the login in Secret %s/%s is not sent to a Service in the namespace %s, which %s", w.Login.Namespace, w.Login.Name, w.Namespace, w.Reason)
}

// withLogin shows the login of a Secret with each request. It reads the Secret once, and
// again after an answer that wants another one.
type withLogin struct {
	http.RoundTripper
	client *Client
	login  Login
	// to is the namespace of the Service that it is shown to.
	to string

	mutex  sync.Mutex
	header string
}

// RoundTrip implements http.RoundTripper.
func (w *withLogin) RoundTrip(request *http.Request) (*http.Response, error) {
	header, err := w.read(request.Context())
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", header)
	response, err := w.RoundTripper.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		w.mutex.Lock()
		w.header = ""
		w.mutex.Unlock()
	}
	return response, err
}

// ShareLogin copies the login of the release's Prometheus to another namespace, for
// what asks that Prometheus from there.
func (r Release) ShareLogin(ctx context.Context, namespace string) error {
	_, access := r.prometheus()
	found, err := r.CoreV1().Secrets(r.Namespace).Get(ctx, access.Login.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	copied := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: found.Name}, Data: found.Data}
	_, err = r.CoreV1().Secrets(namespace).Create(ctx, copied, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = r.CoreV1().Secrets(namespace).Update(ctx, copied, metav1.UpdateOptions{})
	}
	return err
}

func (w *withLogin) read(ctx context.Context) (string, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.header != "" {
		return w.header, nil
	}
	header, err := w.client.authorization(ctx, w.login)
	if err != nil {
		return "", err
	}
	if w.to != w.login.Namespace {
		// A namespace that has the login already learns nothing.
		there, err := w.client.authorization(ctx, Login{Namespace: w.to, Name: w.login.Name})
		withheld := &Withheld{Login: w.login, Namespace: w.to, Reason: "has another one under that name"}
		switch {
		case apierrors.IsNotFound(err):
			withheld.Reason = "has no Secret of that name"
			return "", withheld
		case apierrors.IsForbidden(err):
			withheld.Reason = "may not have it: " + err.Error()
			return "", withheld
		case err != nil:
			return "", err
		case there != header:
			return "", withheld
		}
	}
	w.header = header
	return header, nil
}

// authorization returns the Authorization header in the Secret of a login.
func (c *Client) authorization(ctx context.Context, login Login) (string, error) {
	secret, err := c.CoreV1().Secrets(login.Namespace).Get(ctx, login.Name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	header := strings.TrimSpace(string(secret.Data[authorizationKey]))
	if header == "" {
		return "", fmt.Errorf("secret %s/%s has no key %s", login.Namespace, login.Name, authorizationKey)
	}
	c.Hide(header)
	return header, nil
}
