// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Another organisation is another namespace: it is made first, a push says so, and what is pushed there is not seen here.
func TestOtherOrganisation(t *testing.T) {
	one, two := open(t, 1), open(t, 2)
	want(t, "namespace", two.Namespace, "org-2")
	one.clear(t)
	theirs := []*Object{two.folder(t, "theirs", ""), two.dashboard(t, "theirs", "theirs")}
	sum, err := two.Push(two.ctx, two.Registry, put(t, two.dir+"/theirs", theirs...), PushOptions{})
	no(t, "push", err)
	for what, err := range sum.Errors {
		want(t, what, err != nil && strings.Contains(err.Error(), `namespaces "org-2" not found`), true)
	}
	want(t, "failures", sum.Failed, 2)

	namespace := &Object{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "org-2"}}}
	_, err = one.fast(t).dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).
		Create(one.ctx, namespace, metav1.CreateOptions{})
	no(t, "the namespace", err)
	two.push(t, theirs...)
	want(t, "here", len(one.state(t)), 0)
	want(t, "there", len(two.state(t)), 2)
	_, err = one.Get(one.ctx, one.folders(t), "theirs")
	want(t, "here", err, `404 NotFound: folders.folder.grafana.app "theirs" not found`)
	two.clear(t)
}
