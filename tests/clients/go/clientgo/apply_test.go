// SPDX-License-Identifier: Apache-2.0
package clientgo

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	. "coracle.dev/tests/clients/support"
)

func TestTypedApply(t *testing.T) {
	ctx, ns := Context(t), Namespace(t)
	maps := kubernetes.NewForConfigOrDie(Config(t)).CoreV1().ConfigMaps(ns)
	red, blue := metav1.ApplyOptions{FieldManager: "red"}, metav1.ApplyOptions{FieldManager: "blue"}

	cm, err := maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithLabels(map[string]string{"r": "1"}).WithData(map[string]string{"red": "1", "both": "1"}), red)
	Want(t, "apply makes it", Words(err, cm.Data), "<nil> map[both:1 red:1]")
	same, err := maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithLabels(map[string]string{"r": "1"}).WithData(map[string]string{"red": "1", "both": "1"}), red)
	Want(t, "the same again writes nothing", Words(err, same.ResourceVersion), Words(nil, cm.ResourceVersion))
	cm, err = maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithData(map[string]string{"blue": "1", "both": "1"}), blue)
	Want(t, "another beside it", Words(err, cm.Data), "<nil> map[blue:1 both:1 red:1]")

	_, err = maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithData(map[string]string{"blue": "1", "both": "2"}), blue)
	Want(t, "a conflict", apierrors.IsConflict(err), true)
	var status apierrors.APIStatus
	errors.As(err, &status)
	cause := status.Status().Details.Causes[0]
	Want(t, "its cause", Words(cause.Type, cause.Field), "FieldManagerConflict .data.both")
	Want(t, "it names the manager", strings.Contains(cause.Message, `"red"`), true)
	force := blue
	force.Force = true
	cm, err = maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithData(map[string]string{"blue": "1", "both": "2"}), force)
	Want(t, "forced", Words(err, cm.Data), "<nil> map[blue:1 both:2 red:1]")

	cm, err = maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithData(map[string]string{}), blue)
	Want(t, "what its only owner no longer names goes", Words(err, cm.Data), "<nil> map[red:1]")
	own, err := corev1apply.ExtractConfigMap(cm, "red")
	Want(t, "what red owns", Words(err, own.Data, own.Labels, *own.Name), "<nil> map[red:1] map[r:1] a")
	cm, err = maps.Apply(ctx, own.WithData(map[string]string{"more": "1"}), red)
	Want(t, "extracted, changed, applied", Words(err, cm.Data, cm.Labels), "<nil> map[more:1 red:1] map[r:1]")

	_, err = maps.Apply(ctx, corev1apply.ConfigMap("a", ns).WithUID("another"), red)
	Want(t, "another uid", apierrors.IsInvalid(err), true)
	_, err = maps.Apply(ctx, corev1apply.ConfigMap("none", ns).WithUID("another"), red)
	Want(t, "a uid of what is not there", apierrors.IsConflict(err), true)
	dry := red
	dry.DryRun = []string{metav1.DryRunAll}
	_, err = maps.Apply(ctx, corev1apply.ConfigMap("dry", ns), dry)
	Want(t, "a dry run", err, nil)
	_, err = maps.Get(ctx, "dry", metav1.GetOptions{})
	Want(t, "it made nothing", apierrors.IsNotFound(err), true)
}

// An update of what others applied is its manager's; the applier then meets it as a conflict.
func TestApplyAndUpdate(t *testing.T) {
	ctx, ns := Context(t), Namespace(t)
	maps := kubernetes.NewForConfigOrDie(Config(t)).CoreV1().ConfigMaps(ns)
	red := metav1.ApplyOptions{FieldManager: "red"}
	cm, err := maps.Apply(ctx, corev1apply.ConfigMap("u", ns).WithData(map[string]string{"k": "1"}), red)
	Want(t, "apply", err, nil)
	cm.Data["k"] = "2"
	cm, err = maps.Update(ctx, cm, metav1.UpdateOptions{FieldManager: "hand"})
	Want(t, "update", err, nil)
	var managers []string
	for _, m := range cm.ManagedFields {
		managers = append(managers, m.Manager+" "+string(m.Operation))
	}
	Want(t, "managers", strings.Join(managers, ", "), "hand Update")
	_, err = maps.Apply(ctx, corev1apply.ConfigMap("u", ns).WithData(map[string]string{"k": "1"}), red)
	Want(t, "a conflict", Words(apierrors.IsConflict(err), strings.Contains(err.Error(), `conflict with "hand"`)), "true true")

	owner := metav1apply.OwnerReference().WithAPIVersion("v1").WithKind("ConfigMap").WithName(cm.Name).WithUID(cm.UID)
	child, err := maps.Apply(ctx, corev1apply.ConfigMap("child", ns).WithOwnerReferences(owner).WithFinalizers("example.com/f"), red)
	Want(t, "owner and finalizer", Words(err, len(child.OwnerReferences), child.Finalizers), "<nil> 1 [example.com/f]")
	child, err = maps.Apply(ctx, corev1apply.ConfigMap("child", ns), red)
	Want(t, "no longer named", Words(err, len(child.OwnerReferences), len(child.Finalizers)), "<nil> 0 0")
}

