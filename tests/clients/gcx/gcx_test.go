// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/dynamic"
)

// `gcx config check`, with a token and with a certificate.
func TestConfigCheck(t *testing.T) {
	for name, cert := range map[string]bool{"token": false, "certificate": true} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t)
			s, err := Open(ctx, 1, cert, t.TempDir())
			no(t, "open", err)
			_, err = s.Discover()
			no(t, "discover", err)
			h, err := s.Health(ctx)
			no(t, "health", err)
			want(t, "database", h.Database, "ok")
			v, err := version.ParseSemantic(h.Version)
			no(t, "version", err)
			if v.Major() < 12 {
				t.Fatalf("grafana version %s is not supported; gcx requires 12.0.0 or later", v)
			}
			want(t, "namespace", s.Namespace, "default")
			for _, headers := range s.Wire.headers[1:3] {
				want(t, "caller", headers.Get("X-Grafana-Caller-Id"), "gcx")
				want(t, "agent", strings.HasPrefix(headers.Get("User-Agent"), "gcx/"), true)
				want(t, "aggregated", strings.HasPrefix(headers.Get("Accept"),
					"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"), true)
			}
			want(t, "calls", strings.Join(s.Wire.Lines(), "\n"), strings.Join([]string{
				"GET /bootdata 404", "GET /api?timeout=32s 404", "GET /apis?timeout=32s 200", "GET /api/health 200"}, "\n"))
		})
	}
}

// `gcx login`: a server that is no cloud's either says so, or refuses to say as Grafana does; then the same checks.
func TestLogin(t *testing.T) {
	ctx := within(t)
	s, err := Open(ctx, 1, false, t.TempDir())
	no(t, "open", err)
	code, url, err := s.AnonymousSettings(ctx)
	no(t, "settings", err)
	if code == http.StatusOK && strings.Contains(url, "grafana.net") {
		t.Fatalf("taken for a cloud: %s", url)
	}
	_, err = s.Health(ctx)
	no(t, "health", err)
	_, err = s.Discover()
	no(t, "discover", err)
	want(t, "calls", strings.Join(s.Wire.Lines()[2:], "\n"), "GET /api/health 200\nGET /api?timeout=32s 404\nGET /apis?timeout=32s 200")
}

// What was discovered is kept on the disk: the next command asks nothing.
func TestDiscoveryIsCached(t *testing.T) {
	ctx := within(t)
	cache := t.TempDir()
	for _, wanted := range []string{"GET /bootdata 404\nGET /api?timeout=32s 404\nGET /apis?timeout=32s 200", "GET /bootdata 404"} {
		s, err := Open(ctx, 1, false, cache)
		no(t, "open", err)
		r, err := s.Discover()
		no(t, "discover", err)
		_, err = r.Find("dashboards")
		no(t, "dashboards", err)
		want(t, "calls", strings.Join(s.Wire.Lines(), "\n"), wanted)
	}
}

// The selectors that people type find the same type.
func TestSelectors(t *testing.T) {
	w := open(t, 1)
	for kind, selectors := range map[string][]string{
		"Folder":    {"folders", "folder", "Folder", "folder.folders", "folders." + w.folders(t).Version + ".folder.grafana.app"},
		"Dashboard": {"dashboards", "dashboard", "dashboard.dashboards", "dashboards." + w.dashboards(t).Version + ".dashboard.grafana.app"},
		"Playlist":  {"playlists", "playlist.playlists"},
	} {
		for _, sel := range selectors {
			found, err := w.Find(sel)
			no(t, sel, err)
			want(t, sel, fmt.Sprint(len(found), found[0].Kind), fmt.Sprint(1, kind))
		}
	}
	if _, err := w.Find("nonsense"); err == nil {
		t.Fatal("nonsense is supported")
	}
	for _, k := range w.Preferred() {
		if strings.HasSuffix(k.Group, ".k8s.io") || k.Group == "" {
			t.Errorf("%s of the machinery is taken for an application's", k.gvk())
		}
	}
}

