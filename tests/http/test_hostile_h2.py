# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 as an attacker speaks it: floods end their connection after some hundred frames, bodies have a limit that is answered with a Status,
and others stay served from memory that stays flat."""
import json, os, ssl, subprocess, time, unittest

import support
from h2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, GONE, H2, HEADERS, PADDED, PING, PREFACE, PRIORITY, RESET, SETTINGS, WINDOW,
                field, frame, integer)
from support import LIMITS, configmap, metrics, until
from test_hostile import Hostile, flat_memory, others_served, rejected

BODY = LIMITS["LIMIT_BODY_BYTES"]
JSON = ("content-type", "application/json")


EITHER = "reset-flood|control-flood"  # what makes the server reset is counted as it is read, the resets when they are made


class Floods(Hostile):
    def flood(self, make, reason, most, settings=b"", batch=20, least=0, mib=48):
        """Sends make(h, k) for k = 0, 1, ... until the connection ends, after no more than `most`; the rest of the world is served."""
        with flat_memory(self, self.server, mib), others_served(self, self.server), self.counts(*reason.split("|")):
            with H2(self.server, settings) as h:
                h.get() if not settings else None
                sent = 0
                try:
                    while sent < most + 5000 and not h.over:
                        h.send(b"".join(make(h, k) for k in range(sent, sent + batch)))
                        sent += batch
                        time.sleep(0.001)
                except GONE:
                    pass
                self.assertTrue(h.ends(), "%d sent, still there" % sent)
        if os.environ.get("CORACLE_FIGURES"):
            print("%s: cut off after at most %d" % (self.id(), sent))
        self.assertGreaterEqual(sent, least)
        self.assertLess(sent, most + 5000)
        self.assertNotIn("skipping frame", self.server.stderr())

    def request(self, h, path="/version"):
        n, h.next = h.next, h.next + 2
        return n, frame(HEADERS, END_HEADERS | END_STREAM, n, h.block("GET", path))

    def test_rapid_reset_of_watches(self):
        def make(h, k):
            n, head = self.request(h, "/api/v1/namespaces?watch=1")
            return head + frame(RESET, 0, n, (8).to_bytes(4, "big"))
        self.flood(make, "reset-flood", 400)

    def test_rapid_reset_of_what_is_quick(self):
        def make(h, k):
            n, head = self.request(h)
            return head + frame(RESET, 0, n, (8).to_bytes(4, "big"))
        self.flood(make, "reset-flood", 400)

    def test_rapid_reset_of_uploads(self):
        def make(h, k):
            n, h.next = h.next, h.next + 2
            return frame(HEADERS, END_HEADERS, n, h.block("POST", self.configmaps)) + frame(DATA, 0, n, b"x" * 100) + frame(RESET, 0, n, (8).to_bytes(4, "big"))
        self.flood(make, "reset-flood", 400)

    def test_made_to_reset_by_overflow(self):
        def make(h, k):
            n, head = self.request(h, "/api/v1/namespaces?watch=1")
            return head + frame(WINDOW, 0, n, (0x7fffffff).to_bytes(4, "big"))
        self.flood(make, EITHER, 400)

    def test_made_to_reset_by_two_steps(self):
        def make(h, k):
            n, head = self.request(h, "/api/v1/namespaces?watch=1")
            return head + frame(WINDOW, 0, n, (0x3fffffff).to_bytes(4, "big")) * 3
        self.flood(make, EITHER, 500)

    def test_made_to_reset_by_zero(self):
        def make(h, k):
            n, head = self.request(h, "/api/v1/namespaces?watch=1")
            return head + frame(WINDOW, 0, n, bytes(4))
        self.flood(make, EITHER, 400)

    def test_made_to_reset_by_length(self):
        """A body shorter than it was said to be."""
        def make(h, k):
            n, h.next = h.next, h.next + 2
            return frame(HEADERS, END_HEADERS, n, h.block("POST", self.configmaps, [("content-length", 5)])) + frame(DATA, END_STREAM, n, b"x")
        self.flood(make, "reset-flood", 600)

    def test_made_to_reset_by_data_after_the_end(self):
        def make(h, k):
            n, head = self.request(h, "/api/v1/namespaces?watch=1")
            return head + frame(DATA, 0, n, b"x")
        self.flood(make, "reset-flood", 600)

    def test_too_many_streams(self):
        """Those refused count as made to be reset."""
        self.flood(lambda h, k: self.request(h, "/api/v1/namespaces?watch=1")[1], "reset-flood", 600)

    def test_pings(self):
        self.flood(lambda h, k: frame(PING, 0, 0, b"12345678"), "control-flood", 1200)

    def test_settings(self):
        self.flood(lambda h, k: frame(SETTINGS, 0, 0), "control-flood", 1200)
        self.flood(lambda h, k: frame(SETTINGS, 0, 0, b"\0\4" + (65535 + k % 2).to_bytes(4, "big")), "control-flood", 1200)

    def test_priorities(self):
        self.flood(lambda h, k: frame(PRIORITY, 0, 1, bytes(4) + b"\x10"), "control-flood", 1200)

    def test_unknown_frames(self):
        """They are to be ignored, and leave no line in the log; a flood of them is one."""
        with H2(self.server) as h:
            for k in range(10, 200):
                h.frame(k, 255, k, b"x" * k)
            h.frame(0x10, 0, 0, b"u=1")
            self.assertEqual(h.get().status, 200)
        self.flood(lambda h, k: frame(0x10, 0, 0, b"\0\0\0\1u=1"), "control-flood", 1200)

    def test_unknown_frames_in_pieces(self):
        with H2(self.server, window=False) as h:
            n, head = self.request(h)
            data = frame(0x21, 0, 7, b"y" * 300) + head + frame(0x22, 0, 0, b"")
            for at in range(0, len(data), 5):
                h.send(data[at:at + 5])
            self.assertEqual(h.wait(n).status, 200)
        self.assertNotIn("skipping frame", self.server.stderr())

    def test_empty_data(self):
        def make(h, k):
            if not k:
                h.upload = h.open("POST", self.configmaps, [JSON], end=False)
            return frame(DATA, 0, h.upload) if k % 2 else frame(DATA, PADDED, h.upload, b"\x63" + bytes(99))
        self.flood(make, "control-flood", 1200)

    def test_small_windows(self):
        """A byte of window at a time makes the server write a frame for each."""
        def make(h, k):
            if not k:
                h.stream_id = h.open("GET", "/openapi/v2")
            return frame(WINDOW, 0, h.stream_id, (1).to_bytes(4, "big"))
        self.flood(make, "control-flood", 1200, settings=b"\0\4" + bytes(4))

    def test_continuations(self):
        for piece in (b"", b"\x82", field("x", "y" * 100)):
            def make(h, k):
                if not k:
                    n, h.next = h.next, h.next + 2
                    h.stream_id = n
                    return frame(HEADERS, END_STREAM, n, h.block())
                return frame(CONTINUATION, 0, h.stream_id, piece)
            self.flood(make, "header-flood", 100, batch=5)

    def test_trailing_headers_without_end(self):
        def make(h, k):
            if not k:
                h.upload = h.open("POST", self.configmaps, [JSON], end=False)
                return frame(HEADERS, END_STREAM, h.upload, b"")
            return frame(CONTINUATION, 0, h.upload, field("x", "y"))
        self.flood(make, "header-flood", 100, batch=5)


class HeaderBlocks(Hostile):
    def one(self, *more):
        with H2(self.server) as h:
            n, h.next = h.next, h.next + 2
            block = h.block() + b"".join(more)
            pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
            try:
                for k, piece in enumerate(pieces):
                    h.frame(CONTINUATION if k else HEADERS, (END_HEADERS if k == len(pieces) - 1 else 0) | (0 if k else END_STREAM), n, piece)
            except GONE:
                h.ends()
            s = h.wait(n)
            return s.status, h.over

    def test_many_and_large(self):
        for more in ([field("x-%d" % k, "v") for k in range(100)], [field("x-%d" % k, "v") for k in range(900)], [field("x", "v" * LIMITS["LIMIT_HEADER_BYTES"])],
                     [field("x-%d" % k, "v" * 2000) for k in range(90)]):
            with self.counts("headers-too-large"):
                self.assertEqual(self.one(*more)[0], 431)
        self.assertEqual(self.one(*[field("x-%d" % k, "v" * 600) for k in range(90)])[0], 200)
        with H2(self.server) as h:
            self.assertEqual(h.get("/" + "a" * (LIMITS["LIMIT_PATH_BYTES"] + 1)).status, 414)
            self.assertEqual(h.get("/version").status, 200)

    def test_bombs(self):
        """One byte each names a large field of the table: many end the connection, some are 431; nothing grows."""
        with flat_memory(self, self.server), others_served(self, self.server):
            for _ in range(10):
                with self.counts("header-flood"):
                    self.assertEqual(self.one(field("x", "v" * 3900, 0x40), b"\xbe" * 16000), (None, True))
                with self.counts("headers-too-large"):
                    self.assertEqual(self.one(field("x", "v" * 3900, 0x40), b"\xbe" * 900)[0], 431)

    def test_bombs_that_nobody_reads(self):
        with flat_memory(self, self.server), others_served(self, self.server):
            with H2(self.server, settings=b"\0\4" + bytes(4)) as h:
                h.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, h.block() + field("x", "v" * 3900, 0x40)))
                for k in range(95):
                    h.send(frame(HEADERS, END_HEADERS | END_STREAM, 3 + 2 * k, h.block() + b"\xbe" * 900))
                h.wait(191, what=lambda s: s.status)
                self.assertEqual(h.stream(191).status, 431)

    def test_hpack_errors_end_the_connection(self):
        for block in (b"\xff" * 100, b"\x80", b"\xbe", b"\x40\x0aab", b"\x3f\xff\xff\xff\xff\x0f", b"\x00\x85\xff\xff\xff\xff\xff\x01v"):
            with H2(self.server) as h:
                try:
                    h.frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
                except GONE:
                    pass
                self.assertTrue(h.ends(), block)

    def test_bad_fields(self):
        """What HTTP/1 forbids in a header is not let in by HTTP/2 either."""
        for name, value in (("x", "a\0b"), ("x", "a\nb: c"), ("x", "a\rb"), ("X-Upper", "v"), ("x y", "v"), ("connection", "close"), ("transfer-encoding", "chunked"), (":late", "v"), ("", "v")):
            status, over = self.one(field(name, value))
            self.assertTrue(over or status in (None, 400), (name, value, status))
        for block in (field(":method", "GET") + field(":scheme", "https"), field(":scheme", "https") + field(":path", "/version"),
                      field(":method", "GET") * 2 + field(":scheme", "https") + field(":path", "/version"), field(":method", "CONNECT") + field(":authority", "x")):
            with H2(self.server) as h:
                h.frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
                s = h.wait(1)
                self.assertTrue(h.over or s.reset or s.status == 400, (block, s.status))
        for path in ("version", "*", ""):
            with H2(self.server) as h:
                s = h.get(path)
                self.assertTrue(h.over or s.reset or s.status == 400, (path, s.status))


class Uploads(Hostile):
    def check(self, s):
        self.assertEqual(s.status, 413)
        answer = json.loads(s.body)
        self.assertEqual((answer["kind"], answer["code"], answer["reason"]), ("Status", 413, "RequestEntityTooLarge"))
        self.assertTrue(s.ended)

    def upload(self, h, n, declared=True, end=True):
        stream = h.open("POST", self.configmaps, [JSON] + ([("content-length", n)] if declared else []), end=False)
        sent = h.put_body(stream, n, end=end)
        return sent, h.wait(stream)

    def test_over_the_limit(self):
        """Of any size, declared or not: a Status, and the rest is not wanted; the connection's other streams go on."""
        for declared in (True, False):
            with flat_memory(self, self.server), others_served(self, self.server), self.counts("body-too-large", n=5), H2(self.server) as h:
                watch = h.open("GET", self.configmaps + "?watch=1")
                for n in (BODY + 1, 4 << 20, 8 << 20, 100 << 20, 1 << 40):
                    sent, s = self.upload(h, n, declared)
                    self.check(s)
                    self.assertLess(sent, 24 << 20)
                    if n > 32 << 20:
                        until(lambda: s.reset == 0)  # NO_ERROR
                    self.assertEqual(h.get().status, 200)
                body = json.dumps(configmap("after-%s" % str(declared).lower())).encode()
                post = h.open("POST", self.configmaps, [JSON, ("content-length", len(body))], end=False)
                h.frame(DATA, END_STREAM, post, body)
                self.assertEqual(h.wait(post).status, 201)
                until(lambda: b"after-" in h.stream(watch).body)
        until(lambda: metrics(self.server)["coracle_http_body_bytes"] == 0)

    def test_again_and_again(self):
        """The connection's window is given back: it is never used up by what was dropped."""
        with H2(self.server) as h:
            for _ in range(8):
                self.check(self.upload(h, 5 << 20)[1])
            self.assertEqual(h.get().status, 200)

    def test_not_stopping(self):
        """A peer that goes on sending whatever it is told."""
        with flat_memory(self, self.server), others_served(self, self.server), H2(self.server) as h:
            stream = h.open("POST", self.configmaps, [JSON], end=False)
            try:
                for _ in range(1500):
                    h.frame(DATA, 0, stream, b"x" * 16384)
            except GONE:
                pass
            self.check(h.wait(stream))

    def test_exactly_the_limit(self):
        with H2(self.server) as h:
            body = json.dumps(configmap("limit")).encode()
            stream = h.open("POST", self.configmaps, [JSON, ("content-length", BODY)], end=False)
            h.frame(DATA, 0, stream, body)
            h.put_body(stream, BODY - len(body), piece=b" " * 16000)
            self.assertEqual(h.wait(stream).status, 201)

    def test_trailers(self):
        with H2(self.server) as h:
            body = json.dumps(configmap("trailed")).encode()
            stream = h.open("POST", self.configmaps, [JSON], end=False)
            h.send(frame(DATA, PADDED, stream, bytes([9]) + body + bytes(9)) + frame(HEADERS, END_HEADERS | END_STREAM, stream, field("x", "y")))
            self.assertEqual(h.wait(stream).status, 201)

    def test_vanishing(self):
        before = metrics(self.server)["coracle_http_exchanges"]
        for k in range(40):
            h = H2(self.server)
            if k % 4 == 0:
                h.frame(HEADERS, 0, 1, h.block())
            elif k % 4 == 1:
                stream = h.open("POST", self.configmaps, [JSON], end=False)
                h.put_body(stream, 1 << 20, end=False)
            elif k % 4 == 2:
                h.open("GET", self.configmaps + "?watch=1")
                h.open("GET", "/openapi/v2")
            else:
                self.upload(h, 4 << 20)
            h.close()
        until(lambda: metrics(self.server)["coracle_http_exchanges"] <= before)
        until(lambda: metrics(self.server)["coracle_http_body_bytes"] == 0)
        until(lambda: metrics(self.server)["coracle_http_connections"] <= 3)


