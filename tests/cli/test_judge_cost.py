"""Judging stays cheap: a thousand kernels in one call."""

import re
import subprocess
import sys

# On a core: what else the machine does meanwhile is not the judge's.
# It takes 1.8 s on a quiet machine, and 2.6 s on one that others use (benchmarks/RESULTS.md).
MAX_SECONDS = 3.0
MAX_MEGABYTES = 200.0
# A core whose other half is busy is slower: the least of a few is the judge's own cost.
ATTEMPTS = 6


def test_a_thousand_kernels_of_five_workloads_each():
    # A process of its own measures: the peak of a child counts its parent's memory.
    script = [sys.executable, "-m", "benchmarks.judge_cost"]
    seconds = []
    while len(seconds) < ATTEMPTS and min(seconds, default=MAX_SECONDS) >= MAX_SECONDS:
        said = subprocess.run(script, check=True, capture_output=True, text=True).stdout
        assert ": exit 0\n" in said
        busy, megabytes = re.search(r"([0-9.]+) s on a core\), ([0-9.]+) MB", said).groups()
        assert float(megabytes) < MAX_MEGABYTES
        seconds.append(float(busy))
    assert min(seconds) < MAX_SECONDS
