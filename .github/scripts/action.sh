#!/usr/bin/env bash
# The one command of .github/actions/gate, from its inputs in the environment: MODE, KERNELS, PROJECT,
# BASELINES, GPU, BASE_REF, MEASUREMENT, BINDING, CARD, PROPOSED. Ends with the gate's exit code.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
place=$RUNNER_TEMP/gate
json=$place/verdict.json report=$place/report.md
rm -f "$json" "$report"

# Paths are the caller's, from the workspace; the gate runs in the project's folder.
measurement=$(realpath -m -- "${MEASUREMENT:-$place/run.json}")
options=()
path() { [ -z "$2" ] || options+=("$1=$(realpath -m -- "$2")"); }
word() { [ -z "$2" ] || options+=("$1=$2"); }

# By any white space: a list with a name a line would else be its first line.
read -rd '' -a subjects <<< "$KERNELS" || true # the end of the text is no error
path --baselines "$BASELINES"
case $MODE in
  check | measure)
    rm -f "$measurement" # of an earlier step
    options+=("--output=$measurement")
    word --gpu "$GPU"
    word --base "$BASE_REF"
    path --binding "$BINDING"
    ;;
  judge)
    options+=("${subjects[@]/#/--require=}")
    [ "${#subjects[@]}" -gt 0 ] || options+=(--all)
    word --gpu "${GPU/skip/auto}" # the judge never needs a GPU: it demands figures of one, or not
    path --expect-binding "$BINDING"
    word --expect-gpu "$CARD"
    path --proposed "$PROPOSED"
    subjects=("$measurement")
    ;;
  *)
    echo "::error::mode must be check, measure or judge"
    exit 2
    ;;
esac
[ "$MODE" = measure ] || options+=("--json=$json" "--markdown=$report" --annotations)

code=0
(cd "$PROJECT" && bash "$scripts/gate.sh" "$MODE" "${options[@]}" -- "${subjects[@]}") || code=$?

"$place/venv/bin/python" -I "$scripts/outcome.py" "$code" "$json" >> "$GITHUB_OUTPUT"
for output in "measurement=$measurement" "json=$json" "report=$report"; do
  [ ! -f "${output#*=}" ] || printf '%s\n' "$output" >> "$GITHUB_OUTPUT"
done
if [ -s "$report" ]; then
  cat "$report" >> "$GITHUB_STEP_SUMMARY"
elif [ "$code" -ne 0 ]; then
  said="gate $MODE ended with exit code $code and without a verdict"
  echo "::error::$said"
  echo "$said" >> "$GITHUB_STEP_SUMMARY"
fi
exit "$code"
