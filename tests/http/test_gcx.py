# SPDX-License-Identifier: Apache-2.0
"""What gcx, the command line of Grafana's app platform, asks of a server, as far as it takes no client library (tests/clients/gcx does the
rest); and the documents at fixed paths that this rests on."""
import json, urllib.parse

from support import Case, Raw

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
CALLER = {"X-Grafana-Caller-Id": "gcx", "User-Agent": "gcx/1.1.0 (linux/amd64)"}
FOLDERS, PLAYLISTS = "folder.grafana.app", "playlist.grafana.app"


class Documents(Case):
    def ask(self, method, path, token=None):
        with Raw(self.server) as c:
            c.head(method, path, [("Authorization", "Bearer " + token)] if token else [], auth=False)
            return c.read(body=method != "HEAD")

    def test_health_is_for_anyone(self):
        for token in (None, self.server.token, "bobtoken"):
            a = self.ask("GET", "/api/health", token)
            self.assertEqual((a.status, a.header("content-type")), (200, "application/json; charset=UTF-8"))
            body = a.json()
            self.assertEqual((body["database"], body["product"]), ("ok", "Coracle"))
            self.assertRegex(body["version"], r"^1[2-9]\.\d+\.\d+\+coracle-\d")  # gcx wants 12 or later
            self.assertIn("commit", body)
        self.assertStatus(self.ask("GET", "/api/health", "stranger"), 401)  # who says who they are, and is not

    def test_settings_take_a_user(self):
        self.assertStatus(self.ask("GET", "/api/frontend/settings"), 401)
        self.assertStatus(self.ask("GET", "/api/frontend/settings", "stranger"), 401)
        for token in (self.server.token, "bobtoken"):
            body = self.ask("GET", "/api/frontend/settings", token).json()
            self.assertEqual(body["namespace"], "default")
            self.assertEqual(body["buildInfo"]["version"], self.ask("GET", "/api/health").json()["version"])
            self.assertIn("Coracle", body["buildInfo"]["versionString"])

    def test_there_is_no_boot_data(self):
        for token in (None, self.server.token, "bobtoken"):
            self.assertStatus(self.ask("GET", "/bootdata", token), 404, "NotFound", "no boot data")

    def test_a_path_is_matched_whole(self):
        for path in ("/api/health", "/api/health/", "/api/%68ealth", "/api/health?x=1"):
            self.assertEqual(self.ask("GET", path).status, 200, path)
        for path in ("/api/healthz", "/api/health/x", "/API/health", "/bootdata/x", "/api/frontend", "/api/frontend/settings/x"):
            self.assertEqual(self.ask("GET", path).status, 401, path)  # no document: as any other path
            self.assertEqual(self.ask("GET", path, self.server.token).status, 404, path)

    def test_documents_are_only_read(self):
        get, head = self.ask("GET", "/api/health"), self.ask("HEAD", "/api/health")
        self.assertEqual((head.status, head.body, head.header("content-length")), (200, b"", str(len(get.body))))
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for path in ("/api/health", "/bootdata"):
                self.assertStatus(self.ask(method, path, self.server.token), 405, "MethodNotAllowed")
        self.assertStatus(self.ask("POST", "/api/frontend/settings"), 401)

    def test_documents_are_counted(self):
        self.ask("GET", "/api/health")
        text = self.server.get("/metrics")[2].decode()
        line = next(l for l in text.splitlines() if l.startswith("apiserver_request_total") and 'subresource="/api/health"' in l
                    and 'verb="GET"' in l and 'code="200"' in l)
        self.assertGreater(float(line.rsplit(" ", 1)[1]), 0)


