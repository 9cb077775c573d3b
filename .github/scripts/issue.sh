#!/usr/bin/env bash
# Tells what a night found in one issue: opened on the first bad one, written over by each that follows,
# closed by the first good one.
# From the environment: STATUS (success or not), MEASURED (how the measuring job ended); report.md and
# anchors.md have what was found, where anything was.
set -euo pipefail
scripts=$(dirname "${BASH_SOURCE[0]}")
marker='<!-- gpu-regression-gate nightly -->' # the body's first line, by which the issue is found
here=repos/$GITHUB_REPOSITORY
run=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID

mine=".[] | select(.body // \"\" | startswith(\"$marker\")) | .number"
ours="$here/issues?state=open&creator=github-actions%5Bbot%5D"
issue=$(gh api --paginate "$ours" --jq "$mine" | sed -n 1p)

if [ "$STATUS" = success ]; then
  [ -n "$issue" ] || exit 0
  gh api "$here/issues/$issue/comments" --silent -f body="Green again: [the run]($run)."
  gh api "$here/issues/$issue" --silent --method PATCH -f state=closed -f state_reason=completed
  exit 0
fi

{
  # shellcheck disable=SC2016 # backticks are Markdown's
  printf '%s\nThe check of `main` is red since the issue was opened; last on %s, at `%s`: [the run](%s).\n' \
    "$marker" "$(date --utc +%F)" "$GITHUB_SHA" "$run"
  if [ "$MEASURED" != success ]; then
    printf '\n**Nothing was measured**: the job ended with %s.\n' "${MEASURED:-nothing}"
  fi
} > about.md
python3 -I "$scripts/joined.py" about.md report.md anchors.md > body.md
if [ -n "$issue" ]; then
  gh api "$here/issues/$issue" --silent --method PATCH -F body=@body.md
else
  gh api "$here/issues" --silent -f title='The nightly check of main is red' -F body=@body.md
fi
