#!/usr/bin/env bash
# Make the virtual environment and install what constraints.txt locks. Run again only when that changes.
set -euo pipefail
python="${PYTHON:-python3}"
venv="${VENV:-.venv}"
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=$("$python" -V 2>&1 || true)
    echo "plumbline needs Python 3.11 or newer, but '$python' is '${found:-not there}'; name another: make PYTHON=python3.12 …" >&2
    exit 2
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing Debian's python3-venv"
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    else
        echo "this Python cannot make virtual environments; install it: sudo apt-get install python3-venv" >&2
        exit 2
    fi
fi
if [ ! -x "$venv/bin/python" ]; then
    say "making $venv"
    "$python" -m venv "$venv"
fi
say "installing packages (about two minutes the first time; torch is the largest)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
"$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar on --quiet \
    --constraint constraints.txt --editable '.[all]' --group dev
say "installed"
