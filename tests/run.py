#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything `./dev test` runs, stage by stage; ends with one line 'N passed, N failed, N skipped'. run.py [STAGE...]"""
import os, re, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


class Failed(Exception):
    pass


def run(args, timeout=3600, env=None, quiet=False):
    """Runs a command from the root; its output is printed, and given back."""
    p = subprocess.Popen(args, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                         env=dict(os.environ, **(env or {})))
    lines, end = [], time.time() + timeout
    for line in p.stdout:
        lines.append(line)
        if not quiet:
            sys.stdout.write(line)
            sys.stdout.flush()
        if time.time() > end:
            p.kill()
            raise Failed("timed out: " + " ".join(args))
    return p.wait(), "".join(lines)


def build(preset):
    code, out = run(["cmake", "--preset", preset, "-DCORACLE_WERROR=ON"], quiet=True)
    if code == 0:
        code, out = run(["cmake", "--build", "build/" + preset], quiet=True)
    if code:
        print(out[-6000:])
        raise Failed("the %s build failed" % preset)


def counted(args, **kw):
    """A command that closes with 'N passed, N failed[, N skipped]'."""
    code, out = run(args, **kw)
    m = CLOSING.findall(out)
    if not m:
        return 0, 1, 0
    p, f, s = (int(x or 0) for x in m[-1])
    return p, max(f, 1 if code else 0), s


def stage_lint():
    code1, _ = run([sys.executable, "tests/lint/banned.py"])
    build("release")
    code2, _ = run([sys.executable, "tests/lint/includes.py"], env={"CORACLE_BUILD": os.path.join(ROOT, "build", "release")})
    return 2 - bool(code1) - bool(code2), bool(code1) + bool(code2), 0


def stage_unit():
    """Unit and contract tests under ASan and UBSan with leak detection."""
    build("asan")
    code, out = run(["ctest", "--test-dir", "build/asan", "-V", "-j2", "--timeout", "600"], quiet=True,
                    env={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", out))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] \w+: (\d+) test", out)) + len(re.findall(r"\[  FAILED  \] (\d+) test", out))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", out))
    if code:
        names = re.findall(r"^\s*\d+ - (\S+) \((.*)\)", out, re.M)
        for name, why in names:
            print("%s: %s" % (name, why))
            number = re.search(r"^test (\d+)\n\s+Start +\d+: %s$" % re.escape(name), out, re.M)
            if number:
                print("\n".join(l for l in out.splitlines() if l.startswith(number.group(1) + ": "))[-3000:])
        failed = max(failed, len(names), 1)
    return passed, failed, skipped


def stage_wiregen():
    build("release")
    return counted([sys.executable, "tests/services/wiregen.py"])


def stage_scaffold():
    """docs/services.md followed word for word in a copy of the tree: new services are made, built, tested and served."""
    build("release")
    return counted([sys.executable, "tests/services/scaffold.py"])


def stage_conformance():
    build("asan")
    return counted([sys.executable, "tests/conformance/run.py", "--preset", "asan"])


def stage_http():
    build("asan")
    return counted([sys.executable, "tests/http/run.py", "--preset", "asan"])


# Programs whose threads meet: the runtime of controllers, the pool, what is published and counted, stores under many threads.
THREADED = ["base_test_log", "base_test_metrics", "base_test_pool", "base_test_published", "contract_test_threads", "controllers_test_informer",
            "controllers_test_leader", "controllers_test_manager", "controllers_test_workqueue", "resources_test_watch_ring", "resources_test_watch_shown"]
# Of the black-box tests, what has most threads meet in little time.
RACY = ["test_metrics", "test_watch.Watches.test_events", "test_watch.Watches.test_peer", "test_watch.Watches.test_of_a_type", "test_watch.Watches.test_resume_over",
        "test_lists.", "test_lifecycle.Lifecycle", "test_conversion.Conversion.test_watches", "test_conversion.Conversion.test_a_slow", "test_dashboards.Dashboards.test_watch",
        "test_services_races"]


