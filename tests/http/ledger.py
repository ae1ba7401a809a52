# SPDX-License-Identifier: Apache-2.0
"""Writers with a ledger: what was acknowledged, and what was asked and not answered, by object. A killed server must have the former and may have
the latter. `Writer` and `verify` keep one type's objects; `Book`, `Scribe`, `Mayfly` and `History` keep several types', through every verb, with the
events that watches saw of them."""
import base64, http.client, json, random, threading

from support import CONFIGMAPS, Watch, configmap, until


class Writer(threading.Thread):
    """Creates, replaces and deletes its own objects until the connection fails or stop is set."""

    def __init__(self, server, ns, number, known=None, seed=0):
        super().__init__(daemon=True)
        self.server, self.path, self.number = server, CONFIGMAPS % ns, number
        self.known = known if known is not None else {}  # name -> [acknowledged value or None, revision, [values asked since], uid]
        self.order = []  # (revision, name, value or None) of this round
        self.random, self.stop, self.problem, self.acked = random.Random(seed * 100 + number), threading.Event(), None, 0

    def run(self):
        conn, k = self.server.connection(), 0
        try:
            while not self.stop.is_set():
                k += 1
                self.write(conn, "w%d-%d" % (self.number, self.random.randrange(12)), "%d-%d" % (k, self.random.randrange(10 ** 9)))
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        except Exception as e:
            self.problem = repr(e)
        conn.close()

    def write(self, conn, name, value):
        row = self.known.setdefault(name, [None, 0, [], None])
        delete = row[0] is not None and self.random.random() < 0.2
        row[2].append(None if delete else value)
        data = {"v": value, "padding": "x" * self.random.choice((0, 10, 5000))}
        if delete:
            status, _, body = self.server.request("DELETE", self.path + "/" + name, conn=conn)
        elif row[0] is None:
            status, _, body = self.server.post(self.path, configmap(name, data), conn=conn)
        else:
            status, _, body = self.server.request("PUT", self.path + "/" + name, configmap(name, data), conn=conn)
        if status not in (200, 201):
            raise AssertionError("%s: %s" % (name, body))
        rev = 0 if delete else int(body["metadata"]["resourceVersion"])
        if rev and rev <= row[1]:
            raise AssertionError("%s: revision %d after %d" % (name, rev, row[1]))
        self.known[name] = [row[2][-1], rev or row[1], [], None if delete else body["metadata"]["uid"]]
        self.order.append((rev, name, None if delete else value))
        self.acked += 1


def verify(server, ns, known):
    """Compares the server's objects with the ledger, and takes over what turned out to have happened. Gives the list of what is wrong."""
    listed = server.get(CONFIGMAPS % ns)[2]
    have = {o["metadata"]["name"]: o for o in listed["items"]}
    wrong = []
    for name, row in known.items():
        o = have.pop(name, None)
        value = o["data"]["v"] if o else None
        if value not in [row[0]] + row[2]:
            wrong.append("%s is %s; acknowledged: %s, asked: %s" % (name, value, row[0], row[2]))
        if o and value == row[0] and (int(o["metadata"]["resourceVersion"]) != row[1] or o["metadata"]["uid"] != row[3]):
            wrong.append("%s has another revision or uid" % name)
        if o and int(o["metadata"]["resourceVersion"]) < row[1]:
            wrong.append("%s: the revision went back" % name)
        known[name] = [value, int(o["metadata"]["resourceVersion"]) if o else row[1], [], o["metadata"]["uid"] if o else None]
    wrong += ["%s appeared from nowhere" % name for name in have]
    if known and int(listed["metadata"]["resourceVersion"]) < max(row[1] for row in known.values()):
        wrong.append("the store's revision went back")
    return wrong


# ---- several types, every verb