class UploadsBudget(unittest.TestCase):
    def test_all_uploads_together(self):
        """What is on its way over HTTP/2 counts as well: beyond the limit of all bodies 429, on the same connections."""
        path = "/tmp/coracle-hostile2-%d" % os.getpid()
        with support.Server(preset=support.PRESET, flags=["--listen", "unix:" + path]) as s:
            conns, n = [], LIMITS["LIMIT_BODIES_BYTES"] // BODY + 8
            streams = []
            for k in range(n):
                if k % 20 == 0:
                    conns.append(H2(s, path=path))
                h = conns[-1]
                stream = h.open("POST", support.CONFIGMAPS % "default", [JSON, ("content-length", BODY)], end=False)
                h.put_body(stream, BODY - 1, piece=b" " * 16384, end=False)
                streams.append((h, stream))
            self.assertLess(metrics(s)["coracle_http_body_bytes"], LIMITS["LIMIT_BODIES_BYTES"] + (8 << 20))
            refused = until(lambda: [r for r in [[h.stream(stream) for h, stream in streams if h.stream(stream).ended]] if len(r) >= 4])[0]
            for r in refused:
                self.assertEqual((r.status, json.loads(r.body)["reason"]), (429, "TooManyRequests"))
            self.assertEqual(conns[0].get().status, 200)
            for h in conns:
                h.close()
            until(lambda: metrics(s)["coracle_http_body_bytes"] == 0)
            self.assertEqual(s.post(support.CONFIGMAPS % "default", configmap("a"))[0], 201)


