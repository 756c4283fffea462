#!/usr/bin/env bash
# Measure. Without options the search: relevance beside each half alone and the site's own search, latency, start-up; `--record`
# keeps the figures. `--streaming` the gateway beside its peers (about 25 minutes; `--quick` two), then the pages that quote it are written.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --streaming ]; then
    shift
    # What is quick to fail comes first. A benchmark that fails is named at the end, and the others are measured all the same.
    failed=()
    for name in spread cluster relay replay tracing client_libraries hold broadcast sizing saturation storm fanout scaling; do
        printf '\033[1m==>\033[0m %s\n' "$name" >&2
        BENCH_LOAD=$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || true) \
            .venv/bin/python "benchmarks/streaming/$name.py" "$@" || failed+=("$name")
    done
    .venv/bin/python benchmarks/streaming/page.py
    .venv/bin/python benchmarks/streaming/capacity.py
    .venv/bin/python benchmarks/streaming/quotes.py
    [ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
    exit 0
fi
bash deploy/site.sh >&2
.venv/bin/plumb index >&2
exec .venv/bin/python -m plumbline_search.evaluate --site site "$@"
