#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The black-box tests: a real server, real sockets. run.py [--preset P] [--slow N] [NAME...] runs all of them, or those whose name holds one of the
names, and closes with 'N passed, N failed, N skipped'."""
import argparse, os, sys, time, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))  # not in front: this folder is named as a module of Python's own
import support  # noqa: E402


class Result(unittest.TextTestResult):
    """Remembers how long each test took."""
    took = {}

    def startTest(self, test):
        self.begun = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        Result.took[test.id()] = time.monotonic() - self.begun
        super().stopTest(test)


def each(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from each(t)
        else:
            yield t


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--preset", default="asan")
    ap.add_argument("--slow", type=int, default=0, help="name the N slowest")
    ap.add_argument("--verbose", "-v", action="store_true")
    ap.add_argument("names", nargs="*", help="only tests whose name contains one of these")
    opt = ap.parse_args()
    support.PRESET = opt.preset
    tests = list(each(unittest.defaultTestLoader.discover(HERE, "test_*.py")))
    if opt.names:
        tests = [t for t in tests if any(n in t.id() for n in opt.names)]
    # The server that most tests share must end well too: Server raises where it does not.
    bad = passed = skipped = 0
    try:
        with support.Kept(preset=opt.preset) as support.SHARED:
            r = unittest.TextTestRunner(stream=sys.stdout, verbosity=1 + opt.verbose, resultclass=Result).run(unittest.TestSuite(tests))
            bad = len(r.failures) + len(r.errors)
            skipped = len(r.skipped)
            passed = r.testsRun - bad - skipped
            for t, why in r.skipped:
                print("skipped: %s: %s" % (t.id(), why))
    except RuntimeError as e:
        print(e)
        bad += 1
    for name in sorted(Result.took, key=Result.took.get, reverse=True)[:opt.slow]:
        print("%6.2f s %s" % (Result.took[name], name))
    print("%d passed, %d failed, %d skipped" % (passed, bad, skipped))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
