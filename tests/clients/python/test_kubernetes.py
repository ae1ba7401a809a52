# SPDX-License-Identifier: Apache-2.0
"""The official Python client: generated typed APIs, custom objects, the dynamic client, watches, pages, a restarted server."""
import os, threading, time, unittest, urllib.request, uuid

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, UnprocessibleEntityError

GROUP, VERSION, PLURAL = "stable.example.com", "v1", "crontabs"


def restart(**query):
    query = "&".join("%s=%s" % pair for pair in query.items())
    with urllib.request.urlopen(urllib.request.Request(os.environ["CORACLE_CONTROL"] + "/restart?" + query, method="POST"), timeout=300) as r:
        assert r.status == 200


def cron_tab(name, labels=None, **spec):
    return {"apiVersion": GROUP + "/" + VERSION, "kind": "CronTab", "metadata": {"name": name, **({"labels": labels} if labels else {})},
            "spec": dict({"cronSpec": "* * * * */5"}, **spec)}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        config.load_kube_config()
        cls.core = client.CoreV1Api()
        cls.custom = client.CustomObjectsApi()
        cls.dynamic = dynamic.DynamicClient(client.ApiClient())
        cls.tabs = cls.dynamic.resources.get(api_version=GROUP + "/" + VERSION, kind="CronTab")

    def setUp(self):
        self.ns = "py-" + uuid.uuid4().hex[:8]
        self.core.create_namespace({"metadata": {"name": self.ns}})

    def tearDown(self):
        self.core.delete_namespace(self.ns)

    def status_of(self, call, *args, **kw):
        with self.assertRaises(ApiException) as caught:
            call(*args, **kw)
        return caught.exception.status


class Typed(Case):
    def test_config_maps(self):
        made = self.core.create_namespaced_config_map(self.ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a", labels={"l": "v"}), data={"k": "v"}))
        self.assertEqual((made.data, made.metadata.namespace), ({"k": "v"}, self.ns))
        self.assertEqual(self.status_of(self.core.create_namespaced_config_map, self.ns, made), 500)  # a resourceVersion is set: as the reference
        made.data["k"] = "w"
        replaced = self.core.replace_namespaced_config_map("a", self.ns, made)
        self.assertEqual(self.status_of(self.core.replace_namespaced_config_map, "a", self.ns, made), 409)
        patched = self.core.patch_namespaced_config_map("a", self.ns, {"data": {"n": "1"}})
        self.assertEqual(patched.data, {"k": "w", "n": "1"})
        self.assertNotEqual(patched.metadata.resource_version, replaced.metadata.resource_version)
        self.assertEqual([o.metadata.name for o in self.core.list_namespaced_config_map(self.ns, label_selector="l=v").items], ["a"])
        self.core.delete_namespaced_config_map("a", self.ns)
        self.assertEqual(self.status_of(self.core.read_namespaced_config_map, "a", self.ns), 404)

    def test_secrets_and_events(self):
        secret = self.core.create_namespaced_secret(self.ns, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"p": "q"}))
        self.assertEqual((secret.data, secret.type), ({"p": "cQ=="}, "Opaque"))
        ref = client.V1ObjectReference(api_version="v1", kind="Secret", name="s", namespace=self.ns, uid=secret.metadata.uid)
        self.core.create_namespaced_event(self.ns, client.CoreV1Event(metadata=client.V1ObjectMeta(name="e"), involved_object=ref, reason="Seen", type="Normal"))
        found = self.core.list_namespaced_event(self.ns, field_selector="involvedObject.uid=" + secret.metadata.uid).items
        self.assertEqual([e.reason for e in found], ["Seen"])

    def test_create_from_yaml_documents(self):
        documents = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y"}, "data": {"a": "b"}},
                     {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "y"}}]
        utils.create_from_yaml(client.ApiClient(), yaml_objects=documents, namespace=self.ns)
        self.assertEqual(self.core.read_namespaced_config_map("y", self.ns).data, {"a": "b"})
        self.core.read_namespaced_service_account("y", self.ns)

    def test_pages(self):
        for i in range(7):
            self.core.create_namespaced_config_map(self.ns, {"metadata": {"name": "p-%d" % i, "labels": {"page": "x"}}})
        seen, token, pages = [], None, 0
        while True:
            page = self.core.list_namespaced_config_map(self.ns, limit=3, _continue=token)
            seen += [o.metadata.name for o in page.items if o.metadata.name.startswith("p-")]
            token, pages = page.metadata._continue, pages + 1
            if not token:
                break
        self.assertEqual(seen, ["p-%d" % i for i in range(7)])
        self.assertGreaterEqual(pages, 3)


