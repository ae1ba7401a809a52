# SPDX-License-Identifier: Apache-2.0
"""How people keep a folder of manifests and a server alike with kubectl: three-way updates over drift, diff and its exit codes, prune, apply
sets, replace, kustomize, and the move to server-side apply."""
import json, os, shutil, tempfile, unittest

from . import kubectl


class KubectlDiff(kubectl.Kubectl):
    """Subclassed once a version, as Kubectl is; only the tests of this class are run."""

    def manifest(self, *documents):
        """A list of documents as one file on standard input."""
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(d) if isinstance(d, str) else d for d in documents]})

    def config(self, name, labels=None, **data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **({"labels": labels} if labels else {})}, "data": data}

    def apply_list(self, *documents, args=(), **kw):
        return self.k("apply", *args, "-f", "-", stdin=self.manifest(*documents), **kw)

    def diff(self, *documents, args=()):
        r = self.run_("-n", self.ns, "diff", *args, "-f", "-", stdin=self.manifest(*documents), ok=False)
        return r.returncode, r.stdout, r.stderr

    def managers(self, *args):
        flags = ["--show-managed-fields"] if self.minor >= 21 else []
        return {(m["manager"], m["operation"]) for m in json.loads(self.k("get", *args, "-o", "json", *flags))["metadata"].get("managedFields", [])}

    # -- three ways: what was applied, what is wanted, what is there
    def test_drift_is_mended_and_additions_stay(self):
        self.apply_list(self.config("three", mine="1", gone="1"), self.sample("three", replicas=2, image="i", env=[{"name": "a", "value": "1"}]))
        self.k("patch", "configmap", "three", "-p", '{"data":{"mine":"drifted","theirs":"1"}}')
        self.k("patch", "ct", "three", "--type=merge", "-p", '{"spec":{"replicas":7,"suspend":true}}')
        text = self.apply_list(self.config("three", mine="1", new="1"), self.sample("three", replicas=2, env=[{"name": "b", "value": "1"}]))
        self.assertEqual(text.count("configured"), 2, text)
        self.assertEqual(self.json("configmap", "three")["data"], {"mine": "1", "new": "1", "theirs": "1"})
        spec = self.json("ct", "three")["spec"]
        self.assertEqual((spec["replicas"], spec["suspend"], spec["image"], spec["env"]), (2, True, "busybox", [{"name": "b", "value": "1"}]))
        self.assertEqual(self.apply_list(self.config("three", mine="1", new="1")).count("unchanged"), 1)

    def test_owned_lists_merge_by_key(self):
        a = self.config("lists")
        a["metadata"]["finalizers"] = ["example.com/mine"]
        self.apply_list(a)
        self.k("patch", "configmap", "lists", "-p", '{"metadata":{"finalizers":["example.com/theirs"]}}')
        self.apply_list(a)
        self.assertEqual(sorted(self.json("configmap", "lists")["metadata"]["finalizers"]), ["example.com/mine", "example.com/theirs"])
        a["metadata"]["finalizers"] = ["example.com/other"]
        self.apply_list(a)
        self.assertEqual(sorted(self.json("configmap", "lists")["metadata"]["finalizers"]), ["example.com/other", "example.com/theirs"])
        self.k("patch", "configmap", "lists", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')

    def test_last_applied(self):
        self.apply("last", replicas=2)
        self.assertEqual(json.loads(self.k("apply", "view-last-applied", "ct/last", "-o", "json"))["spec"]["replicas"], 2)
        self.k("create", "configmap", "saved", "--from-literal=a=b")
        self.assertIn("configured", self.k("apply", "set-last-applied", "--create-annotation=true", "-f", "-", stdin=json.dumps(self.config("saved", a="b"))))
        self.apply_list(self.config("saved", c="d"))
        self.assertEqual(self.json("configmap", "saved")["data"], {"c": "d"})

    # -- diff: 0 alike, 1 different, more: it could not tell
    def test_diff_exit_codes(self):
        if not shutil.which("diff"):
            self.skipTest("no diff program")
        one, two = self.config("diffed", a="1"), json.loads(self.sample("diffed", replicas=2))
        code, out, _ = self.diff(one, two)
        self.assertEqual(code, 1)
        self.assertIn("+  a: \"1\"", out)
        self.assertIn("NotFound", self.fails("get", "configmap", "diffed"))
        self.apply_list(one, two)
        self.assertEqual(self.diff(one, two)[:2], (0, ""))
        one["data"]["a"] = "2"
        two["spec"].pop("replicas")
        code, out, _ = self.diff(one, two)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"(?m)^-  a: \"1\"\n\+  a: \"2\"$")
        self.assertRegex(out, r"(?m)^-  replicas: 2\n\+  replicas: 1$")  # the default, as the server would put it
        two["spec"]["replicas"] = 99
        code, _, err = self.diff(two)
        self.assertGreater(code, 1)
        self.assertIn("spec.replicas", err)
        self.assertEqual(self.json("configmap", "diffed")["data"], {"a": "1"})

    # -- prune
    def prune(self, labels, *documents):
        flag = "--prune-allowlist=" if self.minor >= 26 else "--prune-whitelist="
        return self.apply_list(*documents, args=("--prune", "-l", labels, flag + "core/v1/ConfigMap", flag + "stable.example.com/v1/CronTab"))

    def test_prune(self):
        labels = {"set": "p"}
        tab = json.loads(self.sample("pruned"))
        tab["metadata"]["labels"] = labels
        self.apply_list(self.config("p-other", {"set": "q"}, a="1"))
        self.k("create", "configmap", "p-made")
        self.k("label", "configmap", "p-made", "set=p")  # never applied: not for pruning
        self.prune("set=p", self.config("p-1", labels, a="1"), self.config("p-2", labels, a="1"), tab)
        text = self.prune("set=p", self.config("p-1", labels, a="2"))
        self.assertEqual(sorted(l.split()[0] for l in text.splitlines() if l.endswith("pruned")), ["configmap/p-2", "crontab.stable.example.com/pruned"])
        left = self.k("get", "configmap", "-o", "name").split()
        self.assertEqual([n for n in left if "/p-" in n], ["configmap/p-1", "configmap/p-made", "configmap/p-other"])
        self.assertIn("NotFound", self.fails("get", "ct", "pruned"))

    def test_apply_set(self):
        if self.minor < 27:
            self.skipTest("apply sets came with 1.27")
        def put(*documents):
            return self.apply_list(*documents, args=("--server-side", "--prune", "--applyset=shop"), env={"KUBECTL_APPLYSET": "true"})
        put(self.config("set-1", a="1"), self.config("set-2", a="1"), self.sample("set-3"))
        text = put(self.config("set-1", a="2"), self.sample("set-3"))
        self.assertIn("configmap/set-2 pruned", text)
        self.assertIn("applyset.kubernetes.io/id", self.json("secret", "shop")["metadata"]["labels"])
        self.assertEqual(self.json("configmap", "set-1")["data"], {"a": "2"})
        self.assertIn("NotFound", self.fails("get", "configmap", "set-2"))

    # -- other ways to bring a file there
    def test_replace(self):
        self.k("create", "--save-config", "-f", "-", stdin=self.sample("put", replicas=2))
        uid = self.json("ct", "put")["metadata"]["uid"]
        self.assertIn("replaced", self.k("replace", "-f", "-", stdin=self.sample("put", replicas=3)))
        o = self.json("ct", "put")
        self.assertEqual((o["spec"]["replicas"], o["metadata"]["uid"]), (3, uid))
        self.k("replace", "--force", "-f", "-", stdin=self.sample("put", replicas=4))
        o = self.json("ct", "put")
        self.assertEqual(o["spec"]["replicas"], 4)
        self.assertNotEqual(o["metadata"]["uid"], uid)
        self.assertIn("NotFound", self.fails("replace", "-f", "-", stdin=self.sample("never")))

    def test_kustomize(self):
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "tab.json"), "w") as f:
                f.write(self.sample("tab", replicas=2))
            for text in ("one", "two"):
                with open(os.path.join(d, "kustomization.yaml"), "w") as f:
                    f.write("namePrefix: kz-\ncommonLabels: {kz: 'yes'}\nresources: [tab.json]\n"
                            "configMapGenerator:\n- name: text\n  literals: [text=%s]\n" % text)
                out = self.k("apply", "-k", d)
                self.assertRegex(out, r"configmap/kz-text-\w+ created")
            self.assertIn("crontab.stable.example.com/kz-tab unchanged", out)
            self.assertEqual(len(self.k("get", "configmap,ct", "-l", "kz=yes", "-o", "name").split()), 3)
            self.assertEqual(self.run_("-n", self.ns, "diff", "-k", d).stdout, "")
            self.assertEqual(self.k("delete", "-k", d).count("deleted"), 2)

    def test_folder(self):
        with tempfile.TemporaryDirectory() as d:
            os.mkdir(os.path.join(d, "sub"))
            for i, folder in enumerate(("", "sub")):
                with open(os.path.join(d, folder, "f.json"), "w") as f:
                    f.write(self.manifest(self.config("folder-%d" % i, a="1"), self.sample("folder-%d" % i)))
            self.assertEqual(self.k("apply", "-R", "-f", d).count("created"), 4)
            self.assertEqual(self.k("apply", "-R", "-f", d).count("unchanged"), 4)
            self.assertEqual(self.k("delete", "-R", "-f", d).count("deleted"), 4)

    # -- from client-side to server-side apply
    def test_server_side_over_client_side(self):
        self.apply("moved", replicas=2, env=[{"name": "a", "value": "1"}])
        def put(**spec):
            return self.k("apply", "--server-side", "-f", "-", stdin=self.sample("moved", **spec))
        put(replicas=3, env=[{"name": "a", "value": "1"}])  # what kubectl applied before is no conflict for it
        self.assertEqual(self.json("ct", "moved")["spec"]["replicas"], 3)
        self.assertIn(("kubectl", "Apply"), self.managers("ct", "moved"))
        if self.minor >= 26:  # those move what they applied before to their new manager
            self.assertNotIn("kubectl-client-side-apply", {m for m, _ in self.managers("ct", "moved")})
            put(env=[])
            o = self.json("ct", "moved")["spec"]
            self.assertEqual((o["replicas"], o.get("env", [])), (1, []))  # the default; and no item that nobody names
        code, out, err = self.diff(self.sample("moved", replicas=5), args=("--server-side", "--force-conflicts") if self.minor >= 26 else ())
        self.assertEqual(code, 1, err)
        self.assertRegex(out, r"(?m)^\+  replicas: 5")

    def test_server_side_conflict(self):
        config = json.dumps(self.config("fought", a="1"))
        self.k("apply", "--server-side", "--field-manager=red", "-f", "-", stdin=config)
        other = json.dumps(self.config("fought", a="2"))
        text = self.fails("apply", "--server-side", "--field-manager=blue", "-f", "-", stdin=other)
        self.assertIn('conflict with "red"', text)
        self.assertIn(".data.a", text)
        self.k("apply", "--server-side", "--field-manager=blue", "--force-conflicts", "-f", "-", stdin=other)
        self.assertEqual(self.managers("configmap", "fought"), {("blue", "Apply")})  # red owns nothing any more


def suite(case):
    """The tests of this file alone, bound to a subclass."""
    return unittest.TestSuite(case(name) for name in sorted(vars(KubectlDiff)) if name.startswith("test_"))
