# SPDX-License-Identifier: Apache-2.0
"""Objects kept as files say: created, changed, removed, moved, swapped, refused, found again after a restart."""
import json, os, shutil, signal, subprocess, sys, tempfile, time, unittest

import support
from lib.server import Server

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SOURCE = "/apis/provisioning.coracle.dev/v1/sources/files"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, maximum: 10}}}
"""


def configmap(name, value="1", more=""):
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s%s}\ndata: {value: '%s'}\n" % (name, more, value)


def widget(name, size=1):
    return "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: %s}\nspec: {size: %d}\n" % (name, size)


def eventually(check, seconds=60):
    """Waits until check() gives something true, and gives that; the last failed assertion or error of it otherwise."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = check()
            if found:
                return found
            problem = AssertionError("never came true")
        except (AssertionError, KeyError, IndexError, TypeError) as e:
            problem = e
        if time.monotonic() > end:
            raise problem
        time.sleep(0.03)


class Directory(unittest.TestCase):
    """A server that provisions a directory of the test's own."""
    flags = []

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-files-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.root = os.path.join(self.dir, "root")
        os.mkdir(self.root)
        self.fill()
        self.server = support.Kept(preset=support.PRESET, level="error", flags=["--provision", "files=" + self.root] + self.flags)
        self.prepare()
        self.server.start()
        self.addCleanup(lambda: self.server.__exit__(None, None, None))

    def prepare(self):
        pass

    def fill(self):
        pass

    def restart(self, change=lambda: None):
        self.assertEqual(self.server.stop(), 0)
        change()
        self.server.start()

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        """As a program does that replaces a file whole."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name) + ".part", "w") as f:
            f.write(text)
        os.rename(self.path(name) + ".part", self.path(name))

    def get(self, path):
        code, _, body = self.server.get(path)
        return body if code == 200 else None

    def names(self, path=CONFIGMAPS):
        body = self.get(path)
        return sorted(o["metadata"]["name"] for o in body["items"]) if body else None

    def has(self, want, path=CONFIGMAPS):
        eventually(lambda: self.assertEqual(self.names(path), sorted(want)) or True)

    def stays(self, check, seconds=0.8):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.assertTrue(check())
            time.sleep(0.05)

    def status(self):
        return self.get(SOURCE)["status"]

    def condition(self, kind="Ready"):
        return next(c for c in self.status()["conditions"] if c["type"] == kind)

    def ready(self):
        eventually(lambda: self.assertEqual(self.condition()["status"], "True", self.status()) or True)

    def failure(self, path, reason):
        """Waits for the failure of the file and gives it."""
        def find():
            found = [f for f in self.status().get("failures", []) if f["path"] == path and f["reason"] == reason]
            self.assertTrue(found, self.get(SOURCE))
            return found[0]
        return eventually(find)

    def counted(self):
        lines = self.server.get("/metrics")[2].decode().splitlines()
        return {k: float(v) for k, v in (line[len("coracle_provisioning_"):].rsplit(" ", 1) for line in lines if line.startswith("coracle_provisioning_"))}

    def events(self, text):
        items = self.get("/api/v1/namespaces/default/events")["items"]
        return [e for e in items if e["reason"] == "ProvisioningFailed" and text in e["message"]]


class Files(Directory):
    def fill(self):
        self.write("one.yaml", configmap("a") + "---\n" + configmap("b") + "---\n# nothing\n")
        self.write("sub/two.yml", configmap("c"))
        self.write("sub/deep/three.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}} for n in "de"]}))
        self.write(".hidden.yaml", configmap("hidden"))
        self.write(".git/x.yaml", configmap("hidden"))
        self.write("one.yaml~", configmap("hidden"))
        self.write("notes.txt", "no object")

    def test_owned(self):
        self.has("abcde")
        self.ready()
        meta = self.get(CONFIGMAPS + "/c")["metadata"]
        notes = meta["annotations"]
        self.assertEqual(notes["grafana.app/managedBy"], "classic-file-provisioning")
        self.assertEqual(notes["grafana.app/managerId"], "files")
        self.assertEqual(notes["grafana.app/sourcePath"], "sub/two.yml")
        self.assertRegex(notes["grafana.app/sourceChecksum"], "^[0-9a-f]{64}$")
        self.assertEqual([(m["manager"], m["operation"]) for m in meta["managedFields"]], [("provisioning", "Apply")])
        source = self.get(SOURCE)
        self.assertEqual(source["spec"]["path"], self.root)
        self.assertEqual((source["status"]["files"], source["status"]["objects"], source["status"]["failureCount"]), (3, 5, 0))
        self.assertEqual(self.condition("Watching")["status"], "True")
        table = self.server.get(SOURCE, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})[2]
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Path", "Ready", "Files", "Objects", "Failures", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:6], ["files", self.root, "True", 3, 5, 0])

    def test_changes(self):
        self.has("abcde")
        self.ready()
        self.write("sub/two.yml", configmap("c", "2"))
        eventually(lambda: self.get(CONFIGMAPS + "/c")["data"]["value"] == "2")
        with open(self.path("sub/two.yml"), "w") as f:  # in place
            f.write(configmap("c", "3"))
        eventually(lambda: self.get(CONFIGMAPS + "/c")["data"]["value"] == "3")
        revision = self.get(CONFIGMAPS + "/b")["metadata"]["resourceVersion"]
        self.write("one.yaml", configmap("a", "4") + "---\n" + configmap("b"))
        eventually(lambda: self.get(CONFIGMAPS + "/a")["data"]["value"] == "4")
        self.assertEqual(self.get(CONFIGMAPS + "/b")["metadata"]["resourceVersion"], revision)
        self.write("one.yaml", configmap("b"))  # a document goes
        self.has("bcde")
        os.unlink(self.path("sub/two.yml"))
        self.has("bde")
        self.write("new/dir/x.yaml", configmap("x"))
        self.has("bdex")
        self.ready()
        eventually(lambda: self.assertEqual(self.counted(), {
            "files": 3, "objects": 4, "failures": 0, 'changes_total{operation="create"}': 6, 'changes_total{operation="change"}': 3,
            'changes_total{operation="remove"}': 2}) or True)
        eventually(lambda: (self.status()["files"], self.status()["objects"]) == (3, 4))
        revision = self.get(SOURCE)["metadata"]["resourceVersion"]
        os.utime(self.path("one.yaml"))
        self.stays(lambda: self.get(SOURCE)["metadata"]["resourceVersion"] == revision)

    def test_fields_go(self):
        self.has("abcde")
        self.write("sub/two.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {other: x}\n")
        eventually(lambda: self.get(CONFIGMAPS + "/c")["data"] == {"other": "x"})

    def test_moves(self):
        self.has("abcde")
        self.ready()
        uid = {n: self.get(CONFIGMAPS + "/" + n)["metadata"]["uid"] for n in "abcde"}
        os.rename(self.path("sub"), self.path("elsewhere"))
        os.rename(self.path("one.yaml"), self.path("elsewhere/deep/uno.yaml"))
        eventually(lambda: self.get(CONFIGMAPS + "/c")["metadata"]["annotations"]["grafana.app/sourcePath"] == "elsewhere/two.yml")
        eventually(lambda: self.get(CONFIGMAPS + "/a")["metadata"]["annotations"]["grafana.app/sourcePath"] == "elsewhere/deep/uno.yaml")
        self.stays(lambda: self.names() == list("abcde"))
        self.assertEqual(uid, {n: self.get(CONFIGMAPS + "/" + n)["metadata"]["uid"] for n in "abcde"})
        os.unlink(self.path("elsewhere/two.yml"))  # what is moved is watched
        self.has("abde")
        os.rename(self.path("elsewhere"), os.path.join(self.dir, "outside"))
        self.has("")
        os.rename(os.path.join(self.dir, "outside"), self.path("back"))
        self.has("abde")

    def test_restart(self):
        self.has("abcde")
        self.ready()
        revision = self.get(CONFIGMAPS + "/c")["metadata"]["resourceVersion"]
        made = self.get(CONFIGMAPS + "/c")["metadata"]["creationTimestamp"]

        def change():
            os.unlink(self.path("one.yaml"))
            self.write("sub/deep/three.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e"}}))
        self.restart(change)
        self.has("ce")
        self.ready()
        self.assertEqual(self.get(CONFIGMAPS + "/c")["metadata"]["resourceVersion"], revision, "an object that did not change was written")
        self.assertEqual(self.get(CONFIGMAPS + "/c")["metadata"]["creationTimestamp"], made)
        eventually(lambda: self.status()["objects"] == 2)

    def test_others_stay(self):
        self.has("abcde")
        self.server.post(CONFIGMAPS, {"metadata": {"name": "mine"}, "data": {"value": "mine"}})
        code, _, _ = self.server.request("PATCH", CONFIGMAPS + "/c", {"metadata": {"annotations": {"grafana.app/managedBy": None}}},
                                         {"Content-Type": "application/merge-patch+json"})
        self.assertEqual(code, 200)
        os.unlink(self.path("sub/two.yml"))
        os.unlink(self.path("one.yaml"))
        self.has(["c", "d", "e", "mine"])
        self.write("mine.yaml", configmap("mine", "theirs"))
        f = self.failure("mine.yaml", "NotOwned")
        self.assertEqual(f["object"], "configmaps/default/mine")
        self.assertIn("left alone", f["message"])
        self.assertEqual(self.get(CONFIGMAPS + "/mine")["data"], {"value": "mine"})
        self.assertEqual(self.condition()["status"], "False")
        event = eventually(lambda: self.events("mine.yaml"))[0]
        self.assertEqual((event["type"], event["involvedObject"]["kind"], event["involvedObject"]["name"]), ("Warning", "Source", "files"))
        self.assertEqual(event["involvedObject"]["uid"], self.get(SOURCE)["metadata"]["uid"])
        eventually(lambda: self.events("mine.yaml")[0]["count"] > 1)  # it is tried again, and counted
        self.assertEqual(len(self.events("mine.yaml")), 1)
        self.write("mine.yaml", configmap("mine", "theirs", ", annotations: {provisioning.coracle.dev/adopt: 'true'}"))
        eventually(lambda: self.get(CONFIGMAPS + "/mine")["data"] == {"value": "theirs"})
        self.ready()
        os.unlink(self.path("mine.yaml"))
        self.has("cde")

    @support.best_of(3)
    def test_twice(self):
        self.has("abcde")
        self.write("zwei.yaml", configmap("a", "other"))
        self.assertIn("one.yaml", self.failure("zwei.yaml", "Duplicate")["message"])
        self.assertEqual(self.get(CONFIGMAPS + "/a")["data"]["value"], "1")
        os.unlink(self.path("one.yaml"))
        eventually(lambda: self.get(CONFIGMAPS + "/a")["data"]["value"] == "other")
        self.has("acde")
        self.ready()
        self.write("one.yaml", configmap("c", "late"))
        self.failure("one.yaml", "Duplicate")
        time.sleep(8)  # after 1, 3 and 7 seconds it was tried; the next try is that after 15
        self.write("sub/two.yml", configmap("x"))
        eventually(lambda: self.get(CONFIGMAPS + "/c")["data"]["value"] == "late", 6)


class Broken(Directory):
    def fill(self):
        self.write("a.yaml", configmap("a") + "---\n" + configmap("b"))
        self.write("broken.yaml", "apiVersion: v1\nkind: [\n")

    def test_unparsable(self):
        self.has("ab")
        self.assertIn("yaml: line", self.failure("broken.yaml", "Unparsable")["message"])
        for text in ("{", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n- a list\n", "a: 1\na: 2\n",
                     configmap("a") + "---\nkind: ConfigMap\napiVersion: v1\n"):
            self.write("a.yaml", text)
            self.failure("a.yaml", "Unparsable")
            self.assertEqual(self.names(), ["a", "b"])
        self.write("a.yaml", "# all of it is gone\n")
        self.failure("a.yaml", "Empty")
        self.assertEqual(self.names(), ["a", "b"])
        self.write("a.yaml", configmap("b"))
        os.unlink(self.path("broken.yaml"))
        self.has("b")
        self.ready()
        self.assertEqual(self.status()["failureCount"], 0)

    def test_nothing_half_applied(self):
        self.has("ab")
        self.write("a.yaml", configmap("a", "2") + "---\n" + configmap("new") + "---\n" + configmap("Bad_Name") + "---\n"
                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: typo}\ndatta: {}\n")
        self.failure("a.yaml", "Invalid")
        failed = [f["object"] for f in self.status()["failures"] if f["path"] == "a.yaml"]
        self.assertEqual(failed, ["configmaps/default/Bad_Name", "configmaps/default/typo"])
        self.assertEqual(self.names(), ["a", "b"])
        self.assertEqual(self.get(CONFIGMAPS + "/a")["data"]["value"], "1")

    def test_nothing_half_applied_where_a_folder_is_missing(self):
        """A dry run from outside takes a missing folder for made before; a file is checked by what is there."""
        self.write("f.yaml", configmap("first") + "---\napiVersion: dashboard.grafana.app/v1\nkind: Dashboard\n"
                   "metadata: {name: d, annotations: {grafana.app/folder: nope}}\nspec: {title: D}\n")
        self.failure("f.yaml", "NotFound")
        self.assertNotIn("first", self.names())

    def test_restart_keeps_what_is_broken(self):
        self.has("ab")
        self.restart(lambda: self.write("a.yaml", "{"))
        self.failure("a.yaml", "Unparsable")
        self.stays(lambda: self.names() == ["a", "b"])

    def test_size(self):
        self.has("ab")
        with open(self.path("a.yaml"), "w") as f:
            f.write(configmap("a") + "# " + "x" * support.LIMITS["LIMIT_PROVISION_FILE_BYTES"])
        self.assertIn("a file may have", self.failure("a.yaml", "TooLarge")["message"])
        self.write("big.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"},
                                           "data": {"x": "y" * support.LIMITS["LIMIT_CONFIGMAP_BYTES"] + "z"}}))
        self.failure("big.json", "Invalid")
        self.assertEqual(self.names(), ["a", "b"])

    @support.best_of(3)
    def test_half_written(self):
        self.has("ab")
        with open(self.path("a.yaml"), "w") as f:  # what is there at first is whole, and less than there was
            f.write(configmap("a", "5"))
            f.flush()
            self.stays(lambda: self.names() == ["a", "b"] and self.get(CONFIGMAPS + "/a")["data"]["value"] == "1", 1.2)
            f.write("---\n" + configmap("b", "5"))
        eventually(lambda: self.get(CONFIGMAPS + "/b")["data"]["value"] == "5")
        self.assertEqual(self.get(CONFIGMAPS + "/a")["data"]["value"], "5")

    def test_links(self):
        self.has("ab")
        os.makedirs(self.path("loop/in"))
        os.symlink("..", self.path("loop/in/up"))
        os.symlink("nowhere", self.path("lost.yaml"))
        os.mkfifo(self.path("pipe.yaml"))
        self.failure("loop/in/up/", "Loop")
        self.failure("lost.yaml", "Unreadable")
        self.failure("pipe.yaml", "NotAFile")
        self.write("loop/in/c.yaml", configmap("c"))
        self.has("abc")


class Permissions(Directory):
    """Files that the server may not read; where the tests are root's it runs as somebody else."""

    def fill(self):
        self.write("a.yaml", configmap("a"))
        self.write("dir/b.yaml", configmap("b"))

    def prepare(self):
        if os.getuid() != 0:
            return
        if not shutil.which("setpriv"):
            self.skipTest("root may read everything, and there is no setpriv")
        program = os.path.join(self.server.dir, "program")
        with open(program, "w") as f:
            f.write("#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups '%s' \"$@\"\n" % self.server.binary)
        os.chmod(program, 0o755)
        self.server.binary = program
        for d in (self.dir, self.root, self.path("dir"), self.server.dir):
            os.chmod(d, 0o755)
            os.chown(d, 65534, 65534)

    def test_unreadable(self):
        self.has("ab")
        os.chown(self.path("dir"), 0, 0) if os.getuid() == 0 else None
        os.chmod(self.path("dir"), 0)
        self.failure("dir/", "Unreadable")
        os.chmod(self.path("a.yaml"), 0)
        os.chown(self.path("a.yaml"), 0, 0) if os.getuid() == 0 else None
        self.failure("a.yaml", "Unreadable")
        self.write("d.yaml", configmap("d"))  # the rest goes on
        self.has("abd")
        os.chmod(self.path("dir"), 0o755)
        os.chmod(self.path("a.yaml"), 0o644)
        self.ready()
        os.unlink(self.path("dir/b.yaml"))
        self.has("ad")
        os.chmod(self.root, 0)
        os.chown(self.root, 0, 0) if os.getuid() == 0 else None
        eventually(lambda: self.condition()["reason"] == "Unreadable")
        self.stays(lambda: self.names() == ["a", "d"])
        os.chmod(self.root, 0o755)
        self.ready()


