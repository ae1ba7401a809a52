#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./dev bench [flags]: makes the tools, then compare.py measures Coracle and the reference in turn. bench/README.md explains the rows.
# CORACLE_BINARY: another server than build/release/coracle. CORACLE_BENCH_CACHE: where the reference's binaries are kept between runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d /usr/local/go/bin ] && PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || { echo "bench: Go is needed to build krmbench" >&2; exit 1; }
binary=${CORACLE_BINARY:-build/release/coracle}
cache=${CORACLE_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coracle-bench}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export GOFLAGS=-buildvcs=false

wants_peer() { # no reference wanted, none built; its etcd is wanted by --store etcd too
    case " $* " in
    *" --help "* | *" -h "*) return 1 ;;
    *" etcd "* | *"=etcd "*) return 0 ;;
    *" --only coracle "* | *"--only=coracle "*) return 1 ;;
    esac
}

# The reference's binaries, kept by what they are built from.
build_peer() {
    peer=$cache/$(cat bench/peer/go.mod bench/peer/*/main.go | sha256sum | cut -c1-16)
    [ -x "$peer/apiserver" ] && [ -x "$peer/etcd" ] && return 0
    echo "-- building the reference (once; minutes)" >&2
    mkdir -p "$peer"
    (cd bench/peer && CGO_ENABLED=0 timeout "${CORACLE_PEER_BUILD_SECONDS:-2400}" go build -trimpath -ldflags='-s -w' -o "$dir/" ./apiserver ./etcd) || return 1
    mv "$dir/apiserver" "$dir/etcd" "$peer/"
}

peer=
if wants_peer "$@"; then
    build_peer || { peer=; echo "bench: the reference could not be built" >&2; }
fi
for tool in krmbench coldload; do (cd "bench/$tool" && go build -o "$dir/$tool" .); done

# Makes the large store of phase cold, from the libraries that the server was built of.
libs=$(dirname "$binary")
cc -O2 -D_GNU_SOURCE -I. bench/store_fill.c "$libs/libstorage.a" "$libs/libbase.a" -lsqlite3 -lyyjson -lcrypto -luuid -lz -pthread -o "$dir/store_fill" ||
    echo "bench: store_fill could not be built" >&2

python3 bench/compare.py --tool-coracle "$(realpath "$binary")" --tool-krmbench "$dir/krmbench" ${peer:+--tool-etcd "$peer/etcd" --tool-apiserver "$peer/apiserver"} \
    --tool-coldload "$dir/coldload" --tool-fill "$dir/store_fill" "$@"
