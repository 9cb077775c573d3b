#!/usr/bin/env bash
# Makes this host a runner of one repository: an unprivileged user, the runner's software out of that
# user's reach, and a service that registers a fresh runner for each job. Run it again after changes.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=.github/runner/common.sh
. "$here/common.sh"
begin "$@"
need_root

repository=$(setting REPOSITORY '[A-Za-z0-9-]+/[A-Za-z0-9._-]+')
branch=$(setting BRANCH '[A-Za-z0-9._/-]+')
workflow='\.github/workflows/[A-Za-z0-9._-]+\.ya?ml'
workflows=$(setting WORKFLOWS "$workflow( $workflow)*")
events=$(setting EVENTS '(pull_request_target|workflow_dispatch|merge_group|schedule| )+')
setting REGISTER_AT "$REGISTER_AT" > /dev/null
setting RUNNER_GROUP "$RUNNER_GROUP" > /dev/null
setting LABELS '[A-Za-z0-9._,-]+' > /dev/null
version=$(setting RUNNER_VERSION '[0-9]+\.[0-9]+\.[0-9]+')
digest=$(setting RUNNER_SHA256 '[0-9a-f]{64}')

check_token() {
  local file=$ROOT$TOKEN
  [ -s "$file" ] || die "$TOKEN is missing: sudo install -m 600 /dev/stdin $TOKEN, and paste it"
  { [ "$(stat -c %a "$file")" = 600 ] && [ -O "$file" ]; } || die "$TOKEN must be root's, mode 600"
}

make_user() {
  if ! getent passwd "$RUNNER_USER" > /dev/null; then
    run useradd --system --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin "$RUNNER_USER"
  fi
  # Each of these groups is a way to root.
  if id -nG "$RUNNER_USER" 2> /dev/null | grep -qwE 'sudo|admin|wheel|docker|lxd|disk|root'; then
    die "$RUNNER_USER is in a group that may become root"
  fi
  if grep -rqsw -- "$RUNNER_USER" "$ROOT/etc/sudoers" "$ROOT/etc/sudoers.d"; then
    die "sudoers names $RUNNER_USER"
  fi
}

install_runner() {
  local at=$ROOT$SOFTWARE/runner folder
  local from=https://github.com/actions/runner/releases/download
  [ "$(cat "$at/.gate-version" 2> /dev/null)" != "$version $digest" ] || return 0
  folder=$(scratch)
  run curl --proto '=https' --fail --silent --show-error --location --output "$folder/runner.tar.gz" \
    "$from/v$version/actions-runner-linux-x64-$version.tar.gz"
  if ! "$dry_run"; then
    sha256sum --check --quiet <<< "$digest  $folder/runner.tar.gz" || die "not the runner of $CONFIG"
    rm -rf "$at"
    mkdir -p "$at"
    tar -xzf "$folder/runner.tar.gz" -C "$at" --no-same-owner
    printf '%s\n' "$version $digest" > "$at/.gate-version"
    echo "installed runner $version"
  fi
  run rm -rf "$folder"
}

install_scripts() {
  local script restart=false
  for script in common prepare-job run-job finish-job job-started; do
    put 0755 "$SOFTWARE/bin/$script.sh" < "$here/$script.sh"
    if "$wrote"; then restart=true; fi
  done
  # What the hook allows lies beside it: no variable of a job can say otherwise.
  put 0644 "$SOFTWARE/bin/policy" << POLICY
repository=$repository
workflows=$workflows
branch=$branch
events=$events
POLICY
  if "$wrote"; then restart=true; fi
  put 0644 /etc/systemd/system/gate-runner.service < "$here/gate-runner.service"
  if "$wrote"; then restart=true; fi
  "$restart" || return 0
  run mkdir -p "$ROOT${JOB%/*}"
  run systemctl daemon-reload
  run systemctl enable gate-runner.service
  run systemctl restart gate-runner.service
}

check_token
make_user
install_runner
install_scripts
echo "the runner is set up: systemctl status gate-runner"
