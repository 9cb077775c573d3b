"""What the compiler makes of the first kernel on each case of `kernel_cases`, without a GPU.

`python -m benchmarks.kernel_compiled [sm_89]` prints Markdown: registers, spills, widths of loads
and stores, occupancy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kernel_cases import grid
from gate import static
from gate.kernels import Workload, load_folder
from gate.model import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.kernel_cases import Case
    from gate.model import StaticLaunch

FOLDER = Path(__file__).parents[1] / "kernels" / "depthwise_conv_h"
SECONDS = 120.0


def workload(case: Case) -> Workload:
    """The case in the words of the kernel's reference."""
    return Workload(
        name=case.name,
        dtype=case.dtype,
        memory_format="channels_last" if case.channels_last else "contiguous",
        constants={
            "batch_size": case.n,
            "in_channels": case.c,
            "height": case.h,
            "width": case.w,
            "kernel_size": case.k,
            "stride": case.stride,
            "padding": case.padding,
            "dilation": case.dilation,
            "bias": case.bias,
        },
    )


def lines(cases: Sequence[Case], target: str) -> Iterator[str]:
    workloads = [workload(case) for case in cases]
    found = static.analyse(load_folder(FOLDER), workloads, target=target, timeout_s=SECONDS)
    for case in cases:
        made = found[case.name].static
        if isinstance(made, NotMeasured):
            yield f"| {case.name} | {made.message} | | | | | |"
        else:
            yield from (f"| {case.name} | {_figures(launch)} |" for launch in made.launches)


def _figures(launch: StaticLaunch) -> str:
    widths = f"{launch.widest_global_load_bits} / {launch.widest_global_store_bits}"
    occupancy = f"{launch.theoretical_occupancy_pct:.0f} % ({launch.occupancy_limit})"
    spills = launch.stack_bytes + launch.local_bytes
    parts = (launch.threads, launch.registers, spills, widths, launch.instructions, occupancy)
    return " | ".join(map(str, parts))


def main(target: str = "sm_89") -> None:
    print(
        "| workload | threads | registers | spilt bytes | load / store bits | instructions |",
        end="",
    )
    print(" occupancy (limit) |\n| --- |" + " ---: |" * 6)
    for line in lines(grid(), target):
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
