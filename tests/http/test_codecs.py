# SPDX-License-Identifier: Apache-2.0
"""Protobuf and CBOR on the wire: objects, lists, watches, errors, discovery, bodies; which of them a client gets, and that each says what JSON says."""
import base64, gzip, json, struct

from support import LIMITS, Case, configmap
from test_websocket import BINARY, Socket

PROTOBUF, CBOR = "application/vnd.kubernetes.protobuf", "application/cbor"
TABLE = ";as=Table;v=v1;g=meta.k8s.io"
PARTIAL = ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
WIDGETS = "/apis/codecs.example.com/v1/namespaces/%s/widgets"
SELF = b"\xd9\xd9\xf7"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def fields(data):
    """A message as [(number, value)]: ints, and bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, (key, data[:100])
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
            assert len(value) == n, "cut short"
        found.append((key >> 3, value))
    return found


def one(data, *path):
    for number in path:
        data = dict(fields(data))[number]
    return data


def many(data, number):
    return [v for n, v in fields(data) if n == number]


def unwrap(body):
    """(apiVersion, kind, message) of a body."""
    assert body[:4] == b"k8s\0", body[:100]
    assert many(body[4:], 3) == [b""] and many(body[4:], 4) == [b""]
    return one(body[4:], 1, 1).decode(), one(body[4:], 1, 2).decode(), one(body[4:], 2)


def wrap(api_version, kind, message):
    def put(number, value):
        n, out = len(value), b""
        while n > 127:
            out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
        return bytes([number << 3 | 2]) + out + bytes([n]) + value
    meta = put(1, api_version.encode()) + put(2, kind.encode())
    return b"k8s\0" + put(1, meta) + put(2, message), put


def cbor(data, at=0):
    """(value, the next offset). Byte strings are text, as there."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        n = info
    elif info < 28:
        size = 1 << info - 24
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
    else:
        n = None
    if major == 7:
        if info in (25, 26, 27):
            return struct.unpack(">" + "efd"[info - 25], n.to_bytes(1 << info - 24, "big"))[0], at
        return {20: False, 21: True, 22: None}[n], at
    if major < 2:
        return (n if major == 0 else -1 - n), at
    if major < 4:
        return data[at:at + n].decode(), at + n
    if major == 6:
        return cbor(data, at)
    items = []
    count = n if n is None or major == 4 else n * 2
    while data[at] != 0xff if count is None else len(items) < count:
        item, at = cbor(data, at)
        items.append(item)
    at += count is None
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def uncbor(body):
    assert body.startswith(SELF), body[:50]
    value, at = cbor(body)
    assert at == len(body), (at, len(body))
    return value


def to_cbor(v):
    def head(major, n):
        for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < (24 if size == 1 else 0):
                break
            if n < 1 << 8 * size:
                return bytes([major << 5 | info]) + n.to_bytes(size, "big")
        return bytes([major << 5 | n])
    if isinstance(v, dict):
        return head(5, len(v)) + b"".join(to_cbor(k) + to_cbor(x) for k, x in v.items())
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(to_cbor, v))
    if isinstance(v, bool) or v is None:
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[v]
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, float):
        return b"\xfb" + struct.pack(">d", v)
    if isinstance(v, bytes):  # tag 22: shown as base64
        return b"\xd6" + head(2, len(v)) + v
    return head(2, len(v.encode())) + v.encode()


