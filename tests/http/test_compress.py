# SPDX-License-Identifier: Apache-2.0
"""gzip where it is asked for: what is compressed, that it is the same answer, and what clients may say."""
import gzip, json, random, re, threading, zlib

from support import Case, Curl, Raw, Watch, configmap

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
THRESHOLD = 128 * 1024


def words(n, seed=1):
    r = random.Random(seed)
    return " ".join("word%d" % r.randrange(1000) for _ in range(n // 7))[:n]


class Compressed(Case):
    def fetch(self, path, encoding="gzip", method="GET", body=None, **headers):
        """An Answer over HTTP/1.1, decompressed when it says so, and its bytes as they came."""
        given = [(k.replace("_", "-"), v) for k, v in headers.items()]
        if encoding is not None:
            given.append(("Accept-Encoding", encoding))
        if body is not None:
            body = json.dumps(body)
            given += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        with Raw(self.server, timeout=60) as r:
            r.head(method, path, given)
            if body is not None:
                r.send(body)
            a = r.read(body=method != "HEAD")
        a.sent = len(a.body)
        if a.header("content-encoding") == "gzip":
            self.assertEqual(a.header("vary"), "Accept-Encoding")
            d = zlib.decompressobj(31)
            a.body = d.decompress(a.body)
            self.assertTrue(d.eof)
            self.assertEqual(d.unused_data, b"")
            a.gzip = True
        else:
            self.assertIsNone(a.header("content-encoding"))
            self.assertIsNone(a.header("vary"))
            a.gzip = False
        return a

    def same(self, path, gzipped=True, ratio=0.6, **kw):
        """The compressed answer is the plain one."""
        plain, packed = self.fetch(path, None, **kw), self.fetch(path, **kw)
        for a in (plain, packed):  # the ages in Tables go on
            a.body = re.sub(rb'"\d+s"', b'"1s"', a.body)
        self.assertEqual((plain.status, packed.status, packed.gzip), (200, 200, gzipped), (path, kw, len(plain.body)))
        self.assertEqual(packed.body, plain.body)
        self.assertEqual(packed.header("content-type"), plain.header("content-type"))
        if gzipped:
            self.assertLess(packed.sent, ratio * len(plain.body))
        return packed

    def test_objects(self):
        self.make("big", {"x": words(200000)})
        self.make("small", {"x": words(1000)})
        a = self.same(self.configmaps + "/big")
        self.assertEqual(int(a.header("content-length")), a.sent)
        self.same(self.configmaps + "/small", gzipped=False)
        self.same(self.configmaps + "/big", Accept="application/yaml")
        self.same(self.configmaps + "/big?pretty=1")
        # A Table without the object in it is small.
        self.same(self.configmaps + "/big", gzipped=False, Accept=TABLE)
        self.same(self.configmaps + "/big?includeObject=Object", Accept=TABLE)

    def test_threshold(self):
        self.make("edge", {"x": ""})
        base = len(self.fetch(self.configmaps + "/edge", None).body)
        for extra, gzipped in ((-40, False), (40, True)):
            self.assertEqual(self.server.request("PUT", self.configmaps + "/edge", configmap("edge", {"x": "y" * (THRESHOLD - base + extra)}))[0], 200)
            self.same(self.configmaps + "/edge", gzipped=gzipped)

    def test_answers_to_writes(self):
        body = configmap("w", {"x": words(300000)})
        a = self.fetch(self.configmaps, method="POST", body=body)
        self.assertEqual((a.status, a.gzip, json.loads(a.body)["data"]), (201, True, body["data"]))
        a = self.fetch(self.configmaps + "/w", method="PUT", body=dict(body, data={"x": words(300000, 2)}))
        self.assertEqual((a.status, a.gzip), (200, True))
        a = self.fetch(self.configmaps, method="POST", body=body)
        self.assertEqual((a.status, a.gzip, json.loads(a.body)["reason"]), (409, False, "AlreadyExists"))

    def test_what_clients_say(self):
        self.make("big", {"x": words(150000)})
        for value, gzipped in (("gzip", True), ("GZIP", True), ("gzip;q=0.1", True), ("gzip;q=0", False), ("gzip;q=0.000, *", False), ("*", True),
                               ("*;q=0", False), ("*;q=0, gzip", True), ("identity;q=0", False), ("identity;q=0, gzip", True), ("deflate, br", False),
                               ("deflate, gzip;q=1.0, *;q=0.5", True), ("", False), (None, False), ("gzip" * 100, False), (";;,,;q=", False)):
            a = self.fetch(self.configmaps + "/big", value)
            self.assertEqual((a.status, a.gzip), (200, gzipped), value)
            self.assertEqual(len(json.loads(a.body)["data"]["x"]), 150000)

    def fill(self, n, size, **labels):
        for k in range(n):
            self.make("c%04d" % k, {"x": words(size, k)}, labels=dict(labels, rare=str(k % 40 == 0).lower()))

    def test_lists(self):
        self.fill(45, 20000)
        for query, gzipped in (("", True), ("?limit=10", True), ("?limit=2", False), ("?labelSelector=rare%3Dtrue", False), ("?labelSelector=rare%3Dfalse", True),
                               ("?labelSelector=nothing", False), ("?fieldSelector=metadata.name%3Dc0003", False), ("?fieldSelector=metadata.name%21%3Dc0003", True),
                               ("?pretty=true", True), ("?limit=20&pretty=true", True)):
            a = self.same(self.configmaps + query, gzipped)
            self.assertEqual(json.loads(a.body)["kind"], "ConfigMapList")
        self.same(self.configmaps, Accept="application/yaml")
        self.same(self.configmaps + "?includeObject=Object", Accept=TABLE)
        # What goes out in slices, 900 kB of it, has no length.
        self.assertIsNone(self.fetch(self.configmaps).header("content-length"))

    def test_http2(self):
        if not Curl.can():
            self.skipTest("curl without HTTP/2")
        self.fill(40, 20000)
        for path in (self.configmaps, self.configmaps + "?limit=10"):
            for encoding in ("gzip", "gzip;q=0"):
                status, version, body = Curl.request(self.server, path, "-A", "x", "-H", "Accept-Encoding: " + encoding)
                self.assertEqual((status, version), (200, "2"))
                self.assertEqual(body[:2] == b"\x1f\x8b", encoding == "gzip")
                self.assertEqual(gzip.decompress(body) if encoding == "gzip" else body, self.fetch(path, None).body)

    def test_not_watches(self):
        self.make("big", {"x": words(400000)})
        w = Watch(self.server, self.configmaps + "?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", [("Accept-Encoding", "gzip")])
        self.assertIsNone(w.answer.header("content-encoding"))
        self.assertEqual(len(w.wait(1)[0]["object"]["data"]["x"]), 400000)
        w.close()

    def test_many_at_once_and_peers_that_vanish(self):
        self.fill(40, 30000)
        plain, wrong = self.fetch(self.configmaps, None).body, []

        def take(k):
            try:
                for _ in range(3):
                    if k % 3 == 0:  # leaves at some point of the answer
                        with Raw(self.server) as r:
                            r.head("GET", self.configmaps, [("Accept-Encoding", "gzip")])
                            r.take(random.Random(k).choice((1, 5000, 100000)))
                        continue
                    if self.fetch(self.configmaps).body != plain:
                        wrong.append("other bytes")
            except Exception as e:
                wrong.append(repr(e))
        threads = [threading.Thread(target=take, args=(k,)) for k in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
