# SPDX-License-Identifier: Apache-2.0
"""Several clients do everything at once to a handful of folders, dashboards, playlists and stars, beside a directory that is provisioned into the same
organization; when all is quiet, everything that is told of it must be the same tree: no orphan, no ring, none too deep, counts, children, parents, search, watches
and inventories agree with the lists.

CORACLE_RACE_SECONDS (6) says how long, CORACLE_SEED (1) with which dice, CORACLE_RACE_KILLS (0) how often the server is killed meanwhile: the long form is
CORACLE_RACE_SECONDS=120 CORACLE_RACE_KILLS=10 python3 tests/http/run.py services_races"""
import collections, http.client, json, os, random, shutil, signal, tempfile, threading, time, unittest

import support
from support import LIMITS, Kept, Watch

NS = "org-88"
PLACE, FINALIZER = "grafana.app/folder", "folder.grafana.app/cascade-delete"
FOLDERS = "/apis/folder.grafana.app/%%s/namespaces/%s/folders" % NS
DASHBOARDS = "/apis/dashboard.grafana.app/%%s/namespaces/%s/dashboards" % NS
PLAYLISTS = "/apis/playlist.grafana.app/%%s/namespaces/%s/playlists" % NS
STARS = "/apis/collections.grafana.app/v1alpha1/namespaces/%s/stars/user-admin-uid" % NS
SEARCH = "/apis/dashboard.grafana.app/v1/namespaces/%s/search" % NS
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
FOLDER_NAMES = ["f%d" % n for n in range(9)]
DASHBOARD_NAMES = ["d%d" % n for n in range(12)]
PLAYLIST_NAMES = ["p%d" % n for n in range(3)]
PROVISIONED = {"pf": "", "pg": "pf"}  # folders, and which are in which
CLIENTS = 4
WELCOME = {200, 201, 202, 400, 403, 404, 409}


