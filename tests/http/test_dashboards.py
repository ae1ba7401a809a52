# SPDX-License-Identifier: Apache-2.0
"""Dashboards: real ones in every version, as tables, patched and applied, with what their readers may do to them; what is refused and
how it is told. Those in tests/data/dashboards, or in the directory that CORACLE_DASHBOARDS names."""
import glob, json, os, unittest

import support
from support import ROOT, Watch

GROUP = "/apis/dashboard.grafana.app/"
FOLDERS = "/apis/folder.grafana.app/v1/namespaces/%s/folders"
CLASSIC, SECOND = ["v0alpha1", "v1beta1", "v1"], ["v2alpha1", "v2beta1", "v2"]
PATCH = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def models():
    folder = os.environ.get("CORACLE_DASHBOARDS") or os.path.join(ROOT, "tests", "data", "dashboards")
    return {os.path.basename(p)[:-5]: json.load(open(p, encoding="utf-8")) for p in sorted(glob.glob(folder + "/*.json"))}


class Dashboards(unittest.TestCase):
    def setUp(self):
        self.server, self.ns = support.SHARED, "org-%d" % next(support.ORGANIZATIONS)
        self.must("POST", "/api/v1/namespaces", {"metadata": {"name": self.ns}}, want=201)

    def path(self, name="", version="v1", sub=""):
        return GROUP + version + "/namespaces/" + self.ns + "/dashboards" + ("/" + name if name else "") + ("/" + sub if sub else "")

    def test_the_classic_model_is_preferred(self):
        """In both forms of discovery, whatever Kubernetes' order of versions says."""
        order = ["v1", "v1beta1", "v0alpha1", "v2", "v2beta1", "v2alpha1"]
        group = self.must("GET", "/apis/dashboard.grafana.app")
        self.assertEqual([v["version"] for v in group["versions"]], order)
        self.assertEqual(group["preferredVersion"]["version"], "v1")
        every = self.must("GET", "/apis", headers={"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
        mine = next(g for g in every["items"] if g["metadata"]["name"] == "dashboard.grafana.app")
        self.assertEqual([v["version"] for v in mine["versions"]], order)

    def ask(self, method, path, body=None, headers=None, token=None):
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        head = dict({"Content-Type": "application/json"} if data is not None else {}, **(headers or {}))
        status, _, answer = self.server.request(method, path, data, head, token)
        return status, answer

    def must(self, method, path, body=None, headers=None, want=200):
        status, answer = self.ask(method, path, body, headers)
        self.assertEqual(status, want, str(answer)[:600])
        return answer

    def dashboard(self, name, spec, version="v1", **meta):
        return {"apiVersion": "dashboard.grafana.app/" + version, "kind": "Dashboard", "metadata": dict(name=name, **meta), "spec": spec}

    def make(self, name, spec, version="v1", want=201, **meta):
        return self.must("POST", self.path(version=version), self.dashboard(name, spec, version, **meta), want=want)

    def refused(self, want, text, field=None, name="bad", spec=None, version="v1", **meta):
        status, answer = self.ask("POST", self.path(version=version), self.dashboard(name, spec, version, **meta))
        self.assertEqual((status, text in answer["message"]), (want, True), answer)
        causes = [c["field"] for c in answer.get("details", {}).get("causes", [])]
        if field:
            self.assertIn(field, causes, answer)
        return answer

    # ---- real ones ----

    def test_real(self):
        for name, model in models().items():
            made = self.make(name[:40], model)
            self.assertEqual({k: v for k, v in model.items() if k not in ("uid", "id", "version")}, made["spec"])
            self.assertNotIn("status", made)
            kept = self.make("kept-" + name[:30], model, "v0alpha1")
            self.assertEqual(kept["spec"], made["spec"])
            self.assertEqual(self.must("GET", self.path("kept-" + name[:30]))["spec"]["schemaVersion"], 42)
            for v in SECOND:
                self.assertEqual(self.must("GET", self.path("kept-" + name[:30], v))["spec"], self.must("GET", self.path(name[:40], v))["spec"], v)
            read = {v: self.must("GET", self.path(name[:40], v)) for v in CLASSIC + SECOND}
            for v in CLASSIC:
                self.assertEqual(read[v]["spec"], made["spec"])
            for v in set(read) - {"v1"}:
                self.assertEqual(read[v]["status"], {"conversion": {"failed": False, "storedVersion": "v1"}}, v)
                self.assertEqual(read[v]["metadata"], made["metadata"])
            self.assertEqual(len(read["v2"]["spec"]["elements"]), sum(p["type"] != "row" for p in model["panels"]))
        items = self.must("GET", self.path(version="v2"))["items"]
        self.assertEqual({i["metadata"]["name"]: i["spec"] for i in items},
                         {i["metadata"]["name"]: self.must("GET", self.path(i["metadata"]["name"], "v2"))["spec"] for i in items})

    def test_written_in_each(self):
        """An object is stored as it was written, and reads the same in every version, whichever that was."""
        model = models()["nodes"]
        self.make("first", model)
        wanted = {v: self.must("GET", self.path("first", v))["spec"] for v in CLASSIC + SECOND}
        for v in CLASSIC + SECOND:
            name = "in-" + v
            made = self.make(name, wanted[v], v)
            self.assertEqual(made["spec"], wanted[v])
            self.assertNotIn("status", self.must("GET", self.path(name, v)))
            for other in SECOND:
                got = self.must("GET", self.path(name, other))
                self.assertEqual(got["spec"], wanted[other], "%s as %s" % (v, other))
                if other != v:
                    self.assertEqual(got["status"]["conversion"]["storedVersion"], v)

    def test_written_again_in_another(self):
        made = self.make("d", {"title": "T", "panels": [{"id": 1, "type": "stat"}]})
        v2 = self.must("PATCH", self.path("d", "v2"), {"spec": {"title": "U"}}, PATCH)
        self.assertNotIn("status", v2)
        self.assertGreater(int(v2["metadata"]["resourceVersion"]), int(made["metadata"]["resourceVersion"]))
        v1 = self.must("GET", self.path("d"))
        self.assertEqual((v1["spec"]["title"], v1["spec"]["panels"][0]["type"]), ("U", "stat"))
        self.assertEqual(v1["status"]["conversion"], {"failed": False, "storedVersion": "v2"})
        v1["spec"]["title"] = "V"  # what was read is sent back whole
        back = self.must("PUT", self.path("d"), v1)
        self.assertNotIn("status", back)
        self.assertNotIn("status", self.must("GET", self.path("d")))
        self.assertEqual(self.must("GET", self.path("d", "v2"))["spec"]["title"], "V")

    def test_nothing_changes_in_another(self):
        """A write that changes nothing leaves a dashboard in the version it lies in, whichever the write was in."""
        model = models()["nodes"]
        self.make("first", model)
        wanted = {v: self.must("GET", self.path("first", v))["spec"] for v in CLASSIC + SECOND}
        for stored in CLASSIC + SECOND:
            name = "in-" + stored
            made = self.make(name, wanted[stored], stored)
            for v in CLASSIC + SECOND:
                where, read = self.path(name, v), self.must("GET", self.path(name, v))
                bare = {k: read[k] for k in read if k != "status"}
                for method, body, headers in (("PUT", read, None), ("PUT", bare, None), ("PATCH", {}, PATCH),
                                              ("PATCH", {"spec": {"title": read["spec"]["title"]}}, PATCH),
                                              ("PATCH", [], {"Content-Type": "application/json-patch+json"})):
                    self.assertEqual(self.must(method, where, body, headers), read, "%s as %s" % (stored, v))
            self.assertEqual(self.must("GET", self.path(name, stored)), made)

    def test_applied_again_in_another(self):
        """An apply whose result is what is there already changes nothing, though another wrote in another version since."""
        model = models()["nodes"]
        self.make("d", model)
        spec = self.must("GET", self.path("d", "v2"))["spec"]

        def apply(version, manager, spec, **meta):
            return self.must("PATCH", self.path("d", version) + "?force=true&fieldManager=" + manager, self.dashboard("d", spec, version, **meta), APPLY)
        first = apply("v2", "second", spec)
        self.assertEqual(apply("v2", "second", spec), first)
        self.assertEqual(first["metadata"]["generation"], 1)
        other = apply("v1", "classic", {"title": model["title"]}, labels={"a": "b"})  # stored in v1 from now on
        self.assertEqual(self.must("GET", self.path("d", "v2"))["status"]["conversion"]["storedVersion"], "v1")
        again = apply("v2", "second", spec)
        self.assertEqual(again["metadata"], other["metadata"])
        self.assertEqual((again["spec"], again["status"]["conversion"]["storedVersion"]), (spec, "v1"))
        self.assertEqual(self.must("GET", self.path("d")), other)

    def test_patched_and_applied(self):
        for name, model in models().items():
            self.make(name[:40], model)
            got = self.must("PATCH", self.path(name[:40]), {"spec": {"tags": ["x", "y"], "panels": model["panels"][:2]}}, PATCH)
            self.assertEqual((got["spec"]["tags"], len(got["spec"]["panels"])), (["x", "y"], 2))
            self.assertEqual(got["metadata"]["generation"], 2)
            same = self.must("PATCH", self.path(name[:40]), {"spec": {"tags": ["x", "y"]}}, PATCH)
            self.assertEqual(same["metadata"]["resourceVersion"], got["metadata"]["resourceVersion"])
        model = models()["grafana-overview"]
        url = self.path("applied") + "?fieldManager=me"
        made = self.must("PATCH", url, self.dashboard("applied", model), APPLY, want=201)
        again = self.must("PATCH", url, self.dashboard("applied", model), APPLY)
        self.assertEqual(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])
        status, answer = self.ask("PATCH", self.path("applied") + "?fieldManager=you", self.dashboard("applied", {"title": "Mine"}), APPLY)
        self.assertEqual(status, 409, answer)
        self.assertEqual(answer["details"]["causes"][0]["field"], ".spec.title")

    def test_applied_in_two_versions(self):
        """Owners in different versions: whose title it is shows in both."""
        model, url = models()["nodes"], "?fieldManager=%s&force=%s"
        self.must("PATCH", self.path("d") + url % ("me", "false"), self.dashboard("d", model), APPLY, want=201)
        title = self.dashboard("d", {"title": "Yours"}, "v2")
        status, answer = self.ask("PATCH", self.path("d", "v2") + url % ("you", "false"), title, APPLY)
        self.assertEqual((status, answer["details"]["causes"][0]["field"]), (409, ".spec.title"), answer)
        got = self.must("PATCH", self.path("d", "v2") + url % ("you", "true"), title, APPLY)
        self.assertEqual({(m["manager"], m["apiVersion"].split("/")[1]) for m in got["metadata"]["managedFields"]}, {("me", "v1"), ("you", "v2")})
        v1 = self.must("GET", self.path("d"))
        self.assertEqual((v1["spec"]["title"], len(v1["spec"]["panels"])), ("Yours", len(model["panels"])))
        again = self.must("PATCH", self.path("d") + url % ("me", "true"), self.dashboard("d", model), APPLY)
        self.assertEqual((again["spec"]["title"], again["spec"]["tags"]), (model["title"], model["tags"]))

    def test_table(self):
        self.must("POST", FOLDERS % self.ns, {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": {"name": "f"}, "spec": {"title": "F"}}, want=201)
        self.make("d", {"title": "Title", "tags": ["a", "b"]}, annotations={"grafana.app/folder": "f"})
        table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        for version in CLASSIC + SECOND:
            got = self.must("GET", self.path(version=version), headers=table)
            self.assertEqual([c["name"] for c in got["columnDefinitions"]], ["Name", "Title", "Folder", "Tags", "Age"])
            self.assertEqual(got["rows"][0]["cells"][:4], ["d", "Title", "f", '["a","b"]'])

    def test_folders(self):
        """It lies where there is a folder; the rules are those of folders."""
        folder = {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": {"name": "f"}, "spec": {"title": "F"}}
        self.must("POST", FOLDERS % self.ns, folder, want=201)
        self.make("d", {"title": "T"})
        for version in ("v1", "v2"):
            for name, want in (("none", 404), ("f", 200), (None, 200)):
                body = {"metadata": {"annotations": {"grafana.app/folder": name}}}
                status, answer = self.ask("PATCH", self.path("d", version), body, PATCH)
                self.assertEqual(status, want, answer)
        self.must("PATCH", self.path("d", "v2"), {"metadata": {"annotations": {"grafana.app/folder": "f"}}}, PATCH)
        status, answer = self.ask("DELETE", FOLDERS % self.ns + "/f")
        self.assertNotEqual(status, 200, answer)  # it holds a dashboard
        self.must("DELETE", self.path("d"))
        self.must("DELETE", FOLDERS % self.ns + "/f")

    def test_watch(self):
        w = Watch(self.server, self.path(version="v2"))
        try:
            self.make("d", {"title": "T", "panels": [{"id": 1, "type": "stat"}]})
            self.must("PATCH", self.path("d"), {"spec": {"title": "U"}}, PATCH)
            self.must("DELETE", self.path("d"))
            events = w.wait(3)
            self.assertEqual(w.short(), ["ADDED d", "MODIFIED d", "DELETED d"])
            self.assertEqual([e["object"]["apiVersion"] for e in events], ["dashboard.grafana.app/v2"] * 3)
            self.assertEqual(events[1]["object"]["spec"]["elements"]["panel-1"]["kind"], "Panel")
        finally:
            w.close()

    def test_watch_of_large_ones(self):
        """Large ones are converted elsewhere than small ones, and come in the order of their revisions all the same."""
        watches = [Watch(self.server, self.path(version=v)) for v in ["v2"] * 5 + ["v2alpha1", "v1"]]
        partial = Watch(self.server, self.path(version="v2"), [("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")])
        watches.append(partial)
        try:
            revisions = []
            for name, model in models().items():
                revisions.append(self.make(name[:40], model)["metadata"]["resourceVersion"])
                revisions.append(self.make("s-" + name[:30], {"title": "T"})["metadata"]["resourceVersion"])
                for i in range(5):
                    got = self.must("PATCH", self.path(name[:40]), {"spec": {"title": "t%d" % i}}, PATCH)
                    revisions.append(got["metadata"]["resourceVersion"])
            for w in watches:
                w.wait(len(revisions))
                self.assertEqual([e["object"]["metadata"]["resourceVersion"] for e in w.events], revisions)
            last = {e["object"]["metadata"]["name"]: e["object"] for e in watches[0].events}
            self.assertEqual(last, {name: self.must("GET", self.path(name, "v2")) for name in last})
            name = next(iter(models()))
            self.must("DELETE", self.path(name[:40]))
            gone = watches[0].wait(len(revisions) + 1)[-1]
            self.assertEqual((gone["type"], gone["object"]["spec"]), ("DELETED", last[name[:40]]["spec"]))
        finally:
            for w in watches:
                w.close()

    # ---- subresources ----

    def test_dto(self):
        self.make("aBc_1", {"title": "Über all, 50%: Жук"})
        for version in ("v1", "v2"):
            dto = self.must("GET", self.path("aBc_1", version, "dto"))
            self.assertEqual((dto["kind"], dto["apiVersion"]), ("DashboardWithAccessInfo", "dashboard.grafana.app/" + version))
            self.assertEqual(dto["spec"], self.must("GET", self.path("aBc_1", version))["spec"])
            access = dto.pop("access")
            self.assertEqual(access["slug"], "ueber-all-50253a-zhuk")
            self.assertEqual(access["url"], "/d/aBc_1/ueber-all-50253a-zhuk")
            for may in ("canSave", "canEdit", "canAdmin", "canStar", "canDelete"):
                self.assertIs(access[may], True, may)
            actions = {"canAdd": True, "canEdit": True, "canDelete": True}
            self.assertEqual(access["annotationsPermissions"], {"dashboard": actions, "organization": actions})
            alone = self.must("GET", self.path("aBc_1", version, "access"))
            self.assertEqual((alone.pop("kind"), alone.pop("apiVersion")), ("DashboardAccess", "dashboard.grafana.app/" + version))
            self.assertEqual(alone, access)
        plain = self.must("GET", self.path("aBc_1", "v1", "dto") + "?includeAccess=false")
        self.assertEqual((plain["kind"], "access" in plain), ("Dashboard", False))
        self.assertEqual(self.ask("GET", self.path("none", "v1", "dto"))[0], 404)
        self.assertEqual(self.ask("PUT", self.path("aBc_1", "v1", "dto"), {})[0], 405)

    # ---- what the server makes of it ----

    def test_model_is_settled(self):
        made = self.make("d", {"title": "T", "uid": "other", "version": 7, "id": 42, "schemaVersion": 39})
        self.assertEqual(made["spec"], {"title": "T", "schemaVersion": 39})
        self.assertEqual(made["metadata"]["labels"], {"grafana.app/deprecatedInternalID": "42"})
        second = self.make("e", {"title": "T"}, "v2")
        self.assertEqual(second["spec"], {"title": "T", "elements": {}, "layout": {"kind": "GridLayout", "spec": {"items": []}}})
        put = self.must("PUT", self.path("new"), self.dashboard("new", {"title": "T"}), want=201)
        self.must("PUT", self.path("new"), self.dashboard("new", {"title": "U"}))  # without a resourceVersion
        self.assertEqual(put["metadata"]["generation"], 1)

    def test_warning(self):
        body = json.dumps(self.dashboard("d", {"title": "T", "panels": [{"id": 1}, {"id": 1}, {"id": 1}]}))
        status, headers, _ = self.server.request("POST", self.path(), body, {"Content-Type": "application/json"})
        self.assertEqual(status, 201)
        self.assertIn("several panels have the id 1", str(headers))

    def test_cannot_be_converted(self):
        spec = {"title": "T", "layout": {"kind": "GridLayout", "spec": {"items": [
            {"kind": "GridLayoutItem", "spec": {"x": 0, "y": 0, "width": 1, "height": 1, "element": {"kind": "ElementReference", "name": "none"}}}]}}}
        self.make("d", spec, "v2")
        made = self.must("GET", self.path("d", "v2"))
        got = self.must("GET", self.path("d"))
        self.assertEqual(got["spec"], {"title": "T"})
        self.assertEqual(got["status"]["conversion"], {
            "failed": True, "storedVersion": "v2", "error": "panel with uid none not found in the dashboard elements",
            "source": {"apiVersion": made["apiVersion"], "kind": "Dashboard", "spec": made["spec"]}})
        self.assertEqual(self.must("GET", self.path("d", "v2alpha1"))["status"]["conversion"]["failed"], False)
        # What only stands for it does not take its place.
        for method, body, headers in (("PUT", got, None), ("PATCH", {"spec": {"title": "U"}}, PATCH)):
            status, answer = self.ask(method, self.path("d"), body, headers)
            self.assertEqual((status, "change it in version v2" in answer["message"]), (400, True), answer)
        self.assertEqual(self.must("GET", self.path("d", "v2"))["spec"], made["spec"])
        self.must("PUT", self.path("d"), self.dashboard("d", {"title": "New"}))
        self.assertEqual(self.must("GET", self.path("d", "v2"))["spec"]["title"], "New")

    # ---- older models ----

    OLD = {"title": "T", "schemaVersion": 13, "sharedCrosshair": True, "rows": [
        {"title": "Top", "height": "250px", "showTitle": True, "panels": [
            {"id": 1, "type": "graph", "span": 8, "datasource": "Prometheus", "targets": [{"expr": "up"}]},
            {"id": 2, "type": "singlestat", "span": 4, "valueName": "avg"}]},
        {"title": "Rest", "collapse": True, "repeat": "host", "panels": [{"id": 3, "type": "text", "span": 12, "content": "hi"}]}]}

    def test_older(self):
        """Kept as it was written; what lies in v0alpha1 is of the newest schemaVersion in every other version, any other in v2."""
        kept = self.make("kept", self.OLD, "v0alpha1")
        self.assertEqual(kept["spec"], self.OLD)
        self.assertEqual(self.must("GET", self.path("kept", "v0alpha1"))["spec"], self.OLD)
        v1 = self.must("GET", self.path("kept"))
        self.assertEqual(v1["status"]["conversion"], {"failed": False, "storedVersion": "v0alpha1"})
        spec = v1["spec"]
        self.assertEqual((spec["schemaVersion"], spec["graphTooltip"], "rows" in spec), (42, 1, False))
        self.assertEqual([(p["type"], p["id"], p["gridPos"]) for p in spec["panels"]], [
            ("row", 4, {"x": 0, "y": 0, "w": 24, "h": 7}), ("timeseries", 1, {"x": 0, "y": 1, "w": 16, "h": 7}),
            ("stat", 2, {"x": 16, "y": 1, "w": 8, "h": 7}), ("row", 5, {"x": 0, "y": 8, "w": 24, "h": 7})])
        self.assertEqual(spec["panels"][1]["targets"], [{"expr": "up", "refId": "A", "datasource": {"uid": "Prometheus"}}])
        self.assertEqual(spec["panels"][2]["autoMigrateFrom"], "singlestat")
        v2 = self.must("GET", self.path("kept", "v2"))["spec"]
        self.assertEqual([r["spec"]["title"] for r in v2["layout"]["spec"]["rows"]], ["Top", "Rest"])
        self.assertEqual([r["spec"]["collapse"] for r in v2["layout"]["spec"]["rows"]], [False, True])
        self.assertEqual({n: e["spec"]["vizConfig"]["group"] for n, e in v2["elements"].items()}, {"panel-1": "timeseries", "panel-2": "stat", "panel-3": "text"})
        for version in ("v1", "v1beta1"):
            made = self.make("in-" + version, self.OLD, version)
            self.assertEqual(made["spec"], self.OLD)
            for other in CLASSIC:
                self.assertEqual(self.must("GET", self.path("in-" + version, other))["spec"], self.OLD)
            self.assertEqual(self.must("GET", self.path("in-" + version, "v2"))["spec"], v2)
            same = self.must("PUT", self.path("in-" + version, version), self.dashboard("in-" + version, self.OLD, version))
            self.assertEqual(same["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])
        url = self.path("applied") + "?fieldManager=me"
        first = self.must("PATCH", url, self.dashboard("applied", self.OLD), APPLY, want=201)
        self.assertEqual(first["spec"], self.OLD)
        again = self.must("PATCH", url, self.dashboard("applied", self.OLD), APPLY)
        self.assertEqual(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])

    def test_older_is_changed(self):
        self.make("d", self.OLD, "v0alpha1")
        changed = self.must("PATCH", self.path("d", "v0alpha1"), {"spec": {"title": "U"}}, PATCH)
        self.assertEqual(changed["spec"], dict(self.OLD, title="U"))
        v1 = self.must("GET", self.path("d"))
        v1["spec"]["title"] = "V"
        back = self.must("PUT", self.path("d"), v1)
        self.assertEqual((back["spec"]["title"], back["spec"]["schemaVersion"]), ("V", 42))
        self.assertEqual(self.must("GET", self.path("d", "v0alpha1"))["spec"], back["spec"])
        self.refused(422, "must be of type array", "spec.panels", spec={"title": "T", "schemaVersion": 30, "panels": {"a": 1}})
        self.refused(422, "must be of type object", "spec.panels[0]", spec={"title": "T", "schemaVersion": 30, "panels": ["a"]})
        rows = [{"panels": [{}] * 1000}, {"panels": [{}] * 999}]
        self.refused(413, "2001 panels and rows", spec=dict(self.OLD, rows=rows))

    def test_too_old(self):
        """Before schemaVersion 13 there is no way: it shows as it is stored."""
        why = ("dashboard schema version 12 cannot be migrated to latest version 42 - migration path only exists for versions greater than 13")
        spec = {"title": "T", "schemaVersion": 12, "rows": [{"panels": [{"id": 1, "type": "graph"}]}]}
        self.make("old", spec, "v0alpha1")
        got = self.must("GET", self.path("old"))
        self.assertEqual(got["spec"], spec)
        self.assertEqual(got["status"]["conversion"], {"failed": True, "storedVersion": "v0alpha1", "error": why})
        self.assertEqual(self.ask("PUT", self.path("old"), got)[0], 400)
        v2 = self.must("GET", self.path("old", "v2"))
        self.assertEqual((v2["spec"]["title"], v2["spec"]["elements"], v2["status"]["conversion"]["error"]), ("T", {}, why))
        self.assertEqual(v2["status"]["conversion"]["source"]["spec"], spec)
        made = self.make("new", spec)
        self.assertEqual((made["spec"], "status" in made), (spec, False))
        self.assertEqual(self.must("GET", self.path("new", "v2"))["status"]["conversion"]["error"], why)

    # ---- refusals ----

    def test_bad_input(self):
        empty = "Dashboard title cannot be empty"
        for version in CLASSIC + SECOND:
            self.refused(400, empty, "spec.title", spec={}, version=version)
            self.refused(400, empty, "spec.title", spec={"title": " \n\t"}, version=version)
            self.refused(422, "must be of type string", "spec.title", spec={"title": 3}, version=version)
            self.refused(422, "must be of type object", "spec", spec=[1], version=version)
            self.refused(422, "Required value", "spec", spec=None, version=version)
        too_long = "Dashboard title cannot contain more than 5 000 characters"
        self.refused(400, too_long, "spec.title", spec={"title": "x" * 5001})
        self.make("long", {"title": "x" * 5000})
        self.refused(400, too_long, "spec.title", spec={"title": "x" * 2900000})
        self.refused(422, "must be of type array", "spec.panels", spec={"title": "T", "panels": {"a": 1}})
        self.refused(422, "must be of type object", "spec.panels[0]", spec={"title": "T", "panels": ["a"]})
        self.refused(422, "must be of type string", "spec.tags[0]", spec={"title": "T", "tags": [1]})
        self.refused(422, "Required value", "spec.elements.a.kind", spec={"title": "T", "elements": {"a": {"spec": {}}}}, version="v2")
        self.refused(400, "uid contains illegal characters", "metadata.name", name="a.b", spec={"title": "T"})
        self.refused(400, "uid contains illegal characters", "metadata.name", name="ä", spec={"title": "T"})
        self.refused(400, "uid too long, max 40 characters", "metadata.name", name="a" * 41, spec={"title": "T"})
        self.refused(400, "uid contains illegal characters", "metadata.name", name="a/b", spec={"title": "T"})
        self.refused(400, "Dashboard message cannot contain more than 500 characters", "metadata.annotations[grafana.app/message]",
                     spec={"title": "T"}, annotations={"grafana.app/message": "m" * 501})
        self.refused(404, "folders.folder.grafana.app \"none\" not found", spec={"title": "T"}, annotations={"grafana.app/folder": "none"})

    def test_refresh(self):
        for n, good in enumerate(("", "5s", "30s", "1m30s", "1d", "auto", False, None, "5000ms")):
            self.make("r%d" % n, {"title": "T", "refresh": good})
        for bad, text in (("1s", "too low"), ("100ms", "too low"), ("often", "parsing refresh duration"), ("-5s", "parsing"), ("5", "parsing")):
            self.refused(400, text, "spec.refresh", spec={"title": "T", "refresh": bad})
        self.refused(400, "too low", "spec.timeSettings.autoRefresh", spec={"title": "T", "timeSettings": {"autoRefresh": "1s"}}, version="v2")

    def test_large(self):
        """What is beyond the caps is refused, and what is just within them converts in a moment."""
        for size in (10 << 20, 20 << 20):
            body = '{"spec":{"title":"%s"}}' % ("x" * size)
            status, answer = self.ask("POST", self.path(), body)
            self.assertEqual((status, answer["reason"]), (413, "RequestEntityTooLarge"))
        self.refused(413, "limit is %d" % support.LIMITS["LIMIT_DASHBOARD_PANELS"], spec={"title": "T", "panels": [{}] * 2001})
        self.refused(413, "limit is %d" % support.LIMITS["LIMIT_DASHBOARD_PARTS"], spec={"title": "T", "panels": [{"targets": [{}] * 20000}]})
        nested = {"type": "row", "collapsed": True, "panels": [{"id": 1}] * 1000}
        self.refused(413, "panels and rows", spec={"title": "T", "panels": [nested, nested, nested]})
        source = {"type": "p" * 1000000, "uid": "u"}
        self.make("wide", {"title": "T", "panels": [{"id": 7, "datasource": source, "targets": [{}] * 15000}] + [{"id": 7}] * 1990})
        got = self.must("GET", self.path("wide", "v2"))
        self.assertEqual(len(got["spec"]["elements"]), 1991)
        many = {"m%d" % i: i for i in range(15000)}
        self.make("members", {"title": "T", "panels": [dict(many, id=1, targets=[many])], **many})
        v2 = self.must("GET", self.path("members", "v2"))
        del v2["metadata"]["resourceVersion"]
        v2["metadata"]["name"] = "members2"
        del v2["metadata"]["uid"], v2["status"]
        self.must("POST", self.path(version="v2"), v2, want=201)
        self.assertEqual(self.must("GET", self.path("members2"))["spec"]["panels"][0]["targets"][0]["m14999"], 14999)


if __name__ == "__main__":
    unittest.main()