def under_tsan(names):
    """Builds with TSan and runs the threaded unit tests, then black-box tests: any report fails the program it is about."""
    run(["cmake", "--preset", "tsan", "-DCORACLE_WERROR=OFF"], quiet=True)
    code, out = run(["cmake", "--build", "build/tsan", "--target", "coracle", "coracle-example", *THREADED], quiet=True)
    if code:
        print(out[-6000:])
        raise Failed("the tsan build failed")
    failed = 0
    for name in THREADED:
        code, out = run(["build/tsan/" + name], quiet=True, env={"TSAN_OPTIONS": "exitcode=66"})
        if code:
            failed += 1
            print("%s failed (code %d)\n%s" % (name, code, out[-6000:]))
    p, f, s = counted([sys.executable, "tests/http/run.py", "--preset", "tsan", *names], env={"CORACLE_CRASH_ROUNDS": "2"})
    return p + len(THREADED) - failed, f + failed, s


def stage_tsan():
    """Every black-box test under TSan; `./dev soak` has the same. Not among the stages that run unasked: it takes minutes."""
    return under_tsan([])


def stage_races():
    """The short form of tsan."""
    return under_tsan(RACY)


def stage_clients():
    """kubectl's tours and the programs of client libraries, but for those that take minutes to build."""
    build("release")
    return counted([sys.executable, "tests/clients/run.py"])


def stage_clients_all():
    """Every tour: also the operator on controller-runtime and helm, which are built from their modules first."""
    build("release")
    return counted([sys.executable, "tests/clients/run.py", "--all"])


def stage_etcd():
    """The recorded exchanges on an etcd of their own; its contract and fault tests are among unit, a server on it among http."""
    build("release")
    return counted([sys.executable, "tests/conformance/run.py", "--store", "etcd"])


def stage_etcd_clients():
    """The tours on etcd: minutes."""
    build("release")
    return counted([sys.executable, "tests/clients/run.py", "--store", "etcd"])


FUZZ_SECONDS = 2  # of mutation, a target


def stage_fuzz():
    """Replays the corpora and mutates each for a moment; always by the same seed, unless CORACLE_FUZZ_SEED names another."""
    build("asan")
    seed, folder = os.environ.get("CORACLE_FUZZ_SEED", "1"), "build/asan"
    names = sorted(n[5:-2] for n in os.listdir(os.path.join(HERE, "fuzz")) if n.startswith("fuzz_") and n.endswith(".c"))
    failed, waiting, running = 0, list(names), []
    while waiting or running:
        while waiting and len(running) < 2:
            running.append(fuzz_one(waiting.pop(0), seed, folder))
        name, p = running.pop(0)
        try:
            out, _ = p.communicate(timeout=1200)
        except subprocess.TimeoutExpired:
            p.kill()
            out, _ = p.communicate()
        if p.returncode:
            failed += 1
            print("%s failed (code %d)\n%s" % (name, p.returncode, out[-4000:]))
        else:
            print(out.strip().splitlines()[-1])
    return len(names) - failed, failed, 0


def fuzz_one(name, seed, folder):
    command = ["%s/fuzz_%s" % (folder, name), "-t", str(FUZZ_SECONDS), "-s", seed, "-o", folder, "tests/fuzz/corpus/" + name]
    words = "tests/fuzz/dict/%s.dict" % name
    if os.path.exists(os.path.join(ROOT, words)):
        command[1:1] = ["-x", words]
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1")
    return name, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=env)


STAGES = ["lint", "unit", "fuzz", "wiregen", "scaffold", "http", "races", "conformance", "clients", "etcd"]
ASKED = ["tsan", "clients_all", "etcd_clients"]  # run by their names only


def main():
    names = sys.argv[1:] or STAGES
    total, rows = [0, 0, 0], []
    for name in names:
        if name not in STAGES + ASKED:
            print("no such stage: %s (there are %s)" % (name, ", ".join(STAGES + ASKED)))
            return 2
        print("== %s" % name, flush=True)
        begun = time.time()
        try:
            result = globals()["stage_" + name]()
        except Failed as e:
            print(e)
            result = (0, 1, 0)
        rows.append((name, result, time.time() - begun))
        total = [a + b for a, b in zip(total, result)]
    print("== summary")
    for name, (p, f, s), seconds in rows:
        print("%-12s %5d passed %3d failed %4d skipped  %4.0f s" % (name, p, f, s, seconds))
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
