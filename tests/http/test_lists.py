# SPDX-License-Identifier: Apache-2.0
"""Pages of lists at one revision, and writes that compete."""
import base64, json, threading, unittest, urllib.parse

from support import Case, Raw, configmap

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


class Pages(Case):
    def fill(self, n, **labels):
        conn = self.server.connection()
        for k in range(n):
            status, _, body = self.server.post(self.configmaps, configmap("c%03d" % k, {"k": "0"}, labels=dict(labels, even=str(k % 2 == 0).lower())), conn=conn)
            self.assertEqual(status, 201, body)
        conn.close()

    def pages(self, limit, query="", headers=None, between=None):
        """Every page of the list; `between` runs after each."""
        token, conn = "", self.server.connection()
        while True:
            path = "%s?limit=%d%s%s" % (self.configmaps, limit, query, "&continue=" + urllib.parse.quote(token) if token else "")
            status, _, body = self.server.get(path, headers=headers, conn=conn)
            self.assertEqual(status, 200, body)
            yield body
            token = body["metadata"].get("continue", "")
            if not token:
                conn.close()
                return
            if between:
                between()

    def test_pages_are_exact_while_writes_go_on(self):
        self.fill(60)
        wanted = self.server.get(self.configmaps)[2]
        stop, count, lock = threading.Event(), [0], threading.Lock()

        def write(n):
            conn, k = self.server.connection(), 0
            while not stop.is_set():
                k += 1
                name = "c%03d" % ((k * 7 + n) % 60)
                if k % 4 == 0:
                    self.server.request("DELETE", self.configmaps + "/" + name, conn=conn)
                elif self.server.request("PUT", self.configmaps + "/" + name, configmap(name, {"k": str(k)}), conn=conn)[0] == 404:
                    self.server.post(self.configmaps, configmap("c%03d-%d-%d" % (k % 60, n, k), {"k": "new"}), conn=conn)
                with lock:
                    count[0] += 1
            conn.close()
        first = next(self.pages(7))
        threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        try:
            for limit in (1, 7, 50):
                pages = list(self.pages(limit))
                revs = {p["metadata"]["resourceVersion"] for p in pages}
                self.assertEqual(len(revs), 1)
                at = revs.pop()
                items = [o for p in pages for o in p["items"]]
                names = [o["metadata"]["name"] for o in items]
                self.assertEqual(names, sorted(set(names)))
                exact = self.server.get(self.configmaps + "?resourceVersionMatch=Exact&resourceVersion=" + at)[2]
                self.assertEqual(items, exact["items"])
                for k, p in enumerate(pages):
                    self.assertEqual(p["metadata"].get("remainingItemCount", 0), len(items) - sum(len(q["items"]) for q in pages[:k + 1]))
            # One that began before all the writes still sees none of them.
            token = first["metadata"]["continue"]
            rest = self.server.get(self.configmaps + "?limit=500&continue=" + urllib.parse.quote(token))[2]
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(first["items"] + rest["items"], wanted["items"])
        self.assertGreater(count[0], 20)

    def test_selectors_with_limits(self):
        self.fill(40)
        for query, n in (("&labelSelector=even%3Dtrue", 20), ("&labelSelector=even+notin+(true)", 20), ("&labelSelector=nothing", 0), ("&labelSelector=even", 40),
                         ("&fieldSelector=metadata.name%3Dc007", 1), ("&fieldSelector=metadata.name%21%3Dc007", 39),
                         ("&labelSelector=even%3Dfalse&fieldSelector=metadata.name%3Dc007", 1)):
            whole = [o["metadata"]["name"] for o in self.server.get(self.configmaps + "?" + query[1:])[2]["items"]]
            self.assertEqual(len(whole), n, query)
            for limit in (1, 3, 20, 100):
                pages = list(self.pages(limit, query))
                self.assertEqual([o["metadata"]["name"] for p in pages for o in p["items"]], whole)
                self.assertTrue(all(len(p["items"]) <= limit for p in pages))
                if limit == 3 and n > 3 and "label" in query:
                    self.assertNotIn("remainingItemCount", pages[0]["metadata"])

    def test_pages_of_tables(self):
        self.fill(25)
        pages = list(self.pages(10, headers=TABLE))
        self.assertEqual([len(p["rows"]) for p in pages], [10, 10, 5])
        self.assertEqual({p["kind"] for p in pages}, {"Table"})
        self.assertEqual([r["cells"][0] for p in pages for r in p["rows"]], ["c%03d" % k for k in range(25)])
        self.assertEqual(pages[0]["metadata"]["remainingItemCount"], 15)
        self.assertEqual(len({p["metadata"]["resourceVersion"] for p in pages}), 1)

    def test_all_namespaces(self):
        self.fill(5)
        pages, token = [], ""
        while True:
            body = self.server.get("/api/v1/configmaps?limit=2&continue=" + urllib.parse.quote(token))[2]
            pages += [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in body["items"]]
            token = body["metadata"].get("continue")
            if not token:
                break
        self.assertEqual([n for ns, n in pages if ns == self.ns], ["c%03d" % k for k in range(5)])
        self.assertEqual(pages, sorted(set(pages)))

    def test_tokens_that_are_not_ours(self):
        self.fill(5)
        token = next(self.pages(2))["metadata"]["continue"]
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        forged = [token[:-3], token[::-1], "x" + token, base64.urlsafe_b64encode(raw[:-2]).decode().rstrip("="),
                  base64.urlsafe_b64encode(raw.replace(b'"rv":', b'"rv":999999')).decode().rstrip("="),
                  base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"../../etc"}').decode().rstrip("="),
                  base64.urlsafe_b64encode(b"\0" * 100).decode().rstrip("=")]
        for f in forged:
            status, _, body = self.server.get(self.configmaps + "?limit=2&continue=" + urllib.parse.quote(f))
            self.assertIn(status, (400, 410, 504), (f, body))
            self.assertStatus((status, None, body), status)
        # A token opens no other namespace.
        elsewhere = self.server.get("/api/v1/namespaces/default/configmaps?limit=2&continue=" + urllib.parse.quote(token))
        if elsewhere[0] == 200:
            self.assertTrue(all(o["metadata"]["namespace"] == "default" for o in elsewhere[2]["items"]))

    def test_large_list_is_whole(self):
        """More than one slice: streamed, and right to the last byte."""
        conn = self.server.connection()
        for k in range(30):
            self.assertEqual(self.server.post(self.configmaps, configmap("c%03d" % k, {"k": chr(97 + k % 26) * 60000}), conn=conn)[0], 201)
        conn.close()
        for headers in (None, TABLE, {"Accept": "application/yaml"}, {"Accept-Encoding": "gzip"}):
            status, got, body = self.server.get(self.configmaps, headers=headers)
            self.assertEqual(status, 200)
            if headers == {"Accept-Encoding": "gzip"} and got.get("Content-Encoding") == "gzip":
                import gzip
                body = json.loads(gzip.decompress(body))
            if isinstance(body, dict) and body["kind"] == "ConfigMapList":
                self.assertEqual([o["data"]["k"] for o in body["items"]], [chr(97 + k % 26) * 60000 for k in range(30)])

    def test_large_lists_in_other_forms(self):
        """Indented, as curl gets them, in slices too; as YAML up to a limit."""
        n, size = 40, 900000
        for k in range(n):
            self.make("c%03d" % k, {"k": chr(97 + k % 26) * size if k else "\\\"{[,:]}\n", "e": ""}, labels={"small": str(k < 20).lower()})
        plain = self.server.get(self.configmaps)[2]
        for query, agent in (("?pretty=true", None), ("?limit=3", "curl/8.1")):
            with Raw(self.server, timeout=60) as r:
                a = r.head("GET", self.configmaps + query, [("User-Agent", agent)] if agent else []).read()
            wanted = self.server.get(self.configmaps + "?limit=3")[2] if "limit" in query else plain
            self.assertEqual(json.loads(a.body), wanted)
            self.assertEqual(a.body.decode(), json.dumps(json.loads(a.body), indent=2, ensure_ascii=False) + "\n")
        status, _, body = self.server.get(self.configmaps + "?labelSelector=small%3Dtrue", headers={"Accept": "application/yaml"})
        self.assertEqual((status, body.count(b"\n- ")), (200, 20))
        self.assertStatus(self.get_yaml(self.configmaps), 413, "RequestEntityTooLarge", "the list is too large for application/yaml")

    def get_yaml(self, path):
        status, headers, body = self.server.get(path, headers={"Accept": "application/yaml, application/json;q=0.5"})
        return status, headers, self.from_yaml(body) if isinstance(body, bytes) else body

    def from_yaml(self, text):
        found = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line and not line.startswith(" "))
        return dict(found, code=int(found["code"]))

    def test_old_revisions_can_be_read(self):
        self.fill(3)
        before = self.server.get(self.configmaps)[2]
        self.server.request("DELETE", self.configmaps + "/c001")
        self.make("later")
        self.server.request("PUT", self.configmaps + "/c000", configmap("c000", {"k": "changed"}))
        rev = before["metadata"]["resourceVersion"]
        exact = self.server.get(self.configmaps + "?resourceVersionMatch=Exact&resourceVersion=" + rev)[2]
        self.assertEqual((exact["items"], exact["metadata"]["resourceVersion"]), (before["items"], rev))
        newer = self.server.get(self.configmaps + "?resourceVersion=" + rev)[2]
        self.assertIn("later", [o["metadata"]["name"] for o in newer["items"]])
        self.assertStatus(self.server.get(self.configmaps + "?resourceVersion=99999999"), 504, "Timeout")


