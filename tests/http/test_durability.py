# SPDX-License-Identifier: Apache-2.0
"""A server that is killed, again and again and at the worst moments: the ledger, the revisions, the watches and the file agree. A server whose disk is
full, gone, or without descriptors: it says so, is read, and goes on when it can."""
import os, random, resource, shutil, signal, socket, sqlite3, subprocess, tempfile, threading, time, unittest

import support
from ledger import DEFINITION, KINDS, Book, History, Mayfly, Scribe
from lib.server import binary
from support import CONFIGMAPS, Kept, Watch, configmap, until

SCRIBES = 4


class Killed(unittest.TestCase):
    def setUp(self):
        self.server = Kept(preset=support.PRESET).start()
        self.addCleanup(self.dispose)
        self.seed = int(os.environ.get("CORACLE_CRASH_SEED", time.time()))
        self.chance, self.book, self.mayflies, self.total = random.Random(self.seed), Book(), [], 0

    def dispose(self):
        self.server.stop(signal.SIGKILL)
        shutil.rmtree(self.server.dir, ignore_errors=True)

    def prepare(self):
        s = self.server
        self.assertEqual(s.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)[0], 201)
        until(lambda: s.get(self.book.path(KINDS[2]))[0] == 200)
        self.assertEqual(s.post("/api/v1/namespaces", {"metadata": {"name": "mayflies"}})[0], 201)

    def kill(self):
        self.server.process.send_signal(signal.SIGKILL)

    def start_and_kill(self):
        """A start that does not get far."""
        s = self.server
        p = subprocess.Popen([binary(support.PRESET), "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--log-level", "error"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        time.sleep(self.chance.random() * 0.06)
        p.kill()
        p.wait()

    # -- when it is killed
    def at_random(self):
        time.sleep(self.chance.random() * 0.3)
        self.kill()

    def while_copying(self):
        """While the write-ahead log is being copied into the file."""
        path, end = self.server.data + "/store/store.db", time.monotonic() + 2
        before = os.stat(path).st_mtime_ns
        while os.stat(path).st_mtime_ns == before and time.monotonic() < end:
            pass
        time.sleep(self.chance.choice((0, 0, 0.0005, 0.002)))
        self.kill()

    def twice(self):
        self.at_random()
        self.server.stop(signal.SIGKILL)
        for _ in range(self.chance.randrange(1, 4)):
            self.start_and_kill()

    def at_an_answer(self):
        """By a writer, the moment it has been answered."""
        killer, done = Scribe(self.server, self.book, SCRIBES, self.seed + self.total), threading.Event()
        left = self.chance.randrange(5, 40)
        plain = killer.ask

        def ask(*args, **kw):
            answer = plain(*args, **kw)
            if killer.acked >= left:
                self.kill()
                done.set()
            return answer

        killer.ask = ask
        killer.start()
        until(lambda: done.is_set() or not killer.is_alive())
        return [killer]

    def check_file(self):
        """The file and its log as the kill left them, in a copy."""
        with tempfile.TemporaryDirectory(prefix="coracle-test-") as d:
            for f in ("store.db", "store.db-wal"):
                if os.path.exists(os.path.join(self.server.data, "store", f)):
                    shutil.copy(os.path.join(self.server.data, "store", f), d)
            db = sqlite3.connect(os.path.join(d, "store.db"))
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            newest = db.execute("SELECT max(id) >> 16 FROM log").fetchone()[0]
            db.close()
        return newest

    def round(self, number, how):
        s, seed, where = self.server, self.seed * 1000 + number, "round %d (%s), seed %d" % (number, how, self.seed)
        self.book.answers = []
        histories = [History(s, self.book, kind) for kind in KINDS]
        writers = [Scribe(s, self.book, n, seed, big=how == "while_copying") for n in range(SCRIBES)]
        mayfly = Mayfly(s, self.book, number, seed)
        for w in writers + [mayfly]:
            w.start()
        until(lambda: any(w.acked for w in writers))
        writers += getattr(self, how)() or []
        for w in writers + [mayfly]:
            w.join(30)
            self.assertIsNone(w.problem, where)
        s.stop(signal.SIGKILL)
        for h in histories:
            h.cut()
        newest = self.check_file()
        s.start()
        wrong = []
        for h in histories:
            wrong += h.resume(self.chance, "mark-%d" % number) + h.old(self.chance) + h.compare(self.book)
        wrong += mayfly.verify()
        last = max([int(b[1]["metadata"]["resourceVersion"]) for b in self.book.answers if len(b) == 2], default=0)
        if newest < last:
            wrong.append("the file ends at revision %d, acknowledged was %d" % (newest, last))
        if wrong:
            self.fail("%s:\n%s" % (where, "\n".join(str(x)[:1000] for x in wrong[:20])))
        self.total += sum(w.acked for w in writers) + mayfly.acked

    def test_killed_under_a_ledger(self):
        """Ten rounds (CORACLE_CRASH_ROUNDS sets how many)."""
        rounds, begun = int(os.environ.get("CORACLE_CRASH_ROUNDS", 10)), time.monotonic()
        self.prepare()
        ways = ("at_random", "while_copying", "twice", "at_an_answer")
        for number in range(rounds):
            self.round(number, ways[number % len(ways)])
        self.assertEqual(self.server.stop(), 0, self.server.stderr()[-3000:])
        print("rounds: %d, acknowledged: %d, lost: 0, %.1f s (seed %d)" % (rounds, self.total, time.monotonic() - begun, self.seed))


class Disk(unittest.TestCase):
    """A disk without room, without descriptors, gone."""

    def start(self, **kw):
        s = Kept(preset=support.PRESET, **kw).start()
        self.server, self.path = s, CONFIGMAPS % "default"
        self.addCleanup(shutil.rmtree, s.dir, True)
        self.addCleanup(s.stop, signal.SIGKILL)
        self.acked, self.refused = {}, set()
        return s

    def create(self, name, size=50000):
        status, _, body = self.server.post(self.path, configmap(name, {"v": "x" * size}))
        if status == 201:
            self.acked[name] = body
        else:
            self.refused.add(name)
        return status, body

    def fail_with(self, status, body, code, message):
        self.assertEqual((status, body["kind"], body["status"], body["code"]), (code, "Status", "Failure", code), body)
        self.assertIn(message, body["message"])

    def check(self, name):
        return self.server.get(name)[0]

    def listed(self):
        return {o["metadata"]["name"]: o for o in self.server.get(self.path)[2]["items"]}

    def agree(self):
        have = self.listed()
        for name, body in self.acked.items():
            self.assertEqual(have[name]["metadata"], body["metadata"])
        self.assertEqual(set(have), set(self.acked))

    def logged(self, words):
        return [line for line in self.server.stderr().splitlines() if words in line]

    def refuses(self):
        """Asks for much. It is made where there is room again, as when the log was copied into the file, and then there is less."""
        return self.create("much-%d" % (len(self.acked) + len(self.refused)), 200000)[0] == 507

    def replacement(self):
        """The answer to a change that was refused."""
        def refused():
            status, _, body = self.server.request("PUT", self.path + "/before-0", configmap("before-0", {"v": "y" * 200000, "n": str(time.monotonic())}))
            if status == 200:
                self.acked["before-0"] = body
            return status != 200 and (status, body)
        return until(refused)

    def said(self, begun):
        """It is said once; while it comes and goes, once a minute."""
        lines = self.logged("the store's disk is full: writes are refused")
        self.assertTrue(1 <= len(lines) <= 1 + (time.monotonic() - begun) / 60, self.logged("store"))

    def full(self, fill, free):
        s = self.server
        for k in range(20):
            self.assertEqual(self.create("before-%d" % k)[0], 201)
        watch = Watch(s, self.path)
        watch.wait(20)
        begun = time.monotonic()
        fill()
        for k in range(2000):
            status, body = self.create("full-%d" % k)
            if status != 201:
                break
        self.fail_with(status, body, 507, "the store's disk is full")
        before = s.rss_kib()
        for k in range(200):
            status, body = self.create("refused-%d" % k)
            if status != 201:
                self.fail_with(status, body, 507, "disk is full")
        self.fail_with(*self.replacement(), 507, "disk is full")
        if not support.sanitized():  # those keep what is freed
            self.assertLess(s.rss_kib() - before, 8192)
        self.assertGreater(len(self.refused), 150)
        self.agree()
        self.assertEqual(s.get(self.path + "/before-1")[2], self.acked["before-1"])
        # The server tries for itself with little, for which there may be room: it is asked right after a refusal.
        until(lambda: self.refuses() and self.check("/readyz/store-writes") == 500)
        until(lambda: self.refuses() and "disk is full" in s.get("/readyz/store-writes")[2].decode())
        until(lambda: self.refuses() and "[-]store-writes failed" in s.get("/readyz?verbose")[2].decode())
        until(lambda: self.refuses() and self.check("/api/health") == 503)
        self.assertEqual((self.check("/livez"), self.check("/readyz/store")), (200, 200))
        self.said(begun)
        free()
        until(lambda: self.check("/readyz") == 200)  # by itself
        for k in range(5):
            self.assertEqual(self.create("after-%d" % k)[0], 201)
        self.said(begun)
        added = lambda: sorted(e["object"]["metadata"]["name"] for e in watch.events if e["type"] == "ADDED")
        until(lambda: len(added()) >= len(self.acked))
        self.assertEqual(added(), sorted(self.acked))
        self.assertTrue(watch.is_alive())
        watch.close()
        s.stop(signal.SIGKILL)
        s.start()
        self.agree()
        self.assertEqual(self.check("/readyz"), 200)
        print("on a full disk: acknowledged: %d, refused: %d, lost: 0" % (len(self.acked), len(self.refused)))

    def test_a_file_that_may_not_grow(self):
        s = self.start()
        store = os.path.join(s.data, "store")

        def limit(n):
            resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))

        def fill():
            limit(max(os.path.getsize(os.path.join(store, f)) for f in os.listdir(store)) + 300000)

        self.full(fill, lambda: limit(resource.RLIM_INFINITY))

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts a small disk")
    def test_a_full_disk(self):
        small = tempfile.mkdtemp(prefix="coracle-test-")
        self.addCleanup(os.rmdir, small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        self.start(data=os.path.join(small, "data"))
        ballast = os.path.join(small, "ballast")

        def fill():
            with open(ballast, "wb", 0) as f:
                for size in (1 << 16, 4096):
                    try:
                        while f.write(b"x" * size):
                            pass
                    except OSError:
                        pass

        self.full(fill, lambda: os.unlink(ballast))
        # Full once more, and killed: it starts on the full disk or says why not, and nothing is lost.
        fill()
        s = self.server
        s.stop(signal.SIGKILL)
        try:
            s.start()
            self.agree()
            s.stop(signal.SIGKILL)
        except RuntimeError as e:
            self.assertRegex(str(e), "disk is full|No space left")
        os.unlink(ballast)
        s.start()
        self.agree()
        self.assertEqual(self.create("last")[0], 201)

    def test_a_store_removed_beneath_the_server(self):
        s = self.start()
        self.assertEqual(self.create("a")[0], 201)
        shutil.rmtree(os.path.join(s.data, "store"))
        status, body = self.create("b")
        self.fail_with(status, body, 500, "was removed beneath the server")
        self.assertEqual(set(self.listed()), {"a"})
        self.assertEqual((self.check("/readyz"), self.check("/readyz/store-writes"), self.check("/livez")), (500, 500, 200))
        self.assertEqual(len(self.logged("the store cannot write")), 1)

    def test_no_descriptors_left(self):
        s = self.start()
        self.assertEqual(self.create("a", 10)[0], 201)
        hard = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir("/proc/%d/fd" % s.process.pid))
        resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, (used, hard[1]))
        idle = []
        for k in range(5):  # these wait, or are turned away
            c = socket.create_connection(("127.0.0.1", s.port), 60)
            self.addCleanup(c.close)
            idle.append(c)
        end = time.monotonic() + 6  # past the time after which idle readers are closed
        while time.monotonic() < end:
            self.assertEqual(s.get(self.path)[0], 200)
            self.assertEqual(self.create("b-%d" % len(self.acked), 10)[0], 201)
            time.sleep(2.5)
        resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, hard)
        for c in idle:
            c.close()
        s.forget()
        until(lambda: s.get("/readyz")[0] == 200)
        self.agree()