DEFINITION = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pages.ledger.test"},
              "spec": {"group": "ledger.test", "scope": "Namespaced", "names": {"plural": "pages", "singular": "page", "kind": "Page"},
                       "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                           "spec": {"type": "object", "properties": {"v": {"type": "string"}, "padding": {"type": "string"}}}}}}}]}}


class Kind:
    """A type of the ledger: where its objects lie, and where in them their value does."""

    def __init__(self, version, kind, resource, group, member, encoded=False):
        self.version, self.kind, self.resource, self.member, self.encoded = version, kind, resource, member, encoded
        self.path = "/%s/namespaces/%%s/%s" % ("api/v1" if not group else "apis/" + version, resource)

    def inner(self, value, padding):
        value = base64.b64encode(value.encode()).decode() if self.encoded else value
        if self.kind == "Lease":
            return {"holderIdentity": value}
        return {"v": value, "padding": "eHh4" * (padding // 4) if self.encoded else "x" * padding}

    def object(self, name, value, padding, **meta):
        return {"apiVersion": self.version, "kind": self.kind, "metadata": dict(name=name, **meta), self.member: self.inner(value, padding)}

    def value(self, o):
        v = o[self.member]["holderIdentity" if self.kind == "Lease" else "v"]
        return base64.b64decode(v).decode() if self.encoded else v


KINDS = [Kind("v1", "ConfigMap", "configmaps", "", "data"), Kind("v1", "Secret", "secrets", "", "data", encoded=True),
         Kind("ledger.test/v1", "Page", "pages", "ledger.test", "spec"),
         Kind("coordination.k8s.io/v1", "Lease", "leases", "coordination.k8s.io", "spec")]


def bare(o):
    """Without what the items of a list may leave out."""
    return {k: v for k, v in o.items() if k not in ("apiVersion", "kind")}


def by_name(listed):
    return {o["metadata"]["name"]: bare(o) for o in listed["items"]}


def rev_of(o):
    return int(o["metadata"]["resourceVersion"])


class Row:
    """One object: the acknowledged body (None: absent), and the values asked for since (None: its end)."""

    def __init__(self):
        self.body, self.maybe, self.ended = None, [], 0


class Book:
    """What all writers know of the objects in one namespace, over all rounds."""

    def __init__(self, ns="default"):
        self.ns, self.rows = ns, {}  # (resource, name) -> Row
        self.acked = 0               # operations acknowledged, over all rounds
        self.answers = []            # of this round: (kind, body) of each acknowledged put, (kind, name, uid) of each end

    def path(self, kind):
        return kind.path % self.ns

    def row(self, kind, name):
        return self.rows.setdefault((kind.resource, name), Row())


class Scribe(threading.Thread):
    """Creates, replaces, patches and deletes its own objects of every type until the server is gone."""

    def __init__(self, server, book, number, seed, big=False):
        super().__init__(daemon=True)
        self.server, self.book, self.number, self.big = server, book, number, big
        self.random, self.stop, self.problem, self.acked, self.count = random.Random(seed * 100 + number), threading.Event(), None, 0, 0

    def run(self):
        conn = self.server.connection()
        try:
            while not self.stop.is_set():
                self.step(conn)
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        except Exception as e:
            self.problem = repr(e)
        conn.close()

    def ask(self, conn, method, path, body=None, kind=None, wanted=(200, 201)):
        headers = {"Content-Type": kind} if kind else None
        status, _, answer = self.server.request(method, path, body, headers, conn=conn)
        if status not in wanted:
            raise AssertionError("%s %s: %s %s" % (method, path, status, answer))
        self.acked += 1
        return answer

    def step(self, conn):
        kind, name = self.random.choice(KINDS), "s%d-%d" % (self.number, self.random.randrange(8))
        dice = self.random.random()
        if dice < 0.02:
            self.end_all(conn, kind)
        elif self.book.row(kind, name).body is not None and dice < 0.2:
            self.end(conn, kind, name)
        else:
            self.put(conn, kind, name)

    def put(self, conn, kind, name):
        row, path = self.book.row(kind, name), self.book.path(kind)
        self.count += 1
        value = "%d-%d-%d" % (self.number, self.count, self.random.randrange(10 ** 9))
        padding = self.random.choice((20000, 200000) if self.big else (0, 12, 5000))
        row.maybe.append(value)
        o = kind.object(name, value, padding, labels={"scribe": str(self.number)})
        if row.body is None:
            body = self.ask(conn, "POST", path, o)
        else:
            how = self.random.choice(("PUT" if kind.version == "v1" else "guarded", "guarded", "merge", "json"))
            if how == "PUT":
                body = self.ask(conn, "PUT", path + "/" + name, o)
            elif how == "guarded":
                o["metadata"]["resourceVersion"] = row.body["metadata"]["resourceVersion"]
                body = self.ask(conn, "PUT", path + "/" + name, o)
            elif how == "merge":
                body = self.ask(conn, "PATCH", path + "/" + name, {kind.member: kind.inner(value, padding)}, "application/merge-patch+json")
            else:
                patch = [{"op": "replace", "path": "/" + kind.member, "value": kind.inner(value, padding)}]
                body = self.ask(conn, "PATCH", path + "/" + name, json.dumps(patch), "application/json-patch+json")
        if kind.value(body) != value:
            raise AssertionError("%s: asked for %s, got %s" % (name, value, body))
        if rev_of(body) <= (rev_of(row.body) if row.body else row.ended):
            raise AssertionError("%s: the revision did not rise: %s" % (name, body))
        body = bare(body)
        row.body, row.maybe = body, []
        self.book.answers.append((kind, body))

    def ended(self, kind, name):
        row = self.book.row(kind, name)
        self.book.answers.append((kind, name, row.body["metadata"]["uid"]))
        row.ended, row.body, row.maybe = rev_of(row.body), None, []

    def end(self, conn, kind, name):
        row = self.book.row(kind, name)
        row.maybe.append(None)
        self.ask(conn, "DELETE", self.book.path(kind) + "/" + name)
        self.ended(kind, name)

    def end_all(self, conn, kind):
        mine = [name for (resource, name), row in list(self.book.rows.items())
                if resource == kind.resource and row.body is not None and name.startswith("s%d-" % self.number)]
        for name in mine:
            self.book.row(kind, name).maybe.append(None)
        self.ask(conn, "DELETE", self.book.path(kind) + "?labelSelector=scribe%%3D%d" % self.number)
        for name in mine:
            self.ended(kind, name)


class Mayfly(Scribe):
    """Makes what only lives together: namespaces with what is in them, owners with what they own; ends the one and expects the end of the other."""

    def __init__(self, server, book, number, seed):
        super().__init__(server, book, number, seed)
        self.spaces, self.owners = {}, {}  # name -> [names in it that were acknowledged, whether the end was asked for, ... acknowledged]

    def step(self, conn):
        self.count += 1
        name = "m%d-%d-%d" % (self.number, self.count, self.random.randrange(10 ** 6))
        row = [[], False, False]
        if self.random.random() < 0.4:
            self.spaces[name] = row
            self.ask(conn, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            inside, of, end = CONFIGMAPS % name, {}, "/api/v1/namespaces/" + name
        else:
            path = CONFIGMAPS % "mayflies"
            self.owners[name] = row
            owner = self.ask(conn, "POST", path, configmap(name))
            of = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["metadata"]["uid"]}]}
            inside, end = path, path + "/" + name + "?propagationPolicy=Background"
        for k in range(3):
            self.ask(conn, "POST", inside, configmap("%s-%d" % (name, k), **of))
            row[0].append("%s-%d" % (name, k))
        if self.random.random() < 0.7:
            row[1] = True
            self.ask(conn, "DELETE", end)
            row[2] = True

    def verify(self):
        """After the restart: what was ended is gone in the end, with all that was in it; the rest is there, whole."""
        wrong, server = [], self.server
        for name, (inside, asked, acked) in self.spaces.items():
            path = "/api/v1/namespaces/" + name
            if acked:
                if not self.goes(path):
                    wrong.append("the namespace %s, whose end was acknowledged, is there: %s" % (name, server.get(path)[2]))
                elif server.get(CONFIGMAPS % name)[2]["items"]:
                    wrong.append("the namespace %s is gone and what was in it is not" % name)
            elif not asked:
                have = {o["metadata"]["name"] for o in server.get(CONFIGMAPS % name)[2]["items"]}
                if not set(inside) <= have:
                    wrong.append("in the namespace %s there are %s, of %s" % (name, sorted(have), inside))
        have = {o["metadata"]["name"] for o in server.get(CONFIGMAPS % "mayflies")[2]["items"]}
        for name, (inside, asked, acked) in self.owners.items():
            if acked:
                late = [n for n in inside if not self.goes(CONFIGMAPS % "mayflies" + "/" + n)]
                wrong += ["%s is there without its owner, whose end was acknowledged" % n for n in late]
                if name in have:
                    wrong.append("%s is there, although its end was acknowledged" % name)
            elif not asked and not set(inside) <= have:
                wrong.append("of what %s owns there are only %s" % (name, [n for n in inside if n in have]))
        return wrong

    def goes(self, path):
        try:
            return until(lambda: self.server.get(path)[0] == 404)
        except AssertionError:
            return False


class History:
    """One type's events: of a watch that the kill cut off, and of one resumed after it."""

    def __init__(self, server, book, kind):
        self.server, self.kind, self.path = server, kind, book.path(kind)
        listed = server.get(self.path)[2]
        self.state, self.begun = by_name(listed), rev_of(listed)
        self.live = Watch(server, self.path + "?resourceVersion=%d" % self.begun)

    def cut(self):
        """After the kill: the events that had come."""
        self.live.join(10)
        self.live.raw.close()
        self.seen = self.events(self.live)

    @staticmethod
    def events(watch):
        return [{"type": e["type"], "object": bare(e["object"])} for e in watch.events if e["type"] != "BOOKMARK"]

    def resume(self, chance, mark):
        """After the restart: watches from a revision that was seen, up to an object called mark, which it makes."""
        at = chance.randrange(len(self.seen) + 1)
        since = rev_of(self.seen[at - 1]["object"]) if at else self.begun
        w = Watch(self.server, self.path + "?resourceVersion=%d" % since)
        status, _, body = self.server.post(self.path, self.kind.object(mark, "mark", 0))
        if status != 201:
            return ["%s: the mark could not be made: %s" % (self.path, body)]
        until(lambda: w.events and w.events[-1]["object"]["metadata"].get("name") == mark)
        w.close()
        self.after = self.events(w)[:-1]
        self.server.request("DELETE", self.path + "/" + mark)
        before, rest = self.seen[:at], self.seen[at:]
        wrong = []
        if self.after[:len(rest)] != rest:
            wrong.append("%s: resumed at %d, the watch gave %s and had given %s" % (self.path, since, self.short(self.after[:len(rest)]), self.short(rest)))
        self.all = before + self.after
        return wrong + self.replay(body)

    @staticmethod
    def short(events):
        return ["%s %s@%s" % (e["type"], e["object"]["metadata"]["name"], e["object"]["metadata"]["resourceVersion"]) for e in events]

    def replay(self, mark):
        """Applies the events to the first state: each must fit the one before, and the last state must be the list's."""
        state, wrong, last, self.states = dict(self.state), [], self.begun, {}
        for e in self.all:
            o, name = e["object"], e["object"]["metadata"]["name"]
            was, rev = state.get(name), rev_of(e["object"])
            if rev < last or rev == last and last == self.begun:
                wrong.append("%s: event of revision %d after %d" % (self.path, rev, last))
            if (was is None) != (e["type"] == "ADDED"):
                wrong.append("%s: %s of %s, which was %s" % (self.path, e["type"], name, "absent" if was is None else "there"))
            elif was is not None:
                wrong += self.follows(was, o, e["type"])
            last = rev
            if e["type"] == "DELETED":
                del state[name]
            else:
                state[name] = o
            self.states[rev] = dict(state)
        listed = self.server.get(self.path)[2]
        have = by_name(listed)
        if have != state:
            differ = sorted(n for n in set(have) | set(state) if have.get(n) != state.get(n))
            wrong.append("%s: the list is not what the events make, at %s" % (self.path, differ))
        if rev_of(mark) <= last:
            wrong.append("%s: revision %d was used again" % (self.path, rev_of(mark)))
        self.have = have
        return wrong

    def follows(self, was, now, how):
        a, b, wrong = was["metadata"], now["metadata"], []
        if a["uid"] != b["uid"] or a["creationTimestamp"] != b["creationTimestamp"]:
            wrong.append("%s: %s became another object" % (self.path, a["name"]))
        if "generation" in a and how == "MODIFIED" and b["generation"] - a["generation"] != (was["spec"] != now["spec"]):
            wrong.append("%s: the generation of %s went from %d to %d" % (self.path, a["name"], a["generation"], b["generation"]))
        return wrong

    def old(self, chance):
        """A list at a revision that was seen before the kill gives what stood then."""
        revs = [rev_of(e["object"]) for e in self.seen]
        if not revs:
            return []
        rev = chance.choice(revs)
        status, _, body = self.server.get(self.path + "?resourceVersionMatch=Exact&resourceVersion=%d" % rev)
        if status != 200 or by_name(body) != self.states[rev]:
            return ["%s: revision %d means something else now (%s)" % (self.path, rev, status)]
        return []

    def compare(self, book):
        """The ledger: what was acknowledged is in the events as it was answered; what else is in them had been asked for; the list agrees. The book
        takes over what turned out to have happened."""
        wrong, found = [], {(e["object"]["metadata"]["name"], rev_of(e["object"])): e for e in self.all}
        told, ends = set(), {(e["object"]["metadata"]["name"], e["object"]["metadata"]["uid"]) for e in self.all if e["type"] == "DELETED"}
        for answer in book.answers:
            if answer[0] is not self.kind:
                continue
            if len(answer) == 2:
                key = (answer[1]["metadata"]["name"], rev_of(answer[1]))
                told.add(key)
                if key not in found or found[key]["object"] != answer[1]:
                    wrong.append("%s: %s was acknowledged at %d, and is not in the events so" % (self.path, *key))
            elif (answer[1], answer[2]) not in ends:
                wrong.append("%s: the end of %s was acknowledged, and is not in the events" % (self.path, answer[1]))
        ended = {a[1:] for a in book.answers if a[0] is self.kind and len(a) == 3}
        for (name, rev), e in found.items():
            maybe = book.row(self.kind, name).maybe
            if e["type"] == "DELETED":
                fine = (name, e["object"]["metadata"]["uid"]) in ended or None in maybe
            else:
                fine = (name, rev) in told or self.kind.value(e["object"]) in maybe
            if not fine:
                wrong.append("%s: nobody asked for %s of %s at %d" % (self.path, e["type"], name, rev))
        return wrong + self.settle(book)

    def settle(self, book):
        wrong, have = [], dict(self.have)
        for (resource, name), row in book.rows.items():
            if resource != self.kind.resource:
                continue
            o = have.pop(name, None)
            if o != row.body and (self.kind.value(o) if o else None) not in row.maybe:
                wrong.append("%s is %s; acknowledged: %s, asked: %s" % (name, o, row.body, row.maybe))
            if row.body is not None and o is None:
                row.ended = rev_of(row.body)
            row.body, row.maybe = o, []
        return wrong + ["%s appeared from nowhere" % name for name in have]
