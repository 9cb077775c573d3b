#!/usr/bin/env bash
# The runner calls this before a job's first step, and runs the job only if it ends with 0: no event
# but the approved ones, no workflow but the default branch's, nothing else on the GPU.
# What is allowed stands in `policy` beside this file; no variable of a job changes it.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
PATH=$here:/usr/bin:/bin

refuse() {
  printf '::error::this runner refuses the job: %s\n' "$*"
  exit 1
}

allowed() {
  local value
  value=$(sed -n "s/^$1=//p" "$here/policy") && [ -n "$value" ] || return 1
  printf '%s\n' "$value"
}

unknown="its policy cannot be read"
repository=$(allowed repository) || refuse "$unknown"
workflows=$(allowed workflows) || refuse "$unknown"
branch=$(allowed branch) || refuse "$unknown"
events=$(allowed events) || refuse "$unknown"
if [ "${1:-}" = --dry-run ]; then
  echo "would allow $workflows of $repository at $branch, on: $events"
  exit 0
fi

event=${GITHUB_EVENT_NAME:-}
[ "${GITHUB_REPOSITORY:-}" = "$repository" ] || refuse "another repository"
case $event in
  # These take the workflow from the default branch, or from the ref that it must be here.
  pull_request_target | workflow_dispatch | schedule) refs=refs/heads/$branch ;;
  merge_group) refs="refs/heads/gh-readonly-queue/$branch/?*" ;;
  *) refuse "its event is not approved" ;;
esac
[[ " $events " == *" $event "* ]] || refuse "its event is not approved"
approved=false
for workflow in $workflows; do
  # shellcheck disable=SC2053 # the pattern is ours
  [[ "${GITHUB_WORKFLOW_REF:-}" != "$repository/$workflow@"$refs ]] || approved=true
done
"$approved" || refuse "another workflow, or of another branch"

left=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader) || refuse "the GPU does not answer"
[ -z "$left" ] || refuse "$(wc -l <<< "$left") other processes are on the GPU"
echo "approved: $event of $repository"
