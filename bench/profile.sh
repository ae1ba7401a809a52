#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/profile.sh [PHASE...] [--heap]: where a server's time goes in krmbench's phases (create get list page update merge watch delete; default:
# get create watch), and where its memory lies. Wants perf; --heap wants heaptrack. CORACLE_BINARY: another server than build/release/coracle.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d /usr/local/go/bin ] && PATH=$PATH:/usr/local/go/bin
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
(cd bench/krmbench && GOFLAGS=-buildvcs=false go build -o "$dir/krmbench" .)
python3 bench/profile.py --tool-coracle "$(realpath "${CORACLE_BINARY:-build/release/coracle}")" --tool-krmbench "$dir/krmbench" "$@"
