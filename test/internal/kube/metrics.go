package kube

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	custommetrics1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
)

// AutoscalersAccept is the Accept header of the autoscaler's client of the metrics APIs, by the default of
// kube-controller-manager. An adapter that answers wrongly in protobuf fails the autoscaler and nobody who asks for JSON.
const AutoscalersAccept = runtime.ContentTypeProtobuf + ", */*"

// metricsVersions are the versions of the custom metrics API that the autoscaler's client reads.
var metricsVersions = []string{"v1beta2", "v1beta1"}

// protobufMagic begins what Kubernetes encodes in protobuf.
var protobufMagic = []byte("k8s\x00")

// maxFields bounds the fields of an answer in protobuf, those of nested messages included. The smallest takes two bytes, and up
// to 250 of memory; thousands of pods have fewer.
const maxFields = 1 << 18

// abyssInText is abyss where nothing delimits the number.
var abyssInText = regexp.MustCompile(`[0-9.]+[eE]-[0-9]{5,}|[0-9.]{19,}[eE]\+?[0-9]{5,}`)

// digestibleProtobuf is digestible of a body in protobuf.
func digestibleProtobuf(who string, body []byte) error {
	if fields(body[len(protobufMagic):], 12) > maxFields {
		return &TooMuch{Who: who, What: fmt.Sprintf("more than %d fields", maxFields)}
	}
	if found := abyssInText.Find(body); found != nil {
		return &TooMuch{Who: who, What: fmt.Sprintf("a number of more digits (%.40s) than a quantity has", found)}
	}
	return nil
}

// fields counts those of a message and of the messages in it, as far as it can be read. A text that reads like a message counts
// as one.
func fields(message []byte, depth int) (count int) {
	for len(message) > 0 && depth > 0 {
		key, size := binary.Uvarint(message)
		if size <= 0 {
			return count
		}
		message = message[size:]
		count++
		switch key & 7 {
		case 0:
			if _, size = binary.Uvarint(message); size <= 0 {
				return count
			}
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			length, begin := binary.Uvarint(message)
			if begin <= 0 || length > uint64(len(message)-begin) {
				return count
			}
			size = begin + int(length)
			count += fields(message[begin:size], depth-1)
		default:
			return count
		}
		if size > len(message) {
			return count
		}
		message = message[size:]
	}
	return count
}

// envelope is what Kubernetes puts around a message, and whether an answer has it: whether it is in protobuf.
func envelope(answer []byte) (around runtime.Unknown, is bool, err error) {
	if !bytes.HasPrefix(answer, protobufMagic) {
		return around, false, nil
	}
	return around, true, around.Unmarshal(answer[len(protobufMagic):])
}

// decode reads an answer in JSON or in protobuf.
func decode[T any, P interface {
	*T
	Unmarshal([]byte) error
}](answer []byte) (*T, error) {
	object := new(T)
	around, is, err := envelope(answer)
	switch {
	case err != nil:
		return nil, err
	case is:
		return object, P(object).Unmarshal(around.Raw)
	}
	return object, json.Unmarshal(answer, object)
}

// metricValues reads an answer of the custom metrics API.
func metricValues(answer []byte) ([]custommetrics.MetricValue, error) {
	// In JSON, what is read here has the same names in both versions.
	if around, is, err := envelope(answer); err == nil && is && around.APIVersion == custommetrics1.SchemeGroupVersion.String() {
		list, err := decode[custommetrics1.MetricValueList](answer)
		if err != nil {
			return nil, err
		}
		var values []custommetrics.MetricValue
		for _, item := range list.Items {
			values = append(values, custommetrics.MetricValue{DescribedObject: item.DescribedObject, Value: item.Value})
		}
		return values, nil
	}
	list, err := decode[custommetrics.MetricValueList](answer)
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// statusOf returns the API server's status that an answer is, nil where it is none.
func statusOf(answer []byte) *metav1.Status {
	status, err := decode[metav1.Status](answer)
	if err != nil {
		return nil
	}
	if around, is, _ := envelope(answer); is {
		status.Kind = around.Kind
	}
	if status.Kind != "Status" {
		return nil
	}
	return status
}
