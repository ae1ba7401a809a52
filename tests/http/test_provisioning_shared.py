# SPDX-License-Identifier: Apache-2.0
"""Provisioning where several servers share a store and a directory: one at a time does it, and another when that one is gone. Where there
is only one server there is no lease; and where nothing changed nothing is written."""
import datetime, os, shutil, signal, tempfile, unittest

import support
from lib import etcd, jitter
from lib.server import Server
from support import until
from test_provisioning import CONFIGMAPS, SOURCE, configmap, eventually

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
LEASE = LEASES + "/coracle-provisioning-files"


def counted(server):
    lines = server.get("/metrics")[2].decode().splitlines()
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if line.startswith(("coracle_provisioning_", "coracle_store_revision")))}


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-files-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.root = os.path.join(self.dir, "root")
        os.mkdir(self.root)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path + ".part", "w") as f:
            f.write(text)
        os.rename(path + ".part", path)

    def serve(self, *flags):
        s = Server(preset=support.PRESET, level="error", flags=["--provision", "files=" + self.root] + list(flags))
        s.start()
        self.addCleanup(self.end, s)
        return s

    def end(self, s):
        code = s.stop()
        text = s.stderr()
        shutil.rmtree(s.dir, True)
        self.assertEqual(code, 0, text[-4000:])

    def names(self, server):
        return sorted(o["metadata"]["name"] for o in server.get(CONFIGMAPS)[2]["items"])

    def has(self, server, want, seconds=60):
        eventually(lambda: self.assertEqual(self.names(server), sorted(want)) or True, seconds)

    def ready(self, server):
        eventually(lambda: next(c for c in server.get(SOURCE)[2]["status"]["conditions"] if c["type"] == "Ready")["status"] == "True", 60)


