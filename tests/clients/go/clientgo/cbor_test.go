// SPDX-License-Identifier: Apache-2.0
package clientgo

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	clientfeatures "k8s.io/client-go/features"
	featurestesting "k8s.io/client-go/features/testing"

	. "coracle.dev/tests/clients/support"
)

// A client that prefers CBOR is answered in it throughout: objects, errors, watches.
func TestDynamicCBOR(t *testing.T) {
	featurestesting.SetFeatureDuringTest(t, clientfeatures.ClientsAllowCBOR, true)
	featurestesting.SetFeatureDuringTest(t, clientfeatures.ClientsPreferCBOR, true)
	ctx, ns := Context(t), Namespace(t)
	config := Config(t)
	seen := Record(config)
	c := dynamic.NewForConfigOrDie(config).Resource(CronTabs).Namespace(ns)
	u := cronTab("c")
	u.SetAnnotations(map[string]string{"text": "a\"\\\t😀"})
	unstructured.SetNestedField(u.Object, int64(3), "spec", "replicas")
	unstructured.SetNestedField(u.Object, true, "spec", "suspend")
	made := create(t, c, u)
	Want(t, "what was made", Words(replicas(made), made.Object["spec"].(map[string]any)["suspend"], made.GetAnnotations()["text"]), "3 true a\"\\\t😀")
	l, err := c.List(ctx, metav1.ListOptions{})
	Want(t, "list", err, nil)
	w, err := c.Watch(ctx, metav1.ListOptions{ResourceVersion: l.GetResourceVersion()})
	Want(t, "watch", err, nil)
	defer w.Stop()
	unstructured.SetNestedField(made.Object, int64(4), "spec", "replicas")
	made, err = c.Update(ctx, made, metav1.UpdateOptions{})
	Want(t, "update", Words(err, replicas(made)), "<nil> 4")
	e := next(t, w)
	Want(t, "the event", Words(told(e), replicas(e.Object.(*unstructured.Unstructured))), "MODIFIED c 4")
	got, err := c.Patch(ctx, "c", types.MergePatchType, []byte(`{"spec":{"replicas":5}}`), metav1.PatchOptions{})
	Want(t, "patch", Words(err, replicas(got)), "<nil> 5")
	_, err = c.Get(ctx, "none", metav1.GetOptions{})
	Want(t, "an error is a Status", err, `crontabs.stable.example.com "none" not found`)
	if seen.Count("answered="+json) > 0 || seen.Count("sent="+json) > 0 || seen.Count("answered=application/cbor-seq") == 0 {
		t.Fatalf("not all was CBOR:\n%s", seen.Lines())
	}
}
