# SPDX-License-Identifier: Apache-2.0
"""An etcd server of a test's own: a free port, a temporary directory, ended with the test."""
import ctypes, json, os, shutil, signal, socket, subprocess, tempfile, time, urllib.request


def binary():
    """The installed etcd, or None."""
    return shutil.which("etcd", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))


def place():
    """Where its files lie: in memory where there is enough, since every write of it waits for the disk, which others may keep busy for longer
    than a client waits."""
    try:
        st = os.statvfs("/dev/shm")
    except OSError:
        return None
    return "/dev/shm" if st.f_bavail * st.f_frsize >= 1 << 30 and os.access("/dev/shm", os.W_OK | os.X_OK) else None


def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    return port


PRCTL = ctypes.CDLL(None).prctl  # looked up before anything forks: another thread may hold the loader's lock then


def die_with_parent():
    PRCTL(1, signal.SIGKILL)


class Etcd:
    """with Etcd() as e: e.url; e.kill(), e.start() again, e.pause(), e.resume(), e.call("/v3/kv/range", {...})"""

    def __init__(self, flags=(), tls=None):
        """tls: an ssl.SSLContext to call it with, where the flags make it serve HTTPS."""
        self.dir, self.port, self.flags, self.process = tempfile.mkdtemp(prefix="coracle-etcd-", dir=place()), free_port(), list(flags), None
        self.url, self.tls = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.port), tls

    def start(self):
        """Begins it, on another port where somebody took the free one before it; from then on always on the same."""
        for last in (False, False, True):
            try:
                return self.begin()
            except RuntimeError:
                if last or os.path.exists(os.path.join(self.dir, "data", "member", "wal")):
                    raise
            self.port = free_port()
            self.url = "%s:%d" % (self.url.rsplit(":", 1)[0], self.port)

    def begin(self):
        peer = "http://127.0.0.1:0"
        self.process = subprocess.Popen(
            [binary(), "--data-dir", os.path.join(self.dir, "data"), "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
             "--heartbeat-interval", "10", "--election-timeout", "100", "--logger", "zap", "--log-level", "error"] + self.flags,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        end = time.time() + 60
        while True:
            try:
                self.call("/v3/maintenance/status", {})
                return self
            except OSError:
                if time.time() > end or self.process.poll() is not None:
                    self.kill()
                    raise RuntimeError("etcd did not start")
                time.sleep(0.05)

    def call(self, path, body, timeout=30):
        r = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(r, timeout=timeout, context=self.tls) as f:
            return json.load(f)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self):
        """Returns when it stands: until the signal has come it still answers."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *a):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
