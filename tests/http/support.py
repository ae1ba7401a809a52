# SPDX-License-Identifier: Apache-2.0
"""What the black-box tests share: raw connections, answers read byte by byte, watches on a thread, a server that must stay well."""
import base64, functools, http.client, itertools, json, os, re, shutil, socket, ssl, subprocess, threading, time, unittest

from lib.server import ROOT, Server, binary

PRESET = "asan"
SHARED = None  # the server of most tests; run.py sets it

ORGANIZATIONS = itertools.count(1000)
CONFIGMAPS = "/api/v1/namespaces/%s/configmaps"


def limits():
    """The numbers of base/limits.h by name."""
    text = open(os.path.join(ROOT, "base", "limits.h"), encoding="utf-8").read()
    found = {}
    for name, value in re.findall(r"^#define (LIMIT_\w+) (.*?)\s*(?:/\*.*)?$", text, re.M):
        found[name] = eval(re.sub(r"(?<=\d)u\b", "", value), {}, {})
    return found


LIMITS = limits()


class Kept(Server):
    """A server whose plain requests keep one connection a thread: a handshake costs more than most of them."""
    kept = threading.local()

    def request(self, method, path, body=None, headers=None, token=None, conn=None):
        if conn is not None:
            return super().request(method, path, body, headers, token, conn)
        for last in (False, True):
            if getattr(self.kept, "port", None) != self.port or last:
                self.forget()
                self.kept.conn, self.kept.port = self.connection(), self.port
            try:
                return super().request(method, path, body, headers, token, self.kept.conn)
            except (http.client.HTTPException, OSError):
                self.kept.port = None  # it was closed meanwhile, or is not fit for more
                if last:
                    raise

    def forget(self):
        """Closes the calling thread's connection."""
        if getattr(self.kept, "conn", None):
            self.kept.conn.close()
        self.kept.port = None

    def stop(self, *args, **kw):
        self.forget()
        return super().stop(*args, **kw)


class Answer:
    def __init__(self, status, headers, body, version="HTTP/1.1"):
        self.status, self.headers, self.body, self.version = status, headers, body, version

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%s %s" % (self.status, self.body[:300])


