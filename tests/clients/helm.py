# SPDX-License-Identifier: Apache-2.0
"""A chart's life under helm: its releases are Secrets on the server, its updates are three-way merges."""
import base64, gzip, json, os, subprocess, tempfile, unittest

CHART = """apiVersion: v2
name: shop
version: %s
"""
CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shelves.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: shelves, singular: shelf, kind: Shelf}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {width: {type: integer, maximum: 100}}}}}}
"""
TEMPLATES = {
    "config.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-config, labels: {chart: shop}}
data:
  text: {{ .Values.text | quote }}
  {{- if .Values.extra }}
  extra: {{ .Values.extra | quote }}
  {{- end }}
  found: {{ if lookup "v1" "Namespace" "" "default" }}"yes"{{ else }}"no"{{ end }}
""",
    "shelf.yaml": """{{- range $i, $w := .Values.shelves }}
---
apiVersion: helm.example.com/v1
kind: Shelf
metadata: {name: {{ $.Release.Name }}-{{ $i }}}
spec: {width: {{ $w }}}
{{- end }}
""",
    "hook.yaml": """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
data: {revision: {{ .Release.Revision | quote }}}
""",
}


class Helm(unittest.TestCase):
    """binary and server are set by who runs it."""
    binary, server = None, None

    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.chart = os.path.join(self.home.name, "shop")
        self.write("Chart.yaml", CHART % "1.0.0")
        self.write("values.yaml", "text: one\nextra: ''\nshelves: [1, 2]\n")
        self.write("crds/shelves.yaml", CRD)
        for name, text in TEMPLATES.items():
            self.write("templates/" + name, text)

    def tearDown(self):
        self.home.cleanup()

    def write(self, path, text):
        full = os.path.join(self.chart, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)

    def helm(self, *args, ok=True):
        r = subprocess.run([self.binary, "--kubeconfig", self.server.kubeconfig, "-n", "shop"] + list(args), capture_output=True, text=True, timeout=120,
                           env=dict(os.environ, HOME=self.home.name, XDG_CACHE_HOME=self.home.name, HELM_MAX_HISTORY="10"))
        if ok:
            self.assertEqual(r.returncode, 0, "helm %s: %s%s" % (" ".join(args), r.stdout, r.stderr))
        else:
            self.assertNotEqual(r.returncode, 0, r.stdout)
        return r.stdout if ok else r.stderr

    def get(self, path):
        return self.server.get(path)[2]

    def config(self, suffix="config"):
        return self.get("/api/v1/namespaces/shop/configmaps/store-" + suffix)

    def shelves(self):
        items = self.get("/apis/helm.example.com/v1/namespaces/shop/shelves")["items"]
        return {o["metadata"]["name"]: o["spec"]["width"] for o in items}

    def history(self):
        return [(r["revision"], r["status"]) for r in json.loads(self.helm("history", "store", "-o", "json"))]

    def test_life_of_a_release(self):
        self.helm("install", "store", self.chart, "--create-namespace", "--wait", "--timeout", "60s")
        config = self.config()
        self.assertEqual(config["data"], {"text": "one", "found": "yes"})
        self.assertEqual(config["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm")
        self.assertEqual((self.shelves(), self.config("hook")["data"]), ({"store-0": 1, "store-1": 2}, {"revision": "1"}))
        secrets = self.get("/api/v1/namespaces/shop/secrets?labelSelector=owner%3Dhelm")["items"]
        self.assertEqual([s["type"] for s in secrets], ["helm.sh/release.v1"])
        release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secrets[0]["data"]["release"]))))
        self.assertEqual((release["name"], release["info"]["status"]), ("store", "deployed"))

        # Somebody else's field and label stay, drift of the chart's own is mended where the chart changes it.
        patch = {"metadata": {"labels": {"theirs": "1"}}, "data": {"text": "drifted", "theirs": "1"}}
        code, _, body = self.server.request("PATCH", "/api/v1/namespaces/shop/configmaps/store-config", patch,
                                            headers={"Content-Type": "application/merge-patch+json"})
        self.assertEqual(code, 200, body)
        self.helm("upgrade", "store", self.chart, "--set", "text=two,extra=more,shelves={7}")
        self.assertEqual(self.config()["data"], {"text": "two", "extra": "more", "found": "yes", "theirs": "1"})
        self.assertEqual((self.shelves(), self.config("hook")["data"]), ({"store-0": 7}, {"revision": "2"}))

        err = self.helm("upgrade", "store", self.chart, "--set", "text=three,shelves={700}", ok=False)
        self.assertIn("spec.width", err)
        self.assertEqual(self.history(), [(1, "superseded"), (2, "deployed"), (3, "failed")])
        self.helm("upgrade", "store", self.chart, "--set", "shelves={700}", "--atomic", "--timeout", "30s", ok=False)
        self.assertEqual((self.shelves(), self.config()["data"]["text"]), ({"store-0": 7}, "two"))

        self.helm("rollback", "store", "1")
        self.assertEqual((self.shelves(), self.config()["data"]), ({"store-0": 1, "store-1": 2}, {"text": "one", "found": "yes", "theirs": "1"}))
        self.assertEqual(json.loads(self.helm("list", "-o", "json"))[0]["status"], "deployed")
        self.assertIn("store-config", self.helm("get", "manifest", "store"))
        code, _, body = self.server.post("/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "second-config"}})
        self.assertEqual(code, 201, body)
        self.assertIn("cannot be imported into the current release", self.helm("install", "second", self.chart, ok=False))
        self.helm("uninstall", "store", "--wait", "--timeout", "60s")
        self.assertEqual((self.config()["code"], self.shelves(), json.loads(self.helm("list", "-a", "-o", "json"))), (404, {}, []))
