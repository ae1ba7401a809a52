# SPDX-License-Identifier: Apache-2.0
"""APIServices: a group-version that another server serves. The other server is one of Python's, which does as it is told, or a second Coracle."""
import base64, http.server, json, os, re, shutil, socket, ssl, subprocess, tempfile, threading, time, unittest

import support
from support import Curl, Http2Watch, Kept, LIMITS, Raw, Watch, openssl, until

GROUP = "/apis/things.io/v1"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
THING = {"resource": "things", "responseKind": {"group": "things.io", "version": "v1", "kind": "Thing"}, "scope": "Namespaced",
         "singularResource": "thing", "verbs": ["get", "list", "watch"], "shortNames": ["th"]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, value, status=200, kind="application/json", headers=()):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def begin(self, status=200, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def serve(self):
        remote = self.server.remote
        path = self.path.split("?")[0]
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        remote.seen.append((self.command, self.path, list(self.headers.items()), self.body))
        if remote.broken:
            return self.answer({"kind": "Status"}, 500)
        what = getattr(self, "do_" + path.rsplit("/", 1)[-1], None) if path.startswith(GROUP + "/") else None
        try:
            if what:
                return what()
            if path in remote.documents:
                kind, value = remote.documents[path]
                return self.answer(value, 200, kind)
            self.answer({"kind": "Status", "code": 404}, 404)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            remote.cut.set()
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def do_echo(self):
        self.answer({"method": self.command, "path": self.path, "headers": [[k, v] for k, v in self.headers.items()], "body": self.body.decode()},
                    headers=[("X-Of-Remote", "yes"), ("Connection", "close, X-Secret-Hop"), ("X-Secret-Hop", "1"), ("Keep-Alive", "timeout=5"),
                             ("Audit-Id", "of-the-remote")])

    def do_teapot(self):
        self.answer({"kind": "Status", "code": 418}, 418)

    def do_move(self):
        self.answer(b"", 302, headers=[("Location", "https://127.0.0.1:1/elsewhere")])

    def do_nothing(self):
        self.send_response(204)
        self.end_headers()

    def do_drop(self):
        self.close_connection = True

    def do_garbage(self):
        self.wfile.write(b"\x00\x01 what is this\r\n\r\n")
        self.close_connection = True

    def do_half(self):
        self.send_response(200)
        self.send_header("Content-Length", "200000")
        self.end_headers()
        self.wfile.write(b"x" * 100000)
        self.close_connection = True

    def do_more(self):
        """More than it said."""
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"abcdef HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        self.close_connection = True

    def do_head(self):
        """A head without end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for i in range(20000):
            self.wfile.write(b"X-%d: %s\r\n" % (i, b"y" * 100))
        self.wfile.write(b"Content-Length: 0\r\n\r\n")

    def do_silent(self):
        self.server.remote.release.wait(50)
        self.close_connection = True

    def do_flood(self):
        """Until nobody takes it: how much was taken is the test's to judge."""
        self.begin()
        remote, block = self.server.remote, b"x" * 65536
        remote.flooded = 0
        for _ in range(1600):
            self.chunk(block)
            remote.flooded += len(block)
        self.chunk(b"")

    def do_things(self):
        remote = self.server.remote
        if "watch=true" not in self.path:
            return self.answer({"kind": "ThingList", "apiVersion": "things.io/v1", "metadata": {"resourceVersion": "1"}, "items": []})
        self.begin()
        for i in range(1000):
            remote.release.wait(0.05)
            line = {"type": "ADDED", "object": {"kind": "Thing", "metadata": {"name": "t%d" % i}}}
            self.chunk(json.dumps(line).encode() + b"\n")
            if i == remote.events - 1:
                break
        self.chunk(b"") if remote.events < 1000 else None


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that leaves, or that does not trust the certificate, is part of the tests."""


class Remote:
    """with Remote() as r: r.url"""

    def __init__(self, cert=None):
        self.seen, self.broken, self.events, self.flooded = [], False, 3, 0
        self.cut, self.release = threading.Event(), threading.Event()
        self.documents = {
            GROUP: ("application/json", {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "things.io/v1", "resources": [
                {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": ["get", "list", "watch"]},
                {"name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": ["get"]}]}),
        }
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.remote = self
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cert)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = self.url.replace("http", "https")

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def last(self, command, path):
        return next(s for s in reversed(self.seen) if s[0] == command and s[1].split("?")[0] == path)


def service(url, name="v1.things.io", group_priority=1500, **spec):
    version, _, group = name.partition(".")
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name, "annotations": {"coracle.dev/url": url}},
            "spec": dict({"group": group, "version": version, "groupPriorityMinimum": group_priority, "versionPriority": 10,
                          "service": {"namespace": "default", "name": "remote"}}, **spec)}


class Case(unittest.TestCase):
    def setUp(self):
        self.s = support.SHARED
        self.names = []

    def tearDown(self):
        for name in self.names:
            self.s.request("DELETE", SERVICES + "/" + name)

    def add(self, obj):
        self.names.append(obj["metadata"]["name"])
        status, _, body = self.s.post(SERVICES, obj)
        self.assertEqual(status, 201, body)
        return body

    def condition(self, name="v1.things.io"):
        _, _, obj = self.s.get(SERVICES + "/" + name)
        return next((c for c in obj.get("status", {}).get("conditions", []) if c["type"] == "Available"), {})

    def available(self, want="True", name="v1.things.io", timeout=60):
        until(lambda: self.condition(name).get("status") == want, timeout)
        if want == "True":  # the thread that wrote it publishes it a moment later
            until(lambda: self.s.get("/apis/%s/%s" % tuple(reversed(name.split(".", 1))))[0] != 503, timeout)

    def remote(self, **kw):
        r = Remote(**kw)
        r.__enter__()
        self.addCleanup(r.__exit__)
        return r

    def joined(self):
        r = self.remote()
        self.add(service(r.url))
        self.available()
        return r


class Local(Case):
    def test_own_groups(self):
        """Every group-version of the server's own is registered as Local."""
        def names():
            return {o["metadata"]["name"]: o for o in self.s.get(SERVICES)[2]["items"]}
        until(lambda: "v1.coordination.k8s.io" in names() and "v1." in names())
        o = names()["v1.coordination.k8s.io"]
        self.assertEqual(o["metadata"]["labels"], {"kube-aggregator.kubernetes.io/automanaged": "onstart"})
        self.assertEqual(o["spec"], {"group": "coordination.k8s.io", "version": "v1", "groupPriorityMinimum": 16500, "versionPriority": 15})
        self.assertEqual({k: v for k, v in o["status"]["conditions"][0].items() if k != "lastTransitionTime"},
                         {"type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available"})
        self.assertNotIn("v1.apiregistration.k8s.io", names())
        rows = self.s.get(SERVICES, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"})[2]
        self.assertEqual([c["name"] for c in rows["columnDefinitions"]], ["Name", "Service", "Available", "Age"])
        self.assertIn(["v1.coordination.k8s.io", "Local", "True"], [r["cells"][:3] for r in rows["rows"]])

    def test_definitions_come_and_go(self):
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "goers.agg.example.com"},
               "spec": {"group": "agg.example.com", "scope": "Cluster", "names": {"plural": "goers", "singular": "goer", "kind": "Goer"},
                        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.assertEqual(self.s.post(path, crd)[0], 201)
        name = SERVICES + "/v1.agg.example.com"
        until(lambda: self.s.get(name)[0] == 200)
        _, _, o = self.s.get(name)
        self.assertEqual(o["metadata"]["labels"], {"kube-aggregator.kubernetes.io/automanaged": "true"})
        self.assertEqual((o["spec"]["groupPriorityMinimum"], o["spec"]["versionPriority"]), (1000, 100))
        self.s.request("DELETE", name)
        until(lambda: self.s.get(name)[0] == 200)  # made anew
        self.s.request("DELETE", path + "/goers.agg.example.com")
        until(lambda: self.s.get(name)[0] == 404)

    def test_refusals(self):
        def causes(obj):
            status, _, body = self.s.post(SERVICES, obj)
            self.assertEqual(status, 422, body)
            return {c["field"]: c["message"] for c in body["details"]["causes"]}
        o = service("ftp://x", name="v1.bad.io")
        o["metadata"]["name"] = "other"
        o["spec"].update(groupPriorityMinimum=20001, versionPriority=0, insecureSkipTLSVerify=True, caBundle="AAAA",
                         service={"namespace": "", "name": "", "port": 70000})
        found = causes(o)
        self.assertEqual(found["metadata.name"], 'Invalid value: "other": must be `spec.version+"."+spec.group`: "v1.bad.io"')
        self.assertEqual(found["spec.groupPriorityMinimum"], "Invalid value: 20001: must be positive and less than 20000")
        self.assertEqual(found["spec.versionPriority"], "Invalid value: 0: must be positive and less than 1000")
        self.assertEqual(found["spec.service.namespace"], "Required value")
        self.assertEqual(found["spec.service.port"], "Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive")
        self.assertEqual(found["spec.insecureSkipTLSVerify"], "Invalid value: true: may not be true if caBundle is present")
        self.assertIn("metadata.annotations[coracle.dev/url]", found)
        local = service("https://x", name="v1.bad.io", caBundle="AAAA")
        del local["spec"]["service"]
        self.assertEqual(causes(local)["spec.caBundle"], 'Invalid value: "3 bytes": local APIServices may not have a caBundle')
        for url in ("https://", "https://a/b", "https://u@a", "https://a:0", "https://a:x", "https://[::1", "https://a b", "HTTP://a", "https://a?b"):
            self.assertIn("metadata.annotations[coracle.dev/url]", causes(service(url, name="v1.bad.io")), url)


class Proxy(Case):
    def test_a_request_as_it_arrives(self):
        r = self.joined()
        status, headers, body = self.s.request(
            "POST", GROUP + "/namespaces/a%2Bb/echo?x=1&y=a%20b%26c&watch=0&empty", b'{"a":1}',
            {"X-Remote-User": "root", "X-Remote-Group": "system:masters", "X_Remote_User": "root", "X-Remote-Extra-Scopes": "all",
             "X-Forwarded-For": "1.2.3.4", "Connection": "X-Hop", "X-Hop": "1", "X-Kept": "yes", "TE": "trailers", "Cookie": "c=1"}, token="alicetoken")
        self.assertEqual(status, 200, body)
        self.assertEqual(body["method"], "POST")
        self.assertEqual(body["body"], '{"a":1}')
        self.assertEqual(body["path"], GROUP + "/namespaces/a+b/echo?x=1&y=a%20b%26c&watch=0&empty=")
        sent = {}
        for k, v in body["headers"]:
            sent.setdefault(k.lower(), []).append(v)
        self.assertEqual(sent["x-remote-user"], ["alice"])
        self.assertEqual(sent["x-remote-uid"], ["alice-uid"])
        self.assertEqual(sorted(sent["x-remote-group"]), ["devs", "qa", "system:authenticated"])
        self.assertEqual(sent["x-kept"], ["yes"])
        self.assertEqual(sent["x-forwarded-for"], ["127.0.0.1"])
        self.assertEqual(sent["host"], [r.url[7:]])
        self.assertEqual(sent["content-length"], ["7"])
        for gone in ("authorization", "x_remote_user", "x-remote-extra-scopes", "x-hop", "te", "connection", "expect", "transfer-encoding"):
            self.assertNotIn(gone, sent)
        self.assertEqual(headers["X-Of-Remote"], "yes")
        self.assertIsNone(headers["X-Secret-Hop"])
        self.assertIsNone(headers["Keep-Alive"])
        self.assertEqual(headers.get_all("Audit-Id"), sent["audit-id"])

    def test_verbs_and_statuses(self):
        self.joined()
        for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
            status, _, body = self.s.request(method, GROUP + "/echo", "{}" if method != "GET" else None)
            self.assertEqual((status, body["method"]), (200, method))
        status, headers, body = self.s.request("HEAD", GROUP + "/echo")
        self.assertEqual((status, headers["X-Of-Remote"], body), (200, "yes", b""))
        self.assertEqual(self.s.get(GROUP + "/teapot")[0], 418)
        self.assertEqual(self.s.get(GROUP + "/nothing")[0], 204)
        self.assertEqual(self.s.get(GROUP + "/nosuch")[0], 404)
        self.assertEqual(self.s.request("BREW", GROUP + "/echo")[0], 405)
        status, _, body = self.s.get(GROUP + "/move")
        self.assertEqual((status, body), (502, b"the backend attempted to redirect this request, which is not permitted"))

    def test_who_may(self):
        """Nobody gets past authentication, and no path means one thing here and another there."""
        r = self.joined()
        n = len(r.seen)
        self.assertEqual(self.s.get(GROUP + "/echo", token="nobody")[0], 401)
        for path in ("/../v1/echo", "/./echo", "//echo", "/a/%2e%2e/echo", "/%2e%2e%2fv1/echo", "/a%2f%2fecho"):
            with Raw(self.s) as raw:
                raw.send(b"GET " + (GROUP + path).encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admintoken\r\n\r\n")
                self.assertIn(raw.read().status, (400, 404), path)
        self.assertEqual([s for s in r.seen[n:] if "echo" in s[1]], [])

    def test_upgrade(self):
        self.joined()
        with Raw(self.s) as raw:
            raw.send(b"GET " + GROUP.encode() + b"/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admintoken\r\nConnection: Upgrade\r\n"
                     b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            a = raw.read()
        self.assertEqual(a.status, 400)
        self.assertIn("cannot be upgraded", a.json()["message"])

    def test_too_large(self):
        r = self.joined()
        n = len(r.seen)
        self.assertEqual(self.s.request("POST", GROUP + "/echo", "x" * (LIMITS["LIMIT_BODY_BYTES"] + 1))[0], 413)
        status, _, body = self.s.request("POST", GROUP + "/echo", "x" * 1000000)
        self.assertEqual((status, len(body["body"])), (200, 1000000))
        self.assertEqual(len([s for s in r.seen[n:] if s[0] == "POST"]), 1)

    def test_a_watch(self):
        r = self.joined()
        w = Watch(self.s, GROUP + "/things")
        w.wait(3)
        w.join(60)
        self.assertTrue(w.clean)
        self.assertEqual(w.short(), ["ADDED t0", "ADDED t1", "ADDED t2"])
        w.close()
        r.events = 1000
        w = Watch(self.s, GROUP + "/things")
        w.wait(2)
        w.close()
        self.assertTrue(r.cut.wait(60), "the other server was not told that the client had left")

    def test_pressure(self):
        """What the client does not take is not taken from the other server: a hundred megabytes come as they are read, and no faster."""
        r = self.joined()
        with Raw(self.s, timeout=120) as raw:
            raw.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            raw.send(b"GET " + GROUP.encode() + b"/flood HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admintoken\r\n\r\n")
            self.assertEqual(raw.read_head().status, 200)
            held = [-1]

            def stands():
                held[0], before = r.flooded, held[0]
                self.assertLess(held[0], 30 << 20)
                return held[0] == before and held[0]
            until(stands, step=1)
            total = 0
            while True:
                piece = raw.chunk()
                if not piece:
                    break
                total += len(piece)
            self.assertEqual(total, 1600 * 65536)
        r.cut.clear()
        with Raw(self.s) as raw:
            raw.send(b"GET " + GROUP.encode() + b"/flood HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admintoken\r\n\r\n")
            raw.read_head()
        self.assertTrue(r.cut.wait(60))

    @unittest.skipUnless(Curl.can(), "curl has no HTTP/2")
    def test_http2(self):
        """The same over HTTP/2, whose streams end one by one."""
        r = self.joined()
        status, version, body = Curl.request(self.s, GROUP + "/echo")
        self.assertEqual((status, version, json.loads(body)["method"]), (200, "2", "GET"))
        self.assertEqual(len(Curl.request(self.s, GROUP + "/flood")[2]), 1600 * 65536)
        with self.assertRaises(RuntimeError):
            if Curl.request(self.s, GROUP + "/half")[0] == 503:
                raise RuntimeError("it was seen before it began")
        w = Http2Watch(self.s, GROUP + "/things?watch=true")
        w.wait(3)
        w.join(60)
        self.assertTrue(w.clean, w.error)
        w.close()
        r.events = 1000
        w = Http2Watch(self.s, GROUP + "/things?watch=true")
        w.wait(1)
        w.close()
        self.assertTrue(r.cut.wait(60))

    def test_a_remote_that_misbehaves(self):
        r = self.joined()
        for path in ("drop", "garbage"):
            status, headers, body = self.s.get(GROUP + "/" + path)
            self.assertEqual(status, 503, body)
            self.assertTrue(body.startswith(b"error trying to reach service: "), body)
            self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(self.s.get(GROUP + "/head")[0], 503)
        self.assertEqual(self.s.get(GROUP + "/more")[2], b"abc")
        with Raw(self.s) as raw:
            raw.send(b"GET " + GROUP.encode() + b"/half HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admintoken\r\n\r\n")
            head = raw.read_head()
            if head.status == 200:  # begun: the end must not look like one
                with self.assertRaises(Exception):
                    while raw.chunk():
                        pass
            else:
                self.assertEqual(head.status, 503)
        done = threading.Thread(target=lambda: self.s.get(GROUP + "/silent"), daemon=True)
        done.start()
        until(lambda: any(s[1].endswith("/silent") for s in r.seen))
        for _ in range(20):
            self.assertEqual(self.s.get("/api/v1/namespaces/default")[0], 200)
        self.assertTrue(done.is_alive(), "others waited for it")
        r.release.set()
        done.join(60)

    def test_away(self):
        """The other server goes: discovery still answers at once, the condition says so, requests get 503; it comes back."""
        r = self.remote()
        self.add(service("http://127.0.0.1:1"))
        self.available("False")
        c = self.condition()
        self.assertEqual(c["reason"], "FailedDiscoveryCheck")
        self.assertRegex(c["message"], r"^failing or missing response from http://127.0.0.1:1/apis/things.io/v1: Get ")
        status, _, body = self.s.get(GROUP + "/things")
        self.assertEqual((status, body), (503, b"service unavailable\n"))
        begun = time.monotonic()
        groups = self.s.get("/apis", headers={"Accept": V2})[2]["items"]
        self.assertLess(time.monotonic() - begun, 20)
        mine = next(g for g in groups if g["metadata"]["name"] == "things.io")
        self.assertEqual(mine["versions"], [{"version": "v1", "freshness": "Stale"}])
        self.assertIn('aggregator_unavailable_apiservice{name="v1.things.io"} 1', self.s.get("/metrics")[2].decode())
        self.assertEqual(self.s.update(SERVICES + "/v1.things.io", lambda o: o["metadata"]["annotations"].update({"coracle.dev/url": r.url}))[0], 200)
        self.available()
        self.assertEqual(self.condition()["message"], "all checks passed")
        self.assertEqual(self.s.get(GROUP + "/echo")[0], 200)
        self.s.request("DELETE", SERVICES + "/v1.things.io")
        until(lambda: self.s.get(GROUP + "/echo")[0] == 404)
        self.assertNotIn("v1.things.io", self.s.get("/metrics")[2].decode().replace("_total{name=", ""))

    def test_a_bad_status_is_told(self):
        r = self.remote()
        r.broken = True
        self.add(service(r.url))
        self.available("False")
        url = r.url + GROUP
        self.assertEqual(self.condition()["message"], "failing or missing response from %s: bad status from %s: 500" % (url, url))
        self.assertIn(["v1.things.io", "default/remote", "False (FailedDiscoveryCheck)"], [
            x["cells"][:3] for x in self.s.get(SERVICES, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"})[2]["rows"]])


class Documents(Case):
    def groups(self):
        return self.s.get("/apis", headers={"Accept": V2})[2]["items"]

    def mine(self):
        return next((g for g in self.groups() if g["metadata"]["name"] == "things.io"), {"versions": [{}]})["versions"][0]

    def test_discovery(self):
        r = self.remote()
        r.documents["/apis"] = (V2, {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [
            {"metadata": {"name": "other.io"}, "versions": [{"version": "v1", "resources": []}]},
            {"metadata": {"name": "things.io"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                dict(THING, surprise={"a": 1}), {"resource": 7}, "no"]}]}]})
        self.add(service(r.url))
        self.available()
        until(lambda: self.mine().get("freshness") == "Current")
        self.assertEqual(self.mine(), {"version": "v1", "resources": [THING], "freshness": "Current"})
        names = [g["name"] for g in self.s.get("/apis")[2]["groups"]]
        self.assertEqual(names[0], "apiregistration.k8s.io")
        self.assertLess(names.index("coordination.k8s.io"), names.index("things.io"))
        self.assertNotIn("other.io", names)
        self.assertEqual(self.s.get("/apis/things.io")[2]["preferredVersion"], {"groupVersion": "things.io/v1", "version": "v1"})
        self.assertEqual(self.s.get(GROUP)[2]["resources"][0]["name"], "things")
        self.assertIn(GROUP, self.s.get("/")[2]["paths"])
        asked = dict((k.lower(), v) for k, v in r.last("GET", "/apis")[2])
        self.assertEqual((asked["x-remote-user"], asked["x-remote-group"]), ("system:kube-aggregator", "system:masters"))
        etag = self.s.get("/apis", headers={"Accept": V2})[1]["ETag"]
        self.s.request("DELETE", SERVICES + "/v1.things.io")
        until(lambda: self.mine() == {})
        self.assertNotEqual(self.s.get("/apis", headers={"Accept": V2})[1]["ETag"], etag)
        self.assertEqual(self.s.get("/apis/things.io")[0], 404)

    def test_discovery_of_an_old_server(self):
        self.joined()
        until(lambda: self.mine().get("freshness") == "Current")
        kind = {"group": "", "version": "", "kind": "Thing"}
        self.assertEqual(self.mine()["resources"], [{"resource": "things", "responseKind": kind, "scope": "Namespaced", "singularResource": "thing",
                                                     "verbs": ["get", "list", "watch"],
                                                     "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["get"]}]}])

    def test_openapi(self):
        r = self.remote()
        meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        r.documents["/openapi/v3"] = ("application/json", {"paths": {"apis/things.io/v1": {
            "serverRelativeURL": "/openapi/v3/apis/things.io/v1?hash=ABC123"}, "apis/other.io/v1": {"serverRelativeURL": "/x"}}})
        r.documents["/openapi/v3/apis/things.io/v1"] = ("application/json", {"openapi": "3.0.0", "of": "the remote"})
        r.documents["/openapi/v2"] = ("application/json", {
            "swagger": "2.0", "parameters": {"limit-x": {"name": "limit", "in": "query", "type": "integer"}},
            "paths": {GROUP + "/things": {"parameters": [{"$ref": "#/parameters/limit-x"}, {"$ref": "#/parameters/none"}], "get": {
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/io.things.Thing"}}}}},
                "/apis/things.io/v10/no": {"get": {}}, "/version/": {"get": {}}},
            "definitions": {"io.things.Thing": {"type": "object", "properties": {"metadata": {"$ref": "#/definitions/" + meta}}},
                            meta: {"type": "object", "description": "another"}, "io.things.Unused": {"type": "object"}}})
        self.add(service(r.url))
        self.available()
        until(lambda: "apis/things.io/v1" in self.s.get("/openapi/v3")[2]["paths"])
        paths = self.s.get("/openapi/v3")[2]["paths"]
        self.assertEqual(paths["apis/things.io/v1"], {"serverRelativeURL": "/openapi/v3/apis/things.io/v1?hash=ABC123"})
        self.assertIn("api/v1", paths)
        self.assertNotIn("apis/other.io/v1", paths)
        self.assertEqual(self.s.get("/openapi/v3/apis/things.io/v1?hash=ABC123")[2]["of"], "the remote")
        until(lambda: GROUP + "/things" in self.s.get("/openapi/v2")[2]["paths"])
        doc = self.s.get("/openapi/v2")[2]
        self.assertEqual(doc["paths"][GROUP + "/things"]["parameters"], [{"name": "limit", "in": "query", "type": "integer"}])
        self.assertNotIn("/apis/things.io/v10/no", doc["paths"])
        thing = doc["definitions"]["io.things.Thing"]
        self.assertEqual(thing["properties"]["metadata"]["$ref"], "#/definitions/" + meta + "_v2")
        self.assertEqual(doc["definitions"][meta + "_v2"], {"type": "object", "description": "another"})
        self.assertNotEqual(doc["definitions"][meta], doc["definitions"][meta + "_v2"])
        self.assertNotIn("io.things.Unused", doc["definitions"])
        proto = self.s.get("/openapi/v2", headers={"Accept": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"})
        self.assertEqual(proto[0], 200)
        self.assertIn(b"io.things.Thing", proto[2])

    def test_documents_that_are_none(self):
        r = self.remote()
        deep = b"[" * 100000
        r.documents["/apis"] = (V2, deep)
        r.documents["/openapi/v3"] = ("application/json", {"paths": {"apis/things.io/v1": {"serverRelativeURL": "https://evil.example/x"}}})
        r.documents["/openapi/v2"] = ("application/json", b'{"paths":{"' + GROUP.encode() + b'/x":"no"}}')
        self.add(service(r.url))
        self.available()
        until(lambda: self.mine() == {"version": "v1", "freshness": "Stale"})
        self.assertNotIn("apis/things.io/v1", self.s.get("/openapi/v3")[2]["paths"])
        self.assertEqual(self.s.get("/openapi/v2")[0], 200)


@unittest.skipUnless(shutil.which("openssl"), "openssl is not there")
class Tls(Case):
    def setUp(self):
        super().setUp()
        self.dir = tempfile.mkdtemp(prefix="coracle-agg-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def cert(self, name, san="IP:127.0.0.1"):
        key, pem = os.path.join(self.dir, name + ".key"), os.path.join(self.dir, name + ".pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-days", "2", "-subj",
                "/CN=" + name, "-addext", "subjectAltName=" + san)
        return pem, key

    def bundle(self, pem):
        return base64.b64encode(open(pem, "rb").read()).decode()

    def test_certificates(self):
        pem, key = self.cert("good")
        r = self.remote(cert=(pem, key))
        self.add(service(r.url))
        self.available("False")  # nobody vouches for it
        self.assertRegex(self.condition()["message"], "(?i)certificate")
        self.assertEqual([s for s in r.seen], [])
        self.s.request("DELETE", SERVICES + "/v1.things.io")
        self.add(service(r.url, caBundle=self.bundle(pem)))
        self.available()
        self.assertEqual(self.s.get(GROUP + "/echo")[0], 200)
        self.s.request("DELETE", SERVICES + "/v1.things.io")
        other, other_key = self.cert("other", "DNS:other.example")
        wrong = self.remote(cert=(other, other_key))
        self.add(service(wrong.url, caBundle=self.bundle(other)))
        self.available("False")  # another name
        self.s.request("DELETE", SERVICES + "/v1.things.io")
        self.add(service(wrong.url, insecureSkipTLSVerify=True))
        self.available()
        self.assertEqual(self.s.get(GROUP + "/echo")[0], 200)


class Two(unittest.TestCase):
    """A second Coracle is the other server: the first shows it its certificate."""

    def test_two_servers(self):
        with Kept(preset=support.PRESET) as b:
            config = open(b.kubeconfig).read()
            files = {}
            for name in ("client-certificate-data", "client-key-data", "certificate-authority-data"):
                files[name] = os.path.join(b.dir, name)
                with open(files[name], "wb") as f:
                    f.write(base64.b64decode(re.search(name + r": *(\S+)", config).group(1)))
            flags = ["--proxy-client-cert-file", files["client-certificate-data"], "--proxy-client-key-file", files["client-key-data"]]
            with Kept(preset=support.PRESET, flags=flags) as a:
                self.both(a, b, base64.b64encode(open(files["certificate-authority-data"], "rb").read()).decode())

    def both(self, a, b, ca):
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.things.io"},
               "spec": {"group": "things.io", "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"}, "versions": [
                   {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                       "spec": {"type": "object", "properties": {"color": {"type": "string", "description": "Of the thing."}}}}}}}]}}
        self.assertEqual(b.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)[0], 201)
        self.assertEqual(a.post(SERVICES, service(b.url, caBundle=ca))[0], 201)
        things = GROUP + "/namespaces/default/things"
        until(lambda: a.get(things)[0] == 200)
        w = Watch(a, GROUP + "/things")
        thing = {"apiVersion": "things.io/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"color": "red"}}
        self.assertEqual(a.post(things, thing)[0], 201)
        self.assertEqual(b.get(things + "/one")[2]["spec"], {"color": "red"})
        patch = a.request("PATCH", things + "/one", {"spec": {"color": "blue"}}, {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(patch[2]["spec"], {"color": "blue"})
        self.assertEqual(a.request("DELETE", things + "/one")[0], 200)
        w.wait(3)
        self.assertEqual(w.short(), ["ADDED one", "MODIFIED one", "DELETED one"])
        self.kubectl(a)
        a.stop()  # ends the watch cleanly, with the other server still there
        w.join(60)
        self.assertTrue(w.clean, w.error)
        w.close()
        a.start()
        until(lambda: a.get(things)[0] == 200)

    def kubectl(self, a):
        if not shutil.which("kubectl"):
            return
        def run(*args, text=None):
            p = subprocess.run(["kubectl", "--kubeconfig", a.kubeconfig, "--cache-dir", os.path.join(a.dir, "cache"), *args], input=text,
                               capture_output=True, text=True, timeout=300)
            self.assertEqual(p.returncode, 0, p.stderr)
            return p.stdout
        until(lambda: GROUP + "/namespaces/{namespace}/things" in a.get("/openapi/v2")[2]["paths"])
        run("apply", "-f", "-", text=json.dumps({"apiVersion": "things.io/v1", "kind": "Thing", "metadata": {"name": "two"}, "spec": {"color": "red"}}))
        self.assertIn("two", run("get", "things"))
        self.assertIn("Of the thing.", run("explain", "thing.spec.color"))
        self.assertRegex(run("get", "apiservices"), r"v1\.things\.io +default/remote +True")
        run("delete", "thing", "two")


if __name__ == "__main__":
    unittest.main()
