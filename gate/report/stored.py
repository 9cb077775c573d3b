"""`gate baseline show`: what is stored, folder by folder, as a table a baseline."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gate.compare import static_metrics
from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT, NotMeasured
from gate.report.figures import change, duration, quantity
from gate.report.text import count, one_line
from gate.stats import log_deviation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from gate.model import BaselineInfo, Measurement, Result

MAX_REASON = 500
NOTHING = "-"


def render(stored: Iterable[tuple[str, Measurement]], console: Console) -> None:
    """One block a baseline: where it lies, who stored it and why, and its figures by workload."""
    shown = 0
    for folder, baseline in stored:
        assert baseline.baseline is not None
        (kernel,) = baseline.scope.kernels
        console.print(Text(f"{folder}/{kernel}", style="bold"), soft_wrap=True)
        console.print(Text(_provenance(baseline.baseline)), soft_wrap=True)
        console.print(_figures(baseline) if baseline.environment.gpu else _compiled(baseline))
        shown += 1
    if not shown:
        said = 'no baselines are stored; gate baseline refresh --reason "why"'
        console.print(Text(said), soft_wrap=True)


def _provenance(info: BaselineInfo) -> str:
    reason = one_line(info.reason, MAX_REASON)
    return f"measured at {info.commit[:12]} on {info.date[:10]}: {reason}"


def _figures(baseline: Measurement) -> Table:
    table = _table("runtime", "deviation", "SM", "DRAM", "best runtime")
    tested = 0
    for result in baseline.results:
        if isinstance(result.timing, NotMeasured):
            tested += 1
            continue
        medians = result.timing.process_medians_ns
        deviation = change(log_deviation(medians)).lstrip("+")
        table.add_row(
            result.workload,
            duration(median(medians)),
            deviation,
            _throughput(result, SM_THROUGHPUT),
            _throughput(result, DRAM_THROUGHPUT),
            _best(baseline, result),
        )
    if tested:
        table.caption = f"and {count(tested, 'workload')} only tested"
    return table


def _compiled(baseline: Measurement) -> Table:
    table = _table("spills", "occupancy", "loads", "registers")
    for result in baseline.results:
        if isinstance(result.static, NotMeasured):
            continue
        shown = [quantity(v, unit) for unit, v in static_metrics(result.static.launches).values()]
        registers = max(launch.registers for launch in result.static.launches)
        table.add_row(result.workload, *shown, str(registers))
    return table


def _table(*figures: str) -> Table:
    table = Table(box=None, pad_edge=False, caption_justify="left")
    table.add_column("workload")
    for name in figures:
        table.add_column(name, justify="right")
    return table


def _throughput(result: Result, metric: str) -> str:
    """The lowest of its JIT functions: the one that uses the machine least."""
    if isinstance(result.ncu, NotMeasured):
        return NOTHING
    values = [metrics[metric] for metrics in result.ncu.values() if metric in metrics]
    return quantity(min(values), "%") if values else NOTHING


def _best(baseline: Measurement, result: Result) -> str:
    assert baseline.baseline is not None
    anchor = baseline.baseline.anchors.get(result.workload, {}).get(RUNTIME)
    return duration(anchor.value) if anchor else NOTHING
