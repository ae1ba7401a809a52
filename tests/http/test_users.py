# SPDX-License-Identifier: Apache-2.0
"""What belongs to users, teams and organizations: stars and preferences, who may touch which, what is merged of them, and what is refused and how."""
import concurrent.futures, copy, json

import support
from support import Case, Watch

STARS = "/apis/collections.grafana.app/v1alpha1/namespaces/%s/stars"
PREFERENCES = "/apis/preferences.grafana.app/%s/namespaces/%s/preferences"
ALICE, BOB = "alicetoken", "bobtoken"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def stars(name, *resource):
    return {"apiVersion": "collections.grafana.app/v1alpha1", "kind": "Stars", "metadata": {"name": name}, "spec": {"resource": list(resource)}}


def kind(names, group="dashboard.grafana.app", kind="Dashboard"):
    return {"group": group, "kind": kind, "names": names}


def preferences(name, version="v1", **spec):
    return {"apiVersion": "preferences.grafana.app/" + version, "kind": "Preferences", "metadata": {"name": name}, "spec": spec}


class Own(Case):
    def setUp(self):
        super().setUp()
        self.stars, self.prefs = STARS % self.ns, PREFERENCES % ("v1", self.ns)

    def ask(self, method, path, token=None, body=None, want=(200, 201), headers=None):
        answer = self.server.request(method, path, body, headers, token)
        self.assertIn(answer[0], want, answer)
        return answer[2]

    def refused(self, words, method, path, token=None, body=None, code=403, headers=None):
        return self.assertStatus(self.server.request(method, path, body, headers, token), code, message=words)

    def star(self, who, what, method="PUT", token=ALICE, **kw):
        return self.ask(method, "%s/user-%s/update/dashboard.grafana.app/Dashboard/%s" % (self.stars, who, what), token, **kw)

    def names(self, path, token):
        return [o["metadata"]["name"] for o in self.ask("GET", path, token)["items"]]


