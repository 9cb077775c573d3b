"""Baselines that the judged change brings along: verified against what was measured. Pure.

A change is accepted by a refreshed baseline in the same pull request. It may have been written by
hand, so it counts only where the measurement agrees with it in both directions: a proposal that is
slower than what was measured would hide the next regression, one that is faster was never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from gate.anchors import steps_from
from gate.compare import status_of
from gate.errors import ExitCode, most_severe
from gate.findings import MAX_MESSAGE, is_test_only, metric_name, of_kernel, refresh_command
from gate.judge import Stored, judge
from gate.model import (
    RUNTIME,
    BaselineInfo,
    Measurement,
    NotMeasured,
    Result,
)
from gate.runtime import compare_with_stored
from gate.verdict import Finding, ProposedBaseline, ProposedFigure, Reason, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.judge import Rules

Proposals = Mapping[str, Measurement | str]
"""By kernel: the proposed baseline, or why it cannot be read."""

OTHER_TOOLCHAIN = "other_toolchain"
# What a person may want and sign. What is wrong, contradicts itself or is the machine's, nobody.
ACCEPTABLE = frozenset(
    {"slower", "lower", "higher", "trade_off", "launches_changed", "workload_changed"}
    | {"no_baseline", "result_missing", OTHER_TOOLCHAIN}
)
_AGREED = frozenset({Status.PASSED, Status.UNCHANGED, Status.NOT_CHECKED})
_SHAPE_CHANGED = "launch_shape_changed"
_MAX_FAULTS = 5


def settle(
    verdict: Verdict,
    measurement: Measurement,
    proposals: Proposals,
    *,
    stored: Stored,
    rules: Rules,
    creep_cap: float,
) -> Verdict:
    """The verdict on `measurement` where `proposals` came with the change; `stored` is trusted.

    A proposal that is what is stored proposes nothing. Every other one is verified, also where
    nothing needs it: once merged it would be believed.
    """
    findings, verified = verdict.findings, []
    for kernel, proposal in sorted(proposals.items()):
        trusted = stored.load(kernel)
        if proposal == trusted:
            continue
        claim = _claim(kernel, proposal, trusted, measurement)
        if isinstance(claim, str):
            findings = (*findings, _disagrees(kernel, claim))
            continue
        told = "; ".join(islice(_faults(claim, rules, creep_cap), _MAX_FAULTS))
        if told:
            findings = (*findings, _disagrees(kernel, told))
            continue
        verified.append(_told(claim, rules, creep_cap))
        unshown = "; ".join(islice(_unshown(claim, rules.runtime_tolerance), _MAX_FAULTS))
        findings = tuple(_accepted(f, unshown) if f.kernel == kernel else f for f in findings)
    return replace(
        verdict,
        findings=findings,
        proposals=tuple(verified),
        exit_code=most_severe(finding.exit_code for finding in findings),
    )


def _disagrees(kernel: str, why: str) -> Finding:
    message = f"the proposed baseline is not what was measured: {why}"
    return of_kernel(
        kernel,
        "baseline",
        Reason(code="proposal_disagrees", message=message[:MAX_MESSAGE]),
        ExitCode.INVALID,
        next_step=f"on the same card, with the same kernel: {refresh_command(kernel, accept=True)}",
    )


def _accepted(finding: Finding, unshown: str) -> Finding:
    """The finding as the verified proposal leaves it; `unshown` says what keeps a toolchain out."""
    if not finding.exit_code or finding.reason.code not in ACCEPTABLE:
        return finding
    if unshown and finding.reason.code == OTHER_TOOLCHAIN:
        return _also(finding, f"not accepted by the proposed baseline: {unshown}")
    return replace(
        _also(finding, "accepted by the proposed baseline"),
        status=Status.ACCEPTED,
        exit_code=ExitCode.PASSED,
        next_step="",
    )


def _also(finding: Finding, said: str) -> Finding:
    message = f"{finding.reason.message}; {said}"[:MAX_MESSAGE]
    return replace(finding, reason=replace(finding.reason, message=message))


# ------------------------------------------------------------------------------ verification


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """One readable proposal, what it would replace, and what was measured of its kernel."""

    kernel: str
    info: BaselineInfo
    proposal: Measurement
    trusted: Measurement | None
    measured: Measurement


def _claim(
    kernel: str,
    proposal: Measurement | str,
    trusted: Measurement | None,
    measurement: Measurement,
) -> _Claim | str:
    """The claim, or why there is nothing to verify."""
    if isinstance(proposal, str):
        return proposal
    if proposal.baseline is None or not proposal.baseline.reason.strip():
        return "it does not say why"
    return _Claim(
        kernel=kernel,
        info=proposal.baseline,
        proposal=proposal,
        trusted=trusted,
        measured=measurement.about(kernel),
    )


def _faults(claim: _Claim, rules: Rules, creep_cap: float) -> Iterator[str]:
    """Everything that keeps a proposal from being believed, in words."""
    yield from _source_faults(claim)
    yield from _gate_faults(claim)
    yield from _anchor_faults(claim, creep_cap)
    yield from _figure_faults(claim.proposal, claim.measured, rules)


def _source_faults(claim: _Claim) -> Iterator[str]:
    own = claim.info.kernel_sha256
    if claim.measured.sources.get(claim.kernel, own) != own:
        yield "it is of another kernel.py than the measured one"
    elif claim.proposal.sources.get(claim.kernel, own) != own:
        yield "it names two digests of its kernel.py"


def _gate_faults(claim: _Claim) -> Iterator[str]:
    """A baseline decides what gates: nothing may stop to, whatever the figures are."""
    ours, theirs = _by_workload(claim.measured), _by_workload(claim.trusted)
    for result in claim.proposal.results:
        name = result.workload
        if name in ours and set(result.gates) != set(ours[name].gates):
            yield f"{name} is gated by other metrics than it was measured for"
        if name in theirs and not set(theirs[name].gates) <= set(result.gates):
            yield f"{name} loses a metric that gates"
        if name in theirs and is_test_only(result) and not is_test_only(theirs[name]):
            yield f"{name} loses its figures"


def _anchor_faults(claim: _Claim, cap: float) -> Iterator[str]:
    """Its anchors follow from the trusted ones; a better one, of a step between, is as strict."""
    steps = steps_from(claim.trusted, claim.proposal, claim.info)
    known = claim.info.anchors
    if {w: set(anchors) for w, anchors in known.items()} != {w: {RUNTIME} for w in steps}:
        yield "its anchors are not those of its timed workloads"
        return
    for workload, step in steps.items():
        anchor, follows = known[workload][RUNTIME], step.anchor(cap)
        if anchor != follows and not anchor.value < follows.value:
            yield f"the anchor of {workload} does not follow from the stored one"
        elif step.own.value > anchor.value * (1 + cap):
            yield f"{workload} crept beyond {cap:.0%} of its best, without a new anchor"


def _unshown(claim: _Claim, floor: float) -> Iterator[str]:
    """Which code was not held against the base revision's: all that can be where tools changed."""
    ours = _by_workload(claim.measured)
    for name, stored in _by_workload(claim.trusted).items():
        if is_test_only(stored) or name not in ours:
            continue
        timing = ours[name].timing
        if isinstance(timing, NotMeasured) or timing.base is None:
            yield f"{name} was not timed in turn with the base revision's kernel"
            continue
        alone, in_turn = timing.process_medians_ns, timing.base.candidate_medians_ns
        between = compare_with_stored(alone, in_turn, floor=floor)
        if status_of(RUNTIME, between) is Status.IMPROVED:
            yield f"{name} was faster in turn with the base revision's kernel than by itself"


