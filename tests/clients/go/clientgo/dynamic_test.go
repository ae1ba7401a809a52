// SPDX-License-Identifier: Apache-2.0

// Package clientgo drives the server with every kind of client that client-go has.
package clientgo

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/retry"

	. "coracle.dev/tests/clients/support"
)

// cronTab is an object of the custom type; pairs of labels follow the name.
func cronTab(name string, labels ...string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "stable.example.com/v1", "kind": "CronTab",
		"spec": map[string]any{"cronSpec": "* * * * */5"},
	}}
	u.SetName(name)
	if len(labels) > 0 {
		u.SetLabels(map[string]string{})
	}
	for i := 0; i+1 < len(labels); i += 2 {
		l := u.GetLabels()
		l[labels[i]] = labels[i+1]
		u.SetLabels(l)
	}
	return u
}

func cronTabs(t testing.TB) (dynamic.ResourceInterface, string) {
	ns := Namespace(t)
	return dynamic.NewForConfigOrDie(Config(t)).Resource(CronTabs).Namespace(ns), ns
}

func create(t testing.TB, c dynamic.ResourceInterface, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	made, err := c.Create(Context(t), u, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func replicas(u *unstructured.Unstructured) int64 {
	n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	return n
}

func TestDynamicLife(t *testing.T) {
	ctx := Context(t)
	c, ns := cronTabs(t)
	made := create(t, c, cronTab("life"))
	Want(t, "namespace", made.GetNamespace(), ns)
	Want(t, "default", replicas(made), 1)
	Want(t, "generation", made.GetGeneration(), 1)

	stale := made.DeepCopy()
	unstructured.SetNestedField(made.Object, int64(4), "spec", "replicas")
	made, err := c.Update(ctx, made, metav1.UpdateOptions{})
	Want(t, "update", err, nil)
	Want(t, "generation", made.GetGeneration(), 2)
	_, err = c.Update(ctx, stale, metav1.UpdateOptions{})
	Want(t, "a stale update conflicts", apierrors.IsConflict(err), true)

	unstructured.SetNestedField(made.Object, int64(7), "status", "replicas")
	unstructured.SetNestedField(made.Object, int64(9), "spec", "replicas")
	made, err = c.UpdateStatus(ctx, made, metav1.UpdateOptions{})
	Want(t, "update of the status", err, nil)
	Want(t, "spec after it", replicas(made), 4)
	seen, _, _ := unstructured.NestedInt64(made.Object, "status", "replicas")
	Want(t, "status", seen, 7)

	Want(t, "delete", c.Delete(ctx, "life", metav1.DeleteOptions{}), nil)
	_, err = c.Get(ctx, "life", metav1.GetOptions{})
	Want(t, "it is gone", apierrors.IsNotFound(err), true)
}

func TestDynamicPatch(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	create(t, c, cronTab("patched"))
	u, err := c.Patch(ctx, "patched", types.MergePatchType, []byte(`{"spec":{"replicas":3,"env":[{"name":"a","value":"1"}]}}`), metav1.PatchOptions{})
	Want(t, "merge patch", err, nil)
	Want(t, "replicas", replicas(u), 3)
	u, err = c.Patch(ctx, "patched", types.JSONPatchType,
		[]byte(`[{"op":"test","path":"/spec/replicas","value":3},{"op":"add","path":"/spec/env/-","value":{"name":"b"}}]`), metav1.PatchOptions{})
	Want(t, "JSON patch", err, nil)
	env, _, _ := unstructured.NestedSlice(u.Object, "spec", "env")
	Want(t, "items", len(env), 2)
	_, err = c.Patch(ctx, "patched", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	Want(t, "a strategic patch of a custom type is refused", apierrors.IsUnsupportedMediaType(err), true)
	u, err = c.Patch(ctx, "patched", types.MergePatchType, []byte(`{"status":{"replicas":2}}`), metav1.PatchOptions{}, "status")
	Want(t, "patch of the status", err, nil)
	n, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
	Want(t, "status", n, 2)
}

func TestDynamicErrors(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	create(t, c, cronTab("first"))
	_, err := c.Create(ctx, cronTab("first"), metav1.CreateOptions{})
	Want(t, "already exists", apierrors.IsAlreadyExists(err), true)

	bad := cronTab("bad")
	unstructured.SetNestedField(bad.Object, int64(99), "spec", "replicas")
	_, err = c.Create(ctx, bad, metav1.CreateOptions{})
	Want(t, "invalid", apierrors.IsInvalid(err), true)
	var status apierrors.APIStatus
	Want(t, "a status", errors.As(err, &status), true)
	Want(t, "the field", status.Status().Details.Causes[0].Field, "spec.replicas")

	unknown := cronTab("unknown")
	unstructured.SetNestedField(unknown.Object, "x", "spec", "other")
	_, err = c.Create(ctx, unknown, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	Want(t, "an unknown field under Strict", apierrors.IsBadRequest(err), true)
	uid := types.UID("another")
	err = c.Delete(ctx, "first", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	Want(t, "a uid that is not its", apierrors.IsConflict(err), true)
	_, err = c.List(ctx, metav1.ListOptions{FieldSelector: "spec.cronSpec=x"})
	Want(t, "a field that cannot be selected", apierrors.IsBadRequest(err), true)
}

func TestDynamicSelectorsAndDeleteCollection(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	for i := range 6 {
		u := cronTab(fmt.Sprintf("s-%d", i), "parity", []string{"even", "odd"}[i%2])
		unstructured.SetNestedField(u.Object, fmt.Sprintf("i%d", i), "spec", "image")
		create(t, c, u)
	}
	names := func(o metav1.ListOptions) (out []string) {
		l, err := c.List(ctx, o)
		Want(t, "list", err, nil)
		for _, u := range l.Items {
			out = append(out, u.GetName())
		}
		return
	}
	Want(t, "by label", names(metav1.ListOptions{LabelSelector: "parity in (odd)"}), "[s-1 s-3 s-5]")
	Want(t, "by field", names(metav1.ListOptions{FieldSelector: "spec.image=i2"}), "[s-2]")
	Want(t, "by name", names(metav1.ListOptions{FieldSelector: "metadata.name=s-4"}), "[s-4]")
	Want(t, "delete of a collection", c.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "parity=odd"}), nil)
	Want(t, "what is left", names(metav1.ListOptions{}), "[s-0 s-2 s-4]")
}

func TestPages(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	for i := range 25 {
		create(t, c, cronTab(fmt.Sprintf("p-%02d", i)))
	}
	first, err := c.List(ctx, metav1.ListOptions{Limit: 10})
	Want(t, "a page", err, nil)
	Want(t, "its items", len(first.Items), 10)
	Want(t, "the rest", *first.GetRemainingItemCount(), 15)

	pages := 0
	p := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		if pages++; pages == 2 { // what comes between pages is not seen by them
			create(t, c, cronTab("p-99"))
		}
		return c.List(ctx, o)
	})
	p.PageSize = 10
	n := 0
	Want(t, "each", p.EachListItem(ctx, metav1.ListOptions{}, func(runtime.Object) error { n++; return nil }), nil)
	Want(t, "pages and items", Words(pages, n), "3 25")
	all, err := c.List(ctx, metav1.ListOptions{ResourceVersion: first.GetResourceVersion(), ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	Want(t, "a list as it was", err, nil)
	Want(t, "its items", len(all.Items), 25)
}

func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch ended")
		}
		return e
	case <-time.After(60 * time.Second):
		t.Fatal("no event")
	}
	return watch.Event{}
}

