// SPDX-License-Identifier: Apache-2.0
package clientgo

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/reference"

	. "coracle.dev/tests/clients/support"
)

// Two candidates: one leads at a time, a clean end hands over at once, an unclean one when the lease runs out.
func TestLeaderElection(t *testing.T) {
	ns := Namespace(t)
	client := kubernetes.NewForConfigOrDie(Config(t))
	var leading atomic.Int32
	candidate := func(id string, release bool) (led chan string, end context.CancelFunc) {
		led = make(chan string, 1)
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, ns, "lead", client.CoreV1(), client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: id})
		Want(t, "lock", err, nil)
		e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 12 * time.Second,
			RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: release, Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) {
					if leading.Add(1) > 1 {
						t.Error("two lead")
					}
					led <- id
					<-ctx.Done()
				},
				OnStoppedLeading: func() {}}})
		Want(t, "elector", err, nil)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); e.Run(ctx) }()
		return led, func() { cancel(); <-done }
	}
	await := func(led chan string) {
		t.Helper()
		select {
		case <-led:
		case <-time.After(60 * time.Second):
			t.Fatal("nobody leads")
		}
	}
	ledA, endA := candidate("a", true)
	await(ledA)
	ledB, endB := candidate("b", false)
	select {
	case <-ledB:
		t.Fatal("b leads beside a")
	case <-time.After(time.Second):
	}
	leading.Add(-1)
	endA()
	await(ledB)
	leading.Add(-1)
	endB() // without a release: the lease has to run out
	ledC, endC := candidate("c", true)
	defer endC()
	await(ledC)
	lease, err := client.CoordinationV1().Leases(ns).Get(Context(t), "lead", metav1.GetOptions{})
	Want(t, "the lease", Words(err, *lease.Spec.HolderIdentity), "<nil> c")
	if *lease.Spec.LeaseTransitions < 2 {
		t.Fatalf("%d transitions", *lease.Spec.LeaseTransitions)
	}
}

// The same event again is counted in one object, by a patch.
func TestEventRecorder(t *testing.T) {
	ns := Namespace(t)
	client := kubernetes.NewForConfigOrDie(Config(t))
	cm, err := client.CoreV1().ConfigMaps(ns).Create(Context(t), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "subject"}}, metav1.CreateOptions{})
	Want(t, "subject", err, nil)
	ref, err := reference.GetReference(scheme.Scheme, cm)
	Want(t, "reference", err, nil)
	b := record.NewBroadcaster()
	defer b.Shutdown()
	b.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events(ns)})
	r := b.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "tour"})
	for range 3 {
		r.Eventf(ref, corev1.EventTypeNormal, "Seen", "it was %s", "seen")
	}
	r.Event(ref, corev1.EventTypeWarning, "Odd", "it was odd")
	eventually(t, "events", func() string {
		l, err := client.CoreV1().Events(ns).List(Context(t), metav1.ListOptions{FieldSelector: "involvedObject.name=subject"})
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, e := range l.Items {
			out = append(out, fmt.Sprintf("%s %s %d", e.Type, e.Reason, e.Count))
		}
		sort.Strings(out)
		return strings.Join(out, ", ")
	}, "Normal Seen 3, Warning Odd 1")

	// The newer API of the same objects.
	nb := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	defer nb.Shutdown()
	Want(t, "recording", nb.StartRecordingToSinkWithContext(Context(t)), nil)
	nb.NewRecorder(scheme.Scheme, "tour.example.com/robot").Eventf(cm, nil, corev1.EventTypeNormal, "Newer", "Look", "note %d", 1)
	eventually(t, "the event in both APIs", func() string {
		a, err := client.EventsV1().Events(ns).List(Context(t), metav1.ListOptions{FieldSelector: "reason=Newer"})
		if err != nil {
			return err.Error()
		}
		b, err := client.CoreV1().Events(ns).List(Context(t), metav1.ListOptions{FieldSelector: "reason=Newer"})
		if err != nil {
			return err.Error()
		}
		if len(a.Items) != 1 || len(b.Items) != 1 {
			return fmt.Sprint(len(a.Items), " and ", len(b.Items))
		}
		return a.Items[0].Note + ", " + b.Items[0].Message + ", " + b.Items[0].InvolvedObject.Name
	}, "note 1, note 1, subject")
}

