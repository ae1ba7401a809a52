// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/disk"
)

// Kind is a type as gcx knows it.
type Kind struct {
	schema.GroupVersion
	Kind, Plural, Singular string
}

// Resource is what a client addresses the type by.
func (k Kind) Resource() schema.GroupVersionResource {
	return k.WithResource(k.Plural)
}

func (k Kind) gvk() schema.GroupVersionKind {
	return k.WithKind(k.Kind)
}

// Registry is what discovery said: the namespaced types by group-version, and the version each group prefers.
type Registry struct {
	kinds     map[schema.GroupVersion][]Kind
	preferred map[string]schema.GroupVersion
}

// What Grafana serves and its clients leave alone.
var ignored = []string{"apiregistration.k8s.io", "featuretoggle.grafana.app", "service.grafana.app", "userstorage.grafana.app",
	"notifications.alerting.grafana.app", "iam.grafana.app"}

func groupVersion(text string) (schema.GroupVersion, error) {
	group, version, found := strings.Cut(text, "/")
	if !found || group == "" || version == "" || strings.Contains(version, "/") {
		return schema.GroupVersion{}, fmt.Errorf("invalid group version: %s", text)
	}
	return schema.GroupVersion{Group: group, Version: version}, nil
}

// Discover asks what is served, or finds what it was told within the last ten minutes on the disk.
func (s *Session) Discover() (*Registry, error) {
	client, err := disk.NewCachedDiscoveryClientForConfig(&s.Config, s.cache, "", 10*time.Minute)
	if err != nil {
		return nil, err
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return nil, err
	}
	r := &Registry{kinds: map[schema.GroupVersion][]Kind{}, preferred: map[string]schema.GroupVersion{}}
	for _, g := range groups {
		if slices.Contains(ignored, g.Name) {
			continue
		}
		if g.PreferredVersion.Version != "" {
			r.preferred[g.Name] = schema.GroupVersion{Group: g.Name, Version: g.PreferredVersion.Version}
		}
		for _, v := range g.Versions {
			gv := schema.GroupVersion{Group: g.Name, Version: v.Version}
			if _, twice := r.kinds[gv]; twice {
				return nil, fmt.Errorf("duplicate group version: %s", gv)
			}
			r.kinds[gv] = []Kind{}
		}
	}
	for _, list := range lists {
		gv, err := groupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ignored, gv.Group) {
			continue
		}
		for _, res := range list.APIResources {
			if !res.Namespaced || strings.Contains(res.Name, "/") {
				continue
			}
			at := gv
			if res.Group != "" {
				at.Group = res.Group
			}
			if res.Version != "" {
				at.Version = res.Version
			}
			if _, ok := r.kinds[at]; !ok {
				return nil, fmt.Errorf("resource is not listed as supported: %s", at)
			}
			r.kinds[at] = append(r.kinds[at], Kind{at, res.Kind, res.Name, res.SingularName})
		}
	}
	return r, nil
}

// Preferred is every type in the version that its group prefers.
func (r *Registry) Preferred() []Kind {
	var all []Kind
	for _, gv := range r.preferred {
		all = append(all, r.kinds[gv]...)
	}
	return all
}

// Supported is the type of an object, in the object's own version.
func (r *Registry) Supported(gvk schema.GroupVersionKind) (Kind, bool) {
	for _, k := range r.kinds[gvk.GroupVersion()] {
		if k.Kind == gvk.Kind {
			return k, true
		}
	}
	return Kind{}, false
}

// Find reads a selector: RESOURCE, GROUP.RESOURCE with the group's first label, RESOURCE.VERSION.GROUP; the name is a kind, a singular or a
// plural. One kind for each group that has it.
func (r *Registry) Find(selector string) ([]Kind, error) {
	name, version, group := selector, "", ""
	switch parts := strings.SplitN(selector, ".", 3); len(parts) {
	case 2:
		group, name = parts[0], parts[1]
	case 3:
		name, version, group = parts[0], parts[1], parts[2]
	}
	var found []Kind
	for g, gv := range r.preferred {
		if group != "" && g != group && strings.Split(g, ".")[0] != group {
			continue
		}
		if version != "" {
			gv.Version = version
		}
		for _, k := range r.kinds[gv] {
			if name == k.Kind || name == k.Singular || name == k.Plural {
				found = append(found, k)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the server does not support this resource: %s", selector)
	}
	return found, nil
}
