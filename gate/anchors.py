"""The best runtime that a workload ever had, carried from baseline to baseline. Pure.

Many small steps, each within its tolerance, are one large one: the anchor remembers where the first
of them began.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from gate.model import RUNTIME, Anchor, Timing

if TYPE_CHECKING:
    from gate.model import BaselineInfo, Measurement, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From the best so far to a new runtime; `best` is None where nothing comparable was stored."""

    own: Anchor
    best: Anchor | None

    @property
    def crept(self) -> float:
        """The relative distance from the best so far."""
        return self.own.value / self.best.value - 1 if self.best else 0.0

    def anchor(self, cap: float) -> Anchor:
        """What is remembered from now on: the better of the two, and a new one beyond `cap`."""
        if self.best is None or self.crept > cap or self.crept < 0:
            return self.own
        return self.best


def steps_from(
    before: Measurement | None, measured: Measurement, info: BaselineInfo
) -> dict[str, Step]:
    """One step for each timed workload of a baseline to be, whose commit and date `info` gives."""
    known = before.baseline.anchors if before and before.baseline else {}
    stored = {result.workload: result for result in before.results} if before else {}
    steps = {}
    for result in measured.results:
        if not isinstance(result.timing, Timing):
            continue
        value = median(result.timing.process_medians_ns)
        best = known.get(result.workload, {}).get(RUNTIME)
        steps[result.workload] = Step(
            own=Anchor(value=value, commit=info.commit, date=info.date),
            best=best if _comparable(stored.get(result.workload), result) else None,
        )
    return steps


def _comparable(stored: Result | None, measured: Result) -> bool:
    """Whether both time the same thing in the same way."""
    if stored is None or not isinstance(stored.timing, Timing):
        return False
    if not isinstance(measured.timing, Timing):
        return False
    same = stored.definition == measured.definition and stored.signature == measured.signature
    return same and stored.timing.method == measured.timing.method
