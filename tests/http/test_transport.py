# SPDX-License-Identifier: Apache-2.0
"""HTTP itself, byte by byte: what is broken is answered 400 or cut off, what is unusual but right works, and the server stays well."""
import json, os, socket, ssl, subprocess, threading, time, unittest

import support
from support import Case, Curl, LIMITS, Raw, configmap, metrics, until

JSON = ("Content-Type", "application/json")


class Http(Case):
    def one(self, head, body=b"", auth=True):
        """What is answered to the bytes: an Answer, or None where the connection is cut."""
        with Raw(self.server) as r:
            if auth:
                head = head.replace("\r\n", "\r\nAuthorization: Bearer %s\r\n" % self.server.token, 1)
            r.send(head.encode("latin-1") + b"\r\n\r\n" + body)
            try:
                return r.read()
            except EOFError:
                return None

    def refused(self, head, body=b""):
        """400 or another client's error, or cut off; never carried out."""
        a = self.one(head, body)
        if a:
            self.assertIn(a.status, (400, 408, 411, 413, 414, 431, 501, 505), (head[:200], a))
        self.assertEqual(self.server.get(self.configmaps)[2]["items"], [])
        return a

    def create(self, extra, body):
        return "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json%s" % (self.configmaps, extra), body

    def test_two_content_lengths(self):
        body = json.dumps(configmap("x")).encode()
        self.refused(*self.create("\r\nContent-Length: %d\r\nContent-Length: %d" % (len(body), len(body) - 1), body))
        self.refused(*self.create("\r\nContent-Length: 0\r\nContent-Length: %d" % len(body), body))

    def test_content_length_and_chunks(self):
        body = json.dumps(configmap("x")).encode()
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        smuggled = chunked + b"GET /api/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        self.refused(*self.create("\r\nContent-Length: %d\r\nTransfer-Encoding: chunked" % len(body), smuggled))
        self.refused(*self.create("\r\nTransfer-Encoding: chunked\r\nContent-Length: 4", smuggled))

    def test_bad_content_lengths(self):
        body = json.dumps(configmap("x")).encode()
        for value in ("-1", "abc", "1e3", "0x10", "+%d" % len(body), "%d, %d" % (len(body), len(body)), "99999999999999999999999", "", "1 2", "1;"):
            self.refused(*self.create("\r\nContent-Length: " + value, body))

    def test_bad_transfer_encodings(self):
        body = json.dumps(configmap("x")).encode()
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        for value in ("gzip", "identity, chunked", "chunked, gzip", "xchunked", "chunked;q=1"):
            self.refused(*self.create("\r\nTransfer-Encoding: " + value, chunked))

    def test_bad_chunk_sizes(self):
        for chunks in (b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"ffffffffffffffffffff\r\n{}", b"5\r\n{}\r\n0\r\n\r\n", b"2\r\n{}xx0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n",
                       b"\r\n\r\n", b"7fffffffffffffff\r\n{}"):
            with Raw(self.server) as r:
                r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked")])
                r.send(chunks)
                r.s.settimeout(3)
                try:
                    a = r.read()
                    self.assertEqual(a.status, 400, (chunks, a))
                except (EOFError, TimeoutError):
                    pass  # cut off, or waiting for the rest of a chunk
        self.assertEqual(self.server.get(self.configmaps)[2]["items"], [])

    def test_chunks_of_every_size(self):
        body = json.dumps(configmap("chunks", {"k": "v" * 100})).encode()
        with Raw(self.server) as r:
            for n in (1, 3, 64, 1000):
                r.head("PUT" if n > 1 else "POST", self.configmaps + ("/chunks" if n > 1 else ""), [JSON, ("Transfer-Encoding", "chunked")])
                for at in range(0, len(body), n):
                    piece = body[at:at + n]
                    r.send(b"%x%s\r\n%s\r\n" % (len(piece), b";ext=1" if n == 3 else b"", piece))
                r.send(b"0\r\n\r\n" if n != 64 else b"0\r\nTrailer: x\r\n\r\n")
                a = r.read()
                self.assertIn(a.status, (200, 201), a)
                self.assertEqual(a.json()["data"], {"k": "v" * 100})

    def test_missing_host(self):
        with Raw(self.server) as r:
            a = r.head("GET", "/version", host=False).read()
            self.assertEqual(a.status, 400, a)
            self.assertTrue(r.ends())

    def test_request_lines(self):
        for line in ("GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/9.9", "GET / HTTP/1.1 x", "GET / HTTQ/1.1", "/ GET HTTP/1.1", "\x00\x01\x02 / HTTP/1.1",
                     "GET /\x00 HTTP/1.1", "GET /\x7f HTTP/1.1", "G\tET / HTTP/1.1", " GET / HTTP/1.1", "G@T / HTTP/1.1", "GET http://[::1 HTTP/1.1"):
            with Raw(self.server) as r:
                r.send((line + "\r\nHost: x\r\n\r\n").encode("latin-1"))
                r.s.settimeout(3)
                try:
                    a = r.read()
                    self.assertIn(a.status, (400, 401, 404, 405, 501, 505), (line, a))  # 401: it reads as a request nobody is known for
                except (EOFError, TimeoutError):
                    pass

    def test_bad_headers(self):
        for header in ("No colon", ": no name", "Spaced Name: x", "Name : x", "X: a\x00b", "X\x01: y", " folded: x"):
            a = self.one("GET /version HTTP/1.1\r\nHost: x\r\n" + header, auth=False)
            self.assertEqual(a.status, 400, (header, a))

    def test_too_many_headers(self):
        for n, size in ((500, 10), (5000, 10), (10, LIMITS["LIMIT_HEADER_BYTES"] // 9), (1, LIMITS["LIMIT_HEADER_BYTES"] + 1), (1, 1000000)):
            try:
                a = self.one("GET /version HTTP/1.1\r\nHost: x" + "".join("\r\nX-%d: %s" % (k, "v" * size) for k in range(n)))
            except (ConnectionError, ssl.SSLError):
                a = None
            if a:
                self.assertIn(a.status, (400, 413, 431), (n, size, a))
        fine = self.one("GET /version HTTP/1.1\r\nHost: x" + "".join("\r\nX-%d: %s" % (k, "v" * 400) for k in range(50)))
        self.assertEqual(fine.status, 200)

    def test_pipelining_keeps_the_order(self):
        for k in range(5):
            self.make("c%d" % k, {"k": str(k)})
        with Raw(self.server) as r:
            wanted = []
            data = b""
            for k in range(40):
                kind = k % 4
                path = self.configmaps + ("/c%d" % (k % 5) if kind == 0 else "/none%d" % k if kind == 1 else "" if kind == 2 else "/c%d" % (k % 5))
                body = json.dumps(configmap("c%d" % (k % 5), {"k": str(k % 5)})).encode() if kind == 3 else b""
                data += ("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % ("PUT" if kind == 3 else "GET", path, r.token)).encode()
                data += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) if body else b"\r\n"
                wanted.append((kind, k))
            r.send(data)
            for kind, k in wanted:
                a = r.read()
                self.assertEqual(a.status, 404 if kind == 1 else 200, (kind, k, a))
                if kind in (0, 3):
                    self.assertEqual(a.json()["metadata"]["name"], "c%d" % (k % 5))
                if kind == 1:
                    self.assertEqual(a.json()["details"]["name"], "none%d" % k)

    def test_pipelined_behind_a_watch_waits(self):
        with Raw(self.server) as r:
            r.head("GET", self.configmaps + "?watch=1&timeoutSeconds=1").head("GET", "/version")
            self.assertEqual(r.read().status, 200)
            self.assertEqual(r.read().json()["major"], "1")

    def test_expect_continue(self):
        body = json.dumps(configmap("expected")).encode()
        with Raw(self.server) as r:
            r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body)), ("Expect", "100-continue")])
            self.assertEqual(r.read_head().status, 100)
            r.send(body)
            self.assertEqual(r.read().status, 201)
        with Raw(self.server) as r:
            r.head("GET", "/version", [("Expect", "something-else")])
            self.assertEqual(r.read().status, 417)

    def test_http_10(self):
        self.make("old")
        with Raw(self.server) as r:
            a = r.head("GET", self.configmaps + "/old", version="HTTP/1.0", host=False).read()
            self.assertEqual((a.status, a.json()["metadata"]["name"]), (200, "old"))
            self.assertIsNone(a.header("transfer-encoding"))
            self.assertTrue(r.ends())
        with Raw(self.server) as r:  # a list may be streamed: without chunks its end is the connection's
            a = r.head("GET", self.configmaps, version="HTTP/1.0").read()
            self.assertNotEqual((a.header("transfer-encoding") or "").lower(), "chunked")
            self.assertEqual([o["metadata"]["name"] for o in a.json()["items"]], ["old"])
        with Raw(self.server) as r:
            r.head("GET", self.configmaps + "?watch=1&timeoutSeconds=1", version="HTTP/1.0")
            a = r.read()
            self.assertEqual(json.loads(a.body.split(b"\n")[0])["object"]["metadata"]["name"], "old")

    def test_head(self):
        self.make("x")
        with Raw(self.server) as r:
            for path in ("/version", "/healthz", self.configmaps, self.configmaps + "/x", "/nothing", "/api"):
                a = r.head("HEAD", path).read(body=False)
                self.assertIn(a.status, (200, 404, 405), (path, a))
            a = r.head("GET", "/version").read()  # nothing of a body was left in between
            self.assertEqual((a.status, a.json()["major"]), (200, "1"))

    def test_connection_close(self):
        with Raw(self.server) as r:
            a = r.head("GET", "/version", [("Connection", "close")]).read()
            self.assertEqual(a.status, 200)
            self.assertTrue(r.ends())

    def test_many_on_one_connection(self):
        with Raw(self.server) as r:
            for _ in range(200):
                self.assertEqual(r.head("GET", "/version").read().status, 200)

    def test_half_closed(self):
        """A peer that has said all and waits for the answer gets it."""
        body = json.dumps(configmap("half")).encode()
        context = ssl._create_unverified_context()
        s = socket.create_connection(("127.0.0.1", self.server.port), 10)
        tls = context.wrap_socket(s, server_hostname="x")
        head = "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        tls.sendall((head % (self.configmaps, self.server.token, len(body))).encode() + body)
        s2 = socket.socket(fileno=os.dup(tls.fileno()))
        s2.shutdown(socket.SHUT_WR)
        s2.close()
        data = b""
        try:
            while True:
                more = tls.recv(65536)
                if not more:
                    break
                data += more
        except OSError:
            pass
        tls.close()
        # The answer is sent where the peer still reads; the write counts in any case or not at all.
        there = self.server.get(self.configmaps + "/half")[0]
        if data:
            self.assertTrue(data.startswith(b"HTTP/1.1 201"), data[:100])
            self.assertEqual(there, 200)

    def test_gone_in_the_middle(self):
        """Peers that leave within a head, a body, an answer leave nothing behind."""
        before = until(lambda: metrics(self.server)["coracle_http_connections"] <= 3 and metrics(self.server))
        body = json.dumps(configmap("gone")).encode()
        for k in range(60):
            r = Raw(self.server)
            if k % 4 == 0:
                r.send("GET /api/v1/name")
            elif k % 4 == 1:
                r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body))]).send(body[:20])
            elif k % 4 == 2:
                r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked")]).send(b"5\r\n{")
            else:
                for _ in range(20):
                    r.head("GET", "/openapi/v2")
            r.close()
        until(lambda: metrics(self.server)["coracle_http_exchanges"] <= before["coracle_http_exchanges"])
        until(lambda: metrics(self.server)["coracle_http_connections"] <= 3)
        until(lambda: metrics(self.server)["coracle_http_body_bytes"] == 0)
        self.assertEqual(self.server.get(self.configmaps)[2]["items"], [])

    def test_garbage_instead_of_tls(self):
        for data in (b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 10000, os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16\x03\x01\x00\x05hello", b"\x80",
                     b"SSH-2.0-x\r\n", b""):
            s = socket.create_connection(("127.0.0.1", self.server.port), 60)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
            s.close()
        until(lambda: metrics(self.server)["coracle_http_connections"] <= 3)

    def test_old_tls_is_refused(self):
        context = ssl._create_unverified_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        s = socket.create_connection(("127.0.0.1", self.server.port), 60)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(s, server_hostname="x").close()
        s.close()

    def test_idle_connections_do_not_block_others(self):
        idle = [Raw(self.server) for _ in range(60)]
        waiting = [Raw(self.server, tls=False) for _ in range(60)]  # never begin their handshake
        begun = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.server.get("/healthz")[0], 200)
        self.assertLess(time.monotonic() - begun, 50)
        for r in idle + waiting:
            r.close()

    def test_slow_body(self):
        body = json.dumps(configmap("slow")).encode()
        with Raw(self.server) as r:
            r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body))])
            for k in range(0, len(body), 10):
                r.send(body[k:k + 10])
                time.sleep(0.02)
            self.assertEqual(r.read().status, 201)

    def test_common_headers(self):
        with Raw(self.server) as r:
            a = r.head("GET", self.configmaps).read()
        self.assertEqual(a.header("content-type"), "application/json")
        self.assertEqual(a.header("cache-control"), "no-cache, private")
        self.assertRegex(a.header("audit-id"), r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertIsNotNone(a.header("date"))


@unittest.skipUnless(Curl.can(), "curl has no HTTP/2")
class Http2(Case):
    def test_verbs(self):
        path = self.configmaps
        status, version, body = Curl.request(self.server, path, "-H", "Content-Type: application/json", "-d", json.dumps(configmap("two")))
        self.assertEqual((status, version), (201, "2"), body)
        self.assertEqual(Curl.request(self.server, path + "/two")[0], 200)
        status, _, body = Curl.request(self.server, path + "/two", "-X", "PATCH", "-H", "Content-Type: application/merge-patch+json", "-d", '{"data":{"a":"b"}}')
        self.assertEqual((status, json.loads(body)["data"]), (200, {"a": "b"}))
        self.assertEqual(Curl.request(self.server, path + "/two", "-X", "DELETE")[0], 200)
        self.assertStatus((Curl.request(self.server, path + "/two")[0], None, Curl.request(self.server, path + "/two")[2]), 404, "NotFound")

    def test_bad_bodies(self):
        for body in ("{", "\x01", '{"metadata":{"name":"BAD"}}'):
            status, _, answer = Curl.request(self.server, self.configmaps, "-H", "Content-Type: application/json", "--data-binary", body)
            self.assertStatus((status, None, answer), 422 if "BAD" in body else 400)

    def test_many_streams_of_one_connection(self):
        for k in range(30):
            self.make("c%d" % k, {"k": "x" * 1000})
        urls = []
        for k in range(30):
            urls += ["https://127.0.0.1:%d%s/c%d" % (self.server.port, self.configmaps, k)]
        p = subprocess.run(["curl", "-sSk", "--http2", "--parallel", "--parallel-immediate", "-w", "%{http_code}\n", "-H", "Authorization: Bearer " + self.server.token]
                           + [x for u in urls for x in ("-o", "/dev/null", u)], capture_output=True, text=True, timeout=300)
        self.assertEqual(p.stdout.split(), ["200"] * 30, p.stderr)

    def test_broken_frames(self):
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        settings = b"\0\0\0\4\0\0\0\0\0"
        for data in (b"garbage" * 100, preface[:10], preface + b"\xff" * 100, preface + settings + b"\0\0\1\0\0\0\0\0\1x", preface + settings + b"\xff\xff\xff\1\5\0\0\0\1",
                     preface + settings + b"\0\0\4\1\5\0\0\0\1\xff\xff\xff\xff", preface + settings + b"\0\0\0\3\0\0\0\0\0", preface + settings + b"\0\0\5\x08\0\0\0\0\1\0\0\0\0\0",
                     preface + settings * 1000, preface + settings + b"\0\0\4\1\4\0\0\0\1\x82\x87\x84\x86" * 50):
            with Raw(self.server, alpn=["h2"], timeout=3) as r:
                try:
                    r.send(data)
                    while r.fill():
                        pass
                except (OSError, ssl.SSLError):
                    pass
        until(lambda: metrics(self.server)["coracle_http_connections"] <= 3)

    def test_reset_streams(self):
        """A connection that opens and resets streams without end is cut, and others are served."""
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
        token = b"Bearer " + self.server.token.encode()
        path = b"/api/v1/namespaces?watch=1"  # what would be answered at once is not aborted
        block = b"\x82\x87\x44" + bytes([len(path)]) + path + b"\x41\x01x" + b"\x0f\x08" + bytes([len(token)]) + token
        with Raw(self.server, alpn=["h2"]) as r:
            try:
                r.send(preface)
                for k in range(3000):
                    sid = (2 * k + 1).to_bytes(4, "big")
                    r.send(len(block).to_bytes(3, "big") + b"\1\5" + sid + block + b"\0\0\4\3\0" + sid + b"\0\0\0\x08")
                while r.fill():
                    pass
                cut = True
            except (TimeoutError, socket.timeout):
                cut = False
            except (OSError, ssl.SSLError):
                cut = True
        self.assertTrue(cut)
        self.assertEqual(self.server.get(self.configmaps)[0], 200)
