#!/usr/bin/env bash
# As root, before each job: an empty home, a fresh copy of the runner, and a registration that is good
# for one job. The token stays in this process: it is in no command line and in no environment.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=.github/runner/common.sh
. "$here/common.sh"
begin "$@"
need_root

at=$(setting REGISTER_AT "$REGISTER_AT")
group=$(setting RUNNER_GROUP "$RUNNER_GROUP")
labels=$(setting LABELS '[A-Za-z0-9._,-]+')
# Every value has passed its pattern, so that none needs quoting in JSON.
name=gate-$(uname -n | tr -dc 'A-Za-z0-9-' | cut -c -32)-$(date +%s)
between='","'
printf -v request '{"name":"%s","runner_group_id":%s,"labels":["%s"],"work_folder":"_work"}' \
  "$name" "$group" "${labels//,/$between}"
job=$ROOT$JOB

register() {
  local answer encoded token
  token=$(cat "$ROOT$TOKEN")
  answer=$(printf 'Authorization: Bearer %s\n' "$token" |
    curl --proto '=https' --fail --silent --show-error --max-time 60 --request POST --header @- \
      --header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' \
      --data "$request" "https://api.github.com/$at/actions/runners/generate-jitconfig")
  encoded=$(sed -n 's/.*"encoded_jit_config": *"\([A-Za-z0-9+/=_-]*\)".*/\1/p' <<< "$answer")
  [ -n "$encoded" ] || die "GitHub registered no runner"
  install -m 0400 /dev/stdin "$job/jitconfig" <<< "$encoded"
}

run rm -rf "$job"
run mkdir -p -m 0700 "$job" "$job/home"
run cp -R "$ROOT$SOFTWARE/runner" "$job/runner"
if "$dry_run"; then
  echo "would register a runner at $at for one job: $request"
else
  register
fi
run chown -R "$RUNNER_USER:$RUNNER_USER" "$job"
