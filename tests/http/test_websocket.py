# SPDX-License-Identifier: Apache-2.0
"""Watches over WebSockets: the handshake, events as messages, and peers that break the protocol. Frames are made by hand."""
import base64, hashlib, json, os, socket, struct, time

from support import LIMITS, Case, Raw, configmap, metrics, until

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Socket:
    """A client's end. `answer` is the handshake's; frames come as (opcode, payload)."""

    def __init__(self, server, path, headers=(), auth=True, key=None, version="13", protocols=None, rest=b""):
        self.raw, self.messages = Raw(server), []
        self.key = key if key is not None else base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % path, "Host: localhost", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Origin: https://localhost"]
        lines += ["Authorization: Bearer " + server.token] if auth else []
        lines += ["Sec-WebSocket-Key: " + self.key] if self.key else []
        lines += ["Sec-WebSocket-Version: " + version] if version else []
        lines += ["Sec-WebSocket-Protocol: " + protocols] if protocols else []
        lines += ["%s: %s" % h for h in headers]
        self.raw.send(("\r\n".join(lines) + "\r\n\r\n").encode() + rest)
        self.answer = self.raw.read_head()
        if self.answer.status != 101:
            self.answer.body = self.raw.take(int(self.answer.header("content-length") or 0))

    def frame(self, opcode, payload=b"", fin=True, mask=True, rsv=0, length=None):
        n = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        bit = 0x80 if mask else 0
        if n < 126:
            head += bytes([bit | n])
        elif n < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", n)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", n)
        if mask:
            key = os.urandom(4)
            head += key
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        try:
            self.raw.send(head + payload)
        except OSError:
            pass  # the server was first
        return self

    def read(self):
        head = self.raw.take(2)
        assert not head[1] & 0x80, "a server's frame is masked"
        assert head[0] & 0x80, "a server's frame is a fragment"
        n = head[1] & 0x7f
        n = struct.unpack(">H", self.raw.take(2))[0] if n == 126 else struct.unpack(">Q", self.raw.take(8))[0] if n == 127 else n
        return head[0] & 0x7f, self.raw.take(n)

    def event(self):
        opcode, payload = self.read()
        assert opcode == TEXT, (opcode, payload)
        assert payload.endswith(b"\n"), payload
        return json.loads(payload)

    def closed(self):
        """The code with which the server closes, after which the connection ends; None: it ends without."""
        code = None
        try:
            while True:
                opcode, payload = self.read()
                if opcode == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if payload else 1005
        except (EOFError, OSError) as e:
            assert not isinstance(e, (TimeoutError, socket.timeout)), "the connection goes on"
        return code

    def close(self):
        self.raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def bearer(token):
    return "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


