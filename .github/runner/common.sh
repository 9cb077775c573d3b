# shellcheck shell=bash disable=SC2034 # those that source it use its variables
# What the scripts here share; sourced, never run.

ROOT=${ROOT:-} # files lie below it; empty but in the tests
CONFIG=/etc/gate-runner/runner.conf
TOKEN=/etc/gate-runner/token
SOFTWARE=/opt/gate-runner
JOB=/var/lib/gate-runner/job
RUNNER_USER=gate-runner
REGISTER_AT='repos/[A-Za-z0-9-]+/[A-Za-z0-9._-]+|orgs/[A-Za-z0-9-]+'
RUNNER_GROUP='[1-9][0-9]*'
dry_run=false
wrote=false # whether the last `put` changed anything

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# begin "$@": the one option that there is.
begin() {
  case "$*" in
    '') ;;
    --dry-run) dry_run=true ;;
    *)
      printf 'usage: %s [--dry-run]\n' "$0" >&2
      exit 2
      ;;
  esac
}

need_root() {
  [ "$(id -u)" -eq 0 ] || [ -n "$ROOT" ] || "$dry_run" || die "this needs root: sudo $0"
}

run() {
  if "$dry_run"; then
    printf 'would run: %s\n' "$*"
  else
    "$@"
  fi
}

# A folder for what is fetched; the caller removes it.
scratch() {
  if "$dry_run"; then echo SCRATCH; else mktemp -d; fi
}

# put MODE FILE < CONTENT: writes the file unless it is already so.
put() {
  local mode=$1 file=$ROOT$2 content
  content=$(cat)
  wrote=false
  if [ -f "$file" ] && [ "$(stat -c %a "$file")" = "${mode#0}" ] &&
    printf '%s\n' "$content" | cmp -s - "$file"; then
    return
  fi
  wrote=true
  if "$dry_run"; then
    printf 'would write %s (%s):\n%s\n' "$2" "$mode" "$content"
  else
    printf '%s\n' "$content" | install -D -m "$mode" /dev/stdin "$file"
    printf 'wrote %s\n' "$2"
  fi
}

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# setting NAME PATTERN: its value in CONFIG, which is read and never executed.
setting() {
  local value
  [ -f "$ROOT$CONFIG" ] || die "$CONFIG is missing; runner.conf.example shows it"
  value=$(sed -n "s/^$1=//p" "$ROOT$CONFIG")
  [[ "$value" =~ ^($2)$ ]] || die "$CONFIG: $1 is missing or malformed"
  printf '%s\n' "$value"
}
