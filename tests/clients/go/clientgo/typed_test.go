// SPDX-License-Identifier: Apache-2.0
package clientgo

import (
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	. "coracle.dev/tests/clients/support"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	json     = "application/json"
	cbor     = "application/cbor"
)

// The typed clients' media types: their own choice (protobuf before JSON), and each alone.
func TestTyped(t *testing.T) {
	for _, media := range []string{"", json, protobuf} {
		t.Run("as "+media, func(t *testing.T) { typedLife(t, media) })
	}
}

func typedLife(t *testing.T, media string) {
	ctx, ns := Context(t), Namespace(t)
	config := Config(t)
	config.ContentType = media
	if media != "" {
		config.AcceptContentTypes = media
	}
	seen := Record(config)
	client := kubernetes.NewForConfigOrDie(config)

	maps := client.CoreV1().ConfigMaps(ns)
	cm, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"l": "v"}},
		Data: map[string]string{"k": "v"}, BinaryData: map[string][]byte{"b": {0, 255, 10}}}, metav1.CreateOptions{})
	Want(t, "create", err, nil)
	Want(t, "binary data", cm.BinaryData["b"], []byte{0, 255, 10})
	cm.Data["k"] = "w"
	cm, err = maps.Update(ctx, cm, metav1.UpdateOptions{})
	Want(t, "update", err, nil)
	cm, err = maps.Patch(ctx, "a", types.StrategicMergePatchType,
		[]byte(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"X","name":"x","uid":"u1"}]},"data":{"n":"1"}}`), metav1.PatchOptions{})
	Want(t, "strategic patch", err, nil)
	cm, err = maps.Patch(ctx, "a", types.StrategicMergePatchType,
		[]byte(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"X","name":"y","uid":"u2"}]}}`), metav1.PatchOptions{})
	Want(t, "a list that merges by its key", Words(err, len(cm.OwnerReferences), cm.Data), "<nil> 2 map[k:w n:1]")
	l, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "l=v"})
	Want(t, "list", Words(err, len(l.Items)), "<nil> 1")

	w, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: l.ResourceVersion})
	Want(t, "watch", err, nil)
	defer w.Stop()
	Want(t, "delete", maps.Delete(ctx, "a", metav1.DeleteOptions{}), nil)
	select {
	case e := <-w.ResultChan():
		Want(t, "the event", Words(e.Type, e.Object.(*corev1.ConfigMap).Name), "DELETED a")
	case <-time.After(60 * time.Second):
		t.Fatal("no event")
	}

	secret, err := client.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"},
		StringData: map[string]string{"p": "q"}}, metav1.CreateOptions{})
	Want(t, "a secret", Words(err, string(secret.Data["p"]), secret.Type), "<nil> q Opaque")

	now := metav1.NewMicroTime(time.Unix(1700000000, 123456000))
	holder, seconds := "me", int32(15)
	lease, err := client.CoordinationV1().Leases(ns).Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "l"},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now}}, metav1.CreateOptions{})
	Want(t, "a lease", err, nil)
	Want(t, "its time to the microsecond", lease.Spec.RenewTime.Time.Equal(now.Time), true)
	sa, err := client.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{})
	Want(t, "a service account", Words(err, sa.Name), "<nil> robot")
	got, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
	Want(t, "the namespace", Words(err, got.Status.Phase), "<nil> Active")
	_, err = client.CoreV1().ConfigMaps(ns).Get(ctx, "none", metav1.GetOptions{})
	Want(t, "not found", apierrors.IsNotFound(err), true)

	if media == json && seen.Count(protobuf) > 0 || media != json && seen.Count("answered="+json) > 0 {
		t.Fatalf("another media type was used:\n%s", seen.Lines())
	}
	if media == "" && seen.Count("POST", "sent="+protobuf, "answered="+protobuf) == 0 {
		t.Fatalf("nothing was sent and answered as protobuf:\n%s", seen.Lines())
	}
}

// A definition by its typed client: accepted, established, served, refused where its schema is none, gone with its objects.
func TestDefinitions(t *testing.T) {
	for _, media := range []string{"", json} {
		t.Run("as "+media, func(t *testing.T) { definitionLife(t, media) })
	}
}

func definitionLife(t *testing.T, media string) {
	ctx := Context(t)
	config := Config(t)
	config.ContentType = media
	client := apiextensions.NewForConfigOrDie(config)
	crds := client.ApiextensionsV1().CustomResourceDefinitions()
	yes := true
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "boats.typed.example.com"}, Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "typed.example.com", Scope: apiextensionsv1.ClusterScoped, Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "boats", Kind: "Boat"},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &yes}}}}}}
	bad := crd.DeepCopy()
	bad.Spec.Versions[0].Schema.OpenAPIV3Schema.Type = "array"
	_, err := crds.Create(ctx, bad, metav1.CreateOptions{})
	Want(t, "a schema that is none", apierrors.IsInvalid(err), true)
	_, err = crds.Create(ctx, crd, metav1.CreateOptions{})
	Want(t, "create", err, nil)
	t.Cleanup(func() { crds.Delete(Context(t), crd.Name, metav1.DeleteOptions{}) })
	Eventually(t, func() string {
		got, err := crds.Get(ctx, crd.Name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		for _, c := range got.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return ""
			}
		}
		return "not established"
	})
	boats := dynamic.NewForConfigOrDie(Config(t)).Resource(schema.GroupVersionResource{Group: "typed.example.com", Version: "v1", Resource: "boats"})
	u := cronTab("b")
	u.SetAPIVersion("typed.example.com/v1")
	u.SetKind("Boat")
	_, err = boats.Create(ctx, u, metav1.CreateOptions{})
	Want(t, "an object", err, nil)
	Want(t, "delete", crds.Delete(ctx, crd.Name, metav1.DeleteOptions{}), nil)
	Eventually(t, func() string {
		_, err := boats.Get(ctx, "b", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint("still there: ", err)
	})
	Eventually(t, func() string { // it goes after its objects, and another of its name cannot be made before
		_, err := crds.Get(ctx, crd.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint("still defined: ", err)
	})
}

// Text that JSON may write in several ways comes back as it was sent.
func TestTextSurvives(t *testing.T) {
	ctx := Context(t)
	c, _ := cronTabs(t)
	u := cronTab("long")
	u.SetAnnotations(map[string]string{"text": "a\u2028\"\\\x7f\t😀"})
	made := create(t, c, u)
	got, err := c.Get(ctx, "long", metav1.GetOptions{})
	Want(t, "get", err, nil)
	Want(t, "text", got.GetAnnotations()["text"], u.GetAnnotations()["text"])
	var typed metav1.PartialObjectMetadata
	Want(t, "conversion", runtime.DefaultUnstructuredConverter.FromUnstructured(made.Object, &typed), nil)
	Want(t, "uid", typed.UID, got.GetUID())
}
