# SPDX-License-Identifier: Apache-2.0
"""What is measured on one server: each function takes a running subject (servers.py) and gives a dict of plain numbers."""
import json, os, random, statistics, subprocess, sys, time

from servers import TOKEN, Coracle

ROOT = os.path.dirname(os.path.abspath(__file__))
GROUP = "/apis/bench.example.com/v1/namespaces/default/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KRM_PHASES = "create,get,list,page,update,merge,apply,watch,delete"


def say(text):
    print("-- " + text, file=sys.stderr, flush=True)


# -- krmbench

def krmbench(subject, tools, phases, flags, timeout):
    """phase -> krmbench's row. A phase with failures keeps them in its row."""
    command = [tools.krmbench, "-url", subject.url, "-token", TOKEN, "-pids", subject.pids(), "-phases", phases, "-json"]
    command += [x for k, v in flags.items() for x in ("-" + k, str(v))]
    r = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if r.returncode:
        raise RuntimeError("krmbench: " + r.stderr[-1000:])
    rows = {row["phase"]: row for row in map(json.loads, r.stdout.splitlines())}
    for line in r.stderr.splitlines():
        if line.startswith("krmbench: ") and "memory before" not in line:
            say("%s: %s" % (subject.name, line))
        if "never delivered" in line:
            rows["watch"]["undelivered"] = int(line.split("watch: ")[1].split(" of ")[0])
    return rows


def krm(subject, tools, flags, timeout=300):
    """All of krmbench's phases on an empty server, the memory before, right after and 5 s after."""
    out = {"idle_rss": 0, "ready_ms": subject.ready_ms}
    time.sleep(3)
    out["idle_rss"], out["idle_anon"] = subject.memory()
    before = subject.cpu_each()
    out["rows"] = krmbench(subject, tools, KRM_PHASES, flags, timeout)
    out["cpu_s"] = {name: s - before[name] for name, s in subject.cpu_each().items()}
    out["after_rss"], out["after_anon"] = subject.memory()
    time.sleep(5)
    out["settled_rss"], out["settled_anon"] = subject.memory()
    return out


# -- definitions

def small_definition(i):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "news%d.first.example.com" % i}, "spec": {
        "group": "first.example.com", "scope": "Namespaced", "names": {"plural": "news%d" % i, "singular": "new%d" % i, "kind": "New%d" % i},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 0}}}}}}}]}}


def first_object(subject, times, timeout=60):
    """From sending a new definition until its first object is accepted, ms; how many tries the last one took."""
    c, took, tries = subject.connection(), [], 0
    subject.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}, c)
    for i in range(times):
        body = {"apiVersion": "first.example.com/v1", "kind": "New%d" % i, "metadata": {"name": "first"}, "spec": {"size": 1}}
        begun, tries, code = time.monotonic(), 0, 0
        subject.call("POST", CRDS, small_definition(i), c)
        while code != 201:
            if time.monotonic() - begun > timeout:
                raise RuntimeError("the first object was not accepted: HTTP %d" % code)
            if tries:
                time.sleep(0.002)
            code, _ = subject.call("POST", "/apis/first.example.com/v1/namespaces/default/news%d" % i, body, c)
            tries += 1
        took.append((time.monotonic() - begun) * 1000)
    c.close()
    return {"first_object_ms": statistics.median(took), "first_object_max_ms": max(took), "tries": tries}


def definitions(subject, count, timeout):
    """Large definitions, by definitions.py; its lines are read."""
    command = [sys.executable, os.path.join(ROOT, "definitions.py"), "--url", subject.url, "--token", TOKEN, "--pids", subject.pids(), "-n", str(count)]
    cpu = subject.cpu()
    p = subprocess.Popen(command, stdout=subprocess.PIPE)
    out, peak, until = {}, 0.0, time.monotonic() + timeout
    try:
        os.set_blocking(p.stdout.fileno(), False)
        text = b""
        while p.poll() is None:
            if time.monotonic() > until:
                raise RuntimeError("definitions: not served within %d s" % timeout)
            peak = max(peak, subject.memory()[0])
            text += p.stdout.read() or b""
            if "cpu" not in out and b" fetched after " in text:
                out["cpu"] = subject.cpu() - cpu
            time.sleep(0.1)
        text += p.stdout.read() or b""
    finally:
        if p.poll() is None:
            p.kill()
        p.wait()
    text = text.decode()
    for line in text.splitlines():
        for mark, name in ((" posted in ", "posted"), ("the last served after ", "served"), (" fetched after ", "fetched")):
            if mark in line:
                out[name + "_s"] = float(line.split(mark)[1].split()[0])
                out[name + "_rss"] = sum(float(x.split()[1]) for x in line.rsplit(": ", 1)[1].split(", "))
    if "fetched_s" not in out:
        raise RuntimeError("definitions: " + text[-500:])
    out["count"], out["peak_rss"] = count, peak
    out["settled_rss"], out["settled_anon"] = subject.memory()
    return out


