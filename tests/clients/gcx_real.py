# SPDX-License-Identifier: Apache-2.0
"""The tour of gcx, the command line of Grafana's app platform, as it is: what people type, what they must see, and what it asks of the
server meanwhile. It is looked for in CORACLE_GCX and in PATH; gcx/README.md says how to get one."""
import copy, glob, json, os, re, shutil, subprocess, tempfile, unittest

from .kubectl import poll
from .recorder import Recorder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOARDS = os.environ.get("CORACLE_DASHBOARDS", os.path.join(ROOT, "tests", "data", "dashboards"))
DASHBOARDS, FOLDERS, PLAYLISTS = "dashboard.grafana.app", "folder.grafana.app", "playlist.grafana.app"
FOLDER = "grafana.app/folder"
VERSIONS = ("v0alpha1", "v1", "v1beta1")
# folder: what it is in
TREE = {"infra": None, "kube": "infra", "pods": "kube", "nodes-of-kube": "kube", "misc": None}


def find():
    """gcx's path, or None and why not."""
    path = os.environ.get("CORACLE_GCX") or shutil.which("gcx")
    if not path:
        return None, "there is no gcx: neither CORACLE_GCX nor one in PATH"
    if not os.access(path, os.X_OK):
        return None, "CORACLE_GCX names no program: " + path
    return os.path.abspath(path), ""


def obj(group, version, kind, name, spec, folder=None):
    meta = {"name": name}
    if folder:
        meta["annotations"] = {FOLDER: folder}
    return {"apiVersion": "%s/%s" % (group, version), "kind": kind, "metadata": meta, "spec": spec}


def board(name, folder=None, version="v1", **spec):
    return obj(DASHBOARDS, version, "Dashboard", name, dict({"title": name.title()}, **spec), folder)


def kept(spec):
    """Of a classic dashboard; the rest is the object's, in Grafana too."""
    return {k: v for k, v in spec.items() if k not in ("uid", "id", "version")}


def folder(name, parent=None, **spec):
    return obj(FOLDERS, "v1", "Folder", name, dict({"title": name.title()}, **spec), parent)


def playlist(name, **spec):
    return obj(PLAYLISTS, "v1", "Playlist", name,
               dict({"title": name, "interval": "5m", "items": [{"type": "dashboard_by_tag", "value": "x"}]}, **spec))


def key(o):
    return o["kind"], o["metadata"]["name"]


def yaml(value, depth=0):
    """Maps as YAML with bare scalars: gcx takes no base64 in quotes."""
    if not isinstance(value, dict):
        return " %s\n" % value
    return "\n" * bool(depth) + "".join("  " * depth + k + ":" + yaml(v, depth + 1) for k, v in value.items())