class Custom(Case):
    def args(self, *rest):
        return (GROUP, VERSION, self.ns, PLURAL) + rest

    def test_life(self):
        made = self.custom.create_namespaced_custom_object(*self.args(cron_tab("a")))
        self.assertEqual(made["spec"], {"cronSpec": "* * * * */5", "image": "busybox", "replicas": 1})
        made["spec"]["replicas"] = 4
        made = self.custom.replace_namespaced_custom_object(*self.args("a", made))
        self.assertEqual(made["metadata"]["generation"], 2)
        made = self.custom.patch_namespaced_custom_object(*self.args("a", {"spec": {"image": "x"}}))
        self.assertEqual(made["spec"]["image"], "x")
        made = self.custom.patch_namespaced_custom_object_status(*self.args("a", {"status": {"replicas": 2}}))
        self.assertEqual((made["status"], made["metadata"]["generation"]), ({"replicas": 2}, 3))
        scale = self.custom.get_namespaced_custom_object_scale(*self.args("a"))
        self.assertEqual((scale["spec"]["replicas"], scale["status"]["replicas"]), (4, 2))
        self.custom.patch_namespaced_custom_object_scale(*self.args("a", {"spec": {"replicas": 6}}))
        self.assertEqual(self.custom.get_namespaced_custom_object(*self.args("a"))["spec"]["replicas"], 6)
        self.assertEqual(self.status_of(self.custom.patch_namespaced_custom_object, *self.args("a", {"spec": {"replicas": 60}})), 422)
        self.custom.delete_namespaced_custom_object(*self.args("a"))
        self.assertEqual(self.custom.list_namespaced_custom_object(*self.args())["items"], [])

    def test_pages_and_collections(self):
        for i in range(5):
            self.custom.create_namespaced_custom_object(*self.args(cron_tab("p-%d" % i, {"odd": str(i % 2)})))
        page = self.custom.list_namespaced_custom_object(*self.args(), limit=2)
        rest = self.custom.list_namespaced_custom_object(*self.args(), _continue=page["metadata"]["continue"])
        self.assertEqual([o["metadata"]["name"] for o in page["items"] + rest["items"]], ["p-%d" % i for i in range(5)])
        self.assertEqual(page["metadata"]["remainingItemCount"], 3)
        self.custom.delete_collection_namespaced_custom_object(*self.args(), label_selector="odd=1")
        self.assertEqual(len(self.custom.list_namespaced_custom_object(*self.args())["items"]), 3)
        everywhere = self.custom.list_cluster_custom_object(GROUP, VERSION, PLURAL)
        self.assertEqual(sum(o["metadata"]["namespace"] == self.ns for o in everywhere["items"]), 3)


class Dynamic(Case):
    def test_life(self):
        made = self.tabs.create(body=cron_tab("d"), namespace=self.ns)
        self.assertEqual(made.spec.image, "busybox")
        patched = self.tabs.patch(name="d", namespace=self.ns, body={"spec": {"replicas": 2}}, content_type="application/merge-patch+json")
        self.assertEqual(patched.spec.replicas, 2)
        patched = self.tabs.patch(name="d", namespace=self.ns, body=[{"op": "replace", "path": "/spec/replicas", "value": 3}],
                                  content_type="application/json-patch+json")
        self.assertEqual(patched.spec.replicas, 3)
        with self.assertRaises(ConflictError):
            self.tabs.replace(body=made.to_dict(), namespace=self.ns)
        with self.assertRaises(UnprocessibleEntityError) as caught:
            self.tabs.create(body=cron_tab("bad", replicas=99), namespace=self.ns)
        self.assertIn("spec.replicas", str(caught.exception.summary()))
        self.tabs.status.patch(name="d", namespace=self.ns, body={"status": {"replicas": 1}}, content_type="application/merge-patch+json")
        self.assertEqual(self.tabs.get(name="d", namespace=self.ns).status.replicas, 1)
        self.tabs.delete(name="d", namespace=self.ns)
        with self.assertRaises(NotFoundError):
            self.tabs.get(name="d", namespace=self.ns)

    def test_finds_resources(self):
        found = self.dynamic.resources.search(group=GROUP, kind="CronTab")
        self.assertEqual([(r.name, r.namespaced) for r in found if "/" not in r.name], [("crontabs", True)])
        self.assertIn("ct", self.tabs.short_names)

    def test_server_side_apply(self):
        def put(body, manager, **kw):
            return self.tabs.server_side_apply(body=body, namespace=self.ns, field_manager=manager, **kw)
        made = put(cron_tab("s", env=[{"name": "a", "value": "1"}]), "red")
        self.assertEqual(made.metadata.managedFields[0].operation, "Apply")
        both = put(cron_tab("s", env=[{"name": "b", "value": "1"}]), "blue")
        self.assertEqual([e.name for e in both.spec.env], ["a", "b"])
        with self.assertRaises(ConflictError) as caught:
            put(cron_tab("s", env=[{"name": "a", "value": "2"}]), "blue")
        self.assertIn('conflict with "red"', str(caught.exception.summary()).replace("\\", ""))
        forced = put(cron_tab("s", env=[{"name": "a", "value": "2"}]), "blue", force_conflicts=True)
        self.assertEqual([(e.name, e.value) for e in forced.spec.env], [("a", "2")])


