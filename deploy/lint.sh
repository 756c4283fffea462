#!/usr/bin/env bash
# Style, types, arrows and references: everything that can be said without running the code.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
say "ruff";             "$bin/ruff" check --quiet; "$bin/ruff" format --check --quiet
say "mypy --strict";    "$bin/mypy" --no-error-summary
for fault in kb/*/*/fault.py; do "$bin/mypy" --no-error-summary "$fault"; done  # all are named fault.py: one by one
mkdir -p .plumbline
say "import-linter";    "$bin/lint-imports" --no-cache > .plumbline/lint-imports.log || { cat .plumbline/lint-imports.log; exit 1; }
say "plumb check";      "$bin/plumb" check
