# SPDX-License-Identifier: Apache-2.0
"""Pages of lists while a thousand writes a second go on: each list's pages together must be the state at the list's revision, as the writers' ledger and
a watch have it. CORACLE_PAGES_SECONDS and CORACLE_PAGES_RATE (writes a second that must have been reached) make it longer and stricter."""
import base64, json, multiprocessing, os, random, sqlite3, tempfile, time, unittest, urllib.parse

from lib.crowd import Plain
from lib.server import Server
import support
from support import Raw, configmap

SECONDS = float(os.environ.get("CORACLE_PAGES_SECONDS", 4))
RATE = float(os.environ.get("CORACLE_PAGES_RATE", 10))
MAPS, SHEETS = "configmaps", "sheets"
OBJECTS, WRITERS, BURST = 360, 6, 12

SHEET = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "sheets.pages.test"},
         "spec": {"group": "pages.test", "scope": "Cluster", "names": {"plural": "sheets", "singular": "sheet", "kind": "Sheet"},
                  "versions": [{"name": "v1", "served": True, "storage": True, "selectableFields": [{"jsonPath": ".spec.color"}],
                                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
                                    "color": {"type": "string"}, "n": {"type": "integer"}}}}}}}]}}

# (what to list, query, how the state is narrowed down)
LISTS = [
    ("/api/v1/namespaces/pages-a/configmaps", "", lambda o: o["metadata"]["namespace"] == "pages-a"),
    ("/api/v1/configmaps", "", lambda o: True),
    ("/apis/pages.test/v1/sheets", "", lambda o: True),
    ("/api/v1/namespaces/pages-b/configmaps", "labelSelector=half%3D1", lambda o: o["metadata"]["namespace"] == "pages-b" and o["metadata"]["labels"]["half"] == "1"),
    ("/api/v1/configmaps", "labelSelector=half+notin+(1)", lambda o: o["metadata"].get("labels", {}).get("half") != "1"),
    ("/api/v1/configmaps", "fieldSelector=metadata.namespace%3Dpages-a", lambda o: o["metadata"]["namespace"] == "pages-a"),
    ("/api/v1/configmaps", "fieldSelector=metadata.namespace%21%3Dpages-a", lambda o: o["metadata"]["namespace"] != "pages-a"),
    ("/apis/pages.test/v1/sheets", "fieldSelector=spec.color%3Dred", lambda o: o["spec"]["color"] == "red"),
    ("/apis/pages.test/v1/sheets", "fieldSelector=spec.color%3Dred&labelSelector=half%3D0",
     lambda o: o["spec"]["color"] == "red" and o["metadata"]["labels"]["half"] == "0"),
]


def sheet(name, n, half, **meta):
    return {"apiVersion": "pages.test/v1", "kind": "Sheet", "metadata": dict(meta, name=name, labels={"half": half}),
            "spec": {"color": "red" if n % 3 else "blue", "n": n}}


def target(kind, name):
    if kind == SHEETS:
        return "/apis/pages.test/v1/sheets", name
    ns, name = name.split("/")
    return "/api/v1/namespaces/%s/configmaps" % ns, name


def key_of(o):
    m = o["metadata"]
    return m["namespace"] + "/" + m["name"] if "namespace" in m else m["name"]


