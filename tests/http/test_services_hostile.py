# SPDX-License-Identifier: Apache-2.0
"""The app platform's types under mutated requests: objects with something wrong at any path, patches and applies of them, weird parameters, percent-encodings and
subresources, in all versions. Whatever comes is answered in a documented form, never by a 500; what was taken can be read in every version and form; a dry
run writes nothing; and the server, with sanitizers where it was built with them, ends without a leak.

CORACLE_HOSTILE_REQUESTS (1,200) says how many requests, CORACLE_SEED (1) with which dice: a campaign is
CORACLE_HOSTILE_REQUESTS=200000 CORACLE_SEED=7 python3 tests/http/run.py services_hostile"""
import collections, copy, json, os, random, ssl, unittest, urllib.parse

import support
from support import Kept, Raw

NS = "org-77"
OTHER = ["default", "org-1", "org-0", "org-078", "org-99999999999999999999", "kube-system", "none", "ORG-2", "stacks-3", "%20", "a%2Fb", "..", "%2e%2e", "*"]
FOLDER = "grafana.app/folder"
KNOWN = [b"failed to create typed patch object", b"strconv.ParseUint:", b"Too large resource version", b"failed to convert new object"]  # the reference's, recorded
PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json", "apply": "application/apply-patch+yaml",
           "strategic": "application/strategic-merge-patch+json"}
ACCEPT = ["application/json", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/cbor",
          "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf", "*/*", "text/html", ""]


class Text(str):
    """A piece of JSON that is put into a body as it is; what no JSON writer would write. Kept in a string until then."""


def raw(text):
    return Text("\x01" + text.decode("latin-1") + "\x02")


def deep(n, what="[]"):
    return raw((what[0] * n + what[1] * n).encode() if what == "[]" else b'{"a":' * n + b"1" + b"}" * n)


WEIRD = [None, True, False, 0, 1, -1, 7.5, 1e308, -1e-308, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64, "", " ", "\t", "0", "-1", "true", "null", "general",
         "General", "root", "default", "..", "../../x", "a/b", "/", "//x.org", "%2e%2e", "%00", "%s%s%n", "a" * 41, "a" * 254, "x" * 70000, "é" * 128, "\u202eabc", "\u0000",
         "a\u0000b", "\r\nX-Evil: 1", "<script>", "\U0001f600", "\ufeff", "e\u0301", "1h", "9" * 400, "2038-01-19T03:14:08Z", "9999-99-99T99:99:99Z", [], {}, [None], [[]], [{}],
         {"a": {}}, {"": ""}, {"a" * 300: 1}, {"\u0000": 1}, {"a.b/c": [1]}, ["x"] * 1200, {"k%d" % i: i for i in range(300)}, deep(150), deep(199), deep(5000), deep(190, "{}"),
         deep(3000, "{}"), raw(b'"\xff"'), raw(b'"\xed\xa0\x80"'), raw(b'"\\ud800"'), raw(b"1e999"), raw(b"-0"), raw(b"01"), raw(b"1" * 4000), raw(b"NaN"), raw(b"'x'"),
         raw(b'{"a":1,"a":2}'), raw(b'{"title":1,"title":"b"}'), raw(b"0x10"), raw(b'"\xf0\x9f\x98"'), raw(b"1E400"), raw(b"0.1e-400"), raw(b"[1,]"), raw(b"")]
