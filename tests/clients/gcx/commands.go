// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// The annotations of Grafana that gcx reads or writes.
const (
	annoFolder      = "grafana.app/folder"
	annoManager     = "grafana.app/managedBy"
	annoManagerID   = "grafana.app/managerId"
	annoAllowsEdits = "grafana.app/managerAllowsEdits"
	annoSuspended   = "grafana.app/managerSuspended"
	annoSourcePath  = "grafana.app/sourcePath"
	annoSourceSum   = "grafana.app/sourceChecksum"
	annoSourceTime  = "grafana.app/sourceTimestamp"
	annoCreatedBy   = "grafana.app/createdBy"
	annoUpdatedBy   = "grafana.app/updatedBy"
	annoUpdatedAt   = "grafana.app/updatedTimestamp"
	ownManager      = "kubectl" // the kind of manager that gcx takes for itself
)

// Summary counts what became of the objects of a command.
type Summary struct {
	mu                         sync.Mutex
	Succeeded, Skipped, Failed int
	Truncated                  bool
	Errors                     map[string]error // by "Kind/name", or by resource where a whole type failed
}

func (s *Summary) count(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.Succeeded++
		return
	}
	if errors.Is(err, errUnverified) {
		s.Skipped++
		return
	}
	s.Failed++
	if s.Errors == nil {
		s.Errors = map[string]error{}
	}
	s.Errors[what] = err
}

func (s *Summary) skip() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Skipped++
}

// Whose an object is: gcx's own, as are those without a manager.
func isOwn(u *Object) bool {
	a := u.GetAnnotations()
	return a[annoManagerID] == "" || a[annoManager] == ownManager
}

// ---- get and pull ----

// Fetch lists the kinds, limit objects of each (0: all). Types that cannot be listed are skipped.
func (c *Client) Fetch(ctx context.Context, kinds []Kind, limit int64) ([]Object, *Summary, error) {
	sum := &Summary{}
	found := make([][]Object, len(kinds))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, k := range kinds {
		group.Go(func() error {
			items, next, err := c.List(ctx, k, limit)
			switch {
			case apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err):
				sum.skip()
			case err != nil:
				sum.count(k.Plural+"."+k.Group, err)
			default:
				found[i] = items
				sum.mu.Lock()
				sum.Truncated = sum.Truncated || next != ""
				sum.mu.Unlock()
			}
			return nil
		})
	}
	err := group.Wait()
	var all []Object
	for _, items := range found {
		all = append(all, items...)
	}
	return all, sum, err
}

// strip leaves what belongs into a file: what servers set goes, and what gcx itself sets on a push.
func strip(u *Object) (*Object, error) {
	spec, ok := u.Object["spec"]
	if !ok {
		return nil, fmt.Errorf("%s %s has no spec", u.GetKind(), u.GetName())
	}
	annotations := u.GetAnnotations()
	for _, key := range []string{annoCreatedBy, annoUpdatedBy, annoUpdatedAt} {
		delete(annotations, key)
	}
	if annotations[annoManagerID] != "" && annotations[annoManager] == ownManager {
		for _, key := range []string{annoManager, annoManagerID, annoSuspended, annoAllowsEdits, annoSourcePath, annoSourceSum,
			annoSourceTime} {
			delete(annotations, key)
		}
	}
	labels := u.GetLabels()
	delete(labels, "grafana.app/deprecatedInternalID")
	return &Object{Object: map[string]any{
		"apiVersion": u.GetAPIVersion(),
		"kind":       u.GetKind(),
		"metadata": map[string]any{ // empty maps become null, in the file and in what is pushed from it
			"name": u.GetName(), "namespace": u.GetNamespace(), "annotations": annotations, "labels": labels,
		},
		"spec": spec,
	}}, nil
}

// Pull writes all objects of the kinds, except those that something else manages, into files: RESOURCE.VERSION.GROUP/NAME.json.
func (c *Client) Pull(ctx context.Context, kinds []Kind, dir string) (*Summary, error) {
	all, sum, err := c.Fetch(ctx, kinds, 0)
	if err != nil {
		return nil, err
	}
	plural := map[string]string{}
	for _, k := range kinds {
		plural[k.Group+k.Kind] = k.Plural
	}
	for i := range all {
		u := &all[i]
		if !isOwn(u) {
			continue
		}
		gvk := u.GroupVersionKind()
		folder := filepath.Join(dir, plural[gvk.Group+gvk.Kind]+"."+gvk.Version+"."+gvk.Group)
		sum.count(u.GetKind()+"/"+u.GetName(), write(u, folder))
	}
	return sum, nil
}

func write(u *Object, folder string) error {
	bare, err := strip(u)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(bare.Object, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, u.GetName()+".json"), append(text, '\n'), 0o644)
}

// ---- push, validate ----

// manifest is an object and the file it was read from.
type manifest struct {
	*Object
	path string
}

func readDir(dir string) ([]manifest, error) {
	var all []manifest
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		u := &Object{}
		if err := u.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, manifest{u, path})
		return nil
	})
	return all, err
}

func isFolder(u *Object) bool {
	gvk := u.GroupVersionKind()
	return gvk.Group == "folder.grafana.app" && gvk.Kind == "Folder"
}

