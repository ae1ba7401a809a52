#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev bench [krmbench's flags]: load and cost of a server of its own, TLS and durable writes on. bench/README.md explains the rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v go >/dev/null || { echo "bench: Go is needed to build krmbench" >&2; exit 1; }
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
(cd bench/krmbench && go build -o "$dir/krmbench" .)
echo 'benchtoken,bench,bench-uid,"system:masters"' >"$dir/tokens.csv"
mkfifo "$dir/ready"
begun=$(date +%s%N)
build/release/coracle serve --data "$dir/data" --store "${CORACLE_STORE:-sqlite}" --listen 127.0.0.1:0 --token-file "$dir/tokens.csv" --log-level warn \
    --ready-fd 9 9>"$dir/ready" >"$dir/out" &
server=$!
read -r <"$dir/ready" || true
printf 'ready after %d ms, binary %d KiB stripped\n' $((($(date +%s%N) - begun) / 1000000)) "$(strip -o "$dir/stripped" build/release/coracle && du -k "$dir/stripped" | cut -f1)"
grep -E '^(VmRSS|RssAnon):' "/proc/$server/status" | tr -s '\t\n ' ' ' && echo
url=$(sed -n 's/^ *server: //p' "$dir/data/admin.kubeconfig")
"$dir/krmbench" -url "$url" -token benchtoken -pids "coracle:$server" -phases create,get,list,page,update,merge,watch,delete "$@"
python3 bench/definitions.py --url "$url" --token benchtoken --pids "coracle:$server" -n "${CORACLE_DEFINITIONS:-500}"
