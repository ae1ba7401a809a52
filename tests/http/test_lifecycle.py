# SPDX-License-Identifier: Apache-2.0
"""Stopping, starting again, being killed: what was acknowledged is there."""
import json, os, random, signal, sqlite3, subprocess, time, unittest

import support
from ledger import Writer, verify
from lib.server import Server, binary
from support import CONFIGMAPS, Http2Watch, Kept, Raw, Watch, configmap, metrics, until

CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "lasting.black.box"},
       "spec": {"group": "black.box", "scope": "Namespaced", "names": {"plural": "lasting", "singular": "lasting", "kind": "Lasting"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"n": {"type": "integer", "default": 5}}}}}}}]}}


class Lifecycle(unittest.TestCase):
    def server(self, cls=Kept, **kw):
        s = cls(preset=support.PRESET, **kw)
        self.addCleanup(self.dispose, s)
        return s

    def dispose(self, s):
        import shutil
        s.stop(signal.SIGKILL)
        shutil.rmtree(s.dir, ignore_errors=True)

    def ends_well(self, s, seconds=50):
        begun = time.monotonic()
        self.assertEqual(s.stop(), 0, s.stderr()[-3000:])
        self.assertLess(time.monotonic() - begun, seconds)
        self.assertNotIn("Sanitizer", s.stderr())

    def test_stop_with_watches_and_writes(self):
        s = self.server().start()
        self.assertEqual(s.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)[0], 201)
        watches = [Watch(s, CONFIGMAPS % "default") for _ in range(10)] + [Http2Watch(s, CONFIGMAPS % "default" + "?watch=true"), Watch(s, "/api/v1/namespaces"), Watch(s, "/apis/black.box/v1/lasting")]
        idle = [Raw(s) for _ in range(5)]
        writers = [Writer(s, "default", n) for n in range(6)]
        for w in writers:
            w.start()
        until(lambda: all(w.acked > 5 for w in writers))
        s.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        for w in watches:
            w.join(60)
            self.assertTrue(w.clean, "a watch was cut off: %s" % w.error)
        for w in writers:
            w.join(60)
            self.assertIsNone(w.problem)
        self.assertEqual(s.process.wait(60), 0)
        took = time.monotonic() - begun
        self.ends_well(s)
        self.assertLess(took, 50)
        for r in idle:
            r.close()
        # Every write that was answered was seen by every watch, in the one order, and is there.
        events = [(int(e["object"]["metadata"]["resourceVersion"]), e["object"]["metadata"]["name"], e["object"]["data"]["v"])
                  for e in watches[0].events if e["type"] != "DELETED" and e["object"]["metadata"]["name"].startswith("w")]
        last = max(r for r, _, _ in events)
        acked = {row for w in writers for row in w.order if row[0]}
        self.assertLessEqual({row for row in acked if row[0] <= last}, set(events))
        self.assertEqual([r for r, _, _ in events], sorted(r for r, _, _ in events))
        s.start()
        known = {}
        for w in writers:
            known.update(w.known)
        self.assertEqual(verify(s, "default", known), [])
        # What was answered after the watches' end is what a watch from there on gives.
        w = Watch(s, CONFIGMAPS % "default" + "?resourceVersion=%d" % last)
        rest = {row for row in acked if row[0] > last}
        until(lambda: rest <= {(int(e["object"]["metadata"]["resourceVersion"]), e["object"]["metadata"]["name"], e["object"]["data"]["v"]) for e in w.events})
        w.close()
        self.ends_well(s)

    def test_a_request_in_flight_is_answered(self):
        s = self.server().start()
        body = json.dumps(configmap("flight", {"k": "v" * 500000})).encode()  # so much is counted
        with Raw(s) as r, Raw(s) as idle:
            idle.head("GET", "/version").read()
            r.head("POST", CONFIGMAPS % "default", [("Content-Type", "application/json"), ("Content-Length", len(body))]).send(body[:-1])
            until(lambda: metrics(s)["coracle_http_body_bytes"] > 0)
            s.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(s.process.poll(), "it did not wait for the request")
            self.assertTrue(idle.ends())
            r.send(body[-1:])
            a = r.read()
            self.assertEqual(a.status, 201, a)
            self.assertEqual((a.header("connection") or "").lower(), "close")
        self.ends_well(s)

    def test_a_peer_that_says_nothing_more_does_not_hold_the_stop_for_ever(self):
        s = self.server().start()
        r = Raw(s)
        r.head("POST", CONFIGMAPS % "default", [("Content-Type", "application/json"), ("Content-Length", "100")]).send("{")
        handshake = Raw(s, tls=False)
        time.sleep(0.2)
        self.ends_well(s)
        r.close()
        handshake.close()

    def test_signals(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            s = self.server().start()
            self.assertEqual(s.stop(sig), 0)
        s = self.server(level="info").start()
        s.process.send_signal(signal.SIGTERM)
        s.process.send_signal(signal.SIGTERM)  # an impatient one
        s.process.send_signal(signal.SIGHUP)
        self.ends_well(s)
        self.assertIn("stopped", s.stderr())

    def test_second_server_is_refused(self):
        s = self.server().start()
        key = open(s.data + "/pki/server.key").read()
        before = {f: os.stat(os.path.join(s.data, "pki", f)).st_mtime_ns for f in os.listdir(s.data + "/pki")}
        for _ in range(2):
            p = subprocess.run([binary(support.PRESET), "serve", "--data", s.data, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=120)
            self.assertEqual(p.returncode, 1, p.stderr)
            self.assertIn("is in use by process %d" % s.process.pid, p.stderr)
            self.assertIn(s.data, p.stderr)
        # And it touched nothing of the first one's.
        self.assertEqual(open(s.data + "/pki/server.key").read(), key)
        self.assertEqual({f: os.stat(os.path.join(s.data, "pki", f)).st_mtime_ns for f in os.listdir(s.data + "/pki")}, before)
        self.assertEqual(s.get("/api/v1/namespaces")[0], 200)
        self.ends_well(s)

    PATHS = ("/api/v1/namespaces", CONFIGMAPS % "default", "/api/v1/secrets", "/api/v1/serviceaccounts",
             "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/black.box/v1/namespaces/default/lasting")

    def restart_keeps_everything(self, sig):
        s, path = self.server().start(), CONFIGMAPS % "default"
        made = [s.post(path, configmap("c%d" % k, {"k": str(k)}))[2] for k in range(20)]
        s.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        status, _, custom = s.post(self.PATHS[-1], {"apiVersion": "black.box/v1", "kind": "Lasting", "metadata": {"name": "one"}, "spec": {}})
        self.assertEqual((status, custom["spec"]), (201, {"n": 5}))
        mark = int(s.get(path)[2]["metadata"]["resourceVersion"])
        for k in range(5):
            s.request("PUT", path + "/c%d" % k, configmap("c%d" % k, {"k": "changed"}))
        s.request("DELETE", path + "/c19")
        page = s.get(path + "?limit=3")[2]
        conditions = lambda: s.get(self.PATHS[4])[2]["items"][0].get("status", {}).get("conditions") or []  # null at first
        until(lambda: [c for c in conditions() if (c["type"], c["status"]) == ("Established", "True")])  # its controller writes no more
        before, discovery = {p: s.get(p)[2] for p in self.PATHS}, s.get("/apis")[2]
        certificate = open(s.data + "/pki/server.crt").read()
        self.assertEqual(s.stop(sig), 0 if sig == signal.SIGTERM else -sig)
        s.start()
        for p in self.PATHS:
            now = s.get(p)[2]
            self.assertEqual(now["items"], before[p]["items"], p)  # uids, revisions, times
            self.assertGreaterEqual(int(now["metadata"]["resourceVersion"]), int(before[p]["metadata"]["resourceVersion"]))
        self.assertEqual(open(s.data + "/pki/server.crt").read(), certificate)
        self.assertEqual(s.get("/apis")[2], discovery)
        # From before the stop on: what came between, and what comes now.
        w = Watch(s, path + "?resourceVersion=%d" % mark)
        w.wait(6)
        self.assertEqual(w.short(), ["MODIFIED c%d" % k for k in range(5)] + ["DELETED c19"])
        new = s.post(path, configmap("later"))[2]
        self.assertGreater(int(new["metadata"]["resourceVersion"]), int(before[path]["metadata"]["resourceVersion"]))
        self.assertEqual(w.wait(7)[6]["object"], new)
        w.close()
        # A page's continuation and a list at an old revision too.
        rest = s.get(path + "?continue=" + page["metadata"]["continue"])[2]
        self.assertEqual(page["items"] + rest["items"], before[path]["items"])
        exact = s.get(path + "?resourceVersionMatch=Exact&resourceVersion=%d" % mark)[2]
        self.assertEqual([(o["metadata"], o["data"]) for o in exact["items"]],
                         sorted(((o["metadata"], o["data"]) for o in made), key=lambda x: x[0]["name"]))
        self.ends_well(s)

    def test_restart_keeps_everything(self):
        self.restart_keeps_everything(signal.SIGTERM)

    def test_restart_after_a_kill_keeps_everything(self):
        self.restart_keeps_everything(signal.SIGKILL)

    def test_beneath_the_floor(self):
        s = self.server().start()
        for k in range(10):
            s.post(CONFIGMAPS % "default", configmap("c%d" % k))
        page = s.get(CONFIGMAPS % "default" + "?limit=3")[2]
        for k in range(10):
            s.request("PUT", CONFIGMAPS % "default" + "/c%d" % k, configmap("c%d" % k, {"k": "2"}))
        floor = int(s.get(CONFIGMAPS % "default")[2]["metadata"]["resourceVersion"]) - 3
        self.ends_well(s)
        db = sqlite3.connect(s.data + "/store/store.db")
        with db:
            rows = db.execute("UPDATE meta SET value = ? WHERE CAST(name AS TEXT) = 'floor'", (floor,)).rowcount
            if not rows:
                db.execute("INSERT INTO meta(name, value) VALUES(CAST('floor' AS BLOB), ?)", (floor,))
        db.close()
        s.start()
        for rev in (1, floor - 1):
            with Raw(s) as r:
                a = r.head("GET", CONFIGMAPS % "default" + "?watch=true&resourceVersion=%d" % rev).read()
            lines = [json.loads(l) for l in a.body.splitlines()]
            self.assertEqual((a.status, len(lines), lines[0]["type"]), (200, 1, "ERROR"))
            self.assertEqual((lines[0]["object"]["code"], lines[0]["object"]["reason"]), (410, "Expired"))
            status, _, body = s.get(CONFIGMAPS % "default" + "?resourceVersionMatch=Exact&resourceVersion=%d" % rev)
            self.assertEqual((status, body["reason"]), (410, "Expired"))
        status, _, body = s.get(CONFIGMAPS % "default" + "?limit=3&continue=" + page["metadata"]["continue"])
        self.assertEqual((status, body["reason"]), (410, "Expired"))
        w = Watch(s, CONFIGMAPS % "default" + "?resourceVersion=%d" % floor)
        w.wait(3)
        self.assertEqual(w.short(), ["MODIFIED c7", "MODIFIED c8", "MODIFIED c9"])
        w.close()
        self.assertEqual(len(s.get(CONFIGMAPS % "default")[2]["items"]), 10)  # what is current is never history
        self.ends_well(s)

    def test_killed_at_random(self):
        """Ten rounds (CORACLE_CRASH_ROUNDS sets how many) of kill -9 beneath concurrent writers."""
        rounds, seed = int(os.environ.get("CORACLE_CRASH_ROUNDS", 10)), int(os.environ.get("CORACLE_CRASH_SEED", time.time()))
        s, known, total, chance = self.server().start(), {}, 0, random.Random(seed)
        for number in range(rounds):
            first = int(s.get("/api/v1/namespaces/default/configmaps")[2]["metadata"]["resourceVersion"])
            writers = [Writer(s, "default", n, {k: v for k, v in known.items() if k.startswith("w%d-" % n)}, seed + number) for n in range(6)]
            for w in writers:
                w.start()
            until(lambda: all(w.acked for w in writers))
            time.sleep(chance.random() * 0.5)
            s.process.send_signal(signal.SIGKILL)
            for w in writers:
                w.join(60)
                self.assertIsNone(w.problem)
            s.stop(signal.SIGKILL)
            s.start()
            for w in writers:
                known.update(w.known)
                total += w.acked
            self.assertEqual(verify(s, "default", known), [], "round %d, seed %d" % (number, seed))
            # The history is there as well: each acknowledged write at its revision.
            w = Watch(s, CONFIGMAPS % "default" + "?resourceVersion=%d" % first)
            wanted = sorted((rev, name, value) for x in writers for rev, name, value in x.order if rev)
            until(lambda: w.events and int(w.events[-1]["object"]["metadata"]["resourceVersion"]) >= wanted[-1][0])
            seen = {(int(e["object"]["metadata"]["resourceVersion"]), e["object"]["metadata"]["name"], e["object"]["data"]["v"])
                    for e in w.events if e["type"] != "DELETED"}
            self.assertLessEqual(set(wanted), seen, "round %d, seed %d" % (number, seed))
            w.close()
        self.ends_well(s)
        db = sqlite3.connect(s.data + "/store/store.db")
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        db.close()
        print("rounds: %d, acknowledged: %d, lost: 0 (seed %d)" % (rounds, total, seed))

    def test_killed_while_it_starts(self):
        s = self.server()
        for k in range(6):
            env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
            p = subprocess.Popen([binary(support.PRESET), "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--log-level", "error"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env=env)
            time.sleep(0.02 + k * 0.03)
            p.kill()
            p.wait()
        s.start()
        self.assertEqual({o["metadata"]["name"] for o in s.get("/api/v1/namespaces")[2]["items"]}, {"default", "kube-system"})
        with Raw(s, verify=s.data + "/pki/server.crt") as r:
            self.assertEqual(r.head("GET", "/version").read().status, 200)
        self.ends_well(s)

    def test_memory_store(self):
        s = self.server(flags=["--store", "memory"]).start()
        s.post(CONFIGMAPS % "default", configmap("a"))
        w = Watch(s, CONFIGMAPS % "default")
        w.wait(1)
        self.ends_well(s)
        self.assertTrue(w.clean)
        self.assertFalse(os.path.exists(s.data + "/store/store.db"))
        s.start()
        self.assertEqual(s.get(CONFIGMAPS % "default")[2]["items"], [])
        self.ends_well(s)
