// SPDX-License-Identifier: Apache-2.0
package clientgo

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	clientfeatures "k8s.io/client-go/features"
	featurestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	. "coracle.dev/tests/clients/support"
)

// journal is what an informer's handler was told: the events an object had, oldest first.
type journal struct {
	mu   sync.Mutex
	told map[string][]string
}

func (j *journal) note(what string, o any) {
	if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = d.Obj
	}
	m, err := meta.Accessor(o)
	if err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told[m.GetName()] = append(j.told[m.GetName()], what)
}

func (j *journal) of(name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.told[name], " ")
}

func follow(t *testing.T, i cache.SharedIndexInformer) *journal {
	j := &journal{told: map[string][]string{}}
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { j.note("add", o) },
		UpdateFunc: func(old, o any) {
			a, _ := meta.Accessor(old)
			b, _ := meta.Accessor(o)
			if a.GetResourceVersion() != b.GetResourceVersion() { // a resync or a list that found nothing new
				j.note("update", o)
			}
		},
		DeleteFunc: func(o any) { j.note("delete", o) },
	})
	Want(t, "handler", err, nil)
	return j
}

func names(i cache.SharedIndexInformer) string {
	var out []string
	for _, o := range i.GetStore().List() {
		m, _ := meta.Accessor(o)
		out = append(out, m.GetName())
	}
	sort.Strings(out)
	return fmt.Sprint(out)
}

func eventually(t *testing.T, what string, ask func() string, want string) {
	t.Helper()
	Eventually(t, func() string {
		if got := ask(); got != want {
			return fmt.Sprintf("%s: %s, not %s", what, got, want)
		}
		return ""
	})
}

// eachWay runs a test with WatchList (one watch brings the start and the changes) and without (a list, then a watch).
func eachWay(t *testing.T, body func(t *testing.T, watchList bool)) {
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprintf("WatchList=%v", on), func(t *testing.T) {
			featurestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, on)
			body(t, on)
		})
	}
}

func start(t *testing.T, i cache.SharedIndexInformer) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); i.RunWithContext(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	until, stop := context.WithTimeout(ctx, 90*time.Second)
	defer stop()
	if !cache.WaitForCacheSync(until.Done(), i.HasSynced) {
		t.Fatal("the cache was not filled in time")
	}
}

