# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frame by frame: a client that says whatever a test wants said, and keeps all that comes back."""
import select, ssl, socket, threading, time

from support import Raw

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GONE = (OSError, ssl.SSLError, EOFError)


def integer(n, bits, first):
    most = (1 << bits) - 1
    if n < most:
        return bytes([first | n])
    out, n = bytes([first | most]), n - most
    while n >= 128:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n])


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return integer(len(value), 7, 0) + value


def field(name, value, first=0x00):
    """A literal with its name; first 0x40: goes into the peer's table."""
    return bytes([first]) + text(name) + text(value)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Stream:
    def __init__(self):
        self.status, self.body, self.ended, self.reset = None, b"", False, None


class H2:
    """Answers are read on a thread: stream(id) has what came."""

    def __init__(self, server, settings=b"", window=True, read=True, path=None, preface=PREFACE, timeout=60):
        self.raw, self.timeout = Raw(server, alpn=["h2"], timeout=timeout, path=path), timeout
        self.raw.fill = self.fill
        self.token, self.streams, self.frames, self.goaway, self.over = server.token, {}, [], None, False
        self.lock, self.next, self.window, self.sent_window = threading.Lock(), 1, window, 0
        self.room, self.rooms, self.initial = 65535, {}, 65535
        if preface:
            self.send(preface + frame(SETTINGS, 0, 0, settings))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.polite = bool(preface)
        if read:
            self.thread.start()
            end = time.monotonic() + timeout
            while preface and (SETTINGS, ACK, 0, 0) not in self.frames and not self.over and time.monotonic() < end:
                time.sleep(0.001)  # nothing of its own comes between the frames of a test from here on

    def send(self, data):
        with self.lock:
            self.raw.send(data)
        return self

    def fill(self):
        """As Raw.fill, but never at the same time as a send: Python's TLS sockets do not bear two threads."""
        s = self.raw.s
        while True:
            if not (hasattr(s, "pending") and s.pending()) and not select.select([s], [], [], self.timeout)[0]:
                raise TimeoutError("nothing came")
            with self.lock:
                s.settimeout(0)
                try:
                    more = s.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                except (ConnectionError, ssl.SSLError):
                    more = b""
                finally:
                    s.settimeout(self.timeout)
            self.raw.rest += more
            return bool(more)

    def frame(self, kind, flags, stream, payload=b""):
        return self.send(frame(kind, flags, stream, payload))

    def block(self, method="GET", path="/version", headers=(), auth=True):
        b = field(":method", method) + field(":scheme", "https") + field(":path", path) + field(":authority", "x")
        if auth:
            b += field("authorization", "Bearer " + self.token)
        return b + b"".join(field(k, str(v)) for k, v in headers)

    def open(self, method="GET", path="/version", headers=(), end=True):
        stream, self.next = self.next, self.next + 2
        self.frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.block(method, path, headers))
        return stream

    def stream(self, n):
        return self.streams.setdefault(n, Stream())

    def read(self):
        try:
            while True:
                head = self.raw.take(9)
                kind, flags, n = head[3], head[4], int.from_bytes(head[5:9], "big")
                payload = self.raw.take(int.from_bytes(head[:3], "big"))
                self.frames.append((kind, flags, n, len(payload)))
                self.one(kind, flags, n, payload)
        except GONE + (ValueError,):
            pass
        self.over = True

    def one(self, kind, flags, n, payload):
        s = self.stream(n)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                if payload[at:at + 2] == b"\0\4":
                    self.initial = int.from_bytes(payload[at + 2:at + 6], "big")
            if self.polite:
                self.frame(SETTINGS, ACK, 0)
        elif kind == WINDOW:
            more = int.from_bytes(payload, "big")
            if n:
                self.rooms[n] = self.rooms.get(n, 0) + more
            else:
                self.room += more
        elif kind == HEADERS:
            s.status = s.status or self.status(payload)
        elif kind == DATA:
            s.body += payload
            if self.window and payload:
                self.send(frame(WINDOW, 0, 0, len(payload).to_bytes(4, "big")) + frame(WINDOW, 0, n, len(payload).to_bytes(4, "big")))
        elif kind == RESET:
            s.reset = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big"), payload[8:]
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            s.ended = True

    @staticmethod
    def status(block):
        """The first field of an answer is its status: indexed, or a literal of three digits (perhaps Huffman's)."""
        known = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
        if block[0] in known:
            return known[block[0]]
        at = 1 if block[0] & 0x0f != 0x0f or block[0] & 0x40 else 2
        n, huffman = block[at] & 127, block[at] & 128
        data = block[at + 1:at + 1 + n]
        if not huffman:
            return int(data)
        codes = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5", "011100": "6", "011101": "7", "011110": "8", "011111": "9"}
        bits, out, k = "".join("%08d" % int(bin(c)[2:]) for c in data), "", 0
        while len(out) < 3:
            for w in (5, 6):
                if bits[k:k + w] in codes:
                    out, k = out + codes[bits[k:k + w]], k + w
                    break
        return int(out)

    def wait(self, n, seconds=60, what=lambda s: s.ended or s.reset is not None):
        end = time.monotonic() + seconds
        while not what(self.stream(n)) and not self.over and time.monotonic() < end:
            time.sleep(0.002)
        return self.stream(n)

    def get(self, path="/version"):
        return self.wait(self.open("GET", path))

    def put_body(self, n, total, piece=b"x" * 16384, seconds=60, end=True):
        """Sends a body as the windows allow; gives how much went out before an answer, a reset or the end."""
        out, until = 0, time.monotonic() + seconds
        sent = lambda: self.rooms.get(n, 0) + self.initial - out
        while out < total and time.monotonic() < until:
            s = self.stream(n)
            if self.over or s.ended or s.reset is not None:
                return out
            size = min(len(piece), total - out)
            if sent() < size or self.room < size:
                time.sleep(0.001)
                continue
            self.room -= size
            self.frame(DATA, END_STREAM if end and out + size >= total else 0, n, piece[:size])
            out += size
        return out

    def ends(self, seconds=60):
        end = time.monotonic() + seconds
        while not self.over and time.monotonic() < end:
            time.sleep(0.005)
        return self.over

    def close(self):
        try:
            socket.socket.shutdown(self.raw.s, socket.SHUT_RDWR)
        except OSError:
            pass
        if self.thread.is_alive():
            self.thread.join(60)
        self.raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
