// Package deletioncost keeps the annotation controller.kubernetes.io/pod-deletion-cost of a release's renderers at what each
// of them holds, so that a ReplicaSet that shrinks removes the emptiest pods first.
//
// Several writers of one release do no harm: they compute the same costs from the same query, and write them under the
// same name. So nothing elects a leader.
package deletioncost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/pager"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

const (
	// File is the name of the configuration, in its ConfigMap and where it is mounted.
	File = "deletion-cost.yaml"
	// Manager is the field manager under which costs are written.
	Manager = "holograph-deletion-cost"
)

const (
	// steps is the highest cost, that of a full pod. Each write is a change of a pod that the API server sends to
	// everyone who watches pods, so a pod that holds a little more or less than before keeps its cost.
	steps = 4
	// slack is how far, in steps, the share may be from the pod's cost before another one is written: half a step is the
	// rounding, and the rest keeps a share that swings around a bound from being written again and again.
	slack = 0.75
	// roundTime bounds a round. What a round has no time for, the next one writes.
	roundTime = time.Minute
	// leastFresh and freshRounds say how long after a round that succeeded the writer is Ready: that many rounds, and at
	// least that time.
	leastFresh  = time.Minute
	freshRounds = 4
)

// Config says which pods have costs, and where it is measured what they hold.
type Config struct {
	// Namespace is where the pods are, and Selector selects them by their labels.
	Namespace string `json:"namespace"`
	Selector  string `json:"selector"`
	// Query gives how busy each pod is: 0 for one that is idle, 1 for one that is full. PodLabel is the label with the
	// pod's name.
	Query    string `json:"query"`
	PodLabel string `json:"podLabel"`
	// Prometheus answers the query. It has other values every ScrapeInterval, and no sooner.
	Prometheus description.Prometheus `json:"prometheus"`
}

// Decode reads a configuration. Another key than those of Config is an error: another version of the chart wrote it.
func Decode(text []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", File, err)
	}
	return c, nil
}

// Writer writes the costs of the pods of one release.
type Writer struct {
	config   Config
	interval time.Duration
	client   *kube.Client
	pods     metadata.ResourceInterface
	log      *slog.Logger

	// others are the pods whose cost another writer has set.
	others map[types.UID]bool

	mutex sync.Mutex
	// succeeded is when the last round without an error ended.
	succeeded time.Time
}

// New returns a writer of costs. The client needs the rights to list pods and to patch their subresource status.
func New(client *kube.Client, config Config, log *slog.Logger) (*Writer, error) {
	interval, err := model.ParseDuration(config.Prometheus.ScrapeInterval)
	if err != nil {
		return nil, fmt.Errorf("%s: prometheus.scrapeInterval: %w", File, err)
	}
	// The metadata of a pod is a tenth of the pod.
	pods, err := metadata.NewForConfig(client.Config)
	if err != nil {
		return nil, err
	}
	return &Writer{
		config: config, interval: time.Duration(interval), client: client, log: log,
		pods: pods.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(config.Namespace),
	}, nil
}

// Run writes costs, once a scrape interval, until ctx is done. It leaves the annotations where they are: a writer that is
// replaced would otherwise take away what the next one has to write again.
func (w *Writer) Run(ctx context.Context) {
	for {
		if err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("not all costs are up to date", "error", w.client.Shown(err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.interval):
		}
	}
}

// Round asks once how busy the pods are, and writes the costs that have changed. The error says what could not be asked or
// written. The costs of the other pods are written all the same.
func (w *Writer) Round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	busy, err := w.busy(ctx)
	if err != nil {
		return err
	}
	others := map[types.UID]bool{}
	var failures []error
	list := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) { return w.pods.List(ctx, options) }))
	unlisted := list.EachListItem(ctx, metav1.ListOptions{LabelSelector: w.config.Selector}, func(item runtime.Object) error {
		pod := item.(*metav1.PartialObjectMetadata)
		cost, annotated := pod.Annotations[corev1.PodDeletionCost]
		if annotated && w.others[pod.UID] {
			others[pod.UID] = true
			return nil
		}
		share, known := busy[pod.Name]
		if !known || pod.DeletionTimestamp != nil {
			return nil
		}
		others[pod.UID], err = w.update(ctx, pod, costOf(share, costIn(cost)))
		if err != nil {
			failures = append(failures, err)
		}
		return nil
	})
	w.others = others
	if len(failures) > 1 {
		failures = []error{failures[0], fmt.Errorf("%d more costs are not written", len(failures)-1)}
	}
	if err := errors.Join(append(failures, unlisted)...); err != nil {
		return err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.succeeded = time.Now()
	return nil
}

