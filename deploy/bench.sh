#!/usr/bin/env bash
# Measure the search: relevance beside each half alone and the site's own search, latency, start-up. `--record` keeps the figures.
set -euo pipefail
cd "$(dirname "$0")/.."
bash deploy/site.sh >&2
.venv/bin/plumb index >&2
exec .venv/bin/python -m plumbline_search.evaluate --site site "$@"