class Gcx(Case):
    """In the namespace of the first organisation, since gcx knows no others."""

    def call(self, method, path, body=None, **headers):
        return self.server.request(method, path, body, headers=dict(CALLER, **headers))

    def discover(self, headers):
        status, answer, body = self.server.request("GET", "/apis?timeout=32s", headers=dict(headers, Accept=AGGREGATED))
        self.assertEqual(status, 200)
        self.assertIn("as=APIGroupDiscoveryList", answer["content-type"])
        self.assertIn("X-Grafana-Caller-Id", answer["vary"])
        return {g["metadata"]["name"]: [v["version"] for v in g["versions"]] for g in body["items"]}, answer["etag"]

    def collection(self, group):
        versions = self.discover(CALLER)[0][group]
        return group, versions[0], "/apis/%s/%s/namespaces/default/%ss" % (group, versions[0], group.split(".")[0])

    def playlist(self, name, **metadata):
        group, version, _ = self.collection(PLAYLISTS)
        return {"apiVersion": group + "/" + version, "kind": "Playlist", "metadata": dict(metadata, name=name, namespace="default"),
                "spec": {"title": "Of " + name, "interval": "5m", "items": [{"type": "dashboard_by_tag", "value": "x"}]}}

    def folder(self, name, parent=None):
        group, version, _ = self.collection(FOLDERS)
        annotations = {"grafana.app/folder": parent} if parent else None
        return {"apiVersion": group + "/" + version, "kind": "Folder", "spec": {"title": "Of " + name},
                "metadata": {"name": name, "namespace": "default", "annotations": annotations, "labels": None}}

    def test_discovery_shows_applications(self):
        apps, tag = self.discover(CALLER)
        self.assertTrue({FOLDERS, PLAYLISTS} <= set(apps), apps)
        self.assertFalse([g for g in apps if not g or g.endswith(".k8s.io")])
        self.assertEqual(self.call("GET", "/api?timeout=32s", Accept=AGGREGATED)[0], 404)
        everyone, other = self.discover({})
        self.assertTrue(set(apps) < set(everyone))
        self.assertNotEqual(tag, other)
        self.assertEqual({g: v for g, v in everyone.items() if not g.endswith(".k8s.io")}, apps)
        self.assertEqual(self.server.request("GET", "/api", headers={"Accept": AGGREGATED})[0], 200)
        self.assertEqual(self.server.request("GET", "/api", headers={"Accept": AGGREGATED, "X-Grafana-Caller-Id": "other"})[0], 200)
        self.assertEqual(self.call("GET", "/api/v1")[0], 200)  # what is not shown is still there

    def test_discovery_is_consistent(self):
        """Each group-version once, and resources of no other: gcx gives up otherwise."""
        _, _, body = self.call("GET", "/apis?timeout=32s", Accept=AGGREGATED)
        listed = [(g["metadata"]["name"], v["version"]) for g in body["items"] for v in g["versions"]]
        self.assertEqual(len(listed), len(set(listed)))
        for group in body["items"]:
            for version in group["versions"]:
                for resource in version.get("resources", []):
                    kind = resource["responseKind"]
                    self.assertIn((kind["group"] or group["metadata"]["name"], kind["version"] or version["version"]), listed)

    def push(self, collection, obj, query=""):
        """What gcx does with a file: look, then create or update."""
        name = obj["metadata"]["name"]
        status, _, there = self.call("GET", collection + "/" + name)
        if status == 404:
            return self.call("POST", collection + query, obj)
        self.assertEqual(status, 200, there)
        obj["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
        return self.call("PUT", collection + "/" + name + query, obj)

    def delete(self, collection, name, want=200, **options):
        status, _, body = self.call("DELETE", collection + "/" + name, dict(options, kind="DeleteOptions", apiVersion="v1"))
        self.assertEqual(status, want, body)

    def test_push_and_delete(self):
        _, _, folders = self.collection(FOLDERS)
        tree = (("gcx-outer", None), ("gcx-inner", "gcx-outer"))
        for name, parent in tree:  # what lies in the other is tried too, though that was not written
            status, _, body = self.push(folders, self.folder(name, parent), "?dryRun=All")
            self.assertEqual(status, 201, body)
            self.assertEqual(self.call("GET", folders + "/" + name)[0], 404)
        for name, parent in tree:
            status, _, body = self.push(folders, self.folder(name, parent))
            self.assertEqual(status, 201, body)
        before = self.call("GET", folders + "/gcx-inner")[2]["metadata"]
        changed = self.folder("gcx-inner", "gcx-outer")
        changed["spec"]["title"] = "Another"
        status, _, body = self.push(folders, json.loads(json.dumps(changed)), "?dryRun=All")
        self.assertEqual((status, body["spec"]["title"]), (200, "Another"))
        self.assertEqual(self.call("GET", folders + "/gcx-inner")[2]["metadata"], before)
        status, _, body = self.push(folders, changed)
        self.assertEqual((status, body["metadata"]["uid"], body["metadata"]["generation"]), (200, before["uid"], 2))
        stale = dict(changed, metadata=dict(changed["metadata"], resourceVersion=before["resourceVersion"]))
        self.assertStatus(self.call("PUT", folders + "/gcx-inner", stale), 409, "Conflict", "the object has been modified")
        self.delete(folders, "gcx-inner", dryRun=["All"])
        self.assertEqual(self.call("GET", folders + "/gcx-inner")[0], 200)
        status, _, body = self.call("DELETE", folders + "/gcx-outer", {"kind": "DeleteOptions", "apiVersion": "v1"})
        self.assertTrue(400 <= status < 500, body)
        self.delete(folders, "gcx-inner")
        self.delete(folders, "gcx-outer")
        self.delete(folders, "gcx-outer", want=404)

    def test_pull_in_pages(self):
        _, _, playlists = self.collection(PLAYLISTS)
        names = ["gcx-page-%04d" % i for i in range(520)]
        for name in names:
            status, _, body = self.call("POST", playlists, self.playlist(name, labels=None, annotations=None))
            self.assertEqual(status, 201, body)
        found, query, pages = [], "?limit=500", 0
        while query:
            status, _, body = self.call("GET", playlists + query)
            self.assertEqual(status, 200, body)
            pages += 1
            found += [o["metadata"]["name"] for o in body["items"] if o["metadata"]["name"].startswith("gcx-page-")]
            token = body["metadata"].get("continue")
            query = "?continue=%s&limit=500" % urllib.parse.quote(token) if token else None
        self.assertEqual((sorted(found), pages), (names, 2))
        for name in names:
            self.delete(playlists, name)

    def test_schemas_of_specs(self):
        status, _, index = self.call("GET", "/openapi/v3")
        self.assertEqual(status, 200)
        for group in (FOLDERS, PLAYLISTS):
            _, version, _ = self.collection(group)
            url = index["paths"]["apis/%s/%s" % (group, version)]["serverRelativeURL"]
            status, _, doc = self.call("GET", url)
            self.assertEqual(status, 200)
            kinds = [s for s in doc["components"]["schemas"].values()
                     for k in s.get("x-kubernetes-group-version-kind", ())
                     if (k["group"], k["version"], k["kind"]) == (group, version, group.split(".")[0].capitalize())]
            self.assertEqual(len(kinds), 1)
            self.assertEqual(kinds[0]["properties"]["spec"]["properties"]["title"]["type"], "string")
