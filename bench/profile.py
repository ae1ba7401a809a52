# SPDX-License-Identifier: Apache-2.0
"""Run by bench/profile.sh: perf on a server during one phase after another. The shares of its samples by thread and by library, as microseconds
an operation, and its top symbols; then its memory by mapping, and with --heap what holds the heap."""
import argparse, collections, glob, os, re, subprocess, sys, time

import phases
from servers import Coracle

FLAGS = {"n": 6000, "gets": 40000, "lists": 60, "watchers": 100, "events": 300}
GROUPS = (("http", "loops"), ("engine", "pool"), ("coracle", "committer"))  # the committer has the program's name


def thread_group(name):
    return next((g for p, g in GROUPS if name.startswith(p)), "other threads")


def library(dso):
    dso = os.path.basename(dso)
    if dso.startswith("[kernel") or dso in ("[vdso]", "[guest.kernel.kallsyms]"):
        return "kernel"
    for mark, name in (("libcrypto", "OpenSSL"), ("libssl", "OpenSSL"), ("libc.so", "libc"), ("libsqlite3", "sqlite"), ("libh2o", "h2o"),
                       ("libyyjson", "yyjson"), ("libz.", "zlib"), ("libre2", "RE2"), ("coracle", "Coracle")):
        if dso.startswith(mark):
            return name
    return dso


def perf_rows(data, *keys):
    """(share, key, key...) of perf's report."""
    command = ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "-t", "|", "--sort", ",".join(keys), "-q"]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    for line in out.splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) == len(keys) + 1 and cells[0].endswith("%"):
            yield [float(cells[0][:-1])] + cells[1:]


def profile(s, tools, phase, flags):
    data = s.path("perf.data")
    pid = s.processes["coracle"].pid
    perf = subprocess.Popen(["perf", "record", "-q", "-F", "999", "-g", "-p", str(pid), "-o", data], stderr=subprocess.DEVNULL)
    time.sleep(1)
    row = phases.krmbench(s, tools, phase, flags, 200)[phase]
    perf.send_signal(2)
    perf.wait(60)
    us = row["server_cpu_ms_per_1k_ops"]
    print("\n## %s: %.4g us of CPU each, %d operations\n" % (phase, us, row["ops"]))
    shares, groups = collections.Counter(), collections.Counter()
    for share, comm, dso in perf_rows(data, "comm", "dso"):
        shares[library(dso), thread_group(comm)] += share
        groups[thread_group(comm)] += share
    names = [g for g, _ in groups.most_common()]
    print("| | %s |\n|---|%s" % (" | ".join(names), "---|" * len(names)))
    by_library = collections.Counter()
    for (lib, _), share in shares.items():
        by_library[lib] += share
    for lib, share in by_library.most_common():
        if share >= 1:
            print("| %s | %s |" % (lib, " | ".join("%.0f %%  %.1f us" % (shares[lib, g], shares[lib, g] * us / 100) if shares[lib, g] >= .5 else "" for g in names)))
    print("\ntop symbols:")
    for share, dso, symbol in list(perf_rows(data, "dso", "sym"))[:20]:
        print("%6.2f %%  %-8s %s" % (share, library(dso), symbol))


def memory(s, when):
    """/proc/PID/smaps by what is mapped."""
    rows, name = collections.defaultdict(lambda: [0, 0]), ""
    with open("/proc/%d/smaps" % s.processes["coracle"].pid) as f:
        for line in f:
            m = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)", line)
            if m:
                name = m.group(2) or "anonymous: heap of threads, stacks"
                name = "the store's file" if name.endswith("store.db") else library(name) if name.startswith("/") else name
            elif line.startswith(("Rss:", "Anonymous:")):
                rows[name][line.startswith("Anonymous:")] += int(line.split()[1])
    print("\n## memory, %s: %.1f MiB resident, %.1f own\n\n| mapping | resident KiB | own KiB |\n|---|---|---|" % ((when,) + s.memory()))
    for name, (rss, anon) in sorted(rows.items(), key=lambda kv: -kv[1][0])[:14]:
        print("| %s | %d | %d |" % (name, rss, anon))


def heap(tools, phase_list):
    """What held the heap at its peak, by heaptrack."""
    preload = (glob.glob("/usr/lib/*/heaptrack/libheaptrack_preload.so") + glob.glob("/usr/lib/heaptrack/libheaptrack_preload.so") + [None])[0]
    interpret = (glob.glob("/usr/lib/*/heaptrack/libexec/heaptrack_interpret") + glob.glob("/usr/lib/heaptrack/libexec/heaptrack_interpret") + [None])[0]
    if not preload or not interpret:
        raise SystemExit("profile: heaptrack is not installed")
    with Coracle(tools) as s:
        s.end("coracle")
        raw = s.path("heap.raw")
        os.environ.update(LD_PRELOAD=preload, DUMP_HEAPTRACK_OUTPUT=raw)
        try:
            s.start()
        finally:
            for name in ("LD_PRELOAD", "DUMP_HEAPTRACK_OUTPUT"):
                del os.environ[name]
        phases.krmbench(s, tools, ",".join(phase_list), dict(FLAGS, n=2000, gets=4000, lists=10), 300)
        s.end("coracle")
        with open(raw, "rb") as i, open(s.path("heap"), "wb") as o:
            subprocess.run([interpret], stdin=i, stdout=o, stderr=subprocess.DEVNULL, check=True, timeout=200)
        text = subprocess.run(["heaptrack_print", "-f", s.path("heap"), "-p", "1", "-a", "0", "-T", "0", "-l", "0", "-n", "12", "-s", "1"], capture_output=True, text=True,
                              timeout=200).stdout
        print("\n## the heap at its peak\n\n" + "\n".join(text.splitlines()[:160]))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("phases", nargs="*", default=["get", "create", "watch"])
    a.add_argument("--heap", action="store_true")
    a.add_argument("--tool-coracle", required=True)
    a.add_argument("--tool-krmbench", required=True)
    o = a.parse_args()
    o.coracle, o.krmbench = o.tool_coracle, o.tool_krmbench
    if o.heap:
        return heap(o, [p for p in ("create", "get", "watch") if p in o.phases])
    with Coracle(o) as s:
        time.sleep(3)
        memory(s, "idle")
        if "create" not in o.phases:
            phases.krmbench(s, o, "create", FLAGS, 200)
        for phase in sorted(o.phases, key=lambda p: p != "create"):
            profile(s, o, phase, FLAGS)
        memory(s, "right after")
        time.sleep(5)
        memory(s, "5 s later")


if __name__ == "__main__":
    sys.exit(main())
