#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the client tours, two at a time, each against a server of its own: run.py [--preset P] [--store S] [--tours A,B | --all] [NAME...];
closes with the counts. A tour whose tools cannot be had is skipped, and says why."""
import argparse, concurrent.futures, io, os, sys, time, traceback, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from clients import gcx_real, helm, kubectl, kubectl_diff, programs, tools
from clients.programs import Count
from lib import etcd
from lib.server import Server, store_flags


def run_case(opt, case, suite):
    """Runs a suite of unittest against a server of its own."""
    if opt.names:
        suite = unittest.TestSuite(t for t in suite if any(n in t.id() for n in opt.names))
    text = io.StringIO()
    with store_flags(opt.store) as flags, Server(preset=opt.preset, flags=flags) as s:
        case.server = s
        r = unittest.TextTestRunner(verbosity=1, stream=text).run(suite)
    bad = len(r.failures) + len(r.errors)
    notes = ["%s: %s" % (t.id().rsplit(".", 1)[1], why) for t, why in r.skipped]
    return Count(r.testsRun - bad - len(r.skipped), bad, len(r.skipped), notes, text.getvalue() if bad else "")


def kubectl_tour(minor, fetch, diffs):
    def tour(opt):
        path = fetch()
        if path is None:
            return programs.missing("there is no kubectl 1.%d" % minor)
        base = kubectl_diff.KubectlDiff if diffs else kubectl.Kubectl
        case = type("%s1%d" % (base.__name__, minor), (base,), {"binary": path, "minor": minor})
        suite = kubectl_diff.suite(case) if diffs else unittest.defaultTestLoader.loadTestsFromTestCase(case)
        return run_case(opt, case, suite)
    return tour


def gcx_tour(opt):
    path, why = gcx_real.find()
    if path is None:
        return programs.missing(why)
    case = type("GcxTour", (gcx_real.Gcx,), {"binary": path})
    return run_case(opt, case, unittest.defaultTestLoader.loadTestsFromTestCase(case))


def helm_tour(opt):
    path, why = tools.helm()
    if path is None:
        return programs.missing(why)
    case = type("HelmTour", (helm.Helm,), {"binary": path})
    return run_case(opt, case, unittest.defaultTestLoader.loadTestsFromTestCase(case))


NEWER = 35
# The slowest first. What builds for minutes on its first run is not among the default ones.
TOURS = {
    "kubectl-1.20": kubectl_tour(20, tools.kubectl_debian, False),
    "kubectl-1.%d" % NEWER: kubectl_tour(NEWER, lambda: tools.kubectl_npm(NEWER), False),
    "client-go": programs.go_program("clientgo"),
    "gcx": programs.go_program("gcx", "gcx"),
    "gcx-real": gcx_tour,
    "kopf": programs.python_program("test_kopf"),
    "python": programs.python_program("test_kubernetes"),
    "javascript": programs.js_program("client.test.mjs"),
    "diff-1.20": kubectl_tour(20, tools.kubectl_debian, True),
    "diff-1.%d" % NEWER: kubectl_tour(NEWER, lambda: tools.kubectl_npm(NEWER), True),
    "controller-runtime": programs.go_program("operator"),
    "helm": helm_tour,
}
ASKED = ["controller-runtime", "helm"] + ([] if gcx_real.find()[0] else ["gcx-real"])


def run_tour(name, opt):
    begun = time.time()
    try:
        count = TOURS[name](opt)
    except Exception:  # a tour that broke is a failure among the others
        count = Count(failed=1, text=traceback.format_exc())
    return name, count, time.time() - begun


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--preset", default="release")
    ap.add_argument("--store", default="sqlite")
    ap.add_argument("--tours", help="only these, by commas: " + ", ".join(TOURS))
    ap.add_argument("--all", action="store_true", help="also " + ", ".join(ASKED))
    ap.add_argument("names", nargs="*", help="only tests whose name contains one of these")
    opt = ap.parse_args()
    if opt.store == "etcd" and not etcd.binary():
        print("etcd is not installed: the tours on it are skipped\n0 passed, 0 failed, 1 skipped")
        return 0
    chosen = opt.tours.split(",") if opt.tours else [n for n in TOURS if opt.all or n not in ASKED]
    unknown = [n for n in chosen if n not in TOURS]
    if unknown:
        ap.error("no such tour: " + ", ".join(unknown))
    total = Count()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_tour, n, opt) for n in chosen]):
            name, count, seconds = done.result()
            print("%-18s %3d passed %3d failed %3d skipped  %4.0f s" % (name, count.passed, count.failed, count.skipped, seconds))
            for note in count.notes:
                print("  skipped: " + note)
            if count.failed:
                print(count.text)
            sys.stdout.flush()
            total.passed, total.failed, total.skipped = total.passed + count.passed, total.failed + count.failed, total.skipped + count.skipped
    print("%d passed, %d failed, %d skipped" % (total.passed, total.failed, total.skipped))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