class Raw:
    """A connection on which every byte is the test's own."""

    def __init__(self, server, tls=True, alpn=None, cert=None, path=None, timeout=60, verify=None):
        if path:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(path)
        else:
            s = socket.create_connection(("127.0.0.1", server.port), timeout)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls and not path:
            context = ssl.create_default_context(cafile=verify) if verify else ssl._create_unverified_context()
            if alpn:
                context.set_alpn_protocols(alpn)
            if cert:
                context.load_cert_chain(*cert)
            s = context.wrap_socket(s, server_hostname="127.0.0.1")
        self.s, self.rest, self.token = s, b"", server.token

    def send(self, data):
        try:
            self.s.sendall(data.encode() if isinstance(data, str) else data)
        except ssl.SSLError as e:
            raise ConnectionResetError(str(e)) from e
        return self

    def head(self, method, path, headers=(), version="HTTP/1.1", host=True, auth=True):
        lines = ["%s %s %s" % (method, path, version)]
        lines += ["Host: localhost"] if host else []
        lines += ["Authorization: Bearer " + self.token] if auth else []
        lines += ["%s: %s" % h for h in headers]
        return self.send("\r\n".join(lines) + "\r\n\r\n")

    def fill(self):
        """More bytes; False: the peer has closed."""
        try:
            more = self.s.recv(65536)
        except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
            more = b""
        self.rest += more
        return bool(more)

    def until(self, mark):
        while mark not in self.rest:
            if not self.fill():
                raise EOFError("closed within %r" % self.rest[:200])
        found, self.rest = self.rest.split(mark, 1)
        return found

    def take(self, n):
        while len(self.rest) < n:
            if not self.fill():
                raise EOFError("closed %d bytes early" % (n - len(self.rest)))
        found, self.rest = self.rest[:n], self.rest[n:]
        return found

    def read_head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        headers = [tuple(x.strip() for x in line.split(":", 1)) for line in lines[1:]]
        return Answer(int(status), headers, b"", version)

    def read(self, body=True):
        """One whole answer."""
        a = self.read_head()
        if not body or a.status in (100, 204, 304):
            return a
        if (a.header("transfer-encoding") or "").lower() == "chunked":
            while True:
                piece = self.chunk()
                if not piece:
                    return a
                a.body += piece
        if a.header("content-length") is not None:
            a.body = self.take(int(a.header("content-length")))
            return a
        while self.fill():
            pass
        a.body, self.rest = self.rest, b""
        return a

    def chunk(self):
        n = int(self.until(b"\r\n").split(b";")[0], 16)
        data = self.take(n)
        if self.take(2) != b"\r\n":
            raise ValueError("a chunk without its end")
        return data

    def ends(self, timeout=60):
        """Whether the peer closes, having sent nothing more."""
        self.s.settimeout(timeout)
        try:
            while self.fill():
                if self.rest:
                    return False
        except (TimeoutError, socket.timeout):
            return False
        return not self.rest

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def sanitized():
    """Whether the server that is tested was built with a sanitizer: those keep what is freed, and are slow, so memory is judged on other builds."""
    with open(binary(PRESET), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


SILENCE = 900  # seconds: a watch may have nothing to tell for as long as a test takes; who waits for its events has a deadline


class Watch(threading.Thread):
    """A watch over HTTP/1.1 on a thread: events with the times at which they came; `clean` when the last chunk ended it."""

    def __init__(self, server, path, headers=(), start=True):
        super().__init__(daemon=True)
        self.raw, self.events, self.times = Raw(server, timeout=SILENCE), [], []
        self.answer, self.clean, self.error = None, False, None
        self.raw.head("GET", path + ("&" if "?" in path else "?") + "watch=true", headers)
        self.answer = self.raw.read_head()
        if self.answer.status != 200:
            raise RuntimeError("watch: %d" % self.answer.status)
        if start:
            self.start()

    def run(self):
        pending = b""
        try:
            while True:
                piece = self.raw.chunk()
                if not piece:
                    self.clean = not pending
                    return
                pending += piece
                while b"\n" in pending:
                    line, pending = pending.split(b"\n", 1)
                    self.times.append(time.monotonic())
                    self.events.append(json.loads(line))
        except Exception as e:  # the test asks `clean`
            self.error = e

    def wait(self, n, timeout=60):
        end = time.monotonic() + timeout
        while len(self.events) < n:
            if time.monotonic() > end or not self.is_alive() and len(self.events) < n:
                raise AssertionError("%d events of %d came: %s %s" % (len(self.events), n, self.error, self.short()))
            time.sleep(0.002)
        return self.events

    def short(self):
        """["ADDED a", ...]"""
        return ["%s %s" % (e["type"], e["object"].get("metadata", {}).get("name", "")) for e in self.events]

    def close(self):
        """The thread has left the socket before its descriptor may mean another."""
        try:
            socket.socket.shutdown(self.raw.s, socket.SHUT_RDWR)
        except OSError:
            pass  # the server was first
        self.join(60)
        self.raw.close()


class Curl:
    """curl, for HTTP/2. None of it where curl has none."""

    @staticmethod
    def can():
        path = shutil.which("curl")
        return bool(path) and "HTTP2" in subprocess.run([path, "--version"], capture_output=True, text=True).stdout

    @staticmethod
    def args(server, path, *more):
        return ["curl", "-sS", "--http2", "-k", "--max-time", "60", "-H", "Authorization: Bearer " + server.token, *more,
                "https://127.0.0.1:%d%s" % (server.port, path)]

    @staticmethod
    def request(server, path, *more):
        """(status, version, body)"""
        p = subprocess.run(Curl.args(server, path, "-w", "\n%{http_code} %{http_version}", *more), capture_output=True)
        body, _, last = p.stdout.rpartition(b"\n")
        if p.returncode:
            raise RuntimeError(p.stderr.decode())
        status, version = last.decode().split(" ")
        return int(status), version, body


class Http2Watch(threading.Thread):
    """A watch over HTTP/2, frame by frame; `clean` when the end of the stream ended it."""
    DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.raw, self.events, self.times = Raw(server, alpn=["h2"], timeout=SILENCE), [], []
        self.clean, self.error, self.frames = False, None, []
        token = b"Bearer " + server.token.encode()
        block = b"\x82\x87" + self.literal(b"\x44", path.encode()) + self.literal(b"\x41", b"x") + self.literal(b"\x0f\x08", token)
        self.raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(self.SETTINGS, 0, 0, b"")
        self.frame(self.HEADERS, 5, 1, block)
        self.start()

    @staticmethod
    def literal(name, value):
        n = len(value)
        if n < 127:
            return name + bytes([n]) + value
        size, n = b"\x7f", n - 127
        while n >= 128:
            size, n = size + bytes([n % 128 + 128]), n // 128
        return name + size + bytes([n]) + value

    def frame(self, kind, flags, stream, payload):
        self.raw.send(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def give(self, stream, n):
        """Room for n more bytes; a server that has ended it all may no longer take it."""
        try:
            self.frame(self.WINDOW, 0, stream, n.to_bytes(4, "big"))
        except OSError:
            pass

    def run(self):
        pending = b""
        try:
            while True:
                head = self.raw.take(9)
                kind, flags, payload = head[3], head[4], self.raw.take(int.from_bytes(head[:3], "big"))
                self.frames.append((kind, flags, len(payload)))
                if kind == self.SETTINGS and not flags & 1:
                    self.frame(self.SETTINGS, 1, 0, b"")
                elif kind == self.PING and not flags & 1:
                    self.frame(self.PING, 1, 0, payload)
                elif kind == self.RESET:
                    raise EOFError("the stream was reset: %r" % payload)
                elif kind == self.DATA and payload:
                    for stream in (0, 1):
                        self.give(stream, len(payload))
                    pending += payload
                    while b"\n" in pending:
                        line, pending = pending.split(b"\n", 1)
                        self.times.append(time.monotonic())
                        self.events.append(json.loads(line))
                if kind in (self.DATA, self.HEADERS) and flags & 1:
                    self.clean = not pending
                    return
        except Exception as e:  # the test asks `clean`
            self.error = "%r, frames %s" % (e, self.frames)

    wait = Watch.wait
    short = Watch.short
    close = Watch.close


def configmap(name, data=None, **meta):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict(name=name, **meta), "data": data or {}}


def metrics(server):
    """The text of /metrics as {name{labels}: value}."""
    status, _, body = server.get("/metrics")
    assert status == 200, body
    found = {}
    for line in body.decode().splitlines():
        if line and not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            found[key] = float(value)
    return found


def until(what, seconds=60, step=0.01):
    """Waits until what() is true; gives its value. The deadline is for a machine on which all is ten times slower: it tells never from late."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %s s in vain" % seconds)
        time.sleep(step)


def best_of(tries):
    """For a test that rests on times which the server keeps, so that a machine that stands still for seconds can spoil it: it passes when one
    of so many whole runs, each set up anew, does."""
    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for left in reversed(range(tries)):
                try:
                    return test(self)
                except AssertionError:
                    if not left:
                        raise
                self.tearDown()
                self.doCleanups()
                self.setUp()
        return run
    return decorate


def found(server, path, **kw):
    """What a search answers once its index has all that was written before; until then (it waits for a moment itself) the answer says that it has not."""
    whole = lambda answer: "search index is being built" not in str(answer[1])
    return until(lambda: next(filter(whole, [server.request("GET", path, **kw)]), None))


def kubeconfig(path):
    """What the kubeconfig names: {"server", "certificate-authority-data", ...}, decoded."""
    found = {}
    for key, value in re.findall(r"^\s*([\w-]+): (\S+)$", open(path).read(), re.M):
        found[key] = base64.b64decode(value).decode() if key.endswith("-data") else value
    return found


def openssl(*args, cwd=None):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=cwd)


class Case(unittest.TestCase):
    """Tests against the shared server, each in a namespace of its own, which is an organization's so that all types may be in it; after each the
    server must be well."""

    @property
    def server(self):
        return SHARED

    def setUp(self):
        self.ns = "org-%d" % next(ORGANIZATIONS)
        self.configmaps = CONFIGMAPS % self.ns
        status, _, body = self.server.post("/api/v1/namespaces", {"metadata": {"name": self.ns, "annotations": {"test": self.id()}}})
        self.assertEqual(status, 201, body)

    def tearDown(self):
        self.assertIsNone(self.server.process.poll(), "the server ended")
        status, _, body = self.server.get("/readyz")
        self.assertEqual((status, body), (200, b"ok"))

    def make(self, name, data=None, ns=None, **meta):
        status, _, body = self.server.post(CONFIGMAPS % (ns or self.ns), configmap(name, data, **meta))
        self.assertEqual(status, 201, body)
        return body

    def rev(self, obj):
        return int(obj["metadata"]["resourceVersion"])

    def assertStatus(self, answer, code, reason=None, message=None):
        """The answer (a triple of Server.request, or an Answer) is a Status of that code whose message holds the words."""
        status, body = (answer.status, answer.body) if isinstance(answer, Answer) else (answer[0], answer[2])
        if isinstance(body, bytes):
            try:
                body = json.loads(body)
            except ValueError:
                self.fail("no Status: %s %r" % (status, body[:300]))
        self.assertEqual(status, code, body)
        self.assertEqual((body.get("kind"), body.get("apiVersion"), body.get("status"), body.get("code")),
                         ("Status", "v1", "Failure", code), body)
        if reason:
            self.assertEqual(body.get("reason"), reason, body)
        self.assertTrue(body.get("message"), body)
        if message:
            self.assertIn(message, body["message"])
        return body
