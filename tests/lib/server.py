# SPDX-License-Identifier: Apache-2.0
"""A Coracle server of a test's own: a free port, a temporary directory, known tokens, an exit status that counts."""
import contextlib, json, os, signal, ssl, subprocess, tempfile, time, shutil, http.client

from . import etcd, jitter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOKENS = """admintoken,admin,admin-uid,"system:masters"
alicetoken,alice,alice-uid,"devs,qa"
bobtoken,bob,bob-uid
"""


@contextlib.contextmanager
def store_flags(store):
    """The flags for a store, for as long as it is needed: "etcd" is one of the test's own."""
    if store == "etcd":
        with etcd.Etcd() as e:
            yield ["--store", "etcd=" + e.url]
    else:
        yield ["--store", store]


def binary(preset="release"):
    return os.environ.get("CORACLE_BINARY") or os.path.join(ROOT, "build", preset, "coracle")


class Server:
    """with Server() as s: s.url, s.token, s.kubeconfig, s.get("/path")"""

    def __init__(self, preset="release", flags=(), data=None, level="warn", tokens=TOKENS, program="coracle"):
        self.preset, self.flags, self.level, self.tokens = preset, list(flags), level, tokens
        self.binary = os.path.join(os.path.dirname(binary(preset)), program) if program != "coracle" else binary(preset)
        self.dir = tempfile.mkdtemp(prefix="coracle-test-")
        self.data = data or os.path.join(self.dir, "data")
        self.token, self.process, self.port = "admintoken", None, 0

    def start(self):
        with open(os.path.join(self.dir, "tokens.csv"), "w") as f:
            f.write(self.tokens)
        ready_r, ready_w = os.pipe()
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.out = os.path.join(self.dir, "out")
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=77", UBSAN_OPTIONS="print_stacktrace=1",
                   TSAN_OPTIONS="exitcode=66",
                   LSAN_OPTIONS="print_suppressions=0")
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--data", self.data, "--listen", "127.0.0.1:%d" % self.port, "--token-file",
                 os.path.join(self.dir, "tokens.csv"), "--log-level", self.level, "--ready-fd", str(ready_w)] + self.flags,
                stdout=out, stderr=self.log, pass_fds=[ready_w], env=env)
        os.close(ready_w)
        jitter.follow(self.process)
        if os.read(ready_r, 1) != b"\n":
            self.process.wait()
            raise RuntimeError("the server did not start: " + self.stderr()[-2000:])
        os.close(ready_r)
        self.kubeconfig = os.path.join(self.data, "admin.kubeconfig")
        if "--kubeconfig" in self.flags:
            self.kubeconfig = self.flags[self.flags.index("--kubeconfig") + 1]
        text = open(self.kubeconfig).read()
        self.url = text.split("server: ")[1].split()[0]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """Ends the server and gives its exit status; a status other than 0 after SIGTERM is a failure."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
            raise RuntimeError("the server did not stop within %d s" % timeout)
        finally:
            self.process = None
            self.log.close()
        return code

    def stderr(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        code = self.stop()
        text = self.stderr()
        if kind is None:
            shutil.rmtree(self.dir, ignore_errors=True)
            if code != 0 or "ERROR: " in text and "Sanitizer" in text:
                raise RuntimeError("the server ended with status %d:\n%s" % (code, text[-6000:]))

    def rss_kib(self):
        for line in open("/proc/%d/status" % self.process.pid):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    # -- plain requests
    def connection(self, timeout=60):
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=tls)

    def request(self, method, path, body=None, headers=None, token=None, conn=None):
        """Gives (status, headers, body): the body decoded where it is JSON."""
        own = conn is None
        conn = conn or self.connection()
        hs = {"Authorization": "Bearer " + (token or self.token), "Accept": "application/json"}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            hs["Content-Type"] = "application/json"
        hs.update(headers or {})
        hs = {k: v for k, v in hs.items() if v is not None}
        try:
            conn.request(method, path, body=body, headers=hs)
            r = conn.getresponse()
            data = r.read()
        finally:
            if own:
                conn.close()
        try:
            return r.status, r.headers, json.loads(data)
        except ValueError:
            return r.status, r.headers, data

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body, **kw):
        return self.request("POST", path, body, **kw)

    def update(self, path, change, seconds=60, **kw):
        """Reads an object, changes it in place and puts it back, again as often as somebody else (a controller that writes its status) came
        between, as every client must. Gives what request gives."""
        end = time.monotonic() + seconds
        while True:
            status, headers, obj = self.get(path, **kw)
            if status != 200:
                return status, headers, obj
            change(obj)
            answer = self.request("PUT", path, obj, **kw)
            if answer[0] != 409 or time.monotonic() > end:
                return answer
