"""The proposed baselines of a verdict as rows of words, for the renderers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.findings import metric_name
from gate.report.figures import quantity
from gate.report.text import name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.verdict import ProposedBaseline, ProposedFigure, Verdict

TITLE = "Proposed baseline changes to approve by the owners of baselines/"
COLUMNS = ("stored", "proposed", "measured", "tolerance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`figures` are in the order of COLUMNS."""

    place: str
    metric: str
    function: str
    figures: tuple[str, ...]


def rows(verdict: Verdict) -> tuple[Row, ...]:
    return tuple(_row(p, figure) for p in verdict.proposals for figure in p.figures)


def _row(proposal: ProposedBaseline, figure: ProposedFigure) -> Row:
    values = (figure.stored, figure.proposed, figure.measured)
    shown = ("-" if value is None else quantity(value, figure.unit) for value in values)
    return Row(
        place=f"{name(proposal.kernel)}/{name(figure.workload)}",
        metric=metric_name(name(figure.metric)),
        function=name(figure.function or ""),
        figures=(*shown, f"{figure.tolerance * 100:.1f} %"),
    )


def reasons(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Each kernel with why its baseline changes, in its author's words."""
    for proposal in verdict.proposals:
        afresh = ", ".join(map(name, proposal.new_anchors))
        new = f" (a new anchor, beyond the cap from the best: {afresh})" if afresh else ""
        yield f"{name(proposal.kernel)}{new}", proposal.reason
