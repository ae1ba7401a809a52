# SPDX-License-Identifier: Apache-2.0
"""What a start makes and takes: files and their modes, certificates, flags, the configuration file, directories of definitions."""
import json, os, re, shutil, signal, socket, ssl, stat, subprocess, tempfile, time, unittest

import support
from lib.server import ROOT, Server, binary
from support import CONFIGMAPS, Kept, Raw, configmap, kubeconfig, openssl, until


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Own(unittest.TestCase):
    """Tests with servers of their own, in one directory."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="coracle-start-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.servers = []

    def tearDown(self):
        for s in self.servers:
            try:
                if s.process:
                    code = s.stop()
                    self.assertEqual(code, 0, s.stderr()[-3000:])
                self.assertNotIn("Sanitizer", s.stderr())
            finally:
                shutil.rmtree(s.dir, ignore_errors=True)

    def server(self, *flags, **kw):
        s = Kept(preset=support.PRESET, flags=flags, **kw)
        self.servers.append(s)
        return s.start()

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def run_serve(self, *flags):
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=77", LSAN_OPTIONS="print_suppressions=0")
        args = list(flags)
        if "--data" not in args:
            args += ["--data", os.path.join(self.dir, "refused")]
        if not [a for a in args if a.startswith("--listen")]:
            args += ["--listen", "127.0.0.1:0"]
        return subprocess.run([binary(support.PRESET), "serve"] + args, capture_output=True, text=True, timeout=120, env=env, cwd=self.dir)

    def refused(self, flags, *words, code=1):
        """The server does not start, and its last line says why."""
        p = self.run_serve(*flags)
        self.assertEqual(p.returncode, code, p.stderr)
        for w in words:
            self.assertIn(w, p.stderr.splitlines()[-1])

    def authority(self, name, cn="other", o=None):
        """Another authority and a client certificate signed by it: (ca, cert, key)."""
        d = os.path.join(self.dir, name)
        os.makedirs(d)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj",
                "/CN=" + name, cwd=d)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "c.key", "-out", "c.csr", "-subj",
                ("/O=" + o if o else "") + "/CN=" + cn, cwd=d)
        openssl("x509", "-req", "-in", "c.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "c.crt", "-days", "2", cwd=d)
        return tuple(os.path.join(d, f) for f in ("ca.crt", "c.crt", "c.key"))

    def who(self, s, cert):
        """The user that the server takes the client certificate's bearer for; None: refused."""
        body = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
        try:
            with Raw(s, cert=cert) as r:
                r.head("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", [("Content-Type", "application/json"), ("Content-Length", len(body))], auth=False)
                a = r.send(body).read()
        except (ssl.SSLError, EOFError, ConnectionError):
            return None
        if a.status == 401:
            return None
        self.assertEqual(a.status, 201, a)
        return a.json()["status"]["userInfo"]


