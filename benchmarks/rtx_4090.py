"""How long a memory-bound kernel should take on an RTX 4090, by arithmetic: nothing is measured.

`python -m benchmarks.rtx_4090` prints Markdown for the cases of `kernel_cases`. The model knows two
things: what must come from and go to DRAM, and how fast a plain copy gets there. Of the seed's
kernel on its own workload it says an L2 hit rate of 75 % (published: 74.76 %) and 1.20 ms
(published: 91.88 % of DRAM's peak, which is 1.16 ms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.kernel_cases import ITEM_BYTES, grid
from gate.gpus import table_for_name

if TYPE_CHECKING:
    from benchmarks.kernel_cases import Case
    from gate.gpus import GpuTable

# Of the peak in `gate/gpus`, by a device-to-device copy on an H100 80GB: 2970 of 3352 GB/s.
COPY_SHARE = 2970 / 3352
# From the start of an almost empty kernel to its end.
LAUNCH_NS = 2000.0


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """`dram_bytes` and `ns` of one call, and the share of L2 requests that find their sector."""

    dram_bytes: int
    l2_hit_rate: float
    ns: float


def predict(case: Case, card: GpuTable, *, reused: bool = True) -> Prediction:
    """The case's bytes at the speed of a copy.

    Not `reused`: each output row fetches its input rows anew, as if L2 held nothing.
    """
    passes = 1.0 if reused else max(1.0, case.k / case.stride)
    moved = round(case.bytes + (passes - 1) * case.input_bytes)
    bytes_a_ns = card.memory_bandwidth_gb_s * COPY_SHARE
    return Prediction(
        dram_bytes=moved,
        l2_hit_rate=_hit_rate(case.k / case.stride, passes),
        ns=LAUNCH_NS + moved / bytes_a_ns,
    )


def seed_style(case: Case, card: GpuTable) -> Prediction:
    """One row segment a program, all planes' segments of a row before the next row's."""
    row_bytes = case.n * case.c * min(case.w, 128) * ITEM_BYTES[case.dtype]
    return predict(case, card, reused=row_bytes * case.dilation * case.k <= card.l2_bytes)


def _hit_rate(loads: float, misses: float) -> float:
    """Of `loads` of each input sector some miss; the store of an output sector never does."""
    return (max(loads, 1.0) - misses + 1) / (max(loads, 1.0) + 1)


def main() -> None:
    card = table_for_name("NVIDIA GeForce RTX 4090")
    assert card is not None
    print("| workload | bytes | predicted | rows fetched anew |\n| --- | ---: | ---: | ---: |")
    for case in grid():
        best, worst = predict(case, card), predict(case, card, reused=False)
        figures = f"{best.dram_bytes:,} | {best.ns / 1e3:.1f} us | {worst.ns / 1e3:.1f} us"
        print(f"| {case.name} | {figures} |")


if __name__ == "__main__":
    main()
