// SPDX-License-Identifier: Apache-2.0

// Package support is what the programs share: the server they are run against, a namespace of their own, patience with an end.
package support

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// CronTabs is the custom type that the harness has put on the server (tests/data/crontabs.yaml).
var CronTabs = schema.GroupVersionResource{Group: "stable.example.com", Version: "v1", Resource: "crontabs"}

// Config is the server's, with the client's own limit on requests out of the way.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	c.QPS, c.Burst = -1, 0
	c.Timeout = 0
	return c
}

// Context ends with the test, or after five minutes.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Namespace makes one for the test, and asks for its deletion at the test's end.
func Namespace(t testing.TB) string {
	t.Helper()
	client := kubernetes.NewForConfigOrDie(Config(t))
	ns, err := client.CoreV1().Namespaces().Create(Context(t), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "go-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	t.Cleanup(func() {
		err := client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("deleting the namespace: %v", err)
		}
	})
	return ns.Name
}

// Restart ends the server (by SIGKILL if kill) and returns when it serves again on the same port and the clients' common transport, which may
// learn later than this that its connection is gone, has a new one: a write that is sent on the old one fails, and nobody can tell whether it
// was done.
func Restart(t testing.TB, kill bool) {
	t.Helper()
	url := os.Getenv("CORACLE_CONTROL") + "/restart?down=0.3"
	if kill {
		url += "&signal=KILL"
	}
	r, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		t.Fatalf("restart: %s", text)
	}
	client := kubernetes.NewForConfigOrDie(Config(t))
	Eventually(t, func() string {
		if _, err := client.Discovery().ServerVersion(); err != nil {
			return err.Error()
		}
		return ""
	})
}

// Eventually asks until it is told "" or a minute and a half is over; what it was told last is the failure's text.
func Eventually(t testing.TB, ask func() string) {
	t.Helper()
	end := time.Now().Add(90 * time.Second)
	for {
		why := ask()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", why)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Want fails the test where the two print differently.
func Want(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Fatalf("%s: %s, not %s", what, g, w)
	}
}

// Words prints values with a space between any two.
func Words(values ...any) string {
	return strings.TrimSuffix(fmt.Sprintln(values...), "\n")
}

// Recorder is a transport that remembers each request and the media type of its answer.
type Recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen []string
}

// Record makes a configuration's requests remembered.
func Record(c *rest.Config) *Recorder {
	r := &Recorder{}
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { r.next = next; return r })
	return r
}

// RoundTrip implements http.RoundTripper.
func (r *Recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := r.next.RoundTrip(q)
	if err == nil {
		line := fmt.Sprintf("%s %s sent=%s answered=%s", q.Method, q.URL.RequestURI(), q.Header.Get("Content-Type"), a.Header.Get("Content-Type"))
		r.mu.Lock()
		r.seen = append(r.seen, line)
		r.mu.Unlock()
	}
	return a, err
}

// Count tells how many of the requests had all the words in their lines: "METHOD PATH?QUERY sent=TYPE answered=TYPE".
func (r *Recorder) Count(words ...string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, line := range r.seen {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// Lines are the requests so far.
func (r *Recorder) Lines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.seen, "\n")
}
