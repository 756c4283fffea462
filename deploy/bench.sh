#!/usr/bin/env bash
# Measure. Without options the search: relevance beside each half alone and the site's own search, latency, start-up; `--record`
# keeps the figures. `--streaming` the gateway beside its peers (about 25 minutes; `--quick` two), then the pages that quote it are written.
# `--deployment` registry, server, switch and decisions beside theirs (about 25 minutes; `--quick` two), then their page is written.
set -euo pipefail
cd "$(dirname "$0")/.."
# Measure each named benchmark of a folder. One that fails is named at the end, and the others are measured all the same.
measure() {
    local folder=$1 names=$2 failed=() name
    shift 2
    for name in $names; do
        printf '\033[1m==>\033[0m %s\n' "$name" >&2
        BENCH_LOAD=$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || true) \
            .venv/bin/python "benchmarks/$folder/$name.py" "$@" || failed+=("$name")
    done
    [ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; return 1; }
}
if [ "${1:-}" = --streaming ]; then
    shift
    # What is quick to fail comes first.
    code=0
    measure streaming "spread cluster relay replay tracing client_libraries hold broadcast sizing saturation storm fanout scaling" "$@" || code=$?
    .venv/bin/python benchmarks/streaming/page.py
    .venv/bin/python benchmarks/streaming/capacity.py
    .venv/bin/python benchmarks/streaming/quotes.py
    exit "$code"
fi
if [ "${1:-}" = --deployment ]; then
    shift
    code=0
    measure deployment "bumps digests sequential reloads aliases machinery switch crashes server" "$@" || code=$?
    .venv/bin/python benchmarks/deployment/page.py
    exit "$code"
fi
bash deploy/site.sh >&2
.venv/bin/plumb index >&2
exec .venv/bin/python -m plumbline_search.evaluate --site site "$@"
