// SPDX-License-Identifier: Apache-2.0
package operator

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	. "coracle.dev/tests/clients/support"
)

var types = runtime.NewScheme()

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	scheme.AddToScheme(types)
	apiextensionsv1.AddToScheme(types)
	addTypes(types)
	os.Exit(m.Run())
}

func define(t *testing.T, c client.Client) {
	keep := true
	status := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep}
	text := apiextensionsv1.JSONSchemaProps{Type: "string", MinLength: new(int64)}
	*text.MinLength = 1
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "sites.operator.example.com"}, Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: groupVersion.Group, Scope: apiextensionsv1.NamespaceScoped, Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "sites", Kind: "Site"},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
				"status": status,
				"spec": {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"secret": {Type: "string"},
					"pages": {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &text}}}}}}}}}}}
	if err := c.Create(Context(t), crd); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	Eventually(t, func() string {
		if err := c.List(Context(t), &SiteList{}); err != nil {
			return err.Error()
		}
		return ""
	})
}

// operator is a manager that runs in this process.
type operator struct {
	manager ctrl.Manager
	ended   chan error
	cancel  context.CancelFunc
}

func (o *operator) stop(t *testing.T) {
	o.cancel()
	select {
	case err := <-o.ended:
		Want(t, "the manager's end", err, nil)
	case <-time.After(60 * time.Second):
		t.Fatal("the manager does not end")
	}
}

// run starts an operator for a namespace: its cache holds only the ConfigMaps that are pages.
func run(t *testing.T, ns, id string, byApply bool) *operator {
	t.Helper()
	pages, err := labels.NewRequirement(pageLabel, selection.Exists, nil)
	Want(t, "selector", err, nil)
	lease, renew, retry := 60*time.Second, 45*time.Second, 200*time.Millisecond
	end := 30 * time.Second
	m, err := ctrl.NewManager(Config(t), ctrl.Options{Scheme: types, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: id != "", LeaderElectionID: "sites", LeaderElectionNamespace: ns, LeaderElectionReleaseOnCancel: true,
		LeaseDuration: &lease, RenewDeadline: &renew, RetryPeriod: &retry, GracefulShutdownTimeout: &end,
		Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}},
			ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: labels.NewSelector().Add(*pages)}}}})
	Want(t, "manager", err, nil)
	ctx, cancel := context.WithCancel(context.Background())
	r := &reconciler{Client: m.GetClient(), events: m.GetEventRecorder("site-operator"), byApply: byApply}
	Want(t, "controller", r.register(ctx, m), nil)
	o := &operator{manager: m, ended: make(chan error, 1), cancel: cancel}
	go func() { o.ended <- m.Start(ctx) }()
	return o
}

func newSite(ns, name string, pages ...string) *Site {
	s := &Site{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: SiteSpec{Pages: map[string]string{}}}
	for _, p := range pages {
		s.Spec.Pages[p] = "text of " + p
	}
	return s
}

type tour struct {
	*testing.T
	c  client.Client
	ns string
}

func newTour(t *testing.T) *tour {
	c, err := client.New(Config(t), client.Options{Scheme: types})
	Want(t, "client", err, nil)
	define(t, c)
	return &tour{t, c, Namespace(t)}
}

func (t *tour) reports(name, pages string) {
	t.Helper()
	Eventually(t, func() string {
		s := &Site{}
		if err := t.c.Get(Context(t), client.ObjectKey{Namespace: t.ns, Name: name}, s); err != nil {
			return err.Error()
		}
		if got := strings.Join(s.Status.Pages, " "); got != pages || s.Status.Observed != s.Generation {
			return fmt.Sprintf("%s reports %q of generation %d (it is %d)", name, got, s.Status.Observed, s.Generation)
		}
		return ""
	})
}

