# SPDX-License-Identifier: Apache-2.0
"""Dry run changes nothing and answers as the real request: random sequences over every verb and subresource, each request first with dryRun=All. The
store's file is compared row by row before and after, the two answers part by part; watches on everything see one event for each row
written and no more. CORACLE_SEED begins elsewhere, CORACLE_DRY_RUNS is how many requests (200)."""
import json, os, random, re, sqlite3, time

import support
from support import Case, Kept, Watch, metrics, until

GROUP = "dry.example.com"
TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"')
PATCHES = {"json": "application/json-patch+json", "merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json",
           "apply": "application/apply-patch+yaml"}
ITEM = {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "p": {"type": "integer", "default": 1}}}
SCHEMA = {"type": "object", "properties": {
    "spec": {"type": "object", "properties": {
        "replicas": {"type": "integer", "minimum": 0}, "text": {"type": "string", "maxLength": 5, "default": "none"},
        "items": {"type": "array", "items": ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}}},
    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "word": {"type": "string"}}}}}


def definition(plural, kind):
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, "subresources": {"status": {}, "scale": scale}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "%s.%s" % (plural, GROUP)},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": plural, "singular": kind.lower(), "kind": kind,
                                                                      "listKind": kind + "List"}, "versions": [version]}}


class Kind:
    """A type the requests are about: where it is served, and how an object of it is made of dice."""

    def __init__(self, api, kind, base, prefix, fill, field, subresources=()):
        self.api, self.kind, self.base, self.prefix = api, kind, base, prefix
        self.fill, self.field, self.subresources = fill, field, subresources

    def make(self, r, name):
        meta = {"name": name} if name else {"generateName": "made-"}
        if r.random() < 0.4:
            meta["labels"] = {"app": r.choice("ab")}
        if r.random() < 0.15:
            meta["finalizers"] = ["%s/hold" % GROUP]
        if r.random() < 0.04:
            meta["labels"] = {"app": "no label value"}
        return dict({"apiVersion": self.api, "kind": self.kind, "metadata": meta}, **self.fill(r))


def widget(r):
    spec = {"replicas": r.choice([0, 1, 2, 3, 4, -1]), "items": [{"n": n} for n in r.sample("xyz", r.randint(0, 3))]}
    if r.random() < 0.4:
        spec["text"] = r.choice(["short", "text", "much too long", 7])
    if r.random() < 0.2:
        spec["unknown"] = True
    return {"spec": spec, "status": {"replicas": r.randint(0, 3), "word": r.choice("uvw")}}


def kinds(ns):
    here = "/namespaces/" + ns
    data = lambda r: {"data": {r.choice("ab"): r.choice(["one", "two", "one", "two", 3])}}
    secret = lambda r: {"type": r.choice(["Opaque", "Opaque", "Opaque", "kubernetes.io/tls"]), "stringData": {r.choice("ab"): r.choice(["one", "two"])}}
    lease = lambda r: {"spec": {"holderIdentity": r.choice("hij"), "leaseDurationSeconds": r.choice([10, 20, 30, 0])}}
    event = lambda r: {"involvedObject": {"kind": "Pod", "namespace": r.choice([ns, ns, "other"]), "name": "p"}, "reason": "Because",
                       "message": r.choice("mn"), "type": "Normal"}
    return [
        Kind("v1", "ConfigMap", "/api/v1%s/configmaps" % here, "/configmaps/", data, "data"),
        Kind("v1", "Secret", "/api/v1%s/secrets" % here, "/secrets/", secret, "stringData"),
        Kind("v1", "Event", "/api/v1%s/events" % here, "/events/", event, "message"),
        Kind("v1", "ServiceAccount", "/api/v1%s/serviceaccounts" % here, "/serviceaccounts/", lambda r: {"secrets": [{"name": r.choice("st")}]}, "secrets"),
        Kind("coordination.k8s.io/v1", "Lease", "/apis/coordination.k8s.io/v1%s/leases" % here, "/leases/", lease, "spec"),
        Kind(GROUP + "/v1", "Widget", "/apis/%s/v1%s/widgets" % (GROUP, here), "/%s/widgets/" % GROUP, widget, "spec", ("status", "scale")),
        Kind("v1", "Namespace", "/api/v1/namespaces", "/namespaces/", lambda r: {}, "spec", ("status", "finalize")),
    ]