class Competing(Case):
    THREADS, TIMES = 8, 12

    def together(self, work):
        problems = []

        def run(n):
            conn = self.server.connection()
            try:
                work(n, conn)
            except Exception as e:
                problems.append(repr(e))
            finally:
                conn.close()
        threads = [threading.Thread(target=run, args=(n,)) for n in range(self.THREADS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])

    def test_read_and_put_counts_exactly(self):
        self.make("counter", {"n": "0"})
        target, conflicts = self.configmaps + "/counter", [0] * self.THREADS

        def work(n, conn):
            for _ in range(self.TIMES):
                while True:
                    body = self.server.get(target, conn=conn)[2]
                    body["data"]["n"] = str(int(body["data"]["n"]) + 1)
                    status, _, answer = self.server.request("PUT", target, body, conn=conn)
                    if status == 200:
                        break
                    assert status == 409 and answer["reason"] == "Conflict", answer
                    conflicts[n] += 1
        self.together(work)
        self.assertEqual(self.server.get(target)[2]["data"]["n"], str(self.THREADS * self.TIMES))
        self.assertGreater(sum(conflicts), 0)  # they did compete

    def test_patches_without_a_version_never_conflict(self):
        self.make("many")
        target = self.configmaps + "/many"

        def work(n, conn):
            for k in range(self.TIMES):
                kinds = [("merge-patch", {"data": {"m%d-%d" % (n, k): "x"}}), ("strategic-merge-patch", {"data": {"s%d-%d" % (n, k): "x"}})]
                for kind, patch in kinds:
                    status, _, body = self.server.request("PATCH", target, patch, {"Content-Type": "application/%s+json" % kind}, conn=conn)
                    assert status == 200, body
        self.together(work)
        wanted = {"%s%d-%d" % (c, n, k): "x" for c in "ms" for n in range(self.THREADS) for k in range(self.TIMES)}
        self.assertEqual(self.server.get(target)[2]["data"], wanted)

    def test_test_and_set_by_json_patch(self):
        """Of those who test for the same value, one wins each round."""
        self.make("lock", {"n": "0"})
        target, won = self.configmaps + "/lock", [0] * self.THREADS

        def work(n, conn):
            for k in range(self.TIMES):
                patch = [{"op": "test", "path": "/data/n", "value": str(k)}, {"op": "replace", "path": "/data/n", "value": str(k + 1)}]
                status, _, body = self.server.request("PATCH", target, patch, {"Content-Type": "application/json-patch+json"}, conn=conn)
                assert status in (200, 422), body
                won[n] += status == 200
                while int(self.server.get(target, conn=conn)[2]["data"]["n"]) <= k:
                    pass
        self.together(work)
        self.assertEqual(sum(won), self.TIMES)
        self.assertEqual(self.server.get(target)[2]["data"]["n"], str(self.TIMES))

    def test_one_create_wins(self):
        won = []

        def work(n, conn):
            for k in range(self.TIMES):
                status, _, body = self.server.post(self.configmaps, configmap("c%d" % k, {"by": str(n)}), conn=conn)
                assert status == 201 or status == 409 and body["reason"] == "AlreadyExists", body
                if status == 201:
                    won.append((k, str(n)))
        self.together(work)
        self.assertEqual(sorted(k for k, _ in won), list(range(self.TIMES)))
        items = self.server.get(self.configmaps)[2]["items"]
        self.assertEqual({o["metadata"]["name"]: o["data"]["by"] for o in items}, {"c%d" % k: n for k, n in won})

    def test_generated_names_are_apart(self):
        names = []

        def work(n, conn):
            for _ in range(self.TIMES):
                status, _, body = self.server.post(self.configmaps, {"metadata": {"generateName": "g-"}}, conn=conn)
                assert status == 201, body
                names.append(body["metadata"]["name"])
        self.together(work)
        self.assertEqual(len(set(names)), self.THREADS * self.TIMES)

    def test_delete_with_a_precondition(self):
        made = self.make("d")
        stale = dict(made, data={"a": "b"})
        self.assertEqual(self.server.request("PUT", self.configmaps + "/d", stale)[0], 200)
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"resourceVersion": made["metadata"]["resourceVersion"]}}
        self.assertStatus(self.server.request("DELETE", self.configmaps + "/d", options), 409, "Conflict")
        options["preconditions"] = {"uid": made["metadata"]["uid"]}
        self.assertEqual(self.server.request("DELETE", self.configmaps + "/d", options)[0], 200)
