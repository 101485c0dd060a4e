package fakeapi

import (
	"encoding/json"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Answer answers with an object, or with an error as a Status.
func Answer(w http.ResponseWriter, object any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := metav1.Status{Code: http.StatusInternalServerError, Message: err.Error()}
		if known := apierrors.APIStatus(nil); errors.As(err, &known) {
			status = known.Status()
		}
		status.TypeMeta, status.Status = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, metav1.StatusFailure
		w.WriteHeader(int(status.Code))
		object = status
	}
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}