class WebSockets(Case):
    def setUp(self):
        super().setUp()
        listed = self.server.get(self.configmaps)[2]
        self.path = self.configmaps + "?watch=true&resourceVersion=" + listed["metadata"]["resourceVersion"]

    def tearDown(self):
        until(lambda: metrics(self.server)["coracle_http_exchanges"] == 1)  # the metrics' own
        super().tearDown()

    def test_handshake(self):
        with Socket(self.server, self.path) as s:
            self.assertEqual(s.answer.status, 101)
            self.assertEqual(s.answer.header("upgrade").lower(), "websocket")
            self.assertEqual(s.answer.header("connection").lower(), "upgrade")
            self.assertEqual(s.answer.header("sec-websocket-accept"), base64.b64encode(hashlib.sha1(s.key.encode() + GUID).digest()).decode())
            self.assertIsNone(s.answer.header("sec-websocket-protocol"))

    def test_events_are_messages(self):
        with Socket(self.server, self.path) as s:
            made = self.make("a", {"k": "ä"})
            self.assertEqual(s.event(), {"type": "ADDED", "object": made})
            big = self.make("b", {"k": "x" * 300})
            self.assertEqual(s.event(), {"type": "ADDED", "object": big})
            huge = self.make("c", {"k": "y" * 200000})
            self.assertEqual(s.event(), {"type": "ADDED", "object": huge})
            self.server.request("DELETE", self.configmaps + "/a")
            e = s.event()
            self.assertEqual((e["type"], e["object"]["metadata"]["name"]), ("DELETED", "a"))

    def test_what_is_there_comes_first(self):
        for k in range(40):
            self.make("c%02d" % k)
        with Socket(self.server, self.configmaps + "?watch=1") as s:
            self.assertEqual([s.event()["object"]["metadata"]["name"] for _ in range(40)], ["c%02d" % k for k in range(40)])

    def test_many_events_to_a_slow_reader(self):
        with Socket(self.server, self.path) as s:
            conn = self.server.connection()
            for k in range(60):
                self.assertEqual(self.server.post(self.configmaps, configmap("c%d" % k, {"k": "x" * 50000}), conn=conn)[0], 201)
            conn.close()
            time.sleep(0.3)
            self.assertEqual([s.event()["object"]["metadata"]["name"] for _ in range(60)], ["c%d" % k for k in range(60)])

    def test_the_end_is_a_close(self):
        with Socket(self.server, self.path + "&timeoutSeconds=1") as s:
            self.assertEqual(s.closed(), 1000)

    def test_a_refusal_comes_before_the_handshake(self):
        with Socket(self.server, self.configmaps + "?watch=true&resourceVersion=1&sendInitialEvents=false") as s:
            self.assertEqual((s.answer.status, json.loads(s.answer.body)["kind"]), (422, "Status"))

    def test_protocols(self):
        for one in ("binary", "base64.binary.k8s.io", "anything"):
            with Socket(self.server, self.path, protocols=one) as s:
                self.assertEqual((s.answer.status, s.answer.header("sec-websocket-protocol")), (101, one))
        with Socket(self.server, self.path, protocols="one, two") as s:
            self.assertEqual(s.answer.status, 400)

    def test_bad_handshakes(self):
        for kw in ({"key": ""}, {"version": "8"}, {"version": None}):
            with Socket(self.server, self.path, **kw) as s:
                self.assertEqual((s.answer.status, s.answer.header("sec-websocket-version")), (400, "13"), kw)

    def test_other_requests_go_on_as_they_are(self):
        with Socket(self.server, self.configmaps) as s:
            self.assertEqual((s.answer.status, json.loads(s.answer.body)["kind"]), (200, "ConfigMapList"))

    def test_token_by_protocol(self):
        with Socket(self.server, self.path, auth=False, protocols="binary, " + bearer(self.server.token)) as s:
            self.assertEqual((s.answer.status, s.answer.header("sec-websocket-protocol")), (101, "binary"))
            made = self.make("a")
            self.assertEqual(s.event()["object"], made)
        for protocols in (bearer(self.server.token), "binary, " + bearer("wrong"), "binary, base64url.bearer.authorization.k8s.io.!!",
                          "binary, %s, %s" % (bearer(self.server.token), bearer(self.server.token)),
                          "binary, base64url.bearer.authorization.k8s.io._w"):
            with Socket(self.server, self.path, auth=False, protocols=protocols) as s:
                self.assertEqual((s.answer.status, json.loads(s.answer.body)["reason"]), (401, "Unauthorized"), protocols)
        with Raw(self.server) as r:  # no WebSocket: no token either
            r.head("GET", self.path, [("Sec-WebSocket-Protocol", "binary, " + bearer(self.server.token))], auth=False)
            self.assertEqual(r.read().status, 401)

    def test_pings_are_answered(self):
        with Socket(self.server, self.path) as s:
            for payload in (b"", b"hello", b"z" * 125):
                s.frame(PING, payload)
                self.assertEqual(s.read(), (PONG, payload))
            s.frame(PONG, b"nobody asked")
            made = self.make("a")
            self.assertEqual(s.event()["object"], made)

    def test_frames_right_behind_the_handshake(self):
        """Those that did not wait for its answer."""
        mask = b"\x89\x82\0\0\0\0hi"
        with Socket(self.server, self.path, rest=mask) as s:
            self.assertEqual(s.read(), (PONG, b"hi"))

    def test_what_a_client_says_is_ignored(self):
        with Socket(self.server, self.path) as s:
            s.frame(TEXT, b"hello").frame(BINARY, b"\xff\0").frame(TEXT, "ü".encode()[:1], fin=False).frame(PING, b"p").frame(CONT, "ü".encode()[1:])
            self.assertEqual(s.read(), (PONG, b"p"))
            made = self.make("a")
            self.assertEqual(s.event()["object"], made)

    def test_a_client_that_closes(self):
        before = metrics(self.server)["coracle_watchers"]
        for payload, code in ((struct.pack(">H", 1000) + b"bye", 1000), (struct.pack(">H", 1001), 1001), (b"", 1005)):
            with Socket(self.server, self.path) as s:
                self.assertEqual(s.frame(CLOSE, payload).closed(), code)
        until(lambda: metrics(self.server)["coracle_watchers"] == before)

    def test_hostile_frames(self):
        limit = LIMITS["LIMIT_WEBSOCKET_MESSAGE_BYTES"]
        cases = [
            ("unmasked", lambda s: s.frame(TEXT, b"hello", mask=False), 1002),
            ("reserved bits", lambda s: s.frame(TEXT, b"hello", rsv=4), 1002),
            ("unknown opcode", lambda s: s.frame(3, b"hello"), 1002),
            ("unknown control", lambda s: s.frame(11, b"hello"), 1002),
            ("fragmented control", lambda s: s.frame(PING, b"a", fin=False), 1002),
            ("long control", lambda s: s.frame(PING, b"a" * 126), 1002),
            ("continuation of nothing", lambda s: s.frame(CONT, b"a"), 1002),
            ("message within a message", lambda s: s.frame(TEXT, b"a", fin=False).frame(TEXT, b"b"), 1002),
            ("close of one byte", lambda s: s.frame(CLOSE, b"\x03"), 1005),
            ("close with a bad code", lambda s: s.frame(CLOSE, struct.pack(">H", 999)), 1002),
            ("bad UTF-8", lambda s: s.frame(TEXT, b"\xff\xfe"), 1007),
            ("bad UTF-8 over frames", lambda s: s.frame(TEXT, b"\xe2\x82", fin=False).frame(CONT, b"a"), 1007),
            ("too large", lambda s: s.frame(BINARY, b"a" * (limit + 1)), 1009),
            ("too large in pieces", lambda s: s.frame(BINARY, b"a" * limit, fin=False).frame(CONT, b"b"), 1009),
            ("said to be enormous", lambda s: s.frame(BINARY, b"begun", length=2 ** 62), 1009),
            ("said to be impossible", lambda s: s.frame(BINARY, b"", length=2 ** 63 + 5), 1002),
        ]
        for name, act, code in cases:
            with self.subTest(name), Socket(self.server, self.path) as s:
                act(s)
                self.assertEqual(s.closed(), code, name)

    def test_peers_that_go(self):
        """In the middle of a frame, of a handshake, by a reset; and one that never reads what it asks for."""
        before = metrics(self.server)["coracle_watchers"]
        for tail in (b"", b"\x89", b"\x81\xfe", b"\x81\x85\0\0\0\0he"):
            with Socket(self.server, self.path) as s:
                s.raw.send(tail)
        with Socket(self.server, self.path) as s:
            s.raw.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: metrics(self.server)["coracle_watchers"] == before)

    def test_a_flood_of_pings(self):
        """Their answers are not read: the server stops reading, too, and keeps little."""
        with Socket(self.server, self.path) as s:
            s.raw.s.settimeout(3)
            one = b"\x89\xfd\0\0\0\0" + b"p" * 125
            sent = 0
            try:
                while sent < 64 << 20:
                    s.raw.s.sendall(one * 500)
                    sent += len(one) * 500
            except (TimeoutError, socket.timeout, OSError):
                pass
            self.assertLess(sent, 64 << 20)
            self.make("a")  # others are served
        until(lambda: metrics(self.server)["coracle_http_exchanges"] == 1)
