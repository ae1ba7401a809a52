# SPDX-License-Identifier: Apache-2.0
"""How long an event loop is held up while clients read a store that is in no cache: random gets, pages and watches, with /livez asked 100
times a second on connections of both loops by a process of its own. The same load on a few hot objects tells what of that is the machine's.
The clients are bench/coldload."""
import json, os, re, shutil, subprocess, time

import phases
from servers import TOKEN, Coracle, die_with_parent

PAYLOAD, HOT = 15000, 200
GROUP = "/apis/bench.example.com/v1/namespaces/default/widgets"
PREFIX = "/registry/bench.example.com/widgets/default"  # the same in the store
STALL = "coracle_loop_stall_seconds"


# -- the measure

def buckets(subject):
    """upper bound -> count, of all loops; {} where the server has no such metric."""
    out = {}
    for line in subject.call("GET", "/metrics", accept="text/plain")[1].decode().splitlines():
        m = re.match(STALL + r'_bucket\{.*le="([^"]+)".*\} (\S+)$', line)
        if m:
            bound = float(m.group(1).replace("+Inf", "inf"))
            out[bound] = out.get(bound, 0) + float(m.group(2))
    return out


def from_buckets(before, after):
    """Percentiles as the upper bounds of their buckets."""
    counts = [(b, after[b] - before.get(b, 0)) for b in sorted(after)]
    total = counts[-1][1] if counts else 0
    if not total:
        return None
    at = lambda p: next(b for b, n in counts if n >= p * total) * 1000
    return {"n": int(total), "p50_ms": at(.5), "p99_ms": at(.99), "max_ms": at(1.0)}


def client(subject, tools, secs, names):
    command = [tools.coldload, "-url", subject.url, "-token", TOKEN, "-seconds", str(secs), "-names", str(names)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)


def under_load(subject, tools, secs, names):
    """The probe, and with names the load; what the loops themselves say of their stalls, if they do."""
    before = buckets(subject)
    children, out = [client(subject, tools, secs, n) for n in dict.fromkeys((0, names))], {}
    cpu, begun = subject.cpu(), time.monotonic()
    for p in children:
        try:
            text, _ = p.communicate(timeout=secs + 90)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        if p.returncode:
            raise RuntimeError("cold: a client ended with status %d" % p.returncode)
        out.update(json.loads(text))
    out["cpu_share"] = (subject.cpu() - cpu) / (time.monotonic() - begun)
    out["stall"] = from_buckets(before, buckets(subject))
    out["rss"], out["anon"] = subject.memory()
    return out


def drop_file(path):
    """This file out of the system's cache; programs and libraries stay in it."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def fill(subject, tools, gigabytes):
    """An object as the server writes it, then the store filled with its copies; gives their number."""
    phases.krmbench(subject, tools, "create", {"n": 1}, 60)
    body = json.loads(subject.call("GET", GROUP + "/w-000000")[1])
    body["metadata"] = {"name": "w-00000000", "labels": {"app": "bench"}}
    body["spec"]["payload"] = "x" * PAYLOAD
    status, answer = subject.call("POST", GROUP, body)
    if status != 201:
        raise RuntimeError("cold: HTTP %d %s" % (status, answer[:200]))
    subject.end("coracle")
    command = [tools.fill, subject.path("data", "store"), PREFIX + "/w-00000000", str(int(gigabytes * 1e9))]
    r = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if r.returncode:
        raise RuntimeError(r.stderr[-500:])
    return int(r.stdout)


def cold(tools, gigabytes, secs=20):
    free = shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free
    if free < gigabytes * 1e9 * 1.5:
        raise RuntimeError("a store of %g GB wants half as much again of free disk" % gigabytes)
    with Coracle(tools) as s:
        begun = time.monotonic()
        count = fill(s, tools, gigabytes)
        store = s.path("data", "store", "store.db")
        out = {"count": count, "bytes": os.path.getsize(store), "fill_s": time.monotonic() - begun}
        s.start()
        out["quiet"] = under_load(s, tools, 5, 0)
        out["hot"] = under_load(s, tools, secs / 2, HOT)
        s.end("coracle")
        drop_file(store)
        s.start()
        out["start_ms"] = s.ready_ms
        out.update(under_load(s, tools, secs, count))
    return out
