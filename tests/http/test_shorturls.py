# SPDX-License-Identifier: Apache-2.0
"""Short URLs (shorturl.grafana.app): names that are made, paths that stay here, goto, when they were used, and how they go."""
import http.client
import json
import ssl
import time

import support
from lib.server import Server
from support import Case, Watch, until

SHORTURLS = "/apis/shorturl.grafana.app/%s/namespaces/%s/shorturls"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}


def shorturl(path, **meta):
    return {"apiVersion": "shorturl.grafana.app/v1beta1", "kind": "ShortURL", "metadata": meta, "spec": {"path": path}}


def visit(server, path):
    """(status, Location, body) without following."""
    c = http.client.HTTPSConnection("127.0.0.1", server.port, context=ssl._create_unverified_context(), timeout=60)
    c.request("GET", path, headers={"Authorization": "Bearer " + server.token})
    r = c.getresponse()
    body = r.read()
    c.close()
    return r.status, r.getheader("Location"), json.loads(body)


class Shorturls(Case):
    def setUp(self):
        super().setUp()
        self.path = SHORTURLS % ("v1beta1", self.ns)

    def made(self, path, **meta):
        status, _, body = self.server.post(self.path, shorturl(path, **meta))
        self.assertEqual(status, 201, body)
        return body

    def seen(self, name):
        return self.server.get(self.path + "/" + name)[2]["status"]["lastSeenAt"]

    def test_names(self):
        first, second = self.made("d/a"), self.made("d/a")
        self.assertEqual((len(first["metadata"]["name"]), first["status"]), (14, {"lastSeenAt": 0}))
        self.assertNotEqual(first["metadata"]["name"], second["metadata"]["name"])
        self.assertEqual(self.made("d/a", name="AT76wBvGk")["metadata"]["name"], "AT76wBvGk")
        self.assertTrue(self.made("d/a", generateName="s-")["metadata"]["name"].startswith("s-"))
        self.assertStatus(self.server.post(self.path, shorturl("d/a", name="AT76wBvGk")), 409, "AlreadyExists")
        for name in ("a b", "a/b", "trash", "x" * 254):
            self.assertStatus(self.server.post(self.path, shorturl("d/a", name=name)), 422, "Invalid", "metadata.name")
        status, _, dry = self.server.post(self.path + "?dryRun=All", shorturl("d/a"))
        self.assertEqual((status, len(dry["metadata"]["name"])), (201, 14))
        self.assertEqual(self.server.get(self.path + "/" + dry["metadata"]["name"])[0], 404)

    def test_goto(self):
        path = "d/abc/servers?orgId=1&var-a=b c&q=\u00fc"
        name = self.made(path)["metadata"]["name"]
        where = self.path + "/" + name + "/goto"
        self.assertEqual(visit(self.server, where), (302, "/d/abc/servers?orgId=1&var-a=b%20c&q=%C3%BC", {"url": "/" + path}))
        status, location, body = visit(self.server, where + "?redirect=false")
        self.assertEqual((status, location, body), (200, None, {"url": "/" + path}))
        self.assertEqual(visit(self.server, where.replace("v1beta1", "v1alpha1"))[0], 302)
        self.assertStatus(self.server.get(self.path + "/none/goto"), 404, "NotFound")
        for verb in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.server.request(verb, where, {})[0], 405)

    def test_pages(self):
        """/goto/UID, the link that Grafana gives out."""
        default = SHORTURLS % ("v1beta1", "default")
        for path in (default, SHORTURLS % ("v1beta1", "org-7")):
            self.server.post("/api/v1/namespaces", {"metadata": {"name": "org-7"}})
            self.assertEqual(self.server.post(path, shorturl("d/" + path.split("/")[-2] + "?a=b c", name="page"))[0], 201)
        self.addCleanup(self.server.request, "DELETE", "/api/v1/namespaces/org-7")
        self.addCleanup(self.server.request, "DELETE", default + "/page")
        for query, where in (("", "default"), ("?orgId=1", "default"), ("?orgId=7", "org-7"), ("?orgId=007", "org-7"), ("?orgId=0", "default"),
                             ("?orgId=x", "default"), ("?orgId=", "default"), ("?orgId=-7", "default"), ("?orgId=" + "9" * 30, "default"), ("?orgId=7&orgId=1", "org-7"),
                             ("?redirect=false&resourceVersion=none&watch=1&pretty=1", "default")):
            self.assertEqual(visit(self.server, "/goto/page" + query)[:2], (302, "/d/" + where + "?a=b%20c"), query)
        self.assertEqual(visit(self.server, "/goto/p%61ge")[0], 302)
        until(lambda: self.server.get(default + "/page")[2]["status"]["lastSeenAt"])
        for none in ("none", "page?orgId=8", "%2e%2e", "..", "a%20b", "%F0%9F%98%80", "x" * 2000):
            status, to, body = visit(self.server, "/goto/" + none)
            self.assertEqual((status, to), (308, "/"), none)
        for path in ("/goto", "/goto/", "/goto/a/b", "/goto/%2F%2Fevil.example", "/goto//evil.example", "/gotox/page"):
            self.assertEqual(self.server.get(path)[0], 404, path)
        for verb in ("POST", "PUT", "DELETE", "PATCH"):
            self.assertEqual(self.server.request(verb, "/goto/page", {})[0], 404)
        status, headers, _ = self.server.request("HEAD", "/goto/page")
        self.assertEqual((status, headers["Location"]), (302, "/d/default?a=b%20c"))
        browser = {"Accept": "text/html,application/xhtml+xml"}
        self.assertEqual(self.server.get("/goto/page", headers=browser)[0], 302)
        self.assertEqual(self.server.get("/goto/none", headers=browser)[0], 308)

    def test_pages_ask_who_it_is(self):
        self.made("d/a", name="mine")
        for uid in ("page", "none"):
            self.assertStatus(self.server.get("/goto/" + uid, headers={"Authorization": None}), 401, "Unauthorized")
            self.assertStatus(self.server.get("/goto/" + uid, token="wrong"), 401, "Unauthorized")

    def test_visits_are_noted(self):
        made = self.made("d/a", name="noted")
        notes = Watch(self.server, self.path + "?resourceVersion=" + made["metadata"]["resourceVersion"])
        begun = time.time()
        for _ in range(20):
            self.assertEqual(visit(self.server, self.path + "/noted/goto")[0], 302)
        until(lambda: self.seen("noted"))
        now = self.server.get(self.path + "/noted")[2]
        self.assertTrue(begun * 1000 - 1000 <= now["status"]["lastSeenAt"] <= time.time() * 1000 + 1000, now)
        self.assertEqual((now["metadata"]["generation"], now["spec"]), (1, made["spec"]))
        # Not once for each visit.
        for _ in range(20):
            visit(self.server, self.path + "/noted/goto")
        time.sleep(0.7)
        self.made("d/b", name="mark")
        until(lambda: "ADDED mark" in notes.short())
        self.assertLess(notes.short().count("MODIFIED noted"), 5, notes.short())
        notes.close()
        self.assertEqual(self.server.request("DELETE", self.path + "/mark")[0], 200)
        # Long ago: it is noted anew.
        self.assertEqual(self.server.request("PATCH", self.path + "/noted/status", {"status": {"lastSeenAt": 5000}}, headers=MERGE)[0], 200)
        visit(self.server, self.path + "/noted/goto")
        until(lambda: self.seen("noted") > begun * 1000 - 1000)
        cells = self.server.request("GET", self.path, headers=TABLE)[2]["rows"][0]["cells"]
        self.assertEqual(cells[:2], ["noted", "d/a"])
        self.assertRegex(cells[2], r"^\d+s$")

    def test_a_client_does_not_set_the_status(self):
        body = shorturl("d/a", name="own")
        body["status"] = {"lastSeenAt": 77}
        self.assertEqual(self.server.post(self.path, body)[2]["status"], {"lastSeenAt": 0})
        table = self.server.request("GET", self.path, headers=TABLE)[2]
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Path", "Last Seen", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:3], ["own", "d/a", "<never>"])
        wrong = self.server.request("PATCH", self.path + "/own/status", {"status": {"lastSeenAt": -1}}, headers=MERGE)
        self.assertStatus(wrong, 422, "Invalid", "lastSeenAt")

    def test_paths(self):
        for n, good in enumerate(("", "?orgId=1", "explore?left=%7B%22a%22:1%7D", "d/a/b?from=now-1h&to=now#x", "a..b/c", "d/a:b")):
            self.made(good, name="good-%d" % n)
        for bad, words in (("/d/a", "path should be relative"), (" /d/a", "path should be relative"), ("../a", "upwards"),
                           ("a/../../b", "upwards"), ("a\\..\\b", "upwards"), ("//evil.example", "another server"),
                           ("http://evil.example", "another server"), ("javascript:alert(1)", "another server"),
                           ("\\\\evil.example", "another server"), ("/\\evil.example", "another server"),
                           ("d/a\r\nSet-Cookie: a=b", "control characters"), ("x?u=https://evil.example", "another server")):
            body = self.assertStatus(self.server.post(self.path, shorturl(bad)), 422, "Invalid", words)
            self.assertEqual(body["details"]["causes"][0]["field"], "spec.path")
        self.assertStatus(self.server.post(self.path, shorturl("p" * 20000)), 422, "Invalid", "may not be more than 16384")
        self.assertStatus(self.server.post(self.path, shorturl("p" * 10000000)), 413)
        self.assertStatus(self.server.post(self.path, shorturl(5)), 422, "Invalid", "must be of type string")
        self.assertStatus(self.server.post(self.path, {"apiVersion": "shorturl.grafana.app/v1beta1", "kind": "ShortURL", "metadata": {}, "spec": {}}),
                          422, "Invalid", "spec.path")
        self.made("d/a", name="moves")
        self.assertStatus(self.server.request("PATCH", self.path + "/moves", {"spec": {"path": "//x"}}, headers=MERGE), 422, "Invalid")
        self.assertEqual(self.server.request("PATCH", self.path + "/moves", {"spec": {"path": "d/b"}}, headers=MERGE)[0], 200)


class Expiry(Case):
    def test_unused_ones_go(self):
        with Server(preset=support.PRESET, flags=["--shorturl-ttl", "4s"]) as s:
            path = SHORTURLS % ("v1beta1", "default")
            make = lambda name: self.assertEqual(s.post(path, shorturl("d/a", name=name))[0], 201)
            make("used")
            self.assertEqual(visit(s, path + "/used/goto")[0], 302)
            until(lambda: s.get(path + "/used")[2]["status"]["lastSeenAt"])
            for names in (("unused", "also-unused"), ("later",)):  # younger than the used one, which is there when they have gone
                for name in names:
                    make(name)
                until(lambda: [s.get(path + "/" + name)[0] for name in names] == [404] * len(names))
            self.assertEqual(s.get(path + "/used")[0], 200)
