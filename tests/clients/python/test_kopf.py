# SPDX-License-Identifier: Apache-2.0
"""An operator written with kopf, its peering off: what its handlers do to the objects is asserted through the official client."""
import asyncio, contextlib, os, threading, time, unittest, urllib.request, uuid

import kopf
from kubernetes import client, config

GROUP, PLURAL = "kopf.example.com", "sites"
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": PLURAL + "." + GROUP}, "spec": {
    "group": GROUP, "scope": "Namespaced", "names": {"plural": PLURAL, "kind": "Site", "singular": "site"}, "versions": [
        {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}


def operator_of(log):
    """The handlers, in a registry of their own; log gathers (handler, name) pairs."""
    registry = kopf.OperatorRegistry()
    core = client.CoreV1Api()

    @kopf.on.startup(registry=registry)
    def configure(settings, **_):
        settings.posting.enabled = True
        settings.watching.server_timeout = 60
        settings.networking.error_backoffs = [0.1, 0.2, 0.5, 1]

    @kopf.on.login(registry=registry)
    def login(**kw):
        return kopf.login_with_kubeconfig(**kw)

    @kopf.on.create(GROUP, "v1", PLURAL, registry=registry, id="made")
    def created(body, spec, name, namespace, patch, **_):
        page = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name + "-page"}, "data": {"title": spec.get("title", "")}}
        kopf.adopt(page, owner=body)
        core.create_namespaced_config_map(namespace, page)
        patch.status["phase"] = "made"
        kopf.info(body, reason="Made", message="with its page")
        log.append(("create", name))
        return {"page": name + "-page"}

    @kopf.on.update(GROUP, "v1", PLURAL, registry=registry, field="spec.title")
    def updated(old, new, name, namespace, patch, **_):
        core.patch_namespaced_config_map(name + "-page", namespace, {"data": {"title": new}})
        patch.status["phase"] = "changed from %s to %s" % (old, new)
        log.append(("update", name))

    tries = {}

    @kopf.on.create(GROUP, "v1", PLURAL, registry=registry, labels={"stumbles": "yes"}, id="stumble")
    def stumbling(name, **_):
        tries[name] = tries.get(name, 0) + 1
        if tries[name] == 1:
            raise kopf.TemporaryError("not yet", delay=0.5)
        log.append(("stumble", name))

    @kopf.on.delete(GROUP, "v1", PLURAL, registry=registry)
    def deleted(name, **_):
        log.append(("delete", name))

    @kopf.timer(GROUP, "v1", PLURAL, registry=registry, interval=0.5, labels={"timed": "yes"})
    def tick(name, status, patch, **_):
        patch.status["ticks"] = status.get("ticks", 0) + 1
        log.append(("tick", name))

    @kopf.on.event("v1", "configmaps", registry=registry, labels={"watched": "yes"})
    def seen(event, name, **_):
        log.append(("event " + str(event["type"]), name))

    return registry


@contextlib.contextmanager
def running(namespace, log):
    """The operator in a thread, ready on entry, ended at exit."""
    ready, stop, failures = threading.Event(), threading.Event(), []

    def main():
        try:
            asyncio.run(kopf.operator(registry=operator_of(log), namespaces=[namespace], ready_flag=ready, stop_flag=stop, standalone=True,
                                      identity="tour"))
        except Exception as e:  # told by the test's own thread
            failures.append(e)

    t = threading.Thread(target=main)
    t.start()
    try:
        if not ready.wait(120):
            raise AssertionError("the operator did not get ready: %r" % failures)
        yield
    finally:
        stop.set()
        t.join(120)
    if t.is_alive() or failures:
        raise AssertionError("the operator did not end well: %r" % failures)


