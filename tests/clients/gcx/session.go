// SPDX-License-Identifier: Apache-2.0

// Package gcx makes the calls that gcx, the command line of Grafana's app platform, makes of a server: the same requests in the same
// order with the same parameters and headers, through the same release of client-go. README.md says which command makes which.
package gcx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Wire remembers the requests of a command, each as "METHOD PATH?QUERY STATUS", and their headers.
type Wire struct {
	mu      sync.Mutex
	lines   []string
	headers []http.Header
	bodies  []string
}

type recorder struct {
	wire *Wire
	next http.RoundTripper
}

var token = regexp.MustCompile(`continue=[^&]+`)

func (r recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	body := ""
	if q.GetBody != nil {
		if from, err := q.GetBody(); err == nil {
			text, _ := io.ReadAll(from)
			body = string(text)
		}
	}
	a, err := r.next.RoundTrip(q)
	status := 0
	if err == nil {
		status = a.StatusCode
	}
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	line := token.ReplaceAllString(q.URL.RequestURI(), "continue=*")
	r.wire.lines = append(r.wire.lines, fmt.Sprintf("%s %s %d", q.Method, line, status))
	r.wire.headers = append(r.wire.headers, q.Header.Clone())
	r.wire.bodies = append(r.wire.bodies, body)
	return a, err
}

// Lines is what was asked so far; it is forgotten.
func (w *Wire) Lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines, w.headers, w.bodies = nil, nil, nil
	return lines
}

// callerID is the header by which gcx names itself in every request to resources.
type callerID struct{ next http.RoundTripper }

func (c callerID) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Header.Set("X-Grafana-Caller-Id", "gcx")
	return c.next.RoundTrip(q)
}

// Session is a configured context: a server, a way to authenticate, an organisation.
type Session struct {
	Config    rest.Config
	Namespace string
	Wire      *Wire
	server    string
	orgID     int64
	cache     string // directory of what discovery said
}

func userAgent() string {
	return fmt.Sprintf("gcx/SNAPSHOT (%s/%s)", runtime.GOOS, runtime.GOARCH)
}

// Open reads the configuration as every command does first: a token (CORACLE_TOKEN) or the kubeconfig's certificate, and the namespace
// from /bootdata or, where that is not answered, from the organisation.
func Open(ctx context.Context, orgID int64, cert bool, cache string) (*Session, error) {
	from, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	s := &Session{Wire: &Wire{}, server: strings.TrimSuffix(from.Host, "/"), orgID: orgID, cache: cache}
	s.Config = rest.Config{
		UserAgent: userAgent(),
		Host:      s.server,
		APIPath:   "/apis",
		QPS:       50,
		Burst:     100,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: from.CAData,
		},
	}
	if cert {
		s.Config.CertData, s.Config.KeyData = from.CertData, from.KeyData
	} else {
		s.Config.BearerToken = os.Getenv("CORACLE_TOKEN")
	}
	s.Config.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
		return callerID{recorder{s.Wire, rt}}
	}
	s.Namespace, err = s.namespace(ctx)
	return s, err
}

// plain is a client outside of client-go: without credentials, except for the certificate where that is what authenticates.
func (s *Session) plain() (*http.Client, error) {
	tls, err := rest.TLSConfigFor(&s.Config)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: recorder{s.Wire, &http.Transport{TLSClientConfig: tls}}}, nil
}

// get asks for a path with a plain client and reads the answer's JSON where it is a 200.
func (s *Session) get(ctx context.Context, path string, headers map[string]string, to any) (int, error) {
	client, err := s.plain()
	if err != nil {
		return 0, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+path, nil)
	if err != nil {
		return 0, err
	}
	for name, value := range headers {
		q.Header.Set(name, value)
	}
	a, err := client.Do(q)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	if a.StatusCode == http.StatusOK {
		err = json.NewDecoder(a.Body).Decode(to)
	}
	return a.StatusCode, err
}

// namespace is a stack's where the server says that it has one, and the organisation's otherwise.
func (s *Session) namespace(ctx context.Context) (string, error) {
	var boot struct {
		Settings struct {
			Namespace string `json:"namespace"`
		} `json:"settings"`
	}
	code, err := s.get(ctx, "/bootdata", nil, &boot)
	if err != nil {
		return "", err
	}
	if code == http.StatusOK && strings.HasPrefix(boot.Settings.Namespace, "stacks-") {
		return boot.Settings.Namespace, nil
	}
	if s.orgID <= 1 {
		return "default", nil
	}
	return fmt.Sprintf("org-%d", s.orgID), nil
}

// Health is what gcx reads of /api/health.
type Health struct {
	Commit   string `json:"commit"`
	Database string `json:"database"`
	Version  string `json:"version"`
}

// Health asks for the version, with the token if there is one.
func (s *Session) Health(ctx context.Context) (Health, error) {
	var h Health
	headers := map[string]string{"Accept": "application/json", "User-Agent": userAgent()}
	if s.Config.BearerToken != "" {
		headers["Authorization"] = "Bearer " + s.Config.BearerToken
	}
	if s.orgID != 0 {
		headers["X-Grafana-Org-Id"] = fmt.Sprint(s.orgID)
	}
	code, err := s.get(ctx, "/api/health", headers, &h)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("/api/health: status %d", code)
	}
	return h, err
}

// AnonymousSettings is how a login tells a cloud from other servers: only a 200 settles it.
func (s *Session) AnonymousSettings(ctx context.Context) (int, string, error) {
	var settings struct {
		BuildInfo struct {
			GrafanaURL string `json:"grafanaUrl"`
		} `json:"buildInfo"`
	}
	code, err := s.get(ctx, "/api/frontend/settings", map[string]string{"User-Agent": userAgent()}, &settings)
	return code, settings.BuildInfo.GrafanaURL, err
}
