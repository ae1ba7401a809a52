#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator's build errors, and that what it writes for a small graph compiles and constructs in order. wiregen.py [PRESET]"""
import os, shutil, subprocess, sys, tempfile, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRESET = os.environ.get("CORACLE_PRESET", "release")
WIREGEN = os.path.join(ROOT, "build", PRESET, "wiregen")
TYPE = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s}
spec: {group: example.com, names: {plural: things, kind: Thing}}
"""

GRAPHS = []  # their directories, until the end of the test


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


class Graph:
    def __init__(self):
        self.dir = tempfile.mkdtemp()
        GRAPHS.append(self.dir)
        self.names = []

    def service(self, name, text="", files=None):
        d = os.path.join(self.dir, name)
        os.makedirs(os.path.join(d, "schemas"), exist_ok=True)
        with open(os.path.join(d, "service.yaml"), "w") as f:
            f.write("name: %s\ntheme: storage\ndescription: A test.\n%s" % (name, text))
        for path, content in (files or {}).items():
            with open(os.path.join(d, path), "w") as f:
                f.write(content)
        self.names.append(d)
        return self

    def generate(self):
        out = os.path.join(self.dir, "out")
        os.makedirs(out, exist_ok=True)
        r = subprocess.run([WIREGEN, out] + self.names, capture_output=True, text=True)
        return r.returncode, r.stderr, read(os.path.join(out, "wire.gen.h")), read(os.path.join(out, "wire.gen.c"))


class Wiregen(unittest.TestCase):
    def tearDown(self):
        while GRAPHS:
            shutil.rmtree(GRAPHS.pop())

    def refused(self, graph, *words):
        code, message, header, _ = graph.generate()
        self.assertEqual(code, 1, message)
        self.assertEqual(header, "")
        for w in words:
            self.assertIn(w, message)

    def test_missing_dependency_names_the_manifest(self):
        self.refused(Graph().service("a", "requires: [nobody]\n"), "a/service.yaml", "requires nobody, which no service provides")

    def test_cycle_names_the_path(self):
        g = Graph().service("a", "requires: [b]\n").service("b", "requires: [c]\n").service("c", "requires: [a]\n").service("d", "requires: [a]\n")
        self.refused(g, "a -> b -> c -> a")

    def test_a_service_that_requires_itself(self):
        self.refused(Graph().service("a", "requires: [a]\n"), "a -> a")

    def test_two_providers_names_both(self):
        g = Graph().service("a", "provides: {name: thing}\n").service("b", "provides: {name: thing}\n")
        self.refused(g, "a/service.yaml", "b/service.yaml", "both provide thing")

    def test_type_clash_names_both_documents(self):
        doc = {"schemas/t.yaml": TYPE % "things.example.com"}
        g = Graph().service("a", "resources: [schemas/t.yaml]\n", doc).service("b", "resources: [schemas/t.yaml]\n", doc)
        self.refused(g, "a/service.yaml", "b/service.yaml", "things.example.com")

    def test_missing_document(self):
        self.refused(Graph().service("a", "resources: [schemas/none.yaml]\n"), "a/service.yaml", "schemas/none.yaml")

    def test_unknown_key_and_bad_name(self):
        self.refused(Graph().service("a", "requirse: [b]\n"), "requirse", "no such key")
        self.refused(Graph().service("Bad-Name"), "names are lower-case")

    def test_broken_yaml_and_duplicate_keys(self):
        self.refused(Graph().service("a", "requires: [b\n"), "a/service.yaml")
        self.refused(Graph().service("a", "requires: []\nrequires: []\n"), "requires stands twice")

    def test_rights_need_the_engine(self):
        self.refused(Graph().service("a", "rights: [{groups: [''], resources: [configmaps], verbs: ['*']}]\n"), "require it")

    def test_order_deps_and_teardown(self):
        g = Graph().service("zeta").service("alpha", "requires: [mid]\nbackground: true\n").service("mid", "requires: [zeta, config]\n")
        code, message, header, source = g.generate()
        self.assertEqual(code, 0, message)
        makers = source[source.index("makers["):]
        order = [makers.index("make_" + n) for n in ("zeta", "mid", "alpha")]
        self.assertEqual(order, sorted(order))
        self.assertIn("struct mid_deps {\n    struct zeta *zeta;\n    const struct config *config;\n", header)
        self.assertIn("int alpha_run(struct alpha *self, struct service_stop *stop, struct err *err);", header)
        self.assertIn("WIRE_BACKGROUNDS = 1, WIRE_SERVICES = 3", header)

    def test_documents_are_embedded_exactly(self):
        text = TYPE % "things.example.com" + 'x: "tri??/graph \\" \\\\ \\u00e9"\n'
        g = Graph().service("a", "resources: [schemas/t.yaml]\n", {"schemas/t.yaml": text})
        code, message, _, source = g.generate()
        self.assertEqual(code, 0, message)
        self.assertIn("\\077\\077", source)  # no trigraph survives
        self.assertIn("things.example.com", source)

    def test_nothing_is_rewritten_when_nothing_changed(self):
        g = Graph().service("a")
        g.generate()
        path = os.path.join(g.dir, "out", "wire.gen.c")
        before = os.stat(path).st_mtime_ns
        g.generate()
        self.assertEqual(os.stat(path).st_mtime_ns, before)

    def test_the_server_prints_its_graph(self):
        coracle = os.path.join(ROOT, "build", PRESET, "coracle")
        text = subprocess.run([coracle, "services"], capture_output=True, text=True, check=True).stdout
        dot = subprocess.run([coracle, "services", "--dot"], capture_output=True, text=True, check=True).stdout
        self.assertIn("(background)", text)
        self.assertRegex(text, r"types +customresourcedefinitions.apiextensions.k8s.io")
        self.assertRegex(text, r"(?m)^  required by engine, ")
        self.assertRegex(text, r"(?m)^  rights +.* of the core group: .*list")
        self.assertNotIn("disabled", text)
        self.assertTrue(dot.startswith("digraph services {"))
        self.assertIn('"engine" -> "store";', dot)

    def test_what_the_configuration_disables(self):
        coracle = os.path.join(ROOT, "build", PRESET, "coracle")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("services: {events: {enabled: false}}\n")
            f.flush()
            text = subprocess.run([coracle, "services", "--config", f.name], capture_output=True, text=True, check=True).stdout
            dot = subprocess.run([coracle, "services", "--dot", "--config", f.name], capture_output=True, text=True, check=True).stdout
        self.assertEqual(text.count("disabled"), 1)
        self.assertIn("\nevents (background, disabled)\n", text)
        self.assertIn('"events" [label="events", style=dashed];', dot)
        self.assertEqual(dot.count("dashed"), 1)
        r = subprocess.run([coracle, "services", "--odd"], capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stderr), (2, "coracle: --odd: there is no such flag\n"))


if __name__ == "__main__":
    r = unittest.main(exit=False, argv=[sys.argv[0]]).result
    bad = len(r.failures) + len(r.errors)
    print("%d passed, %d failed" % (r.testsRun - bad, bad))
    sys.exit(bool(bad))
