"""The timing step, parent's side: fresh processes measure, this reads what they say."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate import processes
from gate.environment import HARMFUL_REASONS, worker_environment
from gate.model import NotMeasured, SampleSummary, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.kernels import KernelFolder, Workload
    from gate.model import Gpu

# Figures finer than this are below the resolution of GPU events (half a microsecond over a batch).
DIGITS = 2


def measure(
    folder: KernelFolder,
    workloads: Sequence[Workload],
    *,
    gpu: Gpu,
    fresh_processes: int,
    seed: int,
    timeout_s: float,
) -> tuple[dict[str, Timing | NotMeasured], dict[str, tuple[str, ...]]]:
    """Time one forward call of each workload in `fresh_processes` fresh processes.

    Returns the timings and the signatures of the arguments, both by workload name. Whatever the
    candidate's code does ends as a NotMeasured.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as name:
        scratch = Path(name)
        request, answer = scratch / "request.json", scratch / "answer.jsonl"
        request.write_text(
            json.dumps(
                {
                    "folder": str(folder.path.resolve()),
                    "workloads": [workload.to_json() for workload in workloads],
                    "processes": fresh_processes,
                    "seed": seed,
                    "gpu": gpu.uuid,
                    "l2_bytes": gpu.l2_bytes,
                    "answer": str(answer),
                }
            )
        )
        ended = processes.run(
            [sys.executable, "-m", "gate.timing_worker", str(request)],
            timeout_s=timeout_s,
            env=worker_environment(scratch, gpu),
            cwd=scratch,
        )
        lines = read_lines(answer)
    gap = _gap(ended)
    timings = {w.name: _timing(lines, w.name, fresh_processes, gap) for w in workloads}
    signatures = {line["workload"]: tuple(line["signature"]) for line in lines}
    return timings, signatures


def read_lines(answer: Path) -> list[dict[str, Any]]:
    """The complete JSON objects of a worker's answer; what a killed worker left half is dropped."""
    lines = []
    for text in answer.read_text(errors="replace").splitlines() if answer.exists() else []:
        try:
            plain = json.loads(text)
        except ValueError:
            continue
        if isinstance(plain, dict):
            lines.append(plain)
    return lines


def _gap(ended: processes.Completed) -> NotMeasured:
    reason = "timed_out" if ended.timed_out else "crashed"
    last_words = ended.stderr.strip()[-2000:]
    return NotMeasured(
        status="failed",
        reason=reason,
        message=f"the timing process {ended.describe_end()}: {last_words or 'it said nothing'}",
    )


def _timing(
    lines: list[dict[str, Any]], workload: str, expected: int, gap: NotMeasured
) -> Timing | NotMeasured:
    mine = [line for line in lines if line.get("workload") == workload]
    if len(mine) < expected:
        return gap
    harmful = {reason for line in mine for reason in line["state"]["throttle_reasons"]}
    if harmful & HARMFUL_REASONS:
        return NotMeasured(
            status="failed",
            reason="throttled",
            message=f"the GPU slowed itself down ({', '.join(sorted(harmful & HARMFUL_REASONS))})",
        )
    summaries = tuple(_summary(line) for line in mine)
    return Timing(
        method=mine[0]["method"],
        process_medians_ns=tuple(summary.median_ns for summary in summaries),
        samples=summaries,
        batch=mine[0]["batch"],
        l2_flush_bytes=mine[0]["l2_flush_bytes"],
    )


def _summary(line: dict[str, Any]) -> SampleSummary:
    ordered: list[float] = sorted(line["samples_ns"])
    last = len(ordered) - 1

    def at(share: float) -> float:
        position = share * last
        below = int(position)
        above = min(below + 1, last)
        weight = position - below
        return round(ordered[below] * (1 - weight) + ordered[above] * weight, DIGITS)

    return SampleSummary(
        count=len(ordered),
        min_ns=at(0.0),
        q1_ns=at(0.25),
        median_ns=at(0.5),
        q3_ns=at(0.75),
        max_ns=at(1.0),
        sm_clock_mhz=line["state"]["sm_clock_mhz"],
    )