// `gcx resources push`: folders by depth, each looked for, then created; again, each updated with its resourceVersion.
func TestPush(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	tree := []*Object{w.folder(t, "team", ""), w.folder(t, "ops", "team"), w.folder(t, "dev", "team"), w.folder(t, "ops-eu", "ops"),
		w.folder(t, "ops-eu-1", "ops-eu"), w.dashboard(t, "top", ""), w.dashboard(t, "deep", "ops-eu-1"), w.playlist(t, "rounds")}
	dir := put(t, filepath.Join(w.dir, "tree"), tree...)
	sum, err := w.Push(w.ctx, w.Registry, dir, PushOptions{})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(8, map[string]error(nil)))
	lines := w.Wire.Lines()
	var wanted []string
	for _, u := range tree {
		k, _ := w.Supported(u.GroupVersionKind())
		wanted = append(wanted, "GET "+path(k, "default", "/"+u.GetName())+" 404", "POST "+path(k, "default", "")+" 201")
	}
	want(t, "calls", strings.Join(sorted(lines), "\n"), strings.Join(sorted(wanted), "\n"))
	for child, parent := range map[string]string{"ops": "team", "dev": "team", "ops-eu": "ops", "ops-eu-1": "ops-eu"} {
		at := func(name string) int {
			return slices.Index(lines, "GET "+path(w.folders(t), "default", "/"+name)+" 404")
		}
		if at(child) < at(parent) {
			t.Errorf("%s was looked for before %s", child, parent)
		}
	}

	// again: what the server has is what was pushed, and gcx's
	sum, err = w.Push(w.ctx, w.Registry, dir, PushOptions{})
	no(t, "push", err)
	want(t, "push again", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(8, map[string]error(nil)))
	bodies := slices.Clone(w.Wire.bodies)
	puts := 0
	for i, line := range w.Wire.Lines() {
		if strings.HasPrefix(line, "GET") {
			want(t, line, strings.HasSuffix(line, " 200"), true)
			continue
		}
		puts++
		want(t, line, strings.HasPrefix(line, "PUT ") && strings.HasSuffix(line, " 200"), true)
		var u Object
		no(t, "body", json.Unmarshal([]byte(bodies[i]), &u.Object))
		want(t, "resourceVersion is sent", u.GetResourceVersion() != "", true)
	}
	want(t, "updates", puts, 8)
	deep, err := w.Get(w.ctx, w.dashboards(t), "deep")
	no(t, "get", err)
	a := deep.GetAnnotations()
	want(t, "manager", a[annoManager]+" "+a[annoManagerID]+" "+a[annoAllowsEdits], "kubectl gcx true")
	want(t, "source", a[annoSourcePath], "file://"+filepath.Join(dir, "Dashboard-deep.json"))
	want(t, "folder", a[annoFolder], "ops-eu-1")
	title, _, _ := unstructured.NestedString(deep.Object, "spec", "title")
	want(t, "title", title, "Title of deep")
}

// A push from another context: the file's namespace does not count, and maps that are null are maps that are empty.
func TestPushOfWhatWasPulled(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	u := w.dashboard(t, "wanderer", "")
	metadata := u.Object["metadata"].(map[string]any)
	metadata["labels"], metadata["annotations"], metadata["namespace"] = nil, nil, "org-7"
	w.push(t, u)
	want(t, "it is here", w.state(t)[0][:len("Dashboard/wanderer@")], "Dashboard/wanderer@")
}

// `gcx resources push --dry-run` writes nothing, over nothing and over what is there.
func TestPushDryRun(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	news := put(t, filepath.Join(w.dir, "new"), w.folder(t, "dry", ""), w.dashboard(t, "dry", ""), w.playlist(t, "dry"))
	before := w.state(t)
	sum, err := w.Push(w.ctx, w.Registry, news, PushOptions{DryRun: true})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(3, map[string]error(nil)))
	for _, line := range w.Wire.Lines() {
		if strings.HasPrefix(line, "POST") {
			want(t, line, strings.HasSuffix(line, "?dryRun=All 201"), true)
		} else {
			want(t, line, strings.HasSuffix(line, " 404"), true)
		}
	}
	want(t, "objects", w.state(t), before)

	w.push(t, w.folder(t, "dry", ""), w.dashboard(t, "dry", ""), w.playlist(t, "dry"))
	before = w.state(t)
	changed := []*Object{w.folder(t, "dry", ""), w.dashboard(t, "dry", ""), w.playlist(t, "dry")}
	for _, u := range changed {
		no(t, "title", unstructured.SetNestedField(u.Object, "Another title", "spec", "title"))
	}
	sum, err = w.Push(w.ctx, w.Registry, put(t, filepath.Join(w.dir, "changed"), changed...), PushOptions{DryRun: true})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(3, map[string]error(nil)))
	for _, line := range w.Wire.Lines() {
		if strings.HasPrefix(line, "PUT") {
			want(t, line, strings.HasSuffix(line, "?dryRun=All 200"), true)
		}
	}
	want(t, "objects", w.state(t), before)
}

