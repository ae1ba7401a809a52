# SPDX-License-Identifier: Apache-2.0
"""What a long list costs the server's memory when 16 clients fetch it at once, some slowly, some not at all. bench/lists.py is the long form."""
import os, time, unittest

from lib import crowd
from lib.server import Server
import support

OBJECTS, SIZE, CLIENTS = 400, 150000, 16
MIB = 2 ** 20
SLOW = 24 << 20  # bytes a second
PATH = "/api/v1/namespaces/default/configmaps"


class Memory(unittest.TestCase):
    def test_sixteen_clients_and_60_megabytes(self):
        server = Server(preset=support.PRESET)
        unix = os.path.join(server.dir, "fill.sock")
        server.flags += ["--listen", "unix:" + unix]
        with server:
            # Sanitizers make everything slow, and reading twice as much shows nothing more.
            slow = support.sanitized()
            self.objects = OBJECTS // 2 if slow else OBJECTS
            crowd.fill(unix, server.token, "default", self.objects, SIZE)
            self.assertEqual(server.stop(), 0)
            server.start()
            support.until(lambda: server.get("/readyz")[0] == 200)
            whole = server.get(PATH + "?limit=1")[2]["metadata"]["remainingItemCount"]
            self.assertEqual(whole, self.objects - 1)
            time.sleep(3)  # what the start has touched is given back
            forms = [("", ""), ("?pretty=1", ""), ("", "Accept-Encoding: gzip\r\n")]
            for query, headers in forms[:1] if slow else forms:
                self.measure(server, query, headers)

    def measure(self, server, query, headers):
        idle = crowd.memory(server.process.pid)
        kinds = [(0, headers), (SLOW, headers), (0, headers), (None, headers)]
        most, results = crowd.measure(server, PATH + query, [kinds[k % 4] for k in range(CLIENTS)], 120, step=0.005)
        self.assertEqual(len(results), CLIENTS * 3 // 4)
        self.assertTrue(all(ended for _, ended in results), results)
        self.assertEqual(len({n for n, _ in results}), 1)
        if not headers:
            self.assertGreater(results[0][0], self.objects * (SIZE - 1000))
        more = {k: (most[k] - idle[k]) / MIB for k in most}
        print("%s %s: resident +%.0f MiB, own +%.0f, of files +%.0f " % (query, headers.strip(), more["VmRSS"], more["RssAnon"], more["RssFile"]), end="")
        self.assertLess(more["RssFile"], 48)  # of a file of 65 MB
        self.assertLess(more["RssAnon"], 400 if support.sanitized() else 40)
        if not support.sanitized():
            self.assertLess(more["VmRSS"], 64)