class Codecs(Case):
    def setUp(self):
        super().setUp()
        definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.codecs.example.com"},
                      "spec": {"group": "codecs.example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [
                          {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                              "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
        status, _, body = self.server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        self.assertIn(status, (201, 409), body)
        self.widgets = WIDGETS % self.ns

    def ask(self, accept, path, method="GET", body=None, code=200, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        status, found, data = self.server.request(method, path, body, headers={"Accept": accept, **headers})
        self.assertEqual(status, code, data)
        return found["Content-Type"], data

    def widget(self, name, **spec):
        status, _, body = self.server.post(self.widgets, {"apiVersion": "codecs.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
        self.assertEqual(status, 201, body)
        return body

    # ---- protobuf

    def test_object(self):
        obj = self.make("a", {"k": "v", "b": "é"})
        kind, body = self.ask(PROTOBUF, self.configmaps + "/a")
        self.assertEqual(kind, PROTOBUF)
        version, name, message = unwrap(body)
        self.assertEqual((version, name), ("v1", "ConfigMap"))
        self.assertEqual(one(message, 1, 1), b"a")
        self.assertEqual(one(message, 1, 5).decode(), obj["metadata"]["uid"])
        self.assertEqual(one(message, 1, 6).decode(), obj["metadata"]["resourceVersion"])
        self.assertEqual([dict(fields(e)) for e in many(message, 2)], [{1: b"b", 2: "é".encode()}, {1: b"k", 2: b"v"}])
        # pretty means nothing here, and what was made is what a put takes
        self.assertEqual(self.ask(PROTOBUF, self.configmaps + "/a?pretty=true")[1], body)
        _, again = self.ask(PROTOBUF, self.configmaps + "/a", "PUT", body, Content_Type=PROTOBUF)
        self.assertEqual(unwrap(again)[2], message)

    def test_create(self):
        empty, put = wrap("v1", "Secret", b"")
        message = put(1, put(1, b"s")) + put(2, put(1, b"key") + put(2, b"\0\xff")) + put(3, b"Opaque")
        body, _ = wrap("v1", "Secret", message)
        kind, answer = self.ask(PROTOBUF, "/api/v1/namespaces/%s/secrets" % self.ns, "POST", body, code=201, Content_Type=PROTOBUF)
        self.assertEqual(one(unwrap(answer)[2], 2, 2), b"\0\xff")
        self.assertEqual(self.server.get("/api/v1/namespaces/%s/secrets/s" % self.ns)[2]["data"], {"key": base64.b64encode(b"\0\xff").decode()})

    def test_errors(self):
        kind, body = self.ask(PROTOBUF, self.configmaps + "/none", code=404)
        version, name, message = unwrap(body)
        self.assertEqual((kind, version, name), (PROTOBUF, "v1", "Status"))
        found = dict(fields(message))
        self.assertEqual((found[2], found[3], found[4], found[6]), (b"Failure", b'configmaps "none" not found', b"NotFound", 404))
        self.assertEqual(dict(fields(found[5]))[3], b"configmaps")
        _, body = self.ask(PROTOBUF, self.configmaps, "POST", json.dumps(configmap("BAD")), code=422, Content_Type="application/json")
        causes = many(one(unwrap(body)[2], 5), 4)
        self.assertEqual(one(causes[0], 3), b"metadata.name")
        self.make("gone")
        _, body = self.ask(PROTOBUF, self.configmaps + "/gone", "DELETE")
        self.assertEqual(one(unwrap(body)[2], 2), b"Success")
        status, found, body = self.server.request("GET", self.configmaps, headers={"Accept": PROTOBUF}, token="wrong")
        self.assertEqual((status, found["Content-Type"], one(unwrap(body)[2], 6)), (401, PROTOBUF, 401))

    def test_list(self):
        for i in range(3):
            self.make("m%d" % i, {"i": str(i)})
        kind, body = self.ask(PROTOBUF, self.configmaps + "?limit=2")
        version, name, message = unwrap(body)
        self.assertEqual((kind, version, name), (PROTOBUF, "v1", "ConfigMapList"))
        self.assertEqual([one(m, 1, 1) for m in many(message, 2)], [b"m0", b"m1"])
        meta = dict(fields(one(message, 1)))
        self.assertEqual(meta[4], 1)  # remainingItemCount
        _, body = self.ask(PROTOBUF, self.configmaps + "?limit=2&continue=" + meta[3].decode())
        message = unwrap(body)[2]
        self.assertEqual([one(m, 1, 1) for m in many(message, 2)], [b"m2"])
        self.assertEqual(one(message, 1, 2), meta[2])
        nothing = fields(unwrap(self.ask(PROTOBUF, self.configmaps + "?labelSelector=no%3Dno")[1])[2])
        self.assertEqual([n for n, _ in nothing], [1])

    def test_long_list(self):
        """Beyond what is kept while it is measured the list is made twice; each says the same, compressed or not, whole or page by page."""
        size = LIMITS["LIMIT_LIST_MEASURED_BYTES"]
        count = 3 * size // 100000
        for i in range(count):
            self.make("m%03d" % i, {"text": chr(97 + i % 26) * 100000})
        _, body = self.ask(PROTOBUF, self.configmaps)
        self.assertGreater(len(body), 2 * size)
        items = many(unwrap(body)[2], 2)
        self.assertEqual([one(m, 1, 1).decode() for m in items], ["m%03d" % i for i in range(count)])
        self.assertEqual(one(items[5], 2, 2), b"f" * 100000)
        _, packed = self.ask(PROTOBUF, self.configmaps, Accept_Encoding="gzip")
        self.assertEqual(many(unwrap(gzip.decompress(packed))[2], 2), items)
        token, found = b"", []
        while True:
            message = unwrap(self.ask(PROTOBUF, self.configmaps + "?limit=%d&continue=%s" % (count // 2 + 1, token.decode()))[1])[2]
            found += many(message, 2)
            token = one(message, 1, 3)
            if not token:
                break
        self.assertEqual(found, items)
        listed = uncbor(self.ask(CBOR, self.configmaps)[1])
        self.assertEqual(listed["items"], self.server.get(self.configmaps)[2]["items"])

    def frames(self, data):
        while data:
            n, = struct.unpack(">I", data[:4])
            event, data = data[4:4 + n], data[4 + n:]
            yield one(event, 1).decode(), unwrap(one(event, 2, 1))

    def watch_bytes(self, path, accept):
        """Everything a watch gives until it ends by itself."""
        conn = self.server.connection()
        try:
            conn.request("GET", path, headers={"Authorization": "Bearer " + self.server.token, "Accept": accept})
            r = conn.getresponse()
            self.assertEqual(r.status, 200)
            return r.getheader("Content-Type"), r.read()
        finally:
            conn.close()

    def test_watch(self):
        first = self.make("a")
        self.make("b", {"x": "y"})
        self.server.request("DELETE", self.configmaps + "/a")
        path = self.configmaps + "?watch=1&timeoutSeconds=1&resourceVersion=" + first["metadata"]["resourceVersion"]
        kind, data = self.watch_bytes(path, PROTOBUF + ",application/json")
        self.assertEqual(kind, PROTOBUF + ";stream=watch")
        events = list(self.frames(data))
        self.assertEqual([(t, k, one(m, 1, 1)) for t, (_, k, m) in events], [("ADDED", "ConfigMap", b"b"), ("DELETED", "ConfigMap", b"a")])
        path = self.configmaps + "?watch=1&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
        events = list(self.frames(self.watch_bytes(path, PROTOBUF)[1]))
        self.assertEqual([t for t, _ in events], ["ADDED", "BOOKMARK"])
        self.assertEqual([dict(fields(e)) for e in many(one(events[1][1][2], 1), 12)], [{1: b"k8s.io/initial-events-end", 2: b"true"}])

    def test_watch_error(self):
        """From before the definition was there."""
        path = self.widgets + "?watch=1&resourceVersion=1"
        (_, (_, name, message)), = self.frames(self.watch_bytes(path, PROTOBUF + PARTIAL)[1])
        self.assertEqual((name, one(message, 4), one(message, 6)), ("Status", b"Expired", 410))
        event = uncbor(self.watch_bytes(path, CBOR)[1])
        self.assertEqual((event["type"], event["object"]["code"]), ("ERROR", 410))

    def test_shared(self):
        """The first reader of an event encodes it for all of its kind, and only of its kind."""
        rev = self.make("a")["metadata"]["resourceVersion"]
        self.make("b")
        path = self.configmaps + "?watch=1&timeoutSeconds=1&resourceVersion=" + rev
        for accept in (PROTOBUF, CBOR, "application/json", PROTOBUF + PARTIAL, CBOR + PARTIAL, PROTOBUF, CBOR):
            kind, data = self.watch_bytes(path, accept)
            if accept.startswith(PROTOBUF):
                (_, (_, name, message)), = self.frames(data)
                self.assertEqual((name, one(message, 1, 1)), ("PartialObjectMetadata" if "as" in accept else "ConfigMap", b"b"))
            elif accept.startswith(CBOR):
                self.assertEqual(kind, "application/cbor-seq")
                event = uncbor(data)
                self.assertEqual((event["type"], event["object"]["kind"]), ("ADDED", "PartialObjectMetadata" if "as" in accept else "ConfigMap"))
            else:
                self.assertEqual(json.loads(data)["object"]["metadata"]["name"], "b")

    def test_websocket(self):
        self.make("a")
        s = Socket(self.server, self.configmaps + "?watch=1&timeoutSeconds=5", headers=[("Accept", PROTOBUF)])
        opcode, payload = s.read()
        self.assertEqual((opcode, one(payload, 1)), (BINARY, b"ADDED"))
        self.assertEqual(unwrap(one(payload, 2, 1))[1], "ConfigMap")
        s = Socket(self.server, self.configmaps + "?watch=1&timeoutSeconds=5", headers=[("Accept", CBOR)])
        opcode, payload = s.read()
        self.assertEqual((opcode, uncbor(payload)["object"]["metadata"]["name"]), (BINARY, "a"))

    def test_partial(self):
        self.widget("w", n=1)
        version, name, message = unwrap(self.ask(PROTOBUF + PARTIAL, self.widgets + "/w")[1])
        self.assertEqual((version, name, one(message, 1, 1)), ("meta.k8s.io/v1", "PartialObjectMetadata", b"w"))
        version, name, message = unwrap(self.ask(PROTOBUF + PARTIAL_LIST, self.widgets)[1])
        self.assertEqual((version, name), ("meta.k8s.io/v1", "PartialObjectMetadataList"))
        self.assertEqual([one(m, 1, 1) for m in many(message, 2)], [b"w"])

    def test_fallback(self):
        self.make("a")
        self.widget("w", n=1)
        both = PROTOBUF + ",application/json"
        self.assertEqual(self.ask(both, self.configmaps)[0], PROTOBUF)
        self.assertEqual(self.ask(both, self.widgets)[0], "application/json")
        self.assertEqual(self.ask(PROTOBUF + ";q=0.5,application/json", self.configmaps)[0], "application/json")
        self.assertEqual(self.ask(PROTOBUF + TABLE + ",application/json", self.configmaps)[0], "application/json")
        for accept, path in ((PROTOBUF, self.widgets), (PROTOBUF, self.widgets + "/w"), (PROTOBUF + TABLE, self.configmaps)):
            kind, body = self.ask(accept, path, code=406)
            words = "only the following media types are accepted: application/json, application/yaml, %s, %s" % (PROTOBUF, CBOR)
            self.assertEqual(one(unwrap(body)[2], 3).decode() if kind == PROTOBUF else body["message"], words)
        kind, body = self.ask("application/json", self.widgets, "POST", b"k8s\0", code=415, Content_Type=PROTOBUF)
        self.assertIn("application/cbor", body["message"])

    def test_discovery(self):
        for path, name in (("/api", "APIVersions"), ("/apis", "APIGroupList"), ("/apis/coordination.k8s.io", "APIGroup"), ("/api/v1", "APIResourceList"),
                           ("/apis/codecs.example.com/v1", "APIResourceList")):
            self.assertEqual(unwrap(self.ask(PROTOBUF, path)[1])[1], name)
            self.assertEqual(uncbor(self.ask(CBOR, path)[1]), self.server.get(path)[2])
        form = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        for path in ("/api", "/apis"):
            kind, body = self.ask(PROTOBUF + form, path)
            self.assertEqual((kind, unwrap(body)[1]), (PROTOBUF + form, "APIGroupDiscoveryList"))
            groups = [one(g, 1, 1).decode() for g in many(unwrap(body)[2], 2)]
            wanted = self.ask("application/json" + form, path)[1]
            self.assertEqual(groups, [g["metadata"].get("name", "") for g in wanted["items"]])
            self.assertEqual(uncbor(self.ask(CBOR + form, path)[1]), wanted)

    # ---- CBOR

    def test_cbor(self):
        spec = {"n": -5, "f": 2.5, "t": "é", "l": [True, None, {"": []}], "big": 2 ** 62, "e": 1e300}
        body = SELF + to_cbor({"apiVersion": "codecs.example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {**spec, "raw": b"\0\xff"}})
        kind, data = self.ask(CBOR, self.widgets, "POST", body, code=201, Content_Type=CBOR)
        made = uncbor(data)
        self.assertEqual((kind, made["spec"]), (CBOR, {**spec, "raw": "AP8="}))
        self.assertEqual(self.server.get(self.widgets + "/w")[2], made)
        made["spec"] = {"n": 7}
        _, data = self.ask(CBOR, self.widgets + "/w", "PUT", to_cbor(made), Content_Type=CBOR)
        self.assertEqual(uncbor(data)["spec"], {"n": 7})
        kind, data = self.ask(CBOR, self.widgets)
        listed = uncbor(data)
        self.assertEqual((kind, listed), (CBOR, self.server.get(self.widgets)[2]))
        options = to_cbor({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}})
        self.ask(CBOR, self.widgets + "/w", "DELETE", options, code=409, Content_Type=CBOR)

    def test_cbor_refused(self):
        rows = ((b"", "unable to determine group/version/kind: EOF"), (b"\xff", 'cbor: unexpected "break" code'),
                (b"\xa2\x41a\x01\x41a\x02", 'unable to determine group/version/kind: cbor: found duplicate map key "a" at map element index 1'),
                (b"\xa1\x41a\xa2\x41b\x01\x61b\x02", '): cbor: found duplicate map key "b" at map element index 1'),
                (b"\x81" * 100000, "cbor: exceeded max nested level %d" % LIMITS["LIMIT_DEPTH"]), (b"\xbb" + b"\xff" * 8, "unexpected EOF"),
                (b"\xf9\x7e\x00", "floating-point NaN"))
        for body, words in rows:
            for path in (self.widgets, self.configmaps):
                status, _, answer = self.server.request("POST", path, body, headers={"Content-Type": CBOR})
                self.assertStatus((status, None, answer), 400, "BadRequest", words)
        self.assertEqual(uncbor(self.ask(CBOR, self.widgets + "/none", code=404)[1])["reason"], "NotFound")

    def test_cbor_apply(self):
        kind = "application/apply-patch+cbor"
        for path, what, spec in ((self.widgets + "/w", ("codecs.example.com/v1", "Widget"), {"spec": {"n": 1}}),
                                 (self.configmaps + "/c", ("v1", "ConfigMap"), {"data": {"k": "v"}})):
            patch = {"apiVersion": what[0], "kind": what[1], "metadata": {"name": path[-1]}, **spec}
            _, data = self.ask(CBOR, path + "?fieldManager=m", "PATCH", SELF + to_cbor(patch), code=201, Content_Type=kind)
            made = uncbor(data)
            self.assertEqual({k: made[k] for k in spec}, spec)
            self.assertEqual([(m["manager"], m["operation"]) for m in made["metadata"]["managedFields"]], [("m", "Apply")])
            status, _, answer = self.server.request("PATCH", path + "?fieldManager=m", b"\xff", headers={"Content-Type": kind})
            self.assertStatus((status, None, answer), 400, "BadRequest", 'error decoding patch: cbor: unexpected "break" code')

    def test_managed_fields(self):
        """fieldsV1 is JSON in bytes, as it is in JSON."""
        made = self.make("a", {"k": "v"})
        message = unwrap(self.ask(PROTOBUF, self.configmaps + "/a")[1])[2]
        entries = [dict(fields(e)) for e in many(one(message, 1), 17)]
        self.assertEqual([json.loads(one(e[7], 1)) for e in entries], [m["fieldsV1"] for m in made["metadata"]["managedFields"]])
        self.assertEqual([e[6] for e in entries], [b"FieldsV1"])