// A whole tree is tried before any of it is there; kinds of which gcx does not know that a dry run is one are only looked for; folders that
// are in themselves are refused before anything is asked.
func TestDryRuns(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	before := w.state(t)
	tree := put(t, filepath.Join(w.dir, "tree"), w.folder(t, "outer", ""), w.folder(t, "inner", "outer"), w.dashboard(t, "board", "inner"))
	for _, o := range []PushOptions{{DryRun: true}, {Validate: true}} {
		sum, err := w.Push(w.ctx, w.Registry, tree, o)
		no(t, "push", err)
		want(t, "push", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(3, map[string]error(nil)))
	}
	want(t, "objects", w.state(t), before)

	k, ok := w.Supported(schema.GroupVersionKind{Group: "shorturl.grafana.app", Version: "v1beta1", Kind: "ShortURL"})
	want(t, "short URLs are served", ok, true)
	w.Wire.Lines()
	sum, err := w.Push(w.ctx, w.Registry, put(t, filepath.Join(w.dir, "other"), object(k, "short", "", map[string]any{"path": "d/x"})), PushOptions{DryRun: true})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Skipped, sum.Failed), "0 1 0")
	want(t, "calls", w.Wire.Lines(), "[GET "+path(k, "default", "/short")+" 404]")

	_, err = w.Push(w.ctx, w.Registry, put(t, filepath.Join(w.dir, "ring"), w.folder(t, "a", "b"), w.folder(t, "b", "a")), PushOptions{})
	want(t, "a ring", err != nil && strings.HasPrefix(err.Error(), "Folder a has invalid level"), true)
	want(t, "calls", w.Wire.Lines(), "[]")
}

// `gcx resources validate` names what is wrong with each file, and writes nothing.
func TestValidate(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.folder(t, "there", ""))
	before := w.state(t)
	untitled := w.dashboard(t, "untitled", "")
	unstructured.RemoveNestedField(untitled.Object, "spec", "title")
	wrong := w.playlist(t, "wrong")
	no(t, "items", unstructured.SetNestedField(wrong.Object, "none", "spec", "items"))
	astray := w.dashboard(t, "astray", "")
	astray.SetNamespace("org-7")
	future := w.dashboard(t, "future", "")
	future.SetAPIVersion("dashboard.grafana.app/v99")
	dir := put(t, filepath.Join(w.dir, "all"), w.dashboard(t, "good", "there"), w.folder(t, "good", "there"), w.playlist(t, "good"),
		untitled, wrong, astray, future, w.dashboard(t, "lost", "nowhere"), w.folder(t, "lost", "nowhere"))
	sum, err := w.Push(w.ctx, w.Registry, dir, PushOptions{Validate: true})
	no(t, "validate", err)
	want(t, "counts", fmt.Sprint(sum.Succeeded, sum.Failed), "5 4") // as with Grafana, a dry run takes missing folders for made before
	for what, text := range map[string]string{
		"Dashboard/untitled": "title",
		"Playlist/wrong":     "spec.items",
		"Dashboard/astray":   "does not match the namespace",
		"Dashboard/future":   "resource not supported by the API",
	} {
		if err := sum.Errors[what]; err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v does not say %q", what, err, text)
		}
	}
	want(t, "objects", w.state(t), before)
}

// Somebody else wrote in between: the update is refused, and the error is told as gcx tells it.
func TestConflict(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.playlist(t, "contested"))
	k := w.playlists(t)
	old, err := w.Get(w.ctx, k, "contested")
	no(t, "get", err)
	w.push(t, w.playlist(t, "contested"))
	changed := w.playlist(t, "contested")
	no(t, "title", unstructured.SetNestedField(changed.Object, "Mine", "spec", "title"))
	w.push(t, changed)
	_, err = w.of(k).Update(w.ctx, old, metav1.UpdateOptions{})
	err = decoded(err)
	want(t, "code", code(err), 409)
	want(t, "text", strings.HasPrefix(err.Error(),
		"409 Conflict: Operation cannot be fulfilled on playlists.playlist.grafana.app \"contested\":"), true)
}

