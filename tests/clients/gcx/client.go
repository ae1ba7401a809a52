// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"
)

// workers is how many requests of one command are under way at a time.
const workers = 10

// Object is what all commands move around.
type Object = unstructured.Unstructured

// Error is a Status as gcx shows it: "409 Conflict: Operation cannot be fulfilled on ...".
type Error struct{ status metav1.Status }

func (e Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.status.Code, e.status.Reason, e.status.Message)
}

// Status makes it one of apimachinery's errors.
func (e Error) Status() metav1.Status { return e.status }

func decoded(err error) error {
	if err == nil {
		return nil
	}
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		return Error{known.Status()}
	}
	return Error{metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonUnknown,
		Code: http.StatusInternalServerError, Message: err.Error()}}
}

// Client is the dynamic client in the session's namespace.
type Client struct {
	dynamic   dynamic.Interface
	namespace string
}

// Client makes one.
func (s *Session) Client() (*Client, error) {
	d, err := dynamic.NewForConfig(&s.Config)
	return &Client{d, s.Namespace}, err
}

func (c *Client) of(k Kind) dynamic.ResourceInterface {
	return c.dynamic.Resource(k.Resource()).Namespace(c.namespace)
}

// List reads one page of limit objects, or with limit 0 every page of 500; objects that were written in another version are read again
// in that. The continue token is that of a page.
func (c *Client) List(ctx context.Context, k Kind, limit int64) ([]Object, string, error) {
	opts := metav1.ListOptions{Limit: limit}
	if limit > 0 {
		page, err := c.of(k).List(ctx, opts)
		if err != nil {
			return nil, "", decoded(err)
		}
		items, err := c.asStored(ctx, k, page.Items)
		return items, page.GetContinue(), err
	}
	var all []Object
	pages := pager.New(func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
		return c.of(k).List(ctx, opts)
	})
	err := pages.EachListItemWithAlloc(ctx, opts, func(o runtime.Object) error {
		all = append(all, *o.(*Object))
		return nil
	})
	if err != nil {
		return nil, "", decoded(err)
	}
	all, err = c.asStored(ctx, k, all)
	return all, "", err
}

// asStored reads those again that say in status.conversion.storedVersion that they were converted.
func (c *Client) asStored(ctx context.Context, k Kind, items []Object) ([]Object, error) {
	var kept []Object
	other := map[string][]string{}
	for _, u := range items {
		if v := storedVersion(&u); v != "" {
			other[v] = append(other[v], u.GetName())
		} else {
			kept = append(kept, u)
		}
	}
	for version, names := range other {
		k.Version = version
		more, err := c.several(ctx, k, names)
		if err != nil {
			return nil, err
		}
		kept = append(kept, more...)
	}
	return kept, nil
}

func storedVersion(u *Object) string {
	v, _, _ := unstructured.NestedString(u.Object, "status", "conversion", "storedVersion")
	return v
}

// Several reads objects by name, each in the version it was written in.
func (c *Client) Several(ctx context.Context, k Kind, names []string) ([]Object, error) {
	items, err := c.several(ctx, k, names)
	if err != nil {
		return nil, err
	}
	return c.asStored(ctx, k, items)
}

func (c *Client) several(ctx context.Context, k Kind, names []string) ([]Object, error) {
	found := make([]Object, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, name := range names {
		group.Go(func() error {
			u, err := c.of(k).Get(ctx, name, metav1.GetOptions{})
			if err == nil {
				found[i] = *u
			}
			return decoded(err)
		})
	}
	return found, group.Wait()
}

// Get reads an object, in the version it was written in.
func (c *Client) Get(ctx context.Context, k Kind, name string) (*Object, error) {
	u, err := c.of(k).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, decoded(err)
	}
	if v := storedVersion(u); v != "" {
		k.Version = v
		u, err = c.of(k).Get(ctx, name, metav1.GetOptions{})
	}
	return u, decoded(err)
}

func dryRun(dry bool) []string {
	if dry {
		return []string{metav1.DryRunAll}
	}
	return nil
}

// errUnverified: gcx sends no dry run of this kind, since it does not know that the server would only try.
var errUnverified = errors.New("not verified")

// triable are the kinds of which gcx knows that a dry run of them is one.
var triable = map[string]bool{"folders.folder.grafana.app": true, "dashboards.dashboard.grafana.app": true, "playlists.playlist.grafana.app": true}

// upsert looks whether the object is there, and takes over its resourceVersion if so.
func (c *Client) upsert(ctx context.Context, k Kind, u *Object, dry bool) error {
	there, err := c.of(k).Get(ctx, u.GetName(), metav1.GetOptions{})
	if dry && !triable[k.Plural+"."+k.Group] && (err == nil || apierrors.IsNotFound(err)) {
		return errUnverified
	}
	if err == nil {
		u = u.DeepCopy()
		u.SetResourceVersion(there.GetResourceVersion())
		_, err = c.of(k).Update(ctx, u, metav1.UpdateOptions{DryRun: dryRun(dry)})
	} else if apierrors.IsNotFound(err) {
		_, err = c.of(k).Create(ctx, u, metav1.CreateOptions{DryRun: dryRun(dry)})
	}
	return decoded(err)
}

func (c *Client) remove(ctx context.Context, k Kind, name string, dry bool) error {
	if dry && !triable[k.Plural+"."+k.Group] {
		if _, err := c.of(k).Get(ctx, name, metav1.GetOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return decoded(err)
		}
		return errUnverified
	}
	return decoded(c.of(k).Delete(ctx, name, metav1.DeleteOptions{DryRun: dryRun(dry)}))
}
