#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replays the recorded exchanges against a server of its own and compares the outcome with pending.txt: a case that fails and is
not named there is a failure; so is one that is named there and passes. run.py [--preset asan] [--area A] [--name R] [--update]"""
import argparse, json, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from lib import etcd
from lib.server import Server, store_flags

FEATURES = "open,tokens,controllers,webhook"  # what the server offers now; others' cases are skipped by the replayer


def pending():
    """name -> reason, from lines of `area/name: reason`."""
    out = {}
    for line in open(os.path.join(HERE, "pending.txt"), encoding="utf-8"):
        line = line.strip()
        if line and not line.startswith("#"):
            name, _, reason = line.partition(": ")
            out[name] = reason
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--preset", default="release")
    ap.add_argument("--area", action="append", default=[])
    ap.add_argument("--name")
    ap.add_argument("--messages", action="store_true")
    ap.add_argument("--store", default="sqlite")
    opt = ap.parse_args()
    known = pending()
    report = tempfile.NamedTemporaryFile(suffix=".json", delete=False)
    if opt.store == "etcd" and not etcd.binary():
        print("etcd is not installed: the recorded exchanges on it are skipped\n0 passed, 0 failed, 1 skipped")
        return 0
    with store_flags(opt.store) as flags, Server(preset=opt.preset, flags=flags) as s:
        args = [sys.executable, os.path.join(HERE, "replay.py"), "--url", s.url, "--token", s.token, "--insecure", "--jobs", "8", "--patience", "8",
                "--features", FEATURES, "--report", "json=" + report.name]
        for a in opt.area:
            args += ["--area", a]
        if opt.name:
            args += ["--name", opt.name]
        if opt.messages:
            args += ["--messages"]
        r = subprocess.run(args + [os.path.join(HERE, "cases")], capture_output=True, text=True)
    if not os.path.getsize(report.name):
        print(r.stdout[-3000:], r.stderr[-3000:])
        return 1
    results = json.load(open(report.name))
    os.unlink(report.name)
    bad = {}
    for c in results:
        name = c["area"] + "/" + c["name"]
        if c["result"] == "failed" and name not in known:
            bad[name] = "failed (%s):\n    " % c["level"] + "\n    ".join(h for h in c["hard"] if h.strip())[:1500]
        if c["result"] == "passed" and name in known:
            bad[name] = "passes, though pending.txt says: " + known[name]
    for name in sorted(bad):
        print("%s %s" % (name, bad[name]))
    count = lambda w: sum(c["result"] == w for c in results)
    waiting = sum(c["result"] == "failed" and c["area"] + "/" + c["name"] in known for c in results)
    print("recorded exchanges: %d as recorded, %d pending with a reason, %d skipped for a feature" % (count("passed"), waiting, count("skipped")))
    print("%d passed, %d failed, %d skipped" % (len(results) - len(bad) - count("skipped") - waiting, len(bad), count("skipped") + waiting))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