// `gcx resources edit KIND/NAME`: the whole object goes back as it came, but for what the editor changed.
func TestEdit(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.dashboard(t, "edited", ""))
	k := w.shown(t)[1]
	u, err := w.Get(w.ctx, k, "edited")
	no(t, "get", err)
	want(t, "it is shown as it was written", u.GetAPIVersion(), w.dashboards(t).GroupVersion)
	uid, generation := u.GetUID(), u.GetGeneration()
	no(t, "title", unstructured.SetNestedField(u.Object, "Edited", "spec", "title"))
	w.push(t, u)
	u, err = w.Get(w.ctx, k, "edited")
	no(t, "get", err)
	title, _, _ := unstructured.NestedString(u.Object, "spec", "title")
	want(t, "title", title, "Edited")
	want(t, "it is the same object, one generation on", fmt.Sprint(u.GetUID(), u.GetGeneration()), fmt.Sprint(uid, generation+1))
}

// `gcx resources get`: fifty of a kind and a sign that there are more, one by name, several, none.
func TestGet(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	k := w.playlists(t)
	w.seed(t, k, 60, func(name string) *Object { return w.playlist(t, name) })
	items, sum, err := w.Fetch(w.ctx, []Kind{k}, 50)
	no(t, "get", err)
	want(t, "items", fmt.Sprint(len(items), sum.Truncated), "50 true")
	want(t, "calls", w.Wire.Lines(), "[GET "+path(k, "default", "?limit=50")+" 200]")
	items, sum, err = w.Fetch(w.ctx, []Kind{k, w.folders(t)}, 0)
	no(t, "get all", err)
	want(t, "items", fmt.Sprint(len(items), sum.Truncated), "60 false")
	items, err = w.Several(w.ctx, k, []string{"seed-00007", "seed-00003"})
	no(t, "several", err)
	want(t, "their order is that of the question", items[0].GetName()+" "+items[1].GetName(), "seed-00007 seed-00003")
	_, err = w.Get(w.ctx, k, "nobody")
	want(t, "nobody", err, `404 NotFound: playlists.playlist.grafana.app "nobody" not found`)
	_, err = w.Several(w.ctx, k, []string{"seed-00007", "nobody"})
	want(t, "one of several", err, `404 NotFound: playlists.playlist.grafana.app "nobody" not found`)
}

// `gcx resources pull`: whole kinds in pages of 500, into files that can be pushed again; what others manage is left out.
func TestPull(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	k := w.playlists(t)
	w.seed(t, k, 1010, func(name string) *Object { return w.playlist(t, name) })
	theirs := w.playlist(t, "theirs")
	theirs.SetAnnotations(map[string]string{annoManager: "terraform", annoManagerID: "somebody"})
	w.seed(t, k, 1, func(string) *Object { return theirs })
	dir := filepath.Join(w.dir, "pulled")
	sum, err := w.Pull(w.ctx, []Kind{k}, dir)
	no(t, "pull", err)
	want(t, "pull", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(1010, map[string]error(nil)))
	want(t, "calls", strings.Join(w.Wire.Lines(), "\n"), strings.Join([]string{"GET " + path(k, "default", "?limit=500") + " 200",
		"GET " + path(k, "default", "?continue=*&limit=500") + " 200", "GET " + path(k, "default", "?continue=*&limit=500") + " 200"}, "\n"))
	files, err := os.ReadDir(filepath.Join(dir, "playlists."+k.Version+".playlist.grafana.app"))
	no(t, "files", err)
	want(t, "files", len(files), 1010)
}

// Pulled, deleted, pushed, pulled: the files are the same.
func TestRoundTrip(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.folder(t, "home", ""), w.folder(t, "inner", "home"), w.dashboard(t, "board", "inner"), w.playlist(t, "rounds"))
	kinds := w.shown(t)
	first, second := filepath.Join(w.dir, "first"), filepath.Join(w.dir, "second")
	_, err := w.Pull(w.ctx, kinds, first)
	no(t, "pull", err)
	w.clear(t)
	sum, err := w.Push(w.ctx, w.Registry, first, PushOptions{})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(4, map[string]error(nil)))
	sum, err = w.Pull(w.ctx, kinds, second)
	no(t, "pull", err)
	want(t, "pull", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(4, map[string]error(nil)))
	before, err := readDir(first)
	no(t, "read", err)
	for _, m := range before {
		other, err := os.ReadFile(filepath.Join(second, strings.TrimPrefix(m.path, first)))
		no(t, "the other", err)
		own, _ := os.ReadFile(m.path)
		want(t, m.path, string(own), string(other))
		for _, gone := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"} {
			if _, kept, _ := unstructured.NestedFieldNoCopy(m.Object.Object, "metadata", gone); kept {
				t.Errorf("%s keeps %s", m.path, gone)
			}
		}
	}
}

