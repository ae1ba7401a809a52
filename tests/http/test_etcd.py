# SPDX-License-Identifier: Apache-2.0
"""A server on etcd: what it writes others read, what happens while etcd is away, and what a restart keeps. Skipped where etcd is not
installed."""
import base64, json, os, shutil, ssl, tempfile, threading, time, unittest

import support
from lib import etcd
from lib.server import Server
from support import CONFIGMAPS, Watch, configmap, openssl, until

PATH = CONFIGMAPS % "default"


def b64(text):
    return base64.b64encode(text.encode()).decode()


@unittest.skipUnless(etcd.binary(), "etcd is not installed")
class OnEtcd(unittest.TestCase):
    def setUp(self):
        self.etcd = etcd.Etcd().start()
        self.server = self.make().start()

    def make(self, data=None):
        return Server(preset=support.PRESET, flags=["--store", "etcd=" + self.etcd.url], data=data)

    def tearDown(self):
        code, text = self.server.stop(), self.server.stderr()
        self.etcd.__exit__()
        shutil.rmtree(self.server.dir, ignore_errors=True)
        self.assertEqual(code, 0, text[-4000:])

    def put(self, name, data=None):
        return self.server.post(PATH, configmap(name, data))

    def ready(self):
        return self.server.get("/readyz")[0]

    def test_keys_and_values_are_kube_apiservers(self):
        self.assertEqual(self.put("a", {"k": "v"})[0], 201)
        kv = self.etcd.call("/v3/kv/range", {"key": b64("/registry/configmaps/default/a")})["kvs"][0]
        stored = json.loads(base64.b64decode(kv["value"]))
        self.assertEqual((stored["kind"], stored["data"]), ("ConfigMap", {"k": "v"}))
        self.assertNotIn("resourceVersion", stored["metadata"])
        self.assertEqual(self.server.get(PATH + "/a")[2]["metadata"]["resourceVersion"], kv["mod_revision"])
        # And what another program writes there is served, and watched.
        w = Watch(self.server, PATH + "?resourceVersion=" + kv["mod_revision"])
        stored["metadata"].update(name="b", uid="11111111-2222-3333-4444-555555555555")
        self.etcd.call("/v3/kv/put", {"key": b64("/registry/configmaps/default/b"), "value": b64(json.dumps(stored))})
        w.wait(1)
        self.assertEqual(w.events[0]["object"]["metadata"]["name"], "b")
        w.close()
        self.assertEqual(self.server.get(PATH + "/b")[2]["data"], {"k": "v"})

    def test_etcd_goes_and_comes_back(self):
        made = self.put("a")[2]
        w = Watch(self.server, PATH + "?resourceVersion=" + made["metadata"]["resourceVersion"])
        self.etcd.kill()
        until(lambda: self.ready() != 200)
        begun = time.monotonic()
        status, _, body = self.put("b")
        self.assertEqual((status, body["kind"], body["reason"]), (503, "Status", "ServiceUnavailable"))
        self.assertIn("etcd", body["message"])
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual(self.server.get(PATH + "/a")[0], 200)
        self.assertEqual(self.server.get("/livez")[0], 200)
        self.etcd.start()
        until(lambda: self.ready() == 200)
        self.assertEqual(self.put("b")[0], 201)
        w.wait(1)
        self.assertEqual([(e["type"], e["object"]["metadata"]["name"]) for e in w.events], [("ADDED", "b")])
        w.close()

    def test_etcd_stands_still(self):
        self.put("a")
        answers = []
        self.etcd.pause()
        t = threading.Thread(target=lambda: answers.append(self.put("b")))
        t.start()
        time.sleep(0.3)
        self.assertEqual(self.server.get(PATH + "/a")[0], 200)
        t.join(60)
        self.etcd.resume()
        status, _, body = answers[0]
        self.assertEqual((status, body["reason"]), (504, "Timeout"))
        self.assertIn("not known", body["message"])
        until(lambda: self.put("c")[0] == 201)

    def test_two_servers_are_one(self):
        """What one acknowledged the other lists, watches, deletes and finds by version, at once."""
        def names(body):
            return {o["metadata"]["name"] for o in body["items"]}
        with self.make() as other:
            here, there = self.server.connection(), other.connection()
            for k in range(40):
                name, label = "both-%d" % k, "k%d" % k
                status, _, made = self.server.request("POST", PATH, configmap(name, labels={"round": label}), conn=here)
                self.assertEqual(status, 201, made)
                if k % 4 == 0:
                    self.assertIn(name, names(other.request("GET", PATH, conn=there)[2]))
                elif k % 4 == 1:
                    version = made["metadata"]["resourceVersion"]
                    status, _, found = other.request("GET", PATH + "/" + name + "?resourceVersion=" + version, conn=there)
                    self.assertEqual((status, found["metadata"].get("resourceVersion")), (200, version))
                elif k % 4 == 2:
                    w = Watch(other, PATH + "?labelSelector=round=" + label)
                    w.wait(1)
                    self.assertEqual(w.events[0]["object"]["metadata"]["name"], name)
                    w.close()
                else:
                    other.request("DELETE", PATH + "?labelSelector=round=" + label, conn=there)
                    self.assertNotIn(name, names(self.server.request("GET", PATH, conn=here)[2]))
            here.close()
            there.close()

    def test_one_stops_and_starts_while_another_writes(self):
        """What others write comes at every moment of a start and of a stop, and is told to nobody who has gone."""
        stop, problems = threading.Event(), []

        def write():
            conn, k = self.server.connection(), 0
            try:
                while not stop.is_set():
                    k += 1
                    status, _, body = self.server.post(PATH, configmap(None, generateName="busy-"), conn=conn)
                    if status != 201:
                        problems.append(body)
            except Exception as e:
                problems.append(repr(e))
            conn.close()
        threads = [threading.Thread(target=write) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            other = self.make()
            for _ in range(5):
                with other:
                    self.assertEqual(other.get("/readyz")[0], 200)
                other = self.make()
        finally:
            stop.set()
            for t in threads:
                t.join()
        shutil.rmtree(other.dir, ignore_errors=True)
        self.assertEqual(problems, [])

    def test_lists_of_now_need_etcd(self):
        self.assertEqual(self.put("a")[0], 201)
        self.etcd.kill()
        status, _, body = self.server.get(PATH)
        self.assertEqual((status, body["reason"]), (503, "ServiceUnavailable"))
        self.assertEqual(self.server.get(PATH + "?watch=1&timeoutSeconds=1")[0], 503)
        self.assertEqual(self.server.get(PATH + "?resourceVersion=0")[0], 200)
        self.assertEqual(self.server.get(PATH + "/a")[0], 200)

    def test_a_restart_keeps_what_was_written_and_what_was_missed(self):
        first = self.put("a")[2]["metadata"]["resourceVersion"]
        self.put("b")
        self.server.request("DELETE", PATH + "/a")
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual([o["metadata"]["name"] for o in self.server.get(PATH)[2]["items"] if o["metadata"]["name"] != "kube-root-ca.crt"], ["b"])
        w = Watch(self.server, PATH + "?resourceVersion=" + first)
        w.wait(2)
        self.assertEqual([(e["type"], e["object"]["metadata"]["name"]) for e in w.events][:2], [("ADDED", "b"), ("DELETED", "a")])
        w.close()
        # The collector finds owners written before: its index was built anew.
        owner = self.put("owner")[2]["metadata"]
        owned = configmap("owned", ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}])
        self.assertEqual(self.server.post(PATH, owned)[0], 201)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.server.request("DELETE", PATH + "/owner")
        until(lambda: self.server.get(PATH + "/owned")[0] == 404)


