#!/bin/sh
# Makes the environment of one version, from requirements.txt as it is now; what is complete is left alone.
set -eu
[ -e "$1/complete" ] && exit 0
rm -rf "$1"
python -m venv "$1"
"$1/bin/pip" install --quiet --requirement requirements.txt
touch "$1/complete"
