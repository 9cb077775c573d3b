#!/usr/bin/env bash
# As the runner's user: waits for one job, runs it, ends.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=.github/runner/common.sh
. "$here/common.sh"
begin "$@"
job=$ROOT$JOB

if "$dry_run"; then
  echo "would run one job in $job, with $here/job-started.sh before it"
  exit 0
fi
# 22.04's own python3 is older than the gate's.
if [ -x /usr/bin/python3.11 ]; then
  mkdir "$job/path"
  ln -s /usr/bin/python3.11 "$job/path/python3"
fi
export PATH="$job/path:/usr/local/bin:/usr/bin:/bin"
export HOME=$job/home TRITON_CACHE_DIR=$job/home/triton LANG=C.UTF-8
export ACTIONS_RUNNER_HOOK_JOB_STARTED=$here/job-started.sh
# The runner takes this variable out of its environment before it starts anything.
IFS= read -r ACTIONS_RUNNER_INPUT_JITCONFIG < "$job/jitconfig"
export ACTIONS_RUNNER_INPUT_JITCONFIG
rm -f "$job/jitconfig"
cd "$job/runner"
exec ./run.sh