// busy returns how busy each pod is, by its name, without values that no pod can have.
func (w *Writer) busy(ctx context.Context) (map[string]float64, error) {
	at := w.config.Prometheus
	// Each round reads the credentials anew, as they may have been replaced.
	api, err := w.client.PrometheusAt(at.URL, at.Access)
	if err != nil {
		return nil, err
	}
	// HolographKedaSilent takes every other query for one of KEDA's.
	vector, err := kube.VectorByRange(ctx, api, w.config.Query)
	if err != nil {
		// The query before the cause is longer than what is shown of an error, and the URL of the request is shown already.
		cause := cmp.Or(errors.Unwrap(err), err)
		if sent := (*url.Error)(nil); errors.As(cause, &sent) {
			cause = sent.Err
		}
		return nil, fmt.Errorf("Prometheus at %s does not say how busy the pods are: %w", kube.Address(at.URL), cause)
	}
	busy := map[string]float64{}
	for _, sample := range vector {
		if share := float64(sample.Value); share >= 0 && share <= math.MaxFloat64 {
			busy[string(sample.Metric[model.LabelName(w.config.PodLabel)])] = share
		}
	}
	return busy, nil
}

// update writes the cost of a pod if it has another one. Left says that the pod is left to another writer.
func (w *Writer) update(ctx context.Context, pod *metav1.PartialObjectMetadata, cost int) (left bool, err error) {
	before := pod.Annotations[corev1.PodDeletionCost]
	if cost == costIn(before) {
		return false, nil
	}
	text := strconv.Itoa(cost)
	// By the subresource status, because the right to patch a pod itself is one to change the images that it runs. Without
	// force, so that the API server refuses to change what another field manager has set.
	applied, err := w.client.CoreV1().Pods(pod.Namespace).ApplyStatus(ctx,
		applycorev1.Pod(pod.Name, pod.Namespace).WithAnnotations(map[string]string{corev1.PodDeletionCost: text}),
		metav1.ApplyOptions{FieldManager: Manager})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		w.log.Warn("another writer has set the cost, and it stays", "pod", pod.Name, "cost", before, "error", w.client.Shown(err.Error()))
		return true, nil
	case err != nil:
		return false, err
	case applied.Annotations[corev1.PodDeletionCost] != text:
		return false, fmt.Errorf("the cost of pod %s is %q after it was written, want %q: something changes what is written", pod.Name, applied.Annotations[corev1.PodDeletionCost], text)
	}
	w.log.Info("cost written", "pod", pod.Name, "cost", cost, "before", before)
	return false, nil
}

// costOf returns the cost of a pod that is so busy and has that cost now: 0 for an idle pod, and otherwise the nearest step
// above 0.
func costOf(share float64, now int) int {
	at := min(share, 1) * steps
	switch {
	case share == 0:
		return 0
	case now > 0 && math.Abs(at-float64(now)) <= slack:
		return now
	}
	return max(1, int(math.Round(at)))
}

// costIn returns the cost that an annotation says: 0 where there is none, as for Kubernetes.
func costIn(annotation string) int {
	cost, err := strconv.Atoi(annotation)
	if err != nil {
		return 0
	}
	return cost
}

// Handler answers the probes. The writer is Ready while its rounds succeed. It is alive while it answers: to start it anew
// does not help where Prometheus or the API server does not answer.
func (w *Writer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(response http.ResponseWriter, _ *http.Request) {
		w.mutex.Lock()
		succeeded := w.succeeded
		w.mutex.Unlock()
		// The log has the reason. Anyone may ask here.
		if fresh := max(leastFresh, freshRounds*w.interval); time.Since(succeeded) > fresh {
			http.Error(response, fmt.Sprintf("no round has succeeded for %s", fresh), http.StatusServiceUnavailable)
		}
	})
	return mux
}
