#!/usr/bin/env bash
# Says which run this is, for `gate --binding` and `--expect-binding`: BASE and HEAD are full SHAs.
# Both sides write it by themselves, so that neither takes the other's word.
set -euo pipefail
run=$GITHUB_RUN_ID/$GITHUB_RUN_ATTEMPT
printf '{"base_sha": "%s", "head_sha": "%s", "nonce": "%s", "run": "%s"}' \
  "$BASE" "$HEAD" "$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT" "$run" > "$RUNNER_TEMP/binding.json"