func (t *tour) maps() string {
	l := &corev1.ConfigMapList{}
	Want(t, "list", t.c.List(Context(t), l, client.InNamespace(t.ns), client.HasLabels{pageLabel}), nil)
	var out []string
	for _, m := range l.Items {
		out = append(out, m.Name+"="+m.Data["text"])
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

func (t *tour) change(name string, f func(*Site)) {
	t.Helper()
	s := &Site{}
	Want(t, "get", t.c.Get(Context(t), client.ObjectKey{Namespace: t.ns, Name: name}, s), nil)
	was := s.DeepCopyObject().(*Site)
	f(s)
	Want(t, "patch", t.c.Patch(Context(t), s, client.MergeFrom(was)), nil)
}

// The life of a Site under the operator, whichever way it writes.
func life(t *tour, byApply bool) {
	ctx := Context(t)
	o := run(t.T, t.ns, "", byApply)
	Want(t, "create", t.c.Create(ctx, newSite(t.ns, "a", "home", "news")), nil)
	t.reports("a", "home news")
	Want(t, "pages", t.maps(), "a-home=text of home, a-news=text of news")

	cm := &corev1.ConfigMap{}
	Want(t, "get", t.c.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "a-home"}, cm), nil)
	cm.Data["text"] = "drifted"
	Want(t, "drift", t.c.Update(ctx, cm), nil)
	Want(t, "loss", t.c.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.ns, Name: "a-news"}}), nil)
	Eventually(t, func() string {
		if got := t.maps(); got != "a-home=text of home, a-news=text of news" {
			return got
		}
		return ""
	})
	t.change("a", func(s *Site) { delete(s.Spec.Pages, "news"); s.Spec.Pages["blog"] = "new" })
	t.reports("a", "blog home")
	Eventually(t, func() string {
		if got := t.maps(); got != "a-blog=new, a-home=text of home" {
			return got
		}
		return ""
	})

	// A secret is seen by its metadata, and mapped back by the index.
	t.change("a", func(s *Site) { s.Spec.Secret = "key" })
	locked := func(want metav1.ConditionStatus) {
		t.Helper()
		Eventually(t, func() string {
			s := &Site{}
			if err := t.c.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "a"}, s); err != nil {
				return err.Error()
			}
			if !meta.IsStatusConditionPresentAndEqual(s.Status.Conditions, "Locked", want) {
				return fmt.Sprint(s.Status.Conditions)
			}
			return ""
		})
	}
	locked(metav1.ConditionFalse)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.ns, Name: "key"}}
	Want(t, "a secret", t.c.Create(ctx, secret), nil)
	locked(metav1.ConditionTrue)
	Want(t, "no secret", t.c.Delete(ctx, secret), nil)
	locked(metav1.ConditionFalse)

	bad := newSite(t.ns, "bad", "x")
	bad.Spec.Pages["x"] = ""
	Want(t, "a page without text", apierrors.IsInvalid(t.c.Create(ctx, bad)), true)
	Want(t, "delete", t.c.Delete(ctx, newSite(t.ns, "a")), nil)
	Eventually(t, func() string {
		if err := t.c.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "a"}, &Site{}); !apierrors.IsNotFound(err) {
			return fmt.Sprint("the site: ", err)
		}
		return t.maps() // what it owned goes with it
	})
	Want(t, "the note", t.c.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "a-farewell"}, &corev1.ConfigMap{}), nil)
	l := &corev1.EventList{}
	Eventually(t, func() string {
		if err := t.c.List(ctx, l, client.InNamespace(t.ns), client.MatchingFields{"involvedObject.name": "a"}); err != nil || len(l.Items) == 0 {
			return fmt.Sprint("no events: ", err)
		}
		return ""
	})
	o.stop(t.T)
}

func TestOperatorByUpdates(t *testing.T) {
	life(newTour(t), false)
}

func TestOperatorByApply(t *testing.T) {
	life(newTour(t), true)
}

// The cache holds what its selector says, and finds by its indexes.
func TestCache(tt *testing.T) {
	t := newTour(tt)
	ctx := Context(t)
	Want(t, "another map", t.c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.ns, Name: "other"}}), nil)
	o := run(t.T, t.ns, "", false)
	Want(t, "create", t.c.Create(ctx, newSite(t.ns, "c", "x", "y")), nil)
	t.reports("c", "x y")
	cached := o.manager.GetClient()
	l := &corev1.ConfigMapList{}
	Eventually(t, func() string { // the cache learns of the pages when its watch tells of them
		if err := cached.List(ctx, l, client.InNamespace(t.ns)); err != nil || len(l.Items) != 2 {
			return fmt.Sprint("in the cache: ", len(l.Items), " ", err)
		}
		return ""
	})
	err := cached.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "other"}, &corev1.ConfigMap{})
	Want(t, "not in the cache", apierrors.IsNotFound(err), true)
	Want(t, "but there", o.manager.GetAPIReader().Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "other"}, &corev1.ConfigMap{}), nil)
	s := &Site{}
	Want(t, "get", cached.Get(ctx, client.ObjectKey{Namespace: t.ns, Name: "c"}, s), nil)
	Want(t, "by the index", cached.List(ctx, l, client.InNamespace(t.ns), client.MatchingFields{"owner": string(s.UID)}), nil)
	Want(t, "found", len(l.Items), 2)
	o.stop(tt)
}

// Two operators: one works; when it ends the other goes on; so it does when the server was away.
func TestLeadersAndRestarts(tt *testing.T) {
	t := newTour(tt)
	ctx := Context(t)
	first := run(tt, t.ns, "first", false)
	<-first.manager.Elected()
	second := run(tt, t.ns, "second", false)
	select {
	case <-second.manager.Elected():
		t.Fatal("both lead")
	case <-time.After(time.Second):
	}
	Want(t, "create", t.c.Create(ctx, newSite(t.ns, "a", "x")), nil)
	t.reports("a", "x")
	first.stop(tt)
	select {
	case <-second.manager.Elected():
	case <-time.After(60 * time.Second):
		t.Fatal("nobody leads")
	}
	t.change("a", func(s *Site) { s.Spec.Pages["y"] = "1" })
	t.reports("a", "x y")
	for round, kill := range []bool{false, true} {
		Restart(t, kill)
		name := fmt.Sprint("r", round)
		Want(t, "create", t.c.Create(ctx, newSite(t.ns, name, "z")), nil)
		t.reports(name, "z")
	}
	second.stop(tt)
}