func told(e watch.Event) string {
	u, _ := e.Object.(*unstructured.Unstructured)
	return fmt.Sprint(e.Type, " ", u.GetName())
}

func TestWatch(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	create(t, c, cronTab("before"))
	l, err := c.List(ctx, metav1.ListOptions{})
	Want(t, "list", err, nil)
	w, err := c.Watch(ctx, metav1.ListOptions{ResourceVersion: l.GetResourceVersion(), LabelSelector: "in=yes"})
	Want(t, "watch", err, nil)
	defer w.Stop()
	create(t, c, cronTab("out"))
	u := create(t, c, cronTab("in", "in", "yes"))
	Want(t, "an event", told(next(t, w)), "ADDED in")
	unstructured.SetNestedField(u.Object, int64(2), "spec", "replicas")
	u, err = c.Update(ctx, u, metav1.UpdateOptions{})
	Want(t, "update", err, nil)
	e := next(t, w)
	Want(t, "an event", told(e), "MODIFIED in")
	Want(t, "its object's version", e.Object.(*unstructured.Unstructured).GetResourceVersion(), u.GetResourceVersion())
	u.SetLabels(map[string]string{"in": "no"})
	_, err = c.Update(ctx, u, metav1.UpdateOptions{})
	Want(t, "update", err, nil)
	Want(t, "leaving the selector", told(next(t, w)), "DELETED in")
	_, err = c.Patch(ctx, "before", types.MergePatchType, []byte(`{"metadata":{"labels":{"in":"yes"}}}`), metav1.PatchOptions{})
	Want(t, "patch", err, nil)
	Want(t, "entering it", told(next(t, w)), "ADDED before")
	Want(t, "delete", c.Delete(ctx, "before", metav1.DeleteOptions{}), nil)
	Want(t, "an event", told(next(t, w)), "DELETED before")
}

