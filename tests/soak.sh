#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The long tests: soak.sh [ROUNDS] [STEP...] runs all steps, or those named; ROUNDS (200) is how often a store and a server are killed, the other
# steps repeat in proportion. `soak.sh list` names the steps. CORACLE_SOAK_BUILD (build/release) says which build, CORACLE_SOAK_SECONDS (60) how long
# each fuzz target runs. Each step has a bound in time. Closes with a table of what was tried, how often, and what was lost; exits 1 if anything
# failed. A step whose tool is not there is skipped and says so.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STEPS=(kill-store kill-server kill-start power faults disk log restart watches pages engines threads controllers hostile lists watchers etcd histories dry-run services fuzz tsan)
build=${CORACLE_SOAK_BUILD:-build/release}
seconds=${CORACLE_SOAK_SECONDS:-60}
rounds=200
case ${1:-} in
list)
    printf '%s\n' "${STEPS[@]}"
    exit 0
    ;;
[0-9]*)
    rounds=$1
    shift
    ;;
esac
case $rounds in
*[!0-9]* | 0*)
    printf 'soak.sh: "%s" is no number of rounds\n' "$rounds" >&2
    exit 2
    ;;
esac
wanted=("$@")
[ $# -gt 0 ] || wanted=("${STEPS[@]}")
for s in "${wanted[@]}"; do
    printf '%s\n' "${STEPS[@]}" | grep -qx -- "$s" || { printf 'soak.sh: there is no step %s (there are: %s)\n' "$s" "${STEPS[*]}" >&2; exit 2; }
done

[ -f "$build/build.ninja" ] || cmake --preset "$(basename "$build")" >/dev/null || exit 1
make_() { cmake --build "$build" --target "$@" >"$log" 2>&1 || { tail -40 "$log"; return 1; }; }
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=print_suppressions=0 CORACLE_BINARY
log=$(mktemp) all=$(mktemp)
trap 'rm -f "$log" "$all"' EXIT
rows=() failed=0 skipped=0
few=$(((rounds + 19) / 20))

total() { # word -> the sum of the numbers after it in what the step printed
    grep -oE "$1: [0-9]+" "$all" | awk '{ n += $2 } END { printf "%s", NR ? n : "-" }'
}

row() { # name, rounds, seconds, result
    rows+=("$(printf '%-12s %7s %13s %6s %8s  %s' "$1" "$2" "$(total acknowledged)" "$(total lost)" "$3" "$4")")
}

skip() { # name, why
    : >"$all"
    row "$1" - 0 "skipped: $2"
    skipped=$((skipped + 1))
    printf '== %s: skipped: %s\n' "$1" "$2"
}

step() { # name, repetitions, bound in seconds of one, rounds of one, command...
    local name=$1 times=$2 bound=$3 each=$4 begun=$SECONDS i code result=ok
    shift 4
    printf '== %s\n' "$name"
    : >"$all"
    for ((i = 1; i <= times; i++)); do
        timeout -k 10 "$bound" "$@" >"$log" 2>&1
        code=$?
        cat "$log" >>"$all"
        if [ $code != 0 ]; then
            tail -60 "$log"
            result="FAILED in round $i"
            [ $code = 124 ] && result="NOT DONE within $bound s in round $i"
            failed=$((failed + 1))
            break
        fi
    done
    row "$name" $((times * each)) $((SECONDS - begun)) "$result"
}

http() { # as step, with names of black-box tests
    local name=$1 times=$2 bound=$3 each=$4
    shift 4
    make_ coracle coracle-example && step "$name" "$times" "$bound" "$each" python3 tests/http/run.py "$@"
}

step_kill-store() {
    make_ contract_test_crash && CORACLE_CRASH_ROUNDS=$rounds step kill-store 1 $((60 + rounds * 2)) "$rounds" "$build/contract_test_crash"
}
step_kill-server() {
    CORACLE_CRASH_ROUNDS=$rounds http kill-server 1 $((60 + rounds * 8)) $((2 * rounds)) test_killed_under_a_ledger test_killed_at_random
}
step_kill-start() { http kill-start "$few" 120 6 test_killed_while_it_starts; }
step_power() {
    make_ contract_test_power && CORACLE_POWER_CUTS=$rounds step power 1 $((60 + rounds * 5)) $((rounds * 5 / 2)) "$build/contract_test_power"
}
step_faults() {
    make_ contract_test_fault && CORACLE_FAULT_CALLS=60 step faults 1 1200 $((14 * 60 * 2)) "$build/contract_test_fault"
}
step_disk() {
    http disk "$few" 180 4 test_a_full_disk test_a_file_that_may_not_grow test_a_store_removed test_no_descriptors_left
}
step_log() { make_ contract_test_log && CORACLE_LOG_MIB=1024 step log 1 900 1 "$build/contract_test_log"; }
step_restart() {
    http restart "$few" 180 4 test_restart test_stop_with_watches_and_writes test_a_request_in_flight
}
step_watches() {
    http watches "$few" 180 3 test_resume_while_writes_go_on test_resume_from_every_revision test_a_slow_reader
}
step_pages() {
    CORACLE_PAGES_SECONDS=30 CORACLE_PAGES_RATE=1000 http pages "$few" 300 3 test_pages_are test_read_and_put test_test_and_set
}
step_engines() { make_ contract_test_model && step engines "$few" 300 1 "$build/contract_test_model"; }
step_threads() { make_ contract_test_threads && step threads "$few" 300 1 "$build/contract_test_threads"; }
step_controllers() {
    local t
    make_ controllers_test_workqueue controllers_test_informer controllers_test_manager &&
        step controllers "$few" 300 3 bash -ec 'for t in workqueue informer manager; do "$0/controllers_test_$t"; done' "$build"
}
step_hostile() { http hostile $(((few + 1) / 2)) 600 1 test_hostile test_transport; }
step_lists() {
    make_ coracle || return
    step lists-large 1 900 1 python3 bench/lists.py --binary "$CORACLE_BINARY"
    step lists-small 1 900 1 python3 bench/lists.py --binary "$CORACLE_BINARY" --objects 600000 --size 1500
}
crowd() { # name, bound in seconds, options of bench/watchers
    local name=$1 bound=$2
    shift 2
    step "$name" 1 "$bound" 1 python3 tests/watchers.py "$build/watchers" "$@"
}
step_watchers() {
    make_ coracle watchers || return
    crowd idle 120 --watchers 10000 --streams 100 --idle 10 --max-kb 15
    crowd idle-1.1 120 --watchers 8000 --idle 10 --max-kb 25
    crowd fan-out 200 --watchers 5000 --events 100 --seconds 30 --size 1000 --gets 100 --max-get-ms 20
    crowd paused 240 --watchers 200 --events 100 --seconds 90 --size 20000 --pause 100 --pause-s 60
}
step_etcd() {
    command -v etcd >/dev/null || { skip etcd "etcd is not installed"; return; }
    make_ coracle contract_test_store contract_test_keeping contract_test_threads contract_test_etcd || return
    CORACLE_CONTRACT_ENGINE=etcd step etcd "$few" 600 2 bash -ec '"$0/contract_test_store"; "$0/contract_test_keeping"; "$0/contract_test_threads"' "$build"
    CORACLE_ETCD_ROUNDS=$rounds step etcd-killed 1 1800 "$rounds" "$build/contract_test_etcd"
    step etcd-tour 1 1800 1 python3 tests/run.py etcd_clients
}
step_histories() {
    make_ resources_test_histories &&
        CORACLE_SEED=$(date +%s) CORACLE_HISTORIES=$((rounds * 100)) step histories 1 1800 $((rounds * 100)) "$build/resources_test_histories"
}
step_dry-run() {
    CORACLE_SEED=$(date +%s) CORACLE_DRY_RUNS=$((rounds * 10)) http dry-run 1 1800 $((rounds * 10)) test_dry_run
}
step_services() {
    CORACLE_SEED=$(date +%s) CORACLE_HOSTILE_REQUESTS=$((rounds * 200)) CORACLE_RACE_SECONDS=120 CORACLE_RACE_KILLS=10 \
        http services 1 2400 "$rounds" test_services_hostile test_services_races
}
step_fuzz() {
    [ -x tests/fuzz/run.sh ] || { skip fuzz "tests/fuzz/run.sh is not there"; return; }
    command -v clang-16 >/dev/null || { skip fuzz "clang-16 is not installed"; return; }
    local n
    n=$(find tests/fuzz -name 'fuzz_*.c' | wc -l)
    step fuzz 1 $((900 + n * (seconds + 20))) "$n" tests/fuzz/run.sh "$seconds"
}
step_tsan() {
    printf '== building with TSan\n'
    cmake --preset tsan >"$log" 2>&1 && cmake --build build/tsan --target coracle coracle-example >"$log" 2>&1 || {
        tail -20 "$log"
        skip tsan "it does not build"
        failed=$((failed + 1))
        return
    }
    CORACLE_BINARY='' CORACLE_CRASH_ROUNDS=10 step tsan 1 3600 1 python3 tests/http/run.py --preset tsan
}

CORACLE_BINARY=$(realpath -m "$build")/coracle
for s in "${wanted[@]}"; do
    before=${#rows[@]}
    "step_$s"
    if [ "${#rows[@]}" = "$before" ]; then
        : >"$all"
        row "$s" - 0 "FAILED to build"
        failed=$((failed + 1))
    fi
done

printf '== soak of %s\n' "$build"
printf '%-12s %7s %13s %6s %8s  %s\n' step rounds acknowledged lost seconds result
printf '%s\n' "${rows[@]}"
printf '%d passed, %d failed, %d skipped\n' $((${#rows[@]} - failed - skipped)) "$failed" "$skipped"
[ "$failed" = 0 ]
