# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1, TLS and connections as an attacker uses them: everything is refused with the right answer or cut off, counted by its reason, and
others stay served."""
import contextlib, json, os, select, socket, ssl, subprocess, threading, time

import support
from support import Case, Curl, LIMITS, Raw, configmap, metrics, until
from lib.server import Server

JSON = ("Content-Type", "application/json")
BODY = LIMITS["LIMIT_BODY_BYTES"]


def rejected(server, *reasons):
    found = metrics(server)
    return sum(found['apiserver_rejected_requests_total{reason="%s"}' % reason] for reason in reasons)


@contextlib.contextmanager
def flat_memory(case, server, mib=48):
    """The server's memory grows by no more than that, freed or not."""
    before, most, stop = server.rss_kib(), [0], threading.Event()

    def look():
        while not stop.wait(0.01):
            most[0] = max(most[0], server.rss_kib())
    t = threading.Thread(target=look)
    t.start()
    try:
        yield
    finally:
        stop.set()
        t.join()
    grown = max(most[0] - before, 0) / 1024
    if os.environ.get("CORACLE_FIGURES"):
        print("%s: memory grew by %.1f MiB from %.1f" % (case.id(), grown, before / 1024))
    if not support.sanitized():
        case.assertLess(grown, mib)


@contextlib.contextmanager
def others_served(case, server, most=2.0):
    """Meanwhile another client's requests are answered."""
    stop, slow, n = threading.Event(), [0.0], [0]
    failed = []

    def ask():
        while not stop.is_set():
            begun = time.monotonic()
            try:
                if server.get("/version")[0] != 200:
                    failed.append("status")
            except Exception as e:
                failed.append(repr(e))
            slow[0], n[0] = max(slow[0], time.monotonic() - begun), n[0] + 1
            stop.wait(0.01)
        server.forget()
    t = threading.Thread(target=ask)
    t.start()
    try:
        yield
    finally:
        stop.set()
        t.join()
    if os.environ.get("CORACLE_FIGURES"):
        print("%s: %d other requests, the slowest %.0f ms" % (case.id(), n[0], slow[0] * 1000))
    case.assertEqual(failed, [])
    case.assertGreater(n[0], 0)
    case.assertLess(slow[0], most * (10 if support.sanitized() else 1) + 5)


class Hostile(Case):
    def counts(self, *reasons, n=1):
        """A context: at least n refusals for that reason (or one of several) are counted in it."""
        @contextlib.contextmanager
        def within():
            before = rejected(self.server, *reasons)
            yield
            until(lambda: rejected(self.server, *reasons) >= before + n)
        return within()

    def answers(self, data, version="HTTP/1.1"):
        """All that is answered to the bytes until the end: statuses."""
        with Raw(self.server) as r:
            try:
                r.send(data)
                while r.fill():
                    pass
            except (ConnectionError, ssl.SSLError):
                pass
            return [int(x.split(b" ")[1]) for x in r.rest.split(b"\r\n") if x.startswith(b"HTTP/1")]

    def head(self, *lines):
        return ("\r\n".join(lines) + "\r\nAuthorization: Bearer %s\r\n\r\n" % self.server.token).encode("latin-1")

    def nothing_made(self):
        self.assertEqual(self.server.get(self.configmaps)[2]["items"], [])