@unittest.skipUnless(etcd.binary(), "etcd is not installed")
class OverTls(unittest.TestCase):
    def authority(self, name):
        """A certificate for 127.0.0.1 that is its own authority: paths of certificate and key."""
        cert, key = os.path.join(self.dir, name + ".crt"), os.path.join(self.dir, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
        return cert, key

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-tls-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def test_client_certificates(self):
        (cert, key), (mine, mine_key), (other, other_key) = self.authority("etcd"), self.authority("coracle"), self.authority("stranger")
        both = os.path.join(self.dir, "both.crt")  # etcd's gateway calls etcd itself with the server's certificate
        with open(both, "w") as f:
            f.write(open(cert).read() + open(mine).read())
        context = ssl.create_default_context(cafile=cert)
        context.load_cert_chain(mine, mine_key)
        flags = ["--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", both]
        with etcd.Etcd(flags, tls=context) as e:
            store = ["--store", "etcd=" + e.url, "--etcd-prefix", "/other/place/"]
            with Server(preset=support.PRESET, flags=store + ["--etcd-cafile", cert, "--etcd-certfile", mine, "--etcd-keyfile", mine_key]) as s:
                self.assertEqual(s.post(PATH, configmap("a"))[0], 201)
                self.assertEqual(s.get(PATH + "/a")[0], 200)
            self.assertEqual(int(e.call("/v3/kv/range", {"key": b64("/other/place/configmaps/default/a")}).get("count", 0)), 1)
            for wrong in ([], ["--etcd-cafile", cert], ["--etcd-cafile", other, "--etcd-certfile", mine, "--etcd-keyfile", mine_key],
                          ["--etcd-cafile", cert, "--etcd-certfile", other, "--etcd-keyfile", other_key]):
                s = Server(preset=support.PRESET, flags=store + wrong)
                with self.assertRaisesRegex(RuntimeError, "etcd"):
                    s.start()
                shutil.rmtree(s.dir, ignore_errors=True)
