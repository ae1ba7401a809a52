# SPDX-License-Identifier: Apache-2.0
"""The services of Grafana's domains together, on real dashboards: provisioned from a directory into folders, pushed over HTTP, found,
counted, moved, deleted. All 33 published ones where they are at hand, else the few of tests/data."""
import glob, json, os, shutil, tempfile, unittest

from lib.server import ROOT
from support import PRESET, Kept, found, until

FOLDERS = "/apis/folder.grafana.app/v1/namespaces/default/folders"
DASHBOARDS = "/apis/dashboard.grafana.app/v1/namespaces/default/dashboards"
SEARCH = "/apis/dashboard.grafana.app/v0alpha1/namespaces/default/search"
FOLDER = "grafana.app/folder"


def samples():
    shared = os.path.join(ROOT, "..", "shared", "data", "dashboards")
    found = sorted(glob.glob(os.path.join(shared, "*.json")))
    return found or sorted(glob.glob(os.path.join(ROOT, "tests", "data", "dashboards", "*.json")))


def folder(name, title, parent=None):
    meta = {"name": name, "annotations": {FOLDER: parent} if parent else {}}
    return {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": meta, "spec": {"title": title}}


def dashboard(name, spec, parent=None):
    meta = {"name": name, "annotations": {FOLDER: parent} if parent else {}}
    return {"apiVersion": "dashboard.grafana.app/v1", "kind": "Dashboard", "metadata": meta, "spec": spec}


class Api(unittest.TestCase):
    def ok(self, answer, *codes):
        status, body = answer[0], answer[-1]
        self.assertIn(status, codes or (200, 201), body)
        return body if isinstance(body, dict) else json.loads(body)

    def get(self, path, *codes):
        return self.ok(found(self.server, path), *codes)

    def items(self, path):
        return self.get(path)["items"]

    def refused(self, method, path, code, *words, body=None, headers=None):
        status = self.ok(self.server.request(method, path, body, headers=headers), code)
        for word in words:
            self.assertIn(word, status["message"])
        return status

    def merge(self, path, patch, *codes):
        return self.ok(self.server.request("PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"}), *codes)

    def hits(self, query):
        return self.get(SEARCH + "?" + query)


class Pushed(Api):
    """What a client does with its own hands."""

    @classmethod
    def setUpClass(cls):
        cls.server = Kept(PRESET).__enter__()
        cls.files = samples()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_a_tree_of_real_dashboards(self):
        """Three folders, one in another; the dashboards over them in turn."""
        for f in (folder("ops", "Operations"), folder("k8s", "Kubernetes", "ops"), folder("misc", "Miscellany")):
            self.ok(self.server.post(FOLDERS, f), 201)
        models, where = {}, ["ops", "k8s", "misc"]
        for i, path in enumerate(self.files):
            name = os.path.basename(path)[:-5]
            models[name] = json.load(open(path, encoding="utf-8"))
            made = self.ok(self.server.post(DASHBOARDS, dashboard(name, models[name], where[i % 3])), 201)
            self.assertEqual(made["spec"]["title"], models[name]["title"])
        self.read_back(models)
        self.count(len(self.files))
        self.find(models)
        self.move(len(self.files))
        self.delete()

    def read_back(self, models):
        listed = self.items(DASHBOARDS)
        self.assertEqual({d["metadata"]["name"] for d in listed}, set(models))
        for d in listed:
            sent = models[d["metadata"]["name"]]
            for key in ("panels", "templating", "annotations", "rows", "tags", "time"):
                if key in sent:
                    self.assertEqual(d["spec"].get(key), sent[key], (d["metadata"]["name"], key))
            self.assertEqual(d["metadata"]["annotations"]["grafana.app/createdBy"].split(":")[0], "user")
        name = next(iter(models))
        dto = self.get("%s/%s/dto" % (DASHBOARDS, name))
        self.assertTrue(dto["access"]["canSave"])
        self.assertEqual(dto["spec"]["title"], models[name]["title"])

    def count(self, n):
        """Folder by folder."""
        seen = 0
        for name in ("k8s", "misc"):
            counts = {c["resource"]: c["count"] for c in self.get("%s/%s/counts" % (FOLDERS, name))["counts"]}
            seen += counts["dashboards"]
        self.assertEqual(seen, sum(1 for i in range(n) if i % 3))
        parents = self.get(FOLDERS + "/k8s/parents")["items"]
        self.assertEqual([p["name"] for p in parents if p["name"] not in ("general", "k8s")], ["ops"])
        self.assertIn("k8s", json.dumps(self.get(FOLDERS + "/ops/children")))

    def find(self, models):
        """The text index stands where the writes do."""
        found = self.hits("query=kubernetes&type=dashboard&limit=100")
        want = {n for n, m in models.items() if "kubernetes" in (m["title"] + " ".join(m.get("tags", []))).lower()}
        self.assertTrue(want <= {h["name"] for h in found["hits"]}, (want, found))
        inside = self.hits("folder=k8s&type=dashboard&limit=100")
        self.assertEqual(inside["totalHits"], sum(1 for i in range(len(models)) if i % 3 == 1))
        facets = self.hits("facet=tags&limit=1")["facets"]
        self.assertTrue(facets["tags"]["terms"], facets)
        listed = self.items(DASHBOARDS + "?q=kubernetes&limit=100")
        self.assertTrue(want <= {d["metadata"]["name"] for d in listed})
        self.assertEqual(self.items(DASHBOARDS + "?q=no-such-word-anywhere"), [])

    def move(self, n):
        """A folder moves with all that is in it; a dashboard to where there is none does not."""
        self.merge(FOLDERS + "/k8s", {"metadata": {"annotations": {FOLDER: "misc"}}})
        self.assertNotIn("k8s", json.dumps(self.get(FOLDERS + "/ops/children")))
        self.refused("PATCH", FOLDERS + "/misc", 400, body={"metadata": {"annotations": {FOLDER: "k8s"}}},
                     headers={"Content-Type": "application/merge-patch+json"})
        name = os.path.basename(self.files[0])[:-5]
        self.merge("%s/%s" % (DASHBOARDS, name), {"metadata": {"annotations": {FOLDER: "nowhere"}}}, 400, 403, 404, 422)
        self.merge("%s/%s" % (DASHBOARDS, name), {"metadata": {"annotations": {FOLDER: "k8s"}}})
        self.assertIn(name, {h["name"] for h in self.hits("folder=k8s&type=dashboard&limit=100")["hits"]})

    def delete(self):
        """Not while it holds something; by force with all of it."""
        self.ok(self.server.request("DELETE", FOLDERS + "/misc"), 400, 403, 409)
        self.ok(self.server.request("DELETE", FOLDERS + "/misc?gracePeriodSeconds=0"), 200, 202)
        until(lambda: self.server.request("GET", FOLDERS + "/misc")[0] == 404)
        self.assertEqual({f["metadata"]["name"] for f in self.items(FOLDERS)}, {"ops"})
        self.assertTrue(all(d["metadata"]["annotations"].get(FOLDER) == "ops" for d in self.items(DASHBOARDS)))
        self.assertEqual(self.hits("folder=k8s&type=dashboard&limit=100")["totalHits"], 0)

    def test_bad_input(self):
        """Each a clear cause, and nothing is left behind."""
        for path, body in ((FOLDERS, folder("lost", "Lost", "nowhere")), (DASHBOARDS, dashboard("lost", {"title": "Lost"}, "nowhere"))):
            status = self.refused("POST", path, 404, "folders.folder.grafana.app", "nowhere", body=body)
            self.assertIn(FOLDER, status["details"]["causes"][0]["field"])
        big = "x" * (10 << 20)
        for path, body in ((FOLDERS, folder("big", big)), (DASHBOARDS, dashboard("big", {"title": big}))):
            status = self.ok(self.server.request("POST", path, body), 400, 413, 422)
            self.assertLess(len(status["message"]), 4096)
        for ns in ("team-a", "org-1", "org-0", "stacks-x"):
            path = FOLDERS.replace("/default/", "/%s/" % ns)
            self.ok(self.server.request("POST", path, folder("lost", "Lost")), 400, 403, 404, 422)
        self.assertEqual([f for f in self.items(FOLDERS) if f["metadata"]["name"] in ("lost", "big")], [])


