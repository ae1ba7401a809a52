# SPDX-License-Identifier: Apache-2.0
"""Folders (folder.grafana.app): the tree and its rules, subresources, removal with and without force, over HTTP and the file store."""
import json, signal, threading

from support import Case, Kept, PRESET, sanitized, until

FOLDERS = "/apis/folder.grafana.app/%s/namespaces/%s/folders"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
ANNOTATION = "grafana.app/folder"


def folder(name, parent=None, title=None, version="v1", **meta):
    meta = dict(name=name, **meta)
    if parent is not None:
        meta["annotations"] = {ANNOTATION: parent}
    return {"apiVersion": "folder.grafana.app/" + version, "kind": "Folder", "metadata": meta,
            "spec": {"title": name.title() if title is None else title}}


class FolderCase(Case):
    def setUp(self):
        super().setUp()
        self.path = FOLDERS % ("v1", self.ns)

    def add(self, *args, **kw):
        status, _, body = self.server.post(self.path, folder(*args, **kw))
        self.assertEqual(status, 201, body)
        return body

    def chain(self, names="abcde"):
        for n, name in enumerate(names):
            self.add(name, names[n - 1] if n else None)

    def get(self, name="", **kw):
        return self.server.request("GET", self.path + ("/" + name if name else ""), **kw)

    def view(self, name):
        status, _, body = self.get(name)
        self.assertEqual(status, 200, body)
        return body

    def names(self):
        return [f["metadata"]["name"] for f in self.view("")["items"]]

    def move(self, name, parent):
        return self.server.request("PATCH", self.path + "/" + name, {"metadata": {"annotations": {ANNOTATION: parent}}}, MERGE)

    def delete(self, name, query="", body=None):
        return self.server.request("DELETE", self.path + "/" + name + query, body)

    def refused(self, answer, code, message, uid=None):
        body = self.assertStatus(answer, code, None, message)
        if uid:
            self.assertEqual(body["details"]["uid"], uid)
            self.assertTrue(all(c["message"] for c in body["details"]["causes"]), body)  # says what would do
        return body


