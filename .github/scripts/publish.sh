#!/usr/bin/env bash
# Tells the verdict three times: in the run's summary, as a check run at the commit that was measured,
# and as one comment that every run of a pull request writes over.
# From the environment: HEAD, BASE, STATUS (success or not), NUMBER (no comment where it is empty).
set -euo pipefail

marker='<!-- gpu-regression-gate -->' # the report's own first line, by which its comment is found
here="repos/$GITHUB_REPOSITORY"
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"

conclusion=failure
[ "$STATUS" = success ] && conclusion=success
[ -s report.md ] || printf '%s\nThere is no verdict: the run says why.\n' "$marker" > report.md
# shellcheck disable=SC2016 # backticks are Markdown's
printf '\n`%s` against `%s`, in [one run](%s).\n' "$HEAD" "$BASE" "$run" >> report.md

cat report.md >> "$GITHUB_STEP_SUMMARY"
gh api "$here/check-runs" --silent \
  -f name='GPU verdict' -f head_sha="$HEAD" -f status=completed -f conclusion="$conclusion" \
  -f details_url="$run" -f 'output[title]'="GPU gate: $conclusion" -F 'output[summary]=@report.md'

[ -n "$NUMBER" ] || exit 0
mine=".[] | select(.user.login == \"github-actions[bot]\" and (.body | startswith(\"$marker\"))) | .id"
comment=$(gh api --paginate "$here/issues/$NUMBER/comments" --jq "$mine" | sed -n 1p)
if [ -n "$comment" ]; then
  gh api "$here/issues/comments/$comment" --silent --method PATCH -F body=@report.md
else
  gh api "$here/issues/$NUMBER/comments" --silent -F body=@report.md
fi