def _figure_faults(proposal: Measurement, measured: Measurement, rules: Rules) -> Iterator[str]:
    """Each is judged against the other, by the noise that the other shows."""
    for finding in _held_against(proposal, measured, rules):
        if finding.comparison and finding.comparison.tolerance_origin == "cap":
            yield f"{_subject(finding)} is too noisy to be stored"
        elif not _agrees(finding):
            yield f"measured against it, {_subject(finding)}: {finding.reason.message}"
    for finding in _held_against(measured, proposal, rules):
        if not _agrees(finding):
            yield f"it against what was measured, {_subject(finding)}: {finding.reason.message}"


def _held_against(
    baseline: Measurement, candidate: Measurement, rules: Rules
) -> tuple[Finding, ...]:
    """Figures against figures: a base revision that either was timed with excuses nothing."""
    theirs = baseline.without_base()
    return judge(
        candidate.without_base(),
        stored=Stored(load=lambda _kernel: theirs, folder="the proposed baseline"),
        required=(),
        rules=replace(rules, require_gpu=False),
    ).findings


def _agrees(finding: Finding) -> bool:
    quiet = finding.status in _AGREED and not finding.exit_code
    return quiet and finding.reason.code != _SHAPE_CHANGED


def _subject(finding: Finding) -> str:
    return f"{finding.workload} {metric_name(finding.subject)}"


def _by_workload(document: Measurement | None) -> dict[str, Result]:
    return {result.workload: result for result in document.results} if document else {}


# ---------------------------------------------------------------------------- what is signed


def _told(claim: _Claim, rules: Rules, creep_cap: float) -> ProposedBaseline:
    tools, trusted = claim.proposal.environment.toolchain, claim.trusted
    before = _held_against(claim.proposal, trusted.under(tools), rules) if trusted else ()
    stored = {_key(f): f.comparison.candidate for f in before if f.comparison}
    found = _held_against(claim.proposal, claim.measured, rules)
    steps = steps_from(claim.trusted, claim.proposal, claim.info)
    return ProposedBaseline(
        kernel=claim.kernel,
        reason=claim.info.reason,
        new_anchors=tuple(w for w, step in sorted(steps.items()) if step.crept > creep_cap),
        figures=tuple(
            ProposedFigure(
                workload=f.workload,
                metric=f.subject,
                function=f.function,
                unit=f.comparison.unit,
                stored=stored.get(_key(f)),
                proposed=f.comparison.baseline,
                measured=f.comparison.candidate,
                tolerance=f.comparison.tolerance,
            )
            for f in found
            if f.comparison
        ),
    )


def _key(finding: Finding) -> tuple[str, str, str | None]:
    return finding.workload, finding.subject, finding.function
