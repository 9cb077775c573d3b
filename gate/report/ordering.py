"""A verdict's findings in the order that people want them: by workload, worst first. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from gate.errors import PRECEDENCE, ExitCode
from gate.findings import metric_name
from gate.model import DRAM_THROUGHPUT, RUNTIME, SM_THROUGHPUT
from gate.report.text import name
from gate.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.verdict import Verdict

KERNEL_LEVEL = "*"
_STEP = re.compile(r"(?:(?P<when>.*): )?(?P<command>gate .*)")
_WORST_FIRST = (
    Status.FAILED,
    Status.MISSING,
    Status.REGRESSED,
    Status.INCONCLUSIVE,
    Status.NOT_CHECKED,
    Status.ACCEPTED,
    Status.IMPROVED,
    Status.UNCHANGED,
    Status.PASSED,
)
_QUIET = frozenset(
    {Status.PASSED, Status.UNCHANGED, Status.IMPROVED, Status.ACCEPTED, Status.NOT_CHECKED}
)
# Of two equally bad findings of a workload the one named first explains the other.
_SUBJECTS = ("correctness", "contract", "result", RUNTIME, SM_THROUGHPUT, DRAM_THROUGHPUT)


def needs_attention(finding: Finding) -> bool:
    return finding.exit_code is not ExitCode.PASSED or finding.status not in _QUIET


def place(finding: Finding) -> str:
    """`kernel/workload`, or the kernel alone where the finding is about all of its workloads."""
    if finding.workload == KERNEL_LEVEL:
        return name(finding.kernel)
    return f"{name(finding.kernel)}/{name(finding.workload)}"


def subject(finding: Finding) -> str:
    """What people call the subject; the full metric name stands beside it where there is room."""
    return metric_name(name(finding.subject))


# ---------------------------------------------------------------------------------- workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Every finding of one workload, worst first; there is at least one."""

    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        return place(self.findings[0])

    @property
    def status(self) -> Status:
        return self.findings[0].status

    @property
    def is_kernel_level(self) -> bool:
        return self.findings[0].workload == KERNEL_LEVEL

    @property
    def needs_attention(self) -> bool:
        return any(map(needs_attention, self.findings))

    def find(self, wanted: str) -> Finding | None:
        """The worst finding on a subject; a metric has one for each JIT function."""
        return next((f for f in self.findings if f.subject == wanted), None)


def rows(verdict: Verdict) -> tuple[Row, ...]:
    """One row a workload, and one a kernel that has findings of its own; worst first."""
    by_place = sorted(verdict.findings, key=lambda f: (f.kernel, f.workload, *_severity(f)))
    groups = groupby(by_place, key=lambda f: (f.kernel, f.workload))
    return tuple(sorted((Row(findings=tuple(group)) for _, group in groups), key=_row_severity))


def _severity(finding: Finding) -> tuple[int, int, int, float, str, str]:
    known = finding.subject in _SUBJECTS
    return (
        PRECEDENCE.index(finding.exit_code),
        _WORST_FIRST.index(finding.status),
        _SUBJECTS.index(finding.subject) if known else len(_SUBJECTS),
        -_size(finding),
        finding.subject,
        finding.function or "",
    )


def _row_severity(row: Row) -> tuple[int, int, float, str, str]:
    worst = row.findings[0]
    return (
        PRECEDENCE.index(worst.exit_code),
        _WORST_FIRST.index(worst.status),
        -max(map(_size, row.findings)),
        worst.kernel,
        worst.workload,
    )


def _size(finding: Finding) -> float:
    return abs(finding.comparison.change) if finding.comparison else 0.0


# ------------------------------------------------------------------------------------- causes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Findings that say the same in the same words, such as a broken contract of 14 workloads."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def elsewhere(self) -> str:
        """How many more places there are than the first, such as ` and 13 more`."""
        more = len(self.findings) - 1
        return f" and {more:,} more" if more else ""


def causes(findings: Iterable[Finding], *, by_kernel: bool = False) -> tuple[Cause, ...]:
    """In the order of the findings. What has figures of its own stands for itself."""
    alike: dict[object, list[Finding]] = {}
    for finding in findings:
        reason = finding.reason
        kernel = finding.kernel if by_kernel else None
        what = (kernel, finding.subject, finding.function, finding.status)
        words = (*what, reason.code, reason.message)
        alike.setdefault(words if finding.comparison is None else id(finding), []).append(finding)
    return tuple(Cause(findings=tuple(group)) for group in alike.values())


def attention(of_rows: Iterable[Row]) -> tuple[Finding, ...]:
    return tuple(f for row in of_rows for f in row.findings if needs_attention(f))


def with_status(of_rows: Iterable[Row], *statuses: Status) -> tuple[Finding, ...]:
    """The findings that need no attention and have one of these."""
    quiet = (f for row in of_rows for f in row.findings if not needs_attention(f))
    return tuple(f for f in quiet if f.status in statuses)


def next_steps(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What to type, worst first, each once."""
    return tuple(dict.fromkeys(f.next_step for f in findings if f.next_step.strip()))


def split_step(step: str) -> tuple[str, str]:
    """(`if it is meant`, `gate baseline refresh ...`); either may be empty."""
    found = _STEP.fullmatch(step)
    return (found["when"] or "", found["command"]) if found else (step, "")


def unproven(verdict: Verdict, of_rows: Iterable[Row]) -> tuple[str, ...]:
    """Every sentence on what this verdict says nothing about; free text, still to be escaped."""
    skipped = causes(with_status(of_rows, Status.NOT_CHECKED))
    said = (
        f"{subject(cause.first)} of {place(cause.first)}{cause.elsewhere}: "
        f"{cause.first.reason.message}"
        for cause in skipped
    )
    return (*verdict.not_checked, *said)