class Provisioned(Api):
    """The same files, kept by a directory."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp()
        cls.root = os.path.join(cls.dir, "files")
        os.makedirs(os.path.join(cls.root, "Operations", "Kubernetes"))
        for i, path in enumerate(samples()):
            shutil.copy(path, os.path.join(cls.root, *(["Operations", "Kubernetes"][:i % 3])))
        cls.server = Kept(PRESET, flags=["--provision", "files=" + cls.root]).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        shutil.rmtree(cls.dir)

    def dashboards(self):
        return {d["spec"]["title"]: d for d in self.items(DASHBOARDS)}

    def test_a_directory_becomes_folders_and_dashboards(self):
        titles = {json.load(open(p, encoding="utf-8"))["title"] for p in samples()}
        until(lambda: set(self.dashboards()) == titles)
        by_title = {f["spec"]["title"]: f for f in self.items(FOLDERS)}
        self.assertEqual(set(by_title), {"Operations", "Kubernetes"})
        self.assertEqual(by_title["Kubernetes"]["metadata"]["annotations"][FOLDER], by_title["Operations"]["metadata"]["name"])
        self.change(by_title)
        self.spoil(len(titles))
        self.remove()

    def change(self, folders):
        """A file that changes, one that moves from one directory to another."""
        path = next(iter(glob.glob(os.path.join(self.root, "*.json"))))
        model = json.load(open(path, encoding="utf-8"))
        model["title"] = "Changed by hand"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(model, f)
        until(lambda: "Changed by hand" in self.dashboards())
        os.rename(path, os.path.join(self.root, "Operations", "Kubernetes", os.path.basename(path)))
        k8s = folders["Kubernetes"]["metadata"]["name"]
        until(lambda: self.dashboards().get("Changed by hand", {"metadata": {}})["metadata"].get("annotations", {}).get(FOLDER) == k8s)

    def spoil(self, n):
        """A broken file takes nothing away."""
        with open(os.path.join(self.root, "broken.json"), "w", encoding="utf-8") as f:
            f.write('{"title": "half a')
        sources = "/apis/provisioning.coracle.dev/v1/sources"
        until(lambda: any("broken.json" in json.dumps(s.get("status", {}).get("failures", [])) for s in self.items(sources)))
        self.assertEqual(len(self.dashboards()), n)
        os.unlink(os.path.join(self.root, "broken.json"))
        until(lambda: not any(s.get("status", {}).get("failures") for s in self.items(sources)))

    def remove(self):
        """What is in a directory goes with it."""
        shutil.rmtree(os.path.join(self.root, "Operations", "Kubernetes"))
        until(lambda: {f["spec"]["title"] for f in self.items(FOLDERS)} == {"Operations"})
        until(lambda: "Changed by hand" not in self.dashboards())
        self.assertTrue(self.dashboards())


if __name__ == "__main__":
    unittest.main()