class Root(Directory):
    """The directory itself comes, goes and is swapped."""

    def fill(self):
        self.write("a.yaml", configmap("a"))

    def test_vanishes(self):
        self.has("a")
        os.rename(self.root, self.root + ".away")
        eventually(lambda: self.condition()["reason"] == "Missing")
        self.stays(lambda: self.names() == ["a"])
        os.mkdir(self.root)  # as a volume that is not mounted
        eventually(lambda: self.condition()["reason"] == "EmptyDirectory")
        self.stays(lambda: self.names() == ["a"])
        os.rmdir(self.root)
        os.rename(self.root + ".away", self.root)
        self.ready()
        self.write("b.yaml", configmap("b"))
        self.has("ab")
        os.unlink(self.path("a.yaml"))
        os.unlink(self.path("b.yaml"))  # emptied file by file
        self.has("")

    def test_comes_later(self):
        self.has("a")
        self.restart(lambda: os.rename(self.root, self.root + ".away"))
        eventually(lambda: self.condition()["reason"] == "Missing")
        self.assertEqual(self.names(), ["a"])
        os.mkdir(self.root)
        self.write("b.yaml", configmap("b"))
        self.has("b")

    def test_configmap_volume(self):
        """The way a kubelet swaps the files of a volume: all at once, by one symbolic link."""
        def version(n, names):
            os.mkdir(self.path("..%d" % n))
            for name in names:
                with open(self.path("..%d/%s.yaml" % (n, name)), "w") as f:
                    f.write(configmap(name, str(n)))
            os.symlink("..%d" % n, self.path("..data_tmp"))
            os.rename(self.path("..data_tmp"), self.path("..data"))
        os.unlink(self.path("a.yaml"))
        version(1, "abc")
        for name in "abc":
            os.symlink("..data/%s.yaml" % name, self.path("%s.yaml" % name))
        self.has("abc")
        eventually(lambda: self.get(CONFIGMAPS + "/b")["data"]["value"] == "1")
        uid = self.get(CONFIGMAPS + "/b")["metadata"]["uid"]
        version(2, "ab")
        os.unlink(self.path("c.yaml"))
        shutil.rmtree(self.path("..1"))
        self.has("ab")
        for name in "ab":
            eventually(lambda: self.get(CONFIGMAPS + "/" + name)["data"]["value"] == "2")
        self.assertEqual(self.get(CONFIGMAPS + "/b")["metadata"]["uid"], uid)
        self.ready()

    def test_link(self):
        """A directory that is a symbolic link, led elsewhere in one step."""
        releases = [os.path.join(self.dir, "r%d" % i) for i in (1, 2)]
        for i, r in enumerate(releases):
            os.mkdir(r)
            with open(os.path.join(r, "a.yaml"), "w") as f:
                f.write(configmap("a", "release %d" % i))
        shutil.rmtree(self.root)
        os.symlink(releases[0], self.root)
        eventually(lambda: self.get(CONFIGMAPS + "/a")["data"]["value"] == "release 0")
        os.symlink(releases[1], self.root + ".next")
        os.rename(self.root + ".next", self.root)
        eventually(lambda: self.get(CONFIGMAPS + "/a")["data"]["value"] == "release 1")


