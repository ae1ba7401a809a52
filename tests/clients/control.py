# SPDX-License-Identifier: Apache-2.0
"""What a program under test may ask of the harness while it runs: POST /restart[?signal=KILL&down=SECONDS] ends the server and starts it
again on the same data and port; the answer comes when it serves."""
import http.server, signal, threading, time, urllib.parse


class Control:
    """with Control(server) as c: c.url"""

    def __init__(self, server):
        self.server, self.lock = server, threading.Lock()

    def restart(self, query):
        with self.lock:
            kill = query.get("signal") == ["KILL"]
            code = self.server.stop(signal.SIGKILL if kill else signal.SIGTERM)
            if code != 0 and not kill:
                raise RuntimeError("the server ended with status %d" % code)
            time.sleep(min(float(query.get("down", ["0"])[0]), 10))
            self.server.start()

    def __enter__(self):
        control = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                url = urllib.parse.urlsplit(self.path)
                try:
                    if url.path != "/restart":
                        raise RuntimeError("no such order: " + url.path)
                    control.restart(urllib.parse.parse_qs(url.query))
                    code, text = 200, b"ok\n"
                except (RuntimeError, OSError, ValueError) as e:
                    code, text = 500, str(e).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
