# SPDX-License-Identifier: Apache-2.0
"""Indexes over what was stored before they were declared: built beside the requests, begun again after a kill, right all the while."""
import os
import signal
import sqlite3
import unittest

import support
from lib.server import Server
from support import metrics, until

BASE = "/apis/annotation.grafana.app/v0alpha1/namespaces/default/"
NOW, N = 1700000000000, 700


def note(n):
    return {"apiVersion": "annotation.grafana.app/v0alpha1", "kind": "Annotation", "metadata": {"name": "n%04d" % n},
            "spec": {"text": "t", "time": NOW + n, "dashboardUID": "d%d" % (n % 70), "tags": ["even" if n % 2 == 0 else "odd"]}}


def older(data):
    """Makes the indexes' definitions ones of an earlier version."""
    with sqlite3.connect(os.path.join(data, "store", "store.db")) as db:
        db.execute("DELETE FROM term")
        changed = db.execute("UPDATE idx SET generation = 1").rowcount
    db.close()
    return changed


class LateIndex(unittest.TestCase):
    def fill(self, s):
        conn = s.connection()
        for n in range(N):
            self.assertEqual(s.request("POST", BASE + "annotations", note(n), conn=conn)[0], 201)
        conn.close()

    def ask(self, s):
        """What is answered out of indexes, whether they are there or not."""
        page = s.get(BASE + "annotations?fieldSelector=spec.time=%d,spec.timeEnd=%d" % (NOW + 100, NOW + 103))[2]
        self.assertEqual([i["metadata"]["name"] for i in page["items"]], ["n0100", "n0101", "n0102", "n0103"])
        page = s.get(BASE + "annotations?fieldSelector=spec.dashboardUID=d3&limit=4")[2]
        self.assertEqual([i["metadata"]["name"] for i in page["items"]], ["n0003", "n0073", "n0143", "n0213"])
        page = s.get(BASE + "search?limit=2&to=%d" % (NOW + 50))[2]
        self.assertEqual([i["metadata"]["name"] for i in page["items"]], ["n0050", "n0049"])
        self.assertEqual(s.get(BASE + "tags")[2]["tags"], [{"tag": "even", "count": N // 2}, {"tag": "odd", "count": N // 2}])

    def begun(self, m):
        """Some of it was done, or all of it by the server before."""
        return m.get("coracle_index_build_objects_total", 0) > 0 or m.get("coracle_indexes_building") == 0

    def built(self, s):
        def ready():
            self.ask(s)
            m = metrics(s)
            return m.get("coracle_indexes_building") == 0 and m["coracle_index_build_objects_total"]
        return until(ready)

    def test_late(self):
        with Server(preset=support.PRESET) as s:
            self.fill(s)
            self.ask(s)
            self.assertEqual(metrics(s)["coracle_index_build_objects_total"], 0)
            revision = s.get(BASE + "annotations?limit=1")[2]["metadata"]["resourceVersion"]
            self.assertEqual(s.stop(), 0)
            self.assertGreaterEqual(older(s.data), 4)
            s.start()
            self.assertGreaterEqual(self.built(s), N)
            self.assertEqual(s.get(BASE + "annotations/n0001")[2]["metadata"]["resourceVersion"],
                             s.get(BASE + "annotations?fieldSelector=spec.dashboardUID=d1&limit=1")[2]["items"][0]["metadata"]["resourceVersion"])
            self.assertLessEqual(int(s.get(BASE + "annotations/n0699")[2]["metadata"]["resourceVersion"]), int(revision))
            self.assertEqual(s.stop(), 0)
            s.start()  # nothing is left to do
            self.ask(s)
            until(lambda: metrics(s).get("coracle_indexes_building") == 0)
            self.assertEqual(metrics(s)["coracle_index_build_objects_total"], 0)

    def test_killed_while_it_builds(self):
        with Server(preset=support.PRESET) as s:
            self.fill(s)
            self.assertEqual(s.stop(), 0)
            older(s.data)
            for _ in range(2):
                s.start()
                until(lambda: self.begun(metrics(s)))
                self.ask(s)
                s.stop(signal.SIGKILL)
            s.start()
            until(lambda: metrics(s).get("coracle_indexes_building") == 0)
            self.ask(s)
            before = metrics(s)["coracle_index_lists_total"]
            self.ask(s)
            self.assertEqual(metrics(s)["coracle_index_lists_total"], before + 2)


if __name__ == "__main__":
    unittest.main()
