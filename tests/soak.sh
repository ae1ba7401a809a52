#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long tests: soak.sh [ROUNDS] (100) kills a store and a server under load with -9, again and again, and repeats the tests whose outcome
# hangs on timing. CORACLE_SOAK_BUILD (build/release) says which build. Closes with a table; exits 1 if anything failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-100}
build=${CORACLE_SOAK_BUILD:-build/release}
case $rounds in
'' | 0 | *[!0-9]*)
    printf 'soak.sh: "%s" is no number of rounds\n' "$rounds" >&2
    exit 2
    ;;
esac
[ -f "$build/build.ninja" ] || cmake --preset "$(basename "$build")" >/dev/null || exit 1
cmake --build "$build" --target coracle coracle-example contract_test_crash contract_test_model contract_test_threads \
    controllers_test_workqueue controllers_test_informer controllers_test_manager >/dev/null || exit 1

export CORACLE_CRASH_ROUNDS=$rounds ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=print_suppressions=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rows=() failed=0

step() { # name, repetitions, command...
    local name=$1 times=$2 begun=$SECONDS i result=ok
    shift 2
    printf '== %s\n' "$name"
    for ((i = 1; i <= times; i++)); do
        if ! "$@" >"$log" 2>&1; then
            cat "$log"
            result="FAILED in round $i"
            failed=$((failed + 1))
            break
        fi
    done
    rows+=("$(printf '%-34s %7d rounds %6d s  %s' "$name" "$times" $((SECONDS - begun)) "$result")")
}

export CORACLE_BINARY
CORACLE_BINARY=$(realpath "$build")/coracle
http() { python3 tests/http/run.py "$@"; }
few=$(((rounds + 9) / 10))

step "store killed ($rounds times a round)" 1 "$build/contract_test_crash"
step "server killed ($rounds times a round)" 1 http test_killed_at_random
step "server killed while it starts" "$few" http test_killed_while_it_starts
step "stop with watches and writes" "$few" http test_stop_with_watches_and_writes test_a_request_in_flight
step "restart" "$few" http test_restart
step "watches while writes go on" "$few" http test_resume_while_writes_go_on test_resume_from_every_revision test_a_slow_reader
step "pages while writes go on" "$few" http test_pages_are_exact test_read_and_put test_test_and_set
step "engines against each other" "$few" "$build/contract_test_model"
step "engines under threads" "$few" "$build/contract_test_threads"
for t in workqueue informer manager; do
    step "controllers: $t" "$few" "$build/controllers_test_$t"
done

printf '== soak of %s, %s rounds\n' "$build" "$rounds"
printf '%s\n' "${rows[@]}"
printf '%d passed, %d failed\n' $((${#rows[@]} - failed)) "$failed"
[ "$failed" = 0 ]
