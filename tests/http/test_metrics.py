# SPDX-License-Identifier: Apache-2.0
"""/metrics as a strict reader of the Prometheus text format sees it, and the health checks."""
import math, re, unittest

from support import Case

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


class Metrics(Case):
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
        families = self.read()
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
        self.assertEqual(more(resource="configmaps", verb="POST", code="201") + more(resource="configmaps", verb="CREATE", code="201"), 2)
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
