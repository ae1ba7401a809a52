# SPDX-License-Identifier: Apache-2.0
"""Conversion by webhook: what it may answer and what it may not, batches, other types undisturbed by a slow one, watches and lists
in another version, a changed storage version; a webhook on loopback that does what each test says."""
import base64, http.server, json, os, ssl, subprocess, tempfile, threading, time, unittest

from support import LIMITS, PRESET, Kept, Watch, until

GROUP = "conv.example.com"


def certificate(folder):
    """A key and a certificate for 127.0.0.1, made for this run."""
    pem = os.path.join(folder, "hook.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem + ".key", "-out", pem],
                   check=True, capture_output=True)
    return pem, pem + ".key"


class Hook:
    """A conversion webhook: spec.hostPort in v1 is spec.address in v2. `behave` replaces what it does."""

    def __init__(self, folder):
        cert, key = certificate(folder)
        self.ca = base64.b64encode(open(cert, "rb").read()).decode()
        self.reviews, self.behave, self.gate, outer = [], None, None, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                try:
                    review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    outer.reviews.append(review)
                    if outer.gate:
                        outer.gate.wait(28)  # the server waits for 30
                    if outer.behave and outer.behave(self, review):
                        return
                    self.send(outer.converted(review))
                except OSError:
                    self.close_connection = True

            def send(self, answer, code=200):
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            log_message = lambda *args: None

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads, handle_error, request_queue_size = True, lambda *args: None, 128

        self.server = Listener(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = "https://127.0.0.1:%d/convert" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def converted(review, change=lambda o: o):
        want = review["request"]["desiredAPIVersion"]
        old, new = ("hostPort", "address") if want.endswith("v2") else ("address", "hostPort")
        done = []
        for o in review["request"]["objects"]:
            o = json.loads(json.dumps(o))
            o["apiVersion"] = want
            if old in (o.get("spec") or {}):
                o["spec"][new] = o["spec"].pop(old)
            done.append(change(o))
        return {"apiVersion": review["apiVersion"], "kind": "ConversionReview",
                "response": {"uid": review["request"]["uid"], "convertedObjects": done, "result": {"status": "Success"}}}


def definition(plural, hook, storage="v1", reviews=("v1",), client=None):
    kind = plural.capitalize()
    names = {"v1": "hostPort", "v2": "address"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": plural + "." + GROUP},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": v, "served": True, "storage": v == storage,
                "selectableFields": [{"jsonPath": ".spec." + field}],
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {field: {"type": "string"}, "n": {"type": "integer"}}},
                    "status": {"type": "object", "properties": {"seen": {"type": "string"}}}}}},
            } for v, field in names.items()],
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": list(reviews),
                "clientConfig": client or {"url": hook.url, "caBundle": hook.ca}}},
        }}


