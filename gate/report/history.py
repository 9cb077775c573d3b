"""`gate baseline history`: a table and a sparkline for each gated metric of each workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gate.history import series
from gate.report.figures import change, quantity
from gate.report.text import count, name, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from gate.history import Point, Series, Version

MAX_WHY = 300
BARS = "▁▂▃▄▅▆▇█"
# Where the terminal's encoding has no bars.
DIGITS = "12345678"
NOTHING = "-"


def render(histories: Iterable[tuple[str, Sequence[Version]]], console: Console) -> None:
    """One block a baseline file: versions with their reasons, then every series, oldest first."""
    shown = 0
    for file, versions in histories:
        console.print(Text(f"{name(file)}: {count(len(versions), 'version')}", style="bold"))
        if not versions:
            console.print(Text("it was never committed"))
        for version in versions:
            console.print(Text(f"{_place(version)} {_about(version)}"), soft_wrap=True)
        for one in series(versions):
            console.print()
            console.print(_title(one, DIGITS if console.options.ascii_only else BARS))
            console.print(_table(one))
        shown += 1
    if not shown:
        console.print(Text('no baselines are stored; gate baseline refresh --reason "why"'))


def sparkline(values: Sequence[float], bars: str = BARS) -> str:
    """The lowest value as the lowest bar, the highest as the highest; all alike are the middle."""
    low, high = min(values), max(values)
    if low == high:
        return bars[len(bars) // 2 - 1] * len(values)
    return "".join(bars[round((v - low) / (high - low) * (len(bars) - 1))] for v in values)


def _title(one: Series, bars: str) -> Text:
    line = sparkline([point.value for point in one.points], bars)
    return Text(f"{name(one.workload)} {name(one.metric)}  {line}")


def _table(one: Series) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("commit", "date"):
        table.add_column(heading, no_wrap=True)
    for heading in ("value", "change", "from best"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in one.points:
        table.add_row(*_place(point.version).split(), *_figures(point, one.unit))
    return table


def _figures(point: Point, unit: str) -> tuple[str, str, str]:
    moved = NOTHING if point.change is None else change(point.change)
    from_best = NOTHING if point.from_anchor is None else change(point.from_anchor)
    return quantity(point.value, unit), "redefined" if point.redefined else moved, from_best


def _place(version: Version) -> str:
    return f"{version.commit[:12]} {version.date[:10]}"


def _about(version: Version) -> str:
    """Why it was stored, or why it cannot be read."""
    if version.baseline is None or version.baseline.baseline is None:
        return f"does not read: {one_line(version.unreadable, MAX_WHY)}"
    return one_line(version.baseline.baseline.reason, MAX_WHY)
