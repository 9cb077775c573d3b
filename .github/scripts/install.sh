#!/usr/bin/env bash
# Installs the gate of this very tree into an environment of its own, as gate.sh runs it.
#
#   install.sh          what judges, without torch
#   install.sh gpu      what measures
#
# CONSTRAINTS, a file for pip, stands in for the gate's own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$RUNNER_TEMP/gate/venv

python3 -m venv "$venv"
"$venv/bin/python" -I -m pip --isolated install --no-cache-dir --quiet --disable-pip-version-check \
  --constraint "${CONSTRAINTS:-$root/constraints.txt}" "$root${1:+[$1]}"