class Stars(Own):
    def test_one_by_one(self):
        made = self.star("alice-uid", "b", want=(201,))
        self.assertEqual(made["spec"], {"resource": [kind(["b"])]})
        self.assertEqual(made["metadata"]["annotations"], {"grafana.app/createdBy": "user:alice-uid"})
        self.star("alice-uid", "a", want=(200,))
        last = self.ask("PUT", self.stars + "/user-alice-uid/update/folder.grafana.app/Folder/f", ALICE)
        self.assertEqual(last["spec"]["resource"], [kind(["a", "b"]), kind(["f"], "folder.grafana.app", "Folder")])
        again = self.star("alice-uid", "a")
        self.assertEqual(self.rev(again), self.rev(last), "what is starred already changes nothing")
        self.star("alice-uid", "never", "DELETE")
        left = self.star("alice-uid", "a", "DELETE")
        self.assertEqual(left["spec"]["resource"][0]["names"], ["b"])
        self.star("alice-uid", "b", "DELETE")
        path = self.stars + "/user-alice-uid/update/folder.grafana.app/Folder/f"
        self.assertEqual(self.ask("DELETE", path + "?dryRun=All", ALICE, want=(200,))["status"], "Success")
        self.assertEqual(self.ask("GET", self.stars + "/user-alice-uid", ALICE)["spec"]["resource"], [kind(["f"], "folder.grafana.app", "Folder")])
        watch = Watch(self.server, self.stars + "?resourceVersion=%d" % self.rev(left))
        gone = self.ask("DELETE", path, ALICE, want=(200,))  # with the last star the object goes
        self.assertEqual((gone["kind"], gone["status"], gone["details"]["uid"]), ("Status", "Success", made["metadata"]["uid"]))
        self.ask("GET", self.stars + "/user-alice-uid", ALICE, want=(404,))
        watch.wait(2)
        self.assertEqual(watch.short(), ["MODIFIED user-alice-uid", "DELETED user-alice-uid"])
        watch.close()
        self.assertEqual(self.ask("DELETE", path, ALICE, want=(200,))["status"], "Success")  # there is nothing left to do
        self.ask("DELETE", self.stars + "/user-alice-uid/update/Folder/f", ALICE, want=(400,))
        self.refused("not the owner", "DELETE", path, BOB)
        anew = self.star("alice-uid", "c", want=(201,))
        self.assertNotEqual(anew["metadata"]["uid"], made["metadata"]["uid"])

    def test_held(self):
        """A finalizer holds the object when its last star goes, as it does when it is deleted."""
        self.star("alice-uid", "a")
        path = self.stars + "/user-alice-uid"
        merge = {"Content-Type": "application/merge-patch+json"}
        self.ask("PATCH", path, ALICE, json.dumps({"metadata": {"finalizers": ["example.com/held"]}}), headers=merge)
        held = self.star("alice-uid", "a", "DELETE", want=(200,))
        self.assertEqual(held["kind"], "Stars")
        self.assertIn("deletionTimestamp", self.ask("GET", path, ALICE)["metadata"])
        self.ask("PATCH", path, ALICE, json.dumps({"metadata": {"finalizers": None}}), headers=merge)
        self.ask("GET", path, ALICE, want=(404,))

    def test_dry_run(self):
        path = self.stars + "/user-alice-uid/update/g/K/n?dryRun=All"
        self.assertEqual(self.ask("PUT", path, ALICE)["spec"]["resource"], [kind(["n"], "g", "K")])
        self.ask("GET", self.stars + "/user-alice-uid", ALICE, want=(404,))

    def test_only_ones_own(self):
        self.star("alice-uid", "a")
        path = self.stars + "/user-alice-uid"
        why = "you are not the owner of the resource"
        for method, at, body, headers in (("GET", path, None, None), ("PUT", path, stars("user-alice-uid"), None), ("DELETE", path, None, None),
                                          ("PATCH", path, {"spec": {"resource": []}}, MERGE), ("PUT", path + "/update/g/K/n", None, None),
                                          ("DELETE", path + "/update/g/K/n", None, None)):
            self.refused(why, method, at, BOB, body, headers=headers)
        self.refused(why, "POST", self.stars, BOB, stars("user-alice-uid"))
        self.refused(why + "; your own is user-bob-uid", "POST", self.stars, BOB, stars("user-carol", kind(["x"])))
        self.refused("mutating request without a name", "DELETE", self.stars, BOB)
        self.refused("Unauthorized", "GET", path, "no-such-token", code=401)
        self.assertEqual(self.server.request("PUT", path + "/update/g/K/n", headers={"Authorization": None})[0], 401)
        self.star("alice-uid", "b", token=None)  # an administrator
        self.assertEqual(self.ask("GET", path, ALICE)["spec"]["resource"], [kind(["a", "b"])])

    def test_lists_and_watches_show_ones_own(self):
        bob = copy.copy(self.server)
        bob.token = BOB
        watch = Watch(bob, self.stars)
        for who, token in (("alice-uid", ALICE), ("bob-uid", BOB)):
            self.star(who, "a", token=token)
        self.star("bob-uid", "b", token=BOB)
        self.assertEqual(self.names(self.stars, ALICE), ["user-alice-uid"])
        self.assertEqual(self.names(self.stars, BOB), ["user-bob-uid"])
        self.assertEqual(self.names(self.stars, None), ["user-alice-uid", "user-bob-uid"])
        self.assertEqual(self.names(self.stars + "?fieldSelector=metadata.name%3Duser-alice-uid", ALICE), ["user-alice-uid"])
        self.assertEqual(self.names(self.stars + "?limit=1", BOB), ["user-bob-uid"])
        everywhere = self.ask("GET", "/apis/collections.grafana.app/v1alpha1/stars", BOB)["items"]
        self.assertEqual({o["metadata"]["name"] for o in everywhere}, {"user-bob-uid"})
        watch.wait(2)
        self.assertEqual(watch.short(), ["ADDED user-bob-uid", "MODIFIED user-bob-uid"])
        watch.close()
        self.assertEqual(self.ask("DELETE", self.stars, None)["kind"], "StarsList")
        self.assertEqual(self.names(self.stars, None), [])

    def test_normal_form(self):
        body = stars("user-alice-uid", kind(["b", "a", "b"]), kind([], "x", "Y"), kind(["c"]))
        made = self.ask("PUT", self.stars + "/user-alice-uid", ALICE, body)
        self.assertEqual(made["spec"], {"resource": [kind(["a", "b", "c"])]})
        body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        self.assertEqual(self.rev(self.ask("PUT", self.stars + "/user-alice-uid", ALICE, body)), self.rev(made))

    def test_applied_by_two(self):
        path = self.stars + "/user-alice-uid?fieldManager="
        one = self.ask("PATCH", path + "one", ALICE, json.dumps(stars("user-alice-uid", kind(["b", "a"]))), headers=APPLY)
        again = self.ask("PATCH", path + "one", ALICE, json.dumps(stars("user-alice-uid", kind(["b", "a"]))), headers=APPLY)
        self.assertEqual(self.rev(one), self.rev(again))
        self.ask("PATCH", path + "two", ALICE, json.dumps(stars("user-alice-uid", kind(["c"]))), headers=APPLY)
        left = self.ask("PATCH", path + "one", ALICE, json.dumps(stars("user-alice-uid", kind(["b"]))), headers=APPLY)
        self.assertEqual(left["spec"]["resource"], [kind(["b", "c"])])

    def test_bad_input(self):
        path = self.stars + "/user-alice-uid"
        for rest in ("/update", "/update/", "/update/g", "/update/g/K", "/update/g/K/", "/update/g//n", "/update/g/K/n/o"):
            self.assertStatus(self.server.request("PUT", path + rest, token=ALICE), 400, message="expected {group}/{kind}/{id}")
        for rest in ("g/%s/n" % ("k" * 64), "%s/K/n" % ("g" * 254), "g/K/%s" % ("n" * 254)):
            self.assertStatus(self.server.request("PUT", path + "/update/" + rest, token=ALICE), 422)
        self.assertStatus(self.server.request("PUT", self.stars + "/alice/update/g/K/n"), 422, message="must be user-ID")
        self.assertStatus(self.server.request("GET", path + "/update/g/K/n", token=ALICE), 405)
        for spec in ({"resource": [{"group": "g", "kind": "K"}]}, {"resource": {}}, {"resource": [kind(["a"] * 3 + [7])]}, [], "x", None,
                     {"resource": [kind(["n%d" % i for i in range(5001)])]}, {"resource": [kind(["x"], "g%d" % i) for i in range(201)]}):
            body = dict(stars("user-alice-uid"), spec=spec)
            self.assertIn(self.server.request("POST", self.stars, body, token=ALICE)[0], (400, 422), spec)
        huge = stars("user-alice-uid", kind(["x" * (10 << 20)]))
        self.assertIn(self.server.request("POST", self.stars, huge, token=ALICE)[0], (413, 422))
        self.assertEqual(self.names(self.stars, None), [])

    def test_race(self):
        """Stars that are set at once all stay, the first included, which makes the object."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda i: self.server.request("PUT", self.stars + "/user-bob-uid/update/g/K/n%03d" % i, token=BOB)[0], range(120)))
        self.assertLessEqual(set(done), {200, 201})
        self.assertEqual(done.count(201), 1)
        self.assertEqual(self.ask("GET", self.stars + "/user-bob-uid", BOB)["spec"]["resource"], [kind(["n%03d" % i for i in range(120)], "g", "K")])

    def test_race_to_the_last(self):
        """What is set and taken back at once leaves what was set alone, or no object at all; no star is lost with an object that goes."""
        path = self.stars + "/user-bob-uid"

        def toggle(i):
            codes = []
            for _ in range(8):
                codes.append(self.server.request("PUT", "%s/update/g/K/n%d" % (path, i), token=BOB)[0])
                mine = self.server.get(path, token=BOB)
                self.assertEqual(mine[0], 200, mine)
                self.assertIn("n%d" % i, mine[2]["spec"]["resource"][0]["names"])
                codes.append(self.server.request("DELETE", "%s/update/g/K/n%d" % (path, i), token=BOB)[0])
            return codes
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            codes = sum(pool.map(toggle, range(4)), [])
        self.assertLessEqual(set(codes), {200, 201})
        self.ask("GET", path, BOB, want=(404,))


class Preferences(Own):
    def merged(self, token, **kw):
        return self.ask("GET", self.prefs + "/merged", token, **kw)

    def test_merged(self):
        defaults = {"theme": "dark", "timezone": "browser", "weekStart": "browser", "language": "en-US"}
        self.assertEqual(self.merged(ALICE), {"kind": "Preferences", "apiVersion": "preferences.grafana.app/v1", "metadata": {"namespace": self.ns},
                                              "spec": defaults})
        for name, spec in (("namespace", {"theme": "light", "timezone": "utc", "navbar": {"bookmarkUrls": ["/a"]}, "homeDashboardUID": "org-home"}),
                           ("team-qa", {"theme": "zen", "language": "de-DE", "queryHistory": {"homeTab": "starred"}}),
                           ("team-devs", {"theme": "mars", "weekStart": "monday", "queryHistory": {"homeTab": ""}}),
                           ("team-others", {"language": "fr"})):
            self.ask("POST", self.prefs, None, preferences(name, **spec))
        made = self.ask("PUT", self.prefs + "/user-alice-uid", ALICE, preferences("user-alice-uid", timezone="Europe/Berlin", theme="", navbar={}))
        got = self.merged(ALICE)
        self.assertEqual(got["spec"], {"theme": "mars", "timezone": "Europe/Berlin", "weekStart": "monday", "language": "de-DE",
                                       "queryHistory": {"homeTab": "starred"}, "navbar": {"bookmarkUrls": ["/a"]}, "homeDashboardUID": "org-home"})
        self.assertEqual(got["metadata"], {"namespace": self.ns, "creationTimestamp": made["metadata"]["creationTimestamp"]})
        self.assertEqual(self.merged(BOB)["spec"], dict(defaults, theme="light", timezone="utc", navbar={"bookmarkUrls": ["/a"]},
                                                        homeDashboardUID="org-home"))
        old = self.ask("GET", PREFERENCES % ("v1alpha1", self.ns) + "/merged", ALICE)
        self.assertEqual((old["apiVersion"], old["spec"]), ("preferences.grafana.app/v1alpha1", got["spec"]))
        self.assertEqual(self.server.request("GET", self.prefs + "/merged", headers={"Authorization": None})[0], 401)
        self.assertStatus(self.server.request("POST", self.prefs, preferences("merged"), token=None), 422)

    def test_who_may(self):
        self.ask("POST", self.prefs, None, preferences("namespace", theme="light"))
        self.ask("POST", self.prefs, None, preferences("team-devs", theme="dark"))
        self.ask("POST", self.prefs, ALICE, preferences("user-alice-uid", theme="zen"))
        for token in (ALICE, BOB):
            self.ask("GET", self.prefs + "/namespace", token)
            self.refused("must be an org admin to edit", "PATCH", self.prefs + "/namespace", token, {"spec": {"theme": "dark"}}, headers=MERGE)
            self.refused("must be an org admin to edit", "DELETE", self.prefs + "/namespace", token)
        self.ask("GET", self.prefs + "/team-devs", ALICE)
        self.refused("not a member of the team", "GET", self.prefs + "/team-devs", BOB)
        self.refused("no edit permissions for the team", "PUT", self.prefs + "/team-devs", ALICE, preferences("team-devs"))
        self.refused("not the owner", "GET", self.prefs + "/user-alice-uid", BOB)
        self.refused("not the owner", "POST", self.prefs, BOB, preferences("user-carol"))
        self.refused("must be an org admin", "POST", PREFERENCES % ("v1", "default"), BOB, preferences("namespace"))
        self.refused("unsupported owner type", "GET", self.prefs + "/other", BOB)
        self.refused("mutating request without a name", "DELETE", self.prefs, BOB)
        self.assertEqual(self.names(self.prefs, ALICE), ["namespace", "team-devs", "user-alice-uid"])
        self.assertEqual(self.names(self.prefs, BOB), ["namespace"])
        self.assertEqual(self.names(self.prefs + "?limit=2", ALICE), ["namespace", "team-devs"])
        self.assertEqual(self.names(self.prefs + "?fieldSelector=metadata.name%3Duser-alice-uid", BOB), [])
        self.assertEqual(self.names(self.prefs + "?fieldSelector=metadata.name!%3Dnamespace", ALICE), ["team-devs", "user-alice-uid"])

    def test_values(self):
        for spec in ({"timezone": "America/Argentina/Buenos_Aires"}, {"timezone": ""}, {"timezone": "utc"}, {"theme": ""}, {"theme": "system"},
                     {"weekStart": "sunday"}, {"language": "zh-Hans"}, {"language": ""}, {"homeDashboardUID": "no-such-dashboard"},
                     {"queryHistory": {"homeTab": ""}}, {"navbar": {"bookmarkUrls": []}}, {"regionalFormat": "de-DE"}):
            body = self.ask("PUT", self.prefs + "/user-bob-uid", BOB, preferences("user-bob-uid", **spec))
            self.assertEqual(body["spec"], spec)
            self.ask("DELETE", self.prefs + "/user-bob-uid", BOB)
        for field, spec, words in (("spec.timezone", {"timezone": "Mars/Base"}, "must be a valid IANA timezone"),
                                   ("spec.timezone", {"timezone": "../../etc/passwd"}, "must be a valid IANA timezone"),
                                   ("spec.theme", {"theme": "pink"}, "must match a configured theme"),
                                   ("spec.homeURL", {"homeURL": "/x"}, "may only be set from system configuration"),
                                   ("spec.weekStart", {"weekStart": "someday"}, "day of the week"),
                                   ("spec.language", {"language": "x"}, "language tag"),
                                   ("spec.language", {"language": "en--US"}, "language tag"),
                                   ("spec.queryHistory.homeTab", {"queryHistory": {"homeTab": "odd"}}, "supported values"),
                                   ("spec.theme", {"theme": 7}, "must be of type string"),
                                   ("spec.navbar.bookmarkUrls", {"navbar": {"bookmarkUrls": "x"}}, "must be of type array"),
                                   ("spec.navbar.bookmarkUrls", {"navbar": {"bookmarkUrls": ["x"] * 201}}, "must have at most 200 items"),
                                   ("spec.homeDashboardUID", {"homeDashboardUID": "x" * 1000000}, "Too long")):
            body = self.refused("", "PUT", self.prefs + "/user-bob-uid", BOB, preferences("user-bob-uid", **spec), code=422)
            cause = next((c for c in body["details"]["causes"] if c["field"] == field and words in c["message"]), None)
            self.assertIsNotNone(cause, body)
            self.assertLess(len(json.dumps(body)), 4096)
        huge = preferences("user-bob-uid", homeDashboardUID="x" * (10 << 20))
        self.assertIn(self.server.request("PUT", self.prefs + "/user-bob-uid", huge, token=BOB)[0], (413, 422))
        for spec in (None, [], "x", 7):
            body = dict(preferences("user-bob-uid"), spec=spec)
            self.assertIn(self.server.request("PUT", self.prefs + "/user-bob-uid", body, token=BOB)[0], (400, 422), spec)
        self.assertEqual(self.names(self.prefs, BOB), [])

    def test_names(self):
        for name in ("alice", "user-", "team-", "namespaces", "user-a b", "user-a@b", "user-" + "x" * 260):
            self.assertStatus(self.server.request("POST", self.prefs, preferences(name)), 422, "Invalid")
        for name in ("user-jane:40example.com", "user-Ab_1", "team-x.y"):
            self.ask("POST", self.prefs, None, preferences(name))
            self.ask("GET", self.prefs + "/" + name.replace(":", "%3A"))
        self.assertIn(self.server.request("POST", self.prefs, dict(preferences(""), metadata={}))[0], (400, 422))

    def test_people_without_plain_names(self):
        people = 'janetoken,jane@example.com,\nsystemtoken,system:odd/one,\nlongtoken,%s,\n' % ("l" * 300)
        with support.Kept(preset=support.PRESET, tokens=people) as s:
            path = PREFERENCES % ("v1", "default")
            for token, name in (("janetoken", "user-jane:40example.com"), ("systemtoken", "user-system:3aodd:2fone")):
                status, _, body = s.request("PUT", path + "/" + name, preferences(name, theme="zen"), token=token)
                self.assertEqual((status, body["metadata"]["name"]), (201, name), body)
                self.assertEqual(s.request("GET", path + "/merged", token=token)[2]["spec"]["theme"], "zen")
                self.assertEqual([o["metadata"]["name"] for o in s.request("GET", path, token=token)[2]["items"]], [name])
            status, _, body = s.request("POST", path, preferences("user-" + "l" * 240, theme="zen"), token="longtoken")
            self.assertEqual(status, 403, body)
            self.assertEqual(s.request("GET", path, token="longtoken")[2]["items"], [])
