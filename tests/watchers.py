#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/watchers against a server of its own: watchers.py PROGRAM [its options]. CORACLE_BINARY names the server."""
import os, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.server import Server  # noqa: E402


def main():
    with Server() as s:
        return subprocess.run([sys.argv[1], "--url", s.url, "--token", s.token, "--pid", str(s.process.pid)] + sys.argv[2:]).returncode


if __name__ == "__main__":
    sys.exit(main())