class Tree(FolderCase):
    def test_round_trip_in_both_versions(self):
        made = self.add("plain", title="  Plain \t", labels={"a": "b"})
        self.assertEqual((made["spec"], made["metadata"]["generation"]), ({"title": "Plain"}, 1))
        status, _, old = self.server.get(FOLDERS % ("v1beta1", self.ns) + "/plain")
        self.assertEqual((status, old["apiVersion"], old["spec"]), (200, "folder.grafana.app/v1beta1", made["spec"]))
        old["spec"].update(description="What for", unknown="goes")
        del old["metadata"]["resourceVersion"]  # as Grafana allows it
        status, _, new = self.server.request("PUT", FOLDERS % ("v1beta1", self.ns) + "/plain", old)
        self.assertEqual((status, new["spec"]), (200, {"title": "Plain", "description": "What for"}))
        status, _, new = self.server.request("PUT", self.path + "/fresh", folder("fresh", "plain"))
        self.assertEqual(status, 201, new)
        table = self.server.request("GET", self.path, headers=TABLE)[2]
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Title", "Parent", "Age"])
        self.assertEqual([r["cells"][:3] for r in table["rows"]], [["fresh", "Fresh", "plain"], ["plain", "Plain", None]])

    def test_discovery_names_the_subresources(self):
        status, _, body = self.server.get("/apis/folder.grafana.app/v1")
        found = {r["name"]: (r["kind"], r["verbs"]) for r in body["resources"]}
        self.assertEqual(found["folders/parents"], ("FolderInfoList", ["get"]))
        self.assertEqual(found["folders/counts"], ("DescendantCounts", ["get"]))
        self.assertEqual(found["folders/access"], ("FolderAccessInfo", ["get"]))
        self.assertIn("folders/children", found)
        group = self.server.get("/apis/folder.grafana.app")[2]
        self.assertEqual([v["version"] for v in group["versions"]], ["v1", "v1beta1"])

    def test_places(self):
        self.chain()
        post = lambda *args: self.server.post(self.path, folder(*args))
        self.refused(post("f", "e"), 400, "Maximum nested folder depth reached", "folder.maximum-depth-reached")
        body = self.refused(post("f", "nope"), 404, 'folders.folder.grafana.app "nope" not found')
        self.assertEqual(body["details"]["causes"], [{"reason": "FieldValueNotFound", "message": 'Not found: "nope"',
                                                      "field": "metadata.annotations[grafana.app/folder]"}])
        self.refused(post("f", "f"), 400, "folder cannot be parent of itself", "folder.cannot-be-parent-of-itself")
        self.refused(self.move("a", "e"), 400, "Circular reference detected", "folder.circular-reference")
        self.refused(self.move("a", "a"), 400, "folder cannot be parent of itself")
        for odd in ("../a", "a/b", "a" * 300, "\u00e4", "a%00b", "A"):
            self.refused(post("f", odd), 404, "not found")
        self.add("top")
        self.refused(self.move("a", "top"), 400, "Maximum nested folder depth reached")
        self.assertEqual(self.move("e", "top")[0], 200)
        self.assertEqual(self.move("a", "top")[0], 200)
        self.assertEqual(self.names(), ["a", "b", "c", "d", "e", "top"])
        apply = self.server.request("PATCH", self.path + "/top?fieldManager=m", folder("top", "d"), APPLY)
        self.refused(apply, 400, "Circular reference detected")
        self.assertNotIn(ANNOTATION, self.view("top")["metadata"]["annotations"])
        self.assertEqual(self.server.request("PATCH", self.path + "/applied?fieldManager=m", folder("applied", "a"), APPLY)[0], 201)

    def test_a_tree_is_tried_before_it_is_there(self):
        post = lambda query: self.server.post(self.path + query, folder("inner", "outer"))
        self.refused(post(""), 404, 'folders.folder.grafana.app "outer" not found')
        status, headers, body = post("?dryRun=All")
        self.assertEqual((status, body["metadata"]["annotations"][ANNOTATION]), (201, "outer"))
        self.assertIn("folder outer is not there", headers["Warning"])
        board = {"apiVersion": "dashboard.grafana.app/v1", "kind": "Dashboard", "spec": {"title": "B"},
                 "metadata": {"name": "board", "annotations": {ANNOTATION: "outer"}}}
        boards = "/apis/dashboard.grafana.app/v1/namespaces/%s/dashboards" % self.ns
        status, headers, _ = self.server.post(boards + "?dryRun=All", board)
        self.assertEqual(status, 201)
        self.assertIn("folder outer is not there", headers["Warning"])
        self.refused(self.server.post(boards, board), 404, 'folders.folder.grafana.app "outer" not found')
        self.add("outer")
        status, headers, _ = self.server.post(boards + "?dryRun=All", board)
        self.assertEqual((status, headers["Warning"]), (201, None))
        self.assertEqual(self.names(), ["outer"])

    def test_names(self):
        post = lambda name: self.server.post(self.path, folder(name))
        self.assertEqual(self.server.post(self.path, folder("root"))[0], 201)  # is none of the two
        for name in ("general", "sharedwithme"):
            self.refused(post(name), 400, "invalid uid for folder provided", "folder.invalid-uid")
        for name in ("a.b", "a b", "a/b", "\u00e4", "a:b"):
            self.refused(post(name), 400, "uid contains illegal characters", "folder.invalid-uid-chars")
        self.refused(post("a" * 41), 400, "uid too long, max 40 characters", "folder.uid-too-long")
        for name in ("a" * 40, "cfpVbyfSz", "_x-", "7"):
            self.assertEqual(post(name)[0], 201, name)
        body = folder("x")
        body["metadata"] = {"generateName": "made-"}
        status, _, made = self.server.post(self.path, body)
        self.assertEqual(status, 201, made)
        self.assertTrue(made["metadata"]["name"].startswith("made-"))

    def test_titles(self):
        post = lambda title: self.server.post(self.path, folder("t", title=title))
        for title in ("", "   ", "\t\n", "\u00a0\u2003\u3000"):
            self.refused(post(title), 400, "folder title cannot be empty", "folder.title-empty")
        body = self.refused(post(" GENERAL "), 400, "a folder with that name already exists", "folder.name-exists")
        self.assertEqual(body["details"]["causes"], [{"reason": "FieldValueInvalid", "message": "General is what the root is called", "field": "spec.title"}])
        for title in (7, [], {"a": 1}, True):
            self.assertStatus(post(title), 422, "Invalid", "spec.title")
        body = self.assertStatus(post("x" * 5001), 422, "Invalid")
        self.assertEqual(body["details"]["causes"][0]["field"], "spec.title")
        self.assertLess(len(json.dumps(body)), 2000)
        self.assertStatus(post("x" * 1000000), 422, "Invalid")
        self.assertIn(post("x" * 10000000)[0], (413, 422))
        for spec in (None, {}, {"title": None}, "text", [], 5):
            answer = self.server.post(self.path, dict(folder("t"), spec=spec))
            self.assertIn(answer[0], (400, 422), answer)
        self.assertEqual(self.names(), [])

    def test_namespaces_are_apart(self):
        self.add("here")
        other = FOLDERS % ("v1", "default")
        self.refused(self.server.post(other, folder("there-" + self.ns[:20], "here")), 404, '"here" not found')
        self.assertStatus(self.server.post(FOLDERS % ("v1", "org-999"), folder("x")), 404, message="kubectl create namespace org-999")
        self.assertStatus(self.server.post(FOLDERS % ("v1", "no-such"), folder("x")), 403, message="is not that of an organization")
        self.assertStatus(self.server.post(self.path, folder("x", namespace="default")), 400)

    def test_general_is_the_root(self):
        made = self.add("a", "general")
        self.assertEqual(made["metadata"]["annotations"][ANNOTATION], "")
        self.add("b", "a")
        self.assertEqual(self.move("b", "general")[2]["metadata"]["annotations"][ANNOTATION], "")
        self.assertEqual([f["metadata"]["name"] for f in self.view("general/children")["items"]], ["a", "b"])