class Kopf(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        config.load_kube_config()
        cls.core, cls.custom = client.CoreV1Api(), client.CustomObjectsApi()
        api = client.ApiextensionsV1Api()
        api.create_custom_resource_definition(CRD)
        end = time.time() + 90
        while not cls.established(api.read_custom_resource_definition(CRD["metadata"]["name"])):
            assert time.time() < end, "the definition is not established"
            time.sleep(0.05)

    @staticmethod
    def established(crd):
        return any((c.type, c.status) == ("Established", "True") for c in crd.status and crd.status.conditions or [])

    def setUp(self):
        self.ns, self.log = "kopf-" + uuid.uuid4().hex[:8], []
        self.core.create_namespace({"metadata": {"name": self.ns}})

    def tearDown(self):
        self.core.delete_namespace(self.ns)

    def site(self, name, labels=None, **spec):
        return self.custom.create_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, {
            "apiVersion": GROUP + "/v1", "kind": "Site", "metadata": {"name": name, "labels": labels or {}}, "spec": spec})

    def get(self, name):
        return self.custom.get_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, name)

    def eventually(self, what, ask, seconds=90):
        end = time.time() + seconds
        while True:
            got = ask()
            if got:
                return got
            if time.time() > end:
                self.fail("waited in vain for %s; the handlers ran so: %s" % (what, self.log))
            time.sleep(0.05)

    def phase(self, name, phase):
        self.eventually("%s to be %s" % (name, phase), lambda: self.get(name).get("status", {}).get("phase") == phase)

    def gone(self, name):
        try:
            self.get(name)
            return False
        except client.ApiException as e:
            return e.status == 404

    def test_life(self):
        with running(self.ns, self.log):
            self.site("a", title="one")
            self.phase("a", "made")
            o = self.get("a")
            self.assertEqual(o["status"].get("made"), {"page": "a-page"}, o)
            self.assertEqual(o["metadata"]["finalizers"], ["kopf.zalando.org/KopfFinalizerMarker"])
            self.assertEqual(o["metadata"]["generation"], 1)
            page = self.core.read_namespaced_config_map("a-page", self.ns)
            self.assertEqual((page.data["title"], page.metadata.owner_references[0].uid), ("one", o["metadata"]["uid"]))
            self.custom.patch_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, "a", {"spec": {"title": "two"}})
            self.phase("a", "changed from one to two")
            self.assertEqual(self.core.read_namespaced_config_map("a-page", self.ns).data["title"], "two")
            self.custom.delete_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, "a")
            self.eventually("the object to go", lambda: self.gone("a"))
            self.eventually("what it owned to go", lambda: not [m for m in self.core.list_namespaced_config_map(self.ns).items if m.metadata.name == "a-page"])
            self.eventually("the handler's event", lambda: [e for e in self.core.list_namespaced_event(self.ns, field_selector="reason=Made").items
                                                            if (e.involved_object.name, e.message) == ("a", "with its page")])
        self.assertEqual([h for h, name in self.log if name == "a"], ["create", "update", "delete"])

    def test_retry_and_timer(self):
        with running(self.ns, self.log):
            self.site("s", labels={"stumbles": "yes"})
            self.eventually("the second try", lambda: ("stumble", "s") in self.log)
            self.site("t", labels={"timed": "yes"})
            self.eventually("the timer", lambda: self.get("t").get("status", {}).get("ticks", 0) >= 3)
            for name in ("s", "t"):
                self.custom.delete_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, name)
            self.eventually("both to go", lambda: self.gone("s") and self.gone("t"))

    def test_events_of_built_ins(self):
        with running(self.ns, self.log):
            self.core.create_namespaced_config_map(self.ns, {"metadata": {"name": "m", "labels": {"watched": "yes"}}})
            self.eventually("its arrival", lambda: {("event ADDED", "m"), ("event None", "m")} & set(self.log))  # None: it was listed
            self.core.delete_namespaced_config_map("m", self.ns)
            self.eventually("its end", lambda: ("event DELETED", "m") in self.log)

    def test_the_server_comes_back(self):
        with running(self.ns, self.log):
            self.site("before", title="x")
            self.phase("before", "made")
            with urllib.request.urlopen(urllib.request.Request(os.environ["CORACLE_CONTROL"] + "/restart?down=0.3", method="POST"), timeout=300) as r:
                self.assertEqual(r.status, 200)
            self.site("after", title="y")
            self.phase("after", "made")
            for name in ("before", "after"):
                self.custom.delete_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, name)
            self.eventually("both to go", lambda: self.gone("before") and self.gone("after"))
        self.assertEqual(sorted(self.log), [("create", "after"), ("create", "before"), ("delete", "after"), ("delete", "before")])

    def test_a_new_operator_goes_on(self):
        with running(self.ns, self.log):
            self.site("a", title="one")
            self.phase("a", "made")
        self.custom.patch_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, "a", {"spec": {"title": "two"}})
        self.site("b", title="x")
        with running(self.ns, self.log):
            self.phase("a", "changed from one to two")
            self.phase("b", "made")
            for name in ("a", "b"):
                self.custom.delete_namespaced_custom_object(GROUP, "v1", self.ns, PLURAL, name)
            self.eventually("both to go", lambda: self.gone("a") and self.gone("b"))
        self.assertEqual(self.log.count(("create", "a")), 1)


if __name__ == "__main__":
    unittest.main()
