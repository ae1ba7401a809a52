// SPDX-License-Identifier: Apache-2.0

// Package operator is a small operator on controller-runtime: a Site owns a ConfigMap for each of its pages, and reports how many there are.
package operator

import (
	"context"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	finalizer = "sites.example.com/farewell"
	pageLabel = "sites.example.com/page"
	manager   = "site-operator"
)

var groupVersion = schema.GroupVersion{Group: "operator.example.com", Version: "v1"}

// Site is the custom type.
type Site struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              SiteSpec   `json:"spec"`
	Status            SiteStatus `json:"status,omitempty"`
}

// SiteSpec is what is wanted: pages by name, and a secret whose presence is reported.
type SiteSpec struct {
	Pages  map[string]string `json:"pages,omitempty"`
	Secret string            `json:"secret,omitempty"`
}

// SiteStatus is what is.
type SiteStatus struct {
	Pages      []string           `json:"pages,omitempty"`
	Observed   int64              `json:"observed,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DeepCopyObject implements runtime.Object.
func (s *Site) DeepCopyObject() runtime.Object {
	c := *s
	c.ObjectMeta = *s.ObjectMeta.DeepCopy()
	if s.Spec.Pages != nil {
		c.Spec.Pages = map[string]string{}
	}
	for k, v := range s.Spec.Pages {
		c.Spec.Pages[k] = v
	}
	c.Status.Pages = append([]string(nil), s.Status.Pages...)
	c.Status.Conditions = append([]metav1.Condition(nil), s.Status.Conditions...)
	return &c
}

// SiteList is a list of them.
type SiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Site `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (l *SiteList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = make([]Site, len(l.Items))
	for i := range l.Items {
		c.Items[i] = *l.Items[i].DeepCopyObject().(*Site)
	}
	return &c
}

func addTypes(s *runtime.Scheme) {
	s.AddKnownTypes(groupVersion, &Site{}, &SiteList{})
	metav1.AddToGroupVersion(s, groupVersion)
}

// reconciler brings the world to what Sites want; byApply: its pages by server-side apply, else by reads and updates.
type reconciler struct {
	client.Client
	events  events.EventRecorder
	byApply bool
}

func pageName(site *Site, page string) string {
	return site.Name + "-" + page
}

// Reconcile implements reconcile.Reconciler.
func (r *reconciler) Reconcile(ctx context.Context, q ctrl.Request) (ctrl.Result, error) {
	site := &Site{}
	if err := r.Get(ctx, q.NamespacedName, site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !site.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.sayFarewell(ctx, site)
	}
	if controllerutil.AddFinalizer(site, finalizer) {
		if err := r.Update(ctx, site); err != nil {
			return ctrl.Result{}, err
		}
	}
	for page, text := range site.Spec.Pages {
		if err := r.setPage(ctx, site, page, text); err != nil {
			return ctrl.Result{}, err
		}
	}
	there := &corev1.ConfigMapList{}
	if err := r.List(ctx, there, client.InNamespace(site.Namespace), client.MatchingFields{"owner": string(site.UID)}); err != nil {
		return ctrl.Result{}, err
	}
	pages := []string{}
	for i := range there.Items {
		page := there.Items[i].Labels[pageLabel]
		if _, wanted := site.Spec.Pages[page]; wanted {
			pages = append(pages, page)
		} else if err := r.Delete(ctx, &there.Items[i]); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
	}
	sort.Strings(pages)
	return ctrl.Result{}, r.report(ctx, site, pages)
}

func (r *reconciler) setPage(ctx context.Context, site *Site, page, text string) error {
	if r.byApply {
		owner := metav1apply.OwnerReference().WithAPIVersion(groupVersion.String()).WithKind("Site").WithName(site.Name).WithUID(site.UID).WithController(true)
		return r.Apply(ctx, corev1apply.ConfigMap(pageName(site, page), site.Namespace).WithLabels(map[string]string{pageLabel: page}).
			WithOwnerReferences(owner).WithData(map[string]string{"text": text}), client.FieldOwner(manager), client.ForceOwnership)
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: pageName(site, page), Namespace: site.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, cm, func() error {
		cm.Labels = map[string]string{pageLabel: page}
		cm.Data = map[string]string{"text": text}
		return controllerutil.SetControllerReference(site, cm, r.Scheme())
	})
	return err
}

// report writes the status where it differs.
func (r *reconciler) report(ctx context.Context, site *Site, pages []string) error {
	was := site.DeepCopyObject().(*Site)
	site.Status.Pages, site.Status.Observed = pages, site.Generation
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "AllThere", Message: fmt.Sprint(len(pages), " pages"), ObservedGeneration: site.Generation}
	if len(pages) < len(site.Spec.Pages) {
		ready.Status, ready.Reason = metav1.ConditionFalse, "Missing"
	}
	meta.SetStatusCondition(&site.Status.Conditions, ready)
	if site.Spec.Secret != "" {
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Get(ctx, client.ObjectKey{Namespace: site.Namespace, Name: site.Spec.Secret}, secret)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		c := metav1.Condition{Type: "Locked", Status: metav1.ConditionFalse, Reason: "NoSecret"}
		if err == nil {
			c.Status, c.Reason = metav1.ConditionTrue, "SecretFound"
		}
		meta.SetStatusCondition(&site.Status.Conditions, c)
	}
	if equality.Semantic.DeepEqual(was.Status, site.Status) {
		return nil
	}
	r.events.Eventf(site, nil, corev1.EventTypeNormal, "Reported", "Report", "%d pages", len(pages))
	return r.Status().Patch(ctx, site, client.MergeFrom(was))
}

// sayFarewell leaves a note and lets the object go.
func (r *reconciler) sayFarewell(ctx context.Context, site *Site) error {
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: site.Name + "-farewell", Namespace: site.Namespace}}
	if err := r.Create(ctx, note); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	if controllerutil.RemoveFinalizer(site, finalizer) {
		return client.IgnoreNotFound(r.Update(ctx, site))
	}
	return nil
}

// register adds the controller to a manager: indexes, what it owns, and secrets by their metadata alone.
func (r *reconciler) register(ctx context.Context, m ctrl.Manager) error {
	index := m.GetFieldIndexer()
	err := index.IndexField(ctx, &corev1.ConfigMap{}, "owner", func(o client.Object) []string {
		if owner := metav1.GetControllerOf(o); owner != nil {
			return []string{string(owner.UID)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = index.IndexField(ctx, &Site{}, "secret", func(o client.Object) []string { return []string{o.(*Site).Spec.Secret} })
	if err != nil {
		return err
	}
	bySecret := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) (out []reconcile.Request) {
		l := &SiteList{}
		if r.List(ctx, l, client.InNamespace(o.GetNamespace()), client.MatchingFields{"secret": o.GetName()}) == nil {
			for i := range l.Items {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&l.Items[i])})
			}
		}
		return
	})
	again := true
	return ctrl.NewControllerManagedBy(m).For(&Site{}).Owns(&corev1.ConfigMap{}).
		WatchesMetadata(&corev1.Secret{}, bySecret, builder.OnlyMetadata).
		WithOptions(controller.Options{SkipNameValidation: &again}).Complete(r)
}
