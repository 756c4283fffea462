#!/usr/bin/env bash
# Style, types, arrows and references: everything that can be said without running the code.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
say "ruff";             "$bin/ruff" check --quiet; "$bin/ruff" format --check --quiet
say "mypy --strict";    "$bin/mypy" --no-error-summary
rm -rf .plumbline/faults
mkdir -p .plumbline/faults
for fault in kb/*/*/fault.py; do  # all are named fault.py, and mypy wants names of their own
    name=${fault#kb/} name=${name%/fault.py} name=${name//[-\/]/_}
    ln -s "$PWD/$fault" ".plumbline/faults/$name.py"
done
"$bin/mypy" --no-error-summary .plumbline/faults/*.py
say "import-linter";    "$bin/lint-imports" --no-cache > .plumbline/lint-imports.log || { cat .plumbline/lint-imports.log; exit 1; }
say "plumb check";      "$bin/plumb" check
