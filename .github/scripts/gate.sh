#!/usr/bin/env bash
# Runs the gate that install.sh installed. No variable of the runner reaches a kernel, and no cache or
# home outlives the run; of the workspace only the path is told, by which annotations find their file.
set -euo pipefail
venv=$RUNNER_TEMP/gate/venv
home=$(mktemp -d "$RUNNER_TEMP/gate/home.XXXXXX")
mkdir "$home/tmp"

exec env -i CI=true PATH="$PATH" LANG=C.UTF-8 HOME="$home" TMPDIR="$home/tmp" \
  TRITON_CACHE_DIR="$home/triton" GITHUB_WORKSPACE="$GITHUB_WORKSPACE" \
  "$venv/bin/python" -I -m gate "$@"
