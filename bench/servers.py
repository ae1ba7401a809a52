# SPDX-License-Identifier: Apache-2.0
"""The servers under measure, each in a directory of its own: Coracle, and the upstream generic control plane with its etcd.
Whatever is started here ends with this process, however it ends."""
import ctypes, http.client, json, os, shutil, signal, socket, ssl, subprocess, tempfile, time

TOKEN = "benchtoken"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def status_of(pid):
    """/proc/PID/status: the memory rows in MiB."""
    out = {}
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            key, value = line.split(":", 1)
            if value.endswith("kB\n"):
                out[key] = int(value.split()[0]) / 1024
    return out


def cpu_of(pid):
    """Seconds of CPU that the process used, its ended threads included."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Subject:
    """One server with its store. processes: name -> Popen, all of which count."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="bench-%s-" % self.name)
        self.processes, self.ready_ms = {}, 0.0
        with open(self.path("tokens.csv"), "w") as f:
            f.write('%s,bench,bench-uid,"system:masters"\n' % TOKEN)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def spawn(self, name, command, **kw):
        with open(self.path(name + ".log"), "ab") as log:
            kw.setdefault("stdout", log)
            self.processes[name] = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir,
                                                    preexec_fn=die_with_parent, **kw)

    def log(self, name):
        with open(self.path(name + ".log"), errors="replace") as f:
            return f.read()[-3000:]

    def pids(self):
        return ",".join("%s:%d" % (name, p.pid) for name, p in self.processes.items())

    def cpu_each(self):
        return {name: cpu_of(p.pid) for name, p in self.processes.items()}

    def cpu(self):
        return sum(self.cpu_each().values())

    def memory(self):
        """(resident, anonymous) of all processes, MiB."""
        rows = [status_of(p.pid) for p in self.processes.values()]
        return sum(r["VmRSS"] for r in rows), sum(r["RssAnon"] for r in rows)

    def end(self, name, timeout=60):
        p = self.processes.pop(name)
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()

    def stop(self):
        for name in reversed(list(self.processes)):
            self.end(name)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- plain requests, one connection
    def connection(self, timeout=300):
        host = self.url.split("//")[1]
        c = http.client.HTTPSConnection(host, timeout=timeout, context=ssl._create_unverified_context())
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c

    def call(self, method, path, body=None, conn=None, accept="application/json"):
        """(status, bytes of the body)"""
        c = conn or self.connection()
        headers = {"Authorization": "Bearer " + TOKEN, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        c.request(method, path, body, headers)
        r = c.getresponse()
        data = r.read()
        if conn is None:
            c.close()
        return r.status, data


class Coracle(Subject):
    name = "coracle"

    def __init__(self, tools, store="sqlite"):
        super().__init__()
        self.tools, self.store, self.etcd = tools, store, None
        if store == "etcd":
            self.name = "coracle-etcd"

    def start(self):
        if self.store == "etcd" and "etcd" not in self.processes:
            self.etcd = start_etcd(self, self.tools.etcd)
        store = "etcd=" + self.etcd if self.etcd else self.store
        ready_r, ready_w = os.pipe()
        begun = time.monotonic()
        self.spawn("coracle", [self.tools.coracle, "serve", "--data", self.path("data"), "--store", store, "--listen", "127.0.0.1:0", "--token-file",
                               self.path("tokens.csv"), "--log-level", "warn", "--ready-fd", str(ready_w)], pass_fds=[ready_w])
        os.close(ready_w)
        if os.read(ready_r, 1) != b"\n":
            raise RuntimeError("coracle did not start: " + self.log("coracle"))
        self.ready_ms = (time.monotonic() - begun) * 1000
        os.close(ready_r)
        with open(self.path("data", "admin.kubeconfig")) as f:
            self.url = f.read().split("server: ")[1].split()[0]

    def restart(self):
        """The server alone: its store stays as it is."""
        self.end("coracle")
        self.start()


class Reference(Subject):
    name = "reference"

    def __init__(self, tools):
        super().__init__()
        self.tools, self.etcd = tools, None
        self.port = free_port()
        self.url = "https://127.0.0.1:%d" % self.port
        certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
                       "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.path("tls.key"), "-out", self.path("tls.crt")]
        subprocess.run(certificate, check=True, capture_output=True)
        subprocess.run(["openssl", "genrsa", "-out", self.path("sa.key"), "2048"], check=True, capture_output=True)

    def start(self):
        if "etcd" not in self.processes:
            self.etcd = start_etcd(self, self.tools.etcd)
        begun = time.monotonic()
        self.spawn("apiserver", [self.tools.apiserver, "--etcd-servers", self.etcd, "--bind-address", "127.0.0.1", "--secure-port", str(self.port),
                                 "--tls-cert-file", self.path("tls.crt"), "--tls-private-key-file", self.path("tls.key"),
                                 "--service-account-key-file", self.path("sa.key"), "--service-account-signing-key-file", self.path("sa.key"),
                                 "--service-account-issuer", "https://bench.example.com", "--token-auth-file", self.path("tokens.csv"),
                                 "--authorization-mode", "RBAC", "-v", "0"])
        self.wait_ready(begun, 120)

    def wait_ready(self, begun, timeout):
        while time.monotonic() - begun < timeout:
            if self.processes["apiserver"].poll() is not None:
                break
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    self.ready_ms = (time.monotonic() - begun) * 1000
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("the reference did not start: " + self.log("apiserver"))

    def restart(self):
        self.end("apiserver")
        self.start()


def start_etcd(subject, binary):
    """Beside the subject, on free ports; gives its address once it serves."""
    client, peer = free_port(), free_port()
    url = "http://127.0.0.1:%d" % client
    subject.spawn("etcd", [binary, "--data-dir", subject.path("etcd-data"), "--listen-client-urls", url, "--advertise-client-urls", url,
                           "--listen-peer-urls", "http://127.0.0.1:%d" % peer, "--log-level", "error", "--quota-backend-bytes", str(8 << 30)])
    until = time.monotonic() + 30
    while time.monotonic() < until and subject.processes["etcd"].poll() is None:
        try:
            c = http.client.HTTPConnection("127.0.0.1", client, timeout=5)
            c.request("GET", "/health")
            if b'"true"' in c.getresponse().read():
                return url
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError("etcd did not start: " + subject.log("etcd"))
