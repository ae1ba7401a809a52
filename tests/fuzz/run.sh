#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fuzz targets under libFuzzer (clang-16), two at a time: run.sh [SECONDS] [NAME...]. SECONDS (300) is a target's time; NAME is that of a
# corpus (json, yaml, ...), none: all. New inputs that reach new code are kept in build/fuzz/corpus; with CORACLE_FUZZ_MERGE=1 the small
# ones of them are merged into tests/fuzz/corpus. Crashes are left in build/fuzz/crashes. Exits 1 if anything was found.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-300}
[ $# -gt 0 ] && shift
case $seconds in
'' | 0 | *[!0-9]*)
    printf 'run.sh: "%s" is no number of seconds\n' "$seconds" >&2
    exit 2
    ;;
esac
build=${CORACLE_FUZZ_BUILD:-build/fuzz}
here=tests/fuzz
names=("$@")
[ ${#names[@]} -gt 0 ] || for f in "$here"/fuzz_*.c; do
    n=${f##*/fuzz_}
    names+=("${n%.c}")
done
for n in "${names[@]}"; do
    [ -f "$here/fuzz_$n.c" ] || { printf 'run.sh: there is no target %s\n' "$n" >&2; exit 2; }
done

[ -f "$build/build.ninja" ] || cmake --preset fuzz >/dev/null || exit 1
cmake --build "$build" --target "${names[@]/#/fuzz_}" >"$build/build.log" 2>&1 || { tail -40 "$build/build.log"; exit 1; }
mkdir -p "$build/crashes" "$build/logs"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1

one() { # name
    local n=$1 found=$build/corpus/$1 dict=()
    mkdir -p "$found" "$here/corpus/$n"
    [ -f "$here/dict/$n.dict" ] && dict=("-dict=$here/dict/$n.dict")
    nice -n 10 "$build/fuzz_$n" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=16384 -len_control=50 -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="$build/crashes/$n-" "${dict[@]}" "$found" "$here/corpus/$n" >"$build/logs/$n" 2>&1
    local code=$?
    awk -v n="$n" -v code=$code '/^#[0-9]/ { for (i = 1; i <= NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
        /number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 } /peak_rss_mb/ { rss = $2 }
        END { printf "%-16s %10d runs %7d a second  cov %6d  ft %6d  rss %5d MB  %s\n", n, runs, rate, cov, ft, rss, code ? "FAILED" : "ok" }' "$build/logs/$n"
    [ $code = 0 ] || { grep -m3 -E "ERROR|not so|runtime error|were allowed|are allowed" "$build/logs/$n"; return 1; }
    if [ "${CORACLE_FUZZ_MERGE:-}" = 1 ]; then
        "$build/fuzz_$n" -merge=1 -max_len=1024 "$here/corpus/$n" "$found" >/dev/null 2>&1
    fi
}

failed=0
for n in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
        wait -n || failed=$((failed + 1))
    done
    one "$n" &
done
while [ -n "$(jobs -p)" ]; do
    wait -n
    code=$?
    [ $code = 127 ] && break
    [ $code = 0 ] || failed=$((failed + 1))
done
printf '%d passed, %d failed\n' $((${#names[@]} - failed)) "$failed"
[ "$failed" = 0 ]
