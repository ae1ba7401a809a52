#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom: the table of ARCHITECTURE.md, third-party libraries' single owners, and that every header compiles
alone. Exits 1 naming each line that breaks a rule."""
import os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ["base", "storage", "schemas", "resources", "apiserver", "controllers", "services", "cli"]
MAY = {
    "base": {"base"},
    "storage": {"base", "storage"},
    "schemas": {"base", "schemas"},
    "resources": {"base", "schemas", "resources", "storage/store.h"},
    "controllers": {"base", "resources", "controllers"},
    "apiserver": {"base", "schemas", "resources", "apiserver"},
    "cli": {"base", "cli", "resources/type.h", "resources/client.h", "resources/op.h"},
}
SERVICE_MAY = {"base", "schemas", "resources", "controllers", "services/service.h", "services/wire.gen.h", "services/supervisor.h"}
# header (regular expression) -> the files or folders that may see it
OWNERS = [
    (r"yaml\.h$", ["base/yaml"]),
    (r"sqlite3\.h$", ["storage/sqlite", "storage/text"]),
    (r"wslay", ["apiserver/http_websocket"]),
    (r"h2o", ["apiserver/http"]),
    (r"openssl/ssl\.h$", ["apiserver/http"]),
    (r"openssl/", ["base/crypto", "apiserver/http"]),
    (r"re2/", ["base/regex"]),
    (r"curl/", ["base/httpc"]),
    (r"uuid/", ["base/crypto"]),
    (r"zlib\.h$", ["base/", "apiserver/"]),
    (r"jose/|jansson", ["base/jose"]),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def files():
    for folder in FOLDERS:
        for d, _, names in os.walk(os.path.join(ROOT, folder)):
            for n in sorted(names):
                if n.endswith((".c", ".h", ".cc")):
                    yield os.path.relpath(os.path.join(d, n), ROOT)


def requires(service):
    """What a service's manifest requires, without a YAML library: the one-line form the manifests use."""
    path = os.path.join(ROOT, "services", service, "service.yaml")
    text = open(path, encoding="utf-8").read() if os.path.exists(path) else ""
    m = re.search(r"^requires:\s*\[([^\]]*)\]", text, re.M)
    return {x.strip() for x in m.group(1).split(",")} if m else set()


def provider_of(name):
    """The service folder that provides `name`."""
    base = os.path.join(ROOT, "services")
    for s in os.listdir(base):
        path = os.path.join(base, s, "service.yaml")
        if os.path.exists(path) and re.search(r"^provides:.*\bname:\s*%s\b" % re.escape(name), open(path, encoding="utf-8").read(), re.M | re.S):
            return s
    return name


def allowed(path, target):
    folder = path.split("/")[0]
    top = target.split("/")[0]
    if folder == "services":
        parts = path.split("/")
        if len(parts) == 2:  # services/service.c and its like
            return top in SERVICE_MAY or target.startswith("services/") and target.count("/") == 1
        service = parts[1]
        if service == "wiregen":
            return top == "base" or target.startswith("services/wiregen/")
        if target.startswith("services/%s/" % service) or target in SERVICE_MAY or top in SERVICE_MAY:
            return True
        if top == "storage":
            return (service in ("store", "storage") or target == "storage/store.h" and "store" in requires(service)
                    or target == "storage/text.h" and service == "search")
        other = re.fullmatch(r"services/(\w+)/(\w+)\.h", target)
        return bool(other) and other.group(1) == other.group(2) and (
            other.group(1) in requires(service) or any(provider_of(r) == other.group(1) for r in requires(service))
            or os.path.basename(path).startswith("test_"))
    may = MAY[folder]
    if target.endswith("_priv.h") and top != folder:
        return False
    return top in may or target in may


def main():
    bad, headers = [], []
    for path in files():
        if path.endswith(".h"):
            headers.append(path)
        for number, line in enumerate(open(os.path.join(ROOT, path), encoding="utf-8"), 1):
            m = INCLUDE.match(line)
            if not m:
                continue
            target = m.group(2)
            if m.group(1) == '"' and target.split("/")[0] in FOLDERS:
                if not allowed(path, target):
                    bad.append("%s:%d: %s may not include %s" % (path, number, path.split("/")[0], target))
                continue
            if target.startswith("tests/") and os.path.basename(path).startswith("test_"):
                continue  # a test beside what it tests
            if m.group(1) == '"' and target != "yyjson.h":
                bad.append("%s:%d: %s: project includes are written from the root" % (path, number, target))
            for pattern, owners in OWNERS:
                if re.search(pattern, target):
                    if not any(path.startswith(o) for o in owners):
                        bad.append("%s:%d: %s is seen by %s only" % (path, number, target, " and ".join(owners)))
                    break
    generated = os.environ.get("CORACLE_BUILD", os.path.join(ROOT, "build", "release"))
    for path in headers:
        r = subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-DH2O_USE_LIBUV=0", "-I", ROOT, "-I", generated, "-fsyntax-only", "-x", "c", "-Wall", "-Wno-unused", path],
                           cwd=ROOT, capture_output=True, text=True)
        if r.returncode:
            bad.append("%s does not compile alone: %s" % (path, r.stderr.strip().splitlines()[0] if r.stderr else ""))
    for b in bad:
        print(b)
    print("%d headers, %d broken rules" % (len(headers), len(bad)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
