# SPDX-License-Identifier: Apache-2.0
"""/metrics as a strict reader of the Prometheus text format sees it, and the health checks."""
import http.server, json, math, os, re, shutil, subprocess, tempfile, threading, time, unittest

from support import Case, Raw, ROOT, Server, Watch, best_of, kubeconfig, until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)?\})? ([^ ]+)" % (NAME, LABEL, LABEL))
VALUE = re.compile(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN")


def parse(text):
    """{family: {"type":, "help":, "samples": {(name, labels): value}}}; raises ValueError on anything the format does not allow."""
    families, current = {}, None
    if not text.endswith("\n"):
        raise ValueError("no newline at the end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP ") or line.startswith("# TYPE "):
            _, what, name, rest = line.split(" ", 3)
            if not re.fullmatch(NAME, name):
                raise ValueError(line)
            if current != name:
                if name in families:
                    raise ValueError("the family %s comes twice" % name)
                families[name] = {"samples": {}}
                current = name
            if what.lower() in families[name] or families[name]["samples"]:
                raise ValueError("a second or late %s line of %s" % (what, name))
            families[name][what.lower()] = rest
            if what == "TYPE" and rest not in ("counter", "gauge", "histogram"):
                raise ValueError(line)
            continue
        m = SAMPLE.fullmatch(line)
        if not m or not VALUE.fullmatch(m.group(3)):
            raise ValueError("no sample: %r" % line)
        name = m.group(1)
        family = families.get(current) or {}
        ends = ("_bucket", "_sum", "_count") if family.get("type") == "histogram" else ("",)
        if name not in [str(current) + e for e in ends] or "help" not in family or "type" not in family:
            raise ValueError("%s stands in the family %s" % (name, current))
        labels = tuple(sorted(re.findall(r"([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\n]|\\.)*)\"", m.group(2) or "")))
        if len({k for k, _ in labels}) != len(labels) or (name, labels) in family["samples"]:
            raise ValueError("twice: " + line)
        family["samples"][name, labels] = float(m.group(3))
    return families


def check_histogram(name, family):
    """Buckets rise, end in +Inf, and agree with the count."""
    series = {}
    for (sample, labels), value in family["samples"].items():
        key = tuple(l for l in labels if l[0] != "le")
        series.setdefault(key, {"buckets": []})
        if sample.endswith("_bucket"):
            series[key]["buckets"].append((float(dict(labels)["le"]), value))
        else:
            series[key][sample[len(name):]] = value
    for key, s in series.items():
        bounds, counts = [b for b, _ in s["buckets"]], [c for _, c in s["buckets"]]
        if bounds != sorted(set(bounds)) or counts != sorted(counts) or not math.isinf(bounds[-1]) or counts[-1] != s["_count"] or s["_sum"] < 0:
            raise ValueError("%s%s: %s" % (name, key, s))


def documented():
    """{name: (type, labels)} as docs/metrics.md has it."""
    found = {}
    for line in open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8"):
        m = re.match(r"\| `(\w+)` \| (\w+) \| ([\w, ]*) ?\| .+ \|$", line)
        if m:
            if m.group(1) in found:
                raise ValueError("%s is there twice" % m.group(1))
            found[m.group(1)] = (m.group(2), frozenset(x for x in m.group(3).replace(" ", "").split(",") if x))
    return found


def labels_of(family):
    return frozenset(k for (_, labels) in family["samples"] for k, _ in labels if k != "le" or family["type"] != "histogram")


def expressions():
    """[(panel, expression)] of the dashboard."""
    with open(os.path.join(ROOT, "docs", "grafana-dashboard.json"), encoding="utf-8") as f:
        dashboard = json.load(f)
    return [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p.get("targets", ())], dashboard


FUNCTIONS = {"rate", "sum", "max", "min", "topk", "histogram_quantile", "time", "by"}


def parts_of(expr):
    """What a PromQL expression names: [(metric, labels of its selector)], and the labels it groups by."""
    grouped = [g.strip() for by in re.findall(r"\bby \(([^)]*)\)", expr) for g in by.split(",")]
    rest = re.sub(r"\bby \([^)]*\)", "by", expr)
    metrics = [(name, re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) for name, selector in re.findall(r"([a-zA-Z_:]\w*)\{([^}]*)\}", rest)]
    bare = set(re.findall(r"[a-zA-Z_:]\w*", re.sub(r"[a-zA-Z_:]\w*\{[^}]*\}|\[[^\]]*\]", " ", rest))) - FUNCTIONS
    if bare or not metrics:
        raise ValueError("%s names %s without a selector" % (expr, bare or "nothing"))
    return metrics, grouped


class Metrics(Case):
    def tearDown(self):
        """Others' watches over all namespaces are not to begin with what was made here."""
        self.server.request("DELETE", self.configmaps)
        self.server.request("DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1.away.example.com")
        super().tearDown()

    def traffic(self):
        """Something of everything that makes series of its own. Gives a watch to be closed."""
        watch = Watch(self.server, self.configmaps)
        self.make("traffic")
        self.server.get(self.configmaps)
        self.server.get(self.configmaps + "/traffic")
        self.server.request("PATCH", self.configmaps + "/traffic", {"data": {"a": "b"}}, {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(self.server.get(self.configmaps + "?resourceVersion=99999999999&resourceVersionMatch=NotOlderThan")[0], 504)
        self.server.request("DELETE", self.configmaps + "/traffic")
        self.conversion()
        self.aggregation()
        watch.wait(3)
        return watch

    def conversion(self):
        """A conversion by a webhook that is not there."""
        version = lambda name: {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}
        hook = {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"}}
        self.server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
            "metadata": {"name": "metrics.example.com"}, "spec": {
                "group": "example.com", "scope": "Cluster", "names": {"plural": "metrics", "kind": "Metric"},
                "versions": [version("v1"), version("v2")], "conversion": {"strategy": "Webhook", "webhook": hook}}})
        body = {"apiVersion": "example.com/v1", "kind": "Metric", "metadata": {"name": "a"}}
        self.server.request("POST", "/apis/example.com/v1/metrics", body)
        self.assertEqual(self.server.get("/apis/example.com/v2/metrics/a")[0], 500)

    def aggregation(self):
        """An APIService whose server was there and is no longer."""
        class Remote(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            log_message = lambda *args: None

        remote = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Remote)
        threading.Thread(target=remote.serve_forever, daemon=True).start()
        path = "/apis/apiregistration.k8s.io/v1/apiservices"
        url = lambda port: {"coracle.dev/url": "http://127.0.0.1:%d" % port}
        self.server.request("POST", path, {
            "metadata": {"name": "v1.away.example.com", "annotations": url(remote.server_address[1])},
            "spec": {"group": "away.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": True,
                     "service": {"name": "away", "namespace": "default"}}})
        self.until(lambda: "True" in [c["status"] for c in self.server.get(path + "/v1.away.example.com")[2].get("status", {}).get("conditions", ())])
        remote.shutdown()
        remote.server_close()
        self.server.request("PATCH", path + "/v1.away.example.com", {"metadata": {"annotations": url(1)}}, {"Content-Type": "application/merge-patch+json"})
        self.until(lambda: "aggregator_unavailable_apiservice_total" in self.read())

    def until(self, holds):
        until(holds, step=0.05)

    def settled(self):
        """What was read while no commit was under way: a controller's may be counted in one family and not yet in the next."""
        commits = lambda f: {n: {k: v for k, v in f[n]["samples"].items()} for n in f if n.startswith("coracle_store_") and n.endswith(("_total", "_size", "_seconds"))}
        last = [None]

        def same():
            last[0], before = self.read(), last[0]
            return before and commits(before) == commits(last[0])
        until(same, step=0.1)
        return last[0]

    def read(self):
        status, headers, body = self.server.get("/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        return parse(body.decode("utf-8"))

    def test_the_reader_is_strict(self):
        good = "# HELP a b\n# TYPE a counter\na 1\n"
        parse(good)
        for bad in ("", "a 1\n", good[:-1], good + good, good + "a 2\n", good + "b 1\n", good.replace("a 1", "a one"), good.replace("a 1", "a{x=1} 1"),
                    good.replace("a 1", 'a{x="1",x="2"} 1'), good.replace("counter", "count"), good + "\n", good.replace("a 1", 'a{x="\n"} 1')):
            with self.assertRaises(ValueError, msg=bad):
                parse(bad)

    def test_format(self):
        for path in ("/api/v1/namespaces", "/api/v1/configmaps?limit=1", "/nothing", "/api/v1/nodes", "/apis/a%22b%5Cc%0A/v1/x", "/openapi/v2"):
            self.server.get(path)
        watch = Watch(self.server, self.configmaps)
        families = self.read()
        watch.close()
        for name, family in families.items():
            self.assertTrue(family["samples"], name)
            if family["type"] == "histogram":
                check_histogram(name, family)
            if family["type"] == "counter":
                self.assertTrue(all(v >= 0 for v in family["samples"].values()), name)
        for name in ("apiserver_request_total", "apiserver_request_duration_seconds", "apiserver_longrunning_requests", "apiserver_current_inflight_requests",
                     "coracle_http_connections", "coracle_watchers", "coracle_types", "coracle_engine_writes_total", "process_resident_memory_bytes",
                     "process_cpu_seconds_total", "process_open_fds", "coracle_garbage_collector_attempts_total"):
            self.assertIn(name, families)

    def test_documented(self):
        """docs/metrics.md and a server name the same families, types and labels."""
        watch = self.traffic()
        known = documented()
        until(lambda: set(known) <= set(self.read()))  # what is counted after its answer too
        families = self.read()
        watch.close()
        self.assertEqual(sorted(families), sorted(known))
        for name, family in families.items():
            self.assertEqual((family["type"], labels_of(family)), known[name], name)

    def test_dashboard(self):
        """Every expression names only what the server has."""
        watch = self.traffic()
        families = self.read()
        watch.close()
        of_sample = {}
        for name, family in families.items():
            for end in ("_bucket", "_sum", "_count") if family["type"] == "histogram" else ("",):
                of_sample[name + end] = labels_of(family) | ({"le"} if end == "_bucket" else set())
        exprs, dashboard = expressions()
        self.assertGreater(len(exprs), 60)
        for title, expr in exprs:
            metrics, grouped = parts_of(expr)
            have = set()
            for name, selected in metrics:
                self.assertIn(name, of_sample, (title, expr))
                self.assertLessEqual(set(selected) - {"instance"}, of_sample[name], (title, expr))
                self.assertIn("instance", selected, (title, expr))
                have |= of_sample[name]
                # a family shown with the wrong function says nothing
                counted = families[name]["type"] == "counter" if name in families else True
                if name != "process_start_time_seconds":
                    self.assertEqual(counted, "rate(" + name + "{" in expr, (title, expr))
            self.assertLessEqual(set(grouped), have | {"instance"}, (title, expr))
        ids = [p["id"] for p in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual({v["name"] for v in dashboard["templating"]["list"]}, {"DS_PROMETHEUS", "instance"})
        boxes = set()
        for p in dashboard["panels"]:
            g = p["gridPos"]
            for x in range(g["x"], g["x"] + g["w"]):
                for y in range(g["y"], g["y"] + g["h"]):
                    self.assertNotIn((x, y), boxes, p["title"])
                    self.assertLess(x, 24)
                    boxes.add((x, y))

    def test_dashboard_shows_everything(self):
        """What is counted and not shown is named here."""
        shown = {re.sub(r"_(bucket|sum|count)$", "", name) for _, expr in expressions()[0] for name, _ in parts_of(expr)[0]}
        left_out = {"aggregator_unavailable_apiservice", "aggregator_unavailable_apiservice_total", "apiserver_conversion_webhook_duration_seconds", "apiserver_conversion_webhook_request_total",
                    "apiserver_crd_conversion_webhook_duration_seconds", "authenticated_user_requests", "coracle_build_info", "coracle_http_accepted_total", "coracle_http_cut_total", "coracle_http_exchanges",
                    "coracle_index_build_objects_total", "coracle_index_lists_total", "coracle_indexes_building",
                    "coracle_provisioning_changes_total", "coracle_provisioning_failures", "coracle_provisioning_files", "coracle_provisioning_objects", "coracle_search_documents", "coracle_search_lag_revisions", "coracle_search_queries_total", "coracle_search_rebuilds_total", "coracle_service_last_error", "coracle_types", "coracle_watch_events_total", "controller_runtime_active_workers", "controller_runtime_max_concurrent_reconciles",
                    "process_virtual_memory_bytes"}
        self.assertEqual(set(documented()) - shown, left_out)

    @unittest.skipUnless(shutil.which("promtool"), "promtool (Debian's prometheus) is not installed")
    def test_expressions_are_promql(self):
        rules = [{"record": "r:%d" % k, "expr": e.replace("$__rate_interval", "5m").replace("$instance", ".*")} for k, (_, e) in enumerate(expressions()[0])]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)  # JSON is YAML
            f.flush()
            p = subprocess.run(["promtool", "check", "rules", "--lint=none", f.name], capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_watches_are_counted(self):
        labels = {"resource": "configmaps", "group": "", "version": "v1"}

        def running():
            return self.value(self.read(), "apiserver_longrunning_requests", verb="WATCH", scope="namespace", **labels)
        until(lambda: running() == 0)  # others' have gone
        before = self.read()
        watch = Watch(self.server, self.configmaps)
        until(lambda: running() == 1)
        for k in range(4):
            self.make("w%d" % k)
        watch.wait(4)

        def more(name):
            return self.value(self.read(), name, **labels) - (self.value(before, name, **labels) if name in before else 0)
        until(lambda: more("apiserver_watch_events_total") == 4)

        def sizes(families):
            return sum(v for (n, l), v in families["apiserver_watch_events_sizes"]["samples"].items() if n.endswith("_count") and set(labels.items()) <= set(l))
        until(lambda: [f for f in [self.read()] if sizes(f) == self.value(f, "apiserver_watch_events_total", **labels)])
        watch.close()
        until(lambda: self.value(self.read(), "apiserver_longrunning_requests", **labels) == 0)

    def test_a_slow_watch_lags(self):
        """A watch whose peer does not read is behind, and says how far."""
        raw = Raw(self.server)
        raw.head("GET", self.configmaps + "?watch=true")
        self.assertEqual(raw.read_head().status, 200)
        for k in range(12):
            self.make("fat%d" % k, {"x": "y" * 900000})
        until(lambda: self.value(self.read(), "coracle_watch_lagging") == 1)
        families = until(lambda: [f for f in [self.read()] if self.value(f, "coracle_watch_lag_seconds") > 1])[0]
        self.assertGreater(self.value(families, "coracle_watch_lag_revisions"), 0)
        raw.close()
        until(lambda: self.value(self.read(), "coracle_watch_lagging") == 0)

    def test_outcomes_of_access_are_counted(self):
        before = self.read()
        self.assertEqual(self.server.get("/api/v1/namespaces", token="no such token")[0], 401)
        self.assertEqual(self.server.get("/api/v1/namespaces", token="bobtoken")[0], 200)
        with Raw(self.server) as raw:  # nobody: public paths may be read, and no more
            raw.head("POST", "/version", [("Content-Length", "0")], auth=False)
            self.assertEqual(raw.read().status, 403)
        after = self.read()

        def more(name, **labels):
            return self.value(after, name, **labels) - self.value(before, name, **labels)
        self.assertEqual(more("authentication_attempts", result="error"), 1)
        self.assertEqual(more("authorization_attempts_total", result="allowed"), 2)  # and the scrape
        self.assertEqual(more("authorization_attempts_total", result="denied") + more("authorization_attempts_total", result="no-opinion"), 1)
        self.assertEqual(more("apiserver_rejected_requests_total", reason="unauthenticated"), 1)
        self.assertEqual(more("apiserver_rejected_requests_total", reason="forbidden"), 1)
        self.assertEqual(more("authenticated_user_requests", username="admin"), 1)
        self.assertEqual(more("authenticated_user_requests", username="other"), 2)  # bob and nobody

    @best_of(3)
    def test_commits_are_counted(self):
        before = self.settled()
        for k in range(20):
            self.make("c%d" % k)
        after = self.settled()

        def more(name, sample=""):
            of = lambda f: f[name]["samples"][name + sample, ()]
            return of(after) - of(before)
        self.assertGreaterEqual(more("coracle_store_transactions_total"), 20)
        self.assertEqual(more("coracle_store_batch_size", "_sum"), more("coracle_store_transactions_total"))
        self.assertEqual(more("coracle_store_batch_size", "_count"), more("coracle_store_commits_total"))
        self.assertEqual(more("coracle_store_wait_seconds", "_count"), more("coracle_store_transactions_total"))
        for name in ("coracle_store_sync_seconds", "coracle_store_batch_seconds"):
            self.assertEqual(more(name, "_count"), more("coracle_store_commits_total"))
            self.assertGreater(more(name, "_sum"), 0)
        self.assertEqual(self.value(until(lambda: [f for f in [self.read()] if self.value(f, "apiserver_resource_objects", resource="configmaps") >= 20])[0],
                                    "coracle_store_writable"), 1)

    def value(self, families, name, **labels):
        """The sum over the series that have these labels."""
        return sum(v for (_, have), v in families[name]["samples"].items() if set(labels.items()) <= set(have))

    def test_counts_are_right(self):
        before = self.read()
        self.make("a")
        self.make("b")
        for _ in range(5):
            self.server.get(self.configmaps + "/a")
        self.server.get(self.configmaps + "/none")
        self.server.request("DELETE", self.configmaps + "/a")
        after = self.read()

        def more(**labels):
            return self.value(after, "apiserver_request_total", **labels) - self.value(before, "apiserver_request_total", **labels)
        self.assertEqual(more(resource="configmaps", verb="POST", scope="resource", code="201"), 2)
        self.assertEqual(more(resource="configmaps", verb="GET", code="200"), 5)
        self.assertEqual(more(resource="configmaps", verb="GET", code="404"), 1)
        self.assertEqual(more(resource="configmaps", verb="DELETE", code="200"), 1)
        self.assertGreaterEqual(self.value(after, "coracle_engine_writes_total") - self.value(before, "coracle_engine_writes_total"), 3)

    def test_labels_do_not_grow_without_end(self):
        """What clients invent makes no series of its own."""
        for k in range(300):
            self.server.get("/api/v1/namespaces/%s/invented%d" % (self.ns, k))
            if k % 10 == 0:
                self.server.get("/apis/invented%d.io/v1/things" % k)
        resources = {dict(labels).get("resource") for (_, labels) in self.read()["apiserver_request_total"]["samples"]}
        self.assertFalse([r for r in resources if r and r.startswith("invented")][5:])

    def test_the_audit_id_is_in_the_log(self):
        """The answer's Audit-Id, a new one or the client's own, is that of the log line; nothing secret is."""
        with Server(preset=self.server.preset, level="debug", flags=["--log-format", "json"]) as server:
            server.post("/api/v1/namespaces", {"metadata": {"name": "a"}})
            own = server.request("GET", "/api/v1/namespaces/a?pretty=true", headers={"Audit-Id": "mine-1"})[1]["Audit-Id"]
            new = server.get("/api/v1/namespaces/a")[1]["Audit-Id"]
            long = server.request("GET", "/api/v1/namespaces/a", headers={"Audit-Id": "x" * 65})[1]["Audit-Id"]
            server.post("/api/v1/namespaces/a/secrets", {"metadata": {"name": "s"}, "stringData": {"k": "hidden-value"}})
            until(lambda: all('"%s"' % known in server.stderr() for known in (own, new, long, "/api/v1/namespaces/a/secrets")))
            text = server.stderr()
        self.assertEqual(own, "mine-1")
        self.assertRegex(new, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertEqual(len(long), 36)
        lines = {l["id"]: l for l in map(json.loads, text.splitlines()) if l["msg"] == "request"}
        self.assertEqual({k: lines["mine-1"][k] for k in ("method", "path", "query", "verb", "status", "user")},
                         {"method": "GET", "path": "/api/v1/namespaces/a", "query": "pretty=true", "verb": "get", "status": 200, "user": "admin"})
        self.assertEqual((lines[new]["status"], lines[long]["status"]), (200, 200))
        for secret in ("hidden-value", server.token):
            self.assertNotIn(secret, text)

    def test_client_certificates_are_watched(self):
        """A request with a client certificate is counted by what is left of the certificate's life."""
        def count():
            return self.read()["apiserver_client_certificate_expiration_seconds"]["samples"]
        before, config = count(), kubeconfig(self.server.kubeconfig)
        if "client-certificate-data" not in config:
            self.skipTest("the administrator's kubeconfig holds no certificate")
        with tempfile.TemporaryDirectory() as d:
            for name in ("certificate", "key"):
                with open(os.path.join(d, name), "w") as f:
                    f.write(config["client-%s-data" % name])
            with Raw(self.server, cert=(os.path.join(d, "certificate"), os.path.join(d, "key"))) as raw:
                raw.head("GET", "/api/v1/namespaces", auth=False)
                self.assertEqual(raw.read().status, 200)
        name, after = "apiserver_client_certificate_expiration_seconds", count()
        self.assertEqual(after[name + "_count", ()] - before[name + "_count", ()], 1)
        self.assertGreater(after[name + "_sum", ()] - before[name + "_sum", ()], 30 * 86400)
        expires = self.read()["coracle_server_certificate_expiration_timestamp_seconds"]["samples"]
        self.assertGreater(min(expires.values()), 1.6e9)

    def test_health(self):
        for root in ("healthz", "livez", "readyz"):
            self.assertEqual(self.server.get("/" + root)[2], b"ok")
            status, headers, body = self.server.get("/%s?verbose" % root)
            lines = body.decode().splitlines()
            self.assertEqual((status, lines[-1]), (200, root + " check passed"))
            self.assertTrue(headers["Content-Type"].startswith("text/plain"))
            names = []
            for line in lines[:-1]:
                self.assertRegex(line, r"^\[\+\][\w./-]+ ok$")
                names.append(line[3:-3])
            self.assertEqual(len(names), len(set(names)), "a check comes twice")
            self.assertIn("ping", names)
            for name in names:
                self.assertEqual(self.server.get("/%s/%s" % (root, name))[::2], (200, b"ok"))
            excluded = self.server.get("/%s?verbose&exclude=%s" % (root, names[1]))[2].decode()
            self.assertIn("[+]%s excluded: ok" % names[1], excluded)
            self.assertEqual(self.server.get("/%s/nothing" % root)[0], 404)
        self.assertIn(b"store", self.server.get("/readyz?verbose")[2])
