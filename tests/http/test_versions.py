# SPDX-License-Identifier: Apache-2.0
"""Lists and watches at versions: the whole table of tests/data/versions.json, which the reference answered (lib/versions.py)."""
import json, os

from lib import versions
from lib.server import ROOT
from support import Case


class Versions(Case):
    def test_every_combination(self):
        table = json.load(open(os.path.join(ROOT, "tests", "data", "versions.json"), encoding="utf-8"))
        found = versions.ask(versions.Asker(self.server.request, self.server.connection))
        wrong = []
        for kind in ("list", "watch"):
            self.assertEqual(set(found[kind]), set(table[kind]))
            for question, number in table[kind].items():
                if found[kind][question] != table["answers"][number]:
                    wrong.append("%s %s:\n  want %s\n  got  %s" % (kind, question, table["answers"][number], found[kind][question]))
        self.assertFalse(wrong, "%d differ\n%s" % (len(wrong), "\n".join(wrong[:10])))
        self.assertGreater(len(table["list"]) + len(table["watch"]), 700)