class Writer:
    """Creates, replaces and deletes objects of its own, a burst at a time over one connection; each acknowledged write becomes a line of the ledger."""

    def __init__(self, path, token, number, stop, ledger):
        self.conn, self.random, self.stop, self.number, self.n = Plain(path, token), random.Random(number), stop, number, 0
        self.names = [(MAPS, "pages-%s/o%03d-%d" % (ns, k, number)) for ns in "ab" for k in range(OBJECTS // WRITERS // 3)]
        self.names += [(SHEETS, "o%03d-%d" % (k, number)) for k in range(OBJECTS // WRITERS // 3)]
        self.known, self.ledger = {}, open(ledger, "w")

    def ask(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.conn.s.sendall(self.conn.post(path, data).replace(b"POST", method, 1))

    def begin(self, kind, name):
        self.n += 1
        path, short = target(kind, name)
        half, rv = str(self.random.randrange(2)), self.known.get((kind, name))
        body = sheet(short, self.n, half) if kind == SHEETS else configmap(short, {"n": str(self.n), "pad": "x" * self.random.choice((0, 50, 3000))}, labels={"half": half})
        if rv is None:
            self.ask(b"POST", path, body)
            return "put", 201
        if self.random.random() < 0.3:
            self.ask(b"DELETE", path + "/" + short)
            return "end", 200
        body["metadata"]["resourceVersion"] = rv
        self.ask(b"PUT", path + "/" + short, body)
        return "put", 200

    def burst(self, names):
        asked = [(n, self.begin(*n)) for n in names]
        for name, (what, wanted) in asked:
            status, body = self.conn.answer()
            if status != wanted:
                raise AssertionError((name, what, status, body[:300]))
            rv = json.loads(body)["metadata"]["resourceVersion"] if what == "put" else None
            self.known[name] = rv
            self.ledger.write("%s %s %s %s\n" % (name[0], name[1], what, rv))

    def run(self, ready):
        self.burst([n for n in self.names if self.random.random() < 0.8])
        ready.release()
        while not self.stop.is_set():
            self.burst(self.random.sample(self.names, BURST))
        self.ledger.close()


def write(*args):
    *args, ready = args
    Writer(*args).run(ready)


END = "the-end"  # the object whose event ends a follow


def follow(port, token, path, rev, out):
    """A watch whose lines go to a file."""
    class Known:
        pass
    known = Known()
    known.port, known.token = port, token
    with Raw(known, timeout=120) as raw, open(out, "wb") as f:
        raw.head("GET", "%s?watch=true&resourceVersion=%s" % (path, rev))
        assert raw.read_head().status == 200
        last, mark = b"", ('"name":"%s"' % END).encode()
        while True:
            piece = raw.chunk()
            assert piece, "the watch ended before its time"
            f.write(piece)
            last = last[-100:] + piece
            if mark in last and last.endswith(b"\n"):
                return


class History:
    """The objects of a collection at each revision: as first listed, then as a watch told."""

    def __init__(self, base, events, custom):
        self.base, self.rev = {key_of(o): o for o in base["items"]}, int(base["metadata"]["resourceVersion"])
        self.events = [(e["type"], self.bare(e["object"], custom)) for e in events if e["type"] != "BOOKMARK"]
        self.revs = [int(o["metadata"]["resourceVersion"]) for _, o in self.events]
        assert self.revs == sorted(set(self.revs)) and (not self.revs or self.revs[0] > self.rev)

    @staticmethod
    def bare(o, custom):
        return o if custom else {k: v for k, v in o.items() if k not in ("kind", "apiVersion")}

    def at(self, rev):
        state = dict(self.base)
        for (what, o), r in zip(self.events, self.revs):
            if r > rev:
                break
            if what == "DELETED":
                del state[key_of(o)]
            else:
                state[key_of(o)] = o
        return [state[k] for k in sorted(state)]


class Pages(unittest.TestCase):
    def pages(self, conn, path, query, limit, until):
        """All pages of one list, or None when the time is over."""
        found, token = [], ""
        while True:
            status, _, body = self.server.get("%s?limit=%d&%s%s" % (path, limit, query, "&continue=" + token if token else ""), conn=conn)
            self.assertEqual(status, 200, body)
            found.append(body)
            token = urllib.parse.quote(body["metadata"].get("continue", ""))
            if not token:
                return found
            if time.monotonic() > until:
                return None

    def check(self, pages, state, query):
        at = {p["metadata"]["resourceVersion"] for p in pages}
        self.assertEqual(len(at), 1)
        items = [o for p in pages for o in p["items"]]
        names = [key_of(o) for o in items]
        self.assertEqual(names, sorted(set(names)))
        self.assertEqual(names, [key_of(o) for o in state])
        self.assertEqual(items, state)
        left = len(items)
        for p in pages:
            left -= len(p["items"])
            self.assertEqual(p["metadata"].get("remainingItemCount"), left if left and not query else None)

    def test_pages_are_the_state_at_their_revision(self):
        with tempfile.TemporaryDirectory(prefix="coracle-pages-") as at:
            unix = at + "/s"
            with Server(preset=support.PRESET, flags=["--listen", "unix:" + unix]) as server:
                self.server = server
                self.run_against(server, at, unix)

    def run_against(self, server, at, unix):
        for ns in ("pages-a", "pages-b"):
            self.assertEqual(server.post("/api/v1/namespaces", {"metadata": {"name": ns}})[0], 201)
        self.assertEqual(server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", SHEET)[0], 201)
        support.until(lambda: server.get("/apis/pages.test/v1/sheets")[0] == 200)
        stop, ready = multiprocessing.Event(), multiprocessing.Semaphore(0)
        ledgers = ["%s/ledger%d" % (at, k) for k in range(WRITERS)]
        writers = [multiprocessing.Process(target=write, args=(unix, server.token, k, stop, ledgers[k], ready)) for k in range(WRITERS)]
        # The states before any write.
        roots = {MAPS: "/api/v1/configmaps", SHEETS: "/apis/pages.test/v1/sheets"}
        base = {kind: server.get(path)[2] for kind, path in roots.items()}
        follows = [multiprocessing.Process(target=follow, args=(server.port, server.token, roots[k], base[k]["metadata"]["resourceVersion"], "%s/%s" % (at, k))) for k in roots]
        for p in follows + writers:
            p.start()
        try:
            for _ in writers:
                self.assertTrue(ready.acquire(timeout=120))
            begun, read, k = time.monotonic(), [], 0
            conn, chance = server.connection(), random.Random(7)
            while time.monotonic() < begun + SECONDS or len(read) < len(LISTS) // 2:
                path, query, narrow = LISTS[k % len(LISTS)]
                pages = self.pages(conn, path, query, chance.choice((1, 3, 17, 40, 100, 500)) if k % 5 else 25, max(begun + SECONDS, time.monotonic() + 20))
                if pages:
                    read.append((SHEETS if "sheets" in path else MAPS, query, narrow, pages))
                k += 1
            took = time.monotonic() - begun
        finally:
            stop.set()
            for p in writers:
                p.join()
        acks = [line.split() for path in ledgers for line in open(path)]
        self.assertEqual([p.exitcode for p in writers], [0] * WRITERS)
        self.assertEqual(server.post("/apis/pages.test/v1/sheets", sheet(END, 0, "0"))[0], 201)
        self.assertEqual(server.post("/api/v1/namespaces/pages-a/configmaps", configmap(END))[0], 201)
        for p in follows:
            p.join()
        self.assertEqual([p.exitcode for p in follows], [0, 0])
        self.compare(at, base, acks, read)
        print("%d lists of %d pages, %.0f writes/s " % (len(read), sum(len(r[3]) for r in read), len(acks) / took), end="")
        self.assertGreater(len(acks) / took, RATE)

    def compare(self, at, base, acks, read):
        history = {}
        for kind in (MAPS, SHEETS):
            with open("%s/%s" % (at, kind)) as f:
                history[kind] = History(base[kind], [json.loads(line) for line in f], kind == SHEETS)
            told = [(key_of(o), "end" if what == "DELETED" else "put", o["metadata"]["resourceVersion"]) for what, o in history[kind].events]
            mine = [(name, what, rv) for k, name, what, rv in acks if k == kind]
            written = {name for name, _, _ in mine}
            told = [t for t in told if t[0] in written]
            # The watch told what was acknowledged: every put at its revision, every end once, each object's in order.
            self.assertEqual(sorted(t for t in told if t[1] == "put"), sorted(m for m in mine if m[1] == "put"))
            order = {}
            for n, what, _ in mine:
                order.setdefault(n, []).append(what)
            for n, what, _ in told:
                self.assertEqual(order[n].pop(0), what)
            self.assertFalse(any(order.values()))
        for kind, query, narrow, pages in read:
            rev = int(pages[0]["metadata"]["resourceVersion"])
            self.check(pages, [o for o in history[kind].at(rev) if narrow(o)], query)


class Expired(unittest.TestCase):
    """A token beneath the floor: 410, and a token for the rest at any revision."""
    MESSAGE = ("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or "
               "use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an "
               "inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in "
               "the list.")

    def test_an_old_token_gives_an_inconsistent_one(self):
        path = "/api/v1/namespaces/default/configmaps"
        s = Server(preset=support.PRESET).start()
        try:
            for k in range(8):
                s.post(path, configmap("c%d" % k, {"n": "1"}))
            page = s.get(path + "?limit=3")[2]
            token = page["metadata"]["continue"]
            last = page["items"][-1]["metadata"]["name"]
            self.assertEqual(s.request("PUT", path + "/c5", configmap("c5", {"n": "2"}))[0], 200)
            now = int(s.get(path)[2]["metadata"]["resourceVersion"])
            self.assertEqual(s.stop(), 0)
            db = sqlite3.connect(s.data + "/store/store.db")
            with db:
                if not db.execute("UPDATE meta SET value = ? WHERE CAST(name AS TEXT) = 'floor'", (now,)).rowcount:
                    db.execute("INSERT INTO meta(name, value) VALUES(CAST('floor' AS BLOB), ?)", (now,))
            db.close()
            s.start()
            status, _, body = s.get(path + "?limit=3&continue=" + token)
            offered = body["metadata"].pop("continue")
            self.assertEqual(body, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.MESSAGE,
                                    "reason": "Expired", "code": 410})
            self.assertEqual(status, 410)
            raw = json.loads(base64.urlsafe_b64decode(offered + "=" * (-len(offered) % 4)))
            self.assertEqual((raw["v"], raw["rv"]), ("meta.k8s.io/v1", -1))
            rest, names = [], []
            while offered:
                status, _, body = s.get(path + "?limit=2&continue=" + offered)
                self.assertEqual(status, 200, body)
                rest += body["items"]
                names.append([o["metadata"]["name"] for o in body["items"]])
                offered = body["metadata"].get("continue")
            everything = s.get(path)[2]["items"]
            self.assertEqual(rest, [o for o in everything if o["metadata"]["name"] > last])
            self.assertIn("2", [o["data"].get("n") for o in rest])
            # As YAML, and as a Table, the refusal says the same.
            for accept in ("application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io"):
                status, _, body = s.get(path + "?continue=" + token, headers={"Accept": accept})
                self.assertEqual(status, 410)
                text = body.decode() if isinstance(body, bytes) else json.dumps(body)
                self.assertIn("continue", text.split("metadata", 1)[1][:40])
        finally:
            self.assertEqual(s.stop(), 0, s.stderr()[-2000:])