class Conversion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.hook = Hook(cls.folder.name)
        cls.server = Kept(preset=PRESET).start()
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        try:
            code, text = cls.server.stop(), cls.server.stderr()
            assert code == 0 and "Sanitizer" not in text, text[-6000:]
        finally:
            cls.hook.server.shutdown()
            cls.folder.cleanup()

    def setUp(self):
        self.hook.behave, self.hook.gate = None, None
        type(self).count += 1
        self.plural = "w%ds" % self.count

    def make(self, **kw):
        status, _, body = self.server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                                              definition(self.plural, self.hook, **kw))
        self.assertEqual(status, 201, body)
        del self.hook.reviews[:]

    def path(self, version, name="", plural=None, query=""):
        return "/apis/%s/%s/namespaces/default/%s%s%s" % (GROUP, version, plural or self.plural, "/" + name if name else "", query)

    def obj(self, version, name, value, **spec):
        return {"apiVersion": GROUP + "/" + version, "kind": self.plural.capitalize(), "metadata": {"name": name},
                "spec": dict(spec, **{"hostPort" if version == "v1" else "address": value})}

    def do(self, want, method, path, body=None, headers=None):
        status, _, answer = self.server.request(method, path, body, headers)
        self.assertEqual(status, want, answer)
        return answer

    def update(self, want, path, change):
        """What is read and put back where a controller writes too."""
        status, _, answer = self.server.update(path, change)
        self.assertEqual(status, want, answer)
        return answer

    def stored_as_v2(self):
        """The definition with v2 as its storage version from here on."""
        spec = definition(self.plural, self.hook, storage="v2")["spec"]
        return self.update(200, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s.%s" % (self.plural, GROUP),
                           lambda o: o.update(spec=spec))

    def add(self, version, name, value, want=201, **spec):
        return self.do(want, "POST", self.path(version), self.obj(version, name, value, **spec))

    def unchanged(self):
        """Writes in both versions that change nothing keep the resourceVersion; what changes in v2 is stored in the storage version."""
        apply, merge = {"Content-Type": "application/apply-patch+yaml"}, {"Content-Type": "application/merge-patch+json"}
        rv = self.add("v1", "a", "h:1", n=1)["metadata"]["resourceVersion"]
        for version in ("v2", "v1"):
            read = self.do(200, "GET", self.path(version, "a"))
            for method, body, headers in (("PUT", read, None), ("PATCH", {}, merge), ("PATCH", {"spec": read["spec"]}, merge)):
                self.assertEqual(self.do(200, method, self.path(version, "a"), body, headers), read)
        body = self.obj("v2", "a", "h:1")
        first = self.do(200, "PATCH", self.path("v2", "a", query="?fieldManager=m"), body, apply)
        self.assertNotEqual(first["metadata"]["resourceVersion"], rv)  # it owns a field now
        self.do(200, "PATCH", self.path("v1", "a"), {"metadata": {"labels": {"a": "b"}}}, merge)
        again = self.do(200, "PATCH", self.path("v2", "a", query="?fieldManager=m"), body, apply)
        self.assertEqual(again["metadata"], self.do(200, "GET", self.path("v1", "a"))["metadata"])

    def test_nothing_changes(self):
        self.make()
        self.unchanged()

    def test_nothing_changes_by_rules(self):
        rules = "rules:\n- from: v1\n  to: v2\n  steps:\n  - move: {from: .spec.hostPort, to: .spec.address}\n"
        text, n = {"type": "string"}, {"type": "integer"}
        self.ruled(rules, {"hostPort": text, "n": n}, {"address": text, "n": n})
        self.unchanged()

    def test_all_verbs(self):
        self.make()
        self.assertEqual(self.add("v2", "a", "h:1", n=1)["spec"], {"address": "h:1", "n": 1})
        self.assertEqual(self.do(200, "GET", self.path("v1", "a"))["spec"], {"hostPort": "h:1", "n": 1})
        got = self.do(200, "PATCH", self.path("v2", "a"), {"spec": {"address": "h:2"}},
                      {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(got["spec"], {"address": "h:2", "n": 1})
        got["spec"]["address"] = "h:3"
        got = self.do(200, "PUT", self.path("v2", "a"), got)
        self.assertEqual((got["spec"]["address"], got["metadata"]["generation"]), ("h:3", 3))
        got["status"] = {"seen": "yes"}
        got = self.do(200, "PUT", self.path("v2", "a/status"), got)
        self.assertEqual((got["status"], got["metadata"]["generation"]), ({"seen": "yes"}, 3))
        self.assertEqual(self.do(200, "GET", self.path("v1", "a"))["spec"]["hostPort"], "h:3")
        dry = self.do(201, "POST", self.path("v2", query="?dryRun=All"), self.obj("v2", "b", "x"))
        self.assertEqual(dry["spec"], {"address": "x"})
        self.do(200, "DELETE", self.path("v2", "a"))
        self.do(404, "GET", self.path("v2", "a"))

    def test_storage_version_needs_no_webhook(self):
        self.make()
        self.hook.behave = lambda h, r: h.send(b"{}", 500) or True
        self.add("v1", "a", "h")
        self.do(200, "GET", self.path("v1", "a"))
        self.do(200, "GET", self.path("v1"))
        self.do(200, "PATCH", self.path("v1", "a"), {"spec": {"n": 2}}, {"Content-Type": "application/merge-patch+json"})
        self.do(200, "DELETE", self.path("v1", "a"))
        self.assertEqual(self.hook.reviews, [])

    def test_a_page_is_one_review(self):
        self.make()
        for i in range(30):
            self.add("v1", "o%02d" % i, "h:%d" % i)
        del self.hook.reviews[:]
        items = self.do(200, "GET", self.path("v2"))["items"]
        self.assertEqual([o["spec"]["address"] for o in items], ["h:%d" % i for i in range(30)])
        self.assertEqual([len(r["request"]["objects"]) for r in self.hook.reviews], [30])
        seen, token = [], ""
        while True:
            page = self.do(200, "GET", self.path("v2", query="?limit=7" + token))
            self.assertLessEqual(len(page["items"]), 7)
            seen += [o["spec"]["address"] for o in page["items"]]
            if not page["metadata"].get("continue"):
                break
            token = "&continue=" + page["metadata"]["continue"]
        self.assertEqual(seen, ["h:%d" % i for i in range(30)])
        some = self.do(200, "GET", self.path("v2", query="?fieldSelector=spec.address%3Dh%3A7"))["items"]
        self.assertEqual([o["metadata"]["name"] for o in some], ["o07"])
        table = self.do(200, "GET", self.path("v2"), headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
        self.assertEqual(len(table["rows"]), 30)

    def test_v1beta1_reviews(self):
        self.make(reviews=("v1beta1", "v1"))
        self.add("v1", "a", "h")

        def answer(handler, review):
            got = Hook.converted(review)
            got["response"]["uid"] = "another"  # not looked at in v1beta1
            return handler.send(got) or True
        self.hook.behave = answer
        self.assertEqual(self.do(200, "GET", self.path("v2", "a"))["spec"], {"address": "h"})
        self.assertEqual(self.hook.reviews[-1]["apiVersion"], "apiextensions.k8s.io/v1beta1")

    def test_wrong_answers(self):
        self.make()
        self.add("v1", "a", "h")
        self.add("v1", "b", "h")
        gvk = "conversion webhook for %s/v1, Kind=%s" % (GROUP, self.plural.capitalize())

        def by_change(change):
            return lambda h, r: h.send(Hook.converted(r, change)) or True

        def by_answer(change):
            def answer(h, r):
                got = Hook.converted(r)
                change(got)
                return h.send(got) or True
            return answer

        def put(o, *path):
            *way, key, value = path
            at = o
            for k in way:
                at = at.setdefault(k, {})
            at[key] = value
            return o
        cases = [
            (by_answer(lambda g: g["response"].update(uid="x")), " failed: expected response.uid="),
            (by_answer(lambda g: g["response"]["convertedObjects"].clear()), " returned 0 objects, expected 1"),
            (by_answer(lambda g: g["response"]["convertedObjects"].append({})), " returned 2 objects, expected 1"),
            (by_answer(lambda g: g.pop("response")), " failed: no response provided"),
            (by_answer(lambda g: g.update(kind="Pod")), " failed: no kind \"Pod\" is registered"),
            (by_answer(lambda g: g.update(apiVersion="apiextensions.k8s.io/v1beta1")), " failed: expected webhook response of"),
            (by_answer(lambda g: g["response"].update(result={"status": "Failure"})), "response.result.status was 'Failure', not 'Success'"),
            (by_change(lambda o: put(o, "metadata", "name", "z")), " returned invalid object: must have the same name: a != z"),
            (by_change(lambda o: put(o, "metadata", "namespace", "z")), "must have the same namespace: default != z"),
            (by_change(lambda o: put(o, "metadata", "uid", "z")), "must have the same UID: "),
            (by_change(lambda o: put(o, "kind", "Other")), "invalid kind (expected"),
            (by_change(lambda o: put(o, "apiVersion", GROUP + "/v1")), "invalid groupVersion (expected %s/v2, received %s/v1)" % (GROUP, GROUP)),
            (by_change(lambda o: put(o, "metadata", "labels", {"a": 1})), "metadata.labels[a] must be a string, but is int64 in converted object"),
            (by_change(lambda o: put(o, "metadata", "labels", {"a": "b c"})), "returned invalid metadata: metadata.labels: Invalid value: \"b c\""),
            (by_change(lambda o: put(o, "metadata", "annotations", [])), "invalid metadata.annotations of type []interface {} in converted object"),
            (by_change(lambda o: 7), "Object 'Kind' is missing in '7'"),
            (by_change(lambda o: put(o, "metadata", None)), "must have the same name: a != "),
            (lambda h, r: h.send(b"not json") or True, " failed: "),
            (lambda h, r: h.send(b"") or True, " failed: "),
            (lambda h, r: h.send(b"[" * 100000) or True, " failed: "),
            (lambda h, r: h.send(b"{}", 404) or True, " failed: the server could not find the requested resource"),
            (lambda h, r: h.send(b"{}", 500) or True, " failed: an error on the server (\"unknown\") has prevented the request from succeeding"),
        ]
        for behave, text in cases:
            self.hook.behave = behave
            got = self.do(500, "GET", self.path("v2", "a"))
            self.assertIn(gvk if "Kind' is" not in text else "", got["message"])
            self.assertIn(text, got["message"])
            self.assertEqual(got["reason"], "InternalError")
        self.hook.behave = by_answer(lambda g: g["response"]["convertedObjects"][1].update(kind="Other"))
        got = self.do(500, "GET", self.path("v2"))
        self.assertEqual(got["reason"], "StorageReadError")
        self.assertIn("returned invalid converted object at index 1: invalid kind", got["message"])
        self.assertEqual(len(got["details"]["causes"]), 2)
        self.hook.behave = None
        self.do(200, "GET", self.path("v2", "a"))

    def test_metadata_stays(self):
        self.make()
        first = self.add("v1", "a", "h")

        def change(o):
            o["metadata"] = {"name": "a", "namespace": "default", "uid": o["metadata"]["uid"], "labels": {"l": "x"},
                             "finalizers": ["no.example.com/no"], "generation": 99}
            return o
        self.hook.behave = lambda h, r: h.send(Hook.converted(r, change)) or True
        got = self.do(200, "GET", self.path("v2", "a"))["metadata"]
        self.assertEqual(got.pop("labels"), {"l": "x"})
        self.assertEqual(got, first["metadata"])

    def test_breaks_off_and_floods(self):
        self.make()
        self.add("v1", "a", "h")

        def cut(handler, review):
            handler.connection.close()
            return True

        def flood(handler, review):
            handler.send_response(200)
            handler.send_header("Content-Length", str(100 << 20))
            handler.end_headers()
            try:
                for _ in range(100):
                    handler.wfile.write(b"x" * (1 << 20))
            except OSError:
                pass
            handler.close_connection = True
            return True

        def short(handler, review):
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"{")
            handler.wfile.flush()
            handler.connection.close()
            return True
        for behave, text in ((cut, "Post \"%s?timeout=30s\": " % self.hook.url), (flood, "the answer is larger than"), (short, "EOF")):
            self.hook.behave = behave
            got = self.do(500, "GET", self.path("v2", "a"))
            self.assertIn(text, got["message"])
        self.hook.behave = None
        self.do(200, "GET", self.path("v2", "a"))

    def test_nobody_there(self):
        cases = [({"url": "https://127.0.0.1:1/x"}, "Post \"https://127.0.0.1:1/x?timeout=30s\": dial tcp 127.0.0.1:1: connect: connection refused"),
                 ({"url": self.hook.url}, "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
                 ({"service": {"name": "svc", "namespace": "ns", "path": "/p"}}, "Post \"https://svc.ns.svc:443/p?timeout=30s\": dial tcp: lookup svc.ns.svc")]
        for i, (client, text) in enumerate(cases):
            self.plural = "gone%d%ds" % (self.count, i)
            self.make(client=client)
            self.add("v1", "a", "h")
            got = self.do(500, "GET", self.path("v2", "a"))
            self.assertIn(text, got["message"])
            got = self.add("v2", "b", "h", want=500)
            self.assertIn(text, got["message"])
            self.assertNotIn("reason", got)
            self.do(404, "GET", self.path("v1", "b"))

    def test_watch_in_another_version(self):
        self.make()
        self.add("v1", "a", "h:1")
        conn = self.server.connection()
        conn.request("GET", self.path("v2", query="?watch=1&resourceVersion=0"), headers={"Authorization": "Bearer admintoken"})
        answer = conn.getresponse()
        event = json.loads(answer.readline())
        self.assertEqual((event["type"], event["object"]["spec"]), ("ADDED", {"address": "h:1"}))
        for i in range(20):
            self.do(200, "PATCH", self.path("v1", "a"), {"spec": {"hostPort": "n:%d" % i}},
                    {"Content-Type": "application/merge-patch+json"})
        self.do(200, "DELETE", self.path("v1", "a"))
        seen = [json.loads(answer.readline()) for _ in range(21)]
        self.assertEqual([e["object"]["spec"]["address"] for e in seen], ["n:%d" % i for i in range(20)] + ["n:19"])
        self.assertEqual([e["type"] for e in seen], ["MODIFIED"] * 20 + ["DELETED"])
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in seen]
        self.assertEqual(versions, sorted(versions))
        self.hook.behave = lambda h, r: h.send(b"{}", 500) or True
        self.add("v1", "b", "h")
        event = json.loads(answer.readline())
        self.assertEqual((event["type"], event["object"]["code"]), ("ERROR", 500))
        self.assertEqual(answer.readline(), b"")
        conn.close()

    def converted(self):
        """How many objects the webhook was given."""
        return sum(len(r["request"]["objects"]) for r in self.hook.reviews)

    def is_shared(self, n, watches):
        """Each of n events was converted once for all; a watch that was a moment behind may have had one for itself."""
        self.assertGreaterEqual(self.converted(), n)
        self.assertLessEqual(self.converted(), n + watches)

    def settled(self, watches):
        """Once each has had an event none reads the log any more, where each converts for itself."""
        self.add("v1", "first", "h")
        for w in watches:
            w.wait(1)
            self.assertEqual(w.events.pop(0)["type"], "ADDED")
        del self.hook.reviews[:]

    def test_watches_share_conversions(self):
        """However many watch, each event is converted once; tables and labels are made of the same."""
        self.make()
        watches = [Watch(self.server, self.path("v2")) for _ in range(48)]
        watches.append(Watch(self.server, "/apis/%s/v2/%s" % (GROUP, self.plural)))
        table = Watch(self.server, self.path("v2"), [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")])
        plain = Watch(self.server, self.path("v1"))
        n = 40
        try:
            self.settled(watches + [table, plain])
            for i in range(n):
                self.add("v1", "o%02d" % i, "h:%d" % i)
            for w in watches:
                w.wait(n)
                self.assertEqual([e["object"]["spec"]["address"] for e in w.events], ["h:%d" % i for i in range(n)])
                self.assertEqual(w.short(), ["ADDED o%02d" % i for i in range(n)])
            self.assertEqual([e["object"]["rows"][0]["object"]["metadata"]["name"] for e in table.wait(n)], ["o%02d" % i for i in range(n)])
            self.assertEqual([e["object"]["spec"]["hostPort"] for e in plain.wait(n)], ["h:%d" % i for i in range(n)])
            self.is_shared(n, len(watches) + 1)
            del self.hook.reviews[:]
            self.do(200, "DELETE", self.path("v1", "o00"))
            for w in watches:
                self.assertEqual((w.wait(n + 1)[n]["type"], w.events[n]["object"]["spec"]), ("DELETED", {"address": "h:0"}))
            self.assertEqual(self.converted(), 1)
            late = Watch(self.server, self.path("v2", query="?resourceVersion=" + plain.events[9]["object"]["metadata"]["resourceVersion"]))
            watches.append(late)
            self.assertEqual([e["object"]["spec"]["address"] for e in late.wait(n - 9)][:n - 10], ["h:%d" % i for i in range(10, n)])
        finally:
            for w in watches + [table, plain]:
                w.close()

    def test_a_slow_webhook_holds_its_watches_alone(self):
        self.make()
        now = self.do(200, "GET", self.path("v1"))["metadata"]["resourceVersion"]
        watches = [Watch(self.server, self.path("v2", query="?allowWatchBookmarks=true&timeoutSeconds=8&resourceVersion=" + now)), Watch(self.server, self.path("v2")),
                   Watch(self.server, self.path("v1"))]
        try:
            self.settled(watches)
            self.hook.gate = threading.Event()
            self.addCleanup(self.hook.gate.set)
            made = [self.add("v1", "o%02d" % i, "h:%d" % i)["metadata"]["resourceVersion"] for i in range(20)]
            watches[2].wait(20)
            until(lambda: self.hook.reviews)
            watches[0].join(60)  # its time is up
            self.assertTrue(watches[0].clean)
            for e in watches[0].events:  # of before at most: no bookmark comes before an event that waits
                self.assertEqual(e["type"], "BOOKMARK")
                self.assertLess(int(e["object"]["metadata"]["resourceVersion"]), int(made[0]))
            self.assertEqual(watches[1].events, [])
            self.hook.gate.set()
            self.assertEqual([e["object"]["spec"]["address"] for e in watches[1].wait(20)], ["h:%d" % i for i in range(20)])
            self.is_shared(20, 2)
            self.assertLessEqual(len(self.hook.reviews), 5)
        finally:
            for w in watches:
                w.close()

    def test_initial_events_are_converted_by_the_page(self):
        self.make()
        for i in range(30):
            self.add("v1", "o%02d" % i, "h:%d" % i)
        del self.hook.reviews[:]
        w = Watch(self.server, self.path("v2", query="?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"))
        try:
            self.assertEqual([e["object"]["spec"]["address"] for e in w.wait(31)[:30]], ["h:%d" % i for i in range(30)])
            self.assertEqual(w.events[30]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
            self.assertEqual([len(r["request"]["objects"]) for r in self.hook.reviews], [30])
        finally:
            w.close()

    def others(self, slow):
        """A few requests that have nothing to do with the webhook."""
        maps = "/api/v1/namespaces/default/configmaps"
        for i in range(10):
            name = "%s-%d" % (slow, i)
            self.do(201, "POST", maps, {"metadata": {"name": name}, "data": {"a": "b"}})
            self.do(200, "GET", maps + "/" + name)
            self.do(200, "PATCH", maps + "/" + name, {"data": {"a": "c"}}, {"Content-Type": "application/merge-patch+json"})
            self.do(200, "GET", maps + "?labelSelector=a%3Db")
            self.do(200, "GET", self.path("v1", "a", slow))

    def test_slow_webhook_disturbs_nobody(self):
        self.make()
        self.add("v1", "a", "h")
        slow, self.hook.gate, statuses = self.plural, threading.Event(), []
        self.addCleanup(self.hook.gate.set)

        def ask():
            conn = self.server.connection(60)
            statuses.append(self.server.request("GET", self.path("v2", "a", slow), conn=conn)[0])
            conn.close()
        threads = [threading.Thread(target=ask) for _ in range(2 * LIMITS["LIMIT_CONVERSION_THREADS_TYPE"])]
        for t in threads:
            t.start()
        until(lambda: len(self.hook.reviews) >= LIMITS["LIMIT_CONVERSION_THREADS_TYPE"])
        self.others(slow)
        self.assertEqual(statuses, [], "others waited for the webhook, or it was not slow enough for this test")
        self.hook.gate.set()
        for t in threads:
            t.join()
        self.assertEqual(statuses, [200] * len(threads))

    def test_storage_version_changes(self):
        self.make()
        self.add("v1", "a", "h:1")
        name = self.plural + "." + GROUP
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        crd = self.do(200, "GET", crds + name)
        self.assertEqual(crd["status"]["storedVersions"], ["v1"])
        crd = self.stored_as_v2()
        self.assertEqual(crd["status"]["storedVersions"], ["v1", "v2"])
        self.add("v2", "b", "h:2")
        del self.hook.reviews[:]
        self.assertEqual([o["spec"] for o in self.do(200, "GET", self.path("v2"))["items"]], [{"address": "h:1"}, {"address": "h:2"}])
        self.assertEqual([len(r["request"]["objects"]) for r in self.hook.reviews], [1])
        self.assertEqual(self.do(200, "GET", self.path("v2", "a"))["spec"], {"address": "h:1"})
        self.do(200, "PATCH", self.path("v2", "a"), {"spec": {"n": 5}}, {"Content-Type": "application/merge-patch+json"})
        del self.hook.reviews[:]
        self.do(200, "GET", self.path("v2", "a"))
        self.assertEqual(self.hook.reviews, [])

        def without_v1(o):
            o["spec"]["versions"] = [v for v in o["spec"]["versions"] if v["name"] == "v2"]
            o["spec"]["conversion"] = {"strategy": "None"}
        got = self.update(422, crds + name, without_v1)
        self.assertIn("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions", got["message"])
        now = self.update(200, crds + name + "/status", lambda o: o["status"].update(storedVersions=["v2"]))
        self.assertEqual(now["status"]["storedVersions"], ["v2"])
        self.update(200, crds + name, without_v1)
        self.assertEqual(self.do(200, "GET", self.path("v2", "b"))["spec"], {"address": "h:2"})

    def migrate(self, name, resource):
        path = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"
        self.do(201, "POST", path, {"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration", "metadata": {"name": name},
                                    "spec": {"resource": {"group": GROUP, "resource": resource}}})

        def ended():
            got = self.do(200, "GET", path + "/" + name)
            states = {c["type"]: c for c in got["status"].get("conditions") or []}
            return (got, states) if states.get("Running", {}).get("status") == "False" else None
        return until(ended, 120, 0.1)

    def test_migration(self):
        self.make()
        for i in range(25):
            self.add("v1", "o%02d" % i, "h:%d" % i)
        name = self.plural + "." + GROUP
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        self.stored_as_v2()
        self.add("v2", "new", "h")
        before = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in self.do(200, "GET", self.path("v2"))["items"]}
        _, states = self.migrate("m-" + self.plural, self.plural)
        self.assertEqual((states["Succeeded"]["status"], states["Succeeded"]["reason"], states["Succeeded"]["message"]),
                         ("True", "StorageVersionMigrationSucceeded", "Migration completed"))
        now = self.do(200, "GET", crds + name)
        self.assertEqual(now["status"]["storedVersions"], ["v2"])
        self.assertEqual([(c["status"], c["reason"]) for c in now["status"]["conditions"] if c["type"] == "StorageMigrating"],
                         [("False", "MigrationSucceeded")])
        del self.hook.reviews[:]
        items = self.do(200, "GET", self.path("v2"))["items"]
        self.assertEqual(self.hook.reviews, [], "something is still stored as v1")
        self.assertEqual([o["spec"]["address"] for o in items if o["metadata"]["name"] != "new"], ["h:%d" % i for i in range(25)])
        moved = {o["metadata"]["name"] for o in items if o["metadata"]["resourceVersion"] != before[o["metadata"]["name"]]}
        self.assertEqual(moved, set(before) - {"new"})
        self.assertEqual({o["metadata"]["generation"] for o in items}, {1})

    def test_migration_of_what_is_invalid_or_unknown(self):
        path = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"
        body = {"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration", "metadata": {"name": "bad" + self.plural},
                "spec": {"resource": {"group": "A_", "resource": "UPPER"}}}
        got = self.do(422, "POST", path, body)
        self.assertEqual([c["field"] for c in got["details"]["causes"]], ["spec.resource.resource", "spec.resource.group"])
        body["spec"] = {}
        got = self.do(422, "POST", path, body)
        self.assertIn("spec.resource.resource: Required value: resource is required to be set", got["message"])
        body["spec"] = {"resource": {"group": "none.example.com", "resource": "nones"}}
        got = self.do(201, "POST", path, body)
        self.assertEqual(got["status"], {})
        got["spec"]["resource"]["resource"] = "others"
        got = self.do(422, "PUT", path + "/bad" + self.plural, got)
        self.assertIn("field is immutable", got["message"])

    def ruled(self, rules, v1, v2, want=201, dry=False):
        version = lambda name, storage, spec: {"name": name, "served": True, "storage": storage, "schema": {
            "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}}}
        return self.do(want, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": self.plural + "." + GROUP, "annotations": {"coracle.dev/conversion": rules}},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": {"plural": self.plural, "kind": self.plural.capitalize()},
                     "versions": [version("v1", True, v1), version("v2", False, v2)]}})

    def test_rules(self):
        text, number = {"type": "string"}, {"type": "integer"}
        v1 = {"hostPort": text, "port": number, "color": {"type": "string", "enum": ["red", "green"]}}
        v2 = {"address": text, "ports": {"type": "array", "maxItems": 1, "items": number}, "color": {"type": "string", "enum": ["RED", "GREEN"]}}
        got = self.ruled("rules:\n- from: v1\n  to: v2\n  steps: []\n", v1, v2, 422)
        self.assertEqual({c["field"] for c in got["details"]["causes"]}, {"metadata.annotations[coracle.dev/conversion]"})
        self.assertIn(".spec.hostPort is lost", got["message"])
        rules = """
rules:
- from: v1
  to: v2
  steps:
  - move: {from: .spec.hostPort, to: .spec.address}
  - wrap: {from: .spec.port, to: .spec.ports}
  - values: {path: .spec.color, values: {red: RED, green: GREEN}}
lossy: {v2: [.spec.ports]}
"""
        self.ruled(rules, v1, v2)
        self.assertEqual(self.add("v1", "a", "h", port=1, color="red")["spec"], {"hostPort": "h", "port": 1, "color": "red"})
        self.assertEqual(self.do(200, "GET", self.path("v2", "a"))["spec"], {"address": "h", "ports": [1], "color": "RED"})
        self.assertEqual(self.add("v2", "b", "h", ports=[2], color="GREEN")["spec"], {"address": "h", "ports": [2], "color": "GREEN"})
        self.assertEqual(self.do(200, "GET", self.path("v1", "b"))["spec"], {"hostPort": "h", "port": 2, "color": "green"})
        got = self.do(200, "PATCH", self.path("v2", "a"), {"spec": {"ports": [3]}}, {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(got["spec"]["ports"], [3])
        self.assertEqual([o["spec"]["port"] for o in self.do(200, "GET", self.path("v1"))["items"]], [3, 2])
        self.assertEqual([o["spec"]["ports"] for o in self.do(200, "GET", self.path("v2"))["items"]], [[3], [2]])
        crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + self.plural + "." + GROUP
        other = rules.replace("red: RED, green: GREEN", "red: GREEN, green: RED")
        self.do(200, "PATCH", crd, {"metadata": {"annotations": {"coracle.dev/conversion": other}}}, {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(self.do(200, "GET", self.path("v2", "a"))["spec"]["color"], "GREEN")
        got = self.do(422, "PATCH", crd, {"metadata": {"annotations": {"coracle.dev/conversion": "rules: {"}}},
                      {"Content-Type": "application/merge-patch+json"})
        self.assertIn("metadata.annotations[coracle.dev/conversion]: Invalid value", got["message"])

    def test_validated_in_the_request_s_version(self):
        """What v2 says holds for writes in v2 alone, in its own fields; v1 is what is stored."""
        rules = "rules:\n- from: v1\n  to: v2\n  steps:\n  - move: {from: .spec.hostPort, to: .spec.address}\nlossy: {v2: [.spec.hostPort]}\n"
        self.ruled(rules, {"hostPort": {"type": "string"}}, {"address": {"type": "string", "maxLength": 3}})
        got = self.add("v2", "long", "long", 422)
        self.assertEqual([c["field"] for c in got["details"]["causes"]], ["spec.address"])
        self.add("v2", "a", "abc")
        self.add("v1", "b", "long")
        merge = {"Content-Type": "application/merge-patch+json"}
        got = self.do(422, "PATCH", self.path("v2", "a"), {"spec": {"address": "long"}}, merge)
        self.assertEqual([c["field"] for c in got["details"]["causes"]], ["spec.address"])
        self.assertEqual(self.do(200, "PATCH", self.path("v2", "b"), {"metadata": {"labels": {"a": "b"}}}, merge)["spec"], {"address": "long"})
        got = self.do(200, "PATCH", self.path("v1", "a"), {"spec": {"hostPort": "longer"}}, merge)
        self.assertEqual((got["spec"], got["metadata"]["generation"]), ({"hostPort": "longer"}, 2))
        apply = {"Content-Type": "application/apply-patch+yaml"}
        body = {"apiVersion": GROUP + "/v2", "kind": self.plural.capitalize(), "metadata": {"name": "c"}, "spec": {"address": "long"}}
        self.do(422, "PATCH", self.path("v2", "c", query="?fieldManager=m"), body, apply)
        body["spec"]["address"] = "abc"
        self.assertEqual(self.do(201, "PATCH", self.path("v2", "c", query="?fieldManager=m"), body, apply)["spec"], {"address": "abc"})

    def test_a_stored_version_nobody_knows_of(self):
        """status.storedVersions says that nothing is stored in v1 any more, but something is."""
        self.make()
        self.add("v1", "a", "h:1")
        name = self.plural + "." + GROUP
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        self.stored_as_v2()
        self.update(200, crds + name + "/status", lambda o: o["status"].update(storedVersions=["v2"]))
        got = self.do(200, "PATCH", self.path("v2", "a"), {"spec": {"n": 1}}, {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(got["spec"], {"address": "h:1", "n": 1})
        self.assertEqual(self.do(200, "GET", self.path("v2", "a"))["spec"], {"address": "h:1", "n": 1})

    def test_owners_of_other_versions(self):
        """An apply in the storage version needs the webhook when an owner speaks of another: it is begun anew where it may wait."""
        self.make()

        def apply(version, manager, want=200, **spec):
            body = {"apiVersion": GROUP + "/" + version, "kind": self.plural.capitalize(), "metadata": {"name": "a"}, "spec": spec}
            return self.do(want, "PATCH", self.path(version, "a", query="?fieldManager=" + manager), body,
                           {"Content-Type": "application/apply-patch+yaml"})
        apply("v1", "m1", 201, hostPort="h:1")
        apply("v2", "m2", n=4)
        self.assertEqual(apply("v1", "m1", hostPort="h:2")["spec"], {"hostPort": "h:2", "n": 4})
        self.assertEqual(apply("v2", "m2", 409, address="h:9")["details"]["causes"][0]["field"], ".spec.hostPort")
        self.assertEqual(apply("v1", "m1")["spec"], {"n": 4})
        got = self.do(200, "PATCH", self.path("v1", "a"), {"spec": {"n": 5}}, {"Content-Type": "application/merge-patch+json"})
        owners = {(f["manager"], f["apiVersion"]) for f in got["metadata"]["managedFields"]}
        self.assertNotIn(("m2", GROUP + "/v2"), owners)

    def test_metrics(self):
        self.make()
        self.add("v2", "a", "h")
        text = self.server.request("GET", "/metrics", headers={"Accept": "text/plain"})[2]
        text = text if isinstance(text, str) else text.decode()
        self.assertIn('apiserver_conversion_webhook_request_total{result="success",failure_type=""}', text)
        self.assertIn('apiserver_crd_conversion_webhook_duration_seconds_count{crd_name="%s.%s"' % (self.plural, GROUP), text)

    def test_stops_while_a_webhook_is_slow(self):
        server = Kept(preset=PRESET).start()
        try:
            server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(self.plural, self.hook))
            server.request("POST", self.path("v1"), self.obj("v1", "a", "h"))
            del self.hook.reviews[:]
            self.hook.gate = threading.Event()
            self.addCleanup(self.hook.gate.set)
            t = threading.Thread(target=lambda: self.quiet(server))
            t.start()
            until(lambda: self.hook.reviews)
            began = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - began, 25)
            self.hook.gate.set()
            t.join()
        finally:
            server.stop()

    def quiet(self, server):
        try:
            server.request("GET", self.path("v2", "a"))
        except Exception:
            pass


if __name__ == "__main__":
    unittest.main()