func TestInformer(t *testing.T) {
	eachWay(t, func(t *testing.T, watchList bool) {
		ctx := Context(t)
		config := Config(t)
		seen := Record(config)
		client := dynamic.NewForConfigOrDie(config)
		ns := Namespace(t)
		c := client.Resource(CronTabs).Namespace(ns)
		for i := range 5 {
			create(t, c, cronTab(fmt.Sprintf("i-%d", i)))
		}
		f := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
		informer := f.ForResource(CronTabs).Informer()
		Want(t, "index", informer.AddIndexers(cache.Indexers{"team": func(o any) ([]string, error) {
			m, err := meta.Accessor(o)
			return []string{m.GetLabels()["team"]}, err
		}}), nil)
		told := follow(t, informer)
		start(t, informer)
		Want(t, "the start", names(informer), "[i-0 i-1 i-2 i-3 i-4]")

		create(t, c, cronTab("new", "team", "red"))
		_, err := c.Patch(ctx, "i-1", types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"red"}}}`), metav1.PatchOptions{})
		Want(t, "patch", err, nil)
		Want(t, "delete", c.Delete(ctx, "i-2", metav1.DeleteOptions{}), nil)
		eventually(t, "the store", func() string { return names(informer) }, "[i-0 i-1 i-3 i-4 new]")
		for name, events := range map[string]string{"i-0": "add", "i-1": "add update", "i-2": "add delete", "new": "add"} {
			eventually(t, "events of "+name, func() string { return told.of(name) }, events)
		}
		red, err := informer.GetIndexer().ByIndex("team", "red")
		Want(t, "by the index", Words(err, len(red)), "<nil> 2")

		streamed := seen.Count("GET", "sendInitialEvents=true", "watch=true") > 0
		listed := seen.Count("GET", "/crontabs?limit=500") > 0
		if streamed != watchList || listed == watchList {
			t.Fatalf("WatchList=%v, but these were the requests:\n%s", watchList, seen.Lines())
		}
	})
}

// The informer of a server that goes and comes back: what changes meanwhile and afterwards is told once, what is unchanged is not told.
func TestInformerOverRestarts(t *testing.T) {
	eachWay(t, func(t *testing.T, _ bool) {
		ctx := Context(t)
		client := kubernetes.NewForConfigOrDie(Config(t))
		ns := Namespace(t)
		maps := client.CoreV1().ConfigMaps(ns)
		set := func(name, value string) {
			t.Helper()
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"mine": "yes"}}, Data: map[string]string{"v": value}}
			_, err := maps.Update(ctx, cm, metav1.UpdateOptions{})
			if err != nil {
				_, err = maps.Create(ctx, cm, metav1.CreateOptions{})
			}
			Want(t, "set "+name, err, nil)
		}
		for i := range 3 {
			set(fmt.Sprintf("c-%d", i), "0")
		}
		f := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(ns),
			informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = "mine=yes" }))
		informer := f.Core().V1().ConfigMaps().Informer()
		lister := f.Core().V1().ConfigMaps().Lister().ConfigMaps(ns)
		told := follow(t, informer)
		start(t, informer)
		for round := range 2 {
			Restart(t, round == 1)
			set("c-1", fmt.Sprint("round", round))
			set(fmt.Sprintf("d-%d", round), "0")
			eventually(t, "a change after the restart", func() string {
				cm, err := lister.Get("c-1")
				if err != nil {
					return err.Error()
				}
				return cm.Data["v"]
			}, fmt.Sprint("round", round))
			eventually(t, "an addition", func() string { return told.of(fmt.Sprintf("d-%d", round)) }, "add")
		}
		Want(t, "delete", maps.Delete(ctx, "c-2", metav1.DeleteOptions{}), nil)
		eventually(t, "a deletion", func() string { return told.of("c-2") }, "add delete")
		eventually(t, "what stayed", func() string { return told.of("c-0") }, "add")
		eventually(t, "what changed", func() string { return told.of("c-1") }, "add update update")
		all, err := lister.List(labels.Everything())
		Want(t, "the lister", Words(err, len(all)), "<nil> 4")
	})
}

func TestMetadataInformer(t *testing.T) {
	eachWay(t, func(t *testing.T, _ bool) {
		ctx := Context(t)
		c, ns := cronTabs(t)
		create(t, c, cronTab("m"))
		client := metadata.NewForConfigOrDie(Config(t))
		f := metadatainformer.NewFilteredSharedInformerFactory(client, 0, ns, nil)
		informer := f.ForResource(CronTabs).Informer()
		told := follow(t, informer)
		start(t, informer)
		create(t, c, cronTab("n"))
		_, err := client.Resource(CronTabs).Namespace(ns).Patch(ctx, "m", types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`), metav1.PatchOptions{})
		Want(t, "patch", err, nil)
		eventually(t, "events", func() string { return told.of("m") + ", " + told.of("n") }, "add update, add")
		o, _, err := informer.GetStore().GetByKey(ns + "/m")
		Want(t, "an object", err, nil)
		Want(t, "its annotation", o.(*metav1.PartialObjectMetadata).Annotations["a"], "b")
	})
}

func TestResync(t *testing.T) {
	c, ns := cronTabs(t)
	create(t, c, cronTab("r"))
	f := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamic.NewForConfigOrDie(Config(t)), time.Second, ns, nil)
	informer := f.ForResource(CronTabs).Informer()
	again := make(chan struct{}, 100)
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(any, any) { again <- struct{}{} }})
	start(t, informer)
	for range 2 {
		select {
		case <-again:
		case <-time.After(60 * time.Second):
			t.Fatal("no resync")
		}
	}
}