class Dice:
    """Requests as (method, path, query, body, content type)."""
    NAMES = ["alpha", "beta", "gamma"]

    def __init__(self, seed, server, ns):
        self.r, self.server, self.kinds = random.Random(seed), server, kinds(ns)

    def live(self, kind, name):
        status, _, body = self.server.get("%s/%s" % (kind.base, name))
        return body if status == 200 else None

    def request(self):
        r, roll = self.r, self.r.random()
        if roll < 0.06:
            return self.of_definition()
        if roll < 0.10:
            return self.review()
        kind = r.choice(self.kinds)
        name = r.choice(self.NAMES)
        how = r.choices([self.create, self.read, self.put, self.patch, self.below, self.delete, self.collection],
                        [34, 3, 18, 26, 12, 10, 2])[0]
        method, path, query, body, content = how(kind, name)
        if method in ("POST", "PUT", "PATCH") and r.random() < 0.25:
            query = query + ["fieldValidation=" + r.choice(["Strict", "Warn", "Warn", "Ignore", "Ignore", "Nonsense"])]
        if r.random() < 0.2:
            query = query + ["fieldManager=" + r.choice(["one", "two", "one", "two", "x" * 200])]
        return method, path, query, body, content

    def create(self, kind, name):
        body = kind.make(self.r, None if self.r.random() < 0.15 else "Not A Name" if self.r.random() < 0.05 else name)
        return "POST", kind.base, [], body, "application/json"

    def read(self, kind, name):
        return "GET", "%s/%s" % (kind.base, name), [], None, None

    def put(self, kind, name, below=""):
        r, live = self.r, self.live(kind, name)
        body = kind.make(r, name)
        if live and r.random() < 0.8:
            body = dict(live, **{k: v for k, v in body.items() if k not in ("metadata", "data", "type")})
            body["metadata"] = dict(live["metadata"], annotations={"note": str(r.randint(0, 1))})
            if "finalizers" in body["metadata"] and r.random() < 0.5:
                body["metadata"]["finalizers"] = []
            if r.random() < 0.1:
                body["metadata"]["resourceVersion"] = "1"
            if r.random() < 0.1:
                body["metadata"]["uid"] = "another"
        return "PUT", "%s/%s%s" % (kind.base, name, below), [], body, "application/json"

    def patch(self, kind, name, below=""):
        r = self.r
        how, query, note = r.choice(list(PATCHES)), [], {"metadata": {"annotations": {"note": str(r.randint(0, 2))}}}
        if how == "json":
            body = [{"op": "add", "path": "/metadata/labels", "value": {"app": r.choice("abc")}}]
            body += [{"op": "test", "path": "/kind", "value": r.choice([kind.kind, "Other"])}] if r.random() < 0.3 else []
            body = r.choice([body, body, body, {"op": "add"}, [{"op": "remove", "path": "/nothing"}]])
        elif how == "apply":
            body = dict(kind.make(r, name), metadata={"name": name, "labels": {"app": r.choice("ab")}})
            query = ["fieldManager=" + r.choice(["one", "two"])] if r.random() < 0.9 else []
            query += ["force=true"] if r.random() < 0.5 else []
        else:
            body = r.choice([note, note, {"metadata": {"finalizers": None}}, dict(note, **kind.fill(r)), {"metadata": {"name": "other"}}, "text"])
        return "PATCH", "%s/%s%s" % (kind.base, name, below), query, body, PATCHES[how]

    def below(self, kind, name):
        if not kind.subresources:
            return self.patch(kind, name)
        sub = "/" + self.r.choice(kind.subresources)
        if sub == "/scale":
            n, path = self.r.randint(-1, 5), "%s/%s/scale" % (kind.base, name)
            if self.r.random() < 0.5:
                return "PATCH", path, [], {"spec": {"replicas": n}}, PATCHES["merge"]
            body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name}, "spec": {"replicas": n}}
            return self.r.choice([("PUT", path, [], body, "application/json"), ("GET", path, [], None, None)])
        if sub == "/finalize":
            method, path, query, body, content = self.put(kind, name, sub)
            body["spec"] = {"finalizers": self.r.choice([[], ["kubernetes"]])}
            return method, path, query, body, content
        return self.r.choice([self.put, self.patch])(kind, name, sub)

    def delete(self, kind, name):
        r, body = self.r, {}
        if r.random() < 0.5:
            body["propagationPolicy"] = r.choice(["Orphan", "Foreground", "Background", "Nonsense"])
        if r.random() < 0.3:
            live = self.live(kind, name)
            body["preconditions"] = r.choice([{"uid": "another"}, {"resourceVersion": "1"}] +
                                             ([{"uid": live["metadata"]["uid"]}] * 2 if live else []))
        if r.random() < 0.2:
            body["gracePeriodSeconds"] = r.choice([0, 5, -1])
        return "DELETE", "%s/%s" % (kind.base, name), [], dict(body, kind="DeleteOptions", apiVersion="v1") if body else None, "application/json"

    def collection(self, kind, _):
        if kind.kind == "Namespace":
            kind = self.kinds[0]
        return "DELETE", kind.base, self.r.choice([["labelSelector=app%3Da"], ["labelSelector=app%3Db"], ["labelSelector=,"], []]), None, None

    def of_definition(self):
        r, base = self.r, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        body, path = definition("gadgets", "Gadget"), base + "/gadgets." + GROUP
        roll = r.random()
        if roll < 0.4:
            body["spec"]["versions"][0]["served"] = r.choice([True, True, "yes"])
            body["spec"]["scope"] = r.choice(["Namespaced", "Cluster", "Elsewhere"])
            return "POST", base, [], body, "application/json"
        if roll < 0.7:
            return "PATCH", path, [], {"spec": {"names": {"shortNames": [r.choice("gh")]}}}, PATCHES["merge"]
        if roll < 0.85:
            return "PATCH", path + "/status", [], {"metadata": {"labels": {"a": "b"}}, "status": {"storedVersions": ["v1"]}}, PATCHES["merge"]
        return "DELETE", path, [], None, None

    def review(self):
        spec = {"resourceAttributes": {"verb": "get", "resource": self.r.choice(["configmaps", "secrets"])}}
        reviews = [("authorization.k8s.io", "SelfSubjectAccessReview", spec), ("authentication.k8s.io", "SelfSubjectReview", {}),
                   ("authentication.k8s.io", "TokenReview", {"token": self.r.choice(["alicetoken", "wrong"])}),
                   ("authorization.k8s.io", "SubjectAccessReview", dict(spec, user=self.r.choice(["bob", ""])))]
        group, kind, body = self.r.choice(reviews)
        doc = {"apiVersion": group + "/v1", "kind": kind, "spec": body}
        return "POST", "/apis/%s/v1/%ss" % (group, kind.lower()), [], doc, "application/json"