class Framing(Hostile):
    """What is ambiguous (RFC 9112) is refused once and never read as a second request."""

    def post(self, *more):
        return ["POST %s HTTP/1.1" % self.configmaps, "Host: x", "Content-Type: application/json"] + list(more)

    def smuggled(self):
        body = json.dumps(configmap("smuggled")).encode()
        return self.head(*self.post("Content-Length: %d" % len(body))) + body

    def test_lengths(self):
        with self.counts("ambiguous-framing", n=6):
            for lines in (["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 0", "Content-Length: 5"], ["Content-Length: 5", "Transfer-Encoding: chunked"],
                          ["Transfer-Encoding: chunked", "Content-Length: 5"], ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]):
                self.assertEqual(self.answers(self.head(*self.post(*lines)) + b"0\r\n\r\n" + self.smuggled()), [400], lines)
            for value in ("xchunked", "chunked, chunked", "gzip", "identity", "chunked;q=1"):
                self.assertEqual(self.answers(self.head(*self.post("Transfer-Encoding: " + value)) + b"0\r\n\r\n" + self.smuggled()), [501], value)
            old = self.head("POST %s HTTP/1.0" % self.configmaps, "Transfer-Encoding: chunked")
            self.assertEqual(self.answers(old + b"0\r\n\r\n" + self.smuggled()), [400])
        with self.counts("bad-request", n=8):
            for value in ("-1", "+5", "5x", "0x5", "5, 5", "", "99999999999999999999", "5 5"):
                self.assertEqual(self.answers(self.head(*self.post("Content-Length: " + value)) + b"hello" + self.smuggled()), [400], value)
        self.nothing_made()

    def test_chunks(self):
        cases = (b"zz\r\n", b"-1\r\n", b"\r\n", b"5\r\nhelloX", b"5\r\nhello\n", b"5\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n", b"123456789\r\n", b"5 \x01\r\nhello\r\n",
                 b"5;" + b"e" * 20000 + b"\r\n", b"0\r\n" + b"a: b\r\n" * 5000, b"0\r\n\n", b"0\r\n bad\r\n\r\n", b"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n")
        with self.counts("ambiguous-framing", n=len(cases)):
            for c in cases:
                self.assertEqual(self.answers(self.head(*self.post("Transfer-Encoding: chunked")) + c + self.smuggled()), [400], c[:40])
        self.nothing_made()

    def test_heads(self):
        line = "GET /version HTTP/1.1"
        for name, data, reason in (
                ("no host", self.head(line), "bad-host"), ("two hosts", self.head(line, "Host: x", "Host: x"), "bad-host"), ("a host with a path", self.head(line, "Host: x/y"), "bad-host"),
                ("bare LF", self.head(line, "Host: x").replace(b"\r\n", b"\n"), "bad-request"), ("one bare LF", self.head(line, "Host: x\nA: b"), "bad-request"),
                ("a bare CR", self.head(line, "Host: x", "A: b\rC: d"), "bad-request"), ("a folded line", self.head(line, "Host: x", "A: b", " c"), "bad-request"),
                ("a folded first line", self.head(line, " A: b", "Host: x"), "bad-request"), ("a space before the colon", self.head(line, "Host: x", "A : b"), "bad-request"),
                ("no name", self.head(line, "Host: x", ": b"), "bad-request"), ("no colon", self.head(line, "Host: x", "Ab"), "bad-request"),
                ("NUL in a value", self.head(line, "Host: x", "A: b\0c"), "bad-request"), ("NUL in a name", self.head(line, "Host: x", "A\0: b"), "bad-request"),
                ("a control byte", self.head(line, "Host: x", "A: \x1b[1m"), "bad-request"), ("DEL", self.head(line, "Host: x", "A: \x7f"), "bad-request"),
                ("8 bits in a name", self.head(line, "Host: x", "\xe4: b"), "bad-request"), ("a NUL in the target", self.head("GET /ver\0sion HTTP/1.1", "Host: x"), "bad-request"),
                ("two spaces", self.head("GET  /version HTTP/1.1", "Host: x"), "bad-request"), ("no version", self.head("GET /version", "Host: x"), "bad-request"),
                ("HTTP/2.0 in a line", self.head("GET /version HTTP/2.0", "Host: x"), "bad-request"), ("HTTP/1.2", self.head("GET /version HTTP/1.2", "Host: x"), "bad-request"),
                ("CONNECT", self.head("CONNECT x:1 HTTP/1.1", "Host: x"), "bad-request"), ("GET *", self.head("GET * HTTP/1.1", "Host: x"), "bad-request"),
                ("a relative target", self.head("GET version HTTP/1.1", "Host: x"), "bad-request"), ("another scheme", self.head("GET ftp://x/version HTTP/1.1", "Host: x"), "bad-request")):
            with self.subTest(name), self.counts(reason):
                self.assertEqual(self.answers(data + self.smuggled()), [505 if "HTTP/2.0" in name or "1.2" in name else 400])
        self.nothing_made()

    def test_targets_that_are_fine(self):
        with Raw(self.server) as r:
            for target in ("http://other/version", "https://x:1/version?a=b", "HTTP://x/version"):
                self.assertEqual(r.head("GET", target).read().json()["major"], "1", target)
            self.assertIn("/version", r.head("GET", "http://x").read().json()["paths"])
            a = r.head("OPTIONS", "*").read()
            self.assertEqual((a.status, a.body), (200, b""))
            r.send("\r")
            time.sleep(0.05)
            r.send("\n").head("GET", "/version")
            self.assertEqual(r.read().status, 200)
            r.head("GET", "/version", [("X-Utf8", "\xe4"), ("X-Tab", "a\tb"), ("X-Empty", "")])
            self.assertEqual(r.read().status, 200)

    def test_requests_in_any_pieces(self):
        """The head's end, the chunks and the next request may be cut anywhere."""
        self.make("there")
        body = json.dumps(configmap("there", {"k": "v"})).encode()
        put = self.head("PUT %s/there HTTP/1.1" % self.configmaps, "Host: x", JSON[0] + ": " + JSON[1], "Transfer-Encoding: chunked")
        put += b"4;x=y\r\n" + body[:4] + b"\r\n%x\r\n" % (len(body) - 4) + body[4:] + b"\r\n0\r\nT: x\r\n\r\n"
        get = self.head("GET http://x%s/there HTTP/1.1" % self.configmaps, "Host: x")
        stream = put + get + b"\r\n" + put + get
        for size in (1, 2, 3, 7, 50, 333, len(stream)):
            with Raw(self.server) as r:
                for at in range(0, len(stream), size):
                    r.send(stream[at:at + size])
                for _ in range(4):
                    a = r.read()
                    self.assertEqual((a.status, a.json()["data"]), (200, {"k": "v"}), size)


