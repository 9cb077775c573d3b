#!/usr/bin/env bash
# As root, after each job, when its processes have ended: nothing of it stays.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=.github/runner/common.sh
. "$here/common.sh"
begin "$@"
need_root

run rm -rf "$ROOT$JOB"
# Shared memory is the one place left that a job can write to.
if getent passwd "$RUNNER_USER" > /dev/null && [ -d "$ROOT/dev/shm" ]; then
  run find "$ROOT/dev/shm" -xdev -mindepth 1 -user "$RUNNER_USER" -delete
fi