@unittest.skipUnless(etcd.binary(), "etcd is not installed")
class Shared(Files):
    def setUp(self):
        super().setUp()
        self.etcd = etcd.Etcd().start()
        self.addCleanup(self.etcd.__exit__)
        self.flags = ["--store", "etcd=" + self.etcd.url]

    def lease(self, server):
        return server.get(LEASE)[2]["spec"]

    def held(self, server):
        return eventually(lambda: self.lease(server)["holderIdentity"], 60)

    @support.best_of(3)  # who stands still for as long as a lease loses it
    def test_one_after_another(self):
        self.write("a.yaml", configmap("a"))
        self.write("b.yaml", configmap("b"))
        first = self.serve(*self.flags)
        self.has(first, "ab")
        self.ready(first)
        holder = self.held(first)
        spec = self.lease(first)
        self.assertEqual((spec["leaseDurationSeconds"], spec["leaseTransitions"]), (15, 0))
        second = self.serve(*self.flags)
        self.write("c.yaml", configmap("c"))
        self.has(second, "abc")
        os.unlink(os.path.join(self.root, "a.yaml"))
        self.has(second, "bc")
        renewed = self.lease(second)["renewTime"]
        eventually(lambda: self.lease(second)["renewTime"] > renewed, 60)  # the second had its tries meanwhile
        self.assertEqual(self.held(second), holder)
        did = counted(first), counted(second)
        self.assertEqual([d['coracle_provisioning_changes_total{operation="create"}'] for d in did], [3, 0])
        self.assertEqual([d['coracle_provisioning_changes_total{operation="remove"}'] for d in did], [1, 0])
        self.assertEqual([d["coracle_provisioning_files"] for d in did], [2, 0])

        # One that stops leaves the lease open; what changed while nobody looked is found by what is written down.
        uid = second.get(CONFIGMAPS + "/b")[2]["metadata"]["uid"]
        self.assertEqual(first.stop(), 0)
        os.unlink(os.path.join(self.root, "c.yaml"))
        self.write("d.yaml", configmap("d"))
        self.has(second, "bd")
        heir = self.held(second)
        self.assertNotEqual(heir, holder)
        self.assertEqual(self.lease(second)["leaseTransitions"], 1)
        self.assertEqual(second.get(CONFIGMAPS + "/b")[2]["metadata"]["uid"], uid)

        # One that is killed keeps it until it ends; the next one then goes on.
        first.start()
        second.stop(signal.SIGKILL)
        last = self.lease(first)
        self.write("e.yaml", configmap("e"))
        self.has(first, "bde", 120)
        spec = self.lease(first)
        if last["holderIdentity"] == heir:  # nobody had a reason to take it by then
            took = [datetime.datetime.fromisoformat(t.rstrip("Z")) for t in (last["renewTime"], spec["acquireTime"])]
            self.assertGreaterEqual((took[1] - took[0]).total_seconds(), last["leaseDurationSeconds"])
        self.assertNotIn(spec["holderIdentity"], (holder, heir))
        self.assertEqual(spec["leaseTransitions"], 2)
        self.ready(first)

    @unittest.skipIf(jitter.WANTED, "what stalls servers would wake the one that stands still")
    @support.best_of(3)
    def test_one_that_stood_still(self):
        """It finds another in its place when it goes on, and does nothing more."""
        self.write("a.yaml", configmap("a"))
        first = self.serve(*self.flags)
        self.ready(first)
        holder = self.held(first)
        second = self.serve(*self.flags)
        self.assertEqual(self.held(second), holder)
        first.process.send_signal(signal.SIGSTOP)
        try:
            self.write("b.yaml", configmap("b"))
            self.has(second, "ab", 120)
            self.assertNotEqual(self.held(second), holder)
        finally:
            first.process.send_signal(signal.SIGCONT)
        eventually(lambda: counted(first)["coracle_provisioning_files"] == 0, 60)
        self.write("c.yaml", configmap("c"))
        self.has(first, "abc")
        did = counted(first), counted(second)
        self.assertEqual([d['coracle_provisioning_changes_total{operation="create"}'] for d in did], [1, 2])
        self.assertEqual([d["coracle_provisioning_failures"] for d in did], [0, 0])

    def test_one_that_is_not_told_leaves_it_alone(self):
        """A server without the flag does not say of a source that nobody keeps it while somebody does."""
        self.write("a.yaml", configmap("a"))
        first = self.serve(*self.flags)
        self.ready(first)
        self.held(first)
        other = Server(preset=support.PRESET, level="error", flags=self.flags)
        with other:
            self.has(other, "a")
            self.write("b.yaml", configmap("b"))
            self.has(other, "ab")
            self.ready(other)
        self.assertEqual(first.stop(), 0)
        with Server(preset=support.PRESET, level="error", flags=self.flags) as alone:
            eventually(lambda: next(c for c in alone.get(SOURCE)[2]["status"]["conditions"] if c["type"] == "Ready")["reason"] == "NotConfigured", 60)


class Alone(Files):
    def test_no_lease(self):
        self.write("a.yaml", configmap("a"))
        s = self.serve()
        self.has(s, "a")
        self.ready(s)
        self.assertEqual(s.get(LEASES)[2]["items"], [])

    def test_what_is_as_it_should_be_is_not_written(self):
        for n in range(30):
            self.write("%d.yaml" % n, configmap("c%d" % n) + "---\n" + configmap("d%d" % n))
        s = self.serve("--provision-interval", "1s")
        self.ready(s)

        def spoil():
            """The store's revision before; a pass over everything is over when it has put right what is changed here."""
            before = counted(s)["coracle_store_revision"]
            code, _, _ = s.request("PATCH", CONFIGMAPS + "/c7", {"data": {"value": "spoilt"}}, {"Content-Type": "application/merge-patch+json"})
            self.assertEqual(code, 200)
            until(lambda: s.get(CONFIGMAPS + "/c7")[2]["data"]["value"] == "1")
            return before
        spoil()
        before = [spoil()]

        def only_that():
            """Other controllers may still write what a start has them write: then the next pass tells."""
            before.append(spoil())
            return before[-1] - before[-2] == 2
        until(only_that)  # a pass writes the object that was spoilt, and nothing else


if __name__ == "__main__":
    unittest.main()
