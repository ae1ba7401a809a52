#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a list of a gigabyte costs the server's memory: lists.py [--binary B] [--objects 7000] [--size 150000] [--clients 16] [--gzip] [--limit MIB]
starts a server of its own, fills it, has the clients (half of them fast, a quarter slow, a quarter stopped) fetch everything at once over TLS, and prints
the memory idle, at most while they read, and afterwards, and the CPU it took. Exits 1 where more than --limit MiB came on top of idle."""
import argparse, os, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
from lib import crowd  # noqa: E402
from lib.server import Server  # noqa: E402


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(title, m):
    print("%-22s resident %7.1f MiB, own %6.1f, of files %7.1f" % (title, *(m[k] / 2 ** 20 for k in ("VmRSS", "RssAnon", "RssFile"))), flush=True)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--binary")
    ap.add_argument("--data", help="a store to keep: filled when it is not there yet")
    ap.add_argument("--objects", type=int, default=7000)
    ap.add_argument("--size", type=int, default=150000)
    ap.add_argument("--clients", type=int, default=16)
    ap.add_argument("--seconds", type=float, default=300)
    ap.add_argument("--gzip", action="store_true")
    ap.add_argument("--query", default="")
    ap.add_argument("--limit", type=float, default=64)
    opt = ap.parse_args()
    if opt.binary:
        os.environ["CORACLE_BINARY"] = opt.binary
    filled = bool(opt.data) and os.path.isdir(opt.data)
    server = Server(data=opt.data)
    unix = os.path.join(server.dir, "fill.sock")
    server.flags += ["--listen", "unix:" + unix]
    with server:
        begun = time.monotonic()
        if not filled:
            crowd.fill(unix, server.token, "default", opt.objects, opt.size)
            print("%d objects of %d bytes made in %.0f s" % (opt.objects, opt.size, time.monotonic() - begun))
            server.stop()
            server.start()
        time.sleep(6)  # what the start touched is given back
        idle = crowd.memory(server.process.pid)
        show("idle", idle)
        gzip = "Accept-Encoding: gzip\r\n" if opt.gzip else ""
        kinds = [(0, gzip), (4 << 20, gzip), (0, gzip), (None, gzip)]
        before, begun = cpu(server.process.pid), time.monotonic()
        most, results = crowd.measure(server, "/api/v1/namespaces/default/configmaps" + opt.query, [kinds[k % 4] for k in range(opt.clients)], opt.seconds)
        took, spent = time.monotonic() - begun, cpu(server.process.pid) - before
        show("at most, %d clients" % opt.clients, most)
        whole = [n for n, ended in results if ended]
        total = sum(n for n, _ in results)
        print("%d of %d readers had all of it, %.2f GB; %.2f GB in %.0f s, %.1f s CPU: %.2f s a GB"
              % (len(whole), len(results), max(whole, default=0) / 1e9, total / 1e9, took, spent, spent / (total / 1e9)))
        time.sleep(5)
        show("5 s later", crowd.memory(server.process.pid))
    more = {k: (most[k] - idle[k]) / 2 ** 20 for k in most}
    print("on top of idle: resident %.1f MiB, own %.1f MiB (at most %.0f)" % (more["VmRSS"], more["RssAnon"], opt.limit))
    fast = len([1 for k in range(opt.clients) if k % 4 in (0, 2)])
    return 0 if more["VmRSS"] <= opt.limit and len(whole) >= fast and len(set(whole)) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
