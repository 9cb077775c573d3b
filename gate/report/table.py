"""The terminal's table: one line a workload, worst first, and a count for those without figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT
from gate.report.figures import moved, quantity
from gate.report.headline import row_words, status_word
from gate.report.ordering import Row, needs_attention
from gate.report.text import count
from gate.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gate.verdict import Finding

# A thousand workloads stay readable: the worst in full, the rest as counts.
MAX_OPEN_ROWS = 30
MAX_GREEN_ROWS = 10
MAX_ROWS_WITHOUT_FIGURES = 3
_MEASURING_WIDTH = 10_000
_FIGURES = {"runtime": RUNTIME, "SM %": SM_THROUGHPUT, "DRAM %": DRAM_THROUGHPUT}
_NOTHING = "-"
STYLES = {
    Status.PASSED: "green",
    Status.UNCHANGED: "green",
    Status.IMPROVED: "green",
    Status.ACCEPTED: "cyan",
    Status.NOT_CHECKED: "dim",
    Status.INCONCLUSIVE: "yellow",
    Status.REGRESSED: "bold red",
    Status.MISSING: "bold red",
    Status.FAILED: "bold red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the table shows, and how many workloads it only counts, by what is known of them."""

    shown: tuple[Row, ...]
    counted: tuple[tuple[str, int], ...]


def select(of_rows: Sequence[Row]) -> Selection:
    """`of_rows` are worst first and stay so. What a kernel itself passed needs no line."""
    red = [row for row in of_rows if row.needs_attention]
    green = [row for row in of_rows if not (row.needs_attention or row.is_kernel_level)]
    measured = [row for row in green if _has_figures(row)]
    bare = [row for row in green if not _has_figures(row)]
    few = bare if len(bare) <= MAX_ROWS_WITHOUT_FIGURES else []
    shown = (*red[:MAX_OPEN_ROWS], *measured[:MAX_GREEN_ROWS], *few)
    listed = set(map(id, shown))
    rest = Counter(row_words(row) for row in (*red, *green) if id(row) not in listed)
    return Selection(shown=shown, counted=tuple(rest.items()))


def print_table(selection: Selection, console: Console) -> None:
    columns = _columns(selection.shown)
    table = _table(selection.shown, columns, separator="/")
    # Rich would cut every measure to the console's own width.
    anything = console.options.update(width=_MEASURING_WIDTH)
    if console.measure(table, options=anything).maximum > console.width:
        table = _table(selection.shown, columns, separator="/\n")
    if selection.shown and console.measure(table, options=anything).maximum <= console.width:
        console.print(table, highlight=False)
    else:
        for row in selection.shown:
            console.print(_as_line(row, columns), soft_wrap=True, highlight=False)
    more = "more " if selection.shown else ""
    for words, number in selection.counted:
        counted = count(number, f"{more}workload")
        console.print(Text(f"{counted}: {words}"), soft_wrap=True, highlight=False)


def _table(shown: Sequence[Row], columns: Sequence[str], *, separator: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # A name is copied and searched for: where it does not fit, each row becomes a line of its own.
    table.add_column("workload", no_wrap=True)
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in _FIGURES else "left")
    for row in shown:
        place = row.place.replace("/", separator)
        table.add_row(Text(place), *(_cell(row, column) for column in columns))
    return table


def _as_line(row: Row, columns: Sequence[str]) -> Text:
    cells = (Text.assemble(f"{column} ", _cell(row, column)) for column in columns)
    return Text.assemble(f"{row.place}: ", Text(", ").join(cells))


def _columns(shown: Sequence[Row]) -> list[str]:
    """Those in which some row has something to say."""
    every = ("correct", *_FIGURES, "status")
    return [c for c in every if any(_cell(row, c).plain != _NOTHING for row in shown)]


def _cell(row: Row, column: str) -> Text:
    if column == "correct":
        return _correct(row)
    if column == "status":
        return Text(status_word(row.status), style=STYLES[row.status])
    finding = row.find(_FIGURES[column])
    return Text(_NOTHING) if finding is None else _figure(finding)


def _figure(finding: Finding) -> Text:
    compared = finding.comparison
    if compared is None:
        return Text(status_word(finding.status), style=STYLES[finding.status])
    value = quantity(compared.candidate, compared.unit).removesuffix(" %")
    by = moved(compared).replace(" %", "%")
    style = "" if finding.status is Status.UNCHANGED else STYLES[finding.status]
    return Text.assemble(f"{value} ", (f"{by:>6}", style))


def _correct(row: Row) -> Text:
    """`yes` only for an output that was compared and agreed, from a kernel that keeps the rules."""
    contract, output = row.find("contract"), row.find("correctness")
    if output is not None and output.status is Status.FAILED:
        return Text("NO", style=STYLES[Status.FAILED])
    if contract is not None and needs_attention(contract):
        return Text("contract", style=STYLES[contract.status])
    if output is None:
        return Text(_NOTHING)
    proven = output.status is Status.PASSED
    return Text("yes" if proven else "?", style=STYLES[output.status])


def _has_figures(row: Row) -> bool:
    found = (row.find(metric) for metric in _FIGURES.values())
    return any(f is not None and f.comparison is not None for f in found)
