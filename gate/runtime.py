"""The verdict on runtime: process medians against stored ones, confirmed and attributed. Pure.

A figure of another day compares two sessions of a machine as much as two kernels. So a suspect is
also held against the base revision's kernel, measured in turn with the candidate's: where the two
agree, the machine moved or an earlier change did it, and nobody is blamed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal

from gate import findings as say
from gate import gaps
from gate.compare import MAX_RUNTIME_TOLERANCE, status_of, tolerance_of
from gate.errors import ExitCode
from gate.model import RUNTIME, NotMeasured
from gate.sequential import CONFIDENCE
from gate.stats import (
    Interval,
    log_deviation,
    log_ratio,
    log_ratio_to_stored,
    processes_needed,
    student_quantile,
)
from gate.verdict import Comparison, Reason, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.model import BaseTiming, Canary, Environment, Result, Timing
    from gate.verdict import Finding

# A baseline noisier than the floor gets this many of its processes' deviations as tolerance. The
# last look's interval is 1.35 of them wide on either side, the session's share included: what is
# unchanged can be proven so.
NOISE_FACTOR = 3.0
# What one session may differ from another with the same card and code: two machines agreed to
# 0.01 %, and the noisier a workload the less so (benchmarks/RESULTS.md). At this share all looks
# keep their error where sessions differ by 0.3 deviations (benchmarks/error_rates.py).
SESSION = 0.0005
SESSION_NOISE_SHARE = 0.3
# The canary's work never changes: a machine whose canary moved by this is another machine.
CANARY_TOLERANCE = 0.02
# A core clock that differs by more than this explains a runtime that does.
CLOCK_TOLERANCE = 0.01


# ------------------------------------------------------------------------------ comparisons


def compare_with_stored(
    stored: Sequence[float], candidate: Sequence[float], *, floor: float
) -> Comparison:
    """Process medians in nanoseconds of two sessions, at least two on either side.

    `floor` is the least relative tolerance; the stored processes' deviation may buy more.
    """
    deviation = log_deviation(stored)
    session = _session(deviation)
    # What a baseline of few processes cannot even prove of itself is not asked of a candidate.
    error = deviation * math.sqrt(2 / len(stored))
    provable = student_quantile(0.5 + CONFIDENCE / 2, 2 * len(stored) - 2) * error + session
    noise = max(NOISE_FACTOR * deviation, math.expm1(provable)) + SESSION
    interval = log_ratio_to_stored(stored, candidate, confidence=CONFIDENCE).widened(session)
    tolerance, origin = tolerance_of(noise, floor=floor, most=MAX_RUNTIME_TOLERANCE)
    return _comparison((stored, candidate), interval, tolerance, origin)


def _session(deviation: float) -> float:
    """What another session may differ by, in logarithms, where processes have this deviation."""
    return SESSION + SESSION_NOISE_SHARE * deviation


def compare_in_turn(
    base: Sequence[float], candidate: Sequence[float], *, like: Comparison
) -> Comparison:
    """Two revisions measured in turn, in one session, under the tolerance of `like`."""
    interval = log_ratio(base, candidate, confidence=CONFIDENCE)
    return _comparison((base, candidate), interval, like.tolerance, like.tolerance_origin)


def _comparison(
    medians: tuple[Sequence[float], Sequence[float]],
    interval: Interval,
    tolerance: float,
    origin: Literal["floor", "noise", "cap", "exact"],
) -> Comparison:
    """Geometric means are shown, since it is their ratio that is judged."""
    baseline, candidate = (math.exp(fmean(map(math.log, values))) for values in medians)
    return Comparison(
        unit="ns",
        baseline=baseline,
        candidate=candidate,
        change=math.expm1(interval.centre),
        low=math.expm1(interval.low),
        high=math.expm1(interval.high),
        tolerance=tolerance,
        tolerance_origin=origin,
    )


# ------------------------------------------------------------------------------- the verdict


def judge_runtime(stored: Result, candidate: Result, *, floor: float, moved: str = "") -> Finding:
    """One finding for one benchmarked result.

    `moved` says how the machine differs from the baseline's (see `machine_moved`): then only what
    was measured in turn is evidence.
    """
    theirs, ours = stored.timing, candidate.timing
    if isinstance(theirs, NotMeasured):
        return say.not_measured(candidate, RUNTIME, theirs)
    if isinstance(ours, NotMeasured):
        return say.not_measured(candidate, RUNTIME, ours)
    if ours.method != theirs.method:
        return gaps.other_method(candidate, theirs.method, ours.method)
    against = compare_with_stored(theirs.process_medians_ns, ours.process_medians_ns, floor=floor)
    status = status_of(RUNTIME, against)
    finding = say.compared(candidate, RUNTIME, against, status)
    suspect = status in (Status.REGRESSED, Status.INCONCLUSIVE)
    if ours.base and (moved or suspect):
        return _attributed(candidate, finding, ours.base, moved)
    if status is Status.REGRESSED:
        moved = moved or _clock_moved(theirs, ours)
    if moved:
        return _drift(finding, f"{moved}: nothing is proven about the kernel")
    return _explained(finding, theirs.process_medians_ns, ours.process_medians_ns)


def _explained(finding: Finding, stored: Sequence[float], candidate: Sequence[float]) -> Finding:
    """What an improvement hides, and how many processes would decide what is open."""
    if finding.status is Status.IMPROVED:
        return _stale(finding)
    against = finding.comparison
    if finding.status is not Status.INCONCLUSIVE or against is None:
        return finding
    room = abs(math.log1p(against.tolerance) - abs(math.log1p(against.change)))
    half = room - _session(log_deviation(stored))
    needed = processes_needed(stored, candidate, half=half, confidence=CONFIDENCE)
    if needed is None:
        return _with_message(finding, f"{finding.reason.message}; more processes would not tell")
    told = _with_message(finding, f"{finding.reason.message}; about {needed} processes would tell")
    return replace(told, next_step=f"gate check {finding.kernel} --processes {needed}")


def judge_in_turn(candidate: Result, *, floor: float) -> Finding | None:
    """Code against code where the stored figures do not compare; None without a base arm."""
    base = None if isinstance(candidate.timing, NotMeasured) else candidate.timing.base
    if base is None:
        return None
    medians = base.process_medians_ns, base.candidate_medians_ns
    in_turn = compare_in_turn(*medians, like=compare_with_stored(*medians, floor=floor))
    return _of_turn(candidate, in_turn, base)


def _attributed(candidate: Result, finding: Finding, base: BaseTiming, moved: str) -> Finding:
    """What the base revision's kernel, measured in turn, makes of a suspect."""
    against = finding.comparison
    assert against
    in_turn = compare_in_turn(base.process_medians_ns, base.candidate_medians_ns, like=against)
    of_turn = _of_turn(candidate, in_turn, base)
    if of_turn.status is Status.REGRESSED and finding.status is Status.REGRESSED and not moved:
        return _with_message(finding, f"{finding.reason.message}; {_turned(in_turn, base)}")
    excused = of_turn.status in (Status.UNCHANGED, Status.IMPROVED) and against.low <= 0
    if excused and not moved and against.change > against.tolerance:
        # Wild where it is held against the baseline, and steady where it is not: no proof.
        return _with_message(finding, f"{finding.reason.message}; {_turned(in_turn, base)}")
    # What differs from the stored figures by more than the code does is the machine's.
    drifted_away = against.low > 0 and in_turn.high < against.low
    agree = of_turn.status is not Status.INCONCLUSIVE and against.low > 0
    if of_turn.status is Status.REGRESSED or not (moved or agree or drifted_away):
        return of_turn
    why = moved or f"{against.low * 100:+.2f} % at least against the baseline"
    blamed = "the machine moved, or an earlier change did it, and not this one"
    return _drift(finding, f"{blamed}: {why}; {_turned(in_turn, base)}")


