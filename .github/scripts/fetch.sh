#!/usr/bin/env bash
# Fetches what the measuring job of this run and attempt left, as hostile input.
#
#   fetch.sh NAME FILE...    NAME is the artifact's, less its attempt; it holds these files and no other
set -euo pipefail
scripts=$(dirname "${BASH_SOURCE[0]}")
name=$1-$GITHUB_RUN_ATTEMPT
shift

gh api "repos/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/artifacts?name=$name" > artifacts.json
id=$(python3 -I "$scripts/measurement.py" listed < artifacts.json)
gh api "repos/$GITHUB_REPOSITORY/actions/artifacts/$id/zip" > artifact.zip
python3 -I "$scripts/measurement.py" unpack artifact.zip "$@"
