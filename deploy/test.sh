#!/usr/bin/env bash
# All tests: lint first, beside the builders of the site; then everything that can run side by side, then proofs and
# browser tests. Options are handed to pytest (`-x`).
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
export PATH="$bin:$PATH:/usr/sbin:/sbin" # haproxy, nginx and nft are where Debian puts what only root has on the PATH
unset PYTHONDONTWRITEBYTECODE            # ten workers import the tests, and thousands of processes the program
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
say "search index, beside lint and the builders of the site" # embedding has one core, all else the other
"$bin/plumb" index > .plumbline/index.log 2>&1 &
indexing=$!
trap 'kill "$indexing" 2>/dev/null || true' EXIT
"$bin/plumb" docs
bash deploy/lint.sh
bash deploy/site.sh --both
"$bin/python" -m compileall -q src search
"$bin/pytest" -qq --collect-only > .plumbline/collected.log || { cat .plumbline/collected.log; exit 1; } # compiles the tests
wait "$indexing" || { cat .plumbline/index.log; exit 1; }
trap - EXIT
tail -n 1 .plumbline/index.log
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