def _of_turn(candidate: Result, in_turn: Comparison, base: BaseTiming) -> Finding:
    finding = say.compared(candidate, RUNTIME, in_turn, status_of(RUNTIME, in_turn))
    return _with_message(finding, f"{finding.reason.message}; {_turned(in_turn, base)}")


def _turned(in_turn: Comparison, base: BaseTiming) -> str:
    low, high = f"{in_turn.low * 100:+.2f}", f"{in_turn.high * 100:+.2f}"
    return (
        f"in turn with the base revision {base.commit[:12]} it is {in_turn.change * 100:+.2f} % "
        f"[{low} %, {high} %]"
    )


def _drift(finding: Finding, message: str) -> Finding:
    return replace(
        finding,
        status=Status.MISSING,
        reason=Reason(code="environment_drift", message=message),
        exit_code=ExitCode.ENVIRONMENT,
        next_step="gate doctor; if the machine is meant to be so: "
        + say.refresh_command(finding.kernel),
    )


def drifted(finding: Finding, runtime: Finding | None, moved: str) -> Finding:
    """A throughput on a machine that moved accuses nobody either.

    `runtime` shows whether it did, or where that does not gate, the canary (`moved`).
    """
    if runtime is not None:
        shown = runtime.reason.code == "environment_drift"
        moved = "the machine moved, as its runtime shows" if shown else ""
    if not moved or finding.comparison is None:
        return finding
    return _drift(finding, f"{finding.reason.message}; {moved}")


def _stale(finding: Finding) -> Finding:
    assert finding.comparison
    hidden = f"{-finding.comparison.change * 100:.1f} %"
    return replace(
        _with_message(
            finding,
            f"{finding.reason.message}: until the baseline is refreshed it would hide a slowdown "
            f"of as much ({hidden})",
        ),
        next_step=say.refresh_command(finding.kernel),
    )


def _with_message(finding: Finding, message: str) -> Finding:
    return replace(finding, reason=replace(finding.reason, message=message))


# ------------------------------------------------------------------------------- the machine


def machine_moved(stored: Environment, ours: Environment) -> str:
    """How this session's machine differs from the one of the baseline, in words; empty if not."""
    if stored.canary is None:
        return ""
    if ours.canary is None:
        return "the canary was not measured"
    for name, before, after in _canary_pairs(stored.canary, ours.canary):
        change = log_ratio(before, after, confidence=CONFIDENCE)
        if change.low > CANARY_TOLERANCE or change.high < -CANARY_TOLERANCE:
            return f"the canary's {name} takes {math.expm1(change.centre) * 100:+.1f} %"
    return ""


def _canary_pairs(
    stored: Canary, ours: Canary
) -> tuple[tuple[str, tuple[float, ...], tuple[float, ...]], ...]:
    return (
        ("copy", stored.copy_ns, ours.copy_ns),
        ("arithmetic", stored.compute_ns, ours.compute_ns),
    )


def _clock_moved(stored: Timing, ours: Timing) -> str:
    before, after = _clock(stored), _clock(ours)
    if before and after and after < before * (1 - CLOCK_TOLERANCE):
        return f"the SM clock was {after:.0f} MHz and {before:.0f} MHz for the baseline"
    return ""


def _clock(timing: Timing) -> float | None:
    known = [s.sm_clock_mhz for s in timing.samples if s.sm_clock_mhz is not None]
    return median(known) if known else None