class Types(Directory):
    """Definitions, namespaces and what needs them, in one file and in several."""

    def test_one_file(self):
        self.write("all.yaml", widget("w") + "---\n" + DEFINITION + "---\n" + configmap("inside", more=", namespace: team") +
                   "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n")
        self.has("w", WIDGETS)
        self.has(["inside"], "/api/v1/namespaces/team/configmaps")
        self.ready()

    def test_later(self):
        self.write("a.yaml", widget("w") + "---\n" + configmap("beside"))
        self.assertIn("there is no kind Widget", self.failure("a.yaml", "UnknownKind")["message"])
        self.assertEqual(self.names(), [])
        self.write("z.yaml", DEFINITION)
        self.has("w", WIDGETS)
        self.has(["beside"])
        self.ready()

    @support.best_of(3)
    def test_from_elsewhere(self):
        """A type that somebody makes is noticed without a look at the clock."""
        self.write("a.yaml", widget("w"))
        self.failure("a.yaml", "UnknownKind")
        time.sleep(8)  # the next try is not near
        code, _, _ = self.server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION,
                                         {"Content-Type": "application/yaml"})
        self.assertEqual(code, 201)
        eventually(lambda: self.names(WIDGETS) == ["w"], 6)

    def test_order_of_removal(self):
        self.write("0.yaml", DEFINITION + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n")
        self.write("1.yaml", widget("w"))
        self.has("w", WIDGETS)
        for name in ("0.yaml", "1.yaml"):
            os.unlink(self.path(name))
        eventually(lambda: self.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com") is None)
        eventually(lambda: self.status()["objects"] == 0)
        self.ready()

    def test_refused_after_its_definition(self):
        self.write("all.yaml", DEFINITION + "---\n" + widget("good") + "---\n" + widget("bad", 11))
        f = self.failure("all.yaml", "Invalid")
        self.assertEqual(f["object"], "widgets.example.com/default/bad")
        self.assertEqual(self.names(WIDGETS), [])


DASHBOARDS = "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards"
FOLDERS = "/apis/folder.grafana.app/v1beta1/namespaces/default/folders"


def dashboard(uid, title="A title"):
    return json.dumps({"id": 7, "uid": uid, "title": title, "panels": [], "schemaVersion": 39, "tags": ["x"]})


class Dashboards(Directory):
    """Dashboards as Grafana exports them, in the folders that their directories are."""

    def fill(self):
        self.write("top.json", dashboard("top"))
        self.write("Team One/Deep/Deeper/down.json", dashboard("down", "Down"))
        self.write("Team One/mid.json", dashboard("Mid_1"))
        self.write("plain/c.yaml", configmap("c"))  # makes no folder

    def folders(self):
        """Title -> (name, the parent's title)."""
        items = self.get(FOLDERS)["items"]
        titles = {f["metadata"]["name"]: f["spec"]["title"] for f in items}
        return {f["spec"]["title"]: (f["metadata"]["name"], titles.get(f["metadata"]["annotations"].get("grafana.app/folder"))) for f in items}

    def test_tree(self):
        self.has(["Mid_1", "down", "top"], DASHBOARDS)
        self.ready()
        folders = self.folders()
        self.assertEqual({t: p for t, (_, p) in folders.items()}, {"Team One": None, "Deep": "Team One", "Deeper": "Deep"})
        self.assertRegex(folders["Team One"][0], "^team-one-[0-9a-f]{8}$")
        top, down = (self.get(DASHBOARDS + "/" + n) for n in ("top", "down"))
        self.assertNotIn("grafana.app/folder", top["metadata"]["annotations"])
        self.assertEqual(down["metadata"]["annotations"]["grafana.app/folder"], folders["Deeper"][0])
        self.assertEqual((down["spec"]["title"], down["spec"]["schemaVersion"]), ("Down", 39))
        self.assertNotIn("id", down["spec"])
        eventually(lambda: self.status()["objects"] == 7)
        uid = down["metadata"]["uid"]
        self.write("Team One/mid.json", dashboard("Mid_1", "Other"))
        eventually(lambda: self.get(DASHBOARDS + "/Mid_1")["spec"]["title"] == "Other")
        os.rename(self.path("Team One/Deep/Deeper"), self.path("Moved"))
        eventually(lambda: sorted(self.folders()) == ["Moved", "Team One"])
        down = self.get(DASHBOARDS + "/down")
        self.assertEqual((down["metadata"]["uid"], down["metadata"]["annotations"]["grafana.app/folder"]), (uid, self.folders()["Moved"][0]))
        self.ready()
        shutil.rmtree(self.path("Moved"))
        shutil.rmtree(self.path("Team One"))
        self.has(["top"], DASHBOARDS)
        eventually(lambda: self.folders() == {})
        self.ready()
        self.assertEqual(self.names(), ["c"])

    def test_restart(self):
        self.has(["Mid_1", "down", "top"], DASHBOARDS)
        before = self.folders()
        self.restart(lambda: shutil.rmtree(self.path("Team One/Deep")))
        self.has(["Mid_1", "top"], DASHBOARDS)
        eventually(lambda: self.folders() == {"Team One": before["Team One"]})

    def test_refused(self):
        self.has(["Mid_1", "down", "top"], DASHBOARDS)
        self.write("Team One/none.json", json.dumps({"uid": "none", "panels": []}))  # without a title
        self.assertEqual(self.failure("Team One/none.json", "Invalid")["object"], "dashboards.dashboard.grafana.app/default/none")
        self.write("name.json", dashboard("not a name"))
        self.failure("name.json", "Invalid")
        self.write("other.json", dashboard("top", "Another"))
        self.failure("other.json", "Duplicate")
        self.assertEqual(self.get(DASHBOARDS + "/top")["spec"]["title"], "A title")

    def test_not_empty(self):
        """A folder in which somebody keeps a dashboard stays, and goes when that has gone."""
        self.has(["Mid_1", "down", "top"], DASHBOARDS)
        self.ready()
        name = self.folders()["Deeper"][0]
        code, _, body = self.server.post(DASHBOARDS, {
            "apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {"name": "mine", "annotations": {"grafana.app/folder": name}}, "spec": {"title": "Mine", "schemaVersion": 39}})
        self.assertEqual(code, 201, body)
        shutil.rmtree(self.path("Team One"))
        f = self.failure("Team One/Deep/Deeper/", "NotRemoved")
        self.assertEqual(f["object"], "folders.folder.grafana.app/default/" + name)
        self.has(["mine", "top"], DASHBOARDS)
        self.server.request("DELETE", DASHBOARDS + "/mine")
        eventually(lambda: self.folders() == {})
        self.ready()

    def test_shipped_documents(self):
        """All of the dashboards that the tests have, in a tree."""
        data = os.path.join(support.ROOT, "tests", "data", "dashboards")
        names = sorted(n for n in os.listdir(data) if n.endswith(".json")) if os.path.isdir(data) else []
        if not names:
            self.skipTest("there are none")
        shutil.rmtree(self.path("Team One"))
        for i, n in enumerate(names):
            where = self.path(("", "A", "A/B", "C")[i % 4])
            os.makedirs(where, exist_ok=True)
            shutil.copy(os.path.join(data, n), where)
        eventually(lambda: len(self.names(DASHBOARDS)) == len(names) + 1)
        eventually(lambda: sorted(self.folders()) == ["A", "B", "C"][:max(0, len(names) - 1)])
        self.ready()


class Drift(Directory):
    flags = ["--provision-interval", "1s"]

    def fill(self):
        self.write("a.yaml", configmap("a"))
        self.write("b.yaml", configmap("b"))

    def test_put_right(self):
        self.has("ab")
        self.server.request("PATCH", CONFIGMAPS + "/a", {"data": {"value": "drift", "own": "stays"}},
                            {"Content-Type": "application/merge-patch+json"})
        self.server.request("DELETE", CONFIGMAPS + "/b")
        eventually(lambda: self.get(CONFIGMAPS + "/a")["data"] == {"value": "1", "own": "stays"})
        self.has("ab")
        self.server.request("DELETE", SOURCE)
        self.ready()


class Many(Directory):
    N = 500

    def test_many(self):
        shutil.rmtree(self.root)
        away = self.root + ".new"
        for i in range(self.N):
            os.makedirs(os.path.join(away, "d%d" % (i % 20)), exist_ok=True)
            with open(os.path.join(away, "d%d/%d.yaml" % (i % 20, i)), "w") as f:
                f.write(configmap("c%d" % i))
        os.rename(away, self.root)
        eventually(lambda: len(self.names()) == self.N, 120)
        self.ready()
        eventually(lambda: (self.status()["files"], self.status()["objects"]) == (self.N, self.N))
        parts = self.get("/apis/provisioning.coracle.dev/v1/inventories")["items"]
        self.assertEqual(sum(len(p["items"]) for p in parts), self.N)
        shutil.rmtree(self.path("d3"))
        eventually(lambda: len(self.names()) == self.N - self.N // 20)

        def go():
            for i in range(10):
                shutil.rmtree(self.path("d%d" % i), True)
        self.restart(go)
        eventually(lambda: len(self.names()) == self.N // 2, 120)

    def test_stop_in_between(self):
        for i in range(self.N):
            self.write("d/%d.yaml" % i, configmap("c%d" % i))
        eventually(lambda: len(self.names()) > 5)
        begun = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - begun, 50)
        for i in range(0, self.N, 2):
            os.unlink(self.path("d/%d.yaml" % i))
        self.server.start()
        want = sorted("c%d" % i for i in range(1, self.N, 2))
        eventually(lambda: self.names() == want, 120)
        self.ready()

    def test_killed(self):
        for i in range(self.N):
            self.write("d/%d.yaml" % i, configmap("c%d" % i))
        eventually(lambda: len(self.names()) > 5)
        self.server.stop(signal.SIGKILL)
        shutil.rmtree(self.path("d"))
        self.write("only.yaml", configmap("only"))
        self.server.start()
        eventually(lambda: self.names() == ["only"], 120)


@unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "another user's inotify instances are used up for this, by root")
class Unwatched(Permissions):
    """A system that has no more of inotify."""
    flags = ["--provision-interval", "1s"]
    HOLD = ("import ctypes, sys\nc = ctypes.CDLL(None)\nn = 0\nwhile c.inotify_init() >= 0: n += 1\n"
            "print(n, flush=True)\nsys.stdin.read()")

    def prepare(self):
        with open("/proc/sys/fs/inotify/max_user_instances") as f:
            if int(f.read()) > 900:
                self.skipTest("there are too many inotify instances to use up")
        super().prepare()
        self.holder = subprocess.Popen(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c", self.HOLD],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.holder.wait)
        self.addCleanup(self.holder.stdin.close)
        self.addCleanup(self.holder.stdout.close)
        self.holder.stdout.readline()

    def test_unreadable(self):
        """It is looked at from time to time, and watched when that is possible again."""
        self.has("ab")
        eventually(lambda: self.condition("Watching")["status"] == "False")
        self.write("c.yaml", configmap("c"))
        self.has("abc")
        os.unlink(self.path("a.yaml"))
        self.has("bc")
        self.assertEqual(self.condition()["status"], "True")
        self.holder.stdin.close()
        eventually(lambda: self.condition("Watching")["status"] == "True")


class Settings(unittest.TestCase):
    def refused(self, *flags):
        s = Server(preset=support.PRESET, flags=flags)
        try:
            with self.assertRaises(RuntimeError) as c:
                s.start()
            return str(c.exception)
        finally:
            s.process = None
            shutil.rmtree(s.dir, True)

    def test_names(self):
        self.assertIn("is no name for a source", self.refused("--provision", "/"))
        self.assertIn("there is a source named a", self.refused("--provision", "/x/a", "--provision", "/y/a"))
        self.assertIn("a directory is wanted", self.refused("--provision", "a="))

    def test_several(self):
        with tempfile.TemporaryDirectory() as d:
            for n in ("One_dir", "two"):
                os.mkdir(os.path.join(d, n))
                with open(os.path.join(d, n, "x.yaml"), "w") as f:
                    f.write(configmap(n.lower().replace("_", "-")))
            with Server(preset=support.PRESET, level="error",
                        flags=["--provision", os.path.join(d, "One_dir") + "/", "--provision", "second=" + os.path.join(d, "two")]) as s:
                eventually(lambda: [o["metadata"]["name"] for o in s.get(CONFIGMAPS)[2]["items"]] == ["one-dir", "two"])
                eventually(lambda: [o["metadata"]["name"] for o in s.get("/apis/provisioning.coracle.dev/v1/sources")[2]["items"]]
                           == ["one-dir", "second"])
                with open(os.path.join(d, "two", "y.yaml"), "w") as f:
                    f.write(configmap("one-dir", "2"))
                eventually(lambda: s.get("/apis/provisioning.coracle.dev/v1/sources/second")[2]["status"]["failures"][0]["reason"] == "NotOwned")
                self.assertIn("one-dir", s.get("/apis/provisioning.coracle.dev/v1/sources/second")[2]["status"]["failures"][0]["message"])


    def test_taken_away(self):
        """Without its flag a source's objects stay, and its Source object says so."""
        with tempfile.TemporaryDirectory() as d:
            os.mkdir(os.path.join(d, "files"))
            with open(os.path.join(d, "files", "x.yaml"), "w") as f:
                f.write(configmap("x"))
            with Server(preset=support.PRESET, level="error", flags=["--provision", os.path.join(d, "files")]) as s:
                ready = lambda: next(c for c in s.get(SOURCE)[2]["status"]["conditions"] if c["type"] == "Ready")
                eventually(lambda: ready()["status"] == "True")
                flags = s.flags
                self.assertEqual(s.stop(), 0)
                s.flags = []
                s.start()
                eventually(lambda: ready()["reason"] == "NotConfigured")
                self.assertEqual([o["metadata"]["name"] for o in s.get(CONFIGMAPS)[2]["items"]], ["x"])
                self.assertEqual(s.stop(), 0)
                s.flags = flags
                s.start()
                eventually(lambda: ready()["status"] == "True")


if __name__ == "__main__":
    unittest.main()
