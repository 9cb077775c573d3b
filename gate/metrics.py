"""What is read from Nsight Compute: each metric, and how launches combine. Pure.

Names are ncu's own, verbatim. Beyond `sm__throughput`, which alone takes 6 passes on AD102 and 8 on
GH100, nothing here costs a further one: NVIDIA's pass scheduler was asked for both, for GA100 and
for Blackwell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from gate.model import DRAM_THROUGHPUT, SM_THROUGHPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# How much the gate profiles: fresh processes, and forward calls in each. The shorter a call, the
# more its percentages spread: 0.9 % at 353 us, 2.5 % at 5 us (benchmarks/RESULTS.md).
PROCESSES = 2
FORWARDS = 6
SHORT_FORWARDS = 20
SHORT_NS = 20_000

DURATION = "gpu__time_duration.sum"
GRID_SIZE = "launch__grid_size"

# RTX 50 and other consumer Blackwell count DRAM bytes under the names of `instead_of` rows.
_DRAM_BYTES_BY_OPERATION = ("12.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table.

    `combine` makes one value of a function's launches in one forward call; a mean is weighted by
    their durations. `digits` is how many decimals are kept: more than ncu repeats, few enough that
    a stored baseline can be read.
    """

    name: str
    unit: str
    combine: Literal["sum", "mean", "max", "min"]
    required: bool = False
    digits: int = 0
    instead_of: str | None = None


def _percentage(name: str) -> Metric:
    return Metric(name=name, unit="%", combine="mean", required=True, digits=4)


def _amount(name: str, unit: str, *, instead_of: str | None = None) -> Metric:
    return Metric(name=name, unit=unit, combine="sum", instead_of=instead_of)


def _rate(name: str) -> Metric:
    return Metric(name=name, unit="hz", combine="mean")


def _largest(name: str, unit: str, *, digits: int = 0) -> Metric:
    return Metric(name=name, unit=unit, combine="max", digits=digits)


def _limit(name: str) -> Metric:
    return Metric(name=name, unit="block", combine="min")


TABLE: tuple[Metric, ...] = (
    _percentage(SM_THROUGHPUT),
    _percentage(DRAM_THROUGHPUT),
    _percentage("sm__warps_active.avg.pct_of_peak_sustained_active"),
    _percentage("lts__t_sector_hit_rate.pct"),
    Metric(name=GRID_SIZE, unit="block", combine="sum", required=True),
    Metric(name=DURATION, unit="ns", combine="sum", required=True),
    _amount("dram__bytes_read.sum", "byte"),
    _amount("dram__bytes_write.sum", "byte"),
    _amount("dram__bytes_op_read.sum", "byte", instead_of="dram__bytes_read.sum"),
    _amount("dram__bytes_op_write.sum", "byte", instead_of="dram__bytes_write.sum"),
    _amount("smsp__inst_executed.sum", "inst"),
    _amount("lts__t_bytes.sum", "byte"),
    _amount("l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "request"),
    _amount("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "sector"),
    _amount("l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", "request"),
    _amount("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", "sector"),
    _amount("l1tex__t_sectors_pipe_lsu_mem_local_op_ld.sum", "sector"),
    _amount("l1tex__t_sectors_pipe_lsu_mem_local_op_st.sum", "sector"),
    _rate("sm__cycles_elapsed.avg.per_second"),
    _rate("dram__cycles_elapsed.avg.per_second"),
    _largest("launch__waves_per_multiprocessor", "wave", digits=6),
    _largest("launch__registers_per_thread", "register/thread"),
    _largest("launch__block_size", "thread"),
    _largest("launch__shared_mem_per_block", "byte/block"),
    _limit("launch__occupancy_limit_blocks"),
    _limit("launch__occupancy_limit_registers"),
    _limit("launch__occupancy_limit_shared_mem"),
    _limit("launch__occupancy_limit_warps"),
)
BY_NAME = {metric.name: metric for metric in TABLE}
REQUIRED = frozenset(metric.name for metric in TABLE if metric.required)


def forwards(runtime_ns: float) -> int:
    """How many calls to profile in each process of a forward call that takes `runtime_ns`."""
    return SHORT_FORWARDS if runtime_ns < SHORT_NS else FORWARDS


def wanted(compute_capability: str | None) -> tuple[str, ...]:
    """The names to ask ncu for on such a GPU (`8.9`)."""
    names = tuple(metric.name for metric in TABLE if metric.instead_of is None)
    if not (compute_capability or "").startswith(_DRAM_BYTES_BY_OPERATION):
        return names
    return without(names, {metric.instead_of for metric in TABLE if metric.instead_of})


def without(names: Iterable[str], unknown: Iterable[str]) -> tuple[str, ...]:
    """`names` less those that this chip or ncu lacks, with what it may have in their place."""
    left_out = set(unknown)
    kept = [name for name in names if name not in left_out]
    return (*kept, *(metric.name for metric in TABLE if metric.instead_of in left_out))


def combine(name: str, values: Sequence[float], durations: Sequence[float]) -> float:
    """One value for all launches of one function in one forward call; at least one launch."""
    match BY_NAME[name].combine:
        case "sum":
            return math.fsum(values)
        case "max":
            return max(values)
        case "min":
            return min(values)
        case "mean":
            return _weighted_mean(values, durations)


def _weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    total = math.fsum(weights)
    if total <= 0:
        weights, total = [1.0] * len(values), float(len(values))
    mean = math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / total
    return min(max(mean, min(values)), max(values))  # rounding may leave the range by a hair


def summarise(name: str, values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """The median over forward calls with the lowest and the highest; whole numbers as int."""
    digits = BY_NAME[name].digits
    low, middle, high = (
        _rounded(value, digits) for value in (min(values), median(values), max(values))
    )
    return middle, (low, high)


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) if digits else round(value)