class FirstStart(Own):
    def test_files_and_modes(self):
        old = os.umask(0)  # the modes are the server's own choice
        try:
            s = self.server()
        finally:
            os.umask(old)
        self.assertEqual(mode(s.kubeconfig), 0o600)
        self.assertEqual(mode(s.data + "/pki/server.key"), 0o600)
        self.assertEqual(mode(s.data + "/pki"), 0o700)
        for d, _, names in os.walk(s.data + "/store"):
            self.assertEqual(mode(d) & 0o077, 0)
            for n in names:
                self.assertEqual(mode(os.path.join(d, n)) & 0o077, 0, n)
        out = open(s.out).read()
        self.assertIn(s.url, out)
        self.assertIn(s.kubeconfig, out)
        self.assertEqual(len(re.findall(r"^  kubectl ", out, re.M)), 3)
        self.assertIn("every authenticated user may do everything", s.stderr())

    def test_the_kubeconfig_works(self):
        s = self.server()
        k = kubeconfig(s.kubeconfig)
        self.assertEqual(k["server"], s.url)
        self.file("ca.crt", k["certificate-authority-data"])
        cert = (self.file("c.crt", k["client-certificate-data"]), self.file("c.key", k["client-key-data"]))
        with Raw(s, verify=self.dir + "/ca.crt", cert=cert) as r:  # the server proves who it is, for its address
            a = r.head("GET", "/api/v1/namespaces", auth=False).read()
        self.assertEqual(a.status, 200, a)
        user = self.who(s, cert)
        self.assertEqual(user["username"], "coracle-admin")
        self.assertIn("system:masters", user["groups"])
        text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", s.data + "/pki/server.crt"], capture_output=True, text=True).stdout
        self.assertIn("prime256v1", text)
        for name in ("DNS:localhost", "IP Address:127.0.0.1"):
            self.assertIn(name, text)

    def test_tokens(self):
        s = self.server(tokens='secret,"the, user",u1,"g1,g2"\nplain,bob,u2\n')
        s.token = "secret"
        status, _, body = s.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
        info = body["status"]["userInfo"]
        self.assertEqual((info["username"], info["uid"], sorted(info["groups"])), ("the, user", "u1", ["g1", "g2", "system:authenticated"]))
        self.assertEqual(s.get("/api", token="plain")[0], 200)
        for token in ("Secret", "secre", "secrett", "u1", "bob"):
            self.assertEqual(s.get("/api", token=token)[0], 401)
        self.assertEqual(s.get("/api", headers={"Authorization": None})[0], 401)
        for path in ("/healthz", "/livez", "/readyz", "/version"):
            self.assertEqual(s.get(path, headers={"Authorization": None})[0], 200)

    def test_client_certificates(self):
        ours, theirs = self.authority("ours", "carol", "team"), self.authority("theirs", "mallory", "system:masters")
        s = self.server("--client-ca", ours[0])
        user = self.who(s, ours[1:])
        self.assertEqual(user["username"], "carol")
        self.assertIn("team", user["groups"])
        self.assertIsNone(self.who(s, theirs[1:]))
        self.assertIsNone(self.who(s, None))
        k = kubeconfig(s.kubeconfig)  # the server's own authority counts beside the other
        self.assertEqual(self.who(s, (self.file("c.crt", k["client-certificate-data"]), self.file("c.key", k["client-key-data"])))["username"], "coracle-admin")
        self.assertEqual(s.get("/api")[0], 200)
        plain = self.server()
        self.assertIsNone(self.who(plain, ours[1:]))

    def test_own_certificate_and_reload(self):
        def make(cn):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "s.key", "-out", "s.crt", "-days", "2", "-subj",
                    "/CN=" + cn, "-addext", "subjectAltName=IP:127.0.0.1", cwd=self.dir)

        def served():
            with Raw(s) as r:
                der = r.s.getpeercert(True)
            text = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der, capture_output=True).stdout.decode()
            return text.split("CN = ")[1].strip()
        make("first")
        s = self.server("--tls-cert", self.dir + "/s.crt", "--tls-key", self.dir + "/s.key", level="info")
        self.assertEqual(served(), "first")
        self.file("ca.crt", kubeconfig(s.kubeconfig)["certificate-authority-data"])
        with Raw(s, verify=self.dir + "/ca.crt") as old:
            make("second")
            self.assertEqual(served(), "first")
            s.process.send_signal(signal.SIGHUP)
            until(lambda: served() == "second")
            self.assertEqual(old.head("GET", "/version").read().status, 200)  # who is there stays
        self.file("s.crt", "broken")
        s.process.send_signal(signal.SIGHUP)
        until(lambda: "the certificates were not read again" in s.stderr())
        self.assertEqual(served(), "second")
        make("third")
        s.process.send_signal(signal.SIGHUP)
        until(lambda: served() == "third")

    def test_unix_socket(self):
        path = self.dir + "/sock"
        s = self.server("--listen", "unix:" + path)
        with Raw(s, path=path) as r:
            self.assertEqual(r.head("GET", "/api/v1/namespaces").read().status, 200)
            self.assertEqual(r.head("GET", "/api/v1/namespaces", auth=False).read().status, 401)
        s.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(path))
        s.start()  # what was left behind is no hindrance
        with Raw(s, path=path) as r:
            self.assertEqual(r.head("GET", "/version").read().status, 200)
        self.refused(["--listen", "unix:" + path], path, "in use")
        self.assertEqual(s.stop(), 0)
        self.assertFalse(os.path.exists(path))
        precious = self.file("precious", "text")
        self.refused(["--listen", "unix:" + precious], precious, "no socket")
        self.assertEqual(open(precious).read(), "text")

    def test_only_a_unix_socket(self):
        path, out = self.dir + "/sock", self.dir + "/data"
        ready_r, ready_w = os.pipe()
        p = subprocess.Popen([binary(support.PRESET), "serve", "--data", out, "--listen", "unix:" + path, "--log-level", "error", "--ready-fd", str(ready_w)],
                             pass_fds=[ready_w], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(ready_w)
        self.assertEqual(os.read(ready_r, 10), b"\n")
        os.close(ready_r)
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", s.recv(1000)[:20])
        s.close()
        p.terminate()
        _, errors = p.communicate(timeout=120)
        self.assertEqual((p.returncode, b"Sanitizer" in errors), (0, False), errors)

    def test_two_addresses(self):
        s = self.server("--listen", "[::1]:0" if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") and open("/proc/net/if_inet6").read() else "127.0.0.1:0",
                        level="info")
        addresses = re.findall(r"listening address=\"?([^\s\"]+)", s.stderr())
        self.assertEqual(len(addresses), 2)
        for a in addresses:
            self.assertNotEqual(a.rsplit(":", 1)[1], "0")
            host, port = a.rsplit(":", 1)
            c = ssl._create_unverified_context().wrap_socket(socket.create_connection((host.strip("[]"), int(port)), 10))
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200", c.recv(1000)[:20])
            c.close()
        self.assertEqual(kubeconfig(s.kubeconfig)["server"], "https://" + addresses[0])


class Flags(Own):
    def test_refusals_name_what_is_wrong(self):
        busy = socket.socket()
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = "127.0.0.1:%d" % busy.getsockname()[1]
        self.refused(["--listen", address], address, "in use")
        busy.close()
        for listen in ("nonsense", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1", "300.1.2.3:1", "unix:/nonexistent/sock", "unix:" + "/x" * 100):
            self.refused(["--listen", listen], listen.replace("unix:", ""))
        self.refused(["--token-file", "/nonexistent"], "/nonexistent")
        self.refused(["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "/nonexistent")
        self.refused(["--client-ca", "/nonexistent"], "--client-ca", "/nonexistent")
        self.refused(["--client-ca", self.file("empty", "no certificate here\n")], "--client-ca", "no certificate")
        self.refused(["--store", "etcd=127.0.0.1:2379"], "127.0.0.1:2379", "is not the URL of a server")
        self.refused(["--data", self.file("file", "x")], self.dir + "/file")
        self.refused(["--data", "/proc/nothing"], "/proc/nothing")
        self.refused(["--kubeconfig", "/nonexistent/k"], "/nonexistent/k")
        self.refused(["--nosuch"], "--nosuch", code=2)
        self.refused(["--log-level", "loud"], "--log-level", code=2)
        self.refused(["--config", "/nonexistent.yaml"], "/nonexistent.yaml", code=2)
        self.refused(["extra"], "extra", code=2)

    def test_token_files(self):
        path = self.dir + "/tokens"
        for text, record in (("only-a-token\n", 1), ("t,user,uid\nx,y\n", 2), ('t,user,uid,"open\n', 1), ('t,user,uid,"a"b\n', 1)):
            self.file("tokens", text)
            self.refused(["--token-file", path], "token file " + path, "record %d" % record)
        s = self.server(tokens=",nobody,none\nt,user,uid\n")  # an empty token is nobody's
        self.assertEqual(s.get("/api", token="t")[0], 200)
        self.assertEqual(s.get("/api", headers={"Authorization": "Bearer "})[0], 401)
        self.assertIn("empty token", s.stderr())

    def test_damaged_files(self):
        s = self.server()
        self.assertEqual(s.stop(), 0)
        key = s.data + "/pki/server.key"
        whole = open(key).read()
        with open(key, "w") as f:
            f.write(whole[:50])
        self.refused(["--data", s.data], "pki/server")
        os.unlink(key)
        self.refused(["--data", s.data], key)
        with open(key, "w") as f:
            f.write(whole)
        with open(s.data + "/store/store.db", "r+b") as f:
            f.write(b"this is no database" * 10)
        self.refused(["--data", s.data], s.data + "/store")

    def test_commands(self):
        run = lambda *a: subprocess.run([binary(support.PRESET), *a], capture_output=True, text=True, timeout=120)
        p = run("version")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertRegex(p.stdout, r"^coracle \d+\.\d+\.\d+\n$")
        p = run("serve", "--help")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertIn("--listen", p.stdout)
        for args in ((), ("nonsense",), ("--nosuch",)):
            p = run(*args)
            self.assertEqual((p.returncode, p.stdout), (2, ""))
            self.assertIn("Usage", p.stderr)
        p = run("services")
        self.assertEqual(p.returncode, 0)
        for name in ("storage", "engine", "garbage_collector (background)", "namespaces"):
            self.assertRegex(p.stdout, "(?m)^" + re.escape(name))
        p = run("services", "--dot")
        self.assertTrue(p.stdout.startswith("digraph services {") and p.stdout.endswith("}\n"))
        self.assertIn('"engine" -> "store"', p.stdout)
        self.assertEqual(p.stdout.count("{"), p.stdout.count("}"))

    def test_log_formats(self):
        s = self.server("--log-format", "json", level="debug")
        s.get("/version")
        s.get("/api/v1/namespaces/x\"y", headers={"User-Agent": 'evil"\\agent'})
        self.assertEqual(s.stop(), 0)
        lines = [json.loads(l) for l in s.stderr().splitlines()]
        self.assertTrue(all({"time", "level", "message"} <= set(l) or {"ts", "level", "msg"} <= set(l) for l in lines), lines[0])
        requests = [l for l in lines if "/version" in json.dumps(l)]
        self.assertEqual(len(requests), 1, requests)

    def test_log_levels(self):
        quiet, loud = self.server(level="error"), self.server(level="debug")
        for s in (quiet, loud):
            s.get("/version")
            s.get("/nothing")
            self.assertEqual(s.stop(), 0)
        self.assertEqual(quiet.stderr(), "")
        self.assertIn("/version", loud.stderr())


class ConfigFile(Own):
    def test_every_setting(self):
        self.file("defs/crd.yaml", CRD % {"name": "fromconfig", "kind": "FromConfig"})
        self.file("tokens", "tok,user,uid\n")
        path = self.file("coracle.yaml", "data: %s/from-file\nlisten: [127.0.0.1:0, 'unix:%s/sock']\nstore: memory\ntoken-file: %s/tokens\nschemas: [%s/defs]\n"
                         "log-level: info\nlog-format: json\nkubeconfig: %s/kube\nservices: {garbage_collector: {enabled: false}, no_such: {enabled: false}}\n"
                         % ((self.dir,) * 5))
        ready_r, ready_w = os.pipe()
        p = subprocess.Popen([binary(support.PRESET), "serve", "--config", path, "--ready-fd", str(ready_w)], pass_fds=[ready_w], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=dict(os.environ, LSAN_OPTIONS="print_suppressions=0"))
        os.close(ready_w)
        self.assertEqual(os.read(ready_r, 1), b"\n")
        os.close(ready_r)
        s = Server(preset=support.PRESET)
        s.token, s.port = "tok", int(kubeconfig(self.dir + "/kube")["server"].rsplit(":", 1)[1])
        self.assertEqual(s.get("/apis/start.black.box/v1/fromconfig")[0], 200)
        # Without the collector a dependent stays.
        owner = s.post(CONFIGMAPS % "default", configmap("owner"))[2]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        s.post(CONFIGMAPS % "default", configmap("dependent", ownerReferences=[reference]))
        s.request("DELETE", CONFIGMAPS % "default" + "/owner")
        time.sleep(0.5)
        self.assertEqual(s.get(CONFIGMAPS % "default" + "/dependent")[0], 200)
        shutil.rmtree(s.dir)
        p.terminate()
        _, errors = p.communicate(timeout=120)
        self.assertEqual(p.returncode, 0, errors)
        messages = [json.loads(l) for l in errors.splitlines()]
        self.assertTrue([m for m in messages if "no_such" in json.dumps(m)], errors)
        self.assertFalse(os.path.exists(self.dir + "/from-file/store/store.db"))

    def test_a_flag_wins(self):
        path = self.file("coracle.yaml", "data: /nonexistent/data\nlisten: nonsense\nlog-level: debug\n")
        s = self.server("--config", path)
        self.assertEqual(s.get("/version")[0], 200)
        self.assertNotIn("DEBUG", s.stderr())

    def test_refusals(self):
        for text, word in (("dta: x\n", "dta"), ("listen: {}\n", "listen"), ("- x\n", "map"), ("data: [\n", "coracle.yaml"), ("log-level: 9\n", "log-level")):
            self.refused(["--config", self.file("coracle.yaml", text)], word, code=2)


CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %(name)s.start.black.box}
spec:
  group: start.black.box
  scope: Namespaced
  names: {plural: %(name)s, singular: %(name)s, kind: %(kind)s}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {n: {type: integer}}}}}}
