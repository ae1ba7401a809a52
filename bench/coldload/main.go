// SPDX-License-Identifier: Apache-2.0

// Command coldload reads random objects of a large store, pages of lists and
// watches, for a set time; with -names 0 it only asks /livez 100 times a second
// on several connections, which is how late the server's event loops are. It
// prints one JSON object. bench/cold.py runs it.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"sync"
	"time"
)

var (
	base    = flag.String("url", "", "server address")
	token   = flag.String("token", "", "bearer token")
	seconds = flag.Float64("seconds", 20, "for how long")
	names   = flag.Int("names", 0, "objects to choose from, w-00000000 onwards; 0: probe only")
	getters = flag.Int("getters", 16, "gets at once")
	listers = flag.Int("listers", 2, "lists at once, pages of 50")
	watches = flag.Int("watches", 20, "watches held open")
	probes  = flag.Int("probes", 8, "connections of the probe")
)

const group = "/apis/bench.example.com/v1/namespaces/default/widgets"

var until time.Time

type spread struct {
	N    int     `json:"n"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	Max  float64 `json:"max_ms"`
	Fail int     `json:"failures"`
}

type times struct {
	mu   sync.Mutex
	ms   []float64
	fail int
}

func (t *times) add(begun time.Time, err error) {
	d := float64(time.Since(begun).Microseconds()) / 1000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ms = append(t.ms, d)
	if err != nil {
		t.fail++
	}
}

func (t *times) spread() spread {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ms) == 0 {
		return spread{Fail: t.fail}
	}
	sort.Float64s(t.ms)
	at := func(p float64) float64 { return t.ms[int(p*float64(len(t.ms)-1))] }
	return spread{len(t.ms), at(.5), at(.99), t.ms[len(t.ms)-1], t.fail}
}

// one connection of its own
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}}
}

func get(c *http.Client, path string) ([]byte, error) {
	req, err := http.NewRequest("GET", *base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+*token)
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return b, err
}

func getter(t *times, seed int64) {
	c, r := client(), rand.New(rand.NewSource(seed))
	for time.Now().Before(until) {
		begun := time.Now()
		_, err := get(c, fmt.Sprintf("%s/w-%08d", group, r.Intn(*names)))
		t.add(begun, err)
	}
}

// pages, each from where the one before ended; short walks begin again
func lister(t *times) {
	c, path := client(), group+"?limit=50"
	next := path
	for time.Now().Before(until) {
		begun := time.Now()
		b, err := get(c, next)
		t.add(begun, err)
		next = path
		var l struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
		}
		if json.Unmarshal(b, &l) == nil && l.Metadata.Continue != "" && *names > 1000 {
			next += "&continue=" + l.Metadata.Continue
		}
	}
}

func watch() {
	c := client()
	for time.Now().Before(until) {
		path := fmt.Sprintf("%s?watch=1&timeoutSeconds=%d", group, 1+int(time.Until(until).Seconds()))
		if _, err := get(c, path); err != nil {
			return
		}
	}
}

// each connection asks at its own times, so that one that waits keeps no other from asking
func prober(t *times, i int) {
	c, every := client(), time.Duration(*probes)*10*time.Millisecond
	get(c, "/livez")
	time.Sleep(time.Duration(i) * 10 * time.Millisecond)
	for k := time.NewTicker(every); time.Now().Before(until); <-k.C {
		begun := time.Now()
		_, err := get(c, "/livez")
		t.add(begun, err)
	}
}

func main() {
	flag.Parse()
	until = time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	var wg sync.WaitGroup
	start := func(n int, f func(i int)) {
		for i := 0; i < n; i++ {
			wg.Add(1)
			go func(i int) { defer wg.Done(); f(i) }(i)
		}
	}
	var gets, lists, probed times
	out := map[string]spread{}
	if *names == 0 {
		start(*probes, func(i int) { prober(&probed, i) })
		wg.Wait()
		out["probe"] = probed.spread()
	} else {
		for i := 0; i < *watches; i++ {
			go watch()
		}
		start(*getters, func(i int) { getter(&gets, int64(i)) })
		start(*listers, func(int) { lister(&lists) })
		wg.Wait()
		out["get"], out["list"] = gets.spread(), lists.spread()
	}
	json.NewEncoder(os.Stdout).Encode(out)
	for name, s := range out {
		if s.Fail > 0 {
			fmt.Fprintf(os.Stderr, "coldload: %s: %d failed\n", name, s.Fail)
		}
	}
}
