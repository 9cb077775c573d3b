"""What `benchmarks/kernel.py` measured, as a picture.

`python -m benchmarks.kernel_plot OUT.jsonl PICTURE.svg`: over the bytes that must be moved at
least, how near the kernel comes to a copy of as many, and how many times as long each competitor
takes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.kernel import read_rows
from benchmarks.kernel_cases import grid
from benchmarks.kernel_table import RIVALS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.kernel_cases import Case

MARKERS = dict(zip(RIVALS, ("o", "s", "^"), strict=True))
# The same figures give the same file.
mpl.rcParams["svg.hashsalt"] = "kernel"


def picture(cases: Sequence[Case], rows: Sequence[Row]) -> Figure:
    by_name = {row.case: row for row in rows}
    timed = [(case.bytes / 1e6, by_name[case.name]) for case in cases if case.name in by_name]
    figure = Figure(figsize=(9, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    shares = [(size, share) for size, row in timed if (share := row.share_of_copy()) is not None]
    above.scatter(*zip(*shares, strict=True), s=14, color="black")
    above.axhline(1, color="grey", linewidth=0.8)
    above.set_ylabel("share of a copy's speed")
    above.set_ylim(bottom=0)
    for rival, name in RIVALS.items():
        times = [(size, ratio) for size, row in timed if (ratio := row.speed_up(rival)) is not None]
        if times:
            below.scatter(*zip(*times, strict=True), s=14, marker=MARKERS[rival], label=name)
    below.axhline(1, color="grey", linewidth=0.8)
    below.set(xscale="log", yscale="log", xlabel="MB to move at least", ylabel="times as long")
    below.legend()
    devices = ", ".join(sorted({row.device for _, row in timed}))
    figure.suptitle(f"depthwise_conv_h on {devices}, {len(timed)} workloads")
    return figure


def main(results: Path, file: Path) -> None:
    picture(grid(), read_rows(results)).savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