func TestDynamicApply(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	env := func(pairs ...string) *unstructured.Unstructured {
		u := cronTab("d")
		var items []any
		for i := 0; i < len(pairs); i += 2 {
			items = append(items, map[string]any{"name": pairs[i], "value": pairs[i+1]})
		}
		unstructured.SetNestedSlice(u.Object, items, "spec", "env")
		return u
	}
	items := func(u *unstructured.Unstructured) (out []string) {
		l, _, _ := unstructured.NestedSlice(u.Object, "spec", "env")
		for _, i := range l {
			m := i.(map[string]any)
			out = append(out, m["name"].(string)+"="+m["value"].(string))
		}
		return
	}
	u, err := c.Apply(ctx, "d", env("a", "1", "b", "1"), metav1.ApplyOptions{FieldManager: "red"})
	Want(t, "apply", Words(err, items(u), replicas(u)), "<nil> [a=1 b=1] 1")
	u, err = c.Apply(ctx, "d", env("c", "1"), metav1.ApplyOptions{FieldManager: "blue"})
	Want(t, "items by their key", Words(err, items(u)), "<nil> [a=1 b=1 c=1]")
	_, err = c.Apply(ctx, "d", env("a", "2"), metav1.ApplyOptions{FieldManager: "blue"})
	Want(t, "a conflict", apierrors.IsConflict(err), true)
	Want(t, "the item in it", strings.Contains(err.Error(), `.spec.env[name="a"].value`), true)
	u, err = c.Apply(ctx, "d", env("a", "2"), metav1.ApplyOptions{FieldManager: "blue", Force: true})
	Want(t, "forced", Words(err, items(u)), "<nil> [a=2 b=1]")
	u, err = c.Apply(ctx, "d", env("b", "3"), metav1.ApplyOptions{FieldManager: "red"})
	Want(t, "an item of another stays", Words(err, items(u)), "<nil> [a=2 b=3]")
	unstructured.RemoveNestedField(u.Object, "spec", "env")

	status := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "stable.example.com/v1", "kind": "CronTab",
		"metadata": map[string]any{"name": "d"}, "status": map[string]any{"replicas": int64(5)}, "spec": map[string]any{"cronSpec": "x", "replicas": int64(9)}}}
	u, err = c.ApplyStatus(ctx, "d", status, metav1.ApplyOptions{FieldManager: "controller"})
	n, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
	Want(t, "status", Words(err, n, replicas(u)), "<nil> 5 1")
	found := ""
	for _, m := range u.GetManagedFields() {
		if m.Manager == "controller" {
			found = m.Subresource + " " + string(m.FieldsV1.GetRawString())
		}
	}
	Want(t, "its manager", found, `status {"f:status":{"f:replicas":{}}}`)
}

// The extractor for unstructured objects reads the server's schemas to know what a manager's fields mean.
func TestUnstructuredExtract(t *testing.T) {
	ctx := Context(t)
	ns := Namespace(t)
	c := dynamic.NewForConfigOrDie(Config(t)).Resource(CronTabs).Namespace(ns)
	u := cronTab("e", "l", "v")
	unstructured.SetNestedSlice(u.Object, []any{map[string]any{"name": "a", "value": "1"}}, "spec", "env")
	_, err := c.Apply(ctx, "e", u, metav1.ApplyOptions{FieldManager: "red"})
	Want(t, "apply", err, nil)
	_, err = c.Patch(ctx, "e", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "hand"})
	Want(t, "patch", err, nil)
	x, err := metav1apply.NewUnstructuredExtractor(discovery.NewDiscoveryClientForConfigOrDie(Config(t)))
	Want(t, "extractor", err, nil)
	live, err := c.Get(ctx, "e", metav1.GetOptions{})
	Want(t, "get", err, nil)
	own, err := x.Extract(live, "red")
	Want(t, "extract", err, nil)
	Want(t, "red's", Words(own.Object["spec"], own.GetLabels()), "map[cronSpec:* * * * */5 env:[map[name:a value:1]]] map[l:v]")
}