func TestWatchEndsByItsTimeout(t *testing.T) {
	c, _ := cronTabs(t)
	one := int64(1)
	w, err := c.Watch(Context(t), metav1.ListOptions{TimeoutSeconds: &one})
	Want(t, "watch", err, nil)
	begun := time.Now()
	for e := range w.ResultChan() {
		if e.Type == watch.Error {
			t.Fatalf("an error: %v", e.Object)
		}
	}
	if took := time.Since(begun); took > 50*time.Second {
		t.Fatalf("it ended after %v", took)
	}
}

// A RetryWatcher goes on where it was when the server comes back, without an event twice or missing.
func TestRetryWatcherOverRestarts(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	l, err := c.List(ctx, metav1.ListOptions{})
	Want(t, "list", err, nil)
	w, err := watchtools.NewRetryWatcherWithContext(ctx, l.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return c.Watch(ctx, o) }})
	Want(t, "watch", err, nil)
	defer w.Stop()
	for i := range 3 {
		create(t, c, cronTab(fmt.Sprintf("w-%d-a", i)))
		Want(t, "an event", told(next(t, w)), fmt.Sprintf("ADDED w-%d-a", i))
		Restart(t, i == 1)
		create(t, c, cronTab(fmt.Sprintf("w-%d-b", i)))
		Want(t, "an event after the restart", told(next(t, w)), fmt.Sprintf("ADDED w-%d-b", i))
	}
}

func TestRetryOnConflict(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	create(t, c, cronTab("busy"))
	patient := wait.Backoff{Steps: 100, Duration: 5 * time.Millisecond, Jitter: 1}
	done := make(chan error, 5)
	for range 5 {
		go func() {
			done <- retry.RetryOnConflict(patient, func() error {
				u, err := c.Get(ctx, "busy", metav1.GetOptions{})
				if err != nil {
					return err
				}
				unstructured.SetNestedField(u.Object, replicas(u)+1, "spec", "replicas")
				_, err = c.Update(ctx, u, metav1.UpdateOptions{})
				return err
			})
		}()
	}
	for range 5 {
		Want(t, "a writer", <-done, nil)
	}
	u, err := c.Get(ctx, "busy", metav1.GetOptions{})
	Want(t, "get", err, nil)
	Want(t, "no update is lost", replicas(u), 6)
}
