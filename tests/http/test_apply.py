# SPDX-License-Identifier: Apache-2.0
"""Server-side apply over HTTP: bodies in YAML and JSON, managers from headers and queries, answers in every form, hostile ownership, many at once."""
import json, threading

from support import Case, CONFIGMAPS, LIMITS

APPLY = "application/apply-patch+yaml"


class Apply(Case):
    def setUp(self):
        super().setUp()
        self.base = CONFIGMAPS % self.ns

    def apply(self, name, body, query="fieldManager=m1", type_=APPLY):
        body = body if isinstance(body, str) else json.dumps(body)
        return self.server.request("PATCH", "%s/%s?%s" % (self.base, name, query), body, {"Content-Type": type_})

    def map(self, name, data, **meta):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": dict({"name": name}, **meta), "data": data}

    def owners(self, o):
        return [(e["manager"], e["operation"]) for e in o["metadata"].get("managedFields", [])]

    def test_bodies(self):
        status, _, o = self.apply("a", "# said\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  creationTimestamp: null\ndata: {k: \"yes\"}\n---\nkind: Other\n")
        self.assertEqual((status, o["data"]), (201, {"k": "yes"}))
        status, _, o = self.apply("a", self.map("a", {"k": "json"}))
        self.assertEqual((status, o["data"]), (200, {"k": "json"}))
        status, _, o = self.apply("a", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: yes}\n")  # YAML 1.1: a boolean
        self.assertEqual(status, 500)
        self.assertIn(".data.k: expected string, got &value.valueUnstructured{Value:true}", o["message"])
        self.assertNotIn("reason", o)

    def test_duplicate_keys_are_told_with_their_line(self):
        body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata:\n  k: a\n  k: b\n"
        told = 'yaml: unmarshal errors:\n  line 6: key "k" already set in map'
        status, headers, o = self.apply("d", body, "fieldManager=m1&fieldValidation=Strict")
        self.assertEqual((status, o["message"]), (400, "error strict decoding patch: error converting YAML to JSON: " + told))
        status, headers, o = self.apply("d", body)
        self.assertEqual((status, o["data"]), (201, {"k": "b"}))
        self.assertIn("already set in map", str(headers))

    def test_what_is_refused(self):
        for body, query, code, said in (
                ("{", "fieldManager=m", 400, "error decoding patch: error converting YAML to JSON: yaml: "),
                ("a: b: c", "fieldManager=m", 400, "error encoding patch: yaml: "),
                ("[]", "fieldManager=m", 400, "cannot unmarshal array into Go value of type map[string]interface {}"),
                ("", "fieldManager=m", 400, "invalid object type: /, Kind="),
                (self.map("x", {}), "", 422, "fieldManager: Required value: is required for apply patch"),
                (self.map("x", {}), "fieldManager=" + "x" * 129, 422, "fieldManager: Too long: may not be more than 128 bytes"),
                (self.map("x", {}), "fieldManager=a%07b", 422, "invalid character U+0007 (at position 1)"),
                (self.map("y", {}), "fieldManager=m", 400, "the name of the object (y) does not match the name on the URL (x)"),
                (self.map("x", {}, managedFields=[]), "fieldManager=m", 400, "metadata.managedFields must be nil")):
            status, _, o = self.apply("x", body, query)
            self.assertEqual(status, code, (body, o))
            self.assertIn(said, o["message"])
        deep = "[" * (LIMITS["LIMIT_DEPTH"] + 1) + "]" * (LIMITS["LIMIT_DEPTH"] + 1)
        self.assertEqual(self.apply("x", '{"a":%s}' % deep)[0], 400)

    def test_the_manager_of_who_names_none(self):
        for agent, manager in (("kubelet/v1.30 (linux)", "kubelet"), ("x" * 200, "x" * 128), ("", "unknown"), ("with space/1", "with space")):
            name = "agent-%d" % len(agent)
            status, _, o = self.server.request("POST", self.base, json.dumps(self.map(name, {"a": "b"})), {"Content-Type": "application/json", "User-Agent": agent})
            self.assertEqual((status, self.owners(o)), (201, [(manager, "Update")]), agent)

    def test_every_representation_carries_them(self):
        self.apply("shown", self.map("shown", {"a": "b"}))
        for accept, find in (("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", lambda o: o),
                             ("application/json;as=Table;g=meta.k8s.io;v=v1", lambda o: o["rows"][0]["object"])):
            o = self.server.request("GET", self.base + "/shown", None, {"Accept": accept})[2]
            self.assertEqual(self.owners(find(o)), [("m1", "Apply")], accept)

    def test_hostile_ownership_is_survived(self):
        self.apply("h", self.map("h", {"a": "b"}))
        entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
        deep = {}
        for _ in range(LIMITS["LIMIT_DEPTH"] - 6):
            deep = {"f:a": deep}
        for fields in (deep, {"k:{": {}}, {"k:[1]": {}}, {"v:": {}}, {"i:99999999999999999999": {}}, {"": {}}, {"f": 1}, {".": {".": {}}}, [], "x", 7, {"f:a": None},
                       {"k:%s" % json.dumps({"n%d" % i: i for i in range(1000)}): {}}):
            o = self.server.get(self.base + "/h")[2]
            o["metadata"]["managedFields"] = [dict(entry, fieldsV1=fields)]
            status, _, answer = self.server.request("PUT", self.base + "/h", json.dumps(o), {"Content-Type": "application/json"})
            self.assertIn(status, (200, 400, 422), (str(fields)[:80], answer))
            self.assertIn(self.apply("h", self.map("h", {"a": "b"}), "fieldManager=m1&force=true")[0], (200, 201), str(fields)[:80])
        many = [dict(entry, manager="m%d" % i, fieldsV1={"f:data": {"f:k%d" % i: {}}}) for i in range(5000)]
        o = self.server.get(self.base + "/h")[2]
        o["metadata"]["managedFields"] = many
        status, _, o = self.server.request("PUT", self.base + "/h", json.dumps(o), {"Content-Type": "application/json"})
        self.assertEqual(status, 200, o)
        self.assertLessEqual(len([m for m, how in self.owners(o) if how == "Update"]), LIMITS["LIMIT_UPDATE_MANAGERS"])

    def test_many_appliers_of_one_object(self):
        """Each its own field: nobody conflicts, nothing is lost."""
        n, each, bad = 8, 10, []

        def one(i):
            for j in range(each):
                status, _, o = self.apply("many", self.map("many", {"k%d" % i: str(j)}), "fieldManager=m%d" % i)
                if status not in (200, 201):
                    bad.append(o)

        threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        o = self.server.get(self.base + "/many")[2]
        self.assertEqual(o["data"], {"k%d" % i: str(each - 1) for i in range(n)})
        self.assertEqual(sorted(self.owners(o)), [("m%d" % i, "Apply") for i in range(n)])
