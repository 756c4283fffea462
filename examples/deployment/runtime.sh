#!/bin/sh
# Makes the environment of one version, from requirements.txt as it is now; what is complete is left alone.
set -eu
mkdir -p "$(dirname "$1")"
exec 9> "$1.lock"
flock 9 # one that a killed deployer left behind may still be at work
[ -e "$1/complete" ] && exit 0
python -m venv --clear "$1"
"$1/bin/pip" install --quiet --requirement requirements.txt
touch "$1/complete"