// byDepth puts folders whose parent is pushed too on a later level than that. Those that are in themselves end the command before anything
// is asked.
func byDepth(all []manifest) (levels [][]manifest, rest []manifest, err error) {
	parent := map[string]string{}
	for _, m := range all {
		if isFolder(m.Object) {
			parent[m.GetName()] = m.GetAnnotations()[annoFolder]
		}
	}
	for _, m := range all {
		if !isFolder(m.Object) {
			rest = append(rest, m)
			continue
		}
		depth := 0
		for at := parent[m.GetName()]; at != "" && depth <= len(parent); depth++ {
			next, pushed := parent[at]
			if !pushed {
				break
			}
			at = next
		}
		if depth > len(parent) {
			return nil, nil, fmt.Errorf("Folder %s has invalid level (circular dependency?)", m.GetName())
		}
		for len(levels) <= depth {
			levels = append(levels, nil)
		}
		levels[depth] = append(levels[depth], m)
	}
	return levels, rest, nil
}

// PushOptions: a push proper takes possession and overrides the namespace; a validation does neither, and only tries.
type PushOptions struct {
	DryRun, Validate bool
}

// Push creates or updates what the files of a folder say: folders level by level, then the rest.
func (c *Client) Push(ctx context.Context, r *Registry, dir string, o PushOptions) (*Summary, error) {
	all, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	sum := &Summary{}
	levels, rest, err := byDepth(all)
	if err != nil {
		return nil, err
	}
	for _, level := range append(levels, rest) {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(workers)
		for _, m := range level {
			group.Go(func() error {
				c.pushOne(ctx, r, m, o, sum)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func (c *Client) pushOne(ctx context.Context, r *Registry, m manifest, o PushOptions, sum *Summary) {
	what := m.GetKind() + "/" + m.GetName()
	k, ok := r.Supported(m.GroupVersionKind())
	if !ok {
		sum.count(what, fmt.Errorf("resource not supported by the API: %s/%s", m.GroupVersionKind(), m.GetName()))
		return
	}
	if !o.Validate {
		m.SetNamespace(c.namespace)
		if isOwn(m.Object) {
			own(m)
		}
	}
	if isOwn(m.Object) {
		sum.count(what, c.upsert(ctx, k, m.Object, o.DryRun || o.Validate))
	}
}

func own(m manifest) {
	a := m.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[annoManager], a[annoManagerID], a[annoAllowsEdits] = ownManager, "gcx", "true"
	a[annoSourcePath] = "file://" + m.path
	m.SetAnnotations(a)
}

// ---- delete ----

// Delete removes the objects, ten at a time in no order of theirs.
func (c *Client) Delete(ctx context.Context, r *Registry, all []Object, dry bool) (*Summary, error) {
	sum := &Summary{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range all {
		u := &all[i]
		group.Go(func() error {
			k, ok := r.Supported(u.GroupVersionKind())
			if !ok {
				return fmt.Errorf("resource not supported by the API: %s", u.GroupVersionKind())
			}
			sum.count(u.GetKind()+"/"+u.GetName(), c.remove(ctx, k, u.GetName(), dry))
			return nil
		})
	}
	return sum, group.Wait()
}

// ---- schemas ----

// Schemas reads the OpenAPI documents of the kinds' group-versions and finds the schema of each kind's spec, by "GROUP/VERSION/KIND".
func (s *Session) Schemas(ctx context.Context, kinds []Kind) (map[string]map[string]any, error) {
	client, err := rest.HTTPClientFor(&s.Config)
	if err != nil {
		return nil, err
	}
	var index struct {
		Paths map[string]struct {
			URL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := s.openAPI(ctx, client, "/openapi/v3", &index); err != nil {
		return nil, err
	}
	wanted := map[string]map[string]bool{}
	for _, k := range kinds {
		path := "apis/" + k.GroupVersion.String()
		if wanted[path] == nil {
			wanted[path] = map[string]bool{}
		}
		wanted[path][k.GroupVersion.String()+"/"+k.Kind] = true
	}
	paths := make([]string, 0, len(wanted))
	for path := range wanted {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	found := map[string]map[string]any{}
	for _, path := range paths {
		entry, ok := index.Paths[path]
		if !ok {
			continue
		}
		var doc struct {
			Components struct {
				Schemas map[string]map[string]any `json:"schemas"`
			} `json:"components"`
		}
		if err := s.openAPI(ctx, client, entry.URL, &doc); err != nil {
			return nil, err
		}
		for _, schema := range doc.Components.Schemas {
			key := keyOf(schema)
			if spec := specOf(schema, doc.Components.Schemas); wanted[path][key] && spec != nil {
				found[key] = spec
			}
		}
	}
	return found, nil
}

func (s *Session) openAPI(ctx context.Context, client *http.Client, path string, to any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+path, nil)
	if err != nil {
		return err
	}
	q.Header.Set("Accept", "application/json")
	a, err := client.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, a.Status)
	}
	return json.NewDecoder(a.Body).Decode(to)
}

// keyOf is "GROUP/VERSION/KIND" of a schema that is a kind's.
func keyOf(schema map[string]any) string {
	list, _ := schema["x-kubernetes-group-version-kind"].([]any)
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			return fmt.Sprintf("%v/%v/%v", m["group"], m["version"], m["kind"])
		}
	}
	return ""
}

// specOf is the schema at the member spec, through one reference.
func specOf(schema map[string]any, all map[string]map[string]any) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	spec, _ := properties["spec"].(map[string]any)
	ref, _ := spec["$ref"].(string)
	if list, ok := spec["allOf"].([]any); ok && ref == "" {
		for _, item := range list {
			if m, ok := item.(map[string]any); ok && ref == "" {
				ref, _ = m["$ref"].(string)
			}
		}
	}
	if to, ok := all[strings.TrimPrefix(ref, "#/components/schemas/")]; ok && ref != "" {
		return to
	}
	return spec
}
