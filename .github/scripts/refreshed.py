"""Takes over a refreshed baseline, which a measured kernel may have written, for a commit.

    HEAD=... REASON=... refreshed.py refreshed.json baselines/CARD/KERNEL.json

It is read as strictly as the judge reads it, must be of HEAD and for REASON, must have a canary as
the refresh demands it, and is written anew: no byte of the file itself is committed. Ends with 1
where it is none of this.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gate.documents import load_measurement, measurement_json
from gate.errors import InvalidDocument


def taken_over(file: Path, *, head: str, reason: str) -> str:
    """The baseline as text of the gate's own."""
    try:
        refreshed = load_measurement(file)
    except InvalidDocument as error:
        sys.exit(repr(str(error)))
    info = refreshed.baseline
    if info is None or info.commit != head or info.reason != reason.strip():
        sys.exit("it is not the baseline of this commit and reason")
    if refreshed.environment.canary is None:
        sys.exit("it has no canary: a machine that moved would pass unseen")
    return measurement_json(refreshed)


if __name__ == "__main__":
    given, output = map(Path, sys.argv[1:])
    text = taken_over(given, head=os.environ["HEAD"], reason=os.environ["REASON"])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
