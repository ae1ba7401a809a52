// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// real is a manifest for each dashboard that people use (tests/data/dashboards, or where CORACLE_DASHBOARDS says).
func (w *world) real(t testing.TB, folder string) []*Object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("CORACLE_DASHBOARDS"), "*.json"))
	no(t, "files", err)
	if len(files) < 3 {
		t.Fatalf("%d dashboards in %q", len(files), os.Getenv("CORACLE_DASHBOARDS"))
	}
	var all []*Object
	for _, file := range files {
		text, err := os.ReadFile(file)
		no(t, "read", err)
		var spec map[string]any
		no(t, file, json.Unmarshal(text, &spec))
		all = append(all, object(w.dashboards(t), strings.TrimSuffix(filepath.Base(file), ".json"), folder, spec))
	}
	return all
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	no(t, "encode", err)
	return string(b)
}

// Real dashboards go into a tree of folders, are listed in whichever version, and come back as they were pushed.
func TestRealDashboards(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	boards := w.real(t, "inner")
	w.push(t, append(boards, w.folder(t, "outer", ""), w.folder(t, "inner", "outer"))...)
	for gv, list := range w.kinds {
		if gv.Group != "dashboard.grafana.app" {
			continue
		}
		for _, k := range list {
			if k.Kind != "Dashboard" {
				continue
			}
			items, sum, err := w.Fetch(w.ctx, []Kind{k}, 0)
			no(t, k.Version, err)
			want(t, k.Version, fmt.Sprint(len(items), sum.Errors), fmt.Sprint(len(boards), map[string]error(nil)))
			for _, u := range items {
				want(t, u.GetName()+" listed in "+k.Version, u.GetAPIVersion(), w.dashboards(t).GroupVersion)
			}
		}
	}
	dir := filepath.Join(w.dir, "pulled")
	_, err := w.Pull(w.ctx, w.shown(t)[1:2], dir)
	no(t, "pull", err)
	pulled, err := readDir(dir)
	no(t, "read", err)
	want(t, "files", len(pulled), len(boards))
	sent := map[string]map[string]any{}
	for _, u := range boards {
		sent[u.GetName()], _, _ = unstructured.NestedMap(u.Object, "spec")
	}
	for _, m := range pulled {
		spec, _, _ := unstructured.NestedMap(m.Object.Object, "spec")
		for _, key := range []string{"id", "uid", "version"} { // in Grafana too these are the object's, not the model's
			delete(sent[m.GetName()], key)
			delete(spec, key)
		}
		if got, wanted := text(t, spec), text(t, sent[m.GetName()]); got != wanted {
			t.Errorf("%s came back as another: %d bytes, not %d", m.GetName(), len(got), len(wanted))
		}
		want(t, "folder", m.GetAnnotations()[annoFolder], "inner")
	}
	w.clear(t)
}

// What is pushed is found, what is deleted is not, soon after.
func TestSearch(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.folder(t, "searched", ""), w.dashboard(t, "needle", "searched"), w.dashboard(t, "straw", ""))
	until := func(what string, query url.Values, wanted ...string) {
		t.Helper()
		var names []string
		var total int
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if names, total = w.search(t, query); fmt.Sprint(names, total) == fmt.Sprint(wanted, len(wanted)) {
				return
			}
		}
		t.Fatalf("%s: %v of %d, not %v", what, names, total, wanted)
	}
	until("by a word of the title", url.Values{"query": {"needle"}, "limit": {"50"}}, "needle")
	until("by folder", url.Values{"folder": {"searched"}}, "needle")
	until("by tag", url.Values{"tag": {"gcx", "straw"}}, "straw")
	until("all, by title", url.Values{"sort": {"title"}}, "needle", "straw")
	w.clear(t)
	until("nothing is left", url.Values{})
}

// Dashboards of the new model are written and shown in it.
func TestNewModel(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	for _, version := range []string{"v2", "v2beta1"} {
		k, ok := w.Supported(schema.GroupVersionKind{Group: "dashboard.grafana.app", Version: version, Kind: "Dashboard"})
		if !ok {
			t.Fatalf("%s is not served", version)
		}
		w.push(t, object(k, "new-"+version, "", map[string]any{"title": "New in " + version, "elements": map[string]any{},
			"layout": map[string]any{"kind": "GridLayout", "spec": map[string]any{"items": []any{}}}}))
		u, err := w.Get(w.ctx, w.shown(t)[1], "new-"+version)
		no(t, "get", err)
		title, _, _ := unstructured.NestedString(u.Object, "spec", "title")
		want(t, version, u.GetAPIVersion()+" "+title, k.GroupVersion.String()+" New in "+version)
	}
	w.clear(t)
}

// `gcx dashboards search`, at the one version it knows.
func (w *world) search(t testing.TB, query url.Values) (names []string, total int) {
	t.Helper()
	client, err := rest.HTTPClientFor(&w.Config)
	no(t, "client", err)
	query.Set("type", "dashboard")
	a, err := client.Get(w.server + "/apis/dashboard.grafana.app/v0alpha1/namespaces/" + w.Namespace + "/search?" + query.Encode())
	no(t, "search", err)
	defer a.Body.Close()
	want(t, "search", a.StatusCode, http.StatusOK)
	var found struct {
		Hits []struct {
			Resource, Name, Title, Folder string
			Tags                          []string
		}
		MaxScore  float64
		QueryCost int64
		TotalHits int
	}
	no(t, "answer", json.NewDecoder(a.Body).Decode(&found))
	for _, hit := range found.Hits {
		want(t, hit.Name, hit.Resource, "dashboards")
		want(t, "title", hit.Title != "", true)
		names = append(names, hit.Name)
	}
	return names, found.TotalHits
}
