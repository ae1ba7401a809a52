# SPDX-License-Identifier: Apache-2.0
"""What lists and watches answer to every combination of resourceVersion, resourceVersionMatch, limit, continue, sendInitialEvents and
allowWatchBookmarks, in words that hold for any server. `python3 -m lib.versions URL TOKEN` (in tests/) asks a server, as tests/data/versions.json was
recorded from the reference; tests/http/test_versions.py compares."""
import base64, concurrent.futures, itertools, json, re, sys, threading, urllib.parse

NAMESPACE = "versions"  # of secrets: nobody else makes one in it
PATH = "/api/v1/namespaces/%s/secrets" % NAMESPACE
VERSIONS = [None, "0", "OLD", "NOW", "FUTURE", "abc", "-1"]
MATCHES = [None, "Exact", "NotOlderThan", "bogus"]
LISTS = [("resourceVersion", VERSIONS), ("resourceVersionMatch", MATCHES), ("limit", [None, "2", "-1", "x"]), ("continue", [None, "TOKEN", "ANY", "zzz"])]
WATCHES = [("resourceVersion", [None, "0", "OLD", "NOW", "FUTURE", "abc"]), ("resourceVersionMatch", MATCHES), ("sendInitialEvents", [None, "true", "false"]),
           ("continue", [None, "TOKEN"]), ("allowWatchBookmarks", [None, "true"])]


def unpack(token):
    return json.loads(base64.urlsafe_b64decode(token + "==="))


def pack(token):
    return base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).decode().rstrip("=")


class Asker:
    """request(method, path, body=None, conn=...) -> (status, headers, body); connection(): one to be kept."""

    def __init__(self, request, connection):
        self.plain, self.connection, self.local = request, connection, threading.local()

    def request(self, method, path, body=None):
        if not hasattr(self.local, "conn"):
            self.local.conn = self.connection()
        return self.plain(method, path, body, conn=self.local.conn)

    def must(self, method, path, body=None):
        status, _, answer = self.request(method, path, body)
        if status not in (200, 201):
            raise RuntimeError("%s %s: %s %s" % (method, path, status, answer))
        return answer

    def make(self, name):
        self.must("POST", PATH, {"metadata": {"name": name}})

    def prepare(self):
        """a to e at OLD, of which c goes and f comes until NOW."""
        self.must("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for name in "abcde":
            self.make(name)
        page = self.must("GET", PATH + "?limit=2")["metadata"]
        self.values = {"OLD": page["resourceVersion"], "TOKEN": page["continue"], "ANY": pack({**unpack(page["continue"]), "rv": -1, "left": 0})}
        self.must("DELETE", PATH + "/c")
        self.make("f")
        self.values["NOW"] = self.must("GET", PATH)["metadata"]["resourceVersion"]
        self.values["FUTURE"] = str(int(self.values["NOW"]) + 1000000)

    # -- answers in words
    def version(self, text):
        return "OLD" if text == self.values["OLD"] else "NOW" if int(text) >= int(self.values["NOW"]) else "between"

    def refusal(self, status, body):
        if body.get("kind") != "Status":
            return "%s %s" % (status, body)
        text = re.sub(r"\b%s\b" % self.values["FUTURE"], "FUTURE", body["message"])
        retry = (body.get("details") or {}).get("retryAfterSeconds")
        return "%s %s: %s%s" % (status, body.get("reason", ""), re.sub(r"current: \d+", "current: N", text), "; retry %s" % retry if retry else "")

    def listed(self, query):
        status, _, body = self.request("GET", PATH + query)
        if status != 200:
            return self.refusal(status, body)
        meta, rest = body["metadata"], ""
        if meta.get("continue"):
            token = unpack(meta["continue"])
            rest = ", then %s at %s" % (json.dumps(token["start"]), self.version(str(token["rv"])))
        if "remainingItemCount" in meta:
            rest += ", %d left" % meta["remainingItemCount"]
        return "%s at %s%s" % ("".join(o["metadata"]["name"] for o in body["items"]), self.version(meta["resourceVersion"]), rest)

    def watched(self, query):
        status, _, body = self.request("GET", PATH + query)
        if status != 200:
            return self.refusal(status, body)
        words = []
        events = [body] if isinstance(body, dict) else [json.loads(line) for line in body.split(b"\n") if line.strip()]
        for e in events:
            meta = e["object"]["metadata"]
            if e["type"] == "ERROR":
                words.append("ERROR " + self.refusal(e["object"]["code"], e["object"]))
            elif e["type"] == "BOOKMARK":
                if meta.get("annotations"):  # others come as time goes
                    words.append("BOOKMARK %s at %s" % (" ".join(meta["annotations"]), self.version(meta["resourceVersion"])))
            else:
                words.append(e["type"] + " " + meta["name"])
        return ", ".join(words)

    def query(self, pairs):
        return "?" + urllib.parse.urlencode([(k, self.values.get(v, v)) for k, v in pairs])


def questions(table):
    for values in itertools.product(*(v for _, v in table)):
        yield [(k, v) for (k, _), v in zip(table, values) if v is not None]


def ask(asker):
    """{"list": {question: answer}, "watch": ...}"""
    asker.prepare()
    found = {"list": {}, "watch": {}}
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        for kind, table, more, answer in (("list", LISTS, [], asker.listed), ("watch", WATCHES, [("watch", "1"), ("timeoutSeconds", "1")], asker.watched)):
            asked = list(questions(table))
            for q, a in zip(asked, pool.map(lambda q: answer(asker.query(more + q)), asked)):
                found[kind]["&".join("%s=%s" % kv for kv in q)] = a
    return found


def compress(found):
    """Each answer once, and the questions by number."""
    answers = sorted({a for kind in found.values() for a in kind.values()})
    return {"answers": answers, **{kind: {q: answers.index(a) for q, a in of.items()} for kind, of in found.items()}}


def main(url, token):
    import http.client, ssl

    def connection():
        return http.client.HTTPSConnection(url.split("//")[1], timeout=60, context=ssl._create_unverified_context())

    def request(method, path, body=None, conn=None):
        headers = {"Authorization": "Bearer " + token, "Accept": "application/json", "Content-Type": "application/json"}
        conn.request(method, path, json.dumps(body) if body else None, headers)
        r = conn.getresponse()
        data = r.read()
        try:
            return r.status, r.headers, json.loads(data)
        except ValueError:
            return r.status, r.headers, data
    json.dump(compress(ask(Asker(request, connection))), sys.stdout, indent=0, sort_keys=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
