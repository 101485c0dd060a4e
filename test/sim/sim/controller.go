package sim

// The HPA controller is the unmodified one of k8s.io/kubernetes. It needs an API server for four things: to read the
// HPA, to write its status, to read and write the scale, and to list pods. All four are plain calls into the model
// here, so a reconcile costs no goroutine switch and nothing depends on scheduling.

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	autoscalinginformers "k8s.io/client-go/informers/autoscaling/v2"
	coreinformers "k8s.io/client-go/informers/core/v1"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// Flags of kube-controller-manager at their defaults.
const (
	// syncPeriod is --horizontal-pod-autoscaler-sync-period.
	syncPeriod = 15 * time.Second
	// tolerance is --horizontal-pod-autoscaler-tolerance.
	tolerance = 0.1

	downscaleStabilization = 5 * time.Minute
	cpuInitialization      = 5 * time.Minute
	initialReadinessDelay  = 30 * time.Second
)

// model is the workload that the HPA scales.
type model interface {
	AdvanceTo(now time.Time)
	Scale() (spec, status int)
	SetScale(replicas int)
	Pods() []*corev1.Pod
}

// quiet replaces the process-wide error handlers: the stock ones back off by a clock that was read
// at start-up, in real time, and would let a worker sleep for decades of virtual time.
var quiet = sync.OnceFunc(func() {
	utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{func(context.Context, error, string, ...any) {}}
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
})

// control lets the controller work on the model until end. It must be called in a bubble of
// virtual time; the caller picks the phase by sleeping before. The first sync is at once.
func control(hpa *autoscalingv2.HorizontalPodAutoscaler, selector map[string]string, model model, client metrics.MetricsClient, end time.Time) error {
	quiet()
	c := &cluster{model: model, selector: labels.SelectorFromSet(selector).String(), hpa: hpa.DeepCopy()}
	c.hpa.UID, c.hpa.Generation, c.hpa.ResourceVersion = "hpa", 1, "1"
	group, err := schema.ParseGroupVersion(hpa.Spec.ScaleTargetRef.APIVersion)
	if err != nil {
		return fmt.Errorf("spec.scaleTargetRef.apiVersion: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{group})
	mapper.Add(group.WithKind(hpa.Spec.ScaleTargetRef.Kind), meta.RESTScopeNamespace)

	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer cancel()
	controller := podautoscaler.NewHorizontalController(ctx, events{}, c, c, mapper, client,
		hpaInformer{c}, podInformer{c}, syncPeriod, downscaleStabilization, tolerance, cpuInitialization, initialReadinessDelay)
	c.handler.OnAdd(c.hpa, true)
	done := make(chan struct{})
	go func() {
		controller.Run(ctx, 1)
		close(done)
	}()
	time.Sleep(time.Until(end))
	cancel()
	<-done
	model.AdvanceTo(end)
	return nil
}

// cluster is the API server as far as the controller uses it.
type cluster struct {
	model    model
	selector string
	hpa      *autoscalingv2.HorizontalPodAutoscaler
	version  int
	handler  cache.ResourceEventHandler
}

// The scale subresource.

func (c *cluster) Scales(string) scaleclient.ScaleInterface { return scales{c: c} }

type scales struct {
	scaleclient.ScaleInterface
	c *cluster
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	s.c.model.AdvanceTo(time.Now())
	spec, status := s.c.model.Scale()
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: s.c.hpa.Spec.ScaleTargetRef.Name, Namespace: s.c.hpa.Namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: int32(spec)},
		Status:     autoscalingv1.ScaleStatus{Replicas: int32(status), Selector: s.c.selector},
	}, nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.c.model.SetScale(int(scale.Spec.Replicas))
	return scale, nil
}

// The HPA: one object, its status written by the controller and seen by it at once.

func (c *cluster) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return hpas{c: c}
}

type hpas struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	c *cluster
}

func (h hpas) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	old := h.c.hpa
	h.c.version++
	written := *old
	written.Status = hpa.Status
	written.ResourceVersion = strconv.Itoa(h.c.version + 1)
	h.c.hpa = &written
	h.c.handler.OnUpdate(old, h.c.hpa)
	return h.c.hpa, nil
}

type hpaInformer struct{ c *cluster }

var _ autoscalinginformers.HorizontalPodAutoscalerInformer = hpaInformer{}

func (i hpaInformer) Informer() cache.SharedIndexInformer { return informer{c: i.c} }
func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return hpaLister{c: i.c}
}

type hpaLister struct {
	autoscalinglisters.HorizontalPodAutoscalerLister
	autoscalinglisters.HorizontalPodAutoscalerNamespaceLister
	c *cluster
}

func (l hpaLister) List(labels.Selector) ([]*autoscalingv2.HorizontalPodAutoscaler, error) {
	return []*autoscalingv2.HorizontalPodAutoscaler{l.c.hpa}, nil
}
func (l hpaLister) HorizontalPodAutoscalers(string) autoscalinglisters.HorizontalPodAutoscalerNamespaceLister {
	return l
}
func (l hpaLister) Get(string) (*autoscalingv2.HorizontalPodAutoscaler, error) { return l.c.hpa, nil }

// Pods: listed straight from the model.

type podInformer struct{ c *cluster }

var _ coreinformers.PodInformer = podInformer{}

func (i podInformer) Informer() cache.SharedIndexInformer { return informer{c: i.c} }
func (i podInformer) Lister() corelisters.PodLister       { return podLister{c: i.c} }

type podLister struct {
	corelisters.PodLister
	corelisters.PodNamespaceLister
	c *cluster
}

func (l podLister) Pods(string) corelisters.PodNamespaceLister  { return l }
func (l podLister) List(labels.Selector) ([]*corev1.Pod, error) { return l.c.model.Pods(), nil }
func (l podLister) Get(string) (*corev1.Pod, error)             { return nil, fmt.Errorf("not used") }

// informer is in sync from the start and keeps the controller's handler.
type informer struct {
	cache.SharedIndexInformer
	c *cluster
}

func (i informer) HasSynced() bool { return true }
func (i informer) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	i.c.handler = handler
	return nil, nil
}
func (i informer) GetStore() cache.Store { return store{c: i.c} }

type store struct {
	cache.Store
	c *cluster
}

// LastStoreSyncResourceVersion is what the controller compares its own writes with.
func (s store) LastStoreSyncResourceVersion() string { return s.c.hpa.ResourceVersion }

// Events are lossy by design and nobody reads them here.

type events struct{}

func (events) Events(string) coreclient.EventInterface { return noEvents{} }

type noEvents struct{ coreclient.EventInterface }

func (noEvents) CreateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return e, nil }
func (noEvents) UpdateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return e, nil }
func (noEvents) PatchWithEventNamespace(e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return e, nil
}
func (noEvents) CreateWithEventNamespaceWithContext(_ context.Context, e *corev1.Event) (*corev1.Event, error) {
	return e, nil
}
func (noEvents) UpdateWithEventNamespaceWithContext(_ context.Context, e *corev1.Event) (*corev1.Event, error) {
	return e, nil
}
func (noEvents) PatchWithEventNamespaceWithContext(_ context.Context, e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return e, nil
}
