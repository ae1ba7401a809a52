// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

const patience = 10 * time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// want fails the test where the two print differently.
func want(t testing.TB, what string, got, wanted any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(wanted); g != w {
		t.Fatalf("%s:\n  got  %s\n  want %s", what, g, w)
	}
}

func no(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// world is a session past its beginnings, what it discovered, and a client.
type world struct {
	*Session
	*Registry
	*Client
	ctx context.Context
	dir string
}

func open(t testing.TB, orgID int64) *world {
	t.Helper()
	ctx := within(t)
	s, err := Open(ctx, orgID, false, t.TempDir())
	no(t, "open", err)
	r, err := s.Discover()
	no(t, "discover", err)
	c, err := s.Client()
	no(t, "client", err)
	s.Wire.Lines()
	return &world{s, r, c, ctx, t.TempDir()}
}

// kind is a type in the first of the versions that is served; without versions in the preferred one.
func (w *world) kind(t testing.TB, group, kind string, versions ...string) Kind {
	t.Helper()
	if len(versions) == 0 {
		versions = []string{w.preferred[group].Version}
	}
	for _, v := range versions {
		if k, ok := w.Supported(schema.GroupVersionKind{Group: group, Version: v, Kind: kind}); ok {
			return k
		}
	}
	t.Fatalf("%s of %s is not served in any of %v", kind, group, versions)
	return Kind{}
}

// shown is the types in the versions that commands list them in; dashboards are written in another, the classic model that people have.
func (w *world) shown(t testing.TB) []Kind {
	return []Kind{w.folders(t), w.kind(t, "dashboard.grafana.app", "Dashboard"), w.playlists(t)}
}

func (w *world) folders(t testing.TB) Kind { return w.kind(t, "folder.grafana.app", "Folder") }
func (w *world) dashboards(t testing.TB) Kind {
	return w.kind(t, "dashboard.grafana.app", "Dashboard", "v1", "v1beta1", "v0alpha1")
}
func (w *world) playlists(t testing.TB) Kind { return w.kind(t, "playlist.grafana.app", "Playlist") }

func object(k Kind, name, folder string, spec map[string]any) *Object {
	u := &Object{Object: map[string]any{"apiVersion": k.GroupVersion.String(), "kind": k.Kind, "spec": spec}}
	u.SetName(name)
	if folder != "" {
		u.SetAnnotations(map[string]string{annoFolder: folder})
	}
	return u
}

func (w *world) folder(t testing.TB, name, parent string) *Object {
	return object(w.folders(t), name, parent, map[string]any{"title": "Title of " + name})
}

func (w *world) dashboard(t testing.TB, name, folder string) *Object {
	return object(w.dashboards(t), name, folder, map[string]any{
		"title": "Title of " + name, "tags": []any{"gcx", name}, "schemaVersion": int64(41), "timezone": "browser",
		"panels": []any{map[string]any{"id": int64(1), "type": "timeseries", "title": "Requests",
			"gridPos": map[string]any{"x": int64(0), "y": int64(0), "w": int64(12), "h": int64(8)}}},
	})
}

func (w *world) playlist(t testing.TB, name string) *Object {
	return object(w.playlists(t), name, "", map[string]any{
		"title": "Title of " + name, "interval": "5m",
		"items": []any{map[string]any{"type": "dashboard_by_tag", "value": "gcx"}},
	})
}

// put writes manifests as a person would.
func put(t testing.TB, dir string, all ...*Object) string {
	t.Helper()
	no(t, "mkdir", os.MkdirAll(dir, 0o755))
	for _, u := range all {
		text, err := json.MarshalIndent(u.Object, "", "  ")
		no(t, "encode", err)
		path := filepath.Join(dir, u.GetKind()+"-"+u.GetName()+".json")
		no(t, "write", os.WriteFile(path, text, 0o644))
	}
	return dir
}

// push sends manifests and insists that all were taken.
func (w *world) push(t testing.TB, all ...*Object) *Summary {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "push")
	no(t, "mkdir", err)
	sum, err := w.Push(w.ctx, w.Registry, put(t, dir, all...), PushOptions{})
	no(t, "push", err)
	want(t, "push", fmt.Sprint(sum.Succeeded, sum.Failed, sum.Errors), fmt.Sprint(len(all), 0, map[string]error(nil)))
	return sum
}

// fast is a client without the command's own limit on requests, past the record.
func (w *world) fast(t testing.TB) *Client {
	t.Helper()
	c := w.Config
	c.QPS, c.WrapTransport = -1, nil
	d, err := dynamic.NewForConfig(&c)
	no(t, "client", err)
	return &Client{d, w.Namespace}
}

func (w *world) seed(t testing.TB, k Kind, n int, make func(name string) *Object) {
	t.Helper()
	c := w.fast(t)
	for i := range n {
		_, err := c.of(k).Create(w.ctx, make(fmt.Sprintf("seed-%05d", i)), metav1.CreateOptions{})
		no(t, "create", err)
	}
}

// clear removes every object of the kinds that the tests use, as often as folders inside of folders take.
func (w *world) clear(t testing.TB) {
	t.Helper()
	c, kinds := w.fast(t), w.shown(t)
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		all, sum, err := c.Fetch(w.ctx, kinds, 0)
		no(t, "fetch", err)
		want(t, "types that failed", sum.Errors, map[string]error(nil))
		if len(all) == 0 {
			return
		}
		sum, err = c.Delete(w.ctx, w.Registry, all, false)
		no(t, "delete", err)
		for what, err := range sum.Errors {
			if !strings.HasPrefix(what, "Folder/") {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	t.Fatal("objects are left that do not go")
}

// state is every object of the kinds with its resourceVersion.
func (w *world) state(t testing.TB) []string {
	t.Helper()
	all, sum, err := w.fast(t).Fetch(w.ctx, w.shown(t), 0)
	no(t, "fetch", err)
	want(t, "types that failed", sum.Errors, map[string]error(nil))
	var lines []string
	for _, u := range all {
		lines = append(lines, u.GetKind()+"/"+u.GetName()+"@"+u.GetResourceVersion())
	}
	sort.Strings(lines)
	return lines
}

func sorted(lines []string) []string {
	lines = slices.Clone(lines)
	sort.Strings(lines)
	return lines
}

func path(k Kind, namespace, rest string) string {
	return "/apis/" + k.GroupVersion.String() + "/namespaces/" + namespace + "/" + k.Plural + rest
}

func code(err error) int32 {
	var s apierrors.APIStatus
	if e, ok := err.(apierrors.APIStatus); ok {
		s = e
		return s.Status().Code
	}
	return 0
}
