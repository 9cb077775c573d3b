"""A throughput that fell because the kernel now does less work, told apart from one that did not.

Throughput is work over time: where time did not grow, less of it means less work. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from gate.errors import ExitCode
from gate.findings import refresh_command, signed
from gate.metrics import DURATION
from gate.model import NotMeasured
from gate.verdict import Reason, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.model import NcuBlock, Result
    from gate.verdict import Finding

# What must be gone of a function's instructions or DRAM bytes before less work is claimed: they
# repeat from process to process far better than this.
LESS_WORK = 0.01
INSTRUCTIONS = "instructions"
DRAM_BYTES = "DRAM bytes"
# ncu's own names for the work of one function, and what people call it. Blackwell's consumer cards
# count DRAM bytes by operation.
_WORK = {
    INSTRUCTIONS: ("smsp__inst_executed.sum",),
    DRAM_BYTES: (
        "dram__bytes_read.sum",
        "dram__bytes_write.sum",
        "dram__bytes_op_read.sum",
        "dram__bytes_op_write.sum",
    ),
    "profiled time": (DURATION,),
}


def explained(
    finding: Finding,
    runtime: Finding | None,
    stored: Result,
    candidate: Result,
    on_trade_off: Literal["fail", "warn"],
) -> Finding:
    """A fallen throughput with how work and time moved; a trade-off only where both prove it.

    `runtime` is the finding on the same result's runtime, None where that does not gate. Any other
    finding comes back as it is.
    """
    if finding.status is not Status.REGRESSED:
        return finding
    moved = _moved(stored, candidate, finding.function or "")
    why = ", ".join(f"{name} {signed(change)}" for name, change in moved.items())
    why = why or "instructions and bytes were not collected"
    less = min(moved.get(INSTRUCTIONS, 0.0), moved.get(DRAM_BYTES, 0.0)) < -LESS_WORK
    if runtime is None or runtime.status not in (Status.UNCHANGED, Status.IMPROVED) or not less:
        reason = replace(finding.reason, message=f"{finding.reason.message} ({why})")
        return replace(finding, reason=reason)
    less_work = f"while runtime did not rise: the kernel now does less work ({why})"
    message = f"{finding.reason.message}, {less_work}"
    finding = replace(finding, reason=Reason(code="trade_off", message=message))
    if on_trade_off == "warn":
        return replace(finding, status=Status.ACCEPTED, exit_code=ExitCode.PASSED, next_step="")
    accept = refresh_command(candidate.kernel, accept=True)
    return replace(finding, next_step=f"if it is meant: {accept}")


def _moved(stored: Result, candidate: Result, function: str) -> dict[str, float]:
    """How instructions, bytes and time of one function changed, relative to the baseline's."""
    base, cand = _metrics(stored.ncu, function), _metrics(candidate.ncu, function)
    moved = {}
    for name, metrics in _WORK.items():
        before = sum(base.get(m, 0.0) for m in metrics)
        after = sum(cand.get(m, 0.0) for m in metrics)
        if before > 0 and after > 0:
            moved[name] = after / before - 1
    return moved


def _metrics(block: NcuBlock | NotMeasured, function: str) -> Mapping[str, float]:
    return {} if isinstance(block, NotMeasured) else block.get(function, {})
