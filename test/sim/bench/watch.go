package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"holograph/test/internal/kube"
	"holograph/test/sim/bench/result"
)

// podWatch notes when a release's Deployment wants other replicas, and when its pods come, are Ready, leave and
// are gone: by the moment at which a watch tells, which is milliseconds after the fact. The objects' own
// times are whole seconds.
type podWatch struct {
	mu       sync.Mutex
	replicas []change
	pods     map[string]*life
}

type change struct {
	at       time.Time
	replicas int
}

type life struct {
	created              time.Time
	ready, leaving, gone *time.Time
}

// watchPods begins to watch the release, until ctx ends. fail is told of a pod that finds no room.
func watchPods(ctx context.Context, r kube.Release, fail func(error)) (*podWatch, error) {
	config := rest.CopyConfig(r.Config)
	config.Timeout = 0 // it would end a watch
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	f := &podWatch{pods: map[string]*life{}}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(r.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = r.RendererSelector() }))
	_, err = factory.Apps().V1().Deployments().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { f.deployment(time.Now(), object.(*appsv1.Deployment)) },
		UpdateFunc: func(_, object any) { f.deployment(time.Now(), object.(*appsv1.Deployment)) },
	})
	if err != nil {
		return nil, err
	}
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			pod, at := object.(*corev1.Pod), time.Now()
			if initial {
				// The pod is older than the watch, so its own time says when it was created.
				at = pod.CreationTimestamp.Time
			}
			f.pod(at, pod)
		},
		UpdateFunc: func(_, object any) {
			pod := object.(*corev1.Pod)
			if err := unschedulable(pod); err != nil {
				fail(err)
			}
			f.pod(time.Now(), pod)
		},
		DeleteFunc: func(object any) { f.deleted(time.Now(), object) },
	})
	if err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("the %v of %s could not be watched", kind, r.Namespace)
		}
	}
	return f, nil
}

// unschedulable returns an error for a pod that the cluster has no room for: a fleet without its pods tells nothing
// of its policy.
func unschedulable(pod *corev1.Pod) error {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return fmt.Errorf("there is no room for pod %s/%s: %s", pod.Namespace, pod.Name, condition.Message)
		}
	}
	return nil
}

func (f *podWatch) deployment(at time.Time, d *appsv1.Deployment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := int(*d.Spec.Replicas)
	if last := len(f.replicas) - 1; last < 0 || f.replicas[last].replicas != n {
		f.replicas = append(f.replicas, change{at, n})
	}
}

func (f *podWatch) pod(at time.Time, pod *corev1.Pod) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pods[pod.Name]
	if p == nil {
		p = &life{created: at}
		f.pods[pod.Name] = p
	}
	if kube.Ready(*pod) && p.ready == nil {
		p.ready = &at
	}
	if pod.DeletionTimestamp != nil && p.leaving == nil {
		p.leaving = &at
	}
}

func (f *podWatch) deleted(at time.Time, object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.pods[pod.Name]; p != nil {
		p.gone = &at
	}
}

// Record writes what was seen so far into the fleet's record, in seconds from start.
func (f *podWatch) Record(start time.Time, into *result.Fleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := func(at *time.Time) *float64 {
		if at == nil {
			return nil
		}
		return new(inSeconds(at.Sub(start)))
	}
	into.Replicas, into.Pods = nil, nil
	for _, c := range f.replicas {
		into.Replicas = append(into.Replicas, result.Change{At: inSeconds(c.at.Sub(start)), Replicas: c.replicas})
	}
	for _, p := range f.pods {
		into.Pods = append(into.Pods, result.PodLife{Created: *since(&p.created), Ready: since(p.ready), Leaving: since(p.leaving), Gone: since(p.gone)})
	}
	result.SortPods(into.Pods)
}

// inSeconds is a duration to a millisecond.
func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
