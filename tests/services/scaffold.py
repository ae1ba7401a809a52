#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`coracle new service` and docs/services.md: follows the page word for word in a copy of the tree, and tries what must be refused. What the other
folders' libraries are is taken from build/release (or CORACLE_BUILD) as it is. scaffold.py [-k TEST]"""
import difflib, json, os, re, shutil, subprocess, sys, tempfile, time, unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CORACLE_BUILD") or os.path.join(ROOT, "build", "release")
CORACLE = os.path.join(BUILD, "coracle")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from lib.server import Server

LEFT_OUT = re.compile(r"tests/(conformance/cases|fuzz/corpus|clients|data)/|bench/(?!watchers)|docs/.*\.json$")
STEP = re.compile(r"^<!-- (.*?) -->\n```\w+\n(.*?)^```$", re.M | re.S)


def copy_tree(to):
    """The files that git knows or would add, without what no build needs."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in out.splitlines():
        source = os.path.join(ROOT, path)
        if not LEFT_OUT.match(path) and os.path.isfile(source):
            os.makedirs(os.path.dirname(os.path.join(to, path)), exist_ok=True)
            shutil.copy2(source, os.path.join(to, path))


def steps():
    with open(os.path.join(ROOT, "docs", "services.md"), encoding="utf-8") as f:
        text = f.read()
    found = [(m.group(1), m.group(2)) for m in STEP.finditer(text)]
    if len(found) != text.count("<!-- "):
        raise ValueError("docs/services.md has a step without its block")
    return found


class Tree:
    """A copy of the tree in a temporary folder."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-scaffold-")
        self.root = os.path.join(self.dir, "coracle")
        copy_tree(self.root)
        os.makedirs(os.path.join(self.root, "build", "release"))
        os.symlink(CORACLE, os.path.join(self.root, "build", "release", "coracle"))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *args, cwd="."):
        """(status, output, errors)"""
        p = subprocess.run(args, cwd=os.path.join(self.root, cwd), capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr

    def new(self, *args, cwd="."):
        return self.run(CORACLE, "new", "service", *args, cwd=cwd)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as f:
            return f.read()

    def write(self, path, text):
        with open(self.path(path), "w", encoding="utf-8") as f:
            f.write(text)

    def edit(self, how, path, mark, block):
        """One edit of the page."""
        lines = self.read(path).splitlines(True)
        at = [i for i, line in enumerate(lines) if mark in line]
        if len(at) != 1:
            raise AssertionError("%s has %d lines with %r" % (path, len(at), mark))
        k = at[0]
        if how == "before-end":  # of the function that begins there
            k = next(i for i in range(k, len(lines)) if lines[i] == "}\n")
        lines[k:k + 1] = [block] if how == "replace" else [lines[k], block] if how == "after" else [block, lines[k]]
        self.write(path, "".join(lines))

    def formatted(self, folder):
        """What the formatter would change, where it is installed."""
        tool = shutil.which("clang-format-16")
        for name in sorted(os.listdir(self.path(folder))) if tool else ():
            if name.endswith((".c", ".h")):
                _, want, _ = self.run(tool, os.path.join(folder, name))
                have = self.read(os.path.join(folder, name))
                if want != have:
                    return "".join(difflib.unified_diff(have.splitlines(True), want.splitlines(True), name))
        return ""

    def left_over(self):
        return [n for n in os.listdir(self.root) if n.startswith(".new-")]


def holds(have, want):
    """Whether `have` has everything of `want`."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(k in have and holds(have[k], v) for k, v in want.items())
    return have == want


class Page(unittest.TestCase):
    """docs/services.md, from its first step to its last."""

    def setUp(self):
        self.tree, self.objects, self.server = Tree(), [], None
        self.addCleanup(self.tree.close)
        code, out, errors = self.tree.run("cmake", "--preset", "debug", "-DCORACLE_WERROR=ON", "-DCORACLE_LIBRARIES=" + BUILD)
        self.assertEqual(code, 0, out + errors)

    def shell(self, block):
        p = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=self.tree.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(p.returncode, 0, block + p.stdout[-6000:])
        return p.stdout

    def edit(self, how, rest, block):
        path, _, mark = rest.partition(": ")
        if how == "write":
            self.tree.write(path, block)
        elif how == "append":
            self.tree.write(path, self.tree.read(path) + block)
        else:
            self.tree.edit(how, path, mark, block)

    def start(self):
        os.environ["CORACLE_BINARY"] = self.tree.path("build", "debug", "coracle")
        self.server = Server(flags=["--store", "memory"]).start()
        self.addCleanup(os.environ.pop, "CORACLE_BINARY", None)

    def stop(self):
        if self.server:
            self.assertEqual(self.server.stop(), 0)
            shutil.rmtree(self.server.dir, ignore_errors=True)
            self.server = None

    def apply(self, block):
        """By server-side apply, as kubectl would: what the page applied before is there too."""
        api = re.search(r"^apiVersion: (\S+)", block, re.M).group(1)
        plural = re.search(r"^kind: (\S+)", block, re.M).group(1).lower() + "s"
        name = re.search(r"^  name: (\S+)", block, re.M).group(1)
        path = "/apis/%s/namespaces/default/%s/%s?fieldManager=page" % (api, plural, name)
        status, _, body = self.server.request("PATCH", path, block, {"Content-Type": "application/apply-patch+yaml"})
        self.assertEqual(status, 201, body)
        return body

    def expect(self, what, block):
        path, _, member = what.partition(" .")
        want, end = json.loads(block), time.time() + 60
        while True:
            status, _, body = self.server.get(path)
            have = body.get(member) if member and isinstance(body, dict) else body
            if status == 200 and holds(have, want):
                return
            if time.time() > end:
                self.fail("%s: %s %s" % (path, status, body))
            time.sleep(0.05)

    def follow(self, step, block):
        how, _, rest = step.partition(" ")
        if how == "sh":
            self.stop()
            return self.shell(block)
        if how in ("apply", "get") and not self.server:
            self.start()
            for earlier in self.objects:
                self.apply(earlier)
        if how == "apply":
            self.objects.append(block)
            return self.apply(block)
        if how == "get":
            return self.expect(rest, block)
        return self.edit(how, rest, block)

    def test_page(self):
        self.addCleanup(self.stop)
        printed = ""
        for step, block in steps():
            answer = self.follow(step, block)
            if step == "sh":
                printed = answer
            if step == "sh" and "new service" in block:
                name = re.search(r"new service (\S+)", block).group(1)
                self.assertEqual(self.tree.formatted("services/" + name), "")
            if step == "apply" and "Pancakes" in block:
                self.assertEqual(answer["spec"]["title"], "Pancakes")
        self.assertIn("\nmeals (background)\n", printed)
        recipes = printed[printed.index("\nrecipes\n"):]
        self.assertIn("  required by meals\n", recipes[:recipes.index("types")])
        for folder in ("services/recipes", "services/meals"):
            self.assertEqual(self.tree.formatted(folder), "")
        self.told()
        self.failing()
        _, names, _ = self.tree.run("nm", "build/debug/coracle")
        self.assertIn(" meals_provide\n", names)
        self.assertNotIn("_fake_", names)  # fakes are no part of the server

    def failing(self):
        """A service that fails: it is seen, it is run again, and requests are answered all the while."""
        path = "services/meals/meals.c"
        text = self.tree.read(path)
        lines = [line for line in text.splitlines(True) if line.startswith("    service_run_controller(")]
        self.assertEqual(len(lines), 1)
        failing = "    if (!service_stopping(stop)) {\n        return err_set(err, ERR_IO, \"the oven is cold\");\n    }\n"
        self.tree.write(path, text.replace(lines[0], failing + lines[0]))
        self.shell("cmake --build build/debug --target coracle meals_fake")
        self.start()
        series = lambda line: re.search("^%s$" % line, self.server.get("/metrics")[2].decode(), re.M)
        self.until(lambda: series(r'coracle_service_restarts_total\{service="meals"} ([2-9]|\d{2,})'))
        # It waits for seconds and runs for a moment, in which it is well: each of these is to be seen, not all of them in one wait.
        self.until(lambda: series(r'coracle_service_state\{service="meals",state="waiting"} 1'))
        self.until(lambda: series(r'coracle_service_up\{service="meals"} 0'))
        self.assertTrue(series(r'coracle_service_last_error\{service="meals",error="the oven is cold"} 1'))
        status = lambda path: self.server.get(path)[0]
        answer = lambda path: "%d %s" % (lambda status, _, body: (status, body.decode()))(*self.server.get(path))
        self.until(lambda: "[-]service-meals failed: reason withheld (does not count)\n" in answer("/readyz?verbose"))
        for _ in range(20):
            self.assertEqual([status("/" + root) for root in ("livez", "readyz", "readyz?verbose")], [200, 200, 200])
        self.until(lambda: status("/healthz") == 500)
        waits = r"^500 internal server error: waits to be run again .restarts: [1-9]\d*.; at .*Z: the oven is cold\n$"
        self.until(lambda: re.search(waits, answer("/readyz/service-meals")))
        self.stop()

    def until(self, holds):
        end = time.time() + 120
        while not holds():
            self.assertLess(time.time(), end)
            time.sleep(0.05)

    def told(self):
        """What is said of the new background service, and of it disabled."""
        status, _, body = self.server.get("/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn("[+]service-meals ok\n", body.decode())
        self.assertIn('coracle_service_up{service="meals"} 1\n', self.server.get("/metrics")[2].decode())
        self.stop()
        self.tree.write("off.yaml", "services: {meals: {enabled: false}}\n")
        _, out, _ = self.tree.run("build/debug/coracle", "services", "--config", "off.yaml")
        self.assertIn("\nmeals (background, disabled)\n", out)
        with Server(flags=["--store", "memory", "--config", self.tree.path("off.yaml")]) as s:
            text = s.get("/metrics")[2].decode()
            self.assertIn('coracle_service_state{service="meals",state="disabled"} 1\n', text)
            self.assertNotIn('coracle_service_up{service="meals"}', text)
            self.assertNotIn("service-meals", s.get("/readyz?verbose")[2].decode())


class Refusals(unittest.TestCase):
    """Bad names, bad places: a sentence each, and nothing written."""

    @classmethod
    def setUpClass(cls):
        cls.tree = Tree()
        cls.addClassCleanup(cls.tree.close)

    def refused(self, words, *args, status=2, cwd="."):
        before = sorted(os.listdir(self.tree.path("services")))
        code, out, errors = self.tree.new(*args, cwd=cwd)
        self.assertEqual((code, out), (status, ""), errors)
        self.assertIn(words, errors)
        self.assertTrue(errors.startswith("coracle: ") and errors.count("\n") == 1, errors)
        self.assertEqual(sorted(os.listdir(self.tree.path("services"))), before)
        self.assertEqual(self.tree.left_over(), [])

    def test_names(self):
        for name in ("Recipes", "cook-book", "1st", "a__b", "a_", "_a", "é", "", "a/b", "../a", "a" * 33):
            self.refused("the name \"%s\"" % name, name)
        self.refused("is a word of C", "while")
        self.refused("means something else", "wire")
        self.refused("would make its files tests or fakes", "test_kitchen")
        self.refused("would make its files tests or fakes", "kitchen_fake")

    def test_taken(self):
        self.refused("services/events is there already", "events", status=1)
        self.refused("services/storage/service.yaml provides store already", "store", status=1)
        self.refused("resources/client.h has a struct client already", "client", status=1)

    def test_types(self):
        self.refused("the kind \"recipe\"", "recipes", "--type", "recipe")
        self.refused("kinds in List", "recipes", "--type", "RecipeList")
        self.refused("the kind \"Re.cipe\"", "recipes", "--type", "Re.cipe")
        self.refused("the plural \"Recipes\"", "recipes", "--plural", "Recipes")
        for group in ("kitchen", "Kitchen.example.com", "a..b", "-a.b", ".a", "a."):
            self.refused("the group \"%s\"" % group, "recipes", "--group", group)
        self.refused("is Kubernetes' own", "recipes", "--group", "batch.k8s.io")

    def test_arguments(self):
        self.refused("a name is wanted")
        self.refused("--kind: there is no such flag", "recipes", "--kind", "Recipe")
        self.refused("--type wants a value", "recipes", "--type")
        self.refused("one name is enough", "recipes", "meals")
        for args in (["new"], ["new", "thing"]):
            code, _, errors = self.tree.run(CORACLE, *args)
            self.assertEqual((code, errors), (2, "coracle: what is new? There is: new service NAME\n"))
        code, out, _ = self.tree.new("--help")
        self.assertEqual(code, 0)
        self.assertIn("--type KIND", out)

    def test_outside(self):
        self.refused("a checkout of Coracle", "recipes", status=1, cwd="/")

    def test_a_type_that_is_there(self):
        self.assertEqual(self.tree.new("first", "--type", "Dish", cwd="docs")[0], 0)  # from below the root
        self.addCleanup(shutil.rmtree, self.tree.path("services/first"))
        self.assertTrue(os.path.exists(self.tree.path("services/first/schemas/dishes.yaml")))
        self.assertEqual(os.stat(self.tree.path("services/first")).st_mode & 0o777, 0o755)
        self.refused("services/first/schemas/dishes.yaml has dishes", "second", "--type", "Dish", "--group", "first.coracle.dev", status=1)
        self.refused("services/first is there already", "first", status=1)

    def test_nothing_half_written(self):
        """A template that cannot be filled, and a tree that cannot be written."""
        path = "cli/templates/service/test_name.c.in"
        text = self.tree.read(path)
        self.addCleanup(self.tree.write, path, text)
        self.tree.write(path, "one\ntwo ${nothing}\n")
        self.refused("test_name.c.in: line 2: ${nothing} stands for nothing", "recipes", status=1)
        os.unlink(self.tree.path(path))
        self.refused("cannot open", "recipes", status=1)

    def test_long_names_are_formatted(self):
        for name, kind in (("a", "A"), ("cooking_utensil_boxes", "CookingUtensilBox"), ("x" * 32, "X" + "y" * 30)):
            code, _, errors = self.tree.new(name, "--type", kind, "--group", "kitchen.example.com")
            self.assertEqual(code, 0, errors)
            self.addCleanup(shutil.rmtree, self.tree.path("services", name))
            self.assertEqual(self.tree.formatted("services/" + name), "")


if __name__ == "__main__":
    r = unittest.main(exit=False, verbosity=1).result
    bad = len(r.failures) + len(r.errors)
    print("%d passed, %d failed" % (r.testsRun - bad, bad))
    sys.exit(bool(bad))
