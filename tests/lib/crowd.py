# SPDX-License-Identifier: Apache-2.0
"""A crowd of clients that fetch one long answer over TLS, each a process of its own: fast ones, slow ones, and ones that stop reading. What it costs the
server is read from /proc meanwhile."""
import os, re, select, socket, ssl, threading, time

HEAD = b"\r\n\r\n"


class Plain:
    """Requests without TLS over a Unix socket, many on their way at once: for filling a store."""

    def __init__(self, path, token):
        self.s, self.rest, self.token = socket.socket(socket.AF_UNIX), b"", token
        self.s.connect(path)

    def post(self, target, body):
        return (b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % (target.encode(), self.token.encode(), len(body))) + body

    def answer(self):
        while HEAD not in self.rest:
            self.more()
        head, self.rest = self.rest.split(HEAD, 1)
        n = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        while len(self.rest) < n:
            self.more()
        body, self.rest = self.rest[:n], self.rest[n:]
        return int(head.split(b" ", 2)[1]), body

    def more(self):
        data = self.s.recv(1 << 20)
        if not data:
            raise EOFError("the server has closed")
        self.rest += data


def fill(path, token, ns, count, size, threads=8):
    """Creates `count` ConfigMaps of about `size` bytes as the server shows them."""
    target, wrong = "/api/v1/namespaces/%s/configmaps" % ns, []
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"object-%07d"},"data":{"a":"%s"}}'
    text = b"Some words that repeat themselves, as configuration does. " * (size // 58 + 1)

    def work(t):
        try:
            conn = Plain(path, token)
            batch = max(1, min(32, 400000 // size))
            for first in range(t, count, threads * batch):
                names = range(first, min(count, first + threads * batch), threads)
                for k in names:
                    conn.s.sendall(conn.post(target, body % (k, text[:size - 260])))
                for _ in names:
                    status, answer = conn.answer()
                    if status != 201:
                        raise AssertionError(answer[:300])
        except Exception as e:
            wrong.append(e)
    workers = [threading.Thread(target=work, args=(t,)) for t in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    if wrong:
        raise wrong[0]


def memory(pid):
    """{"VmRSS", "RssAnon", "RssFile"} in bytes."""
    with open("/proc/%d/status" % pid) as f:
        found = dict(re.findall(r"^(VmRSS|RssAnon|RssFile):\s+(\d+) kB", f.read(), re.M))
    return {k: int(v) * 1024 for k, v in found.items()}


class Reader:
    """One client in a process of its own. pace: bytes a second, 0: as fast as it goes, None: stops after the first bytes. result(): (bytes of the
    answer, whether its end came)."""

    def __init__(self, port, token, path, pace, headers="", until=None):
        self.r, w = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(w)
            return
        code = 1
        try:
            got, ended = self.run(port, token, path, pace, headers, until)
            os.write(w, b"%d %d" % (got, ended))
            code = 0
        finally:
            os._exit(code)

    @staticmethod
    def run(port, token, path, pace, headers, until):
        context = ssl._create_unverified_context()
        raw = socket.create_connection(("127.0.0.1", port), timeout=120)
        s = context.wrap_socket(raw)
        s.sendall(("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n" % (path, token, headers)).encode())
        room, begun, got, tail = memoryview(bytearray(1 << 18)), time.monotonic(), 0, b""
        while until is None or time.monotonic() < until:
            n = s.recv_into(room)
            if not n:
                return got, False
            got += n
            tail = (tail + bytes(room[max(0, n - 8):n]))[-8:]
            if tail.endswith(b"\r\n0\r\n\r\n"):
                return got, True
            if pace is None:
                time.sleep(max(0, (until or begun + 30) - time.monotonic()))
                return got, False
            if pace:
                time.sleep(max(0, got / pace - (time.monotonic() - begun)))
        return got, False

    def result(self):
        with os.fdopen(self.r, "rb") as f:
            text = f.read()
        os.waitpid(self.pid, 0)
        if not text:
            raise AssertionError("a reader failed")
        got, ended = text.split()
        return int(got), ended == b"1"

    def ready(self):
        return bool(select.select([self.r], [], [], 0)[0])


def measure(server, path, readers, seconds, step=0.02):
    """readers: a list of (pace, headers). Runs them until all that read have ended or the seconds are over. Gives (the largest of each figure while they
    ran, results)."""
    until, pid = time.monotonic() + seconds, server.process.pid
    crowd = [Reader(server.port, server.token, path, pace, headers, until) for pace, headers in readers]
    most = memory(pid)
    reading = [c for c, (pace, _) in zip(crowd, readers) if pace is not None]
    while not all(c.ready() for c in reading) and time.monotonic() < until + 5:
        now = memory(pid)
        most = {k: max(v, now[k]) for k, v in most.items()}
        time.sleep(step)
    for c in crowd:
        if c not in reading and not c.ready():
            os.kill(c.pid, 9)
            os.waitpid(c.pid, 0)
            os.close(c.r)
    return most, [c.result() for c in reading]