class Views(FolderCase):
    def test_parents(self):
        self.chain("abc")
        self.server.request("PATCH", self.path + "/b", {"spec": {"description": "the middle"}}, MERGE)
        body = self.view("c/parents")
        self.assertEqual((body["kind"], body["apiVersion"]), ("FolderInfoList", "folder.grafana.app/v1"))
        self.assertEqual([(i["name"], i["title"], i.get("description"), i.get("parent")) for i in body["items"]],
                         [("a", "A", None, None), ("b", "B", "the middle", "a"), ("c", "C", None, "b")])
        self.assertEqual(self.get("nope/parents")[0], 404)
        status, _, body = self.server.get(FOLDERS % ("v1beta1", self.ns) + "/a/parents")
        self.assertEqual((status, body["apiVersion"]), (200, "folder.grafana.app/v1beta1"))

    def test_children_by_pages(self):
        self.add("p")
        for n in range(7):
            self.add("c%d" % n, "p")
        self.add("other")
        body = self.view("p/children?limit=3")
        self.assertEqual(([i["metadata"]["name"] for i in body["items"]], body["metadata"]),
                         (["c0", "c1", "c2"], {"continue": "3", "remainingItemCount": 4}))
        body = self.view("p/children?limit=3&continue=6")
        self.assertEqual(([i["metadata"]["name"] for i in body["items"]], body["metadata"]), (["c6"], {}))
        self.assertEqual(self.view("p/children?continue=100")["items"], [])
        self.assertEqual((body["kind"], body["items"][0]["spec"]), ("FolderList", {"title": "C6"}))
        for bad in ("x", "-1", "1.5", "99999999999999999999"):
            self.assertStatus(self.get("p/children?continue=" + bad), 400)
            self.assertStatus(self.get("p/children?limit=" + bad), 400)
        self.assertEqual(self.view("c0/children")["items"], [])
        self.assertStatus(self.get("nope/children"), 404)

    def test_counts(self):
        self.chain("abc")
        self.add("b2", "a")
        count = lambda name: next(c["count"] for c in self.view(name)["counts"] if c["resource"] == "folders")
        self.assertEqual([count("a/counts"), count("b/counts"), count("c/counts"), count("general/counts")], [2, 1, 0, 1])
        self.assertEqual([count("a/counts?recursive=true"), count("general/counts?recursive"), count("a/counts?recursive=false")], [3, 4, 2])
        self.assertEqual(self.view("a/counts")["kind"], "DescendantCounts")
        self.assertStatus(self.get("nope/counts"), 404)

    def test_access(self):
        self.add("a")
        body = self.view("a/access")
        self.assertEqual([body[k] for k in ("kind", "canSave", "canEdit", "canAdmin", "canDelete")], ["FolderAccessInfo"] + [True] * 4)
        self.assertTrue(body["accessControl"]["folders:write"])
        self.assertStatus(self.get("nope/access"), 404)
        self.assertEqual(self.server.request("POST", self.path + "/a/access", {})[0], 405)


