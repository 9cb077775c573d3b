"""The verdict on runtime: process medians against the stored ones. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate import findings as say
from gate import gaps
from gate.compare import compare_runtime, status_of
from gate.model import RUNTIME, NotMeasured

if TYPE_CHECKING:
    from gate.model import Finding, Result


def judge_runtime(stored: Result, candidate: Result, *, floor: float) -> Finding:
    """One finding for one benchmarked result; `floor` is the least relative tolerance."""
    theirs, ours = stored.timing, candidate.timing
    if isinstance(theirs, NotMeasured):
        return say.not_measured(candidate, RUNTIME, theirs)
    if isinstance(ours, NotMeasured):
        return say.not_measured(candidate, RUNTIME, ours)
    if ours.method != theirs.method:
        return gaps.other_method(candidate, theirs.method, ours.method)
    comparison = compare_runtime(theirs.process_medians_ns, ours.process_medians_ns, floor=floor)
    return say.compared(candidate, RUNTIME, comparison, status_of(RUNTIME, comparison))