class Headers(Hostile):
    def test_too_large(self):
        for n, size, status in ((101, 1, 431), (5000, 1, 431), (1, LIMITS["LIMIT_HEADER_BYTES"], 431), (90, 800, 431), (1, 1000000, 431)):
            with self.subTest(n=n, size=size), self.counts("headers-too-large"):
                self.assertEqual(self.answers(self.head("GET /version HTTP/1.1", "Host: x", *["X-%d: %s" % (k, "v" * size) for k in range(n)])), [status])
        for size in (LIMITS["LIMIT_PATH_BYTES"] + 1, 70000, 500000):
            with self.subTest(size=size), self.counts("uri-too-long"):
                self.assertEqual(self.answers(self.head("GET /%s HTTP/1.1" % ("a" * size), "Host: x")), [414])
        with Raw(self.server) as r:
            self.assertEqual(r.head("GET", "/version", [("X-%d" % k, "v" * 600) for k in range(90)]).read().status, 200)

    def test_endless(self):
        """A head without an end costs what the limit is, not more."""
        with flat_memory(self, self.server), self.counts("headers-too-large", n=20), others_served(self, self.server):
            for _ in range(20):
                with Raw(self.server) as r:
                    try:
                        r.send(b"GET / HTTP/1.1\r\n")
                        for _ in range(200):
                            r.send(b"X: " + b"y" * 10000 + b"\r\n")
                    except (ConnectionError, ssl.SSLError, BrokenPipeError):
                        pass

    def test_expect(self):
        body = json.dumps(configmap("expected")).encode()
        with Raw(self.server) as r:
            r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body)), ("Expect", "100-Continue")])
            self.assertEqual(r.read_head().status, 100)
            self.assertEqual(r.send(body).read().status, 201)
            r.head("GET", "/version", [("Expect", "100-continue")])  # there is nothing to go on with
            self.assertEqual(r.read().status, 200)
            r.head("PUT", self.configmaps + "/expected", [JSON, ("Content-Length", len(body)), ("Expect", "100-continue")]).send(body)
            a = r.read_head()
            self.assertIn(a.status, (100, 200))
        with Raw(self.server) as r:  # refused before it is sent
            a = r.head("POST", self.configmaps, [JSON, ("Content-Length", BODY + 1), ("Expect", "100-continue")]).read()
            self.assertStatus(a, 413, "RequestEntityTooLarge")
        for headers in ([("Expect", "x")], [("Expect", "x"), ("Content-Length", 5)], [("Expect", "100-continue"), ("Expect", "y")]):
            with self.counts("expectation"), Raw(self.server) as r:
                self.assertEqual(r.head("POST", self.configmaps, headers).read().status, 417)
                self.assertTrue(r.ends())

    def test_pipelined_without_reading(self):
        """Small answers that nobody reads do not pile up."""
        with flat_memory(self, self.server), others_served(self, self.server), Raw(self.server, timeout=2) as r:
            one = self.head("GET /openapi/v2 HTTP/1.1", "Host: x")
            sent = 0
            try:
                for _ in range(2000):
                    r.send(one * 10)
                    sent += len(one) * 10
            except (TimeoutError, socket.timeout, ConnectionError, ssl.SSLError):
                pass
            self.assertLess(sent, 8 << 20)


