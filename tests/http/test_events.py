# SPDX-License-Identifier: Apache-2.0
"""Events: they go some time after they were last written. A PUT of an event or a lease that does not exist creates it."""
import time

import support
from lib.server import Server
from support import Case, Watch, until

EVENTS = "/api/v1/namespaces/default/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/%s/leases"


def event(name, **more):
    return dict({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"}, "involvedObject": {"namespace": "default"}}, **more)


class Expiry(Case):
    def test_old_events_go(self):
        with Server(preset=support.PRESET, flags=["--event-ttl", "7s"]) as s:
            version = s.get(EVENTS)[2]["metadata"]["resourceVersion"]
            w = Watch(s, EVENTS + "?resourceVersion=" + version)
            begun = time.monotonic()
            for k in range(50):
                self.assertEqual(s.post(EVENTS, event("e%d" % k))[0], 201)
            # One goes on being written, and one tells of times that cannot be.
            self.assertEqual(s.post(EVENTS, event("future", lastTimestamp="2999-01-01T00:00:00Z"))[0], 201)
            self.assertEqual(s.post(EVENTS, event("kept"))[0], 201)
            patch = {"Content-Type": "application/merge-patch+json"}
            conn = s.connection()
            while len(s.request("GET", EVENTS, conn=conn)[2]["items"]) > 1:
                status = s.request("PATCH", EVENTS + "/kept", {"message": str(time.monotonic())}, headers=patch, conn=conn)[0]
                self.assertEqual(status, 200)
                self.assertLess(time.monotonic() - begun, 120)
                time.sleep(0.3)
            conn.close()
            self.assertEqual(s.get(EVENTS + "/kept")[0], 200)
            gone = until(lambda: [g for g in [[t for e, t in zip(w.events, w.times) if e["type"] == "DELETED"]] if len(g) >= 51])[0]
            self.assertGreater(min(gone) - begun, 6)
            until(lambda: s.get(EVENTS + "/kept")[0] == 404)
            w.close()


class CreateOnUpdate(Case):
    def test_put_creates(self):
        path, body = LEASES % self.ns, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}
        self.assertEqual(self.server.request("PUT", path + "/l?dryRun=All", body)[0], 201)
        self.assertEqual(self.server.get(path + "/l")[0], 404)
        body["metadata"]["resourceVersion"] = "5"
        status, _, made = self.server.request("PUT", path + "/l", body)
        self.assertEqual((status, made["spec"]["holderIdentity"]), (201, "a"))
        self.assertEqual(self.server.request("PUT", path + "/l", body)[0], 409)
        body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        body["spec"]["holderIdentity"] = "b"
        status, _, changed = self.server.request("PUT", path + "/l", body)
        self.assertEqual((status, changed["metadata"]["uid"]), (200, made["metadata"]["uid"]))
        body["metadata"] = {"name": "m", "uid": "x"}
        status, _, refused = self.server.request("PUT", path + "/m", body)
        self.assertEqual((status, refused["reason"]), (409, "Conflict"))
        body["metadata"] = {"name": "m", "resourceVersion": "abc"}
        self.assertEqual(self.server.request("PUT", path + "/m", body)[0], 500)
        self.assertEqual(self.server.request("PATCH", path + "/m", {}, headers={"Content-Type": "application/merge-patch+json"})[0], 404)
        self.assertEqual(self.server.request("PUT", self.configmaps + "/m", {"metadata": {"name": "m"}})[0], 404)
