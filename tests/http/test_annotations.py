# SPDX-License-Identifier: Apache-2.0
"""Annotations (annotation.grafana.app): times, what stays fixed, field selectors by range, search by pages, tags."""
import random
import unittest

import support
from lib import etcd
from lib.server import Server
from support import Case, Watch

BASE = "/apis/annotation.grafana.app/v0alpha1/namespaces/%s/"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
HOUR, DAY = 3600 * 1000, 24 * 3600 * 1000
NOW = 1700000000000


def annotation(name, time=NOW, **spec):
    more = {"labels": spec.pop("labels")} if "labels" in spec else {}
    return {"apiVersion": "annotation.grafana.app/v0alpha1", "kind": "Annotation", "metadata": dict(name=name, **more),
            "spec": dict({"text": "deployed", "time": time}, **spec)}


class Annotations(Case):
    def setUp(self):
        super().setUp()
        self.base = BASE % self.ns
        self.path = self.base + "annotations"

    def note(self, name, time=NOW, **spec):
        status, _, body = self.server.post(self.path, annotation(name, time, **spec))
        self.assertEqual(status, 201, body)
        return body

    def search(self, query=""):
        status, _, body = self.server.get(self.base + "search" + query)
        self.assertEqual(status, 200, body)
        return body

    def found(self, query=""):
        return [i["metadata"]["name"] for i in self.search(query)["items"]]

    def tags(self, query=""):
        status, _, body = self.server.get(self.base + "tags" + query)
        self.assertEqual(status, 200, body)
        return [(t["tag"], t["count"]) for t in body["tags"]]

    def listed(self, fields):
        status, _, body = self.server.get(self.path + "?fieldSelector=" + fields)
        self.assertEqual(status, 200, body)
        return sorted(i["metadata"]["name"] for i in body["items"])

    def test_round_trip(self):
        spec = {"timeEnd": NOW + HOUR, "dashboardUID": "cpu", "panelID": 4, "tags": ["deploy", "eu"], "scopes": ["a"], "text": "line one\nline two " + "x" * 100}
        made = self.note("A_1", **spec)
        self.assertEqual(made["spec"], dict(spec, time=NOW))
        table = self.server.request("GET", self.path, headers=TABLE)[2]
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Text", "Time", "Dashboard", "Tags", "Age"])
        cells = table["rows"][0]["cells"]
        self.assertEqual(cells[:1] + cells[2:5], ["A_1", "2023-11-14T22:13:20Z", "cpu", "deploy,eu"])
        self.assertRegex(cells[1], r"^line one line two x+\.\.\.$")
        change = {"spec": {"text": "other", "tags": ["undone"], "scopes": None}}
        status, _, changed = self.server.request("PATCH", self.path + "/A_1", change, headers=MERGE)
        self.assertEqual((status, changed["spec"]["text"], self.tags()), (200, "other", [("undone", 1)]))
        self.assertEqual(self.server.request("DELETE", self.path + "/A_1")[0], 200)
        self.assertEqual((self.found(), self.tags()), ([], []))

    def test_what_stays_fixed(self):
        self.note("fixed", dashboardUID="cpu")
        for member, value in (("time", NOW + 1), ("timeEnd", NOW + 5), ("dashboardUID", "disk"), ("dashboardUID", None), ("panelID", 2)):
            answer = self.server.request("PATCH", self.path + "/fixed", {"spec": {member: value}}, headers=MERGE)
            body = self.assertStatus(answer, 422, "Invalid", "field is immutable")
            self.assertEqual(body["details"]["causes"][0]["field"], "spec." + member)

    def test_bad_input(self):
        for member, value, words in (("time", -1, "greater than or equal to 0"), ("time", "now", "must be of type integer"), ("time", 1.5, "must be of type integer"),
                                     ("timeEnd", NOW - 1, "must not be before spec.time"), ("timeEnd", -5, "greater than or equal to 0"),
                                     ("panelID", "x", "must be of type integer"), ("tags", "x", "must be of type array"), ("tags", [1], "must be of type string"),
                                     ("tags", ["t%d" % n for n in range(101)], "must have at most 100 items"), ("tags", [""], "at least 1 chars"),
                                     ("text", 5, "must be of type string"), ("text", "x" * 70000, "may not be more than 65536"), ("dashboardUID", "d" * 300, "may not be more than 253")):
            self.assertStatus(self.server.post(self.path, annotation("bad", **{member: value})), 422, "Invalid", words)
        self.assertStatus(self.server.post(self.path, annotation("huge", text="x" * 10000000)), 413)
        self.assertStatus(self.server.post(self.path, annotation("search")), 422, "Invalid", "is reserved")
        body = annotation("none")
        del body["spec"]["time"]
        self.assertStatus(self.server.post(self.path, body), 422, "Invalid", "spec.time: Required value")
        body["metadata"] = {}
        self.assertStatus(self.server.post(self.path, body), 422, "Invalid", "name or generateName is required")

    def test_field_selectors(self):
        self.note("before", NOW - DAY)
        self.note("across", NOW - DAY, timeEnd=NOW + DAY, dashboardUID="cpu")
        self.note("within", NOW, panelID=7, dashboardUID="cpu")
        self.note("after", NOW + DAY)
        self.assertEqual(self.listed("spec.time=%d" % NOW), ["across", "after", "within"])
        self.assertEqual(self.listed("spec.timeEnd=%d" % NOW), ["across", "before", "within"])
        self.assertEqual(self.listed("spec.time=%d,spec.timeEnd=%d" % (NOW - HOUR, NOW + HOUR)), ["across", "within"])
        self.assertEqual(self.listed("spec.dashboardUID=cpu,spec.panelID=7"), ["within"])
        self.assertEqual(self.listed("spec.dashboardUID!=cpu"), ["after", "before"])
        for bad in ("spec.time=soon", "spec.time=", "spec.timeEnd!=5", "spec.time=99999999999999999999", "spec.text=a", "spec.time=-"):
            self.assertStatus(self.server.get(self.path + "?fieldSelector=" + bad), 400, "BadRequest")
        version = self.server.get(self.path)[2]["metadata"]["resourceVersion"]
        w = Watch(self.server, self.path + "?resourceVersion=%s&fieldSelector=spec.time%%3D%d" % (version, NOW))
        self.note("early", NOW - 1)
        self.note("late", NOW)
        w.wait(1)
        self.assertEqual(w.short(), ["ADDED late"])
        w.close()

    def test_lists_over_the_index(self):
        """Lists by range, dashboard or both say what a look at all says, and the server says that it did not look at all."""
        dice, notes = random.Random(11), {}
        for n in range(150):
            begin = NOW + dice.randrange(-5 * DAY, 5 * DAY)
            end = begin + dice.choice([0, 0, 1, HOUR, DAY, 60 * DAY])
            spec = {"timeEnd": end} if end != begin else {}
            if dice.random() < 0.6:
                spec["dashboardUID"] = dice.choice(["a", "b", "12"])
            self.note("n%03d" % n, begin, **spec)
            notes["n%03d" % n] = (begin, end, spec.get("dashboardUID"))
        before = support.metrics(self.server)["coracle_index_lists_total"]
        for turn in range(40):
            lo = NOW + dice.randrange(-6 * DAY, 6 * DAY)
            hi = lo + dice.choice([0, HOUR, DAY])
            board = dice.choice([None, "a", "b", "none"])
            want = [n for n, v in sorted(notes.items()) if v[0] <= hi and v[1] >= lo and board in (None, v[2])]
            query = "?limit=%d&fieldSelector=spec.time=%d,spec.timeEnd=%d" % (dice.choice([0, 1, 7]), lo, hi) + (",spec.dashboardUID=" + board if board else "")
            got, token, versions = [], "", set()
            while token is not None:
                status, _, page = self.server.get(self.path + query + ("&continue=" + token if token else ""))
                self.assertEqual(status, 200, page)
                self.assertNotIn("remainingItemCount", page["metadata"])
                got += [i["metadata"]["name"] for i in page["items"]]
                versions.add(page["metadata"]["resourceVersion"])
                token = page["metadata"].get("continue") or None
                if token and turn % 4 == 0:  # it comes, or changes its tags, and the list goes on as it was
                    self.note("z%d-%d" % (turn, len(got)), NOW + 40 * DAY)
                    notes["z%d-%d" % (turn, len(got))] = (NOW + 40 * DAY, NOW + 40 * DAY, None)
                    self.server.request("PATCH", self.path + "/" + want[-1], {"spec": {"tags": ["t%d" % turn]}}, headers=MERGE)
            self.assertEqual((got, len(versions)), (want, 1), query)
        self.assertGreaterEqual(support.metrics(self.server)["coracle_index_lists_total"], before + 40)
        table = self.server.request("GET", self.path + "?fieldSelector=spec.dashboardUID=a", headers=TABLE)[2]
        self.assertEqual([r["cells"][0] for r in table["rows"]], [n for n, v in sorted(notes.items()) if v[2] == "a"])
        self.assertEqual(self.listed("spec.dashboardUID=12"), [n for n, v in sorted(notes.items()) if v[2] == "12"])
        status, _, done = self.server.request("DELETE", self.path + "?fieldSelector=spec.dashboardUID=b")
        self.assertEqual(status, 200, done)
        self.assertEqual(self.listed("spec.dashboardUID=b"), [])
        self.assertEqual(len(self.server.get(self.path)[2]["items"]), sum(v[2] != "b" for v in notes.values()))

    def test_search_by_range(self):
        for name, begin, end in (("year", NOW - 300 * DAY, NOW + 65 * DAY), ("week", NOW - 3 * DAY, NOW + 4 * DAY), ("hour", NOW, NOW + HOUR),
                                 ("point", NOW, None), ("point-b", NOW, None), ("old", NOW - DAY, None), ("epoch", 0, None), ("far", 2 ** 62, None), ("all", 1, 2 ** 62)):
            self.note(name, begin, **({"timeEnd": end} if end else {}))
        self.assertEqual(self.found(), ["far", "hour", "point", "point-b", "old", "week", "year", "all", "epoch"])
        self.assertEqual(self.found("?from=%d&to=%d" % (NOW, NOW)), ["hour", "point", "point-b", "week", "year", "all"])
        self.assertEqual(self.found("?from=%d&to=%d" % (NOW + 1, NOW + HOUR)), ["hour", "week", "year", "all"])
        self.assertEqual(self.found("?from=%d&to=%d" % (NOW + HOUR + 1, NOW + 2 * HOUR)), ["week", "year", "all"])
        self.assertEqual(self.found("?from=%d&to=%d" % (NOW + 5 * DAY, NOW + 6 * DAY)), ["year", "all"])
        self.assertEqual(self.found("?to=%d" % (NOW - DAY)), ["old", "week", "year", "all", "epoch"])
        self.assertEqual(self.found("?from=%d" % (NOW + 66 * DAY)), ["far", "all"])
        self.assertEqual(self.found("?from=%d&to=%d" % (NOW - 2 * DAY, NOW - DAY - 1)), ["week", "year", "all"])

    def test_search_against_a_model(self):
        dice, notes = random.Random(7), {}
        for n in range(120):
            begin = NOW + dice.randrange(-5 * DAY, 5 * DAY)
            end = begin + dice.choice([0, 0, 1, 2 ** 22, 2 ** 22 + 1, HOUR, DAY, 2 ** 27, 2 ** 27 + 1, 60 * DAY])
            spec = {"timeEnd": end} if end != begin else {}
            if dice.random() < 0.5:
                spec["dashboardUID"] = dice.choice(["a", "a/b", "1:a"])
            spec["tags"] = dice.sample(["x", "y", "z"], dice.randrange(4))
            self.note("n%03d" % n, begin, **spec)
            notes["n%03d" % n] = (begin, end, spec.get("dashboardUID"), spec["tags"])
        for _ in range(60):
            lo = NOW + dice.randrange(-6 * DAY, 6 * DAY)
            hi = lo + dice.choice([0, 1000, HOUR, DAY, 10 * DAY])
            board, tag = dice.choice([None, "a", "a/b", "1:a", "none"]), dice.choice([None, "x", "z"])
            want = [n for n, v in sorted(notes.items(), key=lambda i: (-i[1][0], i[0]))
                    if v[0] <= hi and v[1] >= lo and board in (None, v[2]) and (tag is None or tag in v[3])]
            query = "?from=%d&to=%d&limit=500" % (lo, hi) + ("&dashboardUID=" + board if board else "") + ("&tag=" + tag if tag else "")
            self.assertEqual(self.found(query), want, query)
        counts = {t: sum(t in v[3] for v in notes.values()) for t in "xyz"}
        self.assertEqual(self.tags(), sorted(counts.items(), key=lambda i: (-i[1], i[0])))

    def test_pages(self):
        for n in range(25):
            self.note("p%02d" % n, NOW + n // 5)
        every = self.found()
        self.assertEqual(every[:6], ["p20", "p21", "p22", "p23", "p24", "p15"])
        for size in (1, 3, 5, 24, 25, 26):
            got, query, pages = [], "?limit=%d" % size, 0
            while query:
                page = self.search(query)
                self.assertLessEqual(len(page["items"]), size)
                got += [i["metadata"]["name"] for i in page["items"]]
                more = page["metadata"].get("continue")
                query = more and "?limit=%d&continue=%s" % (size, more)
                pages += 1
            self.assertEqual((got, pages), (every, -(-25 // size)))
        # What is written meanwhile neither repeats nor hides the rest.
        page = self.search("?limit=7")
        self.server.request("DELETE", self.path + "/" + page["items"][-1]["metadata"]["name"])
        self.note("newer", NOW + 100)
        self.assertEqual(self.found("?continue=" + page["metadata"]["continue"]), every[7:])
        self.assertEqual(len(self.found("?limit=0")), 25)
        for bad in ("x", "AAAA", "MTIz", "L2E", "MTIzLw", "!!"):
            self.assertStatus(self.server.get(self.base + "search?continue=" + bad), 400, "BadRequest", "invalid continue token")

    def test_tags_and_scopes(self):
        self.note("a-1", tags=["tag1"], scopes=["scope1"])
        self.note("a-2", tags=["tag2"], scopes=["scope2"], labels={"grafana.app/deprecatedInternalID": "77"})
        self.note("a-3", tags=["tag3"], scopes=["scope3"])
        self.note("a-4", tags=["tag1", "tag2", "tag1"], scopes=["scope1", "scope2"])
        self.note("a-5", panelID=3)
        for query, want in (("tag=tag1", ["a-1", "a-4"]), ("tag=tag1&tag=tag2&tagsMatchAny=true", ["a-1", "a-2", "a-4"]), ("tag=tag1&tag=tag2", ["a-4"]),
                            ("scope=scope1", ["a-1", "a-4"]), ("scope=scope1&scope=scope2&scopesMatchAny=true", ["a-1", "a-2", "a-4"]),
                            ("tag=tag1&tag=tag2&tagsMatchAny=true&scope=scope1&scope=scope2", ["a-4"]), ("tag=tag1&tagsMatchAny=not-valid", ["a-1", "a-4"]),
                            ("panelID=3", ["a-5"]), ("legacyID=77", ["a-2"]), ("deleted=only", []), ("deleted=include&tag=tag3", ["a-3"]), ("createdBy=nobody", []), ("createdBy=user:admin-uid&panelID=3", ["a-5"])):
            self.assertEqual(self.found("?" + query), want, query)
        self.assertEqual(self.tags(), [("tag1", 2), ("tag2", 2), ("tag3", 1)])
        self.assertEqual(self.tags("?limit=1"), [("tag1", 2)])
        self.assertEqual((self.tags("?prefix=tag2"), self.tags("?prefix=tag"), self.tags("?prefix=ag")), ([("tag2", 2)], self.tags(), []))
        self.assertEqual((self.tags("?contains=3"), self.tags("?contains=x")), ([("tag3", 1)], []))
        self.assertStatus(self.server.get(self.base + "tags?prefix=a&contains=b"), 400, "BadRequest", "mutually exclusive")
        self.assertEqual(self.server.get((BASE % "default") + "tags")[2]["tags"], [])

    def test_bad_questions(self):
        for query in ("from=now", "from=-1", "to=1.5", "to=99999999999999999999", "panelID=x", "limit=-1", "limit=many", "legacyID=0x4"):
            self.assertStatus(self.server.get(self.base + "search?" + query), 400, "BadRequest", query.split("=")[0])
        for which in ("search", "tags"):
            self.assertStatus(self.server.get("/apis/annotation.grafana.app/v0alpha1/" + which), 405)
            self.assertEqual(self.server.post(self.base + which, {})[0], 405)
        resources = self.server.get("/apis/annotation.grafana.app/v0alpha1")[2]["resources"]
        self.assertEqual([r["name"] for r in resources], ["annotations", "annotations/status"])


@unittest.skipUnless(etcd.binary(), "etcd is not installed")
class OnEtcd(Case):
    """What stands in the index there is derived anew by each server."""

    def test_found_after_a_restart(self):
        with etcd.Etcd() as e:
            base = BASE % "default"
            for start in range(2):
                with Server(preset=support.PRESET, flags=["--store", "etcd=" + e.url]) as s:
                    for n in range(3):
                        body = annotation("s%d-%d" % (start, n), NOW + n * HOUR, timeEnd=NOW + (n + 1) * HOUR, tags=["t%d" % n], dashboardUID="cpu")
                        self.assertEqual(s.post(base + "annotations", body)[0], 201)
                    for more in ("", "&dashboardUID=cpu"):
                        found = s.get(base + "search?from=%d&to=%d%s" % (NOW, NOW + HOUR - 1, more))[2]["items"]
                        self.assertEqual([i["metadata"]["name"] for i in found], ["s%d-0" % k for k in range(start + 1)])
                    self.assertEqual(s.get(base + "tags")[2]["tags"], [{"tag": "t%d" % n, "count": start + 1} for n in range(3)])
