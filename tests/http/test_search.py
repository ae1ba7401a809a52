# SPDX-License-Identifier: Apache-2.0
"""Search: ?q= in lists of any type that declares text fields, and dashboards' search in Grafana's form, over HTTP."""
import glob, json, os, signal, threading, time, unittest, urllib.parse, uuid

import support
from support import Case, ROOT, Server, found

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
SEARCH = "/apis/dashboard.grafana.app/%s/namespaces/%s/search"
DASHBOARDS = "/apis/dashboard.grafana.app/v1beta1/namespaces/%s/dashboards"
FOLDERS = "/apis/folder.grafana.app/v1beta1/namespaces/%s/folders"


def definition(plural, fields, group="text.example.com"):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "title": {"type": "string"}, "body": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": plural + "." + group, "annotations": {"coracle.dev/text-fields": fields} if fields else {}},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].capitalize()},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}}


class Words(Case):
    def setUp(self):
        super().setUp()
        self.plural = "n" + uuid.uuid4().hex[:8] + "s"
        self.define(definition(self.plural, ".spec.title^8 .spec.body .spec.tags^4"))
        self.path = "/apis/text.example.com/v1/namespaces/%s/%s" % (self.ns, self.plural)

    def tearDown(self):
        super().tearDown()
        self.server.request("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s.text.example.com" % self.plural)

    def define(self, body):
        status, _, made = self.server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
        self.assertEqual(status, 201, made)

    def put(self, name, title, body="", labels=None, ns=None):
        status, _, made = self.server.post(self.path.replace(self.ns, ns) if ns else self.path, {
            "apiVersion": "text.example.com/v1", "kind": self.plural[:-1].capitalize(),
            "metadata": {"name": name, "labels": labels or {}}, "spec": {"title": title, "body": body}})
        self.assertEqual(status, 201, made)

    def ask(self, q, more="", headers=None, path=None):
        return found(self.server, (path or self.path) + "?q=" + urllib.parse.quote(q) + more, headers=headers)

    def names(self, q, more="", path=None):
        status, _, body = self.ask(q, more, path=path)
        self.assertEqual(status, 200, body)
        return [o["metadata"]["name"] for o in body["items"]]

    def test_reads_its_writes(self):
        for i in range(40):
            self.put("o%02d" % i, "number %d" % i, "word%d" % i)
            self.assertEqual(self.names("word%d" % i), ["o%02d" % i])
        self.server.request("DELETE", self.path + "/o07")
        self.assertEqual(self.names("word7"), [])
        self.assertEqual(len(self.names("number")), 39)

    def test_representations(self):
        self.put("a", "kube-prometheus")
        self.put("b", "node exporter")
        self.put("c", "prometheus itself")
        self.assertEqual(self.names("prom"), ["a", "c"])
        rows = self.ask("metheus", headers=TABLE)[2]["rows"]
        self.assertEqual([r["cells"][0] for r in rows], ["a", "c"])
        partial = self.ask("metheus", headers=PARTIAL)[2]
        self.assertEqual((partial["kind"], len(partial["items"])), ("PartialObjectMetadataList", 2))
        status, _, text = self.ask("metheus", headers={"Accept": "application/yaml"})
        self.assertEqual(status, 200)
        self.assertNotIn("exporter", str(text))
        self.assertEqual(self.server.request("HEAD", self.path + "?q=prom")[0], 200)
        self.assertEqual(self.names("", ""), ["a", "b", "c"])
        self.assertEqual(self.names("*", ""), ["a", "b", "c"])

    def test_with_selectors_and_pages(self):
        for i in range(25):
            self.put("p%02d" % i, "even" if i % 2 == 0 else "odd", labels={"third": str(i % 3)})
        self.assertEqual(self.names("even", "&labelSelector=third%3D0"), ["p00", "p06", "p12", "p18", "p24"])
        self.assertEqual(self.names("even", "&fieldSelector=metadata.name%3Dp06"), ["p06"])
        self.assertEqual(self.names("odd", "&fieldSelector=metadata.name%3Dp06"), [])
        got, more, pages = [], "&limit=4", 0
        while True:
            body = self.ask("even", more)[2]
            self.assertLessEqual(len(body["items"]), 4)
            self.assertNotIn("remainingItemCount", body["metadata"])
            got += [o["metadata"]["name"] for o in body["items"]]
            pages += 1
            if not body["metadata"].get("continue"):
                break
            more = "&limit=4&continue=" + body["metadata"]["continue"]
        self.assertEqual(got, ["p%02d" % i for i in range(0, 25, 2)])
        self.assertEqual(pages, 4)
        self.assertEqual(self.ask("even", "&limit=13")[2]["metadata"].get("continue", ""), "")

    def test_across_namespaces(self):
        everywhere = "/apis/text.example.com/v1/" + self.plural
        self.put("a", "one word", ns="default")
        self.put("b", "another word")
        self.assertEqual(self.names("word", path=everywhere), ["a", "b"])
        self.assertEqual(self.names("word", "&fieldSelector=metadata.namespace%3Ddefault", path=everywhere), ["a"])
        self.assertEqual(self.names("word"), ["b"])

    def test_long_lists(self):
        body = "x" * 20000
        for i in range(60):
            self.put("l%02d" % i, "long one" if i % 4 else "short", body)
        self.assertEqual(self.names("long"), ["l%02d" % i for i in range(60) if i % 4])

    def test_hostile_words(self):
        self.put("a", "alpha")
        for q in ("\"", "\"\"", "NEAR(a b)", "(((", ")", "-", "*a", "a*b", "a OR b", "NOT a", "^a", "w8:a", "{w8}: a", "'; DROP TABLE doc; --", "\\", "%", "\0",
                  "\U0001f680", "e\u0301", "\u202e", "a" * 1000, "a " * 32, "-" * 900):
            status, _, body = self.ask(q)
            self.assertEqual(status, 200, (q, body))
        self.assertEqual(self.server.request("GET", self.path + "?q=%ff%fe")[0], 200)
        self.assertStatus(self.ask("a" * 1025), 400, "BadRequest")
        self.assertStatus(self.ask("a " * 33), 400, "BadRequest")
        self.assertEqual(self.names("alpha"), ["a"])

    def test_what_takes_no_words(self):
        for path, words in ((self.path + "?watch=true&q=x", "watches"), (self.path.replace("/apis/text.example.com/v1", "/apis/text.example.com/v1/watch") + "?q=x", "watches")):
            self.assertIn(words, self.assertStatus(self.server.get(path), 400, "BadRequest")["message"])
        self.put("a", "stays")
        body = self.assertStatus(self.server.request("DELETE", self.path + "?q=nothing"), 400, "BadRequest")
        self.assertIn("deleting collections", body["message"])
        self.assertEqual(self.server.get(self.path + "/a")[0], 200)
        body = self.assertStatus(self.server.get("/api/v1/namespaces/%s/configmaps?q=x" % self.ns), 400, "BadRequest")
        self.assertIn("coracle.dev/text-fields", body["message"])

    def test_declarations(self):
        for fields, words in (("spec.title", "a path is keys of maps"), (".spec.titel", "no such field"), (".spec.title^0", "a weight is a number"), ("", "names no path")):
            body = definition("bads", None)
            body["metadata"]["annotations"] = {"coracle.dev/text-fields": fields}
            refused = self.assertStatus(self.server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body), 422, "Invalid")
            self.assertEqual(refused["details"]["causes"][0]["field"], "metadata.annotations[coracle.dev/text-fields]")
            self.assertIn(words, refused["details"]["causes"][0]["message"])

    def test_rights(self):
        """A list with words is a list: who may not list may not search."""
        self.put("a", "secret")
        status, _, body = self.server.request("GET", self.path + "?q=secret", token="wrong")
        self.assertEqual(status, 401, body)


