#!/usr/bin/env bash
# Writes the report on a change that no figure depends on; publish.sh tells it.
set -euo pipefail
cat > report.md << 'TEXT'
<!-- gpu-regression-gate -->
### PASSED

No kernel is concerned: the change leaves every kernel, every baseline and the gate's configuration as they were, so nothing was measured.
TEXT
