"""The frozen values that judging makes: Comparison -> Finding -> Verdict. Pure.

Verdict mirrors `schemas/verdict.schema.json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gate.errors import ExitCode


class Status(StrEnum):
    """What became of one gated thing. Only the first four are green."""

    PASSED = "passed"  # contract, correctness
    UNCHANGED = "unchanged"
    IMPROVED = "improved"
    ACCEPTED = "accepted"
    NOT_CHECKED = "not_checked"  # outside of what was asked for; said, never counted as proven
    INCONCLUSIVE = "inconclusive"
    REGRESSED = "regressed"
    MISSING = "missing"
    FAILED = "failed"  # contract, correctness


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a finding has its status: a stable code, and one sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Baseline against candidate for one metric.

    `change` is candidate / baseline - 1; `low` and `high` bound it at the confidence of the rule.
    `tolerance` is relative, and `tolerance_origin` says whether it is the configured floor, the
    baseline's calibrated noise, or the most that noise may buy, where it would need more.
    """

    unit: str
    baseline: float
    candidate: float
    change: float
    low: float
    high: float
    tolerance: float
    tolerance_origin: Literal["floor", "noise", "cap", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One gated thing of one result: its status, the reason, and what to do next.

    `subject` is `contract`, `correctness`, `runtime`, `result`, or a metric's full name;
    `function` is the JIT function for what is measured per function.
    """

    kernel: str
    workload: str
    subject: str
    status: Status
    reason: Reason
    exit_code: ExitCode = ExitCode.PASSED
    function: str | None = None
    comparison: Comparison | None = None
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFigure:
    """One gated metric of a proposed baseline; `stored` is None where nothing compares with it.

    `tolerance` is the relative one that later runs would be given.
    """

    workload: str
    metric: str
    function: str | None
    unit: str
    stored: float | None
    proposed: float
    measured: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedBaseline:
    """A verified baseline of the same change, for the owners of the baselines to approve.

    `new_anchors` names the workloads that crept beyond the cap and start to count afresh.
    """

    kernel: str
    reason: str
    new_anchors: tuple[str, ...]
    figures: tuple[ProposedFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one measurement: the exit code is the most severe of its findings'."""

    exit_code: ExitCode
    baseline_folder: str
    gpu: str | None
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...] = field(default=())
    proposals: tuple[ProposedBaseline, ...] = ()