"""
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Schemas(Own):
    def test_every_form(self):
        import yaml
        one = CRD % {"name": "ones", "kind": "One"}
        self.file("a/one.yaml", one)
        self.file("a/many.yml", "---\n" + CRD % {"name": "twos", "kind": "Two"} + "---\n# nothing\n---\n" + CRD % {"name": "threes", "kind": "Three"} + "---\n")
        self.file("b/four.json", json.dumps(yaml.safe_load(CRD % {"name": "fours", "kind": "Four"})))
        self.file("a/README.md", "not a definition: {")
        self.file("b/other.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: left-out}\n")  # as in published sets
        s = self.server("--schemas", self.dir + "/a", "--schemas", self.dir + "/b")
        for name in ("ones", "twos", "threes", "fours"):
            status, _, body = s.get("/apis/start.black.box/v1/" + name)
            self.assertEqual((status, body["items"]), (200, []), name)
        names = {o["metadata"]["name"] for o in s.get(CRDS)[2]["items"]}
        self.assertLessEqual({n + ".start.black.box" for n in ("ones", "twos", "threes", "fours")}, names)
        self.assertIn("left-out", s.stderr())
        path = "/apis/start.black.box/v1/namespaces/default/ones"
        self.assertEqual(s.post(path, {"apiVersion": "start.black.box/v1", "kind": "One", "metadata": {"name": "x"}, "spec": {}})[0], 201)
        # Started again with a changed file, it is served as changed, and what was there stays.
        self.file("a/one.yaml", one.replace("n: {type: integer}", "m: {type: string, default: new}"))
        self.assertEqual(s.stop(), 0)
        s.start()
        self.assertEqual(s.get(path + "/x")[2]["spec"], {"m": "new"})
        uid = s.get(CRDS + "/ones.start.black.box")[2]["metadata"]["uid"]
        self.assertEqual(s.stop(), 0)
        s.start()
        self.assertEqual(s.get(CRDS + "/ones.start.black.box")[2]["metadata"]["uid"], uid)

    def test_bad_ones_are_named(self):
        self.refused(["--schemas", "/nonexistent"], "--schemas", "/nonexistent")
        for name, text in (("broken.yaml", "a: ["), ("broken.json", "{"), ("old.yaml", (CRD % {"name": "olds", "kind": "Old"}).replace("io/v1\n", "io/v1beta1\n")),
                           ("list.json", '{"kind": "List", "apiVersion": "v1", "items": [7]}'), ("text.yaml", "just text\n"),
                           ("invalid.yaml", (CRD % {"name": "bads", "kind": "Bad"}).replace("type: integer", "type: nonsense")),
                           ("second.yaml", CRD % {"name": "fines", "kind": "Fine"} + "---\n" + (CRD % {"name": "bads", "kind": "Bad"}).replace("scope: Namespaced", "scope: Sometimes"))):
            d = self.dir + "/" + name.replace(".", "-")
            self.file(os.path.join(d, name), text)
            p = self.run_serve("--schemas", d)
            self.assertEqual(p.returncode, 1, p.stderr)
            self.assertIn(name, p.stderr.splitlines()[-1])


class Example(Own):
    def test_greetings(self):
        import yaml
        s = Kept(preset=support.PRESET, program="coracle-example")
        if not os.path.exists(s.binary):
            shutil.rmtree(s.dir)
            self.skipTest("%s is not built" % s.binary)
        self.servers.append(s)
        s.start()
        greetings, target = "/apis/example.coracle.dev/v1/namespaces/default/greetings", CONFIGMAPS % "default" + "/hello"
        with open(os.path.join(ROOT, "examples", "greeter", "hello.yaml")) as f:
            hello = yaml.safe_load(f)
        status, _, made = s.post(greetings, hello)
        self.assertEqual((status, made["spec"]), (201, {"to": "world", "word": "Hello"}))

        def greeting():
            status, _, body = s.get(target)
            return body["data"].get("greeting") if status == 200 else None
        until(lambda: greeting() == "Hello, world!")
        owner = s.get(target)[2]["metadata"]["ownerReferences"][0]
        self.assertEqual((owner["kind"], owner["uid"]), ("Greeting", made["metadata"]["uid"]))
        # Its status says so, and the table shows it.
        until(lambda: s.get(greetings + "/hello")[2].get("status") == {"message": "Hello, world!", "observedGeneration": 1})
        table = s.get(greetings, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})[2]
        self.assertEqual(table["rows"][0]["cells"][:2], ["hello", "Hello, world!"])
        # Deleted, it comes back; changed, it is put right.
        uid = s.get(target)[2]["metadata"]["uid"]
        self.assertEqual(s.request("DELETE", target)[0], 200)
        until(lambda: greeting() == "Hello, world!" and s.get(target)[2]["metadata"]["uid"] != uid)
        merge = {"Content-Type": "application/merge-patch+json"}
        s.request("PATCH", target, {"data": {"greeting": "Boo"}}, merge)
        until(lambda: greeting() == "Hello, world!")
        # A change of the spec goes through.
        status, _, body = s.request("PATCH", greetings + "/hello", {"spec": {"to": "moon", "word": "Good night"}}, merge)
        self.assertEqual((status, body["metadata"]["generation"]), (200, 2))
        until(lambda: greeting() == "Good night, moon!")
        until(lambda: s.get(greetings + "/hello")[2]["status"]["observedGeneration"] == 2)
        # When nothing changes, nothing is written.
        time.sleep(0.3)
        rev = s.get(target)[2]["metadata"]["resourceVersion"], s.get(greetings + "/hello")[2]["metadata"]["resourceVersion"]
        s.request("PATCH", greetings + "/hello", {"metadata": {"labels": {"a": "b"}}}, merge)
        time.sleep(0.3)
        self.assertEqual(s.get(target)[2]["metadata"]["resourceVersion"], rev[0])
        # What the schema refuses is refused.
        self.assertEqual(s.post(greetings, dict(hello, metadata={"name": "bad"}, spec={"to": ""}))[0], 422)
        # It works on after a restart, also on what changed meanwhile; and the ConfigMap goes with the Greeting.
        self.assertEqual(s.stop(), 0)
        s.start()
        s.request("DELETE", target)
        until(lambda: greeting() == "Good night, moon!")
        self.assertEqual(s.request("DELETE", greetings + "/hello")[0], 200)
        until(lambda: s.get(target)[0] == 404)
        time.sleep(0.2)
        self.assertEqual(s.get(target)[0], 404)
        self.assertNotIn("Sanitizer", s.stderr())
