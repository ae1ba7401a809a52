# SPDX-License-Identifier: Apache-2.0
"""Playlists (playlist.grafana.app): intervals, items, both versions, tables, and what is refused."""
import json

from support import Case

PLAYLISTS = "/apis/playlist.grafana.app/%s/namespaces/%s/playlists"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def playlist(name, **spec):
    whole = dict(title="Morning", interval="5m", items=[{"type": "dashboard_by_uid", "value": "cpu"}])
    whole.update(spec)
    return {"apiVersion": "playlist.grafana.app/v1", "kind": "Playlist", "metadata": {"name": name}, "spec": whole}


class Playlists(Case):
    def setUp(self):
        super().setUp()
        self.path = PLAYLISTS % ("v1", self.ns)

    def refused(self, field, words, **spec):
        body = self.assertStatus(self.server.post(self.path, playlist("bad", **spec)), 422, "Invalid")
        causes = {c["field"]: c["message"] for c in body["details"]["causes"]}
        self.assertIn(field, causes, body)
        self.assertIn(words, causes[field])

    def test_round_trip(self):
        items = [{"type": "dashboard_by_uid", "value": "cpu", "interval": "30s", "queryParams": "var-host=a"},
                 {"type": "dashboard_by_tag", "value": "disks"}, {"type": "dashboard_by_id", "value": "17"}]
        status, _, made = self.server.post(self.path, playlist("Tour_1", items=items, interval="1h30m"))
        self.assertEqual((status, made["spec"]["items"], made["metadata"]["generation"]), (201, items, 1))
        status, _, old = self.server.get(PLAYLISTS % ("v0alpha1", self.ns) + "/Tour_1")
        self.assertEqual((status, old["apiVersion"], old["spec"]), (200, "playlist.grafana.app/v0alpha1", made["spec"]))
        old["spec"]["title"] = "Evening"
        status, _, changed = self.server.request("PUT", PLAYLISTS % ("v0alpha1", self.ns) + "/Tour_1", old)
        self.assertEqual((status, changed["spec"]["title"], changed["metadata"]["generation"]), (200, "Evening", 2))
        table = self.server.request("GET", self.path, headers=TABLE)[2]
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Title", "Interval", "Items", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:4], ["Tour_1", "Evening", "1h30m", 3])
        self.assertEqual(self.server.request("DELETE", self.path + "/Tour_1")[0], 200)
        self.assertEqual(self.server.get(self.path + "/Tour_1")[0], 404)

    def test_generated_name_and_empty_list(self):
        body = playlist("", items=[])
        body["metadata"] = {"generateName": "list-"}
        status, _, made = self.server.post(self.path, body)
        self.assertEqual(status, 201, made)
        self.assertTrue(made["metadata"]["name"].startswith("list-"))

    def test_as_grafana_writes_it(self):
        """Grafana writes a status into every object, empty or not: files of it are taken, and programs may write one as they do there."""
        annotations = "/apis/annotation.grafana.app/v0alpha1/namespaces/%s/annotations" % self.ns
        annotation = {"apiVersion": "annotation.grafana.app/v0alpha1", "kind": "Annotation", "metadata": {"name": "a"}, "spec": {"text": "t", "time": 1}}
        state = {"operatorStates": {"x": {"lastEvaluation": "1", "state": "success", "details": {"n": 1}}}, "additionalFields": {"y": [1]}}
        for path, body in ((self.path, playlist("a")), (PLAYLISTS % ("v0alpha1", self.ns), dict(playlist("b"), apiVersion="playlist.grafana.app/v0alpha1")), (annotations, annotation)):
            for status in ({}, state):
                code, _, made = self.server.post(path + "?fieldValidation=Strict&dryRun=All", dict(body, status=status))
                self.assertEqual(code, 201, made)
            self.assertEqual(self.server.post(path + "?fieldValidation=Strict", dict(body, status=state))[0], 201)
            path += "/" + body["metadata"]["name"]
            self.assertNotIn("status", self.server.get(path)[2])
            patch = {"Content-Type": "application/merge-patch+json"}
            code, _, changed = self.server.request("PATCH", path + "/status?fieldValidation=Strict", {"status": state}, patch)
            self.assertEqual((code, changed["status"], changed["metadata"]["generation"]), (200, state, 1))
            self.assertNotIn("grafana.app/updatedBy", changed["metadata"]["annotations"])
            self.assertStatus(self.server.request("PATCH", path + "/status?fieldValidation=Strict", {"status": {"z": 1}}, patch), 422, message='unknown field "status.z"')

    def test_intervals(self):
        for n, good in enumerate(("30s", "5m", "1h", "1d", "2w", "500ms", "1h30m10s")):
            self.assertEqual(self.server.post(self.path, playlist("p%d" % n, interval=good))[0], 201, good)
        for bad in ("5", "m", "0s", "-5m", "5 m", "5m ", "1.5h", "5x", "5m3"):
            self.refused("spec.interval", "must be a time longer than nothing", interval=bad)
        self.refused("spec.interval", "at least 1 chars", interval="")
        self.refused("spec.items[0].interval", "must be a time", items=[{"type": "dashboard_by_tag", "value": "a", "interval": "soon"}])

    def test_items(self):
        self.refused("spec.items[0].type", "supported values", items=[{"type": "dashboard_by_name", "value": "a"}])
        self.refused("spec.items[0].value", "number of a dashboard", items=[{"type": "dashboard_by_id", "value": "cpu"}])
        self.refused("spec.items[1].value", "Required value", items=[{"type": "dashboard_by_tag", "value": "a"}, {"type": "dashboard_by_tag"}])
        self.refused("spec.items", "must have at most 1000 items", items=[{"type": "dashboard_by_tag", "value": "a"}] * 1001)
        self.refused("spec.items", "must be of type array", items="cpu")

    def test_bad_input(self):
        self.refused("spec.title", "at least 1 chars", title="")
        self.refused("spec.title", "may not be more than 255", title="t" * 100000)
        self.refused("spec.title", "must be of type string", title=7)
        body = playlist("none")
        del body["spec"]
        self.assertStatus(self.server.post(self.path, body), 422, "Invalid", "spec: Required value")
        self.assertStatus(self.server.post(self.path, playlist("huge", title="t" * 10000000)), 413)
        for name in ("a b", "a/b", "search", "QUERY", "x" * 254, ".."):
            self.assertStatus(self.server.post(self.path, playlist(name)), 422, "Invalid", "metadata.name")
        self.assertEqual(self.server.get(self.path)[2]["items"], [])

    def test_described(self):
        status, _, text = self.server.get("/openapi/v3/apis/playlist.grafana.app/v1")
        schemas = (text if isinstance(text, dict) else json.loads(text))["components"]["schemas"]
        found = [s for k, s in schemas.items() if k.endswith(".Playlist")]
        self.assertEqual((status, len(found)), (200, 1))
        item = found[0]["properties"]["spec"]["properties"]["items"]["items"]["properties"]
        for member in ("type", "value", "interval", "queryParams"):
            self.assertTrue(item[member]["description"])
