# SPDX-License-Identifier: Apache-2.0
"""The programs of client libraries: each is built or fetched by tools.py, run against a server of its own, and its report is counted.
A program finds KUBECONFIG, CORACLE_CONTROL (control.py) and CORACLE_TOKEN (an administrator's) in its environment,
and CORACLE_DASHBOARDS, a directory of real dashboards."""
import os, re, subprocess, tempfile, time

from . import tools
from .control import Control
from lib.server import Server, store_flags

HERE = os.path.dirname(os.path.abspath(__file__))


class Count:
    """What a tour gave: counts, the reasons of what it skipped, and the text to show where it failed."""

    def __init__(self, passed=0, failed=0, skipped=0, notes=(), text=""):
        self.passed, self.failed, self.skipped, self.notes, self.text = passed, failed, skipped, list(notes), text


def count_go(out):
    """The report of a Go test binary under -test.v: a test with subtests counts as its subtests."""
    found = re.findall(r"(?m)^ *--- (PASS|FAIL|SKIP): (\S+)", out)
    leaves = [(how, name) for how, name in found if not any(other.startswith(name + "/") for _, other in found)]
    skipped, said, now = {name for how, name in leaves if how == "SKIP"}, {}, None
    for line in out.splitlines():
        m = re.match(r"=== (?:RUN|NAME|CONT) +(\S+)", line)
        now = m.group(1) if m else now
        m = re.match(r" +\S+\.go:\d+: (.*)", line)
        if m and now in skipped:
            said[now] = m.group(1)
    notes = ["%s: %s" % pair for pair in sorted(said.items())]
    n = {how: sum(h == how for h, _ in leaves) for how in ("PASS", "FAIL", "SKIP")}
    return Count(n["PASS"], n["FAIL"], n["SKIP"], notes)


def count_unittest(out):
    """The report of python -m unittest -v."""
    m = re.search(r"(?m)^Ran (\d+) tests? in ", out)
    if not m:
        return Count(failed=1)
    def n(word):
        found = re.search(r"\b%s=(\d+)" % word, out[m.end():])
        return int(found.group(1)) if found else 0
    failed, skipped = n("failures") + n("errors"), n("skipped")
    notes = ["%s: %s" % (name, why) for name, why in re.findall(r"(?m)^(\S+) .*\.\.\. skipped ['\"](.*)['\"]$", out)]
    return Count(int(m.group(1)) - failed - skipped, failed, skipped, notes)


def count_tap(out):
    """The report of node --test with the tap reporter."""
    n = {word: int(v) for word, v in re.findall(r"(?m)^# (pass|fail|cancelled|skipped) (\d+)$", out)}
    notes = ["%s: %s" % (name, why) for name, why in re.findall(r"(?m)^ *ok \d+ - (.*?) # SKIP ?(.*)$", out)]
    return Count(n.get("pass", 0), n.get("fail", 0) + n.get("cancelled", 0), n.get("skipped", 0), notes)


def define(s, text, seconds=120):
    """Puts a definition on the server, and waits until it is established. Gives what is wrong, or nothing."""
    crds, end = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", time.monotonic() + seconds
    code, _, body = s.request("POST", crds, text, headers={"Content-Type": "application/yaml"})
    if code != 201:
        return "the definition was refused: %s" % body
    while time.monotonic() < end:
        body = s.get("%s/%s" % (crds, body["metadata"]["name"]))[2]
        if any((c["type"], c["status"]) == ("Established", "True") for c in (body.get("status") or {}).get("conditions") or []):
            return None
        time.sleep(0.05)
    return "the definition is not established: %s" % body


def run(args, counter, opt, cwd=None, seconds=960, env=None):
    """Runs a program against a server of its own and counts its report."""
    with tempfile.TemporaryDirectory() as home, store_flags(opt.store) as flags, Server(preset=opt.preset, flags=flags) as s, Control(s) as c:
        with open(os.path.join(tools.ROOT, "tests", "data", "crontabs.yaml")) as f:
            why = define(s, f.read())
        if why:
            return Count(failed=1, text=why)
        vars_ = dict(os.environ, HOME=home, KUBECONFIG=s.kubeconfig, TMPDIR=home, CORACLE_CONTROL=c.url, CORACLE_TOKEN=s.token, **(env or {}))
        vars_.setdefault("CORACLE_DASHBOARDS", os.path.join(tools.ROOT, "tests", "data", "dashboards"))
        p = subprocess.Popen(args, cwd=cwd, env=vars_, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            out, _ = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            p.kill()
            out = p.communicate()[0] + "\ntimed out after %d s\n" % seconds
        count = counter(out)
        if p.returncode and not count.failed:
            count.failed = 1
        if not p.returncode and not count.passed:
            count.failed, out = count.failed + 1, out + "\nno test was run\n"
        if count.failed:
            count.text = out[-12000:] + "\nthe server's log:\n" + s.stderr()[-2000:]
        return count


def missing(why):
    return Count(skipped=1, notes=[why])


def go_program(package, module="go"):
    def tour(opt):
        path, why = tools.go_tests(package, module)
        if path is None:
            return Count(failed=1, text=why) if why.startswith("build") else missing(why)
        chosen = ["-test.run", "|".join(opt.names)] if opt.names else []
        return run([path, "-test.v", "-test.count=1", "-test.timeout=900s"] + chosen, count_go, opt)
    return tour


def python_program(module):
    def tour(opt):
        python, why = tools.venv()
        if python is None:
            return missing(why)
        chosen = [a for n in opt.names for a in ("-k", n)]
        return run([python, "-B", "-m", "unittest", "-v", module] + chosen, count_unittest, opt, cwd=os.path.join(HERE, "python"),
                   env={"PYTHONWARNINGS": "ignore"})
    return tour


def js_program(name):
    def tour(opt):
        folder, why = tools.node_modules()
        if folder is None:
            return missing(why)
        chosen = ["--test-name-pattern=" + "|".join(opt.names)] if opt.names else []
        return run(["node", "--test", "--test-reporter=tap"] + chosen + [os.path.join(folder, name)], count_tap, opt, cwd=folder)
    return tour