class Store:
    """All rows of the server's file, read beside it."""

    def __init__(self, server):
        path = next(os.path.join(d, f) for d, _, fs in os.walk(server.data) for f in fs if f == "store.db")
        self.db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        self.seen = {}  # the rows of the log by id, those too that are compacted since

    def rows(self):
        self.db.execute("BEGIN")
        out = {t: self.db.execute("SELECT * FROM %s" % t).fetchall() for t in ("meta", "log", "current", "term", "idx")}
        self.db.execute("COMMIT")
        self.seen.update((row[0], row) for row in out["log"])
        return out

    def close(self):
        self.db.close()


def forgotten(rows):
    """How far history is gone: the server forgets it when its time has come, whatever is asked meanwhile."""
    return [row for row in rows["meta"] if row[0] in (b"floor", b"compacted")]


def last(rows):
    return max(row[0] for row in rows["log"])


def settled(server, store, known=None, seconds=120):
    """The rows, once nothing was written for a moment: controllers come after what they watch. known: the last row of a time that was settled. The
    moment is one of the server's own, which may stand still meanwhile: so many answers, in each of which no controller has anything to do."""
    end, rows, quiet = time.monotonic() + seconds, store.rows(), 0
    if last(rows) == known:
        return rows
    while quiet < 4:
        time.sleep(0.015)
        busy = sum(v for k, v in metrics(server).items() if k.startswith(("workqueue_depth", "controller_runtime_active_workers")))
        fresh = store.rows()
        quiet = 0 if busy or last(fresh) != last(rows) else quiet + 1
        rows = fresh
        if time.monotonic() > end:
            raise AssertionError("the store never rests: %s" % [(r[6], r[7]) for r in rows["log"][-5:]])
    return rows


