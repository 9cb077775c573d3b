#!/usr/bin/env bash
# Holds each refreshed baseline, refreshed/KERNEL/CARD/KERNEL.json, against the stored one as the judge
# would, and takes it over into baselines/. Writes report-KERNEL.md: what changes.
# From the environment: CARD, HEAD, KERNELS, REASON.
set -euo pipefail
scripts=$(dirname "${BASH_SOURCE[0]}")
python=$RUNNER_TEMP/gate/venv/bin/python

for name in $KERNELS; do
  file=refreshed/$name/$CARD/$name.json
  judge=("$python" -I -m gate judge "$file" --expect-gpu "$CARD")
  "${judge[@]}" --baselines "refreshed/$name"
  code=0
  "${judge[@]}" --gpu require --proposed "refreshed/$name" --markdown "report-$name.md" || code=$?
  case $code in
    0 | 3 | 5 | 6) ;; # what the judge cannot settle, such as another toolchain, the owners read
    *) exit "$code" ;;
  esac
done
for name in $KERNELS; do
  "$python" -I "$scripts/refreshed.py" "refreshed/$name/$CARD/$name.json" "baselines/$CARD/$name.json"
done