class Removal(FolderCase):
    def gone(self, name, seconds=20):
        until(lambda: self.get(name)[0] == 404, seconds)

    def test_what_is_not_empty_stays(self):
        self.chain("ab")
        for query in ("", "?gracePeriodSeconds=1", "?dryRun=All", "?propagationPolicy=Orphan"):
            body = self.refused(self.delete("a", query), 400, "Folder cannot be deleted: folder is not empty", "folder.not-empty")
            self.assertEqual(body["details"]["causes"][0]["message"], "folder contains folders.folder.grafana.app")
            self.assertIn("--force --grace-period=0", body["details"]["causes"][1]["message"])
        self.assertEqual(self.delete("b")[0], 200)
        self.assertEqual(self.delete("a")[0], 200)
        self.assertEqual(self.names(), [])

    def test_by_force(self):
        self.chain()
        self.add("other")
        self.assertEqual(self.delete("a", "?gracePeriodSeconds=0&dryRun=All")[0], 200)
        self.assertNotIn("deletionTimestamp", self.view("a")["metadata"])
        status, _, body = self.delete("a", body={"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        self.assertEqual((status, body["status"]), (200, {"cascadeDelete": {"state": "pending", "remaining": 0}}))
        self.assertEqual(body["metadata"]["finalizers"], ["folder.grafana.app/cascade-delete"])
        self.gone("a")
        self.assertEqual(self.names(), ["other"])

    def test_what_is_being_deleted_takes_nothing(self):
        self.add("a")
        self.add("held", "a", finalizers=["x.io/y"])
        self.assertEqual(self.delete("a", "?gracePeriodSeconds=0")[0], 200)
        until(lambda: "deletionTimestamp" in self.view("held")["metadata"])
        body = self.refused(self.server.post(self.path, folder("new", "a")), 403, "because it is being deleted")
        self.assertEqual(body["details"]["causes"][0]["reason"], "FolderTerminating")
        body = until(lambda: self.view("a").get("status", {}).get("cascadeDelete", {}).get("state") == "working" and self.view("a"))
        self.assertEqual(body["status"]["cascadeDelete"]["remaining"], 1)
        self.refused(self.server.request("PATCH", self.path + "/a", {"metadata": {"finalizers": None}}, MERGE), 403, "stays until the folder is empty")
        self.assertEqual(self.server.request("PATCH", self.path + "/held", {"metadata": {"finalizers": None}}, MERGE)[0], 200)
        self.gone("a")
        self.assertEqual(self.names(), [])

    def test_a_collection_goes_from_the_bottom(self):
        self.chain("edcba")  # parents first in the order of names, too
        self.chain("vwxyz")
        for n in range(40):
            self.add("leaf%d" % n, "e")
        self.assertEqual(self.server.request("DELETE", self.path)[0], 200)
        self.assertEqual(self.names(), [])
        self.add("kept")
        self.add("inner", "kept", labels={"not": "this"})
        self.refused(self.server.request("DELETE", self.path + "?labelSelector=!not"), 400, "folder is not empty")
        self.assertEqual(self.names(), ["inner", "kept"])
        self.assertEqual(self.server.request("DELETE", self.path + "?gracePeriodSeconds=0&labelSelector=!not")[0], 200)
        self.gone("kept")

    def test_with_its_namespace(self):
        self.chain()
        self.assertEqual(self.server.request("DELETE", "/api/v1/namespaces/" + self.ns)[0], 200)
        until(lambda: self.server.get("/api/v1/namespaces/" + self.ns)[0] == 404)

    def test_races_over_http(self):
        """Children are created while their folder is deleted: none is left without it."""
        for turn in range(10 if sanitized() else 50):
            self.add("p")
            answers = []
            def child(n):
                answers.append(self.server.post(self.path, folder("c%d" % n, "p"))[0])
            threads = [threading.Thread(target=child, args=(n,)) for n in range(3)]
            for t in threads:
                t.start()
            self.delete("p", "?gracePeriodSeconds=0" if turn % 2 else "")
            for t in threads:
                t.join()
            self.assertTrue(set(answers) <= {201, 403, 404}, answers)
            if turn % 2:
                self.gone("p")
                until(lambda: self.names() == [])
            else:
                names = self.names()
                self.assertTrue(names == [] or "p" in names, names)
                for name in sorted(names):
                    self.assertEqual(self.delete(name)[0], 200)


class Dashboards(FolderCase):
    """What lies in folders besides folders, and needs no rules of its own for that."""

    def setUp(self):
        super().setUp()
        self.dashboards = "/apis/dashboard.grafana.app/v1beta1/namespaces/%s/dashboards" % self.ns

    def board(self, name, parent):
        meta = {"name": name, "annotations": {ANNOTATION: parent}}
        return self.server.post(self.dashboards, {"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": meta,
                                                  "spec": {"title": name, "schemaVersion": 41, "panels": []}})

    def move_board(self, name, parent):
        return self.server.request("PATCH", self.dashboards + "/" + name, {"metadata": {"annotations": {ANNOTATION: parent}}}, MERGE)

    def counts(self, name):
        return {c["resource"]: c["count"] for c in self.view(name)["counts"]}

    def test_their_folder(self):
        self.refused(self.board("x", "nope"), 404, 'folders.folder.grafana.app "nope" not found')
        self.chain("ab")
        for name, parent in (("one", "a"), ("two", "a"), ("three", "b"), ("top", "")):
            answer = self.board(name, parent)
            self.assertEqual(answer[0], 201, answer)
        self.assertEqual([self.counts(n)["dashboards"] for n in ("a/counts", "b/counts", "general/counts", "a/counts?recursive")], [2, 1, 1, 3])
        self.refused(self.move_board("top", "nope"), 404, '"nope" not found')
        self.assertEqual(self.move_board("top", "b")[0], 200)
        self.assertEqual(self.counts("b/counts")["dashboards"], 2)
        for name in ("top", "three"):
            self.assertEqual(self.move_board(name, "")[0], 200)
        self.assertEqual(self.delete("b")[0], 200)
        body = self.refused(self.delete("a"), 400, "Folder cannot be deleted: folder is not empty")
        self.assertIn("dashboards.dashboard.grafana.app", body["details"]["causes"][0]["message"])

    def test_they_go_with_it(self):
        self.chain("abc")
        for n in range(250):  # more than are removed in one pass
            self.assertEqual(self.board("d%d" % n, "abc"[n % 3])[0], 201)
        self.assertEqual(self.board("kept", "")[0], 201)
        self.assertEqual(self.delete("a", "?gracePeriodSeconds=0")[0], 200)
        until(lambda: self.get("a")[0] == 404)
        self.assertEqual([d["metadata"]["name"] for d in self.server.get(self.dashboards)[2]["items"]], ["kept"])


class Restarts(FolderCase):
    def test_a_removal_survives_kill(self):
        with Kept(preset=PRESET, flags=["--log-level", "error"]) as s:
            path = FOLDERS % ("v1", "default")
            for name, parent in (("a", None), ("b", "a"), ("c", "b")):
                self.assertEqual(s.post(path, folder(name, parent))[0], 201)
            for n in range(60):
                self.assertEqual(s.post(path, folder("n%d" % n, "b"))[0], 201)
            self.assertEqual(s.post(path, folder("held", "c", finalizers=["x.io/y"]))[0], 201)
            self.assertEqual(s.request("DELETE", path + "/a?gracePeriodSeconds=0")[0], 200)
            s.stop(sig=signal.SIGKILL)
            s.start()
            names = lambda: [f["metadata"]["name"] for f in s.get(path)[2]["items"]]
            until(lambda: names() == ["a", "b", "c", "held"])
            counts = s.get(path + "/b/counts")[2]["counts"]
            self.assertEqual([c["count"] for c in counts if c["resource"] == "folders"], [1])
            self.assertEqual(s.request("PATCH", path + "/held", {"metadata": {"finalizers": None}}, MERGE)[0], 200)
            until(lambda: names() == [])
