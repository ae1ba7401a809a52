#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py RESULT.json [--markdown | --into FILE]: the closing table of a run of compare.py: metric, Coracle, reference, ratio, goal, met or not.
A cell that was not measured is "-"; a goal is judged only where both its figures are there."""
import argparse, json, statistics

# name, goal as a ratio of CPU in the same round
KRM = [("create", 20), ("get", 30), ("list", 15), ("page", 15), ("update", 20), ("merge", 20), ("apply", 20), ("watch", 10), ("delete", 20)]
NAMES = {"update": "read+replace", "merge": "merge patch", "watch": "watch event delivered", "list": "list of all", "page": "page of 500"}


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def micro(us):
    if us is None:
        return "-"
    return "%.1f ms" % (us / 1000) if us >= 10000 else "%.2f ms" % (us / 1000) if us >= 1000 else "%.3g us" % us


def milli(ms):
    return "-" if ms is None else "%.1f s" % (ms / 1000) if ms >= 1000 else "%.0f ms" % ms if ms >= 20 else "%.1f ms" % ms


def mib(v):
    return "-" if v is None else "%.0f MiB" % v if v >= 20 else "%.1f MiB" % v


def seconds(v):
    return "-" if v is None else "%.1f s" % v


def at(d, *path):
    for p in path:
        if d is None:
            return None
        d = d.get(p) if isinstance(d, dict) else None
    return d


class Table:
    def __init__(self):
        self.rows = []

    def add(self, metric, mine, theirs, ratio, goal, met):
        self.rows.append((metric, mine, theirs, "-" if ratio is None else "%.1f" % ratio, goal, {True: "met", False: "MISSED", None: "-"}[met]))

    def ratio(self, metric, mine, theirs, show, goal, ratio=None):
        """A goal of so many times less than the reference."""
        if ratio is None and mine and theirs:
            ratio = theirs / mine
        self.add(metric, show(mine), show(theirs), ratio, ">= %g times" % goal if goal else "", None if not goal or ratio is None else ratio >= goal)

    def below(self, metric, mine, theirs, show, goal, text):
        """A goal of its own, whatever the reference does."""
        self.add(metric, show(mine), show(theirs), theirs / mine if mine and theirs else None, text, None if mine is None else mine <= goal)

    def text(self):
        head = ("metric", "Coracle", "reference", "ratio", "goal", "")
        width = [max(len(r[i]) for r in self.rows + [head]) for i in range(6)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, width)).rstrip() for r in [head] + self.rows)

    def markdown(self):
        head = ["| metric | Coracle | reference | ratio | goal | |", "|---|---|---|---|---|---|"]
        return "\n".join(head + ["| " + " | ".join(r) + " |" for r in self.rows])


def krm_row(rounds, side, phase, field):
    """That field of each round, None where the phase failed or was not run."""
    out = []
    for r in rounds:
        row = at(r, side, "krm", "rows", phase)
        out.append(row[field] if row and not row["failures"] and not row.get("undelivered") else None)
    return out


def krm_rows(table, rounds):
    for phase, goal in KRM:
        mine, theirs = (krm_row(rounds, s, phase, "server_cpu_ms_per_1k_ops") for s in ("coracle", "reference"))
        pairs = [t / m for m, t in zip(mine, theirs) if m and t]
        table.ratio(NAMES.get(phase, phase) + ", CPU", median(mine), median(theirs), micro, goal, median(pairs))


def both(rounds, *path):
    return [median([at(r, side, *path) for r in rounds]) for side in ("coracle", "reference")]


def memory_rows(t, rounds):
    mine, theirs = both(rounds, "krm", "idle_anon")
    t.below("idle, own (anonymous)", mine, theirs, mib, 6, "<= 6 MB")
    mine, theirs = both(rounds, "krm", "idle_rss")
    t.below("idle, resident", mine, theirs, mib, 16, "<= 16 MB")
    mine, theirs = both(rounds, "krm", "after_rss")
    t.ratio("resident right after the run", mine, theirs, mib, 20)
    t.ratio("own right after the run", *both(rounds, "krm", "after_anon"), mib, 0)
    t.ratio("resident 5 s after the run", *both(rounds, "krm", "settled_rss"), mib, 0)


def single_rows(t, mine, theirs):
    def pair(*path):
        return at(mine, *path), at(theirs, *path)

    t.below("start to ready, empty store", *pair("starts", "start_ms"), milli, 30, "<= 30 ms")
    t.below("start to ready, 1 GB store", *pair("large", "start_ms"), milli, 100, "<= 100 ms")
    t.add("resident 4 s after that start", *(mib(v) for v in pair("large", "settled_rss")), None, "", None)
    t.below("a new definition until its first object", *pair("first", "first_object_ms"), milli, 10, "<= 10 ms")
    count = at(mine, "definitions", "count") or at(theirs, "definitions", "count") or 500
    name = "%d large definitions, " % count
    t.below(name + "last served", *pair("definitions", "served_s"), seconds, 2, "<= 2 s")
    t.below(name + "OpenAPI fetched", *pair("definitions", "fetched_s"), seconds, 2, "<= 2 s")
    t.below(name + "peak resident", *pair("definitions", "peak_rss"), mib, 60, "<= 60 MB")
    t.ratio(name + "CPU", *pair("definitions", "cpu"), seconds, 0)
    t.ratio(name + "resident 20 s later", *pair("definitions", "settled_rss"), mib, 0)
    many = at(mine, "objects", "count") or at(theirs, "objects", "count") or 100000
    name = "%s objects, " % format(many, ",")
    t.ratio(name + "create, CPU each", *pair("objects", "create_us"), micro, 20)
    t.ratio(name + "get, CPU each", *pair("objects", "get_us"), micro, 30)
    t.ratio(name + "all pages of 500, CPU", *(None if v is None else v * 1e6 for v in pair("objects", "walk_cpu_s")), micro, 15)
    t.ratio(name + "resident then", *pair("objects", "rss"), mib, 20)
    t.ratio(name + "start to ready", *pair("objects", "restart_ms"), milli, 0)
    t.ratio(name + "start to first get", *pair("objects", "restart_served_ms"), milli, 0)
    t.ratio(name + "resident 5 s after that start", *pair("objects", "restarted_rss"), mib, 0)
    t.below("binary, stripped", at(mine, "binary_mb"), at(theirs, "binary_mb"), lambda v: "-" if v is None else "%.2f MB" % v, 3, "<= 3 MB")


def cold_rows(t, cold):
    if not cold:
        return
    for name, key in (("loop stall", "stall"), ("/livez beside it", "probe"), ("get", "get")):
        d = cold.get(key)
        if d:
            t.add("cold %.1f GB store, %s p50 / p99 / max" % (cold["bytes"] / 1e9, name), " / ".join(milli(d[k]) for k in ("p50_ms", "p99_ms", "max_ms")), "-", None, "", None)


def notes(result):
    out = ["%s; %d round(s); krmbench %s" % (result["date"], len(result["rounds"]), " ".join("-%s %s" % kv for kv in result["flags"].items())),
           "load average at the start %.1f, at the end %.1f, on %d cores; CPU in ticks of 10 ms" % (result["load"][0], result["load"][1], result["cores"]),
           "store: Coracle on %s; the reference on etcd; versions: %s" % (result["store"], result["versions"])]
    for r in result["rounds"]:
        for side, d in r.items():
            if len(at(d, "krm", "cpu_s") or ()) > 1:
                out.append("%s, CPU of a run of krmbench: %s" % (side, ", ".join("%s %.1f s" % kv for kv in d["krm"]["cpu_s"].items())))
            for phase, row in (at(d, "krm", "rows") or {}).items():
                if row["failures"] or row.get("undelivered"):
                    out.append("%s: %s failed %d times, %d events undelivered: no figure" % (side, phase, row["failures"], row.get("undelivered", 0)))
    return list(dict.fromkeys(out + result.get("problems", [])))


def table(result):
    t = Table()
    krm_rows(t, result["rounds"])
    memory_rows(t, result["rounds"])
    single_rows(t, result["single"].get("coracle"), result["single"].get("reference"))
    cold_rows(t, result["single"].get("cold"))
    t.rows = [r for r in t.rows if (r[1], r[2]) != ("-", "-")]
    if result["store"] != "sqlite":  # the goals are the embedded engine's
        t.rows = [r[:4] + ("", "") for r in t.rows]
    return t


def markdown(result):
    return table(result).markdown() + "\n\n" + "\n".join("- " + n for n in notes(result)) + "\n"


def into(path, result):
    """Puts the table between the marks of a text: one pair for each kind of store."""
    begin, end = ("<!-- %s: %s -->\n" % (w, result["store"]) for w in ("begin", "end"))
    with open(path) as f:
        text = f.read()
    if begin not in text or end not in text:
        raise SystemExit("report: %s has no marks for a table of %s" % (path, result["store"]))
    head, tail = text.split(begin)[0], text.split(end)[1]
    with open(path, "w") as f:
        f.write(head + begin + markdown(result) + end + tail)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("file")
    a.add_argument("--markdown", action="store_true")
    a.add_argument("--into", metavar="FILE", help="a text with marks: bench/README.md")
    o = a.parse_args()
    with open(o.file) as f:
        result = json.load(f)
    if o.into:
        into(o.into, result)
    else:
        print(markdown(result) if o.markdown else table(result).text() + "\n\n" + "\n".join(notes(result)))


if __name__ == "__main__":
    main()
