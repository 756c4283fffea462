#!/usr/bin/env bash
# All tests: lint first, beside the builders of the site; then everything that can run side by side, then proofs and
# browser tests. Options are handed to pytest (`-x`).
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
export PATH="$bin:$PATH:/usr/sbin:/sbin" # haproxy, nginx and nft are where Debian puts what only root has on the PATH
unset PYTHONDONTWRITEBYTECODE            # ten workers import the tests, and thousands of processes the program
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
# Lint has one core and the builders the other; the tests are compiled meanwhile. What it said is shown when all are done.
prepare() { bash deploy/lint.sh && "$bin/python" -m compileall -q src search && "$bin/pytest" -q --collect-only | tail -n 20; }
"$bin/plumb" docs
say "lint, beside the builders of the site"
prepare > .plumbline/prepared.log 2>&1 &
preparing=$!
failed=0
bash deploy/site.sh --both || failed=$?
wait "$preparing" || failed=$?
cat .plumbline/prepared.log
[ "$failed" = 0 ] || exit "$failed"
"$bin/coverage" erase
say "tests, side by side" # whole files in turn; tests/conftest.py says which come first
"$bin/pytest" -q -n 4 --dist loadfile --no-loadscope-reorder --ignore tests/proofs --ignore tests/browser \
    -m "not proof and not browser" --durations=25 --cov --cov-report= "$@"
# A process that is killed while it writes what it covered leaves half a file. Combining warns of it, leaves it out and
# goes on; nothing reads it later, but it would be warned of again.
find . -maxdepth 1 -name ".coverage.*" -delete
say "coverage (lines and branches of src and search)"
"$bin/coverage" report --fail-under=90 | tail -n 30
say "proofs and browser tests"  # not measured: they take the processor for themselves, and add nothing to what is covered
# One proof puts the gateway into a control group. Root may make one; for others their systemd can delegate one.
delegated=()
if [ "$(id -u)" != 0 ] && systemd-run --user --scope --quiet -p Delegate=yes true 2>/dev/null; then
    delegated=(systemd-run --user --scope --quiet -p Delegate=yes)
fi
proofs() { ${delegated[@]+"${delegated[@]}"} "$bin/pytest" -q --durations=50 "$@"; }
# A proof mostly waits, so three go side by side on two cores; each lab has its own network namespace. One that fails is
# tried once more on a lab of its own, and said so at the end; so are browser tests: docs/decisions/0016-a-proof-has-two-tries.md.
# What needs the machine for itself comes last.
proofs -n 3 --dist load --reruns 1 -rR -m "not alone" tests/proofs "$@"
proofs -n 2 --dist loadfile --reruns 1 -rR -m "not alone" tests/browser "$@"
proofs --reruns 1 -rR -m alone tests/proofs "$@" || [ $? = 5 ] # 5: nothing is marked so