def scrubbed(body, made):
    """An answer without what must differ: times, versions, the uids and names that are made."""
    if isinstance(body, bytes):
        return body

    def walk(v):
        if isinstance(v, list):
            return [walk(x) for x in v]
        if not isinstance(v, dict):
            return v
        gone = {"resourceVersion"} | ({"uid"} if made else set())
        return {k: walk(x) for k, x in v.items() if k not in gone}
    text = TIME.sub('"TIME"', json.dumps(walk(body), sort_keys=True))
    return re.sub(r"\bmade-[a-z0-9]{5}\b", "made-NAME", text)


class DryRun(Case):
    def ask(self, server, request, dry):
        method, path, query, body, content = request
        query = list(query)
        if dry and method == "DELETE" and body is not None:
            body = dict(body, dryRun=["All"])
        elif dry:
            query.append("dryRun=All")
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        status, headers, answer = server.request(method, path + ("?" + "&".join(query) if query else ""), text, {"Content-Type": content})
        return status, headers.get_all("Warning") or [], headers.get("Content-Type"), answer

    def one(self, server, store, request, known):
        for _ in range(20):
            before, counted = settled(server, store, known), metrics(server)["coracle_store_commits_total"]
            dry = self.ask(server, request, True)
            after = store.rows()
            if forgotten(before) == forgotten(after):
                break  # else it is asked once more, of what is left
        for table in before:
            self.assertEqual(before[table], after[table], "%s changed: %s" % (table, request))
        self.assertEqual(metrics(server)["coracle_store_commits_total"], counted, request)
        real = self.ask(server, request, False)
        made = request[0] == "POST" or dry[0] == 201
        self.assertEqual(dry[:3], real[:3], "%s\ndry  %s\nreal %s" % (request, dry, real))
        self.assertEqual(scrubbed(dry[3], made), scrubbed(real[3], made), "%s\nreal %s" % (request, real[3]))
        mine = [row[0] >> 16 for row in store.rows()["log"] if row[0] > last(before) and row[6] == b"admin"]
        if mine:
            self.assertEqual(min(mine), (last(before) >> 16) + 1, "a dry run has taken a revision: %s" % (request,))
        return real[0], bool(mine), last(before)

    def test_sequences(self):
        seed, count = int(os.environ.get("CORACLE_SEED") or 1), int(os.environ.get("CORACLE_DRY_RUNS") or 200)
        came, wrote, known = {}, 0, None
        with Kept(preset=support.PRESET) as server:
            ns = "dry"
            self.assertEqual(server.post("/api/v1/namespaces", {"metadata": {"name": ns}})[0], 201)
            base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            self.assertEqual(server.post(base, definition("widgets", "Widget"))[0], 201)
            until(lambda: server.get("/apis/%s/v1/widgets" % GROUP)[0] == 200)
            store, dice = Store(server), Dice(seed, server, ns)
            begun = last(settled(server, store))
            every = [(k.base if k.kind == "Namespace" else k.base.replace("/namespaces/" + ns, ""), k.prefix) for k in dice.kinds]
            every.append((base, "/customresourcedefinitions/"))
            watches = [(Watch(server, "%s?resourceVersion=%d" % (path, begun >> 16)), prefix) for path, prefix in every]
            try:
                for i in range(count):
                    request = dice.request()
                    with self.subTest(seed=seed, i=i, request="%s %s" % request[:2]):
                        status, changed, known = self.one(server, store, request, known)
                        came.setdefault(request[0], set()).add(status)
                        wrote += changed
                settled(server, store)
                rows = [row for row in store.seen.values() if row[0] > begun]
                for watch, prefix in watches:
                    written = [row for row in rows if prefix.encode() in row[7]]
                    watch.wait(len(written))
                time.sleep(0.2)
                for watch, prefix in watches:
                    written = [row for row in rows if prefix.encode() in row[7]]
                    self.assertEqual(len([e for e in watch.events if e["type"] != "BOOKMARK"]), len(written), prefix)
            finally:
                for watch, _ in watches:
                    watch.close()
                store.close()
        print("dry runs: %d, of which %d wrote when they were real; %s" % (count, wrote, {m: sorted(s) for m, s in came.items()}))
        if count >= 200:
            self.assertGreater(wrote, count / 5)
            self.assertTrue({200, 404} <= came["PATCH"] and {201, 409} <= came["POST"] and {200, 404} <= came["DELETE"], came)