def folder(name, place, title=None):
    return {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": {"name": name, "annotations": {PLACE: place}}, "spec": {"title": title or name}}


def dashboard(name, place, version="v1", title=None, tags=()):
    spec = {"title": title or name, "tags": list(tags)}
    spec.update({} if version == "v1" else {"elements": {}, "layout": {"kind": "GridLayout", "spec": {"items": []}}})
    return {"apiVersion": "dashboard.grafana.app/" + version, "kind": "Dashboard", "metadata": {"name": name, "annotations": {PLACE: place}}, "spec": spec}


def place_of(obj):
    return obj["metadata"].get("annotations", {}).get(PLACE, "")


class Client(threading.Thread):
    """Does whatever comes to its mind until it is told to stop; its stars are nobody else's."""

    def __init__(self, server, seed, number):
        super().__init__(daemon=True)
        self.server, self.dice, self.number, self.ended = server, random.Random("%d %d" % (seed, number)), number, threading.Event()
        self.came, self.wrong, self.starred, self.unsure = collections.Counter(), [], {}, set()

    def run(self):
        actions = [self.make_folder] * 5 + [self.move] * 5 + [self.replace] * 2 + [self.apply] * 2 + [self.remove] * 2 + [self.force] + [self.make_dashboard] * 4 + \
                  [self.move_dashboard] * 4 + [self.remove_dashboard] * 2 + [self.playlist] + [self.star] * 2 + [self.look] * 2 + [self.collection]
        while not self.ended.is_set():
            self.dice.choice(actions)()
        self.server.forget()

    def ask(self, method, path, body=None, headers=None):
        """None: the server is gone for now, and nobody knows what became of it."""
        while not self.ended.is_set():
            try:
                status, _, answer = self.server.request(method, path, body, headers)
                break
            except (OSError, http.client.HTTPException):
                self.server.forget()
                if method != "GET":
                    return None
                self.ended.wait(0.05)
        else:
            return None
        self.came[(method, status)] += 1
        if status not in WELCOME:
            self.wrong.append("%s %s %s -> %s %s" % (method, path, json.dumps(body)[:400], status, str(answer)[:400]))
        return answer if status < 300 else None

    def place(self):
        return self.dice.choice(FOLDER_NAMES + list(PROVISIONED) + ["", "", "general"])

    def folder(self):
        return self.dice.choice(FOLDER_NAMES)

    def make_folder(self):
        version = self.dice.choice(("v1", "v1beta1"))
        self.ask("POST", FOLDERS % version, dict(folder(self.folder(), self.place()), apiVersion="folder.grafana.app/" + version))

    def move(self):
        self.ask("PATCH", FOLDERS % "v1" + "/" + self.dice.choice(FOLDER_NAMES + list(PROVISIONED)), {"metadata": {"annotations": {PLACE: self.dice.choice((self.place(), self.place(), None))}}}, MERGE)

    def replace(self):
        name = self.folder()
        now = self.ask("GET", FOLDERS % "v1" + "/" + name)
        if now:
            now["metadata"].setdefault("annotations", {})[PLACE] = self.place()
            now["spec"]["title"] = "title %d" % self.dice.randrange(1000)
            if self.dice.random() < 0.3:
                del now["metadata"]["resourceVersion"]
            if self.dice.random() < 0.2:
                now["metadata"].pop("finalizers", None)
            self.ask("PUT", FOLDERS % "v1" + "/" + name, now)

    def apply(self):
        if self.dice.random() < 0.5:
            name, path = self.folder(), FOLDERS
            body = folder(name, self.place())
        else:
            name, path = self.dice.choice(DASHBOARD_NAMES), DASHBOARDS
            body = dashboard(name, self.place())
        self.ask("PATCH", path % "v1" + "/%s?fieldManager=m%d&force=true" % (name, self.number), json.dumps(body), APPLY)

    def remove(self):
        self.ask("DELETE", FOLDERS % "v1" + "/" + self.folder())

    def force(self):
        name = self.dice.choice(FOLDER_NAMES * 3 + list(PROVISIONED))
        self.ask("DELETE", FOLDERS % "v1" + "/" + name + self.dice.choice(("?gracePeriodSeconds=0",) * 4 + ("?gracePeriodSeconds=0&dryRun=All",)))

    def make_dashboard(self):
        version = self.dice.choice(("v1", "v2"))
        self.ask("POST", DASHBOARDS % version, dashboard(self.dice.choice(DASHBOARD_NAMES), self.place(), version, "board %d" % self.dice.randrange(50), ["t%d" % self.dice.randrange(3)]))

    def move_dashboard(self):
        body = {"metadata": {"annotations": {PLACE: self.place()}}, "spec": {"title": "board %d" % self.dice.randrange(50)}}
        self.ask("PATCH", DASHBOARDS % self.dice.choice(("v1", "v2", "v1beta1")) + "/" + self.dice.choice(DASHBOARD_NAMES + ["pd0", "pd1"]), body, MERGE)

    def remove_dashboard(self):
        self.ask("DELETE", DASHBOARDS % "v1" + "/" + self.dice.choice(DASHBOARD_NAMES * 2 + ["pd0", "pd1"]))

    def playlist(self):
        name, method = self.dice.choice(PLAYLIST_NAMES), self.dice.choice(("POST", "DELETE", "PATCH"))
        spec = {"title": "tour %d" % self.dice.randrange(100), "interval": "5m", "items": []}
        body = {"apiVersion": "playlist.grafana.app/v1", "kind": "Playlist", "metadata": {"name": name}, "spec": spec}
        self.ask(method, PLAYLISTS % "v1" + ("" if method == "POST" else "/" + name), None if method == "DELETE" else body if method == "POST" else {"spec": spec}, MERGE if method == "PATCH" else None)

    def star(self):
        name, method = "c%d-%d" % (self.number, self.dice.randrange(6)), self.dice.choice(("PUT", "PUT", "DELETE"))
        self.unsure.add(name)
        before = self.came[("DELETE", 404)]
        if self.ask(method, STARS + "/update/dashboard.grafana.app/Dashboard/" + name) or self.came[("DELETE", 404)] > before:
            self.starred[name] = method == "PUT"
            self.unsure.discard(name)

    def look(self):
        """Subresources, which must answer while everything moves."""
        name = self.dice.choice(FOLDER_NAMES + ["general"])
        self.ask("GET", FOLDERS % "v1" + "/" + name + self.dice.choice(("/counts?recursive=true", "/counts", "/children", "/parents", "/access", "")))
        self.ask("GET", self.dice.choice((SEARCH + "?limit=500", SEARCH + "?folder=" + self.folder(), DASHBOARDS % "v2", FOLDERS % "v1" + "?q=title")))

    def collection(self):
        if self.dice.random() < 0.2:
            path = self.dice.choice((FOLDERS, DASHBOARDS, PLAYLISTS)) % "v1"
            self.ask("DELETE", path + "?fieldSelector=metadata.name%3D" + self.dice.choice(FOLDER_NAMES + DASHBOARD_NAMES + PLAYLIST_NAMES))


class Files:
    """A directory of folders and dashboards, some of which come and go."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-races-")
        self.path = os.path.join(self.dir, "objects")
        os.mkdir(self.path)
        self.now = {}
        for name, place in PROVISIONED.items():
            self.write(name, folder(name, place))
        for n in range(4):
            self.write("pd%d" % n, dashboard("pd%d" % n, "pf" if n % 2 else "pg"))

    def write(self, name, obj):
        obj["metadata"]["namespace"] = NS
        whole = os.path.join(self.dir, "new")
        with open(whole, "w") as f:
            json.dump(obj, f)
        os.rename(whole, os.path.join(self.path, name + ".json"))
        self.now[name] = obj

    def change(self, dice):
        name = "pd%d" % dice.randrange(4)
        if dice.random() < 0.3 and name in self.now:
            os.unlink(os.path.join(self.path, name + ".json"))
            del self.now[name]
        else:
            self.write(name, dashboard(name, dice.choice(("pf", "pg", "")), title="file %d" % dice.randrange(100)))


class Races(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("CORACLE_SEED") or 1)
        self.seconds, self.kills = float(os.environ.get("CORACLE_RACE_SECONDS") or 6), int(os.environ.get("CORACLE_RACE_KILLS") or 0)
        self.files = Files()
        self.addCleanup(shutil.rmtree, self.files.dir, True)

    def get(self, path, want=200):
        status, _, body = self.server.get(path)
        self.assertEqual(status, want, (path, body))
        return body

    def settled(self, what, check, seconds=120):
        """Waits until check() finds nothing wrong."""
        end = time.monotonic() + seconds
        while True:
            wrong = check()
            if not wrong:
                return
            if time.monotonic() > end:
                self.fail("seed %d: %s: %s" % (self.seed, what, str(wrong)[:3000]))
            time.sleep(0.1)

    def lists(self):
        return [{o["metadata"]["name"]: o for o in self.get(p % "v1")["items"]} for p in (FOLDERS, DASHBOARDS)]

    # ---- what must hold once all is quiet ----

    def unlike_files(self):
        """What is not as the files say."""
        folders, dashboards = self.lists()
        wrong = [n for n in folders if "deletionTimestamp" in folders[n]["metadata"]]
        for name, obj in self.files.now.items():
            found = (folders if obj["kind"] == "Folder" else dashboards).get(name)
            if not found or place_of(found) != place_of(obj) or found["spec"]["title"] != obj["spec"]["title"]:
                wrong.append((name, found and (place_of(found), found["spec"]["title"]), place_of(obj), obj["spec"]["title"]))
        return wrong + [n for n in dashboards if n.startswith("pd") and n not in self.files.now]

    def check_inventories(self):
        """Exactly what the files hold is written down."""
        owned = set()
        for inventory in self.get("/apis/provisioning.coracle.dev/v1/inventories")["items"]:
            owned |= {(o["resource"], o["name"]) for o in inventory.get("items", []) if o.get("namespace") == NS}
        return owned ^ {(o["kind"].lower() + "s", name) for name, o in self.files.now.items()}

    def check_tree(self):
        folders, dashboards = self.lists()
        above = {}
        for name, f in folders.items():
            chain, at = [], place_of(f)
            while at:
                self.assertIn(at, folders, "%s is in a folder that is not there; seed %d" % (name, self.seed))
                self.assertNotIn(at, chain + [name], "a ring; seed %d" % self.seed)
                chain.append(at)
                at = place_of(folders[at])
            self.assertLessEqual(len(chain), LIMITS["LIMIT_FOLDER_DEPTH"], name)
            self.assertNotIn(FINALIZER, f["metadata"].get("finalizers", []))
            above[name] = chain
        for name, d in dashboards.items():
            self.assertIn(place_of(d), list(folders) + [""], "%s; seed %d" % (name, self.seed))
        for obj in list(folders.values()) + list(dashboards.values()):
            self.assertIn("grafana.app/createdBy", obj["metadata"]["annotations"])
        self.check_views(folders, dashboards, above)

    def check_views(self, folders, dashboards, above):
        for name in list(folders) + ["general"]:
            uid = "" if name == "general" else name
            inner = sorted(n for n, f in folders.items() if place_of(f) == uid)
            self.assertEqual([c["metadata"]["name"] for c in self.get(FOLDERS % "v1" + "/%s/children" % name)["items"]], inner, name)
            below = set(folders) if not uid else {n for n in folders if uid in above[n]}
            for query, holders in (("", {uid}), ("?recursive=true", below | {uid})):
                counts = {c["resource"]: c["count"] for c in self.get(FOLDERS % "v1" + "/%s/counts%s" % (name, query))["counts"]}
                self.assertEqual((counts["folders"], counts["dashboards"]), tuple(sum(place_of(o) in holders for o in objs.values()) for objs in (folders, dashboards)), name + query)
            if uid:
                parents = [i["name"] for i in self.get(FOLDERS % "v1" + "/%s/parents" % name)["items"]]
                self.assertEqual(parents, above[name][::-1] + [name])

    def unlike_search(self):
        """Where search and the lists differ."""
        folders, dashboards = self.lists()
        hits = self.get(SEARCH + "?limit=500")["hits"]
        told = sorted((h["resource"], h["name"], h["title"], h.get("folder", "")) for h in hits)
        wanted = sorted([("folders", n, f["spec"]["title"], place_of(f)) for n, f in folders.items()] + [("dashboards", n, d["spec"]["title"], place_of(d)) for n, d in dashboards.items()])
        wrong = [x for x in told if x not in wanted] + [x for x in wanted if x not in told]
        for name in folders:
            within = sorted(h["name"] for h in self.get(SEARCH + "?limit=500&folder=" + name)["hits"])
            if within != sorted(n for objs in (folders, dashboards) for n, o in objs.items() if place_of(o) == name):
                wrong.append((name, within))
        return wrong

    def check_watches(self, watches):
        for path, watch in watches:
            listed = self.get(path)
            now = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in listed["items"]}

            def replayed(watch=watch, now=now):
                state = {}
                for e in list(watch.events):
                    meta = e["object"]["metadata"]
                    if e["type"] == "DELETED":
                        if meta["name"] not in state:
                            return "DELETED of nothing: " + meta["name"]
                        del state[meta["name"]]
                    elif (e["type"] == "ADDED") == (meta["name"] in state):
                        return "%s of %s out of order" % (e["type"], meta["name"])
                    else:
                        state[meta["name"]] = meta["resourceVersion"]
                return [] if state == now else (state, now, watch.error)
            self.settled("the watch of " + path, replayed)

    # ---- the test ----

    def server_with_files(self):
        return Kept(preset=support.PRESET, level="error", flags=["--provision", "races=" + self.files.path, "--provision-interval", "2s"])

    def trouble(self, clients, dice):
        """Files change, and the server is killed, while the clients are at work."""
        begun, killed = time.monotonic(), 0
        while time.monotonic() - begun < self.seconds:
            time.sleep(0.2)
            if dice.random() < 0.3:
                self.files.change(dice)
            if self.kills and killed < self.kills and time.monotonic() - begun > (killed + 1) * self.seconds / (self.kills + 1):
                self.server.process.send_signal(signal.SIGKILL)
                self.server.stop(signal.SIGKILL)
                self.server.start()
                killed += 1
        for c in clients:
            c.ended.set()
        for c in clients:
            c.join(120)
            self.assertFalse(c.is_alive())

    def test_everything_at_once(self):
        with self.server_with_files() as self.server:
            self.assertIn(self.server.post("/api/v1/namespaces", {"metadata": {"name": NS}})[0], (201, 409))
            paths = [p % "v1" for p in (FOLDERS, DASHBOARDS, PLAYLISTS)]
            watches = [] if self.kills else [(p, Watch(self.server, p)) for p in paths]
            clients = [Client(self.server, self.seed, n) for n in range(CLIENTS)]
            for c in clients:
                c.start()
            self.trouble(clients, random.Random(self.seed))
            for c in clients:
                self.assertEqual(c.wrong[:5], [], "seed %d" % self.seed)
            self.settled("objects are not as the files say, or still going", self.unlike_files)
            self.settled("inventories", self.check_inventories)
            self.check_tree()
            self.settled("search", self.unlike_search)
            self.check_watches(watches)
            self.check_stars(clients)
            for _, w in watches:
                w.close()
        came = sum((c.came for c in clients), collections.Counter())
        print("races: %d requests, %s" % (sum(came.values()), dict(sorted(("%s %d" % k, n) for k, n in came.items()))))
        self.assertTrue({("POST", 201), ("PATCH", 200), ("DELETE", 200)} <= set(came), came)

    def check_stars(self, clients):
        status, _, body = self.server.get(STARS)
        names = set(body["spec"]["resource"][0]["names"]) if status == 200 and body["spec"].get("resource") else set()
        for c in clients:
            for name, there in c.starred.items():
                if name not in c.unsure:
                    self.assertEqual(name in names, there, "%s; seed %d" % (name, self.seed))