class Watching(Case):
    def collect(self, count, body, **kw):
        """The first COUNT events of a watch, while body runs in another thread."""
        w, out = watch.Watch(), []
        version = self.custom.list_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL)["metadata"]["resourceVersion"]
        failures = []
        def work():
            try:
                body()
            except Exception as e:  # told by the test's own thread
                failures.append(e)
        t = threading.Thread(target=work)
        t.start()
        for e in w.stream(self.custom.list_namespaced_custom_object, GROUP, VERSION, self.ns, PLURAL, resource_version=version, timeout_seconds=120, **kw):
            out.append((e["type"], e["object"]["metadata"]["name"]))
            if len(out) == count:
                w.stop()
        t.join()
        self.assertEqual(failures, [])
        return out

    def make(self, name, **kw):
        return self.custom.create_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL, cron_tab(name, **kw))

    def test_custom_objects(self):
        def body():
            self.make("a")
            self.custom.patch_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL, "a", {"spec": {"replicas": 2}})
            self.custom.delete_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL, "a")
        self.assertEqual(self.collect(3, body), [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")])

    def test_selector(self):
        def body():
            self.make("out")
            self.make("in", labels={"in": "yes"})
            self.custom.patch_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL, "in", {"metadata": {"labels": {"in": None}}})
        self.assertEqual(self.collect(2, body, label_selector="in=yes"), [("ADDED", "in"), ("DELETED", "in")])

    def test_over_a_restart(self):
        def body():
            self.make("a")
            restart(down=0.3)
            self.make("b")
        events = []
        start = self.custom.list_namespaced_custom_object(GROUP, VERSION, self.ns, PLURAL)["metadata"]["resourceVersion"]
        t = threading.Thread(target=body)
        t.start()
        end = time.monotonic() + 180
        while len(events) < 2 and time.monotonic() < end:
            try:
                for e in watch.Watch().stream(self.custom.list_namespaced_custom_object, GROUP, VERSION, self.ns, PLURAL, resource_version=start, timeout_seconds=5):
                    events.append((e["type"], e["object"]["metadata"]["name"]))
                    start = e["object"]["metadata"]["resourceVersion"]
                    if len(events) == 2:
                        break
            except Exception as e:  # the connection goes with the server, in one of several ways
                self.assertNotIsInstance(e, AssertionError)
                time.sleep(0.05)
        t.join()
        self.assertEqual(events, [("ADDED", "a"), ("ADDED", "b")])

    def test_typed(self):
        w, out = watch.Watch(), []
        self.core.create_namespaced_config_map(self.ns, {"metadata": {"name": "t", "labels": {"w": "1"}}})
        for e in w.stream(self.core.list_namespaced_config_map, self.ns, label_selector="w=1", timeout_seconds=120):
            self.assertIsInstance(e["object"], client.V1ConfigMap)
            out.append((e["type"], e["object"].metadata.name))
            if len(out) == 1:
                self.core.delete_namespaced_config_map("t", self.ns)
            else:
                w.stop()
        self.assertEqual(out, [("ADDED", "t"), ("DELETED", "t")])


if __name__ == "__main__":
    unittest.main()