class Bodies(Hostile):
    def too_large(self, r):
        a = r.read()
        self.assertStatus(a, 413, "RequestEntityTooLarge", "limit is %d" % BODY)
        self.assertEqual(a.header("content-type"), "application/json")
        self.assertTrue(r.ends())

    def upload(self, length, chunked, total):
        """Sends to the end of total, come what may, then reads the answer."""
        with Raw(self.server) as r:
            r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", length)])
            piece = b"x" * 65536
            sent = 0
            try:
                while sent < total:
                    r.send(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
                    sent += len(piece)
            except (ConnectionError, ssl.SSLError, BrokenPipeError):
                self.assertGreater(sent, 4 << 20)  # only after a while in which the answer could be read
                return None
            return r.read()

    def test_declared(self):
        with flat_memory(self, self.server), self.counts("body-too-large", n=4):
            for n in (BODY + 1, 8 << 20, 100 << 20, 10 ** 17):
                with Raw(self.server) as r:  # the answer comes before anything of the body is sent
                    self.too_large(r.head("POST", self.configmaps, [JSON, ("Content-Length", n)]))

    def test_unknown_length(self):
        with flat_memory(self, self.server), self.counts("body-too-large", n=3):
            with Raw(self.server) as r:
                self.too_large(r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked")]).send(b"%x\r\n" % (BODY + 1)))
            with Raw(self.server) as r:
                self.too_large(r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked")]).send((b"10000\r\n" + b"x" * 65536 + b"\r\n") * (BODY // 65536) + b"1\r\n"))
            with Raw(self.server) as r:  # in bytes, each a chunk
                self.too_large(r.head("POST", self.configmaps, [JSON, ("Transfer-Encoding", "chunked")]).send(b"1\r\nx\r\n" * (BODY + 1)))

    def test_sent_whole(self):
        """Clients that read only when all is sent see the answer of what is not too much over the limit."""
        with flat_memory(self, self.server), others_served(self, self.server):
            for chunked in (False, True):
                a = self.upload(4 << 20, chunked, 4 << 20)
                self.assertStatus(a, 413, "RequestEntityTooLarge")
                a = self.upload(100 << 20, chunked, 100 << 20)
                if a:
                    self.assertStatus(a, 413, "RequestEntityTooLarge")

    def test_exactly_the_limit(self):
        for n in (BODY, BODY - 1):
            body = json.dumps(configmap("limit", {"k": "v"})).encode()
            body += b" " * (n - len(body))
            with Raw(self.server) as r:
                self.assertEqual(r.head("PUT" if n < BODY else "POST", self.configmaps + ("/limit" if n < BODY else ""), [JSON, ("Content-Length", n)]).send(body).read().status,
                                 200 if n < BODY else 201)

    def test_who_asks_comes_first(self):
        with Raw(self.server) as r:
            self.assertStatus(r.head("POST", self.configmaps, [JSON, ("Content-Length", BODY + 1)], auth=False).read(), 401)

    def test_curl(self):
        """A client of the world: what it uploads is refused with a Status, not retried."""
        path = os.path.join(self.server.dir, "large")
        with open(path, "wb") as f:
            f.truncate(20 << 20)
        for version in ["--http1.1"] + (["--http2"] if Curl.can() else []):
            for more in ([], ["-H", "Transfer-Encoding: chunked"] if version == "--http1.1" else []):
                p = subprocess.run(["curl", "-sSk", version, "--max-time", "100", "-H", "Authorization: Bearer " + self.server.token, "-H", "Content-Type: application/json", *more,
                                    "-X", "POST", "-T", path, "https://127.0.0.1:%d%s" % (self.server.port, self.configmaps)], capture_output=True)
                self.assertEqual(p.returncode, 0, p.stderr)
                self.assertEqual(json.loads(p.stdout)["code"], 413)
                self.assertNotIn(b"retr", p.stderr)


class Budget(support.unittest.TestCase):
    def test_all_bodies_together(self):
        """What all clients' unfinished bodies may hold is limited: beyond it 429, and after it all is well."""
        path = "/tmp/coracle-hostile-%d" % os.getpid()
        with Server(preset=support.PRESET, flags=["--listen", "unix:" + path]) as s:
            held, codes = [], {}
            head = [JSON, ("Content-Length", BODY)]
            for k in range(LIMITS["LIMIT_BODIES_BYTES"] // BODY + 8):
                r = Raw(s, path=path)
                try:
                    r.head("POST", support.CONFIGMAPS % "default", head).send(b" " * (BODY - 1))
                except ConnectionError:
                    pass
                held.append(r)

            def full():
                bytes = metrics(s)["coracle_http_body_bytes"]
                self.assertLess(bytes, LIMITS["LIMIT_BODIES_BYTES"] + (8 << 20))
                return bytes > LIMITS["LIMIT_BODIES_BYTES"] - 2 * BODY
            until(full)
            until(lambda: rejected(s, "bodies-budget") >= 4)

            def answered():
                for r in select.select([r.s for r in held if r not in codes], [], [], 0.05)[0]:
                    r = next(x for x in held if x.s is r)
                    try:
                        codes[r] = a = r.read()
                    except EOFError:
                        codes[r] = None  # the answer was lost to what was still on its way
                return len([a for a in codes.values() if a]) >= 4
            until(answered)
            for a in filter(None, codes.values()):
                self.assertEqual((a.status, a.json()["reason"], a.header("retry-after")), (429, "TooManyRequests", "1"))
            self.assertEqual(s.get("/version")[0], 200)  # what needs no body needs none of it
            for r in held:
                r.close()
            until(lambda: metrics(s)["coracle_http_body_bytes"] == 0)
            self.assertEqual(s.post(support.CONFIGMAPS % "default", configmap("a"))[0], 201)


class Tls(Hostile):
    def test_plain_http(self):
        with self.counts("plain-http"), Raw(self.server, tls=False) as r:
            r.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            a = r.read()
            self.assertEqual((a.status, a.version, a.body), (400, "HTTP/1.0", b"Client sent an HTTP request to an HTTPS server.\n"))

    def test_garbage_is_counted(self):
        before = metrics(self.server)["apiserver_tls_handshake_errors_total"]
        for data in (b"\x16\x03\x01\x00\x05hello", b"\0" * 1000, os.urandom(3000), b"\x80\x2e\x01\x03\x01" + b"x" * 100, b"SSH-2.0-x\r\n"):
            with Raw(self.server, tls=False) as r:
                r.send(data)
                r.s.shutdown(socket.SHUT_WR)
                while r.fill():
                    pass
        until(lambda: metrics(self.server)["apiserver_tls_handshake_errors_total"] >= before + 5)

    def test_old_versions(self):
        for version in ("-tls1", "-tls1_1"):
            p = subprocess.run(["openssl", "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", "127.0.0.1:%d" % self.server.port], input=b"", capture_output=True, timeout=120)
            self.assertIn(b"Cipher is (NONE)", p.stdout, version)
        p = subprocess.run(["openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:%d" % self.server.port], input=b"", capture_output=True, timeout=120)
        self.assertNotIn(b"Cipher is (NONE)", p.stdout)

    def test_renegotiation(self):
        """The peer may ask for another handshake; it gets an end."""
        p = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-legacy_renegotiation", "-connect", "127.0.0.1:%d" % self.server.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(0.5)
        with contextlib.suppress(OSError):
            p.stdin.write(b"R\n")
            p.stdin.flush()
        self.assertIsNotNone(p.wait(60))
        out = p.stdout.read()
        p.stdin.close()
        p.stdout.close()
        self.assertIn(b"RENEGOTIATING", out)
        self.assertNotIn(b"HTTP/1", out)

    def test_flood_of_handshakes(self):
        """Connections that never shake hands do not keep others out."""
        with others_served(self, self.server, 3), flat_memory(self, self.server, 64):
            idle = []
            with self.counts("too-many-handshakes", n=100):
                for k in range(LIMITS["LIMIT_HANDSHAKES"] + 300):
                    s = socket.create_connection(("127.0.0.1", self.server.port), 60)
                    if k % 2:
                        s.send(b"\x16\x03\x01\x02\x00\x01")
                    idle.append(s)
            for s in idle:
                s.close()
        until(lambda: metrics(self.server)["coracle_http_connections"] < 50)


class Connections(support.unittest.TestCase):
    def fill(self, flag, reason):
        with Server(preset=support.PRESET, flags=[flag, "12"]) as s:
            kept = []
            for _ in range(10):
                r = Raw(s)
                self.assertEqual(r.head("GET", "/healthz").read().status, 200)
                kept.append(r)
            closed = 0
            for _ in range(10):
                try:
                    kept.append(Raw(s))
                except (ssl.SSLError, OSError):
                    closed += 1
            self.assertEqual(closed, 8)
            self.assertEqual(kept[0].head("GET", "/healthz").read().status, 200)  # those that are there are served
            text = kept[0].head("GET", "/metrics").read().body.decode()
            self.assertIn('apiserver_rejected_requests_total{reason="%s"} 8' % reason, text)
            for r in kept:
                r.close()
            until(lambda: s.get("/healthz")[0] == 200 if self.opens(s) else False)

    def opens(self, s):
        try:
            Raw(s).close()
            return True
        except (ssl.SSLError, OSError):
            return False

    def test_in_total(self):
        self.fill("--max-connections", "too-many-connections")

    def test_of_one_address(self):
        self.fill("--max-connections-per-peer", "too-many-of-peer")


class Vanishing(Hostile):
    def test_half_closed(self):
        """A peer that has said all gets its answer; a watch ends, as the reference's does."""
        def half(path, body=b""):
            r = Raw(self.server)
            r.head("POST" if body else "GET", path, [JSON, ("Content-Length", len(body))] if body else [("Connection", "close")])
            r.send(body) if body else None
            s = socket.socket(fileno=os.dup(r.s.fileno()))
            s.shutdown(socket.SHUT_WR)
            s.close()
            return r
        for _ in range(5):
            r = half("/version")
            self.assertEqual(r.read().status, 200)
            r.close()
        r = half(self.configmaps, json.dumps(configmap("half")).encode())
        self.assertEqual(r.read().status, 201)
        r.close()
        r = half(self.configmaps + "?watch=1")
        r.s.settimeout(60)
        self.assertEqual(r.read_head().status, 200)
        while r.fill():
            pass
        r.close()
        until(lambda: metrics(self.server)["coracle_http_exchanges"] <= 1)

    def test_in_each_phase(self):
        for k in range(10):
            self.make("c%d" % k, {"k": "x" * 100000})
        before = metrics(self.server)["coracle_http_exchanges"]
        body = json.dumps(configmap("gone", {"k": "v" * 100000})).encode()
        for k in range(70):
            phase = k % 7
            r = Raw(self.server, tls=phase != 0)
            if phase == 0:
                r.send(b"\x16\x03\x01\x02\x00\x01\x00")
            elif phase == 1:
                r.send("GET /version HTT")
            elif phase == 2:
                r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body))]).send(body[:50000])
            elif phase == 3:
                r.head("GET", self.configmaps)
            elif phase == 4:
                r.head("GET", self.configmaps).read_head()
            elif phase == 5:
                r.head("GET", self.configmaps + "?watch=1").read_head()
            else:
                r.head("POST", self.configmaps, [JSON, ("Content-Length", len(body)), ("Expect", "100-continue")]).read_head()
            r.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0") if k % 2 else None
            socket.socket.close(r.s)
        until(lambda: metrics(self.server)["coracle_http_exchanges"] <= before)
        until(lambda: metrics(self.server)["coracle_http_connections"] <= 3)
        until(lambda: metrics(self.server)["coracle_http_body_bytes"] == 0)
        self.assertEqual(self.server.get(self.configmaps + "/gone")[0], 404)


class Slow(Hostile):
    def test_bodies_pass(self):
        """Trickling is no offence: 3 MiB in many pieces, bytes of a head one by one."""
        body = json.dumps(configmap("slow", {"k": "v"})).encode()
        body += b" " * (BODY - len(body))
        with Raw(self.server) as r:
            for b in self.head("POST %s HTTP/1.1" % self.configmaps, "Host: x", "Content-Type: application/json", "Content-Length: %d" % BODY):
                r.send(bytes([b]))
            for at in range(0, BODY, 1 << 18):
                r.send(body[at:at + (1 << 18)])
                time.sleep(0.05)
            self.assertEqual(r.read().status, 201)
