# SPDX-License-Identifier: Apache-2.0
"""The app platform's stamps and namespaces: who made and changed an object, that nobody forges it, that saying the same again changes nothing, and
which namespaces its objects may be in. On playlists, and on a definition that is applied."""
import json, re, threading

from support import Case

PLAYLISTS = "/apis/playlist.grafana.app/v1/namespaces/%s/playlists"
CREATED, UPDATED, TIME = "grafana.app/createdBy", "grafana.app/updatedBy", "grafana.app/updatedTimestamp"
FOLDER, MESSAGE = "grafana.app/folder", "grafana.app/message"
ALICE, BOB = "alicetoken", "bobtoken"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def playlist(name, title="one", notes=None, **meta):
    meta = dict({"name": name}, **meta)
    if notes:
        meta["annotations"] = notes
    return {"apiVersion": "playlist.grafana.app/v1", "kind": "Playlist", "metadata": meta,
            "spec": {"title": title, "interval": "5m", "items": [{"type": "dashboard_by_tag", "value": "x"}]}}


class Stamps(Case):
    def setUp(self):
        super().setUp()
        self.path = PLAYLISTS % self.ns

    def ask(self, method, path, body=None, token=ALICE, headers=None, want=(200, 201)):
        answer = self.server.request(method, path, body, headers, token)
        self.assertIn(answer[0], want, answer)
        return answer[2]

    def notes(self, obj):
        return obj["metadata"].get("annotations")

    def apply(self, body, manager, token=ALICE, **kw):
        return self.ask("PATCH", "%s/%s?fieldManager=%s" % (self.path, body["metadata"]["name"], manager), json.dumps(body), token, APPLY, **kw)

    def test_created_and_updated(self):
        made = self.ask("POST", self.path, playlist("p"))
        self.assertEqual(self.notes(made), {CREATED: "user:alice-uid"})
        made["spec"]["title"] = "two"
        changed = self.ask("PUT", self.path + "/p", made, BOB)
        self.assertEqual((self.notes(changed)[CREATED], self.notes(changed)[UPDATED]), ("user:alice-uid", "user:bob-uid"))
        self.assertRegex(self.notes(changed)[TIME], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.notes(self.ask("GET", self.path + "/p")), self.notes(changed))

    def test_nothing_is_forged(self):
        forged = {CREATED: "user:eve", UPDATED: "user:eve", TIME: "2001-01-01T00:00:00Z"}
        for n, (method, where) in enumerate((("POST", self.path), ("PATCH", self.path + "/p1?fieldManager=x"))):
            body = playlist("p%d" % n, notes=forged)
            made = self.ask(method, where, json.dumps(body), headers=APPLY if method == "PATCH" else None)
            self.assertEqual(self.notes(made), {CREATED: "user:alice-uid"}, method)
        for n in range(2):
            for token in (ALICE, BOB):
                body = self.ask("PATCH", "%s/p%d" % (self.path, n), {"metadata": {"annotations": forged}, "spec": {"title": token}}, token, MERGE)
                who = "user:alice-uid" if token == ALICE else "user:bob-uid"
                self.assertEqual((self.notes(body)[CREATED], self.notes(body)[UPDATED]), ("user:alice-uid", who))
                self.assertNotEqual(self.notes(body)[TIME], forged[TIME])
            gone = [self.ask("PATCH", "%s/p%d" % (self.path, n), {"metadata": {"annotations": None}}, headers=MERGE) for _ in range(2)]
            self.assertEqual(self.notes(gone[0]), self.notes(body))
            self.assertEqual(gone[0], gone[1])
        self.assertIn(self.server.request("POST", self.path, playlist("p9", notes={CREATED: 7}))[0], (400, 422))

    def test_what_counts_as_a_change(self):
        made = self.ask("POST", self.path, playlist("p"))
        for meta in ({"labels": {"a": "b"}}, {"annotations": {"mine": "x"}}, {"annotations": {MESSAGE: "why"}}, {"finalizers": ["x.io/f"]}):
            body = self.ask("PATCH", self.path + "/p", {"metadata": meta}, BOB, MERGE)
            self.assertNotEqual(self.rev(body), self.rev(made))
            self.assertNotIn(UPDATED, self.notes(body))
        self.assertEqual(self.notes(body)[MESSAGE], "why")
        self.ask("DELETE", self.path + "/p", token=BOB)
        marked = self.ask("GET", self.path + "/p")
        self.assertEqual((self.notes(marked)[CREATED], self.notes(marked)[UPDATED]), ("user:alice-uid", "user:bob-uid"))
        self.ask("DELETE", self.path + "/p", token=ALICE)
        self.assertEqual(self.ask("GET", self.path + "/p"), marked)
        self.ask("PATCH", self.path + "/p", {"metadata": {"finalizers": None}}, headers=MERGE)
        self.ask("GET", self.path + "/p", want=(404,))

    def test_moves_are_changes(self):
        folders = "/apis/folder.grafana.app/v1/namespaces/%s/folders" % self.ns
        for name in ("one", "two"):
            self.ask("POST", folders, {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": {"name": name}, "spec": {"title": name}})
        moved = self.ask("PATCH", folders + "/two", {"metadata": {"annotations": {FOLDER: "one"}}}, BOB, MERGE)
        self.assertEqual(self.notes(moved)[UPDATED], "user:bob-uid")
        again = self.ask("PATCH", folders + "/two", {"metadata": {"annotations": {FOLDER: "one"}}}, ALICE, MERGE)
        self.assertEqual(again, moved)

    def test_same_again(self):
        made = self.ask("POST", self.path, playlist("p"))
        changed = self.ask("PATCH", self.path + "/p", {"spec": {"title": "two"}}, BOB, MERGE)
        for n in range(2):
            same = self.ask("PUT", self.path + "/p", dict(playlist("p", "two"), metadata={"name": "p", "resourceVersion": changed["metadata"]["resourceVersion"]}))
            self.assertEqual(self.rev(same), self.rev(changed))
            self.assertEqual(self.notes(same), self.notes(changed))
        old = dict(changed, metadata=dict(changed["metadata"], annotations=self.notes(made)))  # a file pulled before the change
        self.assertEqual(self.rev(self.ask("PUT", self.path + "/p", old)), self.rev(changed))

    def test_apply(self):
        """Stamps are nobody's: appliers never conflict over them, and applying again, even what was pulled, changes nothing."""
        first = self.apply(playlist("p"), "one")
        self.assertEqual(self.rev(self.apply(playlist("p"), "one")), self.rev(first))
        changed = self.apply(playlist("p", "two"), "one", BOB)
        self.assertEqual(self.notes(changed)[UPDATED], "user:bob-uid")
        pulled = {k: v for k, v in changed.items() if k != "status"}
        pulled["metadata"] = {"name": "p", "annotations": self.notes(changed)}
        for n, manager in enumerate(("two", "three", "two")):
            pulled["metadata"]["annotations"] = dict(self.notes(changed), **{TIME: "200%d-01-01T00:00:00Z" % n, UPDATED: "user:%d" % n})
            got = self.apply(pulled, manager)
            self.assertEqual(self.notes(got), self.notes(changed))
        self.assertEqual(self.rev(self.apply(pulled, "two")), self.rev(got))
        owned = json.dumps([e["fieldsV1"] for e in got["metadata"]["managedFields"]])
        for key in (CREATED, UPDATED, TIME):
            self.assertNotIn("f:" + key, owned)
        left = self.apply(playlist("p", "two"), "two")  # no longer names the stamps, which stay
        self.assertEqual(self.notes(left), self.notes(changed))
        answer = self.server.request("PATCH", self.path + "/p?fieldManager=two", json.dumps(playlist("p", "three")), APPLY, ALICE)
        body = self.assertStatus(answer, 409)
        self.assertEqual([c["field"] for c in body["details"]["causes"]], [".spec.title"] * len(body["details"]["causes"]))

    def test_dry_run(self):
        made = self.ask("POST", self.path + "?dryRun=All", playlist("p"))
        self.assertEqual(self.notes(made), {CREATED: "user:alice-uid"})
        self.ask("GET", self.path + "/p", want=(404,))
        made = self.ask("POST", self.path, playlist("p"))
        tried = self.ask("PATCH", self.path + "/p?dryRun=All", {"spec": {"title": "two"}}, BOB, MERGE)
        self.assertEqual(self.notes(tried)[UPDATED], "user:bob-uid")
        self.assertEqual(self.ask("GET", self.path + "/p"), made)

    def test_definitions_of_ones_own(self):
        """A definition in such a group is the platform's too; its status is no change."""
        group = "test-%s.grafana.app" % self.ns
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things." + group},
                      "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"}, "versions": [
                          {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}}
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.ask("POST", definitions, definition)
        path = "/apis/%s/v1/namespaces/%s/things" % (group, self.ns)
        thing = {"apiVersion": group + "/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"a": 1}}
        made = self.ask("POST", path, thing)
        self.assertEqual(self.notes(made), {CREATED: "user:alice-uid"})
        status = self.ask("PATCH", path + "/t/status", {"status": {"seen": True}, "metadata": {"annotations": {UPDATED: "user:eve"}}}, BOB, MERGE)
        self.assertEqual(self.notes(status), {CREATED: "user:alice-uid"})
        self.assertEqual(status["status"], {"seen": True})
        self.assertStatus(self.server.request("POST", path.replace("/%s/" % self.ns, "/kube-system/"), thing), 403, message="is not that of an organization")
        self.ask("DELETE", definitions + "/things." + group)

    def test_others_are_not_stamped(self):
        made = self.ask("POST", self.configmaps, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "annotations": {CREATED: "me"}}})
        self.assertEqual(self.notes(made), {CREATED: "me"})

    def test_race(self):
        """Changes at once, by two: each that was made is stamped by who made it."""
        self.ask("POST", self.path, playlist("p"))
        seen = {}

        def change(token):
            for i in range(40):
                body = self.server.request("PATCH", self.path + "/p", {"spec": {"title": "%s %d" % (token, i)}}, MERGE, token)[2]
                seen[(token, i)] = body

        threads = [threading.Thread(target=change, args=(t,)) for t in (ALICE, BOB)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for (token, _), body in seen.items():
            self.assertEqual(self.notes(body)[UPDATED], "user:alice-uid" if token == ALICE else "user:bob-uid", body)
        self.assertEqual(len({self.rev(b) for b in seen.values()}), 80)


class Namespaces(Case):
    def test_organizations(self):
        for ns, words in (("org-1", "use default rather than org-1"), ("org-0", "invalid org id"), ("org-02", "invalid org id"), ("org-x", "invalid org id"),
                          ("stacks-0", "invalid stack id"), ("kube-system", "organizations are the namespaces"), ("team-a", "organizations are the namespaces"),
                          ("no.name", "organizations are the namespaces")):
            self.server.post("/api/v1/namespaces", {"metadata": {"name": ns}})  # that it exists makes no difference
            body = self.assertStatus(self.server.post(PLAYLISTS % ns, playlist("p")), 403, "Forbidden", words)
            self.assertEqual(body["details"]["causes"], [{"reason": "InvalidNamespace", "field": "metadata.namespace",
                                                          "message": body["message"].split("organization: ", 1)[1]}])
            self.assertStatus(self.server.request("PATCH", PLAYLISTS % ns + "/p?fieldManager=x", json.dumps(playlist("p")), APPLY), 403)
            status, _, body = self.server.get(PLAYLISTS % ns)
            self.assertEqual((status, body["items"]), (200, []))
            self.assertStatus(self.server.get(PLAYLISTS % ns + "/p"), 404)

    def test_an_organization_is_made_first(self):
        ns = self.ns.replace("org-", "stacks-")
        body = self.assertStatus(self.server.post(PLAYLISTS % ns, playlist("p")), 404, "NotFound", "kubectl create namespace " + ns)
        self.assertTrue(body["message"].startswith('namespaces "%s" not found' % ns), body)
        self.assertEqual(body["details"], {"name": ns, "kind": "namespaces"})
        self.assertEqual(self.server.post("/api/v1/namespaces", {"metadata": {"name": ns}})[0], 201)
        self.assertEqual(self.server.post(PLAYLISTS % ns, playlist("p"))[0], 201)
        self.assertEqual(self.server.post(PLAYLISTS % self.ns, playlist("p"))[0], 201, "the same name in another organization")
