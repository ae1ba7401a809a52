// SPDX-License-Identifier: Apache-2.0

package gcx

import (
	"fmt"
	"testing"
)

// Another organisation is another namespace: what is pushed there is not seen here.
func TestOtherOrganisation(t *testing.T) {
	one, two := open(t, 1), open(t, 2)
	want(t, "namespace", two.Namespace, "org-2")
	one.clear(t)
	two.clear(t)
	two.push(t, two.folder(t, "theirs", ""), two.dashboard(t, "theirs", "theirs"))
	want(t, "here", len(one.state(t)), 0)
	want(t, "there", len(two.state(t)), 2)
	_, err := one.Get(one.ctx, one.folders(t), "theirs")
	want(t, "here", err, fmt.Sprintf(`404 NotFound: folders.folder.grafana.app "theirs" not found`))
	two.clear(t)
}