func TestDiscovery(t *testing.T) {
	config := Config(t)
	seen := Record(config)
	d := discovery.NewDiscoveryClientForConfigOrDie(config)
	paint := func(lists []*metav1.APIResourceList, err error) string {
		t.Helper()
		Want(t, "discovery", err, nil)
		var out []string
		for _, l := range lists {
			for _, r := range l.APIResources {
				sort.Strings(r.Verbs)
				out = append(out, fmt.Sprint(l.GroupVersion, " ", r.Name, " ", r.Kind, " ", r.Namespaced, " ", r.Verbs, r.ShortNames, r.Categories))
			}
		}
		sort.Strings(out)
		return strings.Join(out, "\n")
	}
	_, all, err := d.ServerGroupsAndResources()
	aggregated := paint(all, err)
	if n := seen.Count("GET"); n != 2 {
		t.Fatalf("aggregated discovery took %d requests:\n%s", n, seen.Lines())
	}
	_, all, err = d.WithLegacy().ServerGroupsAndResources()
	Want(t, "the same resource by resource", paint(all, err), aggregated)
	for _, line := range []string{"v1 configmaps ConfigMap true", "stable.example.com/v1 crontabs CronTab true", "stable.example.com/v1 crontabs/status CronTab true",
		"stable.example.com/v1 crontabs/scale Scale true", "coordination.k8s.io/v1 leases Lease true", "v1 namespaces Namespace false"} {
		if !strings.Contains("\n"+aggregated, "\n"+line) {
			t.Errorf("no %s in\n%s", line, aggregated)
		}
	}
	v, err := d.ServerVersion()
	Want(t, "version", err, nil)
	Want(t, "major", v.Major, "1")

	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
	m, err := mapper.RESTMapping(schema.GroupKind{Group: "stable.example.com", Kind: "CronTab"})
	Want(t, "mapping", err, nil)
	Want(t, "resource", m.Resource, CronTabs)
	Want(t, "scope", m.Scope.Name(), meta.RESTScopeNameNamespace)
	gvr, err := restmapper.NewShortcutExpander(mapper, d, nil).ResourceFor(schema.GroupVersionResource{Resource: "ct"})
	Want(t, "the short name", Words(err, gvr), fmt.Sprint("<nil> ", CronTabs))
	_, err = mapper.RESTMapping(schema.GroupKind{Group: "none.example.com", Kind: "None"})
	Want(t, "no match", meta.IsNoMatchError(err), true)

	paths, err := d.OpenAPIV3().Paths()
	Want(t, "OpenAPI v3", err, nil)
	doc, err := paths["apis/stable.example.com/v1"].Schema("application/json")
	Want(t, "its document", err, nil)
	Want(t, "the definition in it", strings.Contains(string(doc), "When to run, in cron's five fields."), true)
	v2, err := d.OpenAPISchema()
	Want(t, "OpenAPI v2", err, nil)
	Want(t, "definitions", len(v2.Definitions.AdditionalProperties) > 20, true)
}

func TestMetadataClient(t *testing.T) {
	ctx := Context(t)
	c, ns := cronTabs(t)
	create(t, c, cronTab("one", "l", "v"))
	create(t, c, cronTab("two"))
	m := metadata.NewForConfigOrDie(Config(t)).Resource(CronTabs).Namespace(ns)
	o, err := m.Get(ctx, "one", metav1.GetOptions{})
	Want(t, "get", Words(err, o.Name, o.Labels), "<nil> one map[l:v]")
	l, err := m.List(ctx, metav1.ListOptions{Limit: 1})
	Want(t, "a page", Words(err, len(l.Items), l.Items[0].Name, l.Continue != ""), "<nil> 1 one true")
	l, err = m.List(ctx, metav1.ListOptions{Limit: 1, Continue: l.Continue})
	Want(t, "the next", Words(err, len(l.Items), l.Items[0].Name, l.Continue), "<nil> 1 two ")
	o, err = m.Patch(ctx, "two", types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/f"]}}`), metav1.PatchOptions{})
	Want(t, "patch", Words(err, o.Finalizers), "<nil> [example.com/f]")
	Want(t, "delete", m.Delete(ctx, "two", metav1.DeleteOptions{}), nil)
	o, err = m.Get(ctx, "two", metav1.GetOptions{})
	Want(t, "it waits for its finalizer", Words(err, o.DeletionTimestamp != nil), "<nil> true")
	_, err = m.Patch(ctx, "two", types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`), metav1.PatchOptions{})
	Want(t, "patch", err, nil)
	Want(t, "a collection", m.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}), nil)
	l, err = m.List(ctx, metav1.ListOptions{})
	Want(t, "what is left", Words(err, len(l.Items)), "<nil> 0")
}

func TestScale(t *testing.T) {
	ctx := Context(t)
	c, ns := cronTabs(t)
	create(t, c, cronTab("sized"))
	config := Config(t)
	d := discovery.NewDiscoveryClientForConfigOrDie(config)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(d))
	scales, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(d))
	Want(t, "client", err, nil)
	s, err := scales.Scales(ns).Get(ctx, CronTabs.GroupResource(), "sized", metav1.GetOptions{})
	Want(t, "get", Words(err, s.Spec.Replicas), "<nil> 1")
	s.Spec.Replicas = 5
	s, err = scales.Scales(ns).Update(ctx, CronTabs.GroupResource(), s, metav1.UpdateOptions{})
	Want(t, "update", Words(err, s.Spec.Replicas), "<nil> 5")
	s, err = scales.Scales(ns).Patch(ctx, CronTabs, "sized", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{})
	Want(t, "patch", Words(err, s.Spec.Replicas), "<nil> 3")
	u, err := c.Get(ctx, "sized", metav1.GetOptions{})
	Want(t, "the object", Words(err, replicas(u), u.GetGeneration()), "<nil> 3 3")
}