// `gcx resources pull` without a selector asks for all that discovery shows, and finds applications only.
func TestPullEverything(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.folder(t, "home", ""), w.dashboard(t, "board", "home"), w.playlist(t, "rounds"))
	event := &Object{Object: map[string]any{"apiVersion": "v1", "kind": "Event", "reason": "Tested", "message": "without a spec",
		"type": "Normal", "involvedObject": map[string]any{"kind": "Playlist", "name": "rounds", "namespace": "default"}}}
	event.SetGenerateName("gcx-")
	d, err := dynamic.NewForConfig(&w.Config)
	no(t, "client", err)
	_, err = d.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace("default").
		Create(w.ctx, event, metav1.CreateOptions{})
	no(t, "an event", err)
	sum, err := w.Pull(w.ctx, w.Preferred(), filepath.Join(w.dir, "everything"))
	no(t, "pull", err)
	want(t, "failures", sum.Errors, map[string]error(nil))
	if sum.Succeeded < 3 {
		t.Fatalf("%d objects were pulled", sum.Succeeded)
	}
}

// `gcx resources delete`: fetched by name, deleted; a dry run deletes nothing; what is in use stays until it is empty.
func TestDelete(t *testing.T) {
	w := open(t, 1)
	w.clear(t)
	w.push(t, w.folder(t, "outer", ""), w.folder(t, "inner", "outer"), w.dashboard(t, "one", "inner"), w.dashboard(t, "two", ""))
	k := w.dashboards(t)
	before := w.state(t)
	all, err := w.Several(w.ctx, k, []string{"one", "two"})
	no(t, "fetch", err)
	w.Wire.Lines()
	sum, err := w.Delete(w.ctx, w.Registry, all, true)
	no(t, "dry run", err)
	want(t, "dry run", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(2, map[string]error(nil)))
	for _, body := range w.Wire.bodies {
		want(t, "body", strings.TrimSpace(body), `{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}`)
	}
	want(t, "calls", strings.Join(sorted(w.Wire.Lines()), "\n"),
		"DELETE "+path(k, "default", "/one")+" 200\nDELETE "+path(k, "default", "/two")+" 200")
	want(t, "objects", w.state(t), before)

	outer, err := w.Several(w.ctx, w.folders(t), []string{"outer"})
	no(t, "fetch", err)
	sum, err = w.Delete(w.ctx, w.Registry, outer, false)
	no(t, "delete", err)
	if err := sum.Errors["Folder/outer"]; err == nil || code(err) < 400 || code(err) > 499 {
		t.Fatalf("a folder that is not empty went: %v", err)
	}
	want(t, "objects", w.state(t), before)
	sum, err = w.Delete(w.ctx, w.Registry, all, false)
	no(t, "delete", err)
	want(t, "delete", fmt.Sprint(sum.Succeeded, sum.Errors), fmt.Sprint(2, map[string]error(nil)))
	sum, err = w.Delete(w.ctx, w.Registry, all, false)
	no(t, "delete again", err)
	want(t, "again", sum.Errors["Dashboard/one"], `404 NotFound: dashboards.dashboard.grafana.app "one" not found`)
	w.clear(t)
}

// `gcx resources list-types`: each kind has a schema of its spec in the OpenAPI documents.
func TestSchemas(t *testing.T) {
	w := open(t, 1)
	kinds := append(w.shown(t), w.dashboards(t))
	var all []Kind
	for _, list := range w.kinds {
		all = append(all, list...)
	}
	found, err := w.Schemas(w.ctx, all)
	no(t, "schemas", err)
	lines := w.Wire.Lines()
	want(t, "the index comes first", lines[0], "GET /openapi/v3 200")
	want(t, "documents", len(lines) > 3, true)
	for _, line := range lines[1:] {
		want(t, line, strings.HasPrefix(line, "GET /openapi/v3/apis/") && strings.Contains(line, "?hash=") &&
			strings.HasSuffix(line, " 200"), true)
	}
	for _, k := range kinds {
		key := k.GroupVersion.String() + "/" + k.Kind
		properties, _ := found[key]["properties"].(map[string]any)
		title, _ := properties["title"].(map[string]any)
		want(t, key+" title", title["type"], "string")
	}
}
