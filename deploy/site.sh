#!/usr/bin/env bash
# Build the site into ./site: generated pages, then MkDocs, strictly. `--both` also builds ./site-zensical with Zensical.
# Quick when nothing changed: a stamp holds the hash of what went in. A failed build leaves the old site as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.venv/bin"
work=.plumbline/site
mkdir -p "$work"
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

case "${1:-}" in
    "") both=no ;;
    --both) both=yes ;;
    *) echo "deploy/site.sh: '$1' is no option, but --both is" >&2; exit 2 ;;
esac

# Contents, not times: a fresh clone or a branch switch must not rebuild what is the same.
hash_of_inputs() {
    "$bin/python" - mkdocs.yml constraints.txt deploy/site.sh docs kb diagnostics src search <<'PY'
import hashlib, sys
from pathlib import Path

digest = hashlib.sha256()
for root in map(Path, sys.argv[1:]):
    for path in sorted([root] if root.is_file() else root.rglob("*")):
        made = "__pycache__" in path.parts or "generated" in path.parts
        if path.is_file() and not made:
            digest.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
print(digest.hexdigest())
PY
}

# Usage: fresh NAME FOLDER - true when FOLDER was built from the present inputs.
fresh() { [ -f "$2/index.html" ] && [ "$(cat "$work/$1.hash" 2>/dev/null)" = "$inputs" ]; }

# Usage: publish NAME FOLDER - put what was built in its place; readers never meet half a site.
publish() {
    rm -rf "$work/$1.old"
    if [ -d "$2" ]; then mv "$2" "$work/$1.old"; fi
    mv "$work/$1" "$2"
    rm -rf "$work/$1.old"
    echo "$inputs" > "$work/$1.hash"
}

inputs=$(hash_of_inputs)
if fresh mkdocs site && { [ "$both" = no ] || fresh zensical site-zensical; }; then
    say "the site is up to date"
    exit 0
fi

say "writing the generated pages"
"$bin/plumb" docs
inputs=$(hash_of_inputs) # some of what it wrote is kept in the repository and counts as input

# -q and -v would each switch a part of --strict off (mkdocs/mkdocs#4126, #3991). The variable is Material's own switch
# for its notice about MkDocs 2, which pyproject.toml already excludes.
if ! fresh mkdocs site; then
    say "building ./site (MkDocs, strict)"
    rm -rf "$work/mkdocs"
    NO_MKDOCS_2_WARNING=1 PLUMBLINE_SITE="$work/mkdocs" "$bin/mkdocs" build --strict
    publish mkdocs site
fi
if [ "$both" = yes ] && ! fresh zensical site-zensical; then
    say "building ./site-zensical (Zensical, strict)"
    # --clean: its cache looks at pages only, and blocks are made from records and diagnostics too.
    rm -rf "$work/zensical"
    PLUMBLINE_SITE="$work/zensical" "$bin/zensical" build --strict --clean
    publish zensical site-zensical
fi
say "built"
