# SPDX-License-Identifier: Apache-2.0
"""The tour of kubectl against a running server, the same for every version: what people type, and what they must see."""
import contextlib, glob, json, os, re, subprocess, tempfile, threading, time, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, "tests", "data")
LARGE = os.environ.get("CORACLE_DATA", os.path.join(ROOT, "..", "shared", "data"))


def poll(what, fn, seconds=60):
    end = time.time() + seconds
    while True:
        r = fn()
        if r:
            return r
        if time.time() > end:
            raise AssertionError("timed out waiting for " + what)
        time.sleep(0.05)


class Kubectl(unittest.TestCase):
    """Subclassed once a version: binary, minor and server are set there."""
    binary, minor, server = None, 0, None

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.ns = "org-%d" % cls.minor  # an organization: kinds of Grafana are kept in no other namespaces
        cls.run_("create", "namespace", cls.ns)
        cls.run_("apply", "-f", os.path.join(DATA, "crontabs.yaml"))
        cls.run_("wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=60s")

    @classmethod
    def tearDownClass(cls):
        cls.run_("delete", "namespace", cls.ns, "--wait=false")
        cls.home.cleanup()

    @classmethod
    def command(cls, *args):
        return [cls.binary, "--kubeconfig", cls.server.kubeconfig, "--cache-dir", os.path.join(cls.home.name, "cache")] + list(args)

    @classmethod
    def run_(cls, *args, stdin=None, ok=True, env=None, timeout=180):
        r = subprocess.run(cls.command(*args), input=stdin, capture_output=True, text=True, timeout=timeout,
                           env=dict(os.environ, HOME=cls.home.name, **(env or {})))
        if ok and r.returncode:
            raise AssertionError("kubectl %s: status %d\n%s%s" % (" ".join(args), r.returncode, r.stdout, r.stderr))
        return r

    def k(self, *args, **kw):
        """In the class's namespace; gives standard output."""
        return self.run_("-n", self.ns, *args, **kw).stdout

    def fails(self, *args, **kw):
        r = self.run_("-n", self.ns, *args, ok=False, **kw)
        self.assertNotEqual(r.returncode, 0, r.stdout)
        return r.stderr

    def sample(self, name, **spec):
        obj = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": name, "labels": {"app": "cron"}},
               "spec": dict({"cronSpec": "* * * * */5"}, **spec)}
        return json.dumps(obj)

    def apply(self, name, **spec):
        return self.k("apply", "-f", "-", stdin=self.sample(name, **spec))

    def json(self, *args):
        return json.loads(self.k("get", *args, "-o", "json"))

    # -- discovery and explain
    def test_api_resources(self):
        text = self.k("api-resources", "--cached=false")
        self.assertRegex(text, r"configmaps +cm +v1 +true +ConfigMap")
        self.assertRegex(text, r"namespaces +ns +v1 +false +Namespace")
        self.assertRegex(text, r"crontabs +ct +stable.example.com/v1 +true +CronTab")
        self.assertRegex(text, r"leases +coordination.k8s.io/v1 +true +Lease")
        self.assertIn("stable.example.com/v1", self.k("api-versions"))

    def test_version(self):
        self.assertIn("Server Version", self.k("version"))

    def test_explain(self):
        self.assertIn("When to run, in cron's five fields.", self.k("explain", "crontabs.spec.cronSpec"))
        text = self.k("explain", "ct", "--recursive")
        for word in ("cronSpec", "replicas", "conditions", "generateName"):
            self.assertIn(word, text)
        for kind in ("configmaps", "secrets", "namespaces", "serviceaccounts", "events", "leases", "crd"):
            text = self.k("explain", kind, "--recursive")
            self.assertIn("apiVersion", text, kind)
            self.assertIn("ownerReferences", text, kind)

    # -- the life of an object
    def test_apply_twice_and_change(self):
        self.assertIn("created", self.apply("twice"))
        self.assertIn("unchanged", self.apply("twice"))
        self.assertIn("configured", self.apply("twice", replicas=3))
        o = self.json("ct", "twice")
        self.assertEqual((o["spec"]["replicas"], o["spec"]["image"], o["metadata"]["generation"]), (3, "busybox", 2))
        self.apply("twice")  # the field leaves the manifest: the default comes back
        self.assertEqual(self.json("ct", "twice")["spec"]["replicas"], 1)

    def test_apply_prints_validation_errors(self):
        text = self.fails("apply", "-f", "-", stdin=self.sample("bad", replicas=99))
        self.assertIn("spec.replicas", text)
        self.assertIn("less than or equal to 10", text)
        text = self.fails("apply", "-f", "-", stdin=self.sample("bad", replicas="many"))
        self.assertIn("replicas", text)

    def test_diff(self):
        self.apply("diffed")
        self.assertEqual(self.run_("-n", self.ns, "diff", "-f", "-", stdin=self.sample("diffed")).stdout, "")
        r = self.run_("-n", self.ns, "diff", "-f", "-", stdin=self.sample("diffed", replicas=2), ok=False)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertRegex(r.stdout, r"(?m)^\+  replicas: 2")

    # -- server-side apply
    def ssa(self, text, *args, **kw):
        return self.run_("-n", self.ns, "apply", "--server-side", "-f", "-", *args, stdin=text, **kw)

    def owners(self, *args):
        """(manager, operation, subresource) -> fieldsV1."""
        o = self.server.get("/apis/stable.example.com/v1/namespaces/%s/crontabs/%s" % (self.ns, args[0]))[2]
        return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in o["metadata"]["managedFields"]}

    def test_server_side_apply(self):
        self.assertIn("serverside-applied", self.ssa(self.sample("ssa", replicas=2)).stdout)
        before = self.json("ct", "ssa")["metadata"]["resourceVersion"]
        self.ssa(self.sample("ssa", replicas=2))
        self.assertEqual(self.json("ct", "ssa")["metadata"]["resourceVersion"], before)
        self.assertIn("f:replicas", self.owners("ssa")["kubectl", "Apply", ""]["f:spec"])
        r = self.ssa(self.sample("ssa", replicas=3), "--field-manager=other", ok=False)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn('conflict with "kubectl": .spec.replicas', r.stderr)
        self.ssa(self.sample("ssa", replicas=3), "--field-manager=other", "--force-conflicts")
        self.assertEqual(self.json("ct", "ssa")["spec"]["replicas"], 3)
        self.assertNotIn("f:replicas", self.owners("ssa")["kubectl", "Apply", ""]["f:spec"])
        self.ssa(self.sample("ssa"))  # what it no longer owns stays
        self.assertEqual(self.json("ct", "ssa")["spec"]["replicas"], 3)
        self.assertIn("server dry run", self.ssa(self.sample("ssa", image="x"), "--dry-run=server").stdout)
        self.assertNotEqual(self.json("ct", "ssa")["spec"]["image"], "x")

    def test_server_side_apply_of_yaml(self):
        self.ssa("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ssayaml\n  creationTimestamp: null\ndata:\n  a: |\n    two\n    lines\n")
        self.assertEqual(self.json("configmap", "ssayaml")["data"], {"a": "two\nlines\n"})

    def test_server_side_migration(self):
        self.apply("migrated", replicas=2)
        self.assertIn(("kubectl-client-side-apply", "Update", ""), self.owners("migrated"))
        self.ssa(self.sample("migrated", replicas=4))
        o = self.json("ct", "migrated")
        self.assertEqual(o["spec"]["replicas"], 4)
        self.assertIn("f:replicas", self.owners("migrated")["kubectl", "Apply", ""]["f:spec"])
        self.apply("migrated", replicas=5)  # and back
        self.assertEqual(self.json("ct", "migrated")["spec"]["replicas"], 5)

    def test_server_side_diff(self):
        self.ssa(self.sample("ssadiff", replicas=2))
        self.assertEqual(self.run_("-n", self.ns, "diff", "--server-side", "-f", "-", stdin=self.sample("ssadiff", replicas=2)).stdout, "")
        r = self.run_("-n", self.ns, "diff", "--server-side", "-f", "-", stdin=self.sample("ssadiff", replicas=3), ok=False)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertRegex(r.stdout, r"(?m)^\+  replicas: 3")

    def test_managed_fields_are_shown_on_request(self):
        self.apply("shown")
        if self.minor >= 21:  # before, kubectl always showed them
            self.assertNotIn("managedFields", self.k("get", "ct", "shown", "-o", "yaml"))
            self.assertIn("kubectl-client-side-apply", self.k("get", "ct", "shown", "-o", "yaml", "--show-managed-fields"))
        else:
            self.assertIn("kubectl-client-side-apply", self.k("get", "ct", "shown", "-o", "yaml"))

    def test_every_output_form(self):
        self.apply("forms", replicas=2)
        text = self.k("get", "ct", "forms")
        self.assertRegex(text, r"NAME +SPEC +REPLICAS +AGE\nforms +\* \* \* \* \*/5 +2 +\d+s")
        self.assertRegex(self.k("get", "ct", "forms", "-o", "wide"), r"REPLICAS +IMAGE +AGE\n.*busybox")
        self.assertEqual(self.k("get", "ct", "forms", "-o", "name").strip(), "crontab.stable.example.com/forms")
        self.assertEqual(self.k("get", "ct", "forms", "-o", "jsonpath={.spec.replicas}"), "2")
        self.assertIn("replicas: 2", self.k("get", "ct", "forms", "-o", "yaml"))
        self.assertEqual(json.loads(self.k("get", "ct", "forms", "-o", "json"))["spec"]["replicas"], 2)
        self.assertEqual(self.k("get", "ct", "forms", "-o", "go-template={{.spec.image}}"), "busybox")
        self.assertRegex(self.k("get", "ct", "forms", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"), r"N +R\nforms +2")
        self.assertIn("forms", self.k("get", "all"))
        self.assertIn("LABELS", self.k("get", "ct", "--show-labels"))
        self.assertRegex(self.k("get", "ct", "-L", "app"), r"APP\n")

    def test_selectors_and_sorting(self):
        for i in range(3):
            self.apply("sel-%d" % i, replicas=3 - i, image="i%d" % i)
        self.k("label", "ct", "sel-1", "tier=front", "--overwrite")
        self.assertEqual(self.k("get", "ct", "-l", "tier=front", "-o", "name").split(), ["crontab.stable.example.com/sel-1"])
        self.assertNotIn("sel-1", self.k("get", "ct", "-l", "tier!=front", "-o", "name"))
        self.assertEqual(self.k("get", "ct", "--field-selector", "metadata.name=sel-2", "-o", "name").split(), ["crontab.stable.example.com/sel-2"])
        self.assertEqual(self.k("get", "ct", "--field-selector", "spec.image=i0", "-o", "name").split(), ["crontab.stable.example.com/sel-0"])
        names = [n for n in self.k("get", "ct", "--sort-by=.spec.replicas", "-o", "name").split() if "/sel-" in n]
        self.assertEqual([n[-1] for n in names], ["2", "1", "0"])
        self.assertIn("sel-0", self.k("get", "ct", "--chunk-size=1"))
        self.assertIn(self.ns, self.run_("get", "ct", "-A").stdout)

    def test_label_annotate_patch_replace(self):
        self.apply("patched")
        self.k("label", "ct", "patched", "a=b")
        self.k("annotate", "ct", "patched", "note=hello world")
        self.k("patch", "ct", "patched", "--type=merge", "-p", '{"spec":{"replicas":4}}')
        self.k("patch", "ct", "patched", "--type=json", "-p", '[{"op":"replace","path":"/spec/image","value":"x"}]')
        o = self.json("ct", "patched")
        self.assertEqual((o["metadata"]["labels"]["a"], o["metadata"]["annotations"]["note"], o["spec"]["replicas"], o["spec"]["image"]),
                         ("b", "hello world", 4, "x"))
        self.k("label", "ct", "patched", "a-")
        self.assertNotIn("a", self.json("ct", "patched")["metadata"]["labels"])
        o["spec"]["replicas"] = 5
        self.assertIn("has been modified", self.fails("replace", "-f", "-", stdin=json.dumps(o)))
        del o["metadata"]["resourceVersion"]
        o["metadata"]["resourceVersion"] = self.json("ct", "patched")["metadata"]["resourceVersion"]
        self.assertIn("replaced", self.k("replace", "-f", "-", stdin=json.dumps(o)))
        self.assertEqual(self.json("ct", "patched")["spec"]["replicas"], 5)

    def test_edit(self):
        self.apply("edited")
        with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as f:
            f.write("#!/bin/sh\nsed -i 's/replicas: 1/replicas: 7/' \"$1\"\n")
        os.chmod(f.name, 0o755)
        self.assertIn("edited", self.k("edit", "ct", "edited", env={"KUBE_EDITOR": f.name, "EDITOR": f.name}))
        os.unlink(f.name)
        self.assertEqual(self.json("ct", "edited")["spec"]["replicas"], 7)

    def test_describe(self):
        self.apply("described", replicas=3)
        text = self.k("describe", "ct", "described")
        self.assertRegex(text, r"Name: +described")
        self.assertRegex(text, r"Cron Spec: +\* \* \* \* \*/5")
        self.assertRegex(self.k("describe", "namespace", self.ns), r"Status: +Active")
        self.k("create", "configmap", "described", "--from-literal=a=b")
        self.assertIn("a:", self.k("describe", "configmap", "described"))

    def test_scale(self):
        self.apply("scaled")
        self.k("scale", "ct/scaled", "--replicas=6")
        self.assertEqual(self.json("ct", "scaled")["spec"]["replicas"], 6)
        self.assertIn("spec.replicas", self.fails("scale", "ct/scaled", "--replicas=60"))

    def test_status_is_apart(self):
        self.apply("apart")
        self.k("patch", "ct", "apart", "--type=merge", "-p", '{"status":{"replicas":9}}')
        self.assertNotIn("status", self.json("ct", "apart"))
        if self.minor >= 24:
            self.k("patch", "ct", "apart", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":9},"spec":{"replicas":2}}')
            o = self.json("ct", "apart")
            self.assertEqual((o["status"]["replicas"], o["spec"]["replicas"], o["metadata"]["generation"]), (9, 1, 1))

    # -- waiting and watching
    def set_status(self, name, status):
        path = "/apis/stable.example.com/v1/namespaces/%s/crontabs/%s/status" % (self.ns, name)
        code, _, body = self.server.request("PATCH", path, {"status": status}, headers={"Content-Type": "application/merge-patch+json"})
        self.assertEqual(code, 200, body)

    def background(self, *args):
        return subprocess.Popen(self.command("-n", self.ns, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, HOME=self.home.name))

    def watches(self):
        """How many watches of CronTabs the server has open."""
        text = self.server.get("/metrics")[2].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("apiserver_longrunning_requests{") and 'resource="crontabs"' in line)

    @contextlib.contextmanager
    def watching(self, *args):
        """A kubectl in the background, from the moment at which it watches."""
        poll("watches of others to end", lambda: self.watches() == 0)
        p = self.background(*args)
        try:
            poll("kubectl to watch", lambda: self.watches() or p.poll() is not None)
            yield p
        finally:
            p.kill()
            p.communicate()

    def printed(self, p, enough):
        """What it prints until that is enough; then it is ended."""
        lines = []
        reader = threading.Thread(target=lambda: [lines.append(line) for line in iter(p.stdout.readline, "")], daemon=True)
        reader.start()
        poll("kubectl to print it", lambda: enough("".join(lines)))
        p.terminate()
        reader.join()
        return "".join(lines)

    def test_wait_for_condition(self):
        self.apply("waited")
        p = self.background("wait", "--for=condition=Ready", "ct/waited", "--timeout=60s")
        time.sleep(0.3)
        self.set_status("waited", {"conditions": [{"type": "Ready", "status": "True"}]})
        out, err = p.communicate(timeout=120)
        self.assertIn("condition met", out, err)

    def test_wait_for_jsonpath(self):
        if self.minor < 23:
            self.skipTest("kubectl wait --for=jsonpath came with 1.23")
        self.apply("pathed")
        p = self.background("wait", "--for=jsonpath={.status.replicas}=3", "ct/pathed", "--timeout=60s")
        time.sleep(0.3)
        self.set_status("pathed", {"replicas": 3})
        out, err = p.communicate(timeout=120)
        self.assertIn("condition met", out, err)

    def test_wait_for_delete(self):
        self.apply("going")
        with self.watching("wait", "--for=delete", "ct/going", "--timeout=60s") as p:
            self.k("delete", "ct", "going")
            out, err = p.communicate(timeout=120)
            self.assertEqual(p.returncode, 0, err)

    def test_get_watch(self):
        with self.watching("get", "ct", "-w", "-o", "name", "--request-timeout=60s") as p:
            self.apply("seen")
            self.k("delete", "ct", "seen")
            seen = lambda text: text.split().count("crontab.stable.example.com/seen")
            out = self.printed(p, lambda text: seen(text) >= 2)
        self.assertEqual(seen(out), 2, out)

    def test_get_watch_table(self):
        self.apply("tabled")
        with self.watching("get", "ct", "tabled", "--watch") as p:
            self.k("patch", "ct", "tabled", "--type=merge", "-p", '{"spec":{"replicas":8}}')
            out = self.printed(p, lambda text: re.search(r"tabled .* 8 ", text))
        self.assertEqual(out.count("NAME"), 1, out)
        self.assertRegex(out, r"tabled .* 1 .*\n(.*\n)*tabled .* 8 ")

    # -- deletion
    def owned(self, owner, child):
        uid = self.json("ct", owner)["metadata"]["uid"]
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": child, "ownerReferences": [
            {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "name": owner, "uid": uid, "blockOwnerDeletion": True}]}})

    def gone(self, *args):
        return "NotFound" in self.run_("-n", self.ns, "get", *args, ok=False).stderr

    def cascade(self, how):
        owner, child = "owner-" + how, "child-" + how
        self.apply(owner)
        self.k("create", "-f", "-", stdin=self.owned(owner, child))
        flag = "--cascade=" + how
        self.k("delete", "ct", owner, flag, "--timeout=60s")
        return child

    def test_delete_background(self):
        child = self.cascade("background")
        poll("the collector", lambda: self.gone("configmap", child))

    def test_delete_foreground(self):
        child = self.cascade("foreground")
        self.assertTrue(self.gone("configmap", child))

    def test_delete_orphan(self):
        child = self.cascade("orphan")
        poll("the reference to go", lambda: not json.loads(self.k("get", "configmap", child, "-o", "json"))["metadata"].get("ownerReferences"))

    def test_delete_by_selector_and_file(self):
        self.apply("many-1")
        self.apply("many-2")
        self.k("label", "ct", "many-1", "many-2", "batch=x")
        self.assertEqual(self.k("delete", "ct", "-l", "batch=x").count("deleted"), 2)
        self.assertIn("NotFound", self.fails("get", "ct", "many-1"))
        self.assertEqual(self.k("delete", "ct", "many-1", "--ignore-not-found"), "")

    def test_namespace_is_emptied(self):
        ns = self.ns + "-empty"
        self.run_("create", "namespace", ns)
        self.run_("-n", ns, "create", "configmap", "a", "--from-literal=k=v")
        self.run_("-n", ns, "apply", "-f", os.path.join(DATA, "my-crontab.yaml"))
        self.run_("delete", "namespace", ns, "--timeout=60s")
        self.assertIn("NotFound", self.run_("get", "namespace", ns, ok=False).stderr)

    # -- the built-ins people touch first
    def test_configmaps_and_secrets(self):
        self.assertIn("created", self.k("create", "configmap", "cm", "--from-literal=a=b"))
        self.assertIn("already exists", self.fails("create", "configmap", "cm"))
        self.k("patch", "configmap", "cm", "-p", '{"data":{"c":"d"}}')  # strategic
        self.assertEqual(self.json("configmap", "cm")["data"], {"a": "b", "c": "d"})
        self.assertRegex(self.k("get", "cm", "cm"), r"NAME +DATA +AGE\ncm +2 ")
        self.k("create", "secret", "generic", "sec", "--from-literal=p=q")
        self.assertEqual(self.json("secret", "sec")["data"], {"p": "cQ=="})
        self.assertRegex(self.k("get", "secret", "sec"), r"sec +Opaque +1 ")
        self.k("create", "serviceaccount", "sa")
        self.assertIn("sa", self.k("get", "sa", "-o", "name"))

    def test_dry_run_writes_nothing(self):
        self.assertIn("server dry run", self.k("create", "configmap", "dry", "--dry-run=server"))
        self.assertIn("NotFound", self.fails("get", "configmap", "dry"))
        self.apply("drier")
        self.assertIn("server dry run", self.k("apply", "--dry-run=server", "-f", "-", stdin=self.sample("drier", replicas=3)))
        self.assertEqual(self.json("ct", "drier")["spec"]["replicas"], 1)

    def test_auth_can_i(self):
        self.assertIn("yes", self.k("auth", "can-i", "create", "configmaps"))

    def test_crd_goes_with_its_objects(self):
        group = "gone%d.example.com" % self.minor
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things." + group}, "spec": {
            "group": group, "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"}, "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
        self.k("apply", "-f", "-", stdin=json.dumps(crd))
        thing = json.dumps({"apiVersion": group + "/v1", "kind": "Thing", "metadata": {"name": "t"}, "a": 1})
        poll("the type in discovery", lambda: self.run_("apply", "-f", "-", stdin=thing, ok=False).returncode == 0)
        self.k("delete", "crd", "things." + group, "--timeout=60s")
        poll("its type to go", lambda: self.server.get("/apis/%s/v1/things" % group)[0] == 404)

    # -- what other projects publish
    def each_file(self, folder, twice):
        paths = sorted(glob.glob(os.path.join(LARGE, folder, "*.yaml")))
        if not paths:
            self.skipTest("no %s in %s" % (folder, LARGE))
        for path in paths:
            self.run_once(path, "created|configured|unchanged")
            if twice:
                # Their conditions are written after they are accepted; on a store that takes its time, later than kubectl returns.
                poll("the definitions to be established", self.established)
                before = self.versions(path)
                self.run_once(path, "unchanged|configured")
                self.assertEqual(self.versions(path), before, path + ": the second time wrote something")

    def established(self):
        crds = self.server.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")[2]["items"]
        return all(any(c["type"] == "Established" for c in (crd.get("status") or {}).get("conditions") or []) for crd in crds)

    def versions(self, path):
        """The resourceVersions of what a file names: kubectl says "configured" where it sends a patch, even one that changes nothing (defaults
        inside lists of custom resources make it do so), so the server's own word counts."""
        r = self.run_("get", "-f", path, "--ignore-not-found", "-o", "jsonpath={..metadata.resourceVersion}", ok=False)
        return r.stdout.split()

    def run_once(self, path, pattern):
        r = self.run_("apply", "-f", path, ok=False)
        lines = [l for l in r.stdout.splitlines() if l.strip()]
        if r.returncode and "annotations: Too long" in r.stderr:  # as with the reference: such files are created, then replaced
            r = self.run_("create", "-f", path, ok=False)
            if "already exists" in r.stderr:
                r = self.run_("replace", "-f", path, ok=False)
            self.assertEqual(r.returncode, 0, path + ": " + r.stderr)
            return
        unknown = 'no matches for kind "(Service|Deployment|ConfigMap|Pod|ServiceAccount|Secret|Ingress|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding)"'
        if r.returncode and re.search(unknown, r.stderr) and not re.search("(?m)^Error from server", r.stderr):
            rest = re.sub(r"(?m)^.*" + unknown + r".*$", "", r.stderr).strip()  # kinds of other APIs, which this server need not have
            self.assertFalse(re.search(r"(?i)invalid|refused|error from", rest), path + ": " + rest)
        else:
            self.assertEqual(r.returncode, 0, path + ": " + r.stdout + r.stderr)
        for line in lines:
            self.assertRegex(line, pattern, path)

    def test_tree_of_folders(self):
        """Grafana's folders: made by apply, moved by annotate, removed when they are empty or by force."""
        def manifest(name, parent=None):
            meta = {"name": name, "annotations": {"grafana.app/folder": parent}} if parent else {"name": name}
            return {"apiVersion": "folder.grafana.app/v1", "kind": "Folder", "metadata": meta, "spec": {"title": name.title()}}
        tree = json.dumps({"apiVersion": "v1", "kind": "List", "items": [manifest("team"), manifest("sub", "team"), manifest("leaf", "sub")]})
        self.k("apply", "-f", "-", stdin=tree)
        rows = [line.split()[:3] for line in self.k("get", "folders", "--no-headers").splitlines()]
        self.assertEqual([r[:3] for r in rows[:2]], [["leaf", "Leaf", "sub"], ["sub", "Sub", "team"]])
        self.assertIn("Circular reference detected", self.fails("annotate", "folder", "team", "grafana.app/folder=leaf"))
        self.assertIn('"nope" not found', self.fails("annotate", "--overwrite", "folder", "leaf", "grafana.app/folder=nope"))
        self.k("annotate", "--overwrite", "folder", "leaf", "grafana.app/folder=team")
        self.k("annotate", "folder", "leaf", "grafana.app/folder-")
        self.assertNotIn("unchanged", self.k("apply", "-f", "-", stdin=tree).splitlines()[-1])  # and back where the file has it
        self.assertEqual(self.k("get", "folder", "leaf", "-o", "jsonpath={.metadata.annotations.grafana\\.app/folder}"), "sub")
        parents = json.loads(self.k("get", "--raw", "/apis/folder.grafana.app/v1/namespaces/%s/folders/leaf/parents" % self.ns))
        self.assertEqual([p["title"] for p in parents["items"]], ["Team", "Sub", "Leaf"])
        for how in ([], ["--now"], ["--grace-period=0"]):  # the last is a second, for kubectl, without --force
            self.assertIn("folder is not empty", self.fails("delete", "folder", "team", *how))
        self.k("delete", "folder", "team", "--force", "--grace-period=0")
        poll("the folders to go", lambda: not self.k("get", "folders", "-o", "name"))
        self.k("apply", "-f", "-", stdin=tree)
        self.k("delete", "folder", "leaf", "sub", "team")

    def test_dashboards(self):
        """Real dashboards: applied both ways, shown, edited in another version than they were written in."""
        for path in sorted(glob.glob(os.path.join(DATA, "dashboards", "*.json"))):
            name, model = os.path.basename(path)[:-5], json.load(open(path, encoding="utf-8"))
            for dropped in ("uid", "id", "version"):  # the server drops them, so that each apply would ask for them anew
                model.pop(dropped, None)
            text = json.dumps({"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "metadata": {"name": name}, "spec": model})
            self.assertIn("created", self.k("apply", "-f", "-", stdin=text))
            self.assertIn("unchanged", self.k("apply", "-f", "-", stdin=text))
            self.assertEqual(self.run_("-n", self.ns, "diff", "-f", "-", stdin=text).stdout, "")
            if self.minor > 20:
                self.k("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
            self.assertEqual(json.loads(self.k("get", "dashboards.v1beta1.dashboard.grafana.app", name, "-o", "json"))["spec"], model)
            self.assertIn(model["title"], self.k("get", "dash", name))
        row = "dashboards.v2.dashboard.grafana.app"
        self.k("patch", row, "nodes", "--type=merge", "-p", '{"spec":{"title":"Machines"}}')
        second = self.k("get", row, "nodes", "-o", "yaml")
        self.assertIn("RowsLayout", second)
        self.k("replace", "-f", "-", stdin=second)
        got = json.loads(self.k("get", "dashboards.v1.dashboard.grafana.app", "nodes", "-o", "json"))
        self.assertEqual((got["spec"]["title"], got["status"]["conversion"]["storedVersion"]), ("Machines", "v2"))
        self.assertIn("Dashboard title cannot be empty", self.fails("patch", row, "nodes", "--type=merge", "-p", '{"spec":{"title":""}}'))
        self.assertIn("how it is laid out", self.k("explain", "dashboard.spec", "--api-version=dashboard.grafana.app/v2"))
        self.k("delete", "dash", "--all")

    def test_stars_and_preferences(self):
        """Objects that belong to people, and the stamps: applied again they stay as they are, and put back too."""
        def manifest(group, kind, name, **spec):
            return json.dumps({"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec})
        stars = lambda *names: manifest("collections.grafana.app/v1alpha1", "Stars", "user-coracle-admin", resource=[
            {"group": "dashboard.grafana.app", "kind": "Dashboard", "names": list(names)}])
        preferences = manifest("preferences.grafana.app/v1", "Preferences", "user-coracle-admin", theme="zen", timezone="Europe/Berlin")
        for text, kind in ((stars("a", "b"), "stars"), (preferences, "preferences")):
            self.assertIn("created", self.k("apply", "-f", "-", stdin=text))
            self.assertIn("unchanged", self.k("apply", "-f", "-", stdin=text))
            self.assertEqual(self.run_("-n", self.ns, "diff", "-f", "-", stdin=text).stdout, "")
            get = lambda: json.loads(self.k("get", kind, "user-coracle-admin", "-o", "json"))
            made = get()
            self.assertEqual(made["metadata"]["annotations"]["grafana.app/createdBy"], "user:coracle-admin")
            self.k("annotate", "--overwrite", kind, "user-coracle-admin", "grafana.app/createdBy=user:eve", "grafana.app/updatedBy=user:eve")
            self.k("annotate", kind, "user-coracle-admin", "grafana.app/createdBy-")
            self.assertEqual(get(), made)
            self.assertIn("user-coracle-admin", self.k("get", kind))
        self.assertIn("configured", self.k("apply", "-f", "-", stdin=stars("b")))
        stamped = json.loads(self.k("get", "stars", "user-coracle-admin", "-o", "json"))["metadata"]["annotations"]
        self.assertEqual(stamped["grafana.app/updatedBy"], "user:coracle-admin")
        self.k("replace", "-f", "-", stdin=self.k("get", "stars", "user-coracle-admin", "-o", "yaml"))
        again = json.loads(self.k("get", "stars", "user-coracle-admin", "-o", "json"))["metadata"]["annotations"]
        self.assertEqual([again[k] for k in again if k.startswith("grafana.app/")], [stamped[k] for k in stamped if k.startswith("grafana.app/")])
        merged = json.loads(self.k("get", "--raw", "/apis/preferences.grafana.app/v1/namespaces/%s/preferences/merged" % self.ns))
        self.assertEqual((merged["spec"]["theme"], merged["spec"]["weekStart"]), ("zen", "browser"))
        self.assertIn("zen", self.k("get", "preferences"))
        self.assertIn("must match a configured theme", self.fails("patch", "preferences", "user-coracle-admin", "--type=merge", "-p", '{"spec":{"theme":"odd"}}'))
        self.assertIn("is not that of an organization", self.run_("-n", "kube-system", "apply", "-f", "-", stdin=preferences, ok=False).stderr)
        self.assertIn("kubectl create namespace org-777", self.run_("-n", "org-777", "create", "-f", "-", stdin=preferences, ok=False).stderr)
        self.assertIn("time zone", self.k("explain", "preferences.spec.timezone"))
        self.assertIn("API group", self.k("explain", "stars.spec.resource.group"))
        self.k("delete", "stars,preferences", "--all")

    def test_published_definitions_and_objects(self):
        if not os.path.isdir(LARGE):
            self.skipTest("no large data at " + LARGE)
        for project, objects in (("gateway-api", "examples"), ("prometheus-operator", "objects")):
            self.each_file(project + "/crds", True)
            for crd in json.loads(self.k("get", "crd", "-o", "json"))["items"]:
                self.assertIn("True", [c["status"] for c in crd["status"]["conditions"] if c["type"] == "Established"], crd["metadata"]["name"])
            for path in glob.glob(os.path.join(LARGE, project, objects, "*.yaml")):
                for ns in set(re.findall(r"(?m)^  namespace: (\S+)", open(path).read())):
                    self.run_("create", "namespace", ns.strip('"'), ok=False)
            self.each_file(project + "/" + objects, True)
        self.assertIn("gateway", self.k("explain", "httproutes.spec.parentRefs").lower())