class Gcx(unittest.TestCase):
    """binary and server are set where the tour is made."""
    binary, server, maxDiff = None, None, 4000

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.recorder = Recorder(cls.server)
        cls.recorder.__enter__()
        cls.configure()
        cls.server.post("/api/v1/namespaces", {"metadata": {"name": "org-2"}})

    @classmethod
    def tearDownClass(cls):
        cls.recorder.__exit__()
        cls.home.cleanup()

    @classmethod
    def configure(cls):
        """Contexts: "default" over TLS, "wire" through the recorder, "certificate", "two" and "nine" (organisations), "nobody" and "stranger"."""
        text = open(cls.server.kubeconfig).read()
        ca, cert, secret = (re.search(name + r"-data: (\S+)", text)[1]
                            for name in ("certificate-authority", "client-certificate", "client-key"))
        tls = {"server": cls.server.url, "org-id": 1, "tls": {"ca-data": ca}}
        token = dict(tls, token=cls.server.token)
        grafanas = {"default": token, "wire": {"server": cls.recorder.url, "org-id": 1, "token": cls.server.token},
                    "certificate": dict(tls, tls={"ca-data": ca, "cert-data": cert, "key-data": secret}),
                    "two": dict(token, **{"org-id": 2}), "nine": dict(token, **{"org-id": 9}),
                    "nobody": tls, "stranger": dict(tls, token="stranger")}
        cls.config = {"version": 1, "stacks": {n: {"grafana": g} for n, g in grafanas.items()},
                      "contexts": {n: {"stack": n} for n in grafanas}, "current-context": "default"}

    def setUp(self):
        self.dir = tempfile.mkdtemp(dir=self.home.name)
        self.connection = self.server.connection()
        self.addCleanup(self.connection.close)
        self.write_config(self.config)
        self.clear("default")
        self.recorder.taken()

    # -- running it
    def write_config(self, config):
        self.config_path = os.path.join(self.dir, "config.yaml")
        with open(self.config_path, "w") as f:
            f.write(yaml(config))

    def run_gcx(self, *args, status=0, env=None, stdin="", cwd=None):
        vars_ = dict(PATH=os.environ.get("PATH", ""), HOME=self.home.name, GCX_CONFIG=self.config_path, GCX_TELEMETRY="disabled", NO_COLOR="1")
        r = subprocess.run([self.binary] + list(args), input=stdin, capture_output=True, text=True, timeout=300, cwd=cwd or self.dir,
                           env=dict(vars_, **(env or {})))
        self.assertEqual(r.returncode, status, "gcx %s\n%s%s" % (" ".join(args), r.stdout, r.stderr))
        return r

    def gcx(self, *args, **kw):
        """What it says on both its outputs."""
        r = self.run_gcx(*args, **kw)
        return r.stdout + r.stderr

    def json(self, *args, **kw):
        return json.loads(self.run_gcx(*args, "-o", "json", **kw).stdout)

    def batch(self, *args, context="default", done, failed=0):
        """A command over many objects: how many it did, and the errors by kind and name."""
        r = self.json("resources", *args, "--context", context, status=4 if failed else 0)
        self.assertEqual((r["summary"]["succeeded"], r["summary"]["failed"]), (done, failed), r)
        return {(f["target"]["kind"], f["target"]["name"]): f["error"] for f in r.get("failures") or []}

    def push(self, *objs, context="default", **kw):
        return self.batch("push", "-p", self.files(*objs), context=context, **dict({"done": len(objs)}, **kw))

    def pull(self, *selectors, args=(), count=None, **kw):
        """What is pulled, by kind and name, and where to."""
        path = tempfile.mkdtemp(dir=self.dir)
        text = self.gcx("resources", "pull", *selectors, "-p", path, *args, **kw)
        if count is not None:
            self.assertIn("%d resources pulled, 0 errors" % count, text)
        return {key(o): o for o in map(json.load, map(open, glob.glob(path + "/*/*.json")))}, path

    # -- files and the server
    def files(self, *objs):
        """A directory with a file each."""
        path = tempfile.mkdtemp(dir=self.dir)
        for o in objs:
            with open(os.path.join(path, "%s-%s.json" % (o["kind"], o["metadata"]["name"])), "w") as f:
                json.dump(o, f)
        return path

    def path(self, group, version, plural, name="", ns="default"):
        return "/apis/%s/%s/namespaces/%s/%s%s" % (group, version, ns, plural, "/" + name if name else "")

    def get(self, group, plural, name, version="v1", ns="default"):
        status, _, body = self.server.get(self.path(group, version, plural, name, ns))
        self.assertEqual(status, 200, body)
        return body

    def list(self, group, plural, version="v1", ns="default"):
        return {o["metadata"]["name"]: o for o in self.get(group, plural, "", version, ns)["items"]}

    def count(self, ns="default"):
        return len(self.list(DASHBOARDS, "dashboards", ns=ns)), len(self.list(FOLDERS, "folders", ns=ns))

    def clear(self, ns):
        for group, version, plural in ((DASHBOARDS, "v1", "dashboards"), (FOLDERS, "v1", "folders"), (PLAYLISTS, "v1", "playlists"),
                                       ("shorturl.grafana.app", "v1beta1", "shorturls"), ("annotation.grafana.app", "v0alpha1", "annotations"),
                                       ("collections.grafana.app", "v1alpha1", "stars"), ("preferences.grafana.app", "v1", "preferences")):
            status, _, body = self.server.request("DELETE", self.path(group, version, plural, ns=ns), conn=self.connection)
            self.assertEqual(status, 200, body)

    def wire(self, *args, **kw):
        """What a command asks, without the question for a stack and what it keeps on the disk."""
        self.gcx(*args, "--context", "wire", **kw)
        lines = [str(e) for e in self.recorder.taken()]
        return [l for l in lines if not l.startswith(("GET /bootdata ", "GET /api?", "GET /apis?"))]

    # -- who asks, and where
    def test_config_check(self):
        known = [n for n in self.config["contexts"] if n not in ("nobody", "stranger")]
        self.write_config(self.only(*known))
        text = self.gcx("config", "check")
        self.assertEqual(text.count("Connectivity: online"), len(known), text)
        self.assertEqual(len(re.findall(r"Grafana version: 1[2-9]\.\d+\.\d+\+coracle-", text)), len(known), text)
        for name in ("nobody", "stranger"):  # each by itself: all contexts of a server share what discovery said, on the disk
            self.write_config(self.only(name))
            home = tempfile.mkdtemp(dir=self.dir)
            self.assertIn("Connectivity: Unauthorized - code 401", self.gcx("config", "check", env={"HOME": home}, status=3))

    def only(self, *names):
        """The configuration with these contexts alone, the first of them the current one."""
        return {"version": 1, "stacks": {n: self.config["stacks"][n] for n in names}, "contexts": {n: {"stack": n} for n in names},
                "current-context": names[0]}

    def test_login_and_contexts(self):
        text = self.gcx("login", "--yes", "fresh", "--server", self.recorder.url, "--token", self.server.token)
        self.assertIn("Logged in to " + self.recorder.url, text)
        self.assertRegex(text, r"Grafana Cloud: +no")
        self.assertIn("GET /api/health 200", [str(e) for e in self.recorder.taken()])
        self.assertEqual(self.gcx("config", "current-context").strip(), "fresh")
        self.push(playlist("p"), context="fresh")
        self.assertIn("p", self.gcx("resources", "get", "playlists"))
        self.gcx("config", "use-context", "two")
        self.assertNotIn("Playlist", self.gcx("resources", "get", "playlists"))
        self.assertRegex(self.gcx("config", "list-contexts"), r"\* +two ")
        known = {"SSL_CERT_FILE": os.path.join(self.server.data, "pki", "server.crt")}
        login = ("login", "--yes", "tls", "--server", self.server.url, "--token", self.server.token)
        self.assertIn("certificate signed by unknown authority", self.gcx(*login, status=1))
        self.gcx(*login, env=known)
        self.assertIn("p", self.gcx("resources", "get", "playlists", env=known))

    def test_without_a_known_user(self):
        self.gcx("resources", "get", "folders")  # from here on discovery is on the disk, which what follows does not ask for
        for context in ("nobody", "stranger"):
            self.assertIn("401 Unauthorized", self.gcx("dashboards", "list", "--context", context, status=1))
            text = self.gcx("resources", "get", "folders", "--context", context, "-v", status=4)
            self.assertIn("401 Unauthorized", text)
            failed = self.batch("push", "-p", self.files(playlist("p")), context=context, done=0, failed=1)
            self.assertIn("401 Unauthorized", failed["Playlist", "p"])
        self.assertEqual(self.list(PLAYLISTS, "playlists"), {})

    def test_certificate(self):
        self.push(playlist("p"), context="certificate")
        self.assertEqual(self.list(PLAYLISTS, "playlists")["p"]["metadata"]["annotations"]["grafana.app/createdBy"], "user:coracle-admin")

    def test_organisations(self):
        self.push(folder("f"), board("b", "f"), playlist("p"), context="two")
        self.assertEqual((self.count(), self.count("org-2")), ((0, 0), (1, 1)))
        pulled, path = self.pull("dashboards", "folders", "playlists", args=("--context", "two"), count=3)
        self.assertEqual({o["metadata"]["namespace"] for o in pulled.values()}, {"org-2"})
        self.batch("push", "-p", path, done=3)  # into the first: the context decides
        self.assertEqual((self.count(), self.count("org-2")), ((1, 1), (1, 1)))
        why = self.push(playlist("p"), context="nine", done=0, failed=1)
        self.assertIn('namespaces "org-9" not found', why["Playlist", "p"])
        self.assertIn("kubectl create namespace org-9", why["Playlist", "p"])
        self.assertIn("does not match the namespace", self.gcx("resources", "validate", "-p", path, status=4))  # and validate leaves it

    def test_a_stack(self):
        self.write_config({"version": 1, "stacks": {"s": {"grafana": {"server": self.recorder.url, "token": self.server.token, "stack-id": 7}}},
                           "contexts": {"default": {"stack": "s"}}, "current-context": "default"})
        status, _, body = self.server.post("/api/v1/namespaces", {"metadata": {"name": "stacks-7"}})
        self.assertEqual(status, 201, body)
        self.push(playlist("p"))
        self.assertEqual(list(self.list(PLAYLISTS, "playlists", ns="stacks-7")), ["p"])
        self.assertNotIn("/bootdata", [e.path for e in self.recorder.taken()])

    # -- what there is
    def test_types(self):
        text = self.gcx("resources", "list-types")
        for line in ("dashboard.grafana.app +v0alpha1 +dashboards", "dashboard.grafana.app +v2 +dashboards", "folder.grafana.app +v1 +folders",
                     "playlist.grafana.app +v0alpha1 +playlists", "shorturl.grafana.app +v1beta1 +shorturls", "preferences.grafana.app +v1 +preferences",
                     "annotation.grafana.app +v0alpha1 +annotations", "collections.grafana.app +v1alpha1 +stars"):
            self.assertRegex(text, line)
        self.assertNotIn("k8s.io", text)
        types = self.json("resources", "list-types")
        for group, version, field in ((DASHBOARDS, "v1", "title"), (DASHBOARDS, "v2", "title"), (FOLDERS, "v1", "title"), (PLAYLISTS, "v1", "items"),
                                      ("shorturl.grafana.app", "v1beta1", "path"), ("annotation.grafana.app", "v0alpha1", "text"),
                                      ("collections.grafana.app", "v1alpha1", "resource"), ("preferences.grafana.app", "v1", "theme")):
            self.assertIn(field, types[group][version][0]["schema"]["properties"], (group, version))
        self.assertIn("Folder", self.gcx("resources", "list-types", "folders", "-o", "wide"))

    def test_get(self):
        self.push(folder("f"), board("a", "f"), board("b"), playlist("p"))
        self.assertEqual([l.split() for l in self.gcx("resources", "get", "dashboards", "folders").splitlines()],
                         [["KIND", "GROUP", "NAME"], ["Dashboard", DASHBOARDS, "a"], ["Dashboard", DASHBOARDS, "b"], ["Folder", FOLDERS, "f"]])
        self.assertEqual(self.json("resources", "get", "dashboards/a")["spec"]["title"], "A")
        self.assertEqual({o["metadata"]["name"] for o in self.json("resources", "get", "dashboards/a,b")["items"]}, {"a", "b"})
        self.assertEqual(len(self.json("resources", "get", "dashboards", "--limit", "1")["items"]), 1)
        self.assertEqual(self.json("resources", "get", "dashboards.dashboard/a", "--json", "metadata.name,spec.title"),
                         {"metadata.name": "a", "spec.title": "A"})
        self.assertIn("title: A\n", self.gcx("resources", "get", "dashboards.v1.dashboard.grafana.app/a", "-o", "yaml"))
        self.assertIn('dashboards.dashboard.grafana.app "none" not found', self.gcx("resources", "get", "dashboards/none", status=1))
        self.assertIn("the server does not support this resource", self.gcx("resources", "get", "widgets", status=1))

    def test_many(self):
        for n in range(505):
            status, _, body = self.server.post(self.path(PLAYLISTS, "v1", "playlists"), playlist("p%03d" % n), conn=self.connection)
            self.assertEqual(status, 201, body)
        self.assertEqual(len(self.json("resources", "get", "playlists", "--limit", "0")["items"]), 505)
        pulled, _ = self.pull("playlists", count=505)
        self.assertEqual(len(pulled), 505)
        self.batch("delete", "playlists", "--force", done=505)
        self.assertEqual(self.list(PLAYLISTS, "playlists"), {})

    # -- a tree of folders with dashboards
    def tree(self):
        """A directory as people keep it: folders nested as the folders are, dashboards of real origin in three versions, and its objects."""
        path, objs = tempfile.mkdtemp(dir=self.dir), []
        def place(name):
            return os.path.join(place(TREE[name]), name) if name else path
        def write(where, name, o):
            os.makedirs(where, exist_ok=True)
            with open(os.path.join(where, name + ".json"), "w") as f:
                json.dump(o, f, indent=1)
            objs.append(o)
        for name, parent in TREE.items():
            write(place(name), "_folder", folder(name, parent))
        sources = sorted(glob.glob(os.path.join(BOARDS, "*.json")))
        self.assertTrue(sources, BOARDS)
        for n, source in enumerate(sources):
            where = list(TREE)[n % len(TREE)]
            with open(source) as f:
                spec = {k: v for k, v in json.load(f).items() if k not in ("id", "uid", "version")}  # those are the metadata's
            name = os.path.basename(source)[:-5]
            write(place(where), name, obj(DASHBOARDS, VERSIONS[n % 3], "Dashboard", name, spec, where))
        return path, {key(o): o for o in objs}

    def test_tree(self):
        path, objs = self.tree()
        total = len(objs)
        self.assertIn("No errors found", self.gcx("resources", "validate", "-p", path))  # nothing of it is there yet
        self.batch("push", "-p", path, "--dry-run", done=total)
        self.assertEqual(self.count(), (0, 0))
        self.batch("push", "-p", path, done=total)
        self.assertEqual(self.count(), (total - len(TREE), len(TREE)))

        before = {**self.list(DASHBOARDS, "dashboards"), **self.list(FOLDERS, "folders")}
        self.batch("push", "-p", path, done=total)  # unchanged: nothing is written
        for name, o in {**self.list(DASHBOARDS, "dashboards"), **self.list(FOLDERS, "folders")}.items():
            self.assertEqual(o["metadata"]["resourceVersion"], before[name]["metadata"]["resourceVersion"], name)

        pulled, copy_ = self.pull("dashboards", "folders", count=total)
        self.assertEqual(set(pulled), set(objs))
        for k, o in objs.items():
            p = pulled[k]
            self.assertEqual((p["apiVersion"], kept(p["spec"])), (o["apiVersion"], kept(o["spec"])), k)  # each in the version it was written in
            if o["apiVersion"] not in (DASHBOARDS + "/v1", DASHBOARDS + "/v1beta1"):
                self.assertEqual(p["spec"], o["spec"], k)  # as it was written
            self.assertEqual((p["metadata"]["annotations"] or {}).get(FOLDER), o["metadata"].get("annotations", {}).get(FOLDER), k)
            self.assertEqual(p["metadata"]["namespace"], "default")
            self.assertFalse({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"} & set(p["metadata"]), k)

        changed = sorted(k for k in objs if k[0] == "Dashboard")[:2] + [("Folder", "kube")]
        for file in glob.glob(copy_ + "/*/*.json"):
            o = json.load(open(file))
            if key(o) in changed:
                o["spec"]["title"] += " (changed)"
                json.dump(o, open(file, "w"))
        self.batch("push", "-p", copy_, done=total)  # what was pulled
        after = {**self.list(DASHBOARDS, "dashboards"), **self.list(FOLDERS, "folders")}
        for k in objs:
            grown = after[k[1]]["metadata"]["generation"] - before[k[1]]["metadata"]["generation"]
            self.assertEqual(grown, int(k in changed), k)
            self.assertEqual(after[k[1]]["spec"]["title"].endswith(" (changed)"), k in changed)
        self.delete_tree(path, objs)

    def delete_tree(self, path, objs):
        """Objects go in no order, ten at a time, and folders that are not empty stay: the tree is gone after a command for each of its levels at
        the latest. What is gone already fails then."""
        text = self.gcx("resources", "delete", "-p", path, status=1)
        self.assertIn("--force", text)
        for _ in range(3 + 1):
            self.gcx("resources", "delete", "-p", path, "--yes", "--on-error", "ignore")
            if self.count() == (0, 0):
                break
        self.assertEqual(self.count(), (0, 0))
        gone = self.batch("delete", "-p", path, "--yes", done=0, failed=len(objs))
        self.assertEqual(gone["Folder", "kube"], '404 NotFound: folders.folder.grafana.app "kube" not found')

    def test_round_trip(self):
        self.push(folder("home"), folder("inner", "home", description="D"), board("one", "inner", tags=["a"]), board("two", version="v2"), playlist("p"))
        first, path = self.pull("dashboards", "folders", "playlists", count=5)
        self.clear("default")
        self.batch("push", "-p", path, done=5)
        self.assertEqual(self.pull("dashboards", "folders", "playlists", count=5)[0], first)

    def test_another_version(self):
        """A dashboard is in the version in which it was changed last."""
        for version in ("v1", "v2", "v0alpha1"):
            self.push(board("b", version=version, title=version))
            pulled, _ = self.pull("dashboards", count=1)
            self.assertEqual((pulled["Dashboard", "b"]["apiVersion"], pulled["Dashboard", "b"]["spec"]["title"]), (DASHBOARDS + "/" + version, version))

    def test_pull_forms(self):
        self.push(folder("f"), board("a", "f"), board("b"))
        pulled, _ = self.pull("dashboards/a", "folders/f", count=2)
        self.assertEqual(sorted(pulled), [("Dashboard", "a"), ("Folder", "f")])
        path = tempfile.mkdtemp(dir=self.dir)
        self.gcx("resources", "pull", "dashboards/a,b", "-p", path, "-o", "yaml")
        with open(os.path.join(path, "dashboards.v1.dashboard.grafana.app", "a.yaml")) as f:
            text = f.read()
        self.assertIn("grafana.app/folder: f\n", text)
        self.assertIn("  title: A\n", text)
        self.batch("push", "-p", path, done=2)
        pulled, _ = self.pull("dashboards.v2.dashboard.grafana.app/a", count=1)
        self.assertEqual(pulled["Dashboard", "a"]["apiVersion"], "dashboard.grafana.app/v1")  # as it was written
        pulled, _ = self.pull(status=4)  # everything: what belongs to Grafana Cloud cannot be had
        self.assertEqual(sorted(pulled), [("Dashboard", "a"), ("Dashboard", "b"), ("Folder", "f")])
        self.assertEqual(len(self.pull(args=("--on-error", "ignore"))[0]), 3)

    def test_every_kind(self):
        objs = [board(v, version=v) for v in ("v0alpha1", "v1beta1", "v1", "v2alpha1", "v2beta1", "v2")] + [
            folder("f"), playlist("p"), obj("shorturl.grafana.app", "v1beta1", "ShortURL", "s", {"path": "d/v1"}),
            obj("annotation.grafana.app", "v0alpha1", "Annotation", "n", {"text": "hello", "time": 1700000000000}),
            obj("collections.grafana.app", "v1alpha1", "Stars", "user-admin-uid",
                {"resource": [{"group": DASHBOARDS, "kind": "Dashboard", "names": ["v1"]}]}),
            obj("preferences.grafana.app", "v1", "Preferences", "user-admin-uid", {"theme": "light"})]
        self.push(*objs)
        pulled, path = self.pull("dashboards", "folders", "playlists", "shorturls", "annotations", "stars", "preferences", count=len(objs))
        for o in objs:
            self.assertEqual(pulled[key(o)]["apiVersion"], o["apiVersion"])
            self.assertLessEqual(o["spec"].items(), pulled[key(o)]["spec"].items())
        self.batch("push", "-p", path, done=len(objs))
        self.batch("delete", "-p", path, "--yes", done=len(objs))

    # -- what goes wrong
    def test_mistakes(self):
        untitled = board("untitled")
        del untitled["spec"]["title"]
        objs = [board("fine"), board("lost", "nowhere"), folder("lost", "nowhere"), untitled, folder("blank", title=" "), board("bad!name"),
                board("future", version="v99"), board("odd", panels="none"), playlist("wrong", items=[{"type": "nonsense", "value": "x"}])]
        causes = {("Dashboard", "untitled"): "400 BadRequest: Dashboard title cannot be empty", ("Folder", "blank"): "400 BadRequest: folder title cannot be empty",
                  ("Dashboard", "bad!name"): "400 BadRequest: uid contains illegal characters",
                  ("Dashboard", "future"): "resource not supported by the API: dashboard.grafana.app/v99",
                  ("Dashboard", "odd"): "spec.panels in body must be of type array", ("Playlist", "wrong"): 'Unsupported value: "nonsense"'}
        text = self.gcx("resources", "validate", "-p", self.files(*objs), status=4)
        for (kind, name), why in causes.items():
            self.assertRegex(text, r"%s-%s\.json +.*%s" % (kind, name, re.escape(why)))
        self.assertNotIn("fine", text)
        self.assertEqual(self.count(), (0, 0))
        for kind in ("Dashboard", "Folder"):
            causes[kind, "lost"] = '404 NotFound: folders.folder.grafana.app "nowhere" not found'
        failed = self.push(*objs, done=1, failed=len(causes))
        self.assertEqual(set(failed), set(causes))
        for k, why in causes.items():
            self.assertIn(why, failed[k])
        self.assertEqual(self.count(), (1, 0))
        self.assertRegex(self.gcx("resources", "push", "-p", self.files(folder("a", "b"), folder("b", "a")), status=1), "Folder [ab] has invalid level")

    def test_a_ring_is_refused(self):
        self.push(folder("a"), folder("b", "a"))
        failed = self.push(folder("a", "b"), done=0, failed=1)
        self.assertEqual(failed["Folder", "a"], "400 BadRequest: Circular reference detected")

    def test_what_others_manage(self):
        theirs = board("theirs")
        theirs["metadata"]["annotations"] = {"grafana.app/managedBy": "terraform", "grafana.app/managerId": "plan"}
        status, _, body = self.server.post(self.path(DASHBOARDS, "v1", "dashboards"), theirs)
        self.assertEqual(status, 201, body)
        self.push(board("ours"))
        self.assertEqual(list(self.pull("dashboards")[0]), [("Dashboard", "ours")])
        self.assertEqual(len(self.pull("dashboards", args=("--include-managed",), count=2)[0]), 2)
        changed = copy.deepcopy(theirs)
        changed["spec"]["title"] = "Changed"
        self.push(changed, done=0)  # left out
        self.assertEqual(self.get(DASHBOARDS, "dashboards", "theirs")["spec"]["title"], "Theirs")
        annotations = self.get(DASHBOARDS, "dashboards", "ours")["metadata"]["annotations"]
        self.assertEqual((annotations["grafana.app/managedBy"], annotations["grafana.app/managerId"]), ("kubectl", "gcx"))

    def test_deletion(self):
        self.push(folder("outer"), folder("inner", "outer"), board("one", "inner"), board("two"))
        self.batch("delete", "dashboards/one,two", "--dry-run", done=2)
        self.assertEqual(self.count(), (2, 2))
        failed = self.batch("delete", "folders/outer", done=0, failed=1)
        self.assertEqual(failed["Folder", "outer"], "400 BadRequest: Folder cannot be deleted: folder is not empty")
        self.batch("delete", "dashboards/one,two", done=2)
        self.batch("delete", "folders/inner", done=1)
        self.batch("delete", "folders/outer", done=1)
        self.assertEqual(self.count(), (0, 0))
        self.assertIn("not found", self.gcx("resources", "delete", "folders/outer", status=1))

    # -- edit, and the commands for dashboards
    def editor(self, expression):
        path = os.path.join(self.dir, "editor")
        with open(path, "w") as f:
            f.write("#!/bin/sh\nexec sed -i '%s' \"$1\"\n" % expression)
        os.chmod(path, 0o755)
        return {"EDITOR": path}

    def test_edit(self):
        self.push(board("b"))
        self.gcx("resources", "edit", "dashboards/b", env=self.editor('s/"title": "B"/"title": "Edited"/'))
        o = self.get(DASHBOARDS, "dashboards", "b")
        self.assertEqual((o["spec"]["title"], o["metadata"]["generation"]), ("Edited", 2))
        self.gcx("resources", "edit", "-o", "yaml", "dashboards/b", env=self.editor("s/title: Edited/title: Again/"))
        self.assertEqual(self.get(DASHBOARDS, "dashboards", "b")["spec"]["title"], "Again")
        self.assertIn("no changes", self.gcx("resources", "edit", "dashboards/b", env={"EDITOR": "true"}))
        text = self.gcx("resources", "edit", "dashboards/b", env=self.editor('s/"title": "Again"/"title": ""/'), status=1)
        self.assertIn("Dashboard title cannot be empty", text)
        self.assertEqual(self.get(DASHBOARDS, "dashboards", "b")["spec"]["title"], "Again")

    def test_dashboards(self):
        file = os.path.join(self.files(board("b", tags=["t"])), "Dashboard-b.json")
        self.assertIn('dashboard "b" created', self.gcx("dashboards", "create", "-f", file))
        self.assertIn('409 AlreadyExists', self.gcx("dashboards", "create", "-f", file, status=1))
        self.assertRegex(self.gcx("dashboards", "list"), r"NAME +TITLE +FOLDER +TAGS +AGE\nb +B .* t +\d+\w+")
        self.assertRegex(self.gcx("dashboards", "list", "--api-version", "dashboard.grafana.app/v2"), r"\nb +B .* t +\d+\w+")
        self.assertRegex(self.gcx("dashboards", "get", "b"), r"\nb +B .* t +\d+\w+")
        got = self.json("dashboards", "get", "b")
        got["spec"]["title"] = "Better"
        newer = os.path.join(self.files(got), "Dashboard-b.json")
        self.assertIn('dashboard "b" updated', self.gcx("dashboards", "update", "b", "-f", newer))
        text = self.gcx("dashboards", "update", "b", "-f", newer, status=1)  # with the resourceVersion of before
        self.assertIn("409 Conflict", text)
        self.assertIn("the object has been modified", text)
        self.assertRegex(self.gcx("dashboards", "list-versions", "b"), r"^VERSION +TIMESTAMP +AUTHOR +MESSAGE\n$")  # none are kept
        self.assertIn('dashboard "b" deleted', self.gcx("dashboards", "delete", "b", "--force"))
        self.assertIn("404 NotFound", self.gcx("dashboards", "get", "b", status=1))

    def test_pages_of_dashboards(self):
        self.push(*(board("b%d" % n) for n in range(5)))
        found, args = [], []
        for _ in range(3):
            text = self.gcx("dashboards", "list", "--limit", "2", *args)
            found += re.findall(r"(?m)^(b\d) ", text)
            args = ["--continue", re.search(r"--continue (\S+)", text)[1]] if "--continue" in text else None
            if args is None:
                break
        self.assertEqual((found, args), (["b0", "b1", "b2", "b3", "b4"], None))

    def test_search(self):
        self.push(folder("f"), board("nodes", "f", tags=["x", "y"]), board("kubernetes", tags=["y"]), board("another"))
        def names(*args):
            found = self.json("dashboards", "search", *args)
            self.assertEqual((found["kind"], found["apiVersion"]), ("DashboardSearchResultList", "dashboard.grafana.app/v0alpha1"))
            return [o["metadata"]["name"] for o in found["items"]]
        for name in ("nodes", "kubernetes", "another"):
            poll(name + " in the index", lambda: names(name) == [name], seconds=60)
        self.assertEqual(names("kuber"), ["kubernetes"])
        self.assertEqual(names("--folder", "f"), ["nodes"])
        self.assertEqual(names("--tag", "y", "--sort", "name_sort"), ["kubernetes", "nodes"])
        self.assertEqual(names("--tag", "y", "--sort", "-name_sort"), ["nodes", "kubernetes"])
        self.assertEqual(names("--tag", "x", "--tag", "y"), ["nodes"])
        self.assertEqual(names("nothing"), [])
        self.assertRegex(self.gcx("dashboards", "search", "nodes"), r"nodes +Nodes +f +x, ?y")

    def test_import_as_code(self):
        self.push(board("b", version="v0alpha1"), board("c"))
        self.assertIn("Imported 2 resources", self.gcx("dev", "import", "dashboards", "--path", "imported"))
        with open(os.path.join(self.dir, "imported", "b.go")) as f:
            self.assertIn('NewDashboardBuilder("B")', f.read())

    def test_api(self):
        self.assertEqual(json.loads(self.run_gcx("api", "/api/health").stdout)["database"], "ok")
        path = self.path(PLAYLISTS, "v1", "playlists")
        self.run_gcx("api", path, "-d", json.dumps(playlist("p")))
        self.assertEqual(json.loads(self.run_gcx("api", path + "/p").stdout)["spec"]["interval"], "5m")

    # -- on the wire: what the replay (gcx) rests on
    def test_wire(self):
        f, b, p = (self.path(g, "v1", n) for g, n in ((FOLDERS, "folders"), (DASHBOARDS, "dashboards"), (PLAYLISTS, "playlists")))
        path = self.files(folder("f"), board("b", "f"))
        self.gcx("resources", "get", "folders", "--context", "wire")
        asked = [str(e) for e in self.recorder.taken()]
        self.assertEqual([asked[0], asked[-1]], ["GET /bootdata 404", "GET %s?limit=50 200" % f])
        self.assertLessEqual(set(asked[1:-1]), {"GET /api?timeout=32s 404", "GET /apis?timeout=32s 200", "GET /bootdata 404"})
        push = lambda *args: self.wire("resources", "push", "-p", path, *args)
        self.assertEqual(push("--dry-run"), ["GET %s/f 404" % f, "POST %s?dryRun=All 201" % f, "GET %s/b 404" % b, "POST %s?dryRun=All 201" % b])
        self.assertEqual(push(), ["GET %s/f 404" % f, "POST %s 201" % f, "GET %s/b 404" % b, "POST %s 201" % b])
        self.assertEqual(push(), ["GET %s/f 200" % f, "PUT %s/f 200" % f, "GET %s/b 200" % b, "PUT %s/b 200" % b])
        self.assertEqual(self.wire("resources", "pull", "playlists", "-p", self.dir), ["GET %s?limit=500 200" % p])
        self.assertEqual(self.wire("resources", "delete", "dashboards/b", "--dry-run"), ["GET %s/b 200" % b, "DELETE %s/b 200" % b])
        self.assertEqual(sorted(self.wire("resources", "delete", "-p", path, "--yes", "--on-error", "ignore"))[0], "DELETE %s/b 200" % b)
        self.assertEqual(self.wire("dashboards", "search", "x", "--tag", "t"),
                         ["GET %s/search?limit=50&query=x&tag=t&type=dashboard 200" % self.path(DASHBOARDS, "v0alpha1", "").rstrip("/")])
        self.assertEqual(self.wire("dashboards", "list-versions", "b"),
                         ["GET %s?fieldSelector=metadata.name%%3Db&labelSelector=grafana.app%%2Fget-history%%3Dtrue&limit=500 200" % b])

    def test_headers(self):
        self.gcx("resources", "push", "-p", self.files(board("b")), "--context", "wire")
        asked = self.recorder.taken()
        boot, post = asked[0], asked[-1]
        self.assertNotIn("Authorization", boot.headers)
        self.assertEqual((post.method, post.headers["X-Grafana-Caller-Id"]), ("POST", "gcx"))
        self.assertRegex(post.headers["User-Agent"], r"^gcx/")
        self.assertEqual(post.headers["Authorization"], "Bearer " + self.server.token)
        sent = json.loads(post.body)["metadata"]
        self.assertEqual(sent["namespace"], "default")
        self.assertEqual({k: v for k, v in sent["annotations"].items() if k != "grafana.app/sourcePath"},
                         {"grafana.app/managedBy": "kubectl", "grafana.app/managerId": "gcx", "grafana.app/managerAllowsEdits": "true"})
        self.assertRegex(sent["annotations"]["grafana.app/sourcePath"], "^file://.*Dashboard-b.json$")