NOTES = [None, 7, "", " ", "general", "GENERAL", "none", "hall", "self", "../hall", "hall/", "a b", "\u0000", "x" * 3000, "é", [], {}, "hall\n", "hall,hall", "%68all", "*", "$(x)"]
PARAMS = {
    "dryRun": ["All", "all", "", "None", "All,All"], "fieldManager": ["x", "", "a" * 129, "%00", "%FF", "x%0A"], "fieldValidation": ["Strict", "Warn", "Ignore", "x", ""],
    "force": ["true", "false", "x", ""], "pretty": ["1", "x"], "resourceVersion": ["0", "1", "-1", "x", "99999999999999999999999", ""],
    "resourceVersionMatch": ["Exact", "NotOlderThan", "x"], "limit": ["0", "1", "-1", "x", "99999999999999999999", "2147483648", "%31", ""],
    "continue": ["", "x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "%FF%FE", "AAAA", "MS9h", "LzA", "LTEvYQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTkvYQ", "MC8A", "5", "-5", "99999999999"],
    "labelSelector": ["a=b", "a in (b,c)", "!a", "a in (", "=", "a=b=c", "%FF", "a" * 300 + "=x", "," * 50, "a notin ()"],
    "fieldSelector": ["metadata.name=hall", "metadata.name!=hall", "metadata.namespace=x", "spec.title=x", "=", "metadata.name", "%00", "spec.time=5", "spec.time=x", "spec.timeEnd=-1",
                      "spec.dashboardUID=x,spec.time=1,spec.timeEnd=9223372036854775808", "spec.panelID=1", "metadata.annotations.grafana.app/folder=hall"],
    "q": ["kube", "", "\"", "a*", "NEAR(", "%FF", "%00", "x" * 5000, "OR AND", "%E2%80%AE", "a" * 65, "col:x", "-a", "^a"],
    "gracePeriodSeconds": ["0", "1", "-1", "x", ""], "propagationPolicy": ["Foreground", "Background", "Orphan", "x", ""], "orphanDependents": ["true", "x"],
    "timeoutSeconds": ["1", "0", "-1", "x"], "allowWatchBookmarks": ["true", "x"], "sendInitialEvents": ["true", "false", "x"], "watch": ["false", "0", "x", ""],
    # search, tags, children, counts, goto, dto, merged
    "query": ["kube", "*", "\"", "%FF", "%00", "x" * 3000, "a b c d e f g h", "NOT", "(", "'", "%F0%9F%98%80"], "type": ["dashboard", "folder", "folders", "playlist", "x", "%FF", ""],
    "folder": ["general", "hall", "", "none", "%FF", "%00"], "tag": ["a", "", "%FF", "x" * 500, "%00"], "name": ["hall", "%FF", ""], "offset": ["0", "1", "-1", "999999999", "9999999999", "x"],
    "page": ["0", "1", "-1", "2147483647", "99999999", "x"], "sort": ["title", "-title", "x", "-", "--title", "%FF", "", "score"], "facet": ["tags", "folder", "x", "%FF", "tags%00"],
    "facetLimit": ["0", "1", "-1", "x", "999999999"], "field": ["created", "updated", "x", "%FF"], "from": ["0", "1", "-1", "x", "9223372036854775807", "9223372036854775808", "%FF", "1.5"],
    "to": ["0", "1", "-1", "x", "9223372036854775807", "%00"], "dashboardUID": ["d", "", "%FF", "x" * 300, "a%2Fb"], "panelID": ["0", "1", "x", "-1"], "tagsMatchAny": ["true", "x"],
    "scope": ["a", "%FF"], "scopesMatchAny": ["1", "x"], "createdBy": ["user:admin", "%FF"], "legacyID": ["1", "x"], "deleted": ["only", "x"], "prefix": ["a", "%FF", "%00", "x" * 400],
    "contains": ["a", "%FF"], "recursive": ["true", "false", "x", "%FF"], "redirect": ["false", "x", ""], "includeAccess": ["false", "x"], "%FF": ["%FF"], "%00": [""], "a%zz": ["%zz"],
}
NAMES = ["hall", "none", "general", "merged", "search", "a b", "%FF", "%00", "%zz", "a%2Fb", "%2e%2e", "..", ".", "x" * 300, "é", "A_b", "a:b", "*", "user-", "user-x", "namespace", "team-", "%25",
         "a%0Ab", "sortable", "tags", "status", "%e2%80%ae"]
SUBS = ["status", "scale", "dto", "access", "parents", "children", "counts", "goto", "update", "update/g/k/n", "update/g/k", "update/g/k/n/m", "update//k/n", "update/%FF/k/n", "update/g/%00/n",
        "update/g/k/a%2Fb", "update/" + "g" * 300 + "/k/n", "none", "", "%FF", "access/x", "%2e%2e", "../x", "exec", "search"]


def classic(title="Cpu"):
    return {"title": title, "tags": ["a", "b"], "schemaVersion": 39, "editable": True, "refresh": "30s", "graphTooltip": 1, "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
            "description": "d", "timezone": "browser", "links": [{"title": "l", "type": "link", "url": "x", "tags": ["a"]}],
            "annotations": {"list": [{"name": "n", "enable": True, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "target": {"limit": 1}}]},
            "templating": {"list": [{"name": "v", "type": "query", "query": {"query": "q", "refId": "A"}, "datasource": {"uid": "p"}, "current": {"text": "a", "value": "a"}, "multi": True},
                                    {"name": "c", "type": "custom", "query": "1,2", "options": [{"text": "1", "value": "1"}]}]},
            "panels": [{"id": 1, "type": "timeseries", "title": "p", "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8}, "targets": [{"refId": "A", "expr": "up", "datasource": {"type": "prometheus", "uid": "p"}}],
                        "fieldConfig": {"defaults": {}, "overrides": []}, "options": {}, "transformations": [{"id": "merge", "options": {}}], "repeat": "v", "repeatDirection": "h"},
                       {"id": 2, "type": "row", "title": "r", "collapsed": True, "gridPos": {"x": 0, "y": 8, "w": 24, "h": 1},
                        "panels": [{"id": 3, "type": "stat", "gridPos": {"x": 0, "y": 9, "w": 6, "h": 4}, "libraryPanel": {"uid": "l", "name": "l"}}]}]}


def ancient(version):
    """A classic model as it was long ago, with what each of the steps to today changes."""
    panel = {"id": 1, "type": "graph", "title": "p", "span": 4, "editable": True, "datasource": "prom", "grid": {"threshold1": 5, "threshold1Color": "red", "leftMax": 10, "leftMin": None}, "legend": True,
             "y_formats": ["short", "bytes"], "y-axis": True, "x-axis": True, "yaxes": [{"format": "short", "logBase": 1}], "aliasYAxis": {"a": 2}, "targets": [{"target": "a", "hide": True}, {"expr": "up", "refId": "A"}],
             "links": [{"type": "dashboard", "dashboard": "x", "includeVars": True, "params": "a=b"}, {"type": "absolute", "url": "/dashboard/db/x"}], "minSpan": 3, "repeat": "v", "nullPointMode": "null",
             "seriesOverrides": [{"alias": "a", "transform": "negative-Y"}], "thresholds": [{"value": 5, "op": "gt", "colorMode": "critical"}], "tooltip": {"shared": True}}
    single = {"id": 2, "type": "singlestat", "span": 8, "format": "ms", "prefix": "$", "postfix": "x", "valueName": "avg", "thresholds": "10,20", "colors": ["red", "green", "blue"], "colorBackground": True,
              "gauge": {"show": True, "minValue": 0, "maxValue": 100}, "sparkline": {"show": True}, "valueMaps": [{"op": "=", "text": "N/A", "value": "null"}], "rangeMaps": [{"from": "1", "to": "2", "text": "t"}],
              "mappingType": 1, "mappingTypes": [{"name": "value to text", "value": 1}], "targets": [{"expr": "up"}], "nullText": "n"}
    table = {"id": 3, "type": "table", "span": 12, "styles": [{"pattern": "/a/", "type": "number", "decimals": 2, "thresholds": ["1", "2"], "colorMode": "cell", "colors": ["a", "b", "c"], "unit": "s"}],
             "columns": [{"text": "A", "value": "a"}], "transform": "timeseries_to_rows", "sort": {"col": 0, "desc": True}, "fontSize": "100%", "showHeader": True}
    text = {"type": "text", "mode": "markdown", "content": "hello"}
    gauge = {"id": 4, "type": "gauge", "options": {"valueOptions": {"unit": "s", "stat": "last"}, "thresholds": [{"color": "green", "value": None}], "maxValue": 1, "fieldOptions": {"calcs": ["mean"], "defaults": {}}}}
    rows = [{"title": "r", "height": "250px", "collapse": False, "showTitle": True, "titleSize": "h6", "panels": [panel, single]}, {"height": 100, "collapse": True, "repeat": "v", "panels": [table, text, gauge]}]
    panels = [dict(p, gridPos={"x": 0, "y": 9 * i, "w": 12, "h": 8}) for i, p in enumerate((panel, single, table, text, gauge))]
    return {"title": "Old", "schemaVersion": version, "rows" if version < 16 else "panels": rows if version < 16 else panels, "services": {"filter": {"time": {"from": "now-1h", "to": "now"}, "list": []}}, "pulldowns": [{"type": "filtering", "enable": True}, {"type": "annotations", "annotations": []}],
            "nav": [{"type": "timepicker", "time_options": ["5m"], "now": True}], "refresh": False, "hideControls": True, "sharedCrosshair": True, "style": "dark", "tags": ["a"], "timepicker": {"time_options": ["5m"], "nowDelay": ""},
            "templating": {"enable": True, "list": [{"name": "v", "type": "filter", "query": "q", "datasource": "prom", "refresh": True, "allFormat": "glob", "includeAll": True, "current": {"value": "$__all", "text": ["All"]},
                                                     "hideVariable": True, "tags": ["t"], "tagsQuery": "q", "useTags": True, "multi": True}, {"name": "c", "type": "constant", "query": "x", "hide": 0}]},
            "annotations": {"enable": True, "list": [{"name": "n", "datasource": None, "enable": True, "showLine": True, "query": "q"}]}, "links": [{"type": "dashboards", "tags": []}]}


class Kind:
    def __init__(self, group, versions, plural, kind, specs, names=("hall",), subs=()):
        self.group, self.versions, self.plural, self.kind, self.specs, self.names, self.subs = group, versions, plural, kind, specs, names, subs

    def path(self, version=None, name="", ns=NS, sub=""):
        base = "/apis/%s/%s" % (self.group, version or self.versions[0]) + ("/namespaces/" + ns if ns else "") + "/" + self.plural
        return base + ("/" + name if name else "") + ("/" + sub if sub else "")

    def sample(self, version=None, name=None):
        version = version or self.versions[0]
        spec = self.specs[version] if version in self.specs else self.specs[""]
        return {"apiVersion": self.group + "/" + version, "kind": self.kind, "metadata": {"name": name or self.names[0], "labels": {"a": "b"}, "annotations": {FOLDER: ""}},
                "spec": copy.deepcopy(spec)}


FOLDERS = Kind("folder.grafana.app", ["v1", "v1beta1"], "folders", "Folder", {"": {"title": "Hall", "description": "d"}}, ("hall", "room", "attic"), ("parents", "children", "counts", "access"))
DASHBOARDS = Kind("dashboard.grafana.app", ["v1", "v1beta1", "v0alpha1", "v2", "v2beta1", "v2alpha1"], "dashboards", "Dashboard", {"": classic()}, ("cpu", "disk"), ("dto", "access"))
CLASSIC = DASHBOARDS.versions[:3]
KINDS = [
    FOLDERS, DASHBOARDS,
    Kind("playlist.grafana.app", ["v1", "v0alpha1"], "playlists", "Playlist", {"": {"title": "Tour", "interval": "5m", "items": [
        {"type": "dashboard_by_uid", "value": "cpu", "interval": "10s", "queryParams": "a=b"}, {"type": "dashboard_by_tag", "value": "x"}, {"type": "dashboard_by_id", "value": "5"}]}}),
    Kind("shorturl.grafana.app", ["v1beta1", "v1alpha1"], "shorturls", "ShortURL", {"": {"path": "d/cpu/x?orgId=1"}}, ("hall", "way"), ("goto", "goto?redirect=false", "status")),
    Kind("annotation.grafana.app", ["v0alpha1"], "annotations", "Annotation", {"": {"text": "t", "time": 1000, "timeEnd": 2000, "dashboardUID": "cpu", "panelID": 1, "tags": ["a", "b"], "scopes": ["s"]}}),
    Kind("collections.grafana.app", ["v1alpha1"], "stars", "Stars", {"": {"resource": [{"group": "dashboard.grafana.app", "kind": "Dashboard", "names": ["cpu", "disk"]}]}},
         ("user-admin-uid", "user-x"), ("update/dashboard.grafana.app/Dashboard/cpu", "update/g/K/n")),
    Kind("preferences.grafana.app", ["v1", "v1alpha1"], "preferences", "Preferences", {"": {
        "theme": "dark", "timezone": "utc", "weekStart": "monday", "language": "de-DE", "regionalFormat": "de", "homeDashboardUID": "cpu", "queryHistory": {"homeTab": "query"},
        "navbar": {"bookmarkUrls": ["a"]}}}, ("user-admin-uid", "team-devs", "namespace")),
]
QUERIES = ["/apis/dashboard.grafana.app/%s/namespaces/%s/search" % (v, NS) for v in DASHBOARDS.versions] + \
          ["/apis/dashboard.grafana.app/v1/namespaces/%s/search/sortable" % NS, "/apis/annotation.grafana.app/v0alpha1/namespaces/%s/search" % NS,
           "/apis/annotation.grafana.app/v0alpha1/namespaces/%s/tags" % NS, "/apis/preferences.grafana.app/v1/namespaces/%s/preferences/merged" % NS,
           "/apis/folder.grafana.app/v1/namespaces/%s/folders/general/children" % NS, "/apis/folder.grafana.app/v1/namespaces/%s/folders/general/counts" % NS,
           "/apis/dashboard.grafana.app/v1/search", "/apis/annotation.grafana.app/v0alpha1/search", "/api/health", "/api/frontend/settings", "/bootdata"]


def encode(value):
    """JSON with the raw pieces in it."""
    out = []
    for i, part in enumerate(json.dumps(value, ensure_ascii=True).split('"\\u0001')):
        if i == 0:
            out.append(part.encode())
            continue
        text, _, rest = part.partition('\\u0002"')
        out.append(json.loads('"' + text + '"').encode("latin-1") + rest.encode())
    return b"".join(out)


def places(value, at=()):
    """All paths of a value, its own too."""
    yield at
    for key, v in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(v, at + (key,))


def put(value, at, what):
    for key in at[:-1]:
        value = value[key]
    value[at[-1]] = what


class Dice(random.Random):
    def mutate(self, obj, n=None):
        obj = copy.deepcopy(obj)
        for _ in range(n or self.choice((1, 1, 1, 2, 3))):
            where = self.choice([p for p in places(obj) if p] or [("a",)])
            holder = obj
            for key in where[:-1]:
                holder = holder[key]
            what = self.random() if obj else 0
            if what < 0.65:
                put(obj, where, copy.deepcopy(self.choice(WEIRD)))
            elif what < 0.75:
                del holder[where[-1]]
            elif what < 0.85 and isinstance(holder, dict):
                holder[self.choice(("x", "", "__v1", "__v2", "uid", "id", "kind", "a" * 300, "\u0000", "status", where[-1] + " "))] = copy.deepcopy(self.choice(WEIRD))
            elif isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[:3]) * self.choice((1, 2, 50)))
            else:
                put(obj, where, copy.deepcopy(self.choice(list(obj.values()))))
        return obj

    def metadata(self, obj):
        """Something odd beside the spec."""
        meta = obj.get("metadata")
        if not isinstance(meta, dict):
            return obj
        key = self.choice(("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
                           "finalizers", "ownerReferences", "managedFields", "selfLink", "x", FOLDER, FOLDER, FOLDER))
        if key == FOLDER:
            if isinstance(meta.setdefault("annotations", {}), dict):
                meta["annotations"][self.choice((FOLDER,) * 6 + ("grafana.app/message", "grafana.app/createdBy", "grafana.app/managedBy", "grafana.app/updatedTimestamp"))] = self.choice(NOTES)
        elif key == "finalizers":
            meta[key] = self.choice(([None], ["x"], "x", [""], [7], {}))
        elif key == "managedFields":
            meta[key] = self.choice(([], [{}], [{"manager": "x", "operation": "Apply", "fieldsV1": {"f:spec": 7}, "fieldsType": "FieldsV1", "apiVersion": "v9"}], "x", [None], {"a": 1}))
        else:
            meta[key] = copy.deepcopy(self.choice(WEIRD))
        return obj

    def params(self, n=None, keys=None):
        n = self.choice((0, 0, 1, 1, 2, 3)) if n is None else n
        picked = [self.choice(keys or list(PARAMS)) for _ in range(n)]
        return "&".join("%s=%s" % (k, self.choice(PARAMS[k]) if self.random() < 0.95 else self.choice(sum(PARAMS.values(), []))) for k in picked)

    # ---- requests: (method, path, headers, body) ----

    def request(self):
        kind = self.choice(KINDS)
        version = self.choice(kind.versions) if self.random() < 0.95 else self.choice(("v9", "V1", "", "v1x", "%FF"))
        ns = NS if self.random() < 0.93 else self.choice(OTHER)
        name = self.choice(kind.names) if self.random() < 0.85 else self.choice(NAMES)
        return self.choice((self.create, self.create, self.replace, self.patch, self.patch, self.patch, self.read, self.read, self.query, self.sub, self.sub, self.remove, self.collection))(kind, version, ns, name)

    def body(self, kind, version, name):
        obj = kind.sample(version if version in kind.versions else None, self.choice((name, name, self.choice(NAMES))))
        if kind is DASHBOARDS and version in CLASSIC and self.random() < 0.5:
            obj["spec"] = ancient(self.choice((0, 1, 2, 5, 9, 12, 13, 15, 16, 20, 26, 30, 33, 36, 40, 42, 43, 99)))
        if self.random() < 0.1:
            return self.choice((b"", b"null", b"[]", b"7", b"{", b"\xff\xfe", b'""', b"{}", b"a: b", b"---\n---\n", b"[" * 100000, b"%PDF", b'{"metadata":null}', encode(obj)[:-7], encode(obj) + b"x"))
        if self.random() < 0.8:
            obj = self.mutate(obj)
        return encode(self.metadata(obj) if self.random() < 0.4 else obj)

    def target(self, path, keys):
        extra = self.params(keys=keys) if self.random() < 0.6 else ""
        return path + (("&" if "?" in path else "?") + extra if extra else "")

    def type(self):
        return self.choice(("application/json",) * 12 + ("application/yaml", "application/cbor", "application/vnd.kubernetes.protobuf", "text/plain", "", "application/json; charset=latin-1"))

    WRITES = ("dryRun", "fieldManager", "fieldValidation", "pretty", "resourceVersion")

    def create(self, kind, version, ns, name):
        return "POST", self.target(kind.path(version, ns=ns), self.WRITES), {"Content-Type": self.type()}, self.body(kind, version, name)

    def replace(self, kind, version, ns, name):
        sub = self.choice(("",) * 5 + ("status",))
        return "PUT", self.target(kind.path(version, name, ns, sub), self.WRITES), {"Content-Type": self.type()}, self.body(kind, version, name)

    def patch(self, kind, version, ns, name):
        form = self.choice(("merge", "json", "apply", "apply", "merge", "strategic"))
        obj = kind.sample(version if version in kind.versions else None, name)
        if form == "json":
            where = ["/" + "/".join(str(k).replace("~", "~0").replace("/", "~1") for k in p) for p in places(obj)] + ["", "/", "x", "/spec/-", "/spec/items/-1", "/~2", "/spec/01", "/a" * 2000]
            body = encode([{"op": self.choice(("add", "replace", "remove", "test", "move", "copy", "x", 7)), "path": self.choice(where), "from": self.choice(where),
                            "value": copy.deepcopy(self.choice(WEIRD))} for _ in range(self.choice((1, 1, 2, 5)))])
        elif form == "apply":
            body = self.body(kind, version, name)
        else:
            part = self.mutate(obj) if self.random() < 0.8 else obj
            part = self.metadata(part) if self.random() < 0.3 else part
            body = encode({k: v for k, v in part.items() if k == "spec" or self.random() < 0.4} if isinstance(part, dict) else part)
        path = self.target(kind.path(version, name, ns, self.choice(("",) * 6 + ("status",))), self.WRITES + ("force",))
        if form == "apply" and "fieldManager" not in path:
            path += ("&" if "?" in path else "?") + "fieldManager=dice"
        return "PATCH", path, {"Content-Type": PATCHES[form]}, body

    def read(self, kind, version, ns, name):
        keys = ("limit", "continue", "labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch", "q", "pretty", "timeoutSeconds", "sendInitialEvents", "watch", "%FF", "%00", "a%zz")
        path = kind.path(version, self.choice(("", "", name)), self.choice((ns, ns, ns, "")))
        return "GET", self.target(path, keys), {"Accept": self.choice(ACCEPT)}, None

    def query(self, kind, version, ns, name):
        path = self.choice(QUERIES) if self.random() < 0.9 else self.choice(QUERIES).replace(NS, self.choice(OTHER))
        extra = self.params(self.choice((0, 1, 2, 4, 12)))
        return self.choice(("GET",) * 9 + ("POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "X")), path + ("?" + extra if extra else ""), {"Accept": self.choice(ACCEPT[:6])}, None

    def sub(self, kind, version, ns, name):
        sub = self.choice(kind.subs) if kind.subs and self.random() < 0.6 else self.choice(SUBS)
        method = self.choice(("GET",) * 6 + ("PUT", "PUT", "DELETE", "POST", "PATCH", "HEAD"))
        path = self.target(kind.path(version, name, ns, sub), ("limit", "continue", "recursive", "redirect", "includeAccess", "dryRun", "fieldManager", "resourceVersion", "pretty"))
        body = self.body(kind, version, name) if method in ("PUT", "POST", "PATCH") and self.random() < 0.5 else None
        return method, path, {"Content-Type": PATCHES["merge"] if method == "PATCH" else self.type(), "Accept": self.choice(ACCEPT[:3])}, body

    def options(self):
        obj = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": self.choice((0, 0, 5)), "propagationPolicy": "Background", "preconditions": {"uid": "x", "resourceVersion": "7"},
               "dryRun": ["All"]}
        part = {k: v for k, v in obj.items() if self.random() < 0.4}
        return None if self.random() < 0.5 else encode(self.mutate(part)) if self.random() < 0.5 and part else encode(part)

    def remove(self, kind, version, ns, name):
        return "DELETE", self.target(kind.path(version, name, ns), ("dryRun", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "resourceVersion")), {"Content-Type": self.type()}, self.options()

    def collection(self, kind, version, ns, name):
        keys = ("dryRun", "labelSelector", "fieldSelector", "limit", "continue", "gracePeriodSeconds", "q", "propagationPolicy")
        return "DELETE", self.target(kind.path(version, ns=ns), keys), {"Content-Type": self.type()}, self.options()


class Client:
    """One connection of its own bytes, opened anew where the server has ended it."""

    def __init__(self, server, token=None):
        self.server, self.raw, self.token = server, None, token or server.token

    def ask(self, method, path, headers=None, body=None):
        lines = [(k, v) for k, v in (headers or {}).items() if v or k == "Accept"]
        lines += [("Content-Length", str(len(body)))] if body is not None else []
        for last in (False, True):
            self.raw = self.raw or Raw(self.server, timeout=60)
            self.raw.token = self.token
            try:
                self.raw.head(method, path, lines)
                self.raw.send(body or b"")
                answer = self.read_watch() if "watch=" in path and method == "GET" else self.raw.read(method != "HEAD")
                if self.raw and (answer.header("connection") or "").lower() == "close":
                    self.close()
                return answer
            except (OSError, EOFError, ssl.SSLError):
                self.close()
                if last:
                    raise ConnectionError("no answer to %s %s %s %r" % (method, path[:600], headers, (body or b"")[:1500])) from None

    def read_watch(self):
        """The head of a watch, which then is left; all of what refuses one."""
        answer = self.raw.read_head()
        if answer.status == 200:
            self.close()
        elif answer.header("content-length"):
            answer.body = self.raw.take(int(answer.header("content-length")))
        return answer

    def close(self):
        if self.raw:
            self.raw.close()
        self.raw = None


class Judge:
    """What may be answered."""

    def __init__(self):
        self.wrong, self.came = [], collections.Counter()

    def fault(self, why, request, answer):
        method, path, headers, body = request
        self.wrong.append("%s\n  %s %s %s\n  %r\n  -> %s %r" % (why, method, path[:600], headers, (body or b"")[:1500], answer.status, answer.body[:600]))

    def check(self, request, answer):
        method, path = request[0], request[1]
        self.came[(method, answer.status)] += 1
        kind = (answer.header("content-type") or "").split(";")[0]
        if answer.status >= 500 and not (method == "HEAD" and "resourceVersion=" in path or any(words in answer.body for words in KNOWN)):
            return self.fault("an error of the server's", request, answer)
        if method in ("HEAD", "OPTIONS") or "watch=" in path and answer.status == 200 or answer.status in (301, 302, 304, 204):
            return None
        if kind == "text/plain" and (answer.status in (400, 404, 405, 414, 431) or not path.startswith("/apis/")):
            return None  # the transport's, and the words of a path that nobody serves
        if kind not in ("application/json", "application/yaml", "application/cbor", "application/vnd.kubernetes.protobuf"):
            return self.fault("an answer of no known form: %r" % kind, request, answer)
        if kind != "application/json":
            return None
        try:
            value = json.loads(answer.body.decode("utf-8"))
        except ValueError as e:
            return self.fault("no JSON: %s" % e, request, answer)
        return self.check_status(request, answer, value) if answer.status >= 400 else self.check_object(request, answer, value)

    def check_status(self, request, answer, s):
        if (s.get("kind"), s.get("apiVersion"), s.get("status"), s.get("code")) != ("Status", "v1", "Failure", answer.status) or not s.get("message") or "metadata" not in s:
            return self.fault("a refusal that is no Status", request, answer)
        causes = s.get("details", {}).get("causes", [])
        if s.get("reason") == "Invalid" and not all(c.get("message") and c.get("reason") for c in causes):
            return self.fault("a cause without words", request, answer)
        return None

    def check_object(self, request, answer, obj):
        path = request[1].split("?")[0]
        bare = path.endswith(("/tags", "/goto", "/api/health", "/api/frontend/settings", "/bootdata"))
        if not isinstance(obj, dict) or not bare and not (obj.get("kind") and obj.get("apiVersion")):
            return self.fault("an answer that does not say what it is", request, answer)
        return None


def strangers(answer):
    """Names of stars and preferences in an answer to bob that are not for bob."""
    if answer.status >= 300 or (answer.header("content-type") or "").split(";")[0] != "application/json" or not answer.body:
        return set()
    value = json.loads(answer.body)
    objects = [o if "metadata" in o else o["object"] for o in value.get("items") or value.get("rows") or [value]]
    mine = [o["metadata"].get("name") for o in objects if (o.get("kind") or value.get("kind")) in ("Stars", "Preferences", "Table", "PartialObjectMetadata")]
    return set(mine) - {None, "user-bob-uid", "namespace"}


class Hostile(unittest.TestCase):
    def setUp(self):
        self.seed, self.count = int(os.environ.get("CORACLE_SEED") or 1), int(os.environ.get("CORACLE_HOSTILE_REQUESTS") or 1200)
        self.dice, self.judge = Dice(self.seed), Judge()

    def must(self, client, request, want=(200, 201)):
        answer = client.ask(*request)
        self.assertIn(answer.status, want, (request[0], request[1], answer))
        return json.loads(answer.body)

    def prepare(self, client):
        json_type = {"Content-Type": "application/json"}
        self.must(client, ("POST", "/api/v1/namespaces", json_type, encode({"metadata": {"name": NS}})), (201, 409))
        for kind in KINDS:
            for name in kind.names:
                self.must(client, ("POST", kind.path(), json_type, encode(kind.sample(name=name))), (201, 409))
        for version in DASHBOARDS.versions[3:]:  # samples of the second model, as the server makes them
            DASHBOARDS.specs[version] = self.must(client, ("GET", DASHBOARDS.path(version, "cpu"), {}, None))["spec"]

    def read_back(self, client, request, answer):
        """What was taken is there in every version, alone and as a table."""
        obj = json.loads(answer.body)
        kind = next((k for k in KINDS if k.kind == obj.get("kind") and obj.get("apiVersion", "").startswith(k.group)), None)
        if not kind or not obj["metadata"].get("name"):
            return
        for version in kind.versions:
            for accept in ACCEPT[:3]:
                again = ("GET", kind.path(version, urllib.parse.quote(obj["metadata"]["name"]), obj["metadata"]["namespace"]), {"Accept": accept}, None)
                got = client.ask(*again)
                self.judge.check(again, got)
                if got.status not in (200, 404):
                    self.judge.fault("cannot be read after %s %s %r" % (request[0], request[1], (request[3] or b"")[:600]), again, got)

    def lists(self, client):
        """Every type's list in all versions and forms."""
        for kind in KINDS:
            for version in kind.versions:
                for accept in ACCEPT[:3] + ACCEPT[4:6]:
                    request = ("GET", kind.path(version), {"Accept": accept}, None)
                    answer = client.ask(*request)
                    self.judge.check(request, answer)
                    if answer.status != 200:
                        self.judge.fault("a list that fails", request, answer)

    def verdict(self):
        self.assertEqual(self.judge.wrong[:12], [], "\n\n".join(["seed %d: %d wrong" % (self.seed, len(self.judge.wrong))] + self.judge.wrong[:12]))

    def test_requests(self):
        with Kept(preset=support.PRESET) as server:
            client, bob = Client(server), Client(server, "bobtoken")
            self.prepare(client)
            for i in range(self.count):
                request, by_bob = self.dice.request(), self.dice.random() < 0.2
                answer = (bob if by_bob else client).ask(*request)
                self.judge.check(request, answer)
                if by_bob and ("/stars" in request[1] or "/preferences" in request[1]) and strangers(answer):
                    self.judge.fault("bob sees %s" % strangers(answer), request, answer)
                written = request[0] in ("POST", "PUT", "PATCH") and answer.status in (200, 201) and (answer.header("content-type") or "").startswith("application/json")
                if written and "dryRun" not in request[1]:
                    self.read_back(client, request, answer)
                if i % 500 == 499:
                    self.lists(client)
                    self.prepare(client)
                if len(self.judge.wrong) > 200:
                    break
            client.close()
            bob.close()
            self.verdict()
        codes = collections.Counter()
        for (_, status), n in self.judge.came.items():
            codes[status] += n
        print("hostile requests: %d, %s" % (self.count, dict(sorted(codes.items()))))
        self.assertTrue({200, 201, 400, 404, 422} <= set(codes), codes)

    def test_kept_beside_the_rest(self):
        """What a dashboard keeps for the other model is anybody's to write: what would not fit there does not come back, and an apply in either version goes on."""
        server, ns = support.SHARED, "org-%d" % next(support.ORGANIZATIONS)
        self.assertEqual(server.post("/api/v1/namespaces", {"metadata": {"name": ns}})[0], 201)
        apply = {"Content-Type": PATCHES["apply"]}
        for name, version, other, spec, gone in (
                ("a", "v2", "v1", {"title": "x", "__v1": {"schemaVersion": [[]], "description": 5, "tags": [7], "graphTooltip": "x", "editable": "x", "timezone": [], "time": 3, "timepicker": ""}},
                 ("description", "tags", "graphTooltip", "editable", "timezone", "time", "timepicker")),
                ("b", "v1", "v2", {"title": "x", "__v2": {"description": 5, "liveNow": "x"}}, ("description", "liveNow"))):
            body = {"apiVersion": "dashboard.grafana.app/" + version, "kind": "Dashboard", "metadata": {"name": name}, "spec": spec}
            status, _, made = server.post(DASHBOARDS.path(version, ns=ns), body)
            self.assertEqual(status, 201, made)
            status, _, read = server.get(DASHBOARDS.path(other, name, ns))
            self.assertEqual((status, read["status"]["conversion"]["failed"]), (200, False), read)
            for member in gone:
                kept = spec.get("__v1", spec.get("__v2"))
                self.assertNotEqual(read["spec"].get(member), kept[member], member)
            if other == "v1":
                self.assertEqual(read["spec"]["schemaVersion"], 42)
            status, _, answer = server.request("PATCH", DASHBOARDS.path(other, name, ns) + "?fieldManager=a&force=true", json.dumps(
                {"apiVersion": "dashboard.grafana.app/" + other, "kind": "Dashboard", "metadata": {"name": name}, "spec": {"title": "y"}}), apply)
            self.assertEqual(status, 200, answer)
            status, _, answer = server.request("PATCH", DASHBOARDS.path(version, name, ns) + "?fieldManager=b&force=true", json.dumps(dict(body, metadata={"name": name})), apply)
            self.assertEqual(status, 200, answer)

    def test_dry_runs(self):
        """Whatever a dry run is asked, every list stays as it was, resourceVersions too."""
        def everything(client):
            return [self.must(client, ("GET", kind.path(), {}, None))["items"] for kind in KINDS]

        with Kept(preset=support.PRESET) as server:
            client, tried = Client(server), 0
            self.prepare(client)
            before = everything(client)
            for i in range(self.count // 4):
                method, path, headers, body = self.dice.choice((self.dice.create, self.dice.replace, self.dice.patch, self.dice.remove, self.dice.collection, self.dice.sub))(
                    kind := self.dice.choice(KINDS), self.dice.choice(kind.versions), NS, self.dice.choice(kind.names + ("new",)))
                if method in ("GET", "HEAD") or "dryRun" in path:
                    continue
                body = None if method == "DELETE" else body  # options in a body count alone, so dryRun would have to be there
                request = (method, path + ("&" if "?" in path else "?") + "dryRun=All", headers, body)
                answer = client.ask(*request)
                self.judge.check(request, answer)
                tried += answer.status < 300
                if i % 25 == 24 or i == self.count // 4 - 1:
                    after = everything(client)
                    if after != before:
                        self.judge.fault("one of the last 25 dry runs has written", request, answer)
                        before = after
            client.close()
            self.verdict()
        self.assertGreater(tried, self.count // 100)
