# SPDX-License-Identifier: Apache-2.0
"""Remembers what a client asks: a plain HTTP listener on loopback that hands every request on to a Coracle server over TLS and keeps
its method, path, headers and body, and the answer's status."""
import http.client, http.server, sys, threading

HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "upgrade", "trailer", "host", "content-length"}


class Exchange:
    def __init__(self, method, path, headers, body, status):
        self.method, self.path, self.headers, self.body, self.status = method, path, headers, body, status

    def __str__(self):
        return "%s %s %d" % (self.method, self.path, self.status)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def hand_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        to = self.server.target.connection()
        try:
            to.putrequest(self.command, self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    to.putheader(name, value)
            if body is not None:
                to.putheader("Content-Length", str(len(body)))
            to.endheaders(body)
            answer = to.getresponse()
            data = answer.read()
        finally:
            to.close()
        with self.server.lock:
            self.server.seen.append(Exchange(self.command, self.path, dict(self.headers), body or b"", answer.status))
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = hand_on

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """Clients that go without a word are no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)


class Recorder:
    """with Recorder(server) as r: r.url is where clients go, r.taken() what they asked since the last call."""

    def __init__(self, server):
        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.listener.target, self.listener.seen, self.listener.lock = server, [], threading.Lock()
        self.url = "http://127.0.0.1:%d" % self.listener.server_address[1]
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()

    def taken(self):
        with self.listener.lock:
            seen, self.listener.seen = self.listener.seen, []
        return seen
