#!/usr/bin/env bash
# Fuzz every target of the gateway's protocol for FUZZ_S seconds (60; an hour: FUZZ_S=3600). What breaks one is kept
# as tests/streaming/fuzz/crashers/<target>-…, which the tests run from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${FUZZ_S:-60}"
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(parsing frames claims tokens requests patterns settings connections)
mkdir -p tests/streaming/fuzz/crashers
for target in "${targets[@]}"; do
  corpus=".plumbline/fuzz/$target"
  mkdir -p "$corpus"
  printf '\033[1m==>\033[0m %s, %s s\n' "$target" "$seconds"
  .venv/bin/python tests/streaming/fuzz/run.py "$target" "$corpus" "tests/streaming/fuzz/seeds/$target" \
    -max_total_time="$seconds" -timeout=10 -max_len=1024 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="tests/streaming/fuzz/crashers/$target-"
done
