# SPDX-License-Identifier: Apache-2.0
"""A server that is killed, again and again and at the worst moments: the ledger, the revisions, the watches and the file agree."""
import os, random, shutil, signal, sqlite3, subprocess, tempfile, threading, time, unittest

import support
from ledger import DEFINITION, KINDS, Book, History, Mayfly, Scribe
from lib.server import binary
from support import Kept, until

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
        until(lambda: done.is_set() or not killer.is_alive(), 20)
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
