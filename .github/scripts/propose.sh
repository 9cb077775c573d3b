#!/usr/bin/env bash
# Opens a pull request with refreshed baselines: one commit on top of the one that was measured.
# From the environment: HEAD, TARGET (the branch to merge into), CARD, KERNELS, REASON, NUMBER (of the
# pull request that it is for, or empty); a report-KERNEL.md each says what changes.
# GitHub signs what its API commits with a workflow's token, and github-actions[bot] is the author.
set -euo pipefail
scripts=$(dirname "${BASH_SOURCE[0]}")
here=repos/$GITHUB_REPOSITORY
run=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID
branch=gate-refresh/$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT
title="Refresh the baselines of $KERNELS"

reports=()
for name in $KERNELS; do reports+=("report-$name.md"); done
{
  # shellcheck disable=SC2016 # backticks are Markdown's
  printf 'Measured at `%s` on `%s` in [one run](%s)%s. The reason that was given:\n\n' \
    "$HEAD" "$CARD" "$run" "${NUMBER:+, for #$NUMBER}"
  # An indented block is code whatever it holds, and a lone CR begins a line too.
  printf '%s\n' "$REASON" | tr '\r' '\n' | sed 's/^/    /'
  cat << 'TEXT'

A workflow opened this pull request, so GitHub starts no check on it by itself. Somebody with write
access approves the runs below; where none is offered, close it and reopen it. What changes follows as
the judge sees it, the diff has all of it, and the owners of `baselines/` approve it.
TEXT
} > about.md
python3 -I "$scripts/joined.py" about.md "${reports[@]}" > body.md
cat about.md "${reports[@]}" >> "$GITHUB_STEP_SUMMARY"

# By their blobs: gh reads all -f before any -F, so that entries of both would be mixed up.
files=()
for name in $KERNELS; do
  file=baselines/$CARD/$name.json
  blob=$(gh api "$here/git/blobs" -f encoding=utf-8 -F content=@"$file" --jq .sha)
  files+=(-f "tree[][path]=$file" -f 'tree[][mode]=100644' -f 'tree[][type]=blob'
    -f "tree[][sha]=$blob")
done
base=$(gh api "$here/git/commits/$HEAD" --jq .tree.sha)
tree=$(gh api "$here/git/trees" -f base_tree="$base" "${files[@]}" --jq .sha)
if [ "$tree" = "$base" ]; then
  echo "::error::the refreshed baselines are what is stored"
  exit 1
fi
commit=$(gh api "$here/git/commits" -f message="$title"$'\n\n'"$REASON" -f tree="$tree" \
  -f 'parents[]'="$HEAD" --jq .sha)
gh api "$here/git/refs" --silent -f ref="refs/heads/$branch" -f sha="$commit"
opened=$(gh api "$here/pulls" -f title="$title" -f head="$branch" -f base="$TARGET" \
  -F body=@body.md --jq .number)
printf 'opened=%s\n' "$opened" >> "$GITHUB_OUTPUT"
