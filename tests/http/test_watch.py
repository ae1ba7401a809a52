# SPDX-License-Identifier: Apache-2.0
"""Watches: at once, complete, from every revision, over both HTTP versions."""
import json, os, socket, struct, subprocess, threading, time

import support
from lib.server import binary
from support import LIMITS, Case, Http2Watch, Watch, configmap, metrics, until

BOTH = [Watch, Http2Watch]
AT_ONCE = 20  # seconds: long before a bookmark or a keep-alive would find a peer gone, on a machine under load too


def gauge(server):
    return sum(v for k, v in metrics(server).items() if k.startswith("apiserver_longrunning_requests{"))


class Watches(Case):
    def present(self):
        return int(self.server.get(self.configmaps)[2]["metadata"]["resourceVersion"])

    def at_once(self, kind):
        w = kind(self.server, self.configmaps + "?watch=true&resourceVersion=%d" % self.present())
        conn = self.server.connection()
        until(lambda: gauge(self.server) >= 1)
        delays = []
        for k in range(120):
            body = json.dumps(configmap("c%d" % k))
            status, _, made = self.server.post(self.configmaps, body, conn=conn)
            answered = time.monotonic()
            self.assertEqual(status, 201, made)
            w.wait(k + 1)
            delays.append(w.times[k] - answered)
            self.assertEqual(w.events[k]["object"], made)
            if k >= 11 and min(delays) < 0.1:
                break
        conn.close()
        w.close()
        # On a loaded machine any of them may come late, even a dozen, but not all. Each write follows the event before it: were events looked for now and then,
        # every one would wait a whole turn.
        self.assertLess(min(delays), 0.1, delays)

    def test_events_come_at_once(self):
        self.at_once(Watch)

    def test_events_come_at_once_over_http2(self):
        self.at_once(Http2Watch)

    def test_headers_come_before_the_first_event(self):
        w = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.present())  # has read the head
        self.assertEqual((w.answer.header("transfer-encoding") or "").lower(), "chunked")
        self.assertEqual(w.answer.header("content-type"), "application/json")
        self.assertEqual(w.events, [])
        w.close()

    def test_the_initial_state_comes_first(self):
        for k in range(30):
            self.make("c%02d" % k)
        for query in ("", "?resourceVersion=0"):
            w = Watch(self.server, self.configmaps + query)
            w.wait(30)
            self.assertEqual(w.short(), ["ADDED c%02d" % k for k in range(30)])
            self.make("later")
            self.assertEqual(w.wait(31)[30]["object"]["metadata"]["name"], "later")
            w.close()
            self.server.request("DELETE", self.configmaps + "/later")

    def gone_at_once(self, close, kind=Watch):
        before = gauge(self.server)
        watches = [kind(self.server, self.configmaps + "?watch=true") for _ in range(5)]
        until(lambda: gauge(self.server) >= before + 5)
        for w in watches:
            close(w)
        until(lambda: gauge(self.server) <= before, AT_ONCE, 0.02)
        until(lambda: metrics(self.server)["coracle_watchers"] <= self.idle_watchers, AT_ONCE)

    def setUp(self):
        super().setUp()
        until(lambda: gauge(self.server) == 0)
        self.idle_watchers = metrics(self.server)["coracle_watchers"]

    def test_peer_that_goes_is_noticed(self):
        self.gone_at_once(Watch.close)

    def test_peer_that_is_reset_is_noticed(self):
        def reset(w):
            w.raw.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            w.raw.close()
        self.gone_at_once(reset, lambda server, path: Watch(server, path, start=False))

    def test_peer_that_goes_is_noticed_over_http2(self):
        self.gone_at_once(Http2Watch.close, Http2Watch)

    def history(self):
        """Writes in this namespace; gives what a watch from before them sees: [(revision, "TYPE name", data)]."""
        seen = []
        for k in range(24):
            name = "h%d" % (k % 7)
            if k in (10, 18):
                status, _, body = self.server.request("DELETE", self.configmaps + "/" + name)
                self.assertEqual(status, 200, body)
                seen.append((self.present(), "DELETED " + name, None))
                continue
            status, _, body = self.server.get(self.configmaps + "/" + name)
            if status == 404:
                made = self.make(name, {"k": str(k)})
                seen.append((self.rev(made), "ADDED " + name, {"k": str(k)}))
            else:
                body["data"] = {"k": str(k)}
                status, _, body = self.server.request("PUT", self.configmaps + "/" + name, body)
                self.assertEqual(status, 200, body)
                seen.append((self.rev(body), "MODIFIED " + name, {"k": str(k)}))
            if k % 3 == 0:
                self.make("elsewhere%d" % k, ns="default")  # revisions between that are not of this namespace
        return seen

    def tearDown(self):
        for o in self.server.get("/api/v1/namespaces/default/configmaps")[2]["items"]:
            self.server.request("DELETE", "/api/v1/namespaces/default/configmaps/" + o["metadata"]["name"])
        super().tearDown()

    def test_resume_from_every_revision(self):
        first = self.present()
        seen = self.history()
        last = self.present()
        # The past, and then the present: each watch gets this one as well.
        watches = [(rev, Watch(self.server, self.configmaps + "?resourceVersion=%d" % rev)) for rev in range(first, last + 1)]
        end = self.make("end")
        for rev, w in watches:
            wanted = [(r, t, d) for r, t, d in seen if r > rev] + [(self.rev(end), "ADDED end", {})]
            w.wait(len(wanted))
            got = [(self.rev(e["object"]), "%s %s" % (e["type"], e["object"]["metadata"]["name"]),
                    None if e["type"] == "DELETED" else e["object"].get("data", {})) for e in w.events]
            self.assertEqual(got, wanted, "from %d" % rev)
            w.close()

    def test_resume_over_http2(self):
        first = self.present()
        seen = self.history()
        for rev in (first, seen[5][0], seen[-1][0] - 1):
            wanted = [t for r, t, _ in seen if r > rev]
            for seconds in (1, 4, 16):  # a server that stands still until the time is up ends the watch before it has told all
                w = Http2Watch(self.server, self.configmaps + "?watch=true&timeoutSeconds=%d&resourceVersion=%d" % (seconds, rev))
                w.join(60)
                self.assertTrue(w.clean, w.error)
                w.close()
                self.assertEqual(w.short(), wanted[:len(w.events)])
                if len(w.events) == len(wanted):
                    break
            self.assertEqual(w.short(), wanted)

    def test_resume_while_writes_go_on(self):
        """A list and the watch from its revision together never miss or repeat anything."""
        stop, problems = threading.Event(), []

        def write(n):
            conn, k = self.server.connection(), 0
            while not stop.is_set():
                k += 1
                name = "w%d-%d" % (n, k % 10)
                status, _, body = self.server.request("PUT", self.configmaps + "/" + name, configmap(name, {"k": str(k)}), conn=conn)
                if status == 404:
                    status, _, body = self.server.post(self.configmaps, configmap(name, {"k": str(k)}), conn=conn)
                elif k % 5 == 0:
                    status, _, body = self.server.request("DELETE", self.configmaps + "/" + name, conn=conn)
                if status not in (200, 201):
                    problems.append(body)
            conn.close()
        threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        watches = []
        for _ in range(12):
            listed = self.server.get(self.configmaps)[2]
            watches.append((listed, Watch(self.server, self.configmaps + "?resourceVersion=" + listed["metadata"]["resourceVersion"])))
            time.sleep(0.05)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])
        end = self.make("end")
        wanted = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in self.server.get(self.configmaps)[2]["items"]}
        for listed, w in watches:
            until(lambda: w.events and w.events[-1]["object"]["metadata"]["name"] == "end")
            state = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in listed["items"]}
            last = int(listed["metadata"]["resourceVersion"])
            for e in w.events:
                o = e["object"]["metadata"]
                self.assertGreater(int(o["resourceVersion"]), last)
                last = int(o["resourceVersion"])
                self.assertEqual(e["type"] == "ADDED", o["name"] not in state, e["type"])
                if e["type"] == "DELETED":
                    del state[o["name"]]
                else:
                    state[o["name"]] = o["resourceVersion"]
            self.assertEqual(state, wanted)
            w.close()

    def test_timeout_ends_cleanly(self):
        for kind in BOTH:
            begun = time.monotonic()
            w = kind(self.server, self.configmaps + "?watch=true&timeoutSeconds=1")
            w.join(60)
            self.assertFalse(w.is_alive())
            self.assertGreater(time.monotonic() - begun, 0.9)
            self.assertTrue(w.clean, w.error)
            if kind is Watch:
                w.raw.head("GET", "/version")  # the connection is good for more
                self.assertEqual(w.raw.read().status, 200)
            w.raw.close()

    def test_bookmarks(self):
        rev = self.present()
        self.make("noise", ns="default")
        for seconds in (4, 8, 16):  # 2 s before the end one is due, unless the server stands still until then
            w = Watch(self.server, self.configmaps + "?allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%d" % (seconds, rev))
            w.join(60)
            self.assertTrue(w.clean)
            marks = [e for e in w.events if e["type"] == "BOOKMARK"]
            if marks:
                break
            w.raw.close()
        self.assertTrue(marks, "none came before the end")
        mark = marks[-1]["object"]
        self.assertEqual((mark["kind"], mark["apiVersion"]), ("ConfigMap", "v1"))
        self.assertGreater(self.rev(mark), rev)  # what happened elsewhere has moved it on
        self.assertEqual([e for e in w.events if e["type"] != "BOOKMARK"], [])
        w.raw.close()
        self.make("after")
        again = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.rev(mark))
        self.assertEqual(again.wait(1)[0]["object"]["metadata"]["name"], "after")
        again.close()

    def test_no_bookmarks_unasked(self):
        w = Watch(self.server, self.configmaps + "?timeoutSeconds=1&resourceVersion=%d" % self.present())
        self.make("noise", ns="default")
        w.join(60)
        self.assertEqual((w.clean, w.events), (True, []))
        w.raw.close()

    def test_initial_events(self):
        for k in range(3):
            self.make("c%d" % k)
        w = Watch(self.server, self.configmaps + "?sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=")
        w.wait(4)
        self.assertEqual([e["type"] for e in w.events], ["ADDED"] * 3 + ["BOOKMARK"])
        self.assertEqual(w.events[3]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        w.close()

    def watch_list(self, more="", headers=()):
        return Watch(self.server, self.configmaps + "?sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan" + more, headers)

    def test_watch_list_while_writes_go_on(self):
        """What comes before the bookmark is the state at its revision, exactly; what comes after it is what happened since."""
        stop, problems = threading.Event(), []

        def write(n):
            conn, k = self.server.connection(), 0
            while not stop.is_set():
                k += 1
                name = "w%d-%02d" % (n, k % 25)
                status, _, body = self.server.request("PUT", self.configmaps + "/" + name, configmap(name, {"k": str(k)}), conn=conn)
                if status == 404:
                    status, _, body = self.server.post(self.configmaps, configmap(name, {"k": str(k)}), conn=conn)
                elif k % 7 == 0:
                    status, _, body = self.server.request("DELETE", self.configmaps + "/" + name, conn=conn)
                if status not in (200, 201):
                    problems.append(body)
            conn.close()
        begin = self.present()
        ledger = Watch(self.server, self.configmaps + "?resourceVersion=%d" % begin)
        threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        watches = []
        for _ in range(10):
            time.sleep(0.06)
            watches.append(self.watch_list())
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(problems, [])
        self.make("end")
        for w in watches + [ledger]:
            until(lambda: w.events and w.events[-1]["object"]["metadata"].get("name") == "end")
        for w in watches:
            at = next(i for i, e in enumerate(w.events) if e["type"] == "BOOKMARK")
            mark = self.rev(w.events[at]["object"])
            self.assertEqual(w.events[at]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
            state = {}
            for e in ledger.events:
                o = e["object"]["metadata"]
                if int(o["resourceVersion"]) <= mark:
                    state[o["name"]] = o["resourceVersion"]
                    if e["type"] == "DELETED":
                        del state[o["name"]]
            initial = {e["object"]["metadata"]["name"]: e["object"]["metadata"]["resourceVersion"] for e in w.events[:at]}
            self.assertEqual({e["type"] for e in w.events[:at]} - {"ADDED"}, set())
            self.assertEqual((len(initial), initial), (at, state))
            self.assertEqual([(e["type"], self.rev(e["object"])) for e in w.events[at + 1:]],
                             [(e["type"], self.rev(e["object"])) for e in ledger.events if self.rev(e["object"]) > mark])
            w.close()
        ledger.close()

    def test_watch_list_of_few(self):
        self.make("a", labels={"x": "y"})
        self.make("b")
        w = self.watch_list("&labelSelector=x%3Dy")
        w.wait(2)
        self.assertEqual([(e["type"], e["object"]["metadata"].get("name")) for e in w.events], [("ADDED", "a"), ("BOOKMARK", None)])
        w.close()

    def test_watch_list_that_is_refused(self):
        """As in the reference's validation."""
        now = self.present()
        for query in ("sendInitialEvents=true", "sendInitialEvents=false", "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=%d" % now,
                      "sendInitialEvents=true&resourceVersionMatch=Bogus", "resourceVersionMatch=NotOlderThan", "resourceVersionMatch=Exact&resourceVersion=%d" % now):
            answer = self.server.get(self.configmaps + "?watch=true&" + query)
            self.assertStatus(answer, 422, "Invalid")
        self.assertStatus(self.server.get(self.configmaps + "?sendInitialEvents=true&resourceVersionMatch=NotOlderThan"), 422, "Invalid")  # a list

    def test_bookmarks_of_tables(self):
        self.make("a", {"k": "v"})
        for include, kind in (("", "PartialObjectMetadata"), ("Metadata", "PartialObjectMetadata"), ("None", "PartialObjectMetadata"), ("Object", "ConfigMap")):
            w = self.watch_list("&includeObject=" + include if include else "", [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")])
            mark = w.wait(2)[1]
            rows = mark["object"]["rows"]
            self.assertEqual((mark["type"], mark["object"]["kind"], len(rows), rows[0]["object"]["kind"]), ("BOOKMARK", "Table", 1, kind))
            self.assertEqual(rows[0]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
            self.assertEqual(rows[0]["object"]["metadata"]["resourceVersion"], mark["object"]["metadata"]["resourceVersion"])
            self.assertEqual(rows[0]["cells"], ["", 0, "<unknown>"])
            self.assertFalse(mark["object"].get("columnDefinitions"))
            w.close()

    def test_the_first_bookmark_of_a_table_has_the_columns(self):
        w = self.watch_list("", [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")])
        mark = w.wait(1)[0]
        self.assertEqual((mark["type"], [c["name"] for c in mark["object"]["columnDefinitions"]]), ("BOOKMARK", ["Name", "Data", "Age"]))
        w.close()

    def test_many_watchers_see_everything(self):
        """The short form of the load test: idle watches, busy ones that stand still for a while, over both HTTP versions."""
        program = os.path.join(os.path.dirname(binary(support.PRESET)), "watchers")
        if not os.path.exists(program):
            self.skipTest("no " + program)
        common = [program, "--url", self.server.url, "--token", self.server.token, "--pid", str(self.server.process.pid)]
        for flags in (["--watchers", "300", "--idle", "1"],
                      ["--watchers", "200", "--events", "50", "--seconds", "4", "--gets", "20", "--size", "1500", "--pause", "50", "--pause-s", "2"],
                      ["--watchers", "200", "--streams", "50", "--events", "20", "--seconds", "2"],
                      ["--watchers", "20", "--events", "40", "--seconds", "4", "--size", "100000", "--pause", "10", "--pause-s", "2"]):
            p = subprocess.run(common + flags, capture_output=True, text=True, timeout=600)
            self.assertEqual(p.returncode, 0, "%s: %s %s" % (flags, p.stdout, p.stderr))

    def test_a_reader_that_is_lapped(self):
        """More comes meanwhile than the ring holds: the rest is read from the store's log."""
        behind = metrics(self.server)["coracle_watch_behind_total"]
        w = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.present(), start=False)
        body, conn = "x" * 1000000, self.server.connection()
        n = LIMITS["LIMIT_WATCH_RING_BYTES"] // len(body) + 20
        for k in range(n):
            status, _, made = self.server.post(self.configmaps, configmap("c%d" % k, {"k": body}), conn=conn)
            self.assertEqual(status, 201)
        conn.close()
        w.start()
        w.wait(n, 120)
        self.assertEqual(w.short(), ["ADDED c%d" % k for k in range(n)])
        self.assertGreater(metrics(self.server)["coracle_watch_behind_total"], behind)
        w.close()
        self.assertEqual(self.server.request("DELETE", self.configmaps)[0], 200)  # other tests list everything

    def test_selector_transitions(self):
        rev = self.present()
        for kind in BOTH:
            w = kind(self.server, self.configmaps + "?watch=true&labelSelector=side%%3Din&resourceVersion=%d" % rev)
            if kind is BOTH[0]:
                self.make("t", {"k": "1"}, labels={"side": "out"})
                for side, data in (("in", "2"), ("in", "3"), ("out", "4"), ("out", "5"), ("in", "6")):
                    patch = {"metadata": {"labels": {"side": side}}, "data": {"k": data}}
                    status, _, body = self.server.request("PATCH", self.configmaps + "/t", patch, {"Content-Type": "application/merge-patch+json"})
                    self.assertEqual(status, 200, body)
                    if data == "4":
                        left = self.rev(body)
                self.server.request("DELETE", self.configmaps + "/t")
            w.wait(5)
            self.assertEqual([(e["type"], e["object"]["data"]["k"]) for e in w.events],
                             [("ADDED", "2"), ("MODIFIED", "3"), ("DELETED", "3"), ("ADDED", "6"), ("DELETED", "6")])
            self.assertEqual(self.rev(w.events[2]["object"]), left)  # old content, the revision at which it left
            w.close()

    def test_field_selector(self):
        w = Watch(self.server, self.configmaps + "?fieldSelector=metadata.name%3Dmine")
        self.make("other")
        self.make("mine")
        self.server.request("DELETE", self.configmaps + "/other")
        self.server.request("DELETE", self.configmaps + "/mine")
        w.wait(2)
        self.assertEqual(w.short(), ["ADDED mine", "DELETED mine"])
        w.close()

    def test_legacy_paths(self):
        made = self.make("one")
        for path in ("/api/v1/watch/namespaces/%s/configmaps" % self.ns, "/api/v1/watch/namespaces/%s/configmaps/one" % self.ns, "/api/v1/watch/configmaps"):
            w = Watch(self.server, path + "?timeoutSeconds=30&fieldSelector=metadata.name%3Done")
            until(lambda: ("ADDED", made["metadata"]["uid"]) in [(e["type"], e["object"]["metadata"]["uid"]) for e in w.events])
            w.close()

    def test_the_future_is_silent(self):
        w = Watch(self.server, self.configmaps + "?timeoutSeconds=1&resourceVersion=%d" % (self.present() + 100000))
        self.make("now")
        w.join(60)
        self.assertEqual((w.clean, w.events), (True, []))
        w.raw.close()

    def test_tables(self):
        w = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.present(), [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")])
        self.make("a", {"k": "v"})
        self.make("b")
        first, second = w.wait(2)[:2]
        self.assertEqual((first["object"]["kind"], len(first["object"]["rows"])), ("Table", 1))
        self.assertEqual([c["name"] for c in first["object"]["columnDefinitions"]], ["Name", "Data", "Age"])
        self.assertFalse(second["object"].get("columnDefinitions"))  # only once
        w.close()

    def test_partial_objects(self):
        w = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.present(), [("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")])
        self.make("a", {"k": "v"}, labels={"x": "y"})
        o = w.wait(1)[0]["object"]
        self.assertEqual((o["kind"], o["metadata"]["labels"], "data" in o), ("PartialObjectMetadata", {"x": "y"}, False))
        w.close()

    def test_a_slow_reader_gets_everything(self):
        """It stands still while far more is written than its connection holds, and then reads on."""
        w = Watch(self.server, self.configmaps + "?resourceVersion=%d" % self.present(), start=False)
        conn = self.server.connection()
        for k in range(120):
            status, _, body = self.server.post(self.configmaps, configmap("c%d" % k, {"k": "x" * 50000}), conn=conn)
            self.assertEqual(status, 201)
        conn.close()
        w.start()
        w.wait(120)
        self.assertEqual(w.short(), ["ADDED c%d" % k for k in range(120)])
        w.close()

    def test_many_watchers_one_event(self):
        path = self.configmaps + "?resourceVersion=%d" % self.present()
        watches = [Watch(self.server, path) for _ in range(50)]
        made = self.make("a")
        for w in watches:
            self.assertEqual(w.wait(1)[0], {"type": "ADDED", "object": made})
        for w in watches:
            w.close()

    def test_of_a_type_that_goes(self):
        group = "goes.black.box"
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things." + group},
               "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
                        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        path = "/apis/%s/v1/namespaces/%s/things" % (group, self.ns)
        self.assertEqual(self.server.post(crds, crd)[0], 201)
        self.assertEqual(self.server.post(path, {"apiVersion": group + "/v1", "kind": "Thing", "metadata": {"name": "x"}})[0], 201)
        w = Watch(self.server, path)
        w.wait(1)
        self.assertEqual(self.server.request("DELETE", crds + "/things." + group)[0], 200)
        w.join(60)
        self.assertFalse(w.is_alive(), "a watch of a type that is no more goes on")
        self.assertEqual(w.short()[:2], ["ADDED x", "DELETED x"])
        w.raw.close()
        until(lambda: self.server.get(path)[0] == 404)