# -- many objects

def walk(subject, limit=500):
    """Every page of a list, one after the other: objects seen."""
    c, token, seen = subject.connection(), "", 0
    while True:
        code, body = subject.call("GET", "%s?limit=%d%s" % (GROUP, limit, "&continue=" + token if token else ""), None, c)
        if code != 200:
            raise RuntimeError("a page: HTTP %d %s" % (code, body[:200]))
        meta = json.loads(body)["metadata"]
        seen += body.count(b'"payload":')
        token = meta.get("continue", "")
        if not token:
            c.close()
            return seen


def objects(subject, tools, count, gets, timeout):
    """Create all, get some, walk all pages, then start the server again on the same store."""
    rows = krmbench(subject, tools, "create", {"n": count}, timeout)
    out = {"count": count, "create_us": rows["create"]["server_cpu_ms_per_1k_ops"], "create_s": rows["create"]["seconds"],
           "failures": rows["create"]["failures"]}
    out["rss"], out["anon"] = subject.memory()
    rows = krmbench(subject, tools, "get", {"n": count, "gets": gets}, timeout)
    out["get_us"], out["get_p99_ms"] = rows["get"]["server_cpu_ms_per_1k_ops"], rows["get"]["p99_ms"]
    cpu, begun = subject.cpu(), time.monotonic()
    seen = walk(subject)
    out["walk_cpu_s"], out["walk_s"] = subject.cpu() - cpu, time.monotonic() - begun
    if seen != count:
        raise RuntimeError("the pages held %d objects of %d" % (seen, count))
    out["walk_rss"] = subject.memory()[0]
    subject.restart()
    out["restart_ms"] = subject.ready_ms
    out["restart_served_ms"] = served_after(subject)
    time.sleep(5)
    out["restarted_rss"], out["restarted_anon"] = subject.memory()
    return out


def served_after(subject, timeout=120):
    """ms from the server's start until an object of the custom type is answered: ready may come before that."""
    begun = time.monotonic()
    c = subject.connection()
    while time.monotonic() - begun < timeout:
        if subject.call("GET", GROUP + "/w-000000", None, c)[0] == 200:
            return subject.ready_ms + (time.monotonic() - begun) * 1000
        time.sleep(0.01)
    raise RuntimeError("no object was served within %d s of the start" % timeout)


# -- starts

def starts(subject, times):
    """Start to ready on the store as it is, ms: one by one."""
    took = []
    for _ in range(times):
        subject.restart()
        took.append(subject.ready_ms)
    return {"start_ms": statistics.median(took), "start_min_ms": min(took), "start_max_ms": max(took)}


def start_of(subject_class, tools, times, **kw):
    """Start to ready on an empty store, a new directory each time."""
    took = []
    for _ in range(times):
        with subject_class(tools, **kw) as s:
            took.append(s.ready_ms)
    return {"start_ms": statistics.median(took), "start_min_ms": min(took), "start_max_ms": max(took)}


def large_store(tools, gigabytes, seed=1):
    """A store of 150 kB objects in a Coracle, which is started on it again."""
    rnd = random.Random(seed)
    with Coracle(tools) as s:
        count = int(gigabytes * 1e9 / 150e3)
        krmbench(s, tools, "create", {"n": count, "size": 148500, "c": 8}, 300)
        disk = os.path.getsize(s.path("data", "store", "store.db")) if os.path.exists(s.path("data", "store", "store.db")) else 0
        out = starts(s, 5)
        out["rss"], out["anon"] = s.memory()
        time.sleep(4)
        out["settled_rss"], out["settled_anon"] = s.memory()
        out["count"], out["bytes_disk"] = count, disk
        code, _ = s.call("GET", GROUP + "/w-%06d" % rnd.randrange(count))
        if code != 200:
            raise RuntimeError("an object of the large store: HTTP %d" % code)
    return out
