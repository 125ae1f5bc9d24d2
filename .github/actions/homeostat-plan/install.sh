#!/usr/bin/env bash
# Installs what Homeostat runs on, by the hashes of the very commit that this action was taken from, into an
# environment of its own. Safe to run again in the same job: it does nothing then.
set -euo pipefail

home=$(cd "$GITHUB_ACTION_PATH/../../.." && pwd)
venv=$RUNNER_TEMP/homeostat

if cmp -s "$home/requirements.txt" "$venv/.made-from"; then exit 0; fi
"$PYTHON" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --requirement "$home/requirements.txt"
cp "$home/requirements.txt" "$venv/.made-from"
