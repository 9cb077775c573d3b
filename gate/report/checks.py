"""`gate doctor`: what each check found and, where it failed, the mend below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gate.doctor.counters import COUNTERS
from gate.errors import ExitCode
from gate.report.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from gate.doctor import Check

MAX_DETAIL = 800
STYLES = {"ok": "green", "failed": "bold red", "warning": "yellow", "unknown": "dim"}


def render(checks: Sequence[Check], console: Console) -> None:
    """Every line is kept whole, since a mend is there to be copied."""
    width = max(map(len, STYLES))
    for check in checks:
        detail = f" {check.name}: {one_line(check.detail, MAX_DETAIL)}"
        status = f"{check.status:{width}}"
        console.print(Text.assemble((status, STYLES[check.status]), detail), soft_wrap=True)
        if check.mend:
            mend = f"{'':{width}} mend: {one_line(check.mend, MAX_DETAIL)}"
            console.print(Text(mend), soft_wrap=True)
    console.print(Text(summary(checks), style="bold"), soft_wrap=True)


def summary(checks: Sequence[Check]) -> str:
    if exit_code_of(checks) is ExitCode.PASSED:
        return "this machine can measure"
    failed = [check.name for check in checks if check.status == "failed"]
    if not failed:
        return f"this machine is not shown to measure: {COUNTERS} is unknown"
    return f"this machine cannot measure; what failed: {', '.join(failed)}"


def exit_code_of(checks: Sequence[Check]) -> ExitCode:
    """Only a number read back from a counter proves that a machine can measure."""
    proven = any(check.name == COUNTERS and check.status == "ok" for check in checks)
    failed = any(check.status == "failed" for check in checks)
    return ExitCode.PASSED if proven and not failed else ExitCode.ENVIRONMENT