class Dashboards(Case):
    def setUp(self):
        super().setUp()
        for uid, title in (("ops", "Operations"), ("dev", "Development")):
            self.made(self.server.post(FOLDERS % self.ns, {"apiVersion": "folder.grafana.app/v1beta1", "kind": "Folder", "metadata": {"name": uid}, "spec": {"title": title}}))
        self.dashboard("d1", "Kubernetes / Nodes", ["kubernetes", "node"], "ops", "cpu and memory")
        self.dashboard("d2", "Prometheus Overview", ["prometheus"], "ops", "nodes that are scraped")
        self.dashboard("d3", "kube-prometheus", ["prometheus", "kubernetes"], None, "")
        self.dashboard("d4", "Züge", [], "dev", "")

    def made(self, answer):
        self.assertEqual(answer[0], 201, answer[2])
        return answer[2]

    def dashboard(self, name, title, tags, folder, description):
        meta = {"name": name, "annotations": {"grafana.app/folder": folder} if folder else {}}
        return self.made(self.server.post(DASHBOARDS % self.ns, {"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": meta,
                                                                 "spec": {"title": title, "tags": tags, "description": description, "panels": []}}))

    def search(self, query="", version="v1beta1", token=None, ns=None):
        status, _, body = found(self.server, SEARCH % (version, ns or self.ns) + "?" + query, token=token)
        self.assertEqual(status, 200, body)
        return body

    def names(self, query, **kw):
        return [h["name"] for h in self.search(query, **kw)["hits"]]

    def test_form(self):
        body = self.search("query=nodes&limit=10")
        self.assertEqual((body["kind"], body["apiVersion"], body["totalHits"]), ("SearchResults", "dashboard.grafana.app/v1beta1", 2))
        hit = body["hits"][0]
        score = hit.pop("score")
        self.assertGreater(score, body["hits"][1]["score"])
        self.assertEqual(body["maxScore"], score)
        self.assertEqual(hit, {"resource": "dashboards", "name": "d1", "title": "Kubernetes / Nodes", "tags": ["kubernetes", "node"], "folder": "ops"})
        self.assertNotIn("offset", body)
        for version in ("v0alpha1", "v1beta1", "v1", "v2alpha1", "v2beta1", "v2"):
            self.assertEqual(self.search("", version)["totalHits"], 6)

    def test_filters(self):
        self.assertEqual(self.names(""), ["dev", "ops", "d3", "d1", "d2", "d4"])
        self.assertEqual(self.names("type=folders"), ["dev", "ops"])
        self.assertEqual(self.names("type=dashboard"), ["d3", "d1", "d2", "d4"])
        self.assertEqual(self.names("folder=ops"), ["d1", "d2"])
        self.assertEqual(self.names("folder=general&type=dashboards"), ["d3"])
        self.assertEqual(self.names("tag=kubernetes"), ["d3", "d1"])
        self.assertEqual(self.names("tag=kubernetes&tag=node"), ["d1"])
        self.assertEqual(self.names("tag=kubernetes&folder=ops"), ["d1"])
        self.assertEqual(self.names("name=d4&name=ops"), ["ops", "d4"])
        self.assertEqual(self.names("query=op"), ["ops"])
        self.assertEqual(sorted(self.names("query=prom")), ["d2", "d3"])
        self.assertEqual(self.names("query=metheus+kube"), ["d3"])
        self.assertEqual(self.names("query=zuge"), ["d4"])
        self.assertEqual(self.names("query=nothing"), [])
        self.assertEqual(self.names("", ns="org-2147480000"), [])

    def test_sorts_and_pages(self):
        titles = ["d4", "d2", "ops", "d1", "d3", "dev"]
        self.assertEqual(self.names("sort=-title"), titles)
        self.assertEqual(self.names("sort=title"), titles[::-1])
        body = self.search("sort=-title&limit=2&offset=1")
        self.assertEqual(([h["name"] for h in body["hits"]], body["offset"], body["totalHits"]), (["d2", "ops"], 1, 6))
        self.assertEqual(body["sortBy"], {"field": "title", "desc": True})
        self.assertEqual(self.names("sort=-title&limit=2&page=2"), ["ops", "d1"])
        self.assertEqual(self.search("limit=0")["totalHits"], 6)
        self.assertEqual(self.names("limit=0"), [])
        self.assertEqual(self.names("type=dashboards&sort=name"), ["d1", "d2", "d3", "d4"])
        self.assertEqual(self.names("type=dashboards&sort=-name_sort"), ["d4", "d3", "d2", "d1"])  # as gcx has it
        self.assertIs(type(body["queryCost"]), int)  # gcx reads no fractions
        hit = self.search("name=d1&field=created&field=updated")["hits"][0]
        self.assertLess(abs(hit["field"]["created"] / 1000 - time.time()), 600)
        fields = self.server.get(SEARCH % ("v1beta1", self.ns) + "/sortable")[2]
        self.assertEqual((fields["kind"], fields["fields"][0]), ("SortableFields", {"string": "title", "display": "Title (A-Z)", "type": "string"}))

    def test_facets(self):
        facets = self.search("facet=tags&facet=folder&limit=1&facetLimit=2")["facets"]
        self.assertEqual(facets["tags"], {"field": "tags", "total": 5, "missing": 3, "terms": [{"term": "kubernetes", "count": 2}, {"term": "prometheus", "count": 2}]})
        self.assertEqual(facets["folder"], {"field": "folder", "total": 3, "missing": 3, "terms": [{"term": "ops", "count": 2}, {"term": "dev", "count": 1}]})

    def test_versions_are_found_alike(self):
        """A dashboard is stored in the version it was written in, and found by the same words, tags and folder in each."""
        specs = {"v1": {"title": "Written anywhere", "tags": ["alike"], "description": "turbine", "panels": []}}
        specs["v2"] = {"title": "Written anywhere", "tags": ["alike"], "description": "turbine", "elements": {}, "layout": {"kind": "GridLayout", "spec": {"items": []}}}
        for version in ("v0alpha1", "v1", "v2alpha1", "v2beta1", "v2"):
            spec = specs["v2" if version.startswith("v2") else "v1"]
            self.made(self.server.post((DASHBOARDS % self.ns).replace("v1beta1", version), {
                "apiVersion": "dashboard.grafana.app/" + version, "kind": "Dashboard",
                "metadata": {"name": "in-" + version, "annotations": {"grafana.app/folder": "dev"}}, "spec": spec}))
        names = ["in-v0alpha1", "in-v1", "in-v2", "in-v2alpha1", "in-v2beta1"]
        for query in ("query=anywhere", "query=nywher", "query=turbi", "query=alike", "tag=alike", "folder=dev&query=written"):
            for version in ("v1", "v2"):
                self.assertEqual(self.names(query + "&sort=name", version=version), names, query)
        hits = self.search("query=anywhere")["hits"]
        self.assertEqual(len({h["score"] for h in hits}), 1)
        self.assertEqual([(h["title"], h["tags"], h["folder"]) for h in hits], [("Written anywhere", ["alike"], "dev")] * 5)
        self.assertEqual(self.search("tag=alike&facet=tags")["facets"]["tags"]["terms"], [{"term": "alike", "count": 5}])
        listed = self.server.get((DASHBOARDS % self.ns).replace("v1beta1", "v2") + "?q=turbine")[2]
        self.assertEqual(sorted(o["metadata"]["name"] for o in listed["items"]), names)

    def test_refused(self):
        for query, words in (("type=panels", "unknown resource type"), ("type=folders&type=dashboards&type=folders", "too many type requests"), ("limit=ten", "limit: ten is not a number"),
                             ("limit=-1", "limit"), ("offset=99999999999", "offset"), ("sort=views", "there is no sorting by views"), ("facet=tags" + "&facet=tags" * 16, "16 facets"), ("query=" + "a" * 1025, "1024 bytes")):
            body = self.assertStatus(self.server.get(SEARCH % ("v1beta1", self.ns) + "?" + query), 400, "BadRequest")
            self.assertIn(words, body["message"])
        self.assertEqual(self.server.post(SEARCH % ("v1beta1", self.ns), {})[0], 405)
        self.assertEqual(self.server.get("/apis/dashboard.grafana.app/v1beta1/search")[0], 405)

    def test_follows_moves_and_removals(self):
        self.assertEqual(self.names("folder=dev"), ["d4"])
        status, _, body = self.server.request("PATCH", DASHBOARDS % self.ns + "/d3", {"metadata": {"annotations": {"grafana.app/folder": "dev"}}, "spec": {"title": "moved"}},
                                              {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(status, 200, body)
        self.assertEqual(self.names("folder=dev&query=moved"), ["d3"])
        self.assertEqual(self.server.request("DELETE", DASHBOARDS % self.ns + "/d3")[0], 200)
        self.assertEqual(self.names("query=moved"), [])

    def test_real_dashboards(self):
        """What each is called finds it."""
        files = sorted(glob.glob(os.path.join(os.environ.get("CORACLE_DASHBOARDS", os.path.join(ROOT, "tests", "data", "dashboards")), "*.json")))
        self.assertTrue(files)
        titles = {}
        for n, path in enumerate(files):
            model = json.load(open(path, encoding="utf-8"))
            if not isinstance(model.get("title"), str):
                continue
            titles["r%d" % n] = model["title"]
            self.made(self.server.post(DASHBOARDS % self.ns, {"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {"name": "r%d" % n}, "spec": model}))
        for name, title in titles.items():
            self.assertIn(name, self.names("limit=100&query=" + urllib.parse.quote(title)), title)
        self.assertEqual(self.search("facet=tags&type=dashboards")["totalHits"], len(titles) + 4)
        listed = found(self.server, DASHBOARDS % self.ns + "?q=" + urllib.parse.quote(title))[2]
        self.assertIn(name, [o["metadata"]["name"] for o in listed["items"]])


class Killed(unittest.TestCase):
    def test_killed_in_the_middle(self):
        """kill -9 while objects are written and the index is behind: what was acknowledged is found after, and nothing else."""
        server = Server(support.PRESET)
        path = "/apis/text.example.com/v1/namespaces/default/notes"
        acknowledged, going = set(), True

        def write(worker):
            for i in range(100000):
                if not going:
                    return
                name = "w%d-%d" % (worker, i)
                try:
                    if server.post(path, {"apiVersion": "text.example.com/v1", "kind": "Note", "metadata": {"name": name}, "spec": {"title": "found again", "body": name}})[0] == 201:
                        acknowledged.add(name)
                except OSError:
                    return
                except Exception:
                    return

        server.start()
        try:
            self.assertEqual(server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition("notes", ".spec.title .spec.body"))[0], 201)
            for _ in range(3):
                workers = [threading.Thread(target=write, args=(len(acknowledged) * 10 + k,)) for k in range(4)]
                going = True
                for w in workers:
                    w.start()
                time.sleep(0.7)
                server.stop(signal.SIGKILL)
                going = False
                for w in workers:
                    w.join()
                server.start()
                status, _, body = found(server, path + "?q=again")
                self.assertEqual(status, 200, body)
                seen = {o["metadata"]["name"] for o in body["items"]}
                there = {o["metadata"]["name"] for o in server.get(path)[2]["items"]}
                self.assertEqual(seen, there)
                self.assertLessEqual(acknowledged, seen)
            self.assertEqual(server.stop(), 0, server.stderr())
        finally:
            server.stop(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
