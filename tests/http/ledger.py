# SPDX-License-Identifier: Apache-2.0
"""Writers with a ledger: what was acknowledged, and what was asked and not answered, by object. A killed server must have the former and may have
the latter."""
import http.client, random, threading

from support import CONFIGMAPS, configmap


class Writer(threading.Thread):
    """Creates, replaces and deletes its own objects until the connection fails or stop is set."""

    def __init__(self, server, ns, number, known=None, seed=0):
        super().__init__(daemon=True)
        self.server, self.path, self.number = server, CONFIGMAPS % ns, number
        self.known = known if known is not None else {}  # name -> [acknowledged value or None, revision, [values asked since], uid]
        self.order = []  # (revision, name, value or None) of this round
        self.random, self.stop, self.problem, self.acked = random.Random(seed * 100 + number), threading.Event(), None, 0

    def run(self):
        conn, k = self.server.connection(timeout=20), 0
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