class Protocol(Hostile):
    """What RFC 9113 asks of a server and the library leaves to us, or might."""

    def ended_by(self, data, codes, **kw):
        with H2(self.server, **kw) as h:
            try:
                h.send(data)
            except GONE:
                pass
            self.assertTrue(h.ends(), data[:60])
            if h.goaway and codes:
                self.assertIn(h.goaway[0], codes, data[:60])

    def test_connection_errors(self):
        for data, codes in ((frame(DATA, 0, 0, b"x"), (1,)), (frame(DATA, 0, 1, b"x"), (1, 5)), (frame(HEADERS, 5, 0, b"\x82"), (1,)), (frame(HEADERS, 5, 2, b"\x82\x84\x87"), (1,)),
                            (frame(SETTINGS, ACK, 0, b"123456"), (6,)), (frame(SETTINGS, 0, 0, b"12345"), (6,)), (frame(SETTINGS, 0, 1), (1,)), (frame(PING, 0, 0, b"1"), (6,)),
                            (frame(PING, 0, 1, b"12345678"), (1,)), (frame(WINDOW, 0, 0, bytes(4)), (1,)), (frame(WINDOW, 0, 0, b"123"), (6,)), (frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2, (3,)),
                            (frame(WINDOW, 0, 5, b"\0\0\0\1"), (1,)), (frame(RESET, 0, 1, bytes(4)), (1,)), (frame(RESET, 0, 0, bytes(4)), (1,)), (frame(CONTINUATION, 4, 1, b""), (1,)),
                            (frame(5, 4, 1, bytes(8)), (1,)), (b"\xff\xff\xff\0\0\0\0\0\1", (6,)), (frame(DATA, PADDED, 1, b"\xff"), (1, 5)), (frame(GOAWAY, 0, 1, bytes(8)), (1,)),
                            (frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"), (3,)), (frame(SETTINGS, 0, 0, b"\0\5\0\0\0\1"), (1,))):
            with self.subTest(data[:40]):
                self.ended_by(data, codes)

    def test_header_blocks_are_not_interrupted(self):
        with H2(self.server) as h:
            block = h.block()
        for other in (frame(PING, 0, 0, b"12345678"), frame(0x20, 0, 0, b""), frame(HEADERS, 5, 3, block), frame(CONTINUATION, 4, 3, block)):
            self.ended_by(frame(HEADERS, END_STREAM, 1, block[:10]) + other, (1,))

    def test_preface(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX" + frame(SETTINGS, 0, 0), b"\0" * 100):
            self.ended_by(data, None, preface=None)

    def test_preface_in_pieces_and_without_alpn(self):
        for tls in (True, False):
            path = None if tls else "/tmp/coracle-hostile3-%d" % os.getpid()
            with (support.Server(preset=support.PRESET, flags=["--listen", "unix:" + path]) if path else Borrowed(self.server)) as s:
                with H2(s, path=path, preface=None, window=False) as h:
                    data = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 1, h.block()) + frame(0x30, 0, 0, b"x")
                    for at in range(len(data)):
                        h.send(data[at:at + 1])
                    self.assertEqual(h.wait(1).status, 200)
                with H2(s, path=path, preface=None, window=False) as h:
                    h.send(data)
                    self.assertEqual(h.wait(1).status, 200)

    def test_pings_are_answered(self):
        with H2(self.server) as h:
            h.frame(PING, 0, 0, b"12345678").frame(PING, ACK, 0, b"12345678")
            until(lambda: (PING, ACK, 0, 8) in h.frames)
            self.assertEqual(h.get().status, 200)

    def test_table_size_zero(self):
        """h2o 2.2.5 does not take notice of a smaller table (docs/limits.md): the answer may name what the peer has no room for; nothing
        worse comes of it."""
        with H2(self.server, settings=b"\0\1" + bytes(4)) as h:
            self.assertIn(h.get().status, (200, None))
        with H2(self.server) as h:  # our own table may be made smaller by the peer
            h.frame(HEADERS, 5, 1, b"\x20" + h.block())
            self.assertEqual(h.wait(1).status, 200)

    def test_drain_in_a_header_block(self):
        """A header block that is not continued before the server stops does not keep it."""
        with support.Server(preset=support.PRESET) as s:
            h = H2(s)
            h.get()
            block = h.block()
            h.frame(HEADERS, END_STREAM, 3, block[:10])
            watch = H2(s)
            watch.get()
            s.process.terminate()
            begun = time.monotonic()
            try:
                while time.monotonic() - begun < 3:
                    h.frame(CONTINUATION, 0, 3, b"")
                    time.sleep(0.05)
            except GONE:
                pass
            self.assertEqual(s.process.wait(60), 0)
            h.close()
            watch.close()


class Borrowed:
    def __init__(self, server):
        self.server = server

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        pass
