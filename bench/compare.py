#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Coracle and the reference in turn on this machine, by the same clients: run by bench/run.sh, which makes the tools. Prints a closing table
(report.py) and writes everything measured as JSON."""
import argparse, datetime, json, os, signal, subprocess, sys, tempfile, time

import cold, phases, report
from phases import say
from servers import Coracle, Reference

ALL = ["krm", "starts", "first", "definitions", "objects", "large", "cold"]
FULL = {"n": 3000, "gets": 10000, "lists": 30, "watchers": 100, "events": 300}
QUICK = {"n": 1000, "gets": 8000, "lists": 30, "watchers": 100, "events": 100}


def arguments():
    a = argparse.ArgumentParser(prog="./dev bench")
    a.add_argument("--only", choices=["coracle", "reference"], help="one side only")
    a.add_argument("--store", choices=["sqlite", "memory", "etcd"], default="sqlite", help="what Coracle keeps its objects in (sqlite); etcd: the reference's binary, in a directory of its own")
    a.add_argument("--rounds", type=int, help="rounds of krmbench, the two sides in turn (3; 1 with --quick)")
    a.add_argument("--quick", action="store_true", help="within three minutes: one smaller round, fewer definitions and objects")
    a.add_argument("--phases", default="", help="some of " + ",".join(ALL) + " (all; with --quick all but the last two)")
    a.add_argument("--out", default="build/bench.json", help="where the figures go (build/bench.json)")
    a.add_argument("--minutes", type=float, default=20, help="no new step is begun after so long (20)")
    a.add_argument("--cold-gb", type=float, default=10, help="size of the store of phase cold (10)")
    a.add_argument("--objects", type=int, help="in phase objects (100000; 10000 with --quick)")
    a.add_argument("--definitions", type=int, help="in phase definitions (500; 100 with --quick)")
    for flag in FULL:
        a.add_argument("-" + flag, "--" + flag if len(flag) > 1 else "--count", dest="krm_" + flag, type=int, help="krmbench's flag")
    for tool in ("coracle", "krmbench", "etcd", "apiserver", "fill", "coldload"):
        a.add_argument("--tool-" + tool, default="", help=argparse.SUPPRESS)
    o = a.parse_args()
    o.flags = dict(QUICK if o.quick else FULL)
    o.flags.update({f: getattr(o, "krm_" + f) for f in FULL if getattr(o, "krm_" + f) is not None})
    o.rounds = o.rounds or (1 if o.quick else 3)
    o.objects = o.objects or (10000 if o.quick else 100000)
    o.definitions = o.definitions or (100 if o.quick else 500)
    o.phases = o.phases.split(",") if o.phases else ["krm", "starts", "first", "definitions", "objects"] if o.quick else ALL
    unknown = set(o.phases) - set(ALL)
    if unknown:
        a.error("no such phase: " + ", ".join(sorted(unknown)))
    o.tools = argparse.Namespace(**{t: getattr(o, "tool_" + t) for t in ("coracle", "krmbench", "etcd", "apiserver", "fill", "coldload")})
    return o


class Run:
    def __init__(self, options):
        self.o, self.problems, self.begun = options, [], time.monotonic()
        self.sides = [s for s in ("coracle", "reference") if options.only in (None, s)]
        if "reference" in self.sides and not options.tools.apiserver:
            self.sides.remove("reference")
            self.problems.append("no reference: it was not built (Go and its modules are needed)")

    def make(self, side):
        return Coracle(self.o.tools, self.o.store) if side == "coracle" else Reference(self.o.tools)

    def attempt(self, what, side, f):
        """One step; what goes wrong in it is told in the table's notes and does not end the run."""
        begun = time.monotonic()
        if begun - self.begun > self.o.minutes * 60:
            self.problems.append("%s, %s: not begun, the time was over" % (side, what))
            return None
        try:
            out = f()
        except Exception as e:  # whatever it is, the other steps are worth having
            self.problems.append("%s, %s: %s" % (side, what, str(e)[:500]))
            say("%s, %s: failed: %s" % (side, what, e))
            return None
        say("%s, %s: %.0f s" % (side, what, time.monotonic() - begun))
        return out

    def on_new(self, side, f):
        def step():
            with self.make(side) as s:
                return f(s)
        return step

    def rounds(self):
        out = []
        for i in range(self.o.rounds if "krm" in self.o.phases else 0):
            done = {}
            for side in self.sides:
                step = self.on_new(side, lambda s: phases.krm(s, self.o.tools, self.o.flags))
                done[side] = {"krm": self.attempt("krmbench, round %d" % (i + 1), side, step)}
            out.append(done)
        return out

    def single(self, side):
        o, mine = self.o, side == "coracle"
        steps = {
            "starts": lambda: phases.start_of(lambda t: self.make(side), o.tools, 9 if mine else 2),
            "first": self.on_new(side, lambda s: phases.first_object(s, 9 if mine else 2)),
            "definitions": self.on_new(side, lambda s: phases.definitions(s, o.definitions, 330)),
            "objects": self.on_new(side, lambda s: phases.objects(s, o.tools, o.objects, 10000 if not o.quick else 5000, 600)),
        }
        if mine and o.store == "sqlite":
            steps["large"] = lambda: phases.large_store(o.tools, 1)
        out = {name: self.attempt(name, side, f) for name, f in steps.items() if name in o.phases}
        out["binary_mb"] = stripped_mb([o.tools.coracle] if mine else [o.tools.apiserver, o.tools.etcd])
        return out

    def all(self):
        result = {"rounds": self.rounds(), "single": {}}
        for side in self.sides:
            result["single"][side] = self.single(side)
        if "cold" in self.o.phases and "coracle" in self.sides and self.o.store == "sqlite":
            result["single"]["cold"] = self.attempt("cold store", "coracle", lambda: cold.cold(self.o.tools, self.o.cold_gb))
        return result


def stripped_mb(paths):
    total = 0
    with tempfile.TemporaryDirectory() as d:
        for i, p in enumerate(paths):
            out = os.path.join(d, str(i))
            subprocess.run(["strip", "-o", out, p], check=True)
            total += os.path.getsize(out)
    return total / 1e6


def versions(tools):
    out = [subprocess.run([tools.coracle, "version"], capture_output=True, text=True).stdout.strip()]
    if tools.apiserver:
        out.append("generic control plane (bench/peer/go.mod)")
    if tools.etcd:
        out.append(subprocess.run([tools.etcd, "--version"], capture_output=True, text=True).stdout.split("\n")[0])
    return ", ".join(x for x in out if x)


def interrupted(*_):
    raise SystemExit("bench: interrupted")


def main():
    o = arguments()
    signal.signal(signal.SIGTERM, interrupted)
    run, load, begun = Run(o), os.getloadavg()[0], time.monotonic()
    result = run.all()
    result.update({"date": datetime.date.today().isoformat(), "flags": o.flags, "load": [load, os.getloadavg()[0]], "cores": os.cpu_count(), "store": o.store,
                   "versions": versions(o.tools), "problems": run.problems, "seconds": time.monotonic() - begun})
    os.makedirs(os.path.dirname(o.out) or ".", exist_ok=True)
    with open(o.out, "w") as f:
        json.dump(result, f, indent=1)
    print(report.table(result).text())
    print("\n" + "\n".join(report.notes(result)))
    print("%.0f s in all; figures in %s (bench/report.py prints them again, or puts them into bench/README.md)" % (result["seconds"], o.out))
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
